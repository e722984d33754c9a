"""Alignment: rows of many devices put together by the instant of their measurement.

A ring holds the slots that are still open. A slot is released, with what has come of it,

- at once when every expected device is there and no older slot is open;
- when its relative wait is over: `wait` from its first arrival (C37.244-2013 §6.3 "relative wait time");
- when its absolute wait is over: `absolute` from the slot's own UTC time (same clause, "absolute wait time").
  A slot that is already older than that when it opens (a capture of 2008 is played) has its relative wait only.

Slots are released in ascending order and once; when the wait of one is over, the older ones go with it. What comes
for a slot that was released, or passed over, is late (`take_late`). The first row of a device for a slot counts, a
second one is a duplicate. A device is expected as long as it was heard within `silent`; what an expected device did not
bring in time is missing.

Times of measurement decide the place, times of arrival only the wait. The ring follows whatever it is given: who
pushes keeps rows with implausible times and devices with wrong clocks away from it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from algorithms.columns import Columns
from algorithms.slotring import NEVER, NOTHING_YET, Ring, Rows

I8 = NDArray[np.int64]
Bools = NDArray[np.bool_]

SECOND = 1_000_000_000
RUNS_KEPT = 16


class Instant(Protocol):
    """What time it is; `protocol.clock.Now` is one."""

    @property
    def monotonic(self) -> int:
        """ns of a clock that never jumps"""

    @property
    def utc(self) -> int:
        """ns UTC since 1970"""


@dataclass(frozen=True)
class Released:
    """k slots of m devices; where `present` is 0, values are NaN and the rest is 0."""

    slot: I8
    """[k] ascending"""
    device: NDArray[np.uint32]
    """[m]"""
    present: NDArray[np.uint8]
    """[k, m]"""
    quality: NDArray[np.uint8]
    status: NDArray[np.uint16]
    values: NDArray[np.float32]
    """[k, m, c]"""
    digital: NDArray[np.uint16]
    """[k, m, d]"""
    arrival: I8
    """[k] ns UTC of the slot's last arrival."""
    came: I8 | None = None
    """[k, m] ns UTC of each row's arrival, where that was asked for."""


