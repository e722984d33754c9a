"""The writing half of numbered streams (`nodes/_stream.py`)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nodes._node import Action, Letter, News
from protocol import wire
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Announce, Configuration, Durable, Fetch, Gone, Measurements, Numbered

if TYPE_CHECKING:
    from nodes._keeper import Keeper

ANNOUNCE_EVERY = 400 * MILLISECOND
FETCH_AT_MOST = 128
"""Words asked for at once, so that an answer fits an inbox, and takes a writer less than a tick."""
FETCH_BYTES = 4 << 20
"""An answer ends with the word that reaches this; the rest is asked for again."""
MEANINGS = 4
"""Configurations of one device that a writer keeps; older ones come in their place in the stream or not at all."""
MARK_EVERY = 10 * SECOND
"""How finely it is known how many rows the words below a number have."""
ANSWER_ONCE = 500 * MILLISECOND
"""The same question within so short a time is one that waited for us, asked again each second: it has been answered."""
UNREADABLE = 3
"""So often a place of the journal that can't be read is tried before its words are given up."""


PART = 400
"""Bytes of memory that a part takes besides its own, an array with its view: of a slot of few devices, most."""


def size_of(parts: Sequence[Any]) -> int:
    """Bytes that a word takes in memory."""
    return sum(PART + memoryview(part).nbytes for part in parts)


