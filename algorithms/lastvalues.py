"""What every device said last: to tell values that stand still, and to hold them over a gap."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms.alignment import Released
from algorithms.columns import Columns

I8 = NDArray[np.int64]
F4 = NDArray[np.float32]
Bools = NDArray[np.bool_]

LONG_AGO = -(1 << 62)
HELD = 2
"""In `present`: the device's row was not there, its last one stands here."""


def carried(first: NDArray[Any], values: NDArray[Any], there: Bools) -> NDArray[Any]:
    """[k + 1, …] what was known last, before and after each of k steps: `first` […], then `values` [k, …] where they
    are `there` [k, …], with or without further axes of `values`."""
    if len(there) == 1:  # nearly always: slots are released one by one
        here = there[0].reshape(*there.shape[1:], *[1] * (values.ndim - there.ndim))
        return np.stack([first, np.where(here, values[0], first)])
    steps = np.arange(1, there.shape[0] + 1).reshape(-1, *[1] * (there.ndim - 1))
    at = np.maximum.accumulate(np.where(there, steps, 0), axis=0)
    at = np.concatenate([np.zeros_like(at[:1]), at]).reshape(-1, *there.shape[1:], *[1] * (values.ndim - there.ndim))
    return np.take_along_axis(np.concatenate([first[None], values]), at, axis=0)


class FlatLines:
    """For how long groups of channels have not changed: a group is one channel, or some that must all stand still."""

    def __init__(self, groups: int, width: int) -> None:
        """`groups` of `width` channels: 1 for a frequency, 2 for magnitude and angle."""
        self._columns = Columns()
        self._last = np.full((0, groups, width), np.nan, dtype=np.float32)
        self._since = np.zeros((0, groups), dtype=np.int64)

    def push(self, device: NDArray[np.uint32], time: I8, values: F4) -> I8:
        """[k, m, g] ns for which groups [k, m, g, width] of devices [m] have not changed at times [k] ns, ascending.

        What has a NaN neither moves nor stands still: 0.
        """
        column = self._columns.of(device)
        self._widen()
        there = np.asarray(~np.isnan(values).any(axis=-1))
        known = carried(self._last[column], values, there)
        moved = np.asarray(there & (known[:-1] != values).any(axis=-1))
        when = np.broadcast_to(time[:, None, None], there.shape)
        since = carried(self._since[column], when, moved)
        self._last[column], self._since[column] = known[-1], since[-1]
        return np.where(there, when - since[1:], 0)

    def _widen(self) -> None:
        more = len(self._columns) - len(self._last)
        if more:
            self._last = np.concatenate([self._last, np.full((more, *self._last.shape[1:]), np.nan, np.float32)])
            self._since = np.concatenate([self._since, np.full((more, *self._since.shape[1:]), LONG_AGO)])


class LastRows:
    """The last row of every device of one table, which stands for those that are missing."""

    def __init__(self, channels: int, digitals: int) -> None:
        self._columns = Columns()
        self._time = np.zeros(0, dtype=np.int64)
        self._rows: dict[str, NDArray[Any]] = {
            "quality": np.zeros(0, np.uint8),
            "values": np.zeros((0, channels), np.float32),
            "digital": np.zeros((0, digitals), np.uint16),
        }

    def hold(self, released: Released, time: I8, most: int, status: int) -> I8:
        """[m] how many missing rows now have the values of the device's last one, which is `most` ns old at most.

        `time` [k] ns of the slots. Such rows are `HELD`, their STAT is `status`.
        """
        column = self._columns.of(released.device)
        self._widen()
        there = released.present == 1
        when = carried(self._time[column], np.broadcast_to(time[:, None], there.shape), there)
        held = (released.present == 0) & (time[:, None] - when[1:] <= most) & (time[:, None] > when[1:])
        for name, last in self._rows.items():
            mine: NDArray[Any] = getattr(released, name)
            known = carried(last[column], mine, there)
            mine[held] = known[1:][held]
            last[column] = known[-1]
        released.present[held], released.status[held] = HELD, status
        self._time[column] = when[-1]
        counts: I8 = held.sum(axis=0)
        return counts

    def _widen(self) -> None:
        more = len(self._columns) - len(self._time)
        if more:
            self._time = np.concatenate([self._time, np.full(more, LONG_AGO)])
            self._rows = {
                name: np.concatenate([last, np.zeros((more, *last.shape[1:]), last.dtype)])
                for name, last in self._rows.items()
            }
