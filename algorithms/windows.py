"""Windows: the recent samples of all devices of a table, cut into windows when they are due.

A window of a device ends at a multiple of `every`, shifted by the device's own phase if staggered; it is due when
its last slot (or a later one) was released, never by the clock. A device's first window begins after its first
sample, its last one holds its last sample, and every window between these is cut once, also one without a sample.
So a device that falls silent owes its empty windows until it is heard again; after `GONE` of them it counts as
gone, and begins anew when it comes back.

All this follows from what was pushed: the same pushes in the same order, in whatever pieces, cut the same windows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

F4 = NDArray[np.float32]
I8 = NDArray[np.int64]
Bools = NDArray[np.bool_]
U1 = NDArray[np.uint8]
U4 = NDArray[np.uint32]

RULES = 1
"""Another number when other windows would be cut of the same pushes."""
NO_SLOT = -(1 << 62)
NEVER = 1 << 62
GONE = 256
"""Windows without a sample that a device may owe."""
RUNS_KEPT = 16
GOLDEN = 0.6180339887498949
"""Fractional part of the golden ratio: its multiples modulo 1 are spread as evenly as can be (Weyl 1916)."""


@dataclass(frozen=True)
class Cut:
    """A window of one device."""

    device: int
    first: int
    """slot of the first sample"""
    values: F4
    """[n], NaN where nothing was measured"""
    came: int
    """When the oldest of its slots that are held was pushed; NEVER if none is."""


class Samples:
    """The last samples of one quantity of every device of a table, and which windows of them are due."""

    def __init__(self, length: int, every: int, stagger: bool = True) -> None:
        """`length` of a window and `every` in slots."""
        if length < 1 or every < 1:
            raise ValueError(f"window of {length} samples every {every}: both must be at least one sample")
        self.length, self.every, self.stagger = length, every, stagger
        self._room = max(64, length // 4)
        self._size = length + self._room
        self._slot = np.full(self._size, NO_SLOT, dtype=np.int64)
        self._came = np.full(self._size, NEVER, dtype=np.int64)
        self._values = np.zeros((0, self._size), dtype=np.float32)
        self._column: dict[int, int] = {}
        self._devices = np.zeros(0, dtype=np.uint32)
        self._begin = np.zeros(0, dtype=np.int64)
        """[m] end of the first window"""
        self._end = np.zeros(0, dtype=np.int64)
        """[m] slot after the next window's last one; NEVER before the first sample"""
        self._heard = np.zeros(0, dtype=np.int64)
        """[m] slot of the last sample"""
        self._top = NO_SLOT
        """newest slot"""
        self._spent: dict[int, list[list[int]]] = {}
        """Device -> [first, last] ends of the windows that were cut before slots went back."""
        self._last = (np.zeros(0, dtype=np.uint32), np.zeros(0, dtype=np.int64))
        """The devices of the last push and their columns: they seldom change."""

    def push(self, slot: I8, device: U4, values: F4, late: int = 0, now: int = 0) -> Iterator[Cut]:
        """Take released slots [k] (ascending) of devices [m], values [k, m] (NaN = missing); yields due windows.

        `late`: how long ago they should have been released, in slots. Slots may come again (whoever aligns them
        was started anew and fetched what it could): what was missing is filled in, no window is cut twice.
        `now`: any time; a cut tells that of its oldest slot.
        """
        column = self.columns(device)
        at = 0
        while at < slot.size:
            to = int(np.searchsorted(slot, slot[at] + self._room))
            yield from self._push(slot[at:to], column, values[at:to], max(late, 0), now)
            at = to

    def add(self, slot: I8, device: U4, values: F4, now: int = 0) -> Iterator[Cut]:
        """Samples [k, m] of slots [k] that were released without them; yields windows that are due by that.

        A device whose samples all come late is there as well: its windows are cut, if with gaps.
        """
        column = self.columns(device)
        held = (slot > self._top - self._size) & (slot <= self._top)
        if held.any():
            self._store(slot[held], column, values[held], now)
        self._hear(slot, column, ~np.isnan(values))
        yield from self._due(self._top + 1)

    def _push(self, slot: I8, column: I8, values: F4, late: int, now: int) -> Iterator[Cut]:
        self._rewind(int(slot[0]), late)
        if slot[0] > self._top + 1:  # a leap: the windows that end before it, while their samples are there
            yield from self._due(int(slot[0]))
        self._top = max(self._top, int(slot[-1]))
        held = slot > self._top - self._size
        if held.any():
            self._store(slot[held], column, values[held], now)
        yield from self._due(self._top + 1)

    def _store(self, slot: I8, column: I8, values: F4, now: int) -> None:
        at = slot % self._size
        fresh = self._slot[at] != slot
        there, cells = ~np.isnan(values), np.ix_(column, at)
        if fresh.all() and self._is_whole(column):
            self._values[cells] = values.T  # nearly always: nothing there that would have to stay, or go
        else:
            self._values[:, at[fresh]] = np.nan
            self._values[cells] = np.where(there.T & np.isnan(self._values[cells]), values.T, self._values[cells])
        self._slot[at], self._came[at[fresh]] = slot, now
        self._hear(slot, column, there)

    def _is_whole(self, column: I8) -> bool:
        """Whether each device stands in it once."""
        m = self._devices.size
        return column.size == m and bool(np.bincount(column, minlength=m).all())

    def _hear(self, slot: I8, column: I8, there: Bools) -> None:
        """Samples came [k, m] of these devices: the schedule of one that is new, or was gone, begins."""
        heard = there.any(axis=0)
        if not heard.all():
            column, there = column[heard], there[:, heard]
        first = last = slot
        if slot.size > 1:
            first, last = slot[there.argmax(axis=0)], slot[slot.size - 1 - there[::-1].argmax(axis=0)]
        gone = first - self._heard[column] > self._size + GONE * self.every
        for one, begin in zip(column[gone].tolist(), np.broadcast_to(first, gone.shape)[gone].tolist(), strict=True):
            self._forget(one)
            self._begin[one] = self._end[one] = self._first_end(int(self._devices[one]), begin)
        self._heard[column] = np.maximum(self._heard[column], last)

    def _due(self, limit: int) -> Iterator[Cut]:
        """All windows that end at `limit` or before, of devices that were heard since these began."""
        due = (self._end <= limit) & (self._end - self.length <= self._heard)
        for one in np.flatnonzero(due).tolist():
            device, end, heard = int(self._devices[one]), int(self._end[one]), int(self._heard[one])
            while end <= limit and end - self.length <= heard:
                if not any(first <= end <= last for first, last in self._spent.get(device, ())):
                    yield self.cut(device, end - self.length)
                end += self.every
                self._end[one] = end

    def cut(self, device: int, first: int) -> Cut:
        """The window of a device that begins at a slot, of what is held of it."""
        slots = np.arange(first, first + self.length)
        at = slots - slots[0] + slots[0] % self._size
        at[at >= self._size] -= self._size
        held = self._slot[at] == slots
        column = self._column.get(device)
        measured = self._values[column, at] if column is not None else np.float32(np.nan)
        values = np.where(held, measured, np.float32(np.nan))
        return Cut(device, first, values, int(self._came[at].min(where=held, initial=NEVER)))

    def unscheduled(self, device: int, end: int) -> int | None:
        """The first end from `end` on that no window of the schedule has; None if there is no such."""
        if self.every == 1:
            return None
        return end + ((end - self._phase(device)) % self.every == 0)

    def _rewind(self, slot: int, late: int) -> None:
        """If slots went back (a wrong clock had led the way), windows begin anew there.

        A slot that comes late is no sign of that: time went on meanwhile.
        """
        if self._top <= slot + late + self.length + 2 * self.every:
            return
        for one in range(self._devices.size):
            self._forget(one)
        self._slot[:], self._came[:] = NO_SLOT, NEVER
        self._top = slot - 1

    def _forget(self, one: int) -> None:
        """The schedule of a device ends. What it had is never cut again, should its slots come once more."""
        last = int(self._end[one]) - self.every
        if self._begin[one] <= last < NEVER - self.every:
            runs = self._spent.setdefault(int(self._devices[one]), [])
            runs.append([int(self._begin[one]), last])
            del runs[:-RUNS_KEPT]
        self._begin[one], self._end[one], self._heard[one] = NEVER, NEVER, NO_SLOT

    def _first_end(self, device: int, first: int) -> int:
        """End of the first window that begins at slot `first` or later."""
        return first + self.length + (self._phase(device) - first - self.length) % self.every

    def _phase(self, device: int) -> int:
        return int(device * GOLDEN % 1.0 * self.every) if self.stagger else 0

    @property
    def top(self) -> int:
        """The newest slot."""
        return self._top

    @property
    def devices(self) -> U4:
        """[m] Device of each column."""
        return self._devices

    def columns(self, device: U4) -> I8:
        """[n] Columns of devices, new ones where they are new."""
        if np.array_equal(device, self._last[0]):
            return self._last[1]
        self._add([number for number in device.tolist() if number not in self._column])
        columns = np.array([self._column[number] for number in device.tolist()], dtype=np.int64)
        self._last = (device.copy(), columns)
        return columns

    def _add(self, devices: list[int]) -> None:
        more = len(devices)
        self._column.update((number, self._devices.size + k) for k, number in enumerate(devices))
        self._devices = np.append(self._devices, np.array(devices, dtype=np.uint32))
        self._begin = np.append(self._begin, np.full(more, NEVER))
        self._end = np.append(self._end, np.full(more, NEVER))
        self._heard = np.append(self._heard, np.full(more, NO_SLOT))
        have, want = self._values.shape[0], self._devices.size
        if want > have:
            wider = np.full((max(want, 2 * have) - have, self._size), np.nan, dtype=np.float32)
            self._values = np.concatenate([self._values, wider])

    def since(self, any_end: bool = False) -> int:
        """When the oldest slot that a next window needs was pushed, NEVER if there is none; `any_end`: also one that
        the schedule does not have.
        """
        begun = self._end - self.length
        needed = begun[(self._heard >= begun) & (self._end < NEVER)]
        held = self._slot >= needed.min(initial=self._top - self.length if any_end else NEVER)
        return int(self._came.min(where=held, initial=NEVER))

    def schedule(self) -> dict[str, Any]:
        """All but the samples, of plain types."""
        return {
            "top": self._top,
            "devices": self._devices.tolist(),
            "begin": self._begin.tolist(),
            "end": self._end.tolist(),
            "heard": self._heard.tolist(),
            "spent": [[device, [*map(list, runs)]] for device, runs in self._spent.items()],
        }

    def resume(self, schedule: dict[str, Any]) -> None:
        """Go on with this schedule; the samples stay."""
        self._add([device for device in schedule["devices"] if device not in self._column])
        columns = np.array([self._column[device] for device in schedule["devices"]], dtype=np.int64)
        self._begin[:], self._end[:], self._heard[:] = NEVER, NEVER, NO_SLOT
        self._begin[columns], self._end[columns] = schedule["begin"], schedule["end"]
        self._heard[columns] = schedule["heard"]
        self._top = max(NO_SLOT, schedule["top"])
        self._spent = dict(schedule["spent"])


def fill(values: F4, longest: int) -> tuple[F4, U1] | None:
    """Values [n] with gaps up to `longest` samples interpolated (held at the ends), and where: (values, filled).

    None if a gap is longer or nothing was measured.
    """
    missing = np.isnan(values)
    if not missing.any():
        return values, np.zeros(values.size, dtype=np.uint8)
    edges = np.flatnonzero(np.diff(missing.astype(np.int8), prepend=0, append=0))
    if missing.all() or int((edges[1::2] - edges[::2]).max()) > longest:
        return None
    at = np.arange(values.size)
    filled = np.interp(at, at[~missing], values[~missing].astype(np.float64)).astype(np.float32)
    return filled, missing.astype(np.uint8)
