"""The recent samples of several quantities of many devices on one grid, to be cut when somebody asks for a span."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F4 = NDArray[np.float32]
I8 = NDArray[np.int64]
U4 = NDArray[np.uint32]

NO_SLOT = -(1 << 62)
NEVER = 1 << 62
LEAST = 64
"""Slots that there is room for at least."""
SPARE = 8
"""New columns get an eighth more room than they need: devices come one after another."""


class Recent:
    """A ring of slots x devices x quantities; slot `s` lives at `s % size`."""

    def __init__(self, length: int, quantities: int, bytes_: int) -> None:
        """`length` [slots] is wanted; it is less where that takes more than `bytes_`."""
        self.wanted, self._quantities, self._bytes = max(length, LEAST), quantities, bytes_
        self.size = self.wanted
        self.top = NO_SLOT
        """Newest slot."""
        self.devices = np.zeros(0, np.uint32)
        """[m] of each column"""
        self.heard = np.zeros(0, np.int64)
        """[m] newest slot in which each device told anything"""
        self._column: dict[int, int] = {}
        self._slot = np.full(self.size, NO_SLOT, np.int64)
        self._came = np.full(self.size, NEVER, np.int64)
        self._values = np.zeros((self.size, 0, quantities), np.float32)
        self._last = (self.devices, np.zeros(0, np.int64))

    def columns(self, device: U4) -> I8:
        """[n] Columns of devices, new ones where they are new."""
        if np.array_equal(device, self._last[0]):
            return self._last[1]
        new = [number for number in device.tolist() if number not in self._column]
        self._column.update((number, self.devices.size + k) for k, number in enumerate(new))
        self.devices = np.append(self.devices, np.array(new, np.uint32))
        self.heard = np.append(self.heard, np.full(len(new), NO_SLOT))
        self._widen()
        columns = np.array([self._column[number] for number in device.tolist()], np.int64)
        self._last = (device.copy(), columns)
        return columns

    def __contains__(self, device: int) -> bool:
        return device in self._column

    def _widen(self) -> None:
        """Room for all columns, with fewer slots if it must be."""
        want, have = self.devices.size, self._values.shape[1]
        if want <= have:
            return
        width = want + want // SPARE
        size = min(self.size, max(LEAST, self._bytes // (4 * self._quantities * width)))
        kept = np.arange(self.top - size + 1, self.top + 1)
        old, new = kept % self.size, kept % size
        held = self._slot[old] == kept
        values = np.full((size, width, self._quantities), np.nan, np.float32)
        values[new[held], :have] = self._values[old[held]]
        slot, came = np.full(size, NO_SLOT, np.int64), np.full(size, NEVER, np.int64)
        slot[new[held]], came[new[held]] = kept[held], self._came[old[held]]
        self.size, self._values, self._slot, self._came = size, values, slot, came

    def push(self, slot: I8, device: U4, values: F4, now: int = 0) -> None:
        """Take slots [k] (ascending, fewer than `LEAST` from first to last) of devices [m], values [k, m, q].

        Where something stands already it stays; what was missing is filled in. What is too old is left out. `now`: any
        time; `since` tells that of the oldest slot.
        """
        column = self.columns(device)
        self.top = max(self.top, int(slot[-1]))
        self._store(slot, column, values, now)

    def add(self, slot: I8, device: U4, values: F4, now: int = 0) -> None:
        """Rows that came late: they bring no new slot."""
        column, old = self.columns(device), slot <= self.top
        if old.any():
            self._store(slot[old], column, values[old], now)

    def _store(self, slot: I8, column: I8, values: F4, now: int) -> None:
        held = slot > self.top - self.size
        if not held.all():
            slot, values = slot[held], values[held]
        self._hear(slot, column, values)
        at = slot % self.size
        fresh = self._slot[at] != slot
        if fresh.any():
            self._values[at[fresh]] = np.nan
            self._slot[at[fresh]], self._came[at[fresh]] = slot[fresh], now
        if fresh.all():
            self._values[at[:, None], column] = values
        else:
            there = self._values[at[:, None], column]
            self._values[at[:, None], column] = np.where(np.isnan(there), values, there)

    def _hear(self, slot: I8, column: I8, values: F4) -> None:
        there = ~np.isnan(values).all(axis=2)
        last = np.where(there, slot[:, None], NO_SLOT).max(axis=0, initial=NO_SLOT)
        self.heard[column] = np.maximum(self.heard[column], last)

    def heard_at(self, device: int) -> int:
        """The newest slot in which a device told anything."""
        return int(self.heard[self._column[device]])

    def last(self, quantities: int) -> F4:
        """[m, q] What each device told when it was last heard, of the first so many quantities; NaN where that is no
        longer held."""
        held = self.heard > self.top - self.size
        at = np.where(held, self.heard, 0) % self.size
        values = self._values[at, np.arange(self.devices.size), :quantities]
        return np.where(held[:, None], values, np.float32(np.nan))

    def cut(self, first: int, stop: int, devices: list[int]) -> F4:
        """[m, q, n] of slots [first, stop); NaN where nothing is held."""
        slots = np.arange(first, stop)
        at = slots % self.size
        held = self._slot[at] == slots
        column = [self._column[device] for device in devices]
        values = np.full((len(devices), self._quantities, slots.size), np.nan, np.float32)
        values[..., held] = np.moveaxis(self._values[np.ix_(at[held], column)], 0, -1)
        return values

    def clear(self) -> None:
        """Forget all samples; the columns stay."""
        self._slot[:], self._came[:], self.heard[:], self.top = NO_SLOT, NEVER, NO_SLOT, NO_SLOT

    @property
    def oldest(self) -> int:
        """The first slot that may be held."""
        return self.top - self.size + 1

    def since(self, slot: int) -> int:
        """When the oldest slot from `slot` on that is held was taken; NEVER if none is."""
        return int(self._came.min(where=self._slot >= max(slot, self.oldest), initial=NEVER))