class Aligner:
    """One table's slots. Counters are arrays by column, in the order of `devices`."""

    def __init__(
        self,
        channels: int,
        digitals: int,
        time_of: Callable[[Any], Any],
        wait: int,
        absolute: int | None = None,
        silent: int = 5 * SECOND,
        depth: int = 256,
        arrivals: bool = False,
    ) -> None:
        """`time_of` slots -> ns UTC; `wait`, `absolute`, `silent` in ns; `depth` slots the ring can hold open;
        `arrivals`: slots say when each row came.
        """
        self._time_of = time_of
        self._wait, self._absolute, self._silent = wait, absolute, silent
        self._ring = Ring(depth, channels, digitals, arrivals)
        self._columns = Columns()
        self.heard = np.zeros(0, dtype=np.int64)
        """[m] monotonic ns of the last row."""
        self.excluded = np.zeros(0, dtype=bool)
        """[m] not waited for, whatever it sends."""
        self.counts = {name: np.zeros(0, dtype=np.int64) for name in ("received", "late", "duplicate", "missing")}
        self.frontier = NOTHING_YET
        """Everything up to this slot was released or passed over."""
        self.run_start = NOTHING_YET
        """First slot that can have been released since the frontier last jumped by more than the ring."""
        self._spent: list[tuple[int, int]] = []
        self._done: list[Released] = []
        self._late: list[Rows] = []

    def expect(self, device: int, mono: int) -> None:
        """A device is there, though it has not sent yet: it is waited for during `silent`."""
        if self._columns.get(device) is None:
            self._columns.add(np.array([device]))
            self._widen()
            self.heard[-1] = mono

    def exclude(self, device: int, excluded: bool) -> None:
        """Wait for a device no more (or again)."""
        column = self._columns.get(device)
        if column is not None:
            self.excluded[column] = excluded

    def dismiss(self, device: int) -> None:
        """A device went to another table: it is not expected here."""
        column = self._columns.get(device)
        if column is not None:
            self.heard[column] = NOTHING_YET

    def push(self, rows: Rows, now: Instant, start: I8 | None = None) -> None:
        """Put rows in their slots. `start` [n]: monotonic ns from which the relative wait runs; None = now."""
        column = self._columns.of(rows.device)
        self._widen()
        self.heard[column] = np.maximum(self.heard[column], now.monotonic)
        self._count("received", column)
        begin = np.full(rows.slot.shape, now.monotonic, dtype=np.int64) if start is None else start
        for piece in self._pieces(rows.slot):
            self._push(rows.take(piece), column[piece], begin[piece], now)
            if piece.stop < rows.slot.size:
                self._release(now.monotonic)

    def release(self, now: Instant, everything: bool = False, overdue: bool = True) -> list[Released]:
        """What is complete or, if `overdue`, has waited long enough (or all that is held), oldest first."""
        self._release(now.monotonic, everything, overdue)
        done, self._done = self._done, []
        return done

    def take_late(self, oldest: int) -> Released | None:
        """Rows that came late since the last time, of slots from `oldest` on; None if there are none.

        Of a device that comes twice for a slot the first row counts.
        """
        late, self._late = self._late, []
        rows = Rows(*(np.concatenate(column) for column in zip(*map(_columns_of, late), strict=True))) if late else None
        if rows is None or not (near := rows.slot >= oldest).any():
            return None
        return gathered(rows.take(np.flatnonzero(near)[::-1]))

    def wake_at(self) -> int | None:
        """Monotonic ns when the next wait is over."""
        due = int(self._ring.due.min())
        return None if due == NEVER else due

    def rewind(self, slot: int) -> None:
        """The frontier was led astray (one wrong clock, alone at the start): go on after `slot`.

        What was released beyond it stays released: its slots are passed over when their time comes.
        """
        if slot < self.frontier:
            self._spent = [*self._spent, (max(self.run_start, slot + 1), self.frontier)][-RUNS_KEPT:]
            self._ring.close(slice(None))
            self._ring.slot[:] = NOTHING_YET
            self.frontier, self.run_start = slot, slot + 1

    @property
    def devices(self) -> NDArray[np.uint32]:
        """[m] numbers, by column."""
        return self._columns.numbers

    @property
    def waiting(self) -> int:
        """Open slots."""
        return int(self._ring.open.sum())

    @property
    def span(self) -> tuple[int, int] | None:
        """The oldest and the newest open slot, if any is open."""
        opened = self._ring.slot[self._ring.open]
        return (int(opened.min()), int(opened.max())) if opened.size else None

    def _pieces(self, slot: I8) -> list[slice]:
        """Cut a batch so that each piece moves the ring by half its depth at most."""
        if not slot.size:
            return []
        if int(slot.max()) - int(slot[0]) < self._ring.depth // 2:
            return [slice(0, slot.size)]
        top = np.maximum.accumulate(slot)
        step = (top - top[0]) // max(1, self._ring.depth // 2)
        cuts = [0, *(np.flatnonzero(np.diff(step)) + 1).tolist(), slot.size]
        return [slice(a, b) for a, b in itertools.pairwise(cuts)]

    def _push(self, rows: Rows, column: I8, start: I8, now: Instant) -> None:
        self._make_room(int(rows.slot.max()), now.monotonic)
        late = rows.slot <= self.frontier
        for first, last in self._spent:
            late |= (rows.slot >= first) & (rows.slot <= last)
        ring = self._ring
        at = rows.slot % ring.depth
        fresh = (ring.slot[at] != rows.slot) & ~late
        if fresh.any():
            ring.begin(np.unique(rows.slot[fresh]))
        cell = ring.cells(at, column)
        held = ring.slot[at] == rows.slot
        again = (ring.present.reshape(-1)[cell] & held) | self._repeated(column, rows.slot, cell)
        odd = late | again
        if odd.any():
            self._count("duplicate", column[again])
            self._count("late", column[late & ~again])
            if late.any():
                self._late.append(rows.take(late & ~again))
            ring.present.reshape(-1)[cell[late & held]] = True
            good = ~odd
            rows, at, cell, start = rows.take(good), at[good], cell[good], start[good]
        ring.store(cell, rows)
        np.maximum.at(ring.last, at, rows.arrival)
        np.minimum.at(ring.due, at, self._deadline(rows.slot, start, now))

    def _make_room(self, top: int, mono: int) -> None:
        """The ring reaches `depth` slots back from the newest; what is older is released as it is."""
        oldest = top - self._ring.depth
        if oldest > self.frontier:
            opened = self._ring.opened()
            self._emit(opened[opened <= oldest], mono)
            if oldest - self.frontier > self._ring.depth:
                self.run_start = oldest + 1
            self.frontier = max(self.frontier, oldest)

    def _deadline(self, slot: I8, start: I8, now: Instant) -> I8:
        due = start + self._wait
        if self._absolute is None:
            return due
        left = self._time_of(slot) + self._absolute - now.utc
        return np.where(left > 0, np.minimum(due, now.monotonic + left), due)

    def _repeated(self, column: I8, slot: I8, cell: I8) -> Bools:
        """Rows that stand a second time in this very batch; their places in the ring tell whether any can."""
        ordered = np.sort(cell)
        if not (ordered[1:] == ordered[:-1]).any():
            return np.zeros(cell.size, dtype=np.bool_)
        return ~one_of_all(slot, column)

    def _release(self, mono: int, everything: bool = False, overdue: bool = True) -> None:
        ring, slots = self._ring, self._ring.opened()
        if not slots.size:
            return
        at = slots % ring.depth
        over = np.flatnonzero((ring.due[at] <= mono) & overdue)
        count = int(over[-1]) + 1 if over.size else 0
        complete = (ring.present[at[count:], : self.devices.size] | ~self._expected(mono)).all(axis=1)
        count += complete.size if complete.all() else int(np.argmin(complete))
        self._emit(slots if everything else slots[:count], mono)

    def _expected(self, mono: int) -> Bools:
        return (self.heard >= mono - self._silent) & ~self.excluded

    def _emit(self, slots: I8, mono: int) -> None:
        if not slots.size:
            return
        ring, at = self._ring, slots % self._ring.depth
        present, expected = ring.present[at, : len(self._columns)], self._expected(mono)
        self.counts["missing"] += (expected & ~present).sum(axis=0)
        columns = np.flatnonzero(expected | present.any(axis=0))
        cells = ring.cut(at, columns)
        came = cells.pop("arrival", None)
        self._done.append(Released(slots, self.devices[columns], **cells, arrival=ring.last[at], came=came))
        ring.close(at)
        self.frontier = int(slots[-1])

    def _widen(self) -> None:
        more = len(self._columns) - self.heard.size
        if not more:
            return
        self.heard = np.concatenate([self.heard, np.full(more, NOTHING_YET, dtype=np.int64)])
        self.excluded = np.concatenate([self.excluded, np.zeros(more, dtype=bool)])
        for name, count in self.counts.items():
            self.counts[name] = np.concatenate([count, np.zeros(more, dtype=np.int64)])
        self._ring.widen(len(self._columns))

    def _count(self, name: str, column: I8) -> None:
        self.counts[name] += np.bincount(column, minlength=self.devices.size)