class Writer:
    """The writing half. `say` every word that must not be lost; hand Fetch and Durable to `receive`.

    With a keeper, what a call said and noted becomes one group of the journal, and is sent only after it was
    written: `return writer.commit(self._work(now), now)`. Without one, only the recent words in memory can be fetched.
    """

    def __init__(
        self, node: str, epoch: int, keep: int = 16 << 20, keeper: Keeper | None = None, needed: Sequence[str] = ()
    ) -> None:
        """`epoch` is UTC [ns] of this opening; `keep` bounds the words in memory [bytes]; `needed` are the processes
        that tell with Durable what is safe with them: what one of them lacks stays in the journal.
        """
        self.node, self.epoch, self.keep = node, epoch, keep
        self.keeper, self.needed = keeper, tuple(needed)
        self.next = 0
        self.first = 0
        """Oldest word in memory."""
        self.held = 0
        """Bytes of words in memory."""
        self.durable: dict[str, tuple[int, int]] = {}
        """Reader -> (epoch, next): all below is safe with it."""
        self._ring: deque[tuple[int, list[Any], Numbered]] = deque()
        self._meanings: dict[int, list[Configuration]] = {}
        """Device -> its configurations in this epoch: the first, and the last few."""
        self._words: list[list[Any]] = []
        self._notes: list[bytes] = []
        self._announce_at = 0
        self._rows = 0
        self._marks: deque[tuple[int, int]] = deque([(0, 0)])
        """(number, rows in all words below it), every few seconds."""
        self._mark_at = 0
        self._bounded = 0
        """Up to where rows were counted as dropped."""
        self.dropped_rows = 0
        self._asked: dict[str, tuple[Fetch, int]] = {}
        """Reader -> the last question that was answered, and when."""
        self._unreadable: tuple[int, int, int] = (0, 0, 0)
        """(epoch, number, how often that place of the journal could not be read)"""

    # ── saying ──────────────────────────────────────────────────────────────────────────────────────────────

    def open(self, now: Now, head: Callable[[], list[bytes]]) -> None:
        """Begin an epoch, above all that the journal knows; `head` gives the notes that make up the state."""
        self.epoch = max(now.utc, (self.keeper.last_epoch if self.keeper else 0) + 1)
        if self.keeper:
            self.keeper.open(self.epoch, now, head)

    def say(self, message: Numbered) -> News:
        """Number a word, keep it, and return it as news."""
        message = replace(message, node=self.node, epoch=self.epoch, number=self.next)
        if isinstance(message, Configuration) and message.again:
            message = replace(message, again=False)  # heard when we joined another stream, a word of this one now
        parts = wire.pack(message)
        self._ring.append((self.next, parts, message))
        self.held += size_of(parts)
        self.next += 1
        if self.keeper:
            self._words.append(parts)
        if isinstance(message, Configuration):
            self._mean(message)
        elif isinstance(message, Measurements):
            self._rows += len(message.device)
        while self.held > self.keep and len(self._ring) > 1:
            number, old, _ = self._ring.popleft()
            self.held -= size_of(old)
            self.first = number + 1
        return News(message, parts)

    def _mean(self, message: Configuration) -> None:
        meanings = self._meanings.setdefault(message.device, [])
        meanings.append(message)
        if len(meanings) > MEANINGS:
            del meanings[1]

    def note(self, data: bytes) -> None:
        """Into the group in progress: what this process must know to go on after a kill."""
        if self.keeper:
            self._notes.append(data)

    def commit(self, actions: Iterable[Action], now: Now) -> list[Action]:
        """Do the work; journal what it said and noted as one group; only then is it to be sent."""
        done = list(actions)
        if self.keeper and (self._words or self._notes):
            words, notes = self._words, self._notes
            self._words, self._notes = [], []
            self.keeper.commit(self.next - len(words), words, notes, now)
        return done

    # ── answering ───────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, message: Fetch | Durable, now: Now) -> Iterator[Action]:
        """Answer a Fetch (to the reader's inbox), note a Durable."""
        if isinstance(message, Durable):
            safe = (message.epoch, message.next)
            self.durable[message.archive] = max(safe, self.durable.get(message.archive, safe))
            return
        asked, at = self._asked.get(message.reader, (None, 0))
        if message == asked and now.monotonic < at + ANSWER_ONCE:
            return
        self._asked[message.reader] = message, now.monotonic
        known = {
            epoch: (first, next) for epoch, first, next in [*self._earlier(), (self.epoch, self._oldest(), self.next)]
        }
        if message.epoch not in known or (message.epoch != self.epoch and message.first >= message.last):
            yield Letter(message.reader, self.announce().message)
            return
        oldest, end = known[message.epoch]
        if message.configurations or message.first < oldest:
            yield from self._in_force(message, max(message.first, oldest))
        if message.configurations:
            yield Letter(message.reader, Gone(self.node, message.epoch, message.first, message.first))
        if message.first < oldest:
            yield Letter(message.reader, Gone(self.node, message.epoch, message.first, oldest))
        first = max(message.first, oldest)
        yield from self._words_of(message, first, min(message.last, end, first + FETCH_AT_MOST))

    def _in_force(self, message: Fetch, at: int) -> Iterator[Letter]:
        """What rows mean from word `at` on. An earlier epoch ended with what this one began with."""
        for meanings in self._meanings.values():
            if message.epoch == self.epoch:
                before = bisect_left(meanings, at, key=lambda each: each.number)
                known = meanings[before - 1 : before] if before else []
            else:
                known = meanings[:1]
            for each in known:
                yield Letter(message.reader, replace(each, epoch=message.epoch, number=0, again=True))

    def _words_of(self, message: Fetch, first: int, last: int) -> Iterator[Letter]:
        """Words in [first, last), as far as they go into one answer; Gone where there are none any more."""
        expected, room = first, FETCH_BYTES
        words = self._kept(message.epoch, first, last)
        while room > 0 and expected < last:
            try:
                number, parts, word = next(words, (last, [], None))
                word = word or (wire.unpack(parts) if parts else None)
            except wire.WireError:
                continue  # a word of another release that is none of ours: gone
            except OSError:
                if self._given_up(message.epoch, expected):
                    end = min(last, self.first) if message.epoch == self.epoch else last
                    yield Letter(message.reader, Gone(self.node, message.epoch, expected, end))
                return
            if number > expected:
                if self.keeper and self.keeper.hangs:
                    return  # it may be there: the reader asks again
                yield Letter(message.reader, Gone(self.node, message.epoch, expected, number))
            if word:
                yield Letter(message.reader, word, parts)
            expected, room = number + 1, room - size_of(parts)
        if expected < last:
            yield Letter(message.reader, Gone(self.node, message.epoch, expected, expected))

    def _given_up(self, epoch: int, number: int) -> bool:
        """Whether the journal could not be read here, again and again."""
        *place, times = self._unreadable
        self._unreadable = epoch, number, times + 1 if place == [epoch, number] else 1
        return self._unreadable[2] >= UNREADABLE

    def _kept(self, epoch: int, first: int, last: int) -> Iterator[tuple[int, list[Any], Numbered | None]]:
        """Words of [first, last) in journal and memory, in order."""
        ring = self.first if epoch == self.epoch else last
        if self.keeper and first < ring:
            for number, parts in self.keeper.fetch(epoch, first, min(last, ring)):
                yield number, list(parts), None
        if epoch == self.epoch:
            skip = max(0, first - self.first)
            yield from list(self._ring)[skip : skip + max(0, last - max(first, self.first))]

    # ── standing ────────────────────────────────────────────────────────────────────────────────────────────

    def wake_at(self) -> int:
        return self._announce_at

    def wake(self, now: Now) -> Iterator[Action]:
        """Announce where the stream stands, and let go of what everybody has, when it is time to."""
        if now.monotonic >= self._announce_at:
            self._announce_at = now.monotonic + ANNOUNCE_EVERY
            if self.keeper:
                self._count_dropped(now)
                self.keeper.trim(*self.safe, now)  # also with nothing to trim: words grow older than they may
            yield self.announce()

    @property
    def safe(self) -> tuple[int, int]:
        """(epoch, next): all below is safe with every reader that is needed; all, where none is."""
        return min((self.durable.get(name, (0, 0)) for name in self.needed), default=(self.epoch, self.next))

    @property
    def drained(self) -> bool:
        """Whether every word of every epoch is safe with all readers that are needed."""
        said = [(epoch, next) for epoch, first, next in self._earlier() if next > first]
        said += [(self.epoch, self.next)] if self.next else []
        return not said or self.safe >= max(said)

    def _count_dropped(self, now: Now) -> None:
        """Rows of this epoch that the journal's bounds took from a reader."""
        if now.monotonic >= self._mark_at:
            self._mark_at = now.monotonic + MARK_EVERY
            self._marks.append((self.next, self._rows))
        first = self._oldest()
        epoch, safe = self.safe
        wanted = max(self._bounded, safe if epoch == self.epoch else 0)
        if self.needed and first > wanted and not self._earlier():
            self.dropped_rows += self._rows_below(first) - self._rows_below(wanted)
            self._bounded = first
        while len(self._marks) > 1 and self._marks[1][0] <= min(first, wanted):
            self._marks.popleft()

    def _rows_below(self, number: int) -> int:
        """About how many rows the words below this one have."""
        at = bisect_right(self._marks, number, key=lambda mark: mark[0]) - 1
        low, rows = self._marks[max(at, 0)]
        high, more = self._marks[at + 1] if at + 1 < len(self._marks) else (self.next, self._rows)
        return rows + (more - rows) * min(max(number - low, 0), high - low) // max(high - low, 1)

    # ── health ──────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def alarms(self) -> list[str]:
        """What a person should look at."""
        found = [self.keeper.trouble] if self.keeper and self.keeper.trouble else []
        if self.dropped_rows:
            late = ", ".join(
                name for name in self.needed if self.durable.get(name, (0, 0)) < (self.epoch, self._bounded)
            )
            found.append(
                f"the journal was full: about {self.dropped_rows} rows were deleted before {late or 'all readers'} had "
                "them; start the readers, or let it keep more"
            )
        return found

    @property
    def counters(self) -> dict[str, float]:
        """The journal's counts, for health."""
        if not self.keeper:
            return {}
        own = {f"journal_{name}": value for name, value in self.keeper.counters.items()}
        return {**own, "journal_dropped_rows": self.dropped_rows}

    def announce(self) -> News:
        return News(Announce(self.node, self.epoch, self.next, self._oldest(), self._earlier()))

    def _oldest(self) -> int:
        """Oldest word of this epoch that can be fetched."""
        kept = [first for epoch, first, _ in self.keeper.epochs if epoch == self.epoch] if self.keeper else []
        return min([self.first, *kept])

    def _earlier(self) -> list[tuple[int, int, int]]:
        return [each for each in self.keeper.epochs if each[0] < self.epoch] if self.keeper else []
