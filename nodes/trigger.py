"""Trigger: cuts the snapshots into windows and has each judged once by one of its detectors.

A window is due when its last slot was released. It is leased to the freest detector, at most two at each; a
detector that fails or falls silent loses it to another; after the last attempt it goes to the dead-letter file and
the verdict is `failed`. A window that is too incomplete to judge gets its verdict without work. Every verdict is
said as a numbered word, once. With `alarm` a pre-screen watches all devices, and one that leaves its quiet ways has
its latest window judged at once, before those of the schedule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from algorithms.leases import Dead, Leases
from algorithms.prescreen import Limits
from archive.journal import JournalError
from nodes._deadletters import DeadLetters
from nodes._node import Action, Actions, Letter, Node, Place, StartError
from nodes._screen import Watch
from nodes._settings import Duration, FilePath, Share, Size, fault
from nodes._settings import Settings as Base
from nodes._stream import Reader, Writer
from nodes._task import Task, make, unjudged
from nodes._windowbook import QUANTITY, Book, Due, Shape
from nodes._windowjournal import Journal, NoteError, early, named, read, state, took
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Cause, Configuration, Durable, Fetch, Outcome, Snapshots, Verdict, Window

SEGMENT = 4 << 20
"""Bytes of one file of the journal: a restart reads about one more than it needs."""
HOUR = 3600 * SECOND
HORIZON = 600 * SECOND
"""Samples that waited longer than this for the rest of their window are not kept for a restart."""
TELL_EVERY = SECOND


def _known_quantity(value: str) -> str:
    if not QUANTITY.fullmatch(value):
        raise fault(f"unknown quantity {value!r}", "write frequency, rocof, magnitude 1, angle 1 or analog 1")
    return value


class Settings(Base):
    """Trigger: which windows are cut, and how they are given out."""

    of: Annotated[str, AfterValidator(_known_quantity)] = "frequency"
    """Quantity in the window: frequency, rocof, or `magnitude 1`, `angle 1`, `analog 1` (counted from 1)."""
    window: Annotated[Duration, Field(ge=SECOND)] = 180 * SECOND
    """Length of a window."""
    every: Annotated[Duration, Field(ge=100 * MILLISECOND)] = 120 * SECOND
    """From one window of a device to its next."""
    stagger: bool = True
    """Spread the windows of the devices over `every`, so that they don't fall due together."""
    completeness: Share = 0.9
    """Below this share of measured samples a window is not judged."""
    gap: Duration = SECOND
    """Longest gap that is interpolated; a window with a longer one is not judged."""
    in_flight: Annotated[int, Field(ge=1)] = 16
    """Windows at the detectors at a time, all together (and two at most at each)."""
    timeout: Annotated[Duration, Field(ge=100 * MILLISECOND)] = 30 * SECOND
    """A detector silent for so long about a window loses it."""
    attempts: Annotated[int, Field(ge=1)] = 3
    """After so many a window is a dead letter."""
    waiting: Annotated[int, Field(ge=1)] = 10_000
    """Windows waiting for a detector; beyond, the newest is given up at once (dead letter)."""
    dead_letters: Annotated[FilePath, Field(validate_default=True)] = Path("../data/dead-letters")
    """Folder for windows that could not be judged, a file per trigger."""
    memory: Size = 16 << 20
    """Memory for recent verdicts that a reader may fetch; older ones come from the journal."""
    keep: Size = 1 << 30
    """Disk for the journal: verdicts that the archive lacks, and what the next windows need after a restart."""
    age: Duration = 24 * HOUR
    """The journal keeps nothing longer than this."""
    alarm: bool = False
    """Have a device's latest window judged at once when it leaves its quiet ways, besides the schedule."""
    alarm_limit: Annotated[float, Field(gt=1)] = Limits.limit
    """Change of the frequency within 0.4 s, in multiples of the device's usual peak, that is out of its ways; it is
    more for a device whose quiet peaks have heavy tails."""
    alarm_after: Annotated[Duration, Field(ge=0, le=10 * SECOND)] = 500 * MILLISECOND
    """So much of an early window lies after the alarm."""
    alarm_hold: Annotated[Duration, Field(ge=SECOND)] = 30 * SECOND
    """From an alarm of a device to its next."""
    alarm_waiting: Annotated[int, Field(ge=1)] = 16
    """Early windows without a verdict at a time; when all devices alarm, the furthest ones tell what there is."""

    @model_validator(mode="after")
    def _rebuildable(self) -> Settings:
        if self.age < self.window + self.every:
            raise fault("`age` of the journal is below `window` + `every`", "a restart needs the samples of a window")
        return self

    @model_validator(mode="after")
    def _watchable(self) -> Settings:
        if self.alarm and self.of != "frequency":
            raise fault(f"`alarm` watches frequency, not {self.of}", "leave it out, or cut windows of frequency")
        return self

    @property
    def shape(self) -> Shape:
        """Which windows are cut."""
        return Shape(self.of, self.window, self.every, self.stagger)

    @property
    def watch(self) -> Watch | None:
        """What early windows are cut for; None if none are."""
        limits = Limits(limit=self.alarm_limit, hold=self.alarm_hold / SECOND)
        return Watch(limits, self.alarm_after) if self.alarm else None


