"""What all triggers have in common: words are read in order, windows leased, what was said kept in a journal.

A window is leased to the freest detector, at most two at each; a detector that fails or falls silent loses it to
another; after the last attempt it goes to the dead-letter file and is told as failed.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, Generic, Protocol, TypeVar

from algorithms.leases import Dead, Leases
from archive.journal import JournalError
from nodes._deadletters import DeadLetters
from nodes._node import Action, Actions, Done, Letter, Node, Place, StartError
from nodes._stream import Reader, Writer
from nodes._triggersettings import Settings
from nodes._windowjournal import Journal, NoteError
from protocol.clock import SECOND, Now
from protocol.messages import (
    Configuration,
    Dismissed,
    Durable,
    Fetch,
    Numbered,
    Outcome,
    Shift,
    Verdict,
    Window,
    Worker,
)

SEGMENT = 4 << 20
"""Bytes of one file of the journal: a restart reads about one more than it needs."""
TELL_EVERY = SECOND
COUNTS = ("windows", "sent", "ok", "incomplete", "failed", "dead", "twins", "attempts_failed", "reopened", "untold")


class Work(Protocol):
    """What is leased."""

    @property
    def window(self) -> Window: ...

    @property
    def key(self) -> Any:
        """By which the answer to an earlier life is known."""
        ...


T = TypeVar("T", bound=Work)


class Leasing(Node, Generic[T]):
    """See the module."""

    def __init__(self, settings: Settings, place: Place, counts: Iterable[str]) -> None:
        self.settings, self.place = settings, place
        self.reader = Reader(place.name)
        self.writer = Writer(place.name, 0, settings.memory)
        self.leases = self._leases(0)
        self.again: dict[Any, int] = {}
        """Windows that were open when our predecessor ended: key -> lease."""
        self.counters = dict.fromkeys((*COUNTS, *counts), 0)
        self.joined: set[str] = set()
        """Detectors that said they are there."""
        self.letters = DeadLetters(settings.dead_letters / f"{place.name}.jsonl")
        self._tell_at = 0

    # ── what a trigger is ───────────────────────────────────────────────────────────────────────────────────

    @abstractmethod
    def _resume(self, keeper: Journal) -> None:
        """Take up what the journal has. May raise JournalError, NoteError."""

    @abstractmethod
    def _reopen(self, now: Now) -> Iterator[Action]:
        """Lease the windows that our predecessor left open."""

    @abstractmethod
    def _head(self) -> list[bytes]:
        """The state, as notes."""

    @abstractmethod
    def _since(self, now: Now) -> int:
        """UTC [ns] from which on a restart needs the journal."""

    @property
    @abstractmethod
    def standing(self) -> dict[str, tuple[int, int]]:
        """Writer -> (epoch, number of the next word): what was taken."""

    @abstractmethod
    def _take(self, word: Numbered, now: Now) -> Iterator[Action]:
        """A word whose turn it is."""

    @abstractmethod
    def _answered(self, work: T, verdict: Verdict, now: Now) -> Iterator[Action]:
        """A detector's answer, the first one of its window."""

    @abstractmethod
    def _key(self, verdict: Verdict) -> Any:
        """The `Work.key` that an answer is of."""

    @abstractmethod
    def _failed(self, dead: Dead[T], now: Now) -> Iterator[Action]:
        """Nobody could judge it: tell so."""

    # ── what all do ─────────────────────────────────────────────────────────────────────────────────────────

    def start(self, now: Now) -> Actions:
        """Go on where the journal ends. Lease numbers never meet those of an earlier life."""
        keeper = self._open()
        self.reader = Reader(self.place.name, self.standing)
        readers = self.place.readers_of
        needed = [name for kind in ("archiver", "trigger", "alarms") for name in readers.get(kind, [])]
        self.writer = Writer(self.place.name, now.utc, self.settings.memory, keeper, needed)
        self.writer.open(now, self._head)
        self.leases = self._leases(self.writer.epoch)
        actions = self.writer.commit(self._reopen(now), now)
        self.again = {work.key: lease for lease, work in self.leases.pending()}
        return actions

    def _open(self) -> Journal | None:
        if self.place.journal is None:
            return None
        try:
            keeper = Journal(self.place.journal, keep=self.settings.keep, age=self.settings.age, segment=SEGMENT)
            keeper.needed_since = self._since
            self._resume(keeper)
        except (JournalError, NoteError) as fault:
            raise StartError(str(fault)) from fault
        return keeper

    def _leases(self, first: int) -> Leases[T]:
        s = self.settings
        workers = self.place.readers_of.get("detector", [])
        return Leases(workers, s.in_flight, s.timeout, s.attempts, first=first)

    def receive(self, message: Any, now: Now) -> list[Action]:
        """Words of those whom we read; answers of our detectors; fetches of our readers."""
        return self.writer.commit(self._receive(message, now), now)

    def _receive(self, message: Any, now: Now) -> Iterator[Action]:
        if isinstance(message, Fetch | Durable):
            yield from self.writer.receive(message, now)
            return
        if isinstance(message, Worker):
            yield from self._shift(message)
        elif isinstance(message, Verdict) and not message.node:
            yield from self._answer(message, now)
        elif not self.place.leaving:
            words, actions = self.reader.receive(message, now)
            yield from actions
            for word in words:
                if self._out_of_turn(word):
                    self.counters["untold"] += 1
                else:
                    yield from self._take(word, now)
        yield from self._send(now)

    def _out_of_turn(self, word: Numbered) -> bool:
        """Words beyond a gap that were handed on because their writer's life is over: its successor says them again,
        and those of the gap before them.
        """
        epoch, expected = self.standing.get(word.node, (0, 0))
        over = word.epoch < self.reader.standing().get(word.node, (0, 0))[0]
        again = isinstance(word, Configuration) and word.again
        return over and not again and (word.epoch != epoch or word.number > expected)

    def wake_at(self) -> int | None:
        due = [self.writer.wake_at(), self.reader.wake_at(), self.leases.wake_at()]
        return min((at for at in due if at is not None), default=None)

    def wake(self, now: Now) -> list[Action]:
        """Leases that ran out, fetches to repeat, the announcement."""
        return self.writer.commit(self._wake(now), now)

    def _wake(self, now: Now) -> Iterator[Action]:
        for dead in self.leases.expire(now.monotonic):
            yield from self._bury(dead, now)
        yield from self._send(now)
        yield from self.reader.wake(now)
        yield from self.writer.wake(now)
        if self.place.leaving and not self.leases.pending() and self.writer.drained:
            raise Done("its windows are judged, and all verdicts with their readers")
        if now.monotonic >= self._tell_at:
            self._tell_at = now.monotonic + TELL_EVERY
            yield from self._tell(now)

    def _tell(self, now: Now) -> Iterator[Action]:
        """What was taken in earlier calls is in the journal: who said it may forget it."""
        keeper = self.writer.keeper
        if keeper is None or not keeper.trouble:
            yield from self.reader.durable(now)

    def stop(self, now: Now) -> Iterator[Action]:
        yield from (Letter(worker, Dismissed(self.place.name, worker)) for worker in sorted(self.joined))
        yield self.writer.announce()
        if self.writer.keeper is not None:
            self.writer.keeper.close()

    def _send(self, now: Now) -> Iterator[Action]:
        for sent in self.leases.send(now.monotonic):
            self.counters["sent"] += 1
            fields = {**sent.work.window.__dict__, "lease": sent.lease, "attempt": sent.attempt}
            yield Letter(sent.worker, Window(**fields))

    def _shift(self, message: Worker) -> Iterator[Action]:
        """A detector joins or leaves us."""
        if message.trigger != self.place.name:
            return
        if message.what == Shift.JOINS:
            self.leases.join(message.worker)
            self.joined.add(message.worker)
            return
        self.joined.discard(message.worker)
        if message.what == Shift.GONE:
            self.leases.forget(message.worker)
            return
        self.leases.leave(message.worker)
        yield Letter(message.worker, Dismissed(self.place.name, message.worker))

    def _answer(self, verdict: Verdict, now: Now) -> Iterator[Action]:
        if verdict.trigger != self.place.name:
            return
        if verdict.outcome == Outcome.FAILED:
            self.counters["attempts_failed"] += 1
            dead = self.leases.failed(verdict.lease, verdict.attempt, verdict.worker, verdict.error)
            if dead is not None:
                yield from self._bury(dead, now)
            return
        work = self.leases.done(verdict.lease, verdict.worker)
        if work is None and (lease := self.again.get(self._key(verdict))) is not None:  # asked by our predecessor
            work = self.leases.done(lease, verdict.worker)
        if work is None:
            self.counters["twins"] += 1
            return
        yield from self._answered(work, verdict, now)

    def _bury(self, dead: Dead[T], now: Now) -> Iterator[Action]:
        """Dead letter: kept in a file, told as failed."""
        self.counters["dead"] += 1
        self.letters.keep(dead.work.window, dead.lease, dead.attempt, dead.error, now)
        yield from self._failed(dead, now)

    def health(self, now: Now) -> dict[str, Any]:
        """What all triggers tell."""
        return {
            "counters": {
                **self.counters,
                "resent": self.leases.resent,
                "lost": self.reader.lost,
                "fetched": self.reader.fetched,
                **self.writer.counters,
            },
            "queues": {"waiting": self.leases.waiting, "in_flight": self.leases.out, "behind": self.reader.behind},
            "alarms": list(self._alarms()),
        }

    def _alarms(self) -> Iterator[str]:
        if not self.place.readers_of.get("detector"):
            yield "no detector reads this trigger: its windows are never judged; add one with `from: " + (
                f"{self.place.node}`"
            )
        if self.counters["dead"]:
            yield f"{self.counters['dead']} windows were never judged; they are in {self.letters.path}"
        yield from filter(None, [self.letters.trouble, *self.writer.alarms])
