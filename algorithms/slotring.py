"""Where rows stand until their slots are released: a ring of slots x columns of devices (`algorithms/alignment.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

I8 = NDArray[np.int64]

NEVER = np.iinfo(np.int64).max
NOTHING_YET = -(1 << 62)
"""Below every slot, and before all time."""


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
        """Some of the rows: an index array, a mask or a slice; itself for a mask of all."""
        if isinstance(which, np.ndarray) and which.dtype == np.bool_ and which.all():
            return self
        return Rows(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


class Ring:
    """Slots x device columns; slot `s` lives at `s % depth`. Columns are added by doubling."""

    def __init__(self, depth: int, channels: int, digitals: int, arrivals: bool = False) -> None:
        """`arrivals`: also keep when each row came."""
        self.depth = depth
        self.slot = np.full(depth, NOTHING_YET, dtype=np.int64)
        self.open = np.zeros(depth, dtype=bool)
        self.due = np.full(depth, NEVER, dtype=np.int64)
        """Monotonic ns when the wait is over; NEVER where none is open."""
        self.last = np.zeros(depth, dtype=np.int64)
        self.present = np.zeros((depth, 0), dtype=bool)
        self.quality = np.zeros((depth, 0), dtype=np.uint8)
        self.status = np.zeros((depth, 0), dtype=np.uint16)
        self.values = np.zeros((depth, 0, channels), dtype=np.float32)
        self.digital = np.zeros((depth, 0, digitals), dtype=np.uint16)
        self.arrival = np.zeros((depth, 0), dtype=np.int64)
        self._kept = {"quality": 0, "status": 0, "values": np.nan, "digital": 0} | ({"arrival": 0} if arrivals else {})
        """What is kept of a row, and what stands where none is."""

    def widen(self, least: int) -> None:
        """Make room for so many columns."""
        width = self.present.shape[1]
        if least <= width:
            return
        columns = max(least, 2 * width)
        for name in ("present", *self._kept):
            old = getattr(self, name)
            new = np.zeros((self.depth, columns, *old.shape[2:]), dtype=old.dtype)
            new[:, : old.shape[1]] = old
            setattr(self, name, new)

    def begin(self, slots: I8) -> None:
        """Open slots at places that nobody needs any more."""
        at = slots % self.depth
        self.slot[at], self.open[at], self.due[at], self.last[at] = slots, True, NEVER, 0
        self.present[at] = False

    def cells(self, at: I8, column: I8) -> I8:
        """[n] places in the arrays when slots and columns are one axis."""
        return at * self.present.shape[1] + column

    def store(self, cell: I8, rows: Rows) -> None:
        """Put rows [n] at their `cells` [n]."""
        for name in self._kept:
            held = getattr(self, name)
            held.reshape(held.shape[0] * held.shape[1], *held.shape[2:])[cell] = getattr(rows, name)
        self.present.reshape(-1)[cell] = True

    def cut(self, at: I8, columns: I8) -> dict[str, NDArray[Any]]:
        """Copies [k, m, …] of slots and columns (ascending), by name; nothing of older slots where none is present."""
        whole = bool(columns.size) and int(columns[-1]) == columns.size - 1
        where: Any = (at, slice(0, columns.size)) if whole else np.ix_(at, columns)  # a slice is copied at once
        absent = ~self.present[where]
        copies = {"present": (~absent).view(np.uint8)}
        for name, nothing in self._kept.items():
            copies[name] = getattr(self, name)[where]
            if absent.any():
                copies[name][absent] = nothing
        return copies

    def close(self, at: I8 | slice) -> None:
        """Slots that nobody waits for any more."""
        self.open[at], self.due[at] = False, NEVER

    def opened(self) -> I8:
        """[k] open slots, ascending."""
        return np.sort(self.slot[self.open])
