"""Numbered streams: who writes numbers its words and keeps them, who reads notices a gap and fetches.

One path serves crashes, drops, partitions, slow readers and late joiners: a reader that sees number 7 after 4 holds it,
asks the writer for [5, 7) and goes on in order. What a writer keeps of earlier lives (its epochs before this one)
is read to its end before the next. Both halves are pure: messages in, actions out, time an argument.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from nodes._node import Action, Letter, News
from protocol import wire
from protocol.clock import MILLISECOND, Now
from protocol.messages import Announce, Configuration, Durable, Fetch, Gone, Numbered

if TYPE_CHECKING:
    from nodes._keeper import Keeper

ANNOUNCE_EVERY = 400 * MILLISECOND
FETCH_AGAIN_AFTER = 1000 * MILLISECOND
FETCH_AT_MOST = 256
"""Words asked for at once, so that an answer fits an inbox."""
FETCH_BYTES = 4 << 20
"""An answer ends with the word that reaches this; the rest is asked for again."""
HOLD_AT_MOST = 4096
"""Words of one writer held beyond a gap; more are dropped and fetched later."""
HOLD_BYTES = 64 << 20
"""All words that a reader holds."""
MEANINGS = 4
"""Configurations of one device that a writer keeps; older ones come in their place in the stream or not at all."""


def size_of(parts: Sequence[Any]) -> int:
    return sum(memoryview(part).nbytes for part in parts)


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

    # ── saying ──────────────────────────────────────────────────────────────────────────────────────────────

    def open(self, now: Now, head: Callable[[], list[bytes]]) -> None:
        """Begin an epoch, above all that the journal knows; `head` gives the notes that make up the state."""
        self.epoch = max(now.utc, (self.keeper.last_epoch if self.keeper else 0) + 1)
        if self.keeper:
            self.keeper.open(self.epoch, now, head)

    def say(self, message: Numbered) -> News:
        """Number a word, keep it, and return it as news."""
        message = replace(message, node=self.node, epoch=self.epoch, number=self.next)
        parts = wire.pack(message)
        self._ring.append((self.next, parts, message))
        self.held += size_of(parts)
        self.next += 1
        if self.keeper:
            self._words.append(parts)
        if isinstance(message, Configuration):
            self._mean(message)
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
        known = {epoch: (first, next) for epoch, first, next in [*self._earlier(), self._current()]}
        if message.epoch not in known or (message.epoch != self.epoch and message.first >= message.last):
            yield Letter(message.reader, self.announce().message)
            return
        oldest, end = known[message.epoch]
        if message.configurations or message.first < oldest:
            yield from self._in_force(message, max(message.first, oldest))
        if message.configurations:
            yield Letter(message.reader, Gone(self.node, message.epoch, message.first, message.first))
        yield from self._words_of(message, min(message.last, end, message.first + FETCH_AT_MOST))

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

    def _words_of(self, message: Fetch, last: int) -> Iterator[Letter]:
        """Words in [first, last), as far as they go into one answer; Gone where there are none any more."""
        expected, room = message.first, FETCH_BYTES
        for number, parts, word in self._kept(message.epoch, message.first, last):
            if room <= 0:
                yield Letter(message.reader, Gone(self.node, message.epoch, expected, expected))
                return
            if number > expected:
                yield Letter(message.reader, Gone(self.node, message.epoch, expected, number))
            yield Letter(message.reader, word or wire.unpack(parts), parts)
            expected, room = number + 1, room - size_of(parts)
        if expected < last:
            yield Letter(message.reader, Gone(self.node, message.epoch, expected, last))

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
            self._trim(now)
            yield self.announce()

    def _trim(self, now: Now) -> None:
        if self.keeper and self.needed and all(name in self.durable for name in self.needed):
            self.keeper.trim(*min(self.durable[name] for name in self.needed), now)

    def announce(self) -> News:
        _, first, next = self._current()
        return News(Announce(self.node, self.epoch, next, first, self._earlier()))

    def _current(self) -> tuple[int, int, int]:
        """(epoch, oldest word that can be fetched, next word)"""
        kept = [first for epoch, first, _ in self.keeper.epochs if epoch == self.epoch] if self.keeper else []
        return self.epoch, min([self.first, *kept]), self.next

    def _earlier(self) -> list[tuple[int, int, int]]:
        return [each for each in self.keeper.epochs if each[0] < self.epoch] if self.keeper else []


@dataclass
class _Source:
    """What a reader knows of one writer. It stands at (epoch, next); (0, 0) is before all."""

    epoch: int
    next: int
    unconfigured: bool = False
    """It begins in mid-stream, and what rows mean was asked for and has not come."""
    announced: int = 0
    """The newest epoch that the writer has announced; of what is newer we don't know what lies before."""
    listed: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Epoch -> (first, next) of the announced one and of what the writer keeps of earlier ones."""
    known: dict[int, int] = field(default_factory=dict)
    """Epoch -> all below this number has been said."""
    held: dict[tuple[int, int], Numbered] = field(default_factory=dict)
    """(epoch, number) -> word that came before its turn."""
    asked_at: int | None = None
    asked_to: tuple[int, int] = (0, 0)

    @property
    def stand(self) -> tuple[int, int]:
        return self.epoch, self.next

    @property
    def missing(self) -> bool:
        """Words of this epoch are to be fetched."""
        return self.next < self.known.get(self.epoch, 0)

    @property
    def behind(self) -> int:
        """Words that the writer has said and we have not handed on."""
        ahead = sum(max(0, end - self.listed.get(epoch, (0, 0))[0]) for epoch, end in self.known.items()
                    if epoch > self.epoch)  # fmt: skip
        return ahead + max(0, self.known.get(self.epoch, 0) - self.next)


class Reader:
    """The reading half: every word of every writer once and in order, or counted in `lost`."""

    def __init__(
        self, name: str, standing: dict[str, tuple[int, int]] | None = None, configurations: bool = False
    ) -> None:
        """`name` is the process whose inbox takes the answers; `standing` is writer -> (epoch, next) kept from an
        earlier life: what is below was taken already. A writer that has none is read from the oldest word it keeps.
        `configurations`: where we stand in mid-stream, the Configurations in force are handed on first.
        """
        self.name, self.configurations = name, configurations
        self.lost = 0
        self.fetched = 0
        self._standing = dict(standing or {})
        self._sources: dict[str, _Source] = {}
        self._bytes = 0
        """Of all words that are held."""

    # ── taking ──────────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, message: Any, now: Now) -> tuple[list[Numbered], list[Action]]:
        """Take Numbered words, Announce and Gone; returns (words now in order, actions)."""
        source = self._source(message.node)
        ready: list[Numbered] = []
        if isinstance(message, Announce):
            self._announced(source, message)
        elif isinstance(message, Gone):
            ready += self._gone(source, message)
        elif isinstance(message, Configuration) and message.again:
            ready += [message] if message.epoch == source.epoch else []
        else:
            self._hold(source, message)
        ready += self._go_on(source)
        return ready, self._ask(message.node, source, now)

    def _source(self, node: str) -> _Source:
        source = self._sources.get(node)
        if source is None:
            epoch, number = self._standing.get(node, (0, 0))
            source = self._sources[node] = _Source(epoch, number, self.configurations and number > 0)
        return source

    def _announced(self, source: _Source, message: Announce) -> None:
        for epoch, _, next in [*message.earlier, (message.epoch, message.first, message.next)]:
            if epoch >= source.epoch:
                source.known[epoch] = max(next, source.known.get(epoch, 0))
        if message.epoch >= source.announced:
            if message.epoch > source.announced:
                source.asked_at = None
            source.announced = message.epoch
            source.listed = {epoch: (first, next) for epoch, first, next in message.earlier}
            source.listed[message.epoch] = (message.first, message.next)

    def _gone(self, source: _Source, message: Gone) -> list[Numbered]:
        """[first, last) can't be had any more; an empty one ends an answer, or the Configurations in it."""
        if message.epoch != source.epoch or message.first > source.next:
            return []
        source.unconfigured = False
        if message.first == message.last == source.next:
            source.asked_at = None
        kept = []
        if message.last > source.next:
            kept = self._take_held(source, (message.epoch, message.last))
            self.lost += message.last - source.next - len(kept)
            source.next = message.last
        return kept

    def _hold(self, source: _Source, message: Numbered) -> None:
        key = (message.epoch, message.number)
        if key < source.stand:
            return
        if message.epoch > max(source.known, default=0):
            source.asked_at = None  # a new life, which was asked for nothing yet
        source.known[message.epoch] = max(message.number + 1, source.known.get(message.epoch, 0))
        if key not in source.held and self._room(source, key):
            source.held[key] = message
            self._bytes += _weight(message)

    def _room(self, source: _Source, key: tuple[int, int]) -> bool:
        """Whether a word may be held: what fills a gap always may, or a long wait for it would never end."""
        if len(source.held) < HOLD_AT_MOST and self._bytes < HOLD_BYTES:
            return True
        return key == source.stand or not source.held or key < min(source.held)

    def _take_held(self, source: _Source, below: tuple[int, int]) -> list[Numbered]:
        taken = [source.held.pop(key) for key in sorted(source.held) if key < below]
        self._bytes -= sum(map(_weight, taken))
        return taken

    # ── going on ────────────────────────────────────────────────────────────────────────────────────────────

    def _go_on(self, source: _Source) -> list[Numbered]:
        """Words whose turn it is, over the ends of epochs."""
        if source.unconfigured and source.announced and source.epoch not in source.listed:
            source.unconfigured = False  # nobody knows any more
        ready = self._in_order(source)
        while self._is_over(source):
            left = self._take_held(source, (source.epoch + 1, 0))
            self.lost += max(0, source.known.get(source.epoch, 0) - source.next) - len(left)
            later = {epoch for epoch, _ in source.held} | source.listed.keys()
            source.epoch, source.next = min(epoch for epoch in later if epoch > source.epoch), 0
            source.known = {epoch: end for epoch, end in source.known.items() if epoch >= source.epoch}
            ready += left + self._in_order(source)
        if source.asked_at is not None:
            self.fetched += len(ready)
            if source.stand >= source.asked_to:
                source.asked_at = None
        return ready

    def _is_over(self, source: _Source) -> bool:
        """A later epoch was announced, and the writer has no more of this one."""
        if source.epoch >= source.announced or source.unconfigured:
            return False
        _, end = source.listed.get(source.epoch, (0, 0))
        return source.next >= end

    def _in_order(self, source: _Source) -> list[Numbered]:
        ready: list[Numbered] = []
        while not source.unconfigured and source.stand in source.held:
            ready.append(source.held.pop(source.stand))
            source.next += 1
        self._bytes -= sum(map(_weight, ready))
        return ready

    # ── asking ──────────────────────────────────────────────────────────────────────────────────────────────

    def _ask(self, node: str, source: _Source, now: Now) -> list[Action]:
        unheard = max(source.known, default=0) > max(source.announced, source.epoch)
        if not (source.missing or source.unconfigured or unheard):
            return []
        if source.asked_at is not None and now.monotonic < source.asked_at + FETCH_AGAIN_AFTER:
            return []
        source.asked_at = now.monotonic
        first = last = source.next
        if source.missing:
            held = [number for epoch, number in source.held if epoch == source.epoch]
            last = min([source.known[source.epoch], first + FETCH_AT_MOST, *held])
        source.asked_to = (source.epoch, last) if last > first else (source.epoch + 1, 0)
        return [Letter(node, Fetch(self.name, source.epoch, first, last, source.unconfigured))]

    def wake_at(self) -> int | None:
        """When an unanswered Fetch is due again."""
        due = [s.asked_at + FETCH_AGAIN_AFTER for s in self._sources.values() if s.asked_at is not None]
        return min(due, default=None)

    def wake(self, now: Now) -> list[Action]:
        return [action for node, source in self._sources.items() for action in self._ask(node, source, now)]

    # ── standing ────────────────────────────────────────────────────────────────────────────────────────────

    def standing(self) -> dict[str, tuple[int, int]]:
        """Writer -> (epoch, next): what was handed on so far."""
        return {**self._standing, **{node: source.stand for node, source in self._sources.items() if source.epoch}}

    @property
    def heard(self) -> set[str]:
        """Writers that have said anything."""
        return set(self._sources)

    @property
    def behind_at(self) -> set[str]:
        """Writers that have said words which we have not handed on."""
        return {node for node, source in self._sources.items() if source.behind}

    @property
    def behind(self) -> int:
        """Words that writers have said and we have not handed on."""
        return sum(source.behind for source in self._sources.values())


def _weight(message: Numbered) -> int:
    """Bytes that a word takes in memory, roughly."""
    return 500 + sum(getattr(value, "nbytes", 0) for value in vars(message).values())
