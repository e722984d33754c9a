"""Rows of other rates brought to the instants of an output stream: filtered and thinned out, or interpolated.

A converter takes the slots of one table from one concentrator and gives slots of the stream's rate, in order, whatever
is told of them at a time. What it reckons has STAT bit 9; an instant that is a row's own passes an interpolation as it
is. STAT, time quality and digital words are those of the last row at or before the instant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from algorithms.decimation import filtered, reach, taps, to_polar
from algorithms.interpolation import interpolate
from nodes._history import History
from nodes._outrates import FILTER, ratio_of
from nodes._outstream import Part
from nodes._slots import AHEAD
from protocol import clock
from protocol.clock import Now
from protocol.messages import Snapshots, Table

MODIFIED = np.uint16(0x0200)
"""STAT bit 9 (C37.118.2-2011, table 7): the data were modified by post-processing."""
AS_IT_WAS = np.uint16(0)
MISSING_AT_MOST = 0.2
"""Share of a filter's weights under which rows may be missing; they are bridged. Beyond it the instant is absent."""


class Instant(NamedTuple):
    """All devices at one instant of the stream."""

    present: NDArray[np.bool_]
    """[m]"""
    status: NDArray[np.uint16]
    quality: NDArray[np.uint8]
    digital: NDArray[np.uint16]
    """[m, d]"""
    values: NDArray[np.float64]
    """[m, c]"""


class Converter:
    """See the module."""

    def __init__(
        self, table: Table, told: int, filters: bool, devices: NDArray[np.uint32], channels: NDArray[np.intp]
    ) -> None:
        """`told`: DATA_RATE of the stream; `filters`: else it interpolates. devices [m], channels [c] of the table's,
        ascending."""
        self.table, self.told, self.filters = table, told, filters
        self.taps = taps(ratio_of(table.rate, told)) if filters else np.zeros(0)
        self.after = self.taps.size // 2 if filters else 1
        """Rows that are needed behind an instant."""
        self.counts = dict.fromkeys(("late", "ahead"), 0)
        """Rows that came when their instants had been told, or of the future."""
        self._next = 0
        """Slot of the stream that is told next."""
        self._history = History(table, devices, channels, 2 * self.after + 1, filters)

    def select(self, devices: NDArray[np.uint32], channels: NDArray[np.intp]) -> None:
        """From now on of these devices and channels; those that stay go on."""
        self._history = self._history.of(devices, channels)

    def forget(self, device: int) -> None:
        """Its rows mean something else from now on."""
        self._history.forget(device)

    def take(self, word: Snapshots, now: Now) -> Snapshots | None:
        """The instants that these slots complete."""
        history, latest = self._history, int(clock.slot_of(now.utc + AHEAD, self.table.rate))
        if history.newest > latest:  # this machine's clock was ahead, and was set right
            history.newest, self._next = -1, 0
        found: list[tuple[int, Instant]] = []
        for row, slot in enumerate(word.slot.tolist()):
            if slot > latest:
                self.counts["ahead"] += history.count(word, row)
                continue
            if not word.late:
                found += self._go_on(slot)
            if history.first <= slot <= history.newest:
                history.put(slot, word, row)
                found += self._ready()
            else:
                self.counts["late"] += history.count(word, row)
        return self._said(word, found) if found else None

    def _go_on(self, slot: int) -> Iterator[tuple[int, Instant]]:
        """Up to this slot; those that the concentrator left out are empty."""
        history = self._history
        if history.newest < 0 or slot > history.newest + history.span:
            self._begin(slot)
        for each in range(history.newest + 1, slot + 1):
            yield from self._ready()
            history.reach(each)

    def _begin(self, slot: int) -> None:
        """Nothing is known of the slots before."""
        self._history.begin(slot)
        at = int(clock.slot_time(slot + (self.after if self.filters else 0), self.table.rate))
        first = int(clock.slot_of(at, self.told))
        self._next = max(self._next, first + int(clock.slot_time(first, self.told) < at))

    def _ready(self) -> Iterator[tuple[int, Instant]]:
        """Instants that no row is waited for any more."""
        rate = self.table.rate
        while True:
            time = int(clock.slot_time(self._next, self.told))
            left = int(clock.slot_of(time, rate))
            left -= int(clock.slot_time(left, rate)) > time
            exact = int(clock.slot_time(left, rate)) == time and not self.filters
            if left + (0 if exact else self.after) > self._history.newest:
                return
            at = left - self._history.first
            yield (
                self._next,
                self._filtered(at) if self.filters else self._row(at) if exact else self._between(at, time),
            )
            self._next += 1

    def _filtered(self, middle: int) -> Instant:
        history, weights = self._history, np.abs(self.taps)
        window = slice(middle - self.after, middle + self.after + 1)
        usable = history.usable[window]
        here = np.asarray(weights @ ~usable <= MISSING_AT_MOST * weights.sum())
        before = np.where(usable[: self.after + 1], np.arange(self.after + 1)[:, None], -1).max(axis=0)
        values = np.where(usable[:, :, None], history.values[window], np.nan)
        told = filtered(values.reshape(weights.size, -1), self.taps, MISSING_AT_MOST).reshape(values.shape[1:])
        to_polar(told, history.phasors)
        return self._instant(here & (before >= 0), window.start + before, told, MODIFIED)

    def _row(self, at: int) -> Instant:
        history = self._history
        rows = np.full(history.devices.size, at, np.intp)
        return self._instant(history.present[at].copy(), rows, history.values[at].copy())

    def _between(self, at: int, time: int) -> Instant:
        history, pair = self._history, slice(at, at + 2)
        ends = clock.slot_time(np.arange(2) + at + history.first, self.table.rate)
        here, values = np.all(history.usable[pair], axis=0), history.values[pair]
        angles, gap = np.tile(history.angles, here.size), int(ends[1] - ends[0])
        told = interpolate(ends, values.reshape(2, -1), angles, np.array([time]), gap).reshape(values.shape[1:])
        return self._instant(here, np.full(here.size, at, np.intp), told, MODIFIED)

    def _instant(
        self,
        here: NDArray[np.bool_],
        rows: NDArray[np.intp],
        values: NDArray[np.float64],
        flag: np.uint16 = AS_IT_WAS,
    ) -> Instant:
        """`rows` [m]: where STAT, time quality and digital words are from."""
        history, m = self._history, np.arange(here.size)
        status = history.status[rows, m] | flag
        return Instant(here, status, history.quality[rows, m], history.digital[rows, m], values)

    def _said(self, word: Snapshots, found: Sequence[tuple[int, Instant]]) -> Snapshots:
        history, instants = self._history, [instant for _, instant in found]
        values = np.full((len(found), history.devices.size, self.table.channels), np.nan, np.float32)
        values[:, :, history.channels] = np.stack([each.values for each in instants])
        return Snapshots(
            table=word.table,
            slot=np.array([slot for slot, _ in found], np.int64),
            device=history.devices,
            present=np.stack([each.present for each in instants]).astype(np.uint8),
            quality=np.stack([each.quality for each in instants]),
            status=np.stack([each.status for each in instants]),
            values=values,
            digital=np.stack([each.digital for each in instants]),
            latency=np.zeros(len(found), np.int64),
            node=word.node,
        )


