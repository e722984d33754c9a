"""Trigger: cuts the snapshots into windows and has each judged once by one of its detectors.

A window is due when its last slot was released. It is leased to a detector (`nodes/_leasing.py`); one that is too
incomplete to judge gets its verdict without work. Every verdict is said as a numbered word, once. With `alarm` a
pre-screen watches all devices, and one that leaves its quiet ways has its latest window judged at once, before those
of the schedule.

With `on: suspicion` it is another one (`nodes/_eventtrigger.py`), which reads a trigger's verdicts and says events.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from algorithms.leases import Dead
from nodes._eventtrigger import EventTrigger
from nodes._leasing import Leasing
from nodes._node import Action, Node, Place
from nodes._task import Task, make, unjudged
from nodes._triggersettings import Settings
from nodes._windowbook import Book, Due
from nodes._windowjournal import Journal, early, named, read, state, took
from protocol.clock import SECOND, Now
from protocol.messages import Cause, Configuration, Numbered, Outcome, Snapshots, Verdict

__all__ = ["Settings", "Trigger", "trigger"]

HORIZON = 600 * SECOND
"""Samples that waited longer than this for the rest of their window are not kept for a restart."""
COUNTS = ("suspicious", "early", "early_passed", "early_incomplete")


class Trigger(Leasing[Task]):
    """See the module."""

    TAGS = (Configuration.TAG, Snapshots.TAG)  # type: ignore[attr-defined]
    NICE = 2

    def __init__(self, settings: Settings, place: Place) -> None:
        super().__init__(settings, place, COUNTS)
        self.book = Book(settings.shape, watch=settings.watch)
        self.judged: dict[int, list[float]] = {}
        """Device -> [windows judged, suspicious ones, last score]"""
        self._inherited: list[Due] = []
        """Windows that our predecessor left open, until they are leased again."""

    @property
    def standing(self) -> dict[str, tuple[int, int]]:
        return self.book.standing

    def _resume(self, keeper: Journal) -> None:
        book, self._inherited = read(keeper.records, self.settings.shape, self.settings.watch)
        self.book = book.shaped(self.settings.shape)

    def _reopen(self, now: Now) -> Iterator[Action]:
        self.letters.expect(due.letter for due in self._inherited)
        for due in self._inherited:
            self.counters["reopened"] += 1
            yield from self._due(due, now)
        self._inherited = []

    def _head(self) -> list[bytes]:
        return [state(self.book, [*self._inherited, *(task.due for _, task in self.leases.pending())])]

    def _since(self, now: Now) -> int:
        s = self.settings
        begun = max(self.book.since(), now.utc - s.length - s.every - HORIZON)
        return min([now.utc, begun, *(task.due.cut.came for _, task in self.leases.pending())])

    def _take(self, word: Numbered, now: Now) -> Iterator[Action]:
        """Snapshots and configurations of the concentrators."""
        if isinstance(word, Configuration):
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

    def _key(self, verdict: Verdict) -> tuple[int, int]:
        return (int(verdict.device[0]), verdict.start) if verdict.device.size else (-1, 0)

    def _answered(self, work: Task, verdict: Verdict, now: Now) -> Iterator[Action]:
        yield self._say(replace(verdict, cause=work.due.cause))

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

    def _failed(self, dead: Dead[Task], now: Now) -> Iterator[Action]:
        yield self._say(unjudged(dead.work, dead.lease, dead.attempt, Outcome.FAILED, dead.error))

    def health(self, now: Now) -> dict[str, Any]:
        told = super().health(now)
        told["counters"]["early_watched"] = sum(screen.watched for screen in self.book.screens.values())
        told["queues"]["early"] = self.leases.urgent
        names = self.book.names
        devices = sorted(names.keys() | self.judged.keys())
        return told | {
            "columns": ["windows", "suspicious", "score"],
            "devices": np.array(devices, dtype=np.uint32),
            "labels": [names.get(device, "") for device in devices],
            "counts": np.array([self.judged.get(device, [0, 0, 0.0]) for device in devices]).reshape(-1, 3),
        }

    def _alarms(self) -> Iterator[str]:
        yield from super()._alarms()
        for _, table in (key for key, samples in self.book.samples.items() if samples is None):
            yield f"no windows of {self.settings.of} can be cut of {table.name}"


def trigger(settings: Settings, place: Place) -> Node:
    """The one that these settings want."""
    return EventTrigger(settings, place) if settings.on == "suspicion" else Trigger(settings, place)
