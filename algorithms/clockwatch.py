"""Whose clock is wrong: each device's delay (arrival - time of measurement) against the median device's.

The delay of a device is the median over its last rows; the *median device* is the one in the middle when all
devices heard lately are put in order of delay (with an even count, of the two in the middle the one whose time
is nearer to the station's own; so of two devices that disagree, that one counts as right). A device whose
delay has differed by more than `limit` for `steady` is marked, and unmarked when it has differed by less than
half of `limit` for as long. A single device is compared with nobody and never marked. Devices whose rows take longer
by nature (spectra of a whole second) are a group of their own, with a median device of their own.

Only differences between devices count, so captures of any year can be played at any speed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from algorithms.columns import Columns

I8 = NDArray[np.int64]
F8 = NDArray[np.float64]
Group = Callable[[NDArray[np.uint32]], I8]

SECOND = 1_000_000_000
FOREVER = np.iinfo(np.int64).max
QUORUM = 2
"""Devices heard, for there to be somebody to compare with."""


class ClockWatch:
    """Delays of all devices of a station, by column in the order of `devices`."""

    def __init__(self, limit: int, steady: int = 3 * SECOND, rows: int = 25, group: Group | None = None) -> None:
        """`limit` and `steady` [ns]; the median is over the last `rows` rows; `group`: numbers [n] of devices -> whom
        each is compared with [n] (0: most of them), by default all with all."""
        self._group_of = group
        self._group = np.zeros(0, dtype=np.int64)
        self._middle = np.zeros(0, dtype=np.int64)
        """[m] delay of the median device of its group [ns] …"""
        self._compared = np.zeros(0, dtype=bool)
        """[m] … if there is anybody to compare with."""
        self.limit, self.steady, self._rows = limit, steady, rows
        self._columns = Columns()
        self._delay = np.zeros((0, rows), dtype=np.int64)
        self._count = np.zeros(0, dtype=np.int64)
        self._heard = np.zeros(0, dtype=np.int64)
        self._since = np.zeros(0, dtype=np.int64)
        """Monotonic ns since when it has been otherwise than it is marked; -1 = it is as marked."""
        self.marked = np.zeros(0, dtype=bool)
        """[m] its clock is steadily off"""
        self.delay = np.zeros(0, dtype=np.int64)
        """[m] ns, median of the last rows as of the last `judge`"""
        self.middle: int | None = None
        """ns, the median device's delay in group 0; None while there is nobody to compare with."""

    def push(self, device: NDArray[np.uint32], delay: I8, mono: int) -> I8:
        """Note the delays [n] ns of rows in order of arrival; returns their columns [n]."""
        column = self._columns.of(device)
        self._widen(len(self._columns))
        times = np.bincount(column, minlength=len(self._columns))
        at = self._count[column]
        often = np.flatnonzero(times[column] > 1)
        if often.size:
            at[often] += _earlier(column[often])
        self._delay[column, at % self._rows] = delay
        self._count += times
        self._heard[column] = mono
        return column

    @property
    def devices(self) -> NDArray[np.uint32]:
        """[m] numbers, by column"""
        return self._columns.numbers

    def judge(self, mono: int, silent: int = 10 * SECOND) -> NDArray[np.uint32]:
        """Compare all devices heard within `silent`; returns the numbers of those newly marked or unmarked."""
        alive = self._heard >= mono - silent
        at = np.flatnonzero(alive)
        self._medians(at)
        self._compared[:] = False
        self.middle = None
        for group in np.unique(self._group[at]).tolist():
            mine = at[self._group[at] == group]
            if mine.size >= QUORUM:
                middle = _middle(self.delay[mine])
                self._middle[self._group == group], self._compared[self._group == group] = middle, True
                self.middle = middle if group == 0 else self.middle
        at = at[self._compared[at]]
        off = np.abs(self.off(at, self.delay[at]))
        marked = self.marked[at]
        otherwise = np.where(marked, off <= self.limit // 2, off > self.limit)
        since = np.where(self._since[at] < 0, mono, self._since[at])
        self._since[at] = np.where(otherwise, since, -1)
        turned = at[otherwise & (mono - since >= self.steady)]
        self.marked[turned] ^= True
        self._since[turned] = -1
        return self.devices[turned]

    def off(self, column: I8, delay: I8) -> I8:
        """How far [ns] rows differ from the median device now; 0 while there is none. Negative: early."""
        return np.where(self._compared[column], delay - self._middle[column], 0)

    def ahead(self) -> F8:
        """[m] how far [ns] each device's clock is ahead of the median device's; NaN while there is none. By delays
        alone: a link that is slower than the others' looks like a clock that is behind."""
        return np.where(self._compared, self._middle - self.delay, np.nan)

    def _medians(self, at: I8) -> None:
        """Lower medians of the last rows (an actual delay, no mean of two), of which there may be few."""
        count = np.minimum(self._count[at], self._rows)
        full = count == self._rows
        middle = (self._rows - 1) // 2
        self.delay[at[full]] = np.partition(self._delay[at[full]], middle, axis=1)[:, middle]
        few, count = at[~full], count[~full]
        if few.size:
            held = np.where(np.arange(self._rows) < count[:, None], self._delay[few], FOREVER)
            self.delay[few] = np.sort(held, axis=1)[np.arange(few.size), (count - 1) // 2]

    def _widen(self, columns: int) -> None:
        more = columns - self._count.size
        if not more:
            return
        zeros = np.zeros(more, dtype=np.int64)
        new = self.devices[columns - more : columns]
        group = zeros if self._group_of is None else self._group_of(new)
        self._group, self._middle = np.concatenate([self._group, group]), np.concatenate([self._middle, zeros])
        self._compared = np.concatenate([self._compared, np.zeros(more, dtype=bool)])
        self._delay = np.concatenate([self._delay, np.zeros((more, self._rows), dtype=np.int64)])
        self._count, self._heard = np.concatenate([self._count, zeros]), np.concatenate([self._heard, zeros])
        self._since, self.delay = np.concatenate([self._since, zeros - 1]), np.concatenate([self.delay, zeros])
        self.marked = np.concatenate([self.marked, np.zeros(more, dtype=bool)])


def _earlier(column: I8) -> I8:
    """[n] how many of the entries before each are the same."""
    order = np.argsort(column, kind="stable")
    ordered = column[order]
    earlier = np.empty_like(order)
    earlier[order] = np.arange(ordered.size) - ordered.searchsorted(ordered)
    return earlier


def _middle(delay: I8) -> int:
    """Delay of the median device."""
    ordered = np.sort(delay)
    low, high = int(ordered[(ordered.size - 1) // 2]), int(ordered[ordered.size // 2])
    return low if abs(low) <= abs(high) else high