class Conversion:
    """All converters of an output stream; they outlive its changes."""

    def __init__(self) -> None:
        self._parts: dict[Table, list[Part]] = {}
        self._converters: dict[tuple[Table, str], Converter] = {}
        self._gone = dict.fromkeys(("late", "ahead"), 0)

    def follow(self, parts: Sequence[Part]) -> None:
        """What is told from now on."""
        self._parts = {}
        for part in parts:
            if part.way.converts:
                self._parts.setdefault(part.table, []).append(part)
        for key, converter in list(self._converters.items()):
            wanted = self._parts.get(key[0])
            if wanted and (converter.told, converter.filters) == (wanted[0].rate, wanted[0].way == FILTER):
                converter.select(*_of(wanted))
            else:
                del self._converters[key]
                self._gone = {name: count + converter.counts[name] for name, count in self._gone.items()}

    @property
    def delay(self) -> int:
        """ns after an instant until it is told, at most."""
        return max((_delay(table, parts[0]) for table, parts in self._parts.items()), default=0)

    @property
    def counts(self) -> dict[str, int]:
        """See `Converter.counts`."""
        return {
            name: count + sum(each.counts[name] for each in self._converters.values())
            for name, count in self._gone.items()
        }

    def take(self, word: Snapshots, now: Now) -> Snapshots | None:
        """A word as it is told: as it is, or the instants that it completes."""
        table = Table(*word.table)
        if table not in self._parts:
            return word
        key = table, word.node
        if key not in self._converters:
            self._converters[key] = _new(table, self._parts[table])
        return self._converters[key].take(word, now)

    def forget(self, device: int) -> None:
        """Its rows mean something else from now on."""
        for converter in self._converters.values():
            converter.forget(device)


def _delay(table: Table, part: Part) -> int:
    """ns after an instant until it can be reckoned."""
    rows = reach(ratio_of(table.rate, part.rate)) if part.way == FILTER else 1
    return rows * clock.period(table.rate)


def _new(table: Table, parts: list[Part]) -> Converter:
    return Converter(table, parts[0].rate, parts[0].way == FILTER, *_of(parts))


def _of(parts: list[Part]) -> tuple[NDArray[np.uint32], NDArray[np.intp]]:
    """Devices and channels of the parts of a table, ascending."""
    devices = np.unique(np.concatenate([part.devices for part in parts]))
    return devices, np.unique(np.concatenate([part.channels for part in parts]))