class Trigger(Node):
    """See the module."""

    TAGS = (Configuration.TAG, Snapshots.TAG)  # type: ignore[attr-defined]

    def __init__(self, settings: Settings, place: Place) -> None:
        self.settings, self.place = settings, place
        self.reader = Reader(place.name)
        self.writer = Writer(place.name, 0, settings.memory)
        self.book = Book(settings.shape, watch=settings.watch)
        self.leases = self._leases(0)
        self.again: dict[tuple[int, int], int] = {}
        """Windows that were open when our predecessor ended: (device, start) -> lease."""
        self.judged: dict[int, list[float]] = {}
        """Device -> [windows judged, suspicious ones, last score]"""
        names = ("windows", "sent", "ok", "incomplete", "failed", "dead", "suspicious", "twins", "attempts_failed")
        self.counters = dict.fromkeys((*names, "reopened", "untold", "early", "early_passed", "early_incomplete"), 0)
        self.letters = DeadLetters(settings.dead_letters / f"{place.name}.jsonl")
        self._inherited: list[Due] = []
        """Windows that our predecessor left open, until they are leased again."""
        self._tell_at = 0

    def start(self, now: Now) -> Actions:
        """Go on where the journal ends. Lease numbers never meet those of an earlier life."""
        keeper, self._inherited = self._resume()
        needed = self.place.readers_of.get("archiver", [])
        self.writer = Writer(self.place.name, now.utc, self.settings.memory, keeper, needed)
        self.writer.open(now, self._head)
        self.leases = self._leases(self.writer.epoch)
        actions = self.writer.commit(self._reopen(self._inherited, now), now)
        self._inherited = []
        return actions

    def _resume(self) -> tuple[Journal | None, list[Due]]:
        """(the journal, windows without a verdict)"""
        s = self.settings
        if self.place.journal is None:
            return None, []
        try:
            keeper = Journal(self.place.journal, keep=s.keep, age=s.age, segment=SEGMENT)
            keeper.needed_since = self._since
            book, open_ = read(keeper.records, s.shape, s.watch)
        except (JournalError, NoteError) as fault:
            raise StartError(str(fault)) from fault
        self.book = book.shaped(s.shape)
        self.reader = Reader(self.place.name, self.book.standing)
        return keeper, open_

    def _reopen(self, open_: list[Due], now: Now) -> Iterator[Action]:
        self.letters.expect(due.key for due in open_)
        for due in open_:
            self.counters["reopened"] += 1
            yield from self._due(due, now)
        self.again = {task.due.key: lease for lease, task in self.leases.pending()}

    def _leases(self, first: int) -> Leases[Task]:
        s = self.settings
        workers = self.place.readers_of.get("detector", [])
        return Leases(workers, s.in_flight, s.timeout, s.attempts, first=first)

    def _head(self) -> list[bytes]:
        return [state(self.book, [*self._inherited, *(task.due for _, task in self.leases.pending())])]

    def _since(self, now: Now) -> int:
        """UTC [ns] from which on a restart needs the journal."""
        s = self.settings
        begun = max(self.book.since(), now.utc - s.window - s.every - HORIZON)
        return min([now.utc, begun, *(task.due.cut.came for _, task in self.leases.pending())])

    def receive(self, message: Any, now: Now) -> list[Action]:
        """Snapshots and configurations of the concentrators; answers of our detectors; fetches of our readers."""
        return self.writer.commit(self._receive(message, now), now)

    def _receive(self, message: Any, now: Now) -> Iterator[Action]:
        if isinstance(message, Fetch | Durable):
            yield from self.writer.receive(message, now)
            return
        if isinstance(message, Verdict):
            yield from self._answer(message, now)
        else:
            words, actions = self.reader.receive(message, now)
            yield from actions
            for word in words:
                yield from self._word(word, now)
        yield from self._send(now)

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
        if now.monotonic >= self._tell_at:
            self._tell_at = now.monotonic + TELL_EVERY
            yield from self._tell(now)

    def _tell(self, now: Now) -> Iterator[Action]:
        """What was taken in earlier calls is in the journal: who said it may forget it."""
        keeper = self.writer.keeper
        if keeper is None or not keeper.trouble:
            yield from self.reader.durable(now)

    def stop(self, now: Now) -> Iterator[Action]:
        yield self.writer.announce()
        if self.writer.keeper is not None:
            self.writer.keeper.close()

    def _word(self, word: Any, now: Now) -> Iterator[Action]:
        if self._out_of_turn(word):
            self.counters["untold"] += 1
        elif isinstance(word, Configuration):
            self.book.configure(word)
            self.writer.note(named(word))
        elif isinstance(word, Snapshots):
            note = self.book.reduce(word, now.utc)
            self.writer.note(took(note))
            for due in self.book.take(note, self._room):
                if due.cause == Cause.ALARM:
                    self._early(word.node, due)
                else:
                    yield from self._due(due, now)
            self.counters["early_passed"] = sum(screen.passed for screen in self.book.screens.values())

    def _out_of_turn(self, word: Any) -> bool:
        """Words beyond a gap that were handed on because their writer's life is over: its successor says them again,
        and those of the gap before them.
        """
        epoch, expected = self.book.standing.get(word.node, (0, 0))
        over = word.epoch < self.reader.standing().get(word.node, (0, 0))[0]
        again = isinstance(word, Configuration) and word.again
        return over and not again and (word.epoch != epoch or word.number > expected)

    def _due(self, due: Due, now: Now) -> Iterator[Action]:
        """A window is complete enough and goes to the queue, or has its verdict now."""
        self.counters["windows"] += 1
        task = make(due, self.place.name, self.settings.gap)
        if not self._complete(task):
            yield self._incomplete(task)
        elif self.leases.waiting >= self.settings.waiting:
            yield from self._bury(Dead(task, 0, 0, "too many windows wait for a detector"), now)
        else:
            self.leases.add(task, urgent=due.cause == Cause.ALARM)

    def _complete(self, task: Task) -> bool:
        return task.window.values.size > 0 and task.window.completeness >= self.settings.completeness

    def _room(self) -> bool:
        """Whether another early window may be cut."""
        return self.leases.urgent < self.settings.alarm_waiting and self.leases.waiting < self.settings.waiting

    def _early(self, writer: str, due: Due) -> None:
        """An early window is complete enough and goes to the head of the queue, or there is none."""
        task = make(due, self.place.name, self.settings.gap)
        if not self._complete(task):
            self.counters["early_incomplete"] += 1
            return
        self.counters["windows"] += 1
        self.counters["early"] += 1
        self.writer.note(early(writer, due))
        self.leases.add(task, urgent=True)

    def _send(self, now: Now) -> Iterator[Action]:
        for sent in self.leases.send(now.monotonic):
            self.counters["sent"] += 1
            fields = {**sent.work.window.__dict__, "lease": sent.lease, "attempt": sent.attempt}
            yield Letter(sent.worker, Window(**fields))

    def _answer(self, verdict: Verdict, now: Now) -> Iterator[Action]:
        if verdict.trigger != self.place.name:
            return
        if verdict.outcome == Outcome.FAILED:
            self.counters["attempts_failed"] += 1
            dead = self.leases.failed(verdict.lease, verdict.attempt, verdict.worker, verdict.error)
            if dead is not None:
                yield from self._bury(dead, now)
            return
        key = (int(verdict.device[0]), verdict.start) if verdict.device.size else (-1, 0)
        task = self.leases.done(verdict.lease, verdict.worker)
        if task is None and key in self.again:  # asked by our predecessor
            task = self.leases.done(self.again[key], verdict.worker)
        if task is None:
            self.counters["twins"] += 1
            return
        yield self._say(replace(verdict, cause=task.due.cause))

    def _say(self, verdict: Verdict) -> Action:
        """A window's one and last verdict."""
        self.counters[verdict.outcome] += 1
        self.counters["suspicious"] += verdict.suspicious
        for device in verdict.device.tolist():
            row = self.judged.setdefault(device, [0, 0, 0.0])
            row[0] += 1
            row[1] += verdict.suspicious
            row[2] = verdict.score
        return self.writer.say(verdict)

    def _incomplete(self, task: Task) -> Action:
        share = f"{task.window.completeness:.1%} of the samples measured"
        longest = f"gaps up to {self.settings.gap / SECOND:g} s"
        wanted = f"{self.settings.completeness:.0%} and {longest}"
        return self._say(unjudged(task, 0, 0, Outcome.INCOMPLETE, f"{share}; {wanted} are wanted"))

    def _bury(self, dead: Dead[Task], now: Now) -> Iterator[Action]:
        """Dead letter: kept in a file, told as a failed verdict."""
        self.counters["dead"] += 1
        self.letters.keep(dead.work.window, dead.lease, dead.attempt, dead.error, now)
        yield self._say(unjudged(dead.work, dead.lease, dead.attempt, Outcome.FAILED, dead.error))

    def health(self, now: Now) -> dict[str, Any]:
        names = self.book.names
        devices = sorted(names.keys() | self.judged.keys())
        return {
            "counters": {
                **self.counters,
                "early_watched": sum(screen.watched for screen in self.book.screens.values()),
                "resent": self.leases.resent,
                "lost": self.reader.lost,
                "fetched": self.reader.fetched,
                **self.writer.counters,
            },
            "queues": {
                "waiting": self.leases.waiting,
                "in_flight": self.leases.out,
                "early": self.leases.urgent,
                "behind": self.reader.behind,
            },
            "columns": ["windows", "suspicious", "score"],
            "devices": np.array(devices, dtype=np.uint32),
            "labels": [names.get(device, "") for device in devices],
            "counts": np.array([self.judged.get(device, [0, 0, 0.0]) for device in devices]).reshape(-1, 3),
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
        for _, table in (key for key, samples in self.book.samples.items() if samples is None):
            yield f"no windows of {self.settings.of} can be cut of {table.name}"
