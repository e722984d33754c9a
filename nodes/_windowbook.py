"""What a trigger knows: the samples it took, the schedule of every device, how far it read, and the devices' names.

Nothing here depends on a clock or on when it is called: the same words in the same order make the same windows due.
So a trigger that was killed finds its windows again by taking the words of its journal once more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from algorithms.lastvalues import HELD
from algorithms.windows import NEVER, RULES, Cut, Samples
from nodes._screen import Screen, Watch
from protocol import clock
from protocol.messages import FIXED_CHANNELS, Cause, Configuration, Snapshots, Table

ADDED = 1 << 40
"""In the place of a delay: the slots had been released before."""
LEAST_SAMPLES = 16
"""A shorter window is none: seconds-per-frame tables have no windows of seconds."""
PIECE = 64
"""Slots taken at a time where early windows are cut: their samples are still held then."""
LEAST_RATE = 10
"""Samples per second below which there are no early windows."""
QUANTITY = re.compile(r"frequency|rocof|(magnitude|angle|analog) ([1-9]\d{0,2})")


def channel(quantity: str, table: Table) -> int | None:
    """Where a quantity stands among the value channels of a table; None if it has no such, as tables of spectra."""
    if table.spectrum:
        return None
    match = QUANTITY.fullmatch(quantity)
    if match is None or match[1] is None:
        return {"frequency": 0, "rocof": 1}.get(quantity)
    number = int(match[2]) - 1
    if match[1] == "analog":
        return FIXED_CHANNELS + 2 * table.phasors + number if number < table.analogs else None
    return FIXED_CHANNELS + 2 * number + (match[1] == "angle") if number < table.phasors else None


class Shape(NamedTuple):
    """Which windows are cut."""

    of: str
    window: int
    """ns"""
    every: int
    """ns"""
    stagger: bool
    rules: int = RULES

    def samples(self, table: Table) -> Samples | None:
        """None: the table has no such quantity, or too few samples in a window."""
        period = clock.period(table.rate)
        length, every = round(self.window / period), max(1, round(self.every / period))
        fits = length >= LEAST_SAMPLES and channel(self.of, table) is not None
        return Samples(length, every, self.stagger) if fits else None


class Due(NamedTuple):
    """A window to be judged."""

    of: str
    table: Table
    cut: Cut
    cause: Cause = Cause.SCHEDULE

    @property
    def start(self) -> int:
        """ns UTC of its first sample"""
        return int(clock.slot_time(self.cut.first, self.table.rate))

    @property
    def stop(self) -> int:
        """ns UTC after its last sample"""
        return int(clock.slot_time(self.cut.first + self.cut.values.size, self.table.rate))

    @property
    def key(self) -> tuple[int, int]:
        """(device, start): what there is one verdict of."""
        return self.cut.device, self.start

    @property
    def letter(self) -> tuple[int, int, int]:
        """By which a dead letter of it is known."""
        return self.cut.device, self.start, self.cut.values.size


@dataclass(frozen=True)
class Took:
    """What is kept of a word of snapshots: k slots of m devices, one quantity or several."""

    writer: str
    epoch: int
    next: int
    """The number of the word after it."""
    table: Table
    late: int
    """How long ago the slots should have been released, in slots, if that is longer than a window; else 0. `ADDED`:
    they had been, these are rows that came late."""
    utc: int
    """When it was taken, ns."""
    device: NDArray[np.uint32]
    """[m]"""
    slot: NDArray[np.int64]
    """[k]"""
    values: NDArray[np.float32]
    """[k, m], or [k, m, q] of several quantities"""

    @property
    def plain(self) -> list[Any]:
        """For a journal."""
        arrays = ((self.device, "<u4"), (self.slot, "<i8"), (self.values, "<f4"))
        packed = [np.ascontiguousarray(array, kind).tobytes() for array, kind in arrays]
        return [self.writer, self.epoch, self.next, list(self.table.key), self.late, self.utc, *packed]

    @classmethod
    def unpacked(cls, plain: list[Any], *quantities: int) -> Took:
        """What `plain` was made of; `quantities` if there are several."""
        writer, epoch, next_, table, late, utc, device, slot, values = plain
        devices, slots = np.frombuffer(device, "<u4"), np.frombuffer(slot, "<i8")
        shaped = np.frombuffer(values, "<f4").reshape(slots.size, devices.size, *quantities)
        return cls(writer, epoch, next_, Table(*table), late, utc, devices, slots, shaped)


@dataclass
class Book:
    """See the module."""

    shape: Shape
    standing: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Writer -> (epoch, number of the next word)"""
    names: dict[int, str] = field(default_factory=dict)
    samples: dict[tuple[str, Table], Samples | None] = field(default_factory=dict)
    """(writer, table) -> None: no windows are cut of it."""
    watch: Watch | None = None
    """None: no early windows."""
    screens: dict[tuple[str, Table], Screen] = field(default_factory=dict)

    def configure(self, word: Configuration) -> None:
        """The name of a device."""
        self.names[word.device] = word.name
        if not word.again:
            self.standing[word.node] = (word.epoch, word.number + 1)

    def reduce(self, word: Snapshots, utc: int) -> Took:
        """What is needed of a word; no slots if nothing is."""
        table = Table(*word.table)
        samples, at = self._samples(word.node, table), channel(self.shape.of, table)
        needed = word.slot.size if samples is not None else 0
        late = int(word.latency[0]) // clock.period(table.rate) if needed else 0
        late = ADDED if word.late else late if samples is not None and late > samples.length else 0
        values = word.values[:needed, :, at or 0]
        if (word.present[:needed] == HELD).any():
            values = np.where(word.present[:needed] == HELD, np.float32(np.nan), values)
        device = word.device if needed else word.device[:0]
        return Took(word.node, word.epoch, word.number + 1, table, late, utc, device, word.slot[:needed], values)

    def take(self, took: Took, room: Callable[[], bool] | None = None) -> Iterator[Due]:
        """Windows that are due now; early ones as long as there is room for them."""
        self.standing[took.writer] = (took.epoch, took.next)
        samples = self._samples(took.writer, took.table)
        if samples is None or not took.slot.size:
            return
        if took.late == ADDED:
            for cut in samples.add(took.slot, took.device, took.values, took.utc):
                yield Due(self.shape.of, took.table, cut)
            return
        screen = self.screens.get((took.writer, took.table))
        for piece in _pieces(took.slot.size, PIECE if screen else took.slot.size):
            slot, values = took.slot[piece], took.values[piece]
            for cut in samples.push(slot, took.device, values, took.late, took.utc):
                yield Due(self.shape.of, took.table, cut)
            if screen:
                for cut in screen.push(samples, slot, took.device, values, room):
                    yield Due(self.shape.of, took.table, cut, Cause.ALARM)

    def early(self, writer: str, table: Table, device: int, first: int) -> Due | None:
        """An early window that an earlier life cut; None if no windows are cut of its table."""
        samples = self._samples(writer, table)
        if samples is None:
            return None
        screen = self.screens.get((writer, table))
        if screen:
            screen.hold(samples, device, first)
        return Due(self.shape.of, table, samples.cut(device, first), Cause.ALARM)

    def shaped(self, shape: Shape) -> Book:
        """Itself; if other windows are wanted, one that begins them with the next samples."""
        return self if shape == self.shape else Book(shape, self.standing, self.names, watch=self.watch)

    def resume(self, writer: str, table: Table, schedule: dict[str, Any]) -> None:
        """Go on with a schedule of an earlier life."""
        samples = self._samples(writer, table)
        if samples is not None:
            samples.resume(schedule)

    def since(self) -> int:
        """UTC [ns] of the oldest word whose samples are still needed; NEVER if none is."""
        early = self.watch is not None
        return min((each.since(early) for each in self.samples.values() if each is not None), default=NEVER)

    def _samples(self, writer: str, table: Table) -> Samples | None:
        key = (writer, table)
        if key not in self.samples:
            samples = self.samples[key] = self.shape.samples(table)
            if samples is not None and self.watch is not None and table.rate >= LEAST_RATE:
                self.screens[key] = Screen(table.rate, self.watch)
        return self.samples[key]


def _pieces(size: int, most: int) -> Iterator[slice]:
    return (slice(at, at + most) for at in range(0, size, most))
