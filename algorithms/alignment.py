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

I8 = NDArray[np.int64]
Bools = NDArray[np.bool_]

SECOND = 1_000_000_000
NEVER = np.iinfo(np.int64).max
NOTHING_YET = -(1 << 62)
"""Frontier before anything was released: below every slot."""
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
class Rows:
    """n rows of one table, in order of arrival."""

    device: NDArray[np.uint32]
    """[n] numbers"""
    slot: I8
    """[n]"""
    arrival: I8
    """[n] ns UTC"""
    quality: NDArray[np.uint8]
    """[n]"""
    status: NDArray[np.uint16]
    """[n]"""
    values: NDArray[np.float32]
    """[n, c]"""
    digital: NDArray[np.uint16]
    """[n, d]"""

    def take(self, which: Any) -> Rows:
        """Some of the rows: an index array, a mask or a slice."""
        return Rows(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


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


class _Ring:
    """Slots x device columns; slot `s` lives at `s % depth`. Columns are added by doubling."""

    def __init__(self, depth: int, channels: int, digitals: int) -> None:
        self.depth = depth
        self.slot = np.full(depth, NOTHING_YET, dtype=np.int64)
        self.open = np.zeros(depth, dtype=bool)
        self.due = np.full(depth, NEVER, dtype=np.int64)
        """Monotonic ns when the wait is over."""
        self.last = np.zeros(depth, dtype=np.int64)
        self.present = np.zeros((depth, 0), dtype=bool)
        self.quality = np.zeros((depth, 0), dtype=np.uint8)
        self.status = np.zeros((depth, 0), dtype=np.uint16)
        self.values = np.zeros((depth, 0, channels), dtype=np.float32)
        self.digital = np.zeros((depth, 0, digitals), dtype=np.uint16)

    def widen(self, least: int) -> None:
        width = self.present.shape[1]
        if least <= width:
            return
        columns = max(least, 2 * width)
        for name in ("present", "quality", "status", "values", "digital"):
            old = getattr(self, name)
            new = np.zeros((self.depth, columns, *old.shape[2:]), dtype=old.dtype)
            new[:, : old.shape[1]] = old
            setattr(self, name, new)

    def begin(self, slots: I8) -> None:
        """Open slots at places that nobody needs any more."""
        at = slots % self.depth
        self.slot[at], self.open[at], self.due[at], self.last[at] = slots, True, NEVER, 0
        self.present[at] = False

    def store(self, at: I8, column: I8, rows: Rows) -> None:
        self.present[at, column] = True
        self.quality[at, column] = rows.quality
        self.status[at, column] = rows.status
        self.values[at, column] = rows.values
        self.digital[at, column] = rows.digital

    def opened(self) -> I8:
        return np.sort(self.slot[self.open])


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
    ) -> None:
        """`time_of` slots -> ns UTC; `wait`, `absolute`, `silent` in ns; `depth` slots the ring can hold open."""
        self._time_of = time_of
        self._wait, self._absolute, self._silent = wait, absolute, silent
        self._ring = _Ring(depth, channels, digitals)
        self._column: dict[int, int] = {}
        self._sorted = np.zeros(0, dtype=np.int64)
        self._order = np.zeros(0, dtype=np.int64)
        self.devices = np.zeros(0, dtype=np.uint32)
        """[m] numbers, by column."""
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
        if device not in self._column:
            self._add([device])
            self.heard[self._column[device]] = mono

    def exclude(self, device: int, excluded: bool) -> None:
        """Wait for a device no more (or again)."""
        if device in self._column:
            self.excluded[self._column[device]] = excluded

    def dismiss(self, device: int) -> None:
        """A device went to another table: it is not expected here."""
        if device in self._column:
            self.heard[self._column[device]] = NOTHING_YET

    def push(self, rows: Rows, now: Instant, start: I8 | None = None) -> None:
        """Put rows in their slots. `start` [n]: monotonic ns from which the relative wait runs; None = now."""
        column = self._columns(rows.device)
        self.heard[column] = np.maximum(self.heard[column], now.monotonic)
        self._count("received", column)
        begin = np.full(rows.slot.shape, now.monotonic, dtype=np.int64) if start is None else start
        for piece in self._pieces(rows.slot):
            self._push(rows.take(piece), column[piece], begin[piece], now)
            if piece.stop < rows.slot.size:
                self._release(now.monotonic, everything=False)

    def release(self, now: Instant, everything: bool = False) -> list[Released]:
        """What is complete or has waited long enough (or all that is held), oldest first."""
        self._release(now.monotonic, everything)
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
        return _gathered(rows.take(np.flatnonzero(near)[::-1]))

    def wake_at(self) -> int | None:
        """Monotonic ns when the next wait is over."""
        due = int(self._ring.due.min(initial=NEVER, where=self._ring.open))
        return None if due == NEVER else due

    def rewind(self, slot: int) -> None:
        """The frontier was led astray (one wrong clock, alone at the start): go on after `slot`.

        What was released beyond it stays released: its slots are passed over when their time comes.
        """
        if slot < self.frontier:
            self._spent = [*self._spent, (max(self.run_start, slot + 1), self.frontier)][-RUNS_KEPT:]
            self._ring.open[:] = False
            self._ring.slot[:] = NOTHING_YET
            self.frontier, self.run_start = slot, slot + 1

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
        top = np.maximum.accumulate(slot)
        step = (top - top[0]) // max(1, self._ring.depth // 2)
        cuts = [0, *(np.flatnonzero(np.diff(step)) + 1).tolist(), slot.size]
        return [slice(a, b) for a, b in itertools.pairwise(cuts)]

    def _push(self, rows: Rows, column: I8, start: I8, now: Instant) -> None:
        self._make_room(int(rows.slot.max()), now.monotonic)
        late = rows.slot <= self.frontier
        for first, last in self._spent:
            late |= (rows.slot >= first) & (rows.slot <= last)
        fresh = np.unique(rows.slot[~late])
        ring = self._ring
        at = rows.slot % ring.depth
        ring.begin(fresh[ring.slot[fresh % ring.depth] != fresh])
        held = ring.slot[at] == rows.slot
        again = self._repeated(column, rows.slot) | (held & ring.present[at, column])
        self._count("duplicate", column[again])
        self._count("late", column[late & ~again])
        if late.any():
            self._late.append(rows.take(late & ~again))
        ring.present[at[late & held], column[late & held]] = True
        good = ~late & ~again
        ring.store(at[good], column[good], rows.take(good))
        np.maximum.at(ring.last, at[good], rows.arrival[good])
        np.minimum.at(ring.due, at[good], self._deadline(rows.slot[good], start[good], now))

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

    def _repeated(self, column: I8, slot: I8) -> Bools:
        """Rows that stand a second time in this very batch."""
        key = (slot - slot.min()) * self.devices.size + column
        first: I8 = np.unique(key, return_index=True)[1]
        repeated = np.ones(key.size, dtype=np.bool_)
        repeated[first] = False
        return repeated

    def _release(self, mono: int, everything: bool) -> None:
        ring, slots = self._ring, self._ring.opened()
        if not slots.size:
            return
        at = slots % ring.depth
        over = np.flatnonzero(ring.due[at] <= mono)
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
        present = ring.present[at, : self.devices.size]
        expected = self._expected(mono)
        self.counts["missing"] += (expected & ~present).sum(axis=0)
        columns = np.flatnonzero(expected | present.any(axis=0))
        cells, there = np.ix_(at, columns), present[:, columns]
        each = there[..., None]
        released = Released(
            slot=slots,
            device=self.devices[columns],
            present=there.astype(np.uint8),
            quality=np.where(there, ring.quality[cells], np.uint8(0)),
            status=np.where(there, ring.status[cells], np.uint16(0)),
            values=np.where(each, ring.values[cells], np.float32(np.nan)),
            digital=np.where(each, ring.digital[cells], np.uint16(0)),
            arrival=ring.last[at],
        )
        self._done.append(released)
        ring.open[at] = False
        self.frontier = int(slots[-1])

    def _columns(self, device: NDArray[np.uint32]) -> I8:
        number = device.astype(np.int64)
        unknown = sorted(set(np.unique(number).tolist()) - self._column.keys())
        if unknown:
            self._add(unknown)
        return self._order[np.searchsorted(self._sorted, number)]

    def _add(self, numbers: list[int]) -> None:
        self._column.update((number, self.devices.size + i) for i, number in enumerate(numbers))
        self.devices = np.concatenate([self.devices, np.array(numbers, dtype=np.uint32)])
        more = len(numbers)
        self.heard = np.concatenate([self.heard, np.full(more, NOTHING_YET, dtype=np.int64)])
        self.excluded = np.concatenate([self.excluded, np.zeros(more, dtype=bool)])
        for name, count in self.counts.items():
            self.counts[name] = np.concatenate([count, np.zeros(more, dtype=np.int64)])
        self._order = np.argsort(self.devices, kind="stable")
        self._sorted = self.devices[self._order].astype(np.int64)
        self._ring.widen(self.devices.size)

    def _count(self, name: str, column: I8) -> None:
        self.counts[name] += np.bincount(column, minlength=self.devices.size)


def _columns_of(rows: Rows) -> list[NDArray[Any]]:
    return [getattr(rows, name) for name in rows.__dataclass_fields__]


def _gathered(rows: Rows) -> Released:
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
