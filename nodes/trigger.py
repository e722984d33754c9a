"""Trigger: cuts the snapshots into windows and has each judged once by one of its detectors.

A window is due when its last slot was released. It is leased to the freest detector, at most two at each; a
detector that fails or falls silent loses it to another; after the last attempt it goes to the dead-letter file and
the verdict is `failed`. A window that is too incomplete to judge gets its verdict without work. Every verdict is
said as a numbered word, once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import AfterValidator, Field

from algorithms.leases import Dead, Leases
from algorithms.windows import Cut, Samples, fill
from nodes._node import Action, Actions, Letter, Node, Place
from nodes._settings import Duration, FilePath, Share, Size, fault
from nodes._settings import Settings as Base
from nodes._stream import Reader, Writer
from protocol import clock
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import (
    FIXED_CHANNELS,
    Configuration,
    Durable,
    Fetch,
    Outcome,
    Snapshots,
    Table,
    Verdict,
    Window,
)

LEAST_SAMPLES = 16
"""A shorter window is none: seconds-per-frame tables have no windows of seconds."""
_QUANTITY = re.compile(r"frequency|rocof|(magnitude|angle|analog) ([1-9]\d{0,2})")


def channel(quantity: str, table: Table) -> int | None:
    """Where a quantity stands among the value channels of a table; None if it has no such."""
    match = _QUANTITY.fullmatch(quantity)
    if match is None or match[1] is None:
        return {"frequency": 0, "rocof": 1}.get(quantity)
    number = int(match[2]) - 1
    if match[1] == "analog":
        return FIXED_CHANNELS + 2 * table.phasors + number if number < table.analogs else None
    return FIXED_CHANNELS + 2 * number + (match[1] == "angle") if number < table.phasors else None


def _known_quantity(value: str) -> str:
    if not _QUANTITY.fullmatch(value):
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
    keep: Size = 16 << 20
    """Memory for recent verdicts that a reader may fetch."""


class _Task(NamedTuple):
    """A window and what else its verdict needs."""

    window: Window
    stop: int


class Trigger(Node):
    """See the module."""

    TAGS = (Configuration.TAG, Snapshots.TAG)  # type: ignore[attr-defined]

    def __init__(self, settings: Settings, place: Place) -> None:
        self.settings, self.place = settings, place
        self.reader = Reader(place.name)
        self.writer = Writer(place.name, 0, settings.keep)
        self.samples: dict[Table, Samples | None] = {}
        """None: the table has no such quantity, or too few samples in a window."""
        self.leases = self._leases(0)
        self.names: dict[int, str] = {}
        self.judged: dict[int, list[float]] = {}
        """Device -> [windows judged, suspicious ones, last score]"""
        self.counters = dict.fromkeys(
            ("windows", "sent", "ok", "incomplete", "failed", "dead", "suspicious", "twins", "attempts_failed"), 0
        )
        self.trouble = ""
        """Why dead letters can't be kept, "" if they can."""

    def start(self, now: Now) -> Actions:
        """One opening of the stream of verdicts; lease numbers never meet those of an earlier life."""
        self.writer = Writer(self.place.name, now.utc, self.settings.keep)
        self.leases = self._leases(now.utc)
        return ()

    def _leases(self, first: int) -> Leases[_Task]:
        s = self.settings
        workers = self.place.readers_of.get("detector", [])
        return Leases(workers, s.in_flight, s.timeout, s.attempts, first=first)

    def receive(self, message: Any, now: Now) -> Iterator[Action]:
        """Snapshots and configurations of the concentrators; answers of our detectors; fetches of our readers."""
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

    def wake(self, now: Now) -> Iterator[Action]:
        """Leases that ran out, fetches to repeat, the announcement."""
        for dead in self.leases.expire(now.monotonic):
            yield from self._bury(dead, now)
        yield from self._send(now)
        yield from self.reader.wake(now)
        yield from self.writer.wake(now)

    def stop(self, now: Now) -> Iterator[Action]:
        yield self.writer.announce()

    def _word(self, word: Any, now: Now) -> Iterator[Action]:
        if isinstance(word, Configuration):
            self.names[word.device] = word.name
        elif isinstance(word, Snapshots) and word.slot.size:
            table = Table(*word.table)
            samples, at = self._samples(table), channel(self.settings.of, table)
            if samples is not None and at is not None:
                late = int(word.latency[0]) // clock.period(table.rate)
                for cut in samples.push(word.slot, word.device, word.values[:, :, at], late):
                    yield from self._due(cut, table, now)

    def _samples(self, table: Table) -> Samples | None:
        if table not in self.samples:
            s, period = self.settings, clock.period(table.rate)
            length, every = round(s.window / period), max(1, round(s.every / period))
            fits = length >= LEAST_SAMPLES and channel(s.of, table) is not None
            self.samples[table] = Samples(length, every, s.stagger) if fits else None
        return self.samples[table]

    def _due(self, cut: Cut, table: Table, now: Now) -> Iterator[Action]:
        """A window is complete enough and goes to the queue, or has its verdict now."""
        self.counters["windows"] += 1
        longest = self.settings.gap // clock.period(table.rate)
        completeness = 1.0 - float(np.isnan(cut.values).mean())
        filled = fill(cut.values, longest)
        values, mask = filled if filled else (np.zeros(0, np.float32), np.zeros(0, np.uint8))
        window = Window(
            trigger=self.place.name,
            lease=0,
            attempt=0,
            device=np.array([cut.device], dtype=np.uint32),
            start=clock.slot_time(cut.first, table.rate),
            rate=table.rate,
            quantities=[self.settings.of],
            values=values[None, None],
            filled=mask[None],
            completeness=completeness,
        )
        task = _Task(window, clock.slot_time(cut.first + cut.values.size, table.rate))
        if filled is None or completeness < self.settings.completeness:
            yield self._incomplete(task)
        elif self.leases.waiting >= self.settings.waiting:
            yield from self._bury(Dead(task, 0, 0, "too many windows wait for a detector"), now)
        else:
            self.leases.add(task)

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
        task = self.leases.done(verdict.lease, verdict.worker)
        if task is None:
            self.counters["twins"] += 1
            return
        yield self._say(verdict)

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

    def _incomplete(self, task: _Task) -> Action:
        share = f"{task.window.completeness:.1%} of the samples measured"
        longest = f"gaps up to {self.settings.gap / SECOND:g} s"
        wanted = f"{self.settings.completeness:.0%} and {longest}"
        return self._say(_unjudged(task, 0, 0, Outcome.INCOMPLETE, f"{share}; {wanted} are wanted"))

    def _bury(self, dead: Dead[_Task], now: Now) -> Iterator[Action]:
        """Dead letter: kept in a file, told as a failed verdict."""
        self.counters["dead"] += 1
        verdict = _unjudged(dead.work, dead.lease, dead.attempt, Outcome.FAILED, dead.error)
        window = dead.work.window
        letter = {
            "buried": now.utc,
            "lease": dead.lease,
            "attempts": dead.attempt,
            "error": dead.error,
            "device": window.device.tolist(),
            "start": window.start,
            "rate": window.rate,
            "quantities": window.quantities,
            "values": window.values.tolist(),
            "filled": window.filled.tolist(),
        }
        self._keep_letter(json.dumps(letter) + "\n")
        yield self._say(verdict)

    def _keep_letter(self, line: str) -> None:
        try:
            self._dead_letters.parent.mkdir(parents=True, exist_ok=True)
            with open(self._dead_letters, "a", encoding="utf-8") as file:
                file.write(line)
        except OSError as fault:
            self.trouble = f"{self._dead_letters}: {fault.strerror}: dead letters are not kept; make room or rights"

    @property
    def _dead_letters(self) -> Path:
        return self.settings.dead_letters / f"{self.place.name}.jsonl"

    def health(self, now: Now) -> dict[str, Any]:
        devices = sorted(self.names.keys() | self.judged.keys())
        return {
            "counters": {
                **self.counters,
                "resent": self.leases.resent,
                "lost": self.reader.lost,
                "fetched": self.reader.fetched,
            },
            "queues": {"waiting": self.leases.waiting, "in_flight": self.leases.out, "behind": self.reader.behind},
            "columns": ["windows", "suspicious", "score"],
            "devices": np.array(devices, dtype=np.uint32),
            "labels": [self.names.get(device, "") for device in devices],
            "counts": np.array([self.judged.get(device, [0, 0, 0.0]) for device in devices]).reshape(-1, 3),
            "alarms": list(self._alarms()),
        }

    def _alarms(self) -> Iterator[str]:
        if not self.place.readers_of.get("detector"):
            yield "no detector reads this trigger: its windows are never judged; add one with `from: " + (
                f"{self.place.node}`"
            )
        if self.counters["dead"]:
            yield f"{self.counters['dead']} windows were never judged; they are in {self._dead_letters}"
        if self.trouble:
            yield self.trouble
        for table in (table for table, samples in self.samples.items() if samples is None):
            yield f"no windows of {self.settings.of} can be cut of {table.name}"


def _unjudged(task: _Task, lease: int, attempt: int, outcome: Outcome, error: str) -> Verdict:
    window = task.window
    return Verdict(
        trigger=window.trigger,
        lease=lease,
        attempt=attempt,
        worker="",
        algorithm="",
        version=0,
        device=window.device,
        start=window.start,
        stop=task.stop,
        outcome=outcome,
        suspicious=False,
        onset=0,
        score=0.0,
        detail={},
        completeness=window.completeness,
        error=error,
    )