def one_of_all(slot: I8, column: I8) -> Bools:
    """[n] whether each row is the first for its slot and column."""
    if not slot.size:
        return np.zeros(0, dtype=np.bool_)
    key = (slot - slot.min()) * (int(column.max()) + 1) + column
    first = np.zeros(key.size, dtype=np.bool_)
    first[np.unique(key, return_index=True)[1]] = True
    return first


def _columns_of(rows: Rows) -> list[NDArray[Any]]:
    return [getattr(rows, name) for name in rows.__dataclass_fields__]


def gathered(rows: Rows) -> Released:
    """Rows in any order as slots x devices; of two for one place the last counts."""
    slot, at = np.unique(rows.slot, return_inverse=True)
    device, column = np.unique(rows.device, return_inverse=True)
    shape = slot.size, device.size
    values = np.full((*shape, rows.values.shape[1]), np.nan, np.float32)
    digital = np.zeros((*shape, rows.digital.shape[1]), np.uint16)
    present, quality, status = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8), np.zeros(shape, np.uint16)
    arrival = np.zeros(slot.size, np.int64)
    np.maximum.at(arrival, at, rows.arrival)
    present[at, column], quality[at, column], status[at, column] = 1, rows.quality, rows.status
    values[at, column], digital[at, column] = rows.values, rows.digital
    return Released(slot, device, present, quality, status, values, digital, arrival)
