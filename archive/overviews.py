"""Overviews: the least, the greatest and the mean value of every second, kept in finished files.

    /<table>/overview/time [time] int64, start of each second; device, channel, statistic: dimension scales
             values [device, channel, statistic, time] f4: minimum, mean, maximum; NaN where nothing valid came
             count [device, channel, time] u2: valid values in it
    /tables  what the file holds, at one look (JSON): name of each table to "configurations" (SHA-256 of their
             texts), "first_slot", "slots", and "overview", the channels that are in its overview, if there is one

A row counts in the second of its slot. Tables with one row a second or fewer have none: their rows are their overview
(as long as these are there: archive/remains.py). Nor have spectra, of which there are too many components.
Angles have none: they turn with the grid, so that their extremes are those of the circle. Minimum and maximum are
values that came; the mean is rounded to the 512th part of the range between them, well below what noise does to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archive import layout
from archive.groups import TIME_UNITS, describe, scale
from archive.packing import FILTERS, Packer, planes
from protocol import clock
from protocol.messages import Table

GROUP = "overview"
STATISTICS = ["minimum", "mean", "maximum"]
PARTS = 256
"""A mean is a multiple of the power of two that goes this often into its second's range, or more often."""


@dataclass(frozen=True)
class Overview:
    """Seconds of one quantity of one station, in order of time."""

    time: NDArray[np.int64]
    """[n] start of the second, ns UTC"""
    minimum: NDArray[np.float32]
    """[n] as are mean and maximum; NaN where the device said only invalid values"""
    mean: NDArray[np.float32]
    """Within the 512th part of the range between minimum and maximum."""
    maximum: NDArray[np.float32]
    count: NDArray[np.int64]
    """[n] valid values in the second"""


def statistics(values: NDArray[np.float32], rate: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(minimum, mean, maximum [3, seconds, …], number of valid values [seconds, …]) of values [seconds * rate, …]."""
    seconds = values.reshape(-1, rate, *values.shape[1:])
    found = np.empty((3, len(seconds), *values.shape[1:]), np.float32)
    np.min(seconds, axis=1, out=found[0])
    np.max(seconds, axis=1, out=found[2])
    if not np.isnan(found[0]).any():
        found[1] = _rounded(seconds.mean(axis=1, dtype=np.float64), found[0], found[2])
        return found, np.full(found.shape[1:], rate, np.int64)
    valid = ~np.isnan(seconds)
    count = valid.sum(axis=1)
    np.fmin.reduce(seconds, axis=1, out=found[0])
    np.fmax.reduce(seconds, axis=1, out=found[2])
    total = np.where(valid, seconds, 0.0).sum(axis=1, dtype=np.float64)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    found[1] = _rounded(mean, found[0], found[2])
    return found, count


def _rounded(mean: NDArray[np.float64], low: NDArray[np.float32], high: NDArray[np.float32]) -> NDArray[np.float64]:
    """Means of values between `low` and `high` without the digits that are noise, which can't be packed."""
    with np.errstate(invalid="ignore"):  # of what is infinite
        span = high.astype(np.float64) - low
        unit = np.ldexp(1.0, np.frexp(span)[1] - 1) / PARTS
        rounded = np.clip(np.round(mean / unit) * unit, low, high)
    return np.where((span > 0) & np.isfinite(span), rounded, mean)


def kept(table: Table, slow: bool = False) -> list[int]:
    """The channels that have an overview; none if the table has none. `slow`: also where rows are their overview."""
    quantities = layout.quantities(table) if (slow or table.rate > 1) and not table.spectrum else []
    return [channel for channel, quantity in enumerate(quantities) if quantity != "angle"]


def step(table: Table) -> int:
    """ns between two values of an overview."""
    return max(clock.SECOND, clock.period(table.rate))


class Overviews:
    """The overview of one table while its file is written, some devices at a time."""

    def __init__(self, group: Any, table: Table, start: int, seconds: int, slow: bool = False) -> None:
        """`start` [ns] of the first of so many seconds, or slots of a `slow` table."""
        self._rate, self._seconds, self._packer = max(1, table.rate), seconds, Packer()
        self._group, self._kept = group.create_group(GROUP), kept(table, slow)
        scale(self._group, "device", group["device"].asstr()[:].tolist(), "as device of the table")
        channels = group["channel"].asstr()[:][self._kept].tolist()
        scale(self._group, "channel", channels, "as channel of the table, which has more")
        scale(self._group, "statistic", STATISTICS, "of the valid values of a second")
        time = start + np.arange(seconds, dtype=np.int64) * step(table)
        data = self._group.create_dataset("time", data=time, chunks=(seconds,), **FILTERS)
        data.attrs["units"] = TIME_UNITS
        data.attrs["calendar"] = "proleptic_gregorian"
        data.make_scale("time")
        shape = group["device"].shape[0], len(self._kept)
        self._create("values", (*shape, len(STATISTICS), seconds), "<f4", np.nan, "NaN = nothing valid in that second")
        self._create("count", (*shape, seconds), "<u2", self._rate, "valid values in that second")

    def _create(self, name: str, shape: tuple[int, ...], dtype: str, fill: float, about: str) -> None:
        data = self._group.create_dataset(name, shape, dtype, chunks=(1, 1, *shape[2:]), fillvalue=fill, **FILTERS)
        describe(data, self._group, ("device", "channel", *["statistic"] * (len(shape) - 3), "time"), about)

    def begin(self, devices: int) -> None:
        """So many devices come next."""
        channels = len(self._kept)
        self._values = np.full((devices, channels, len(STATISTICS), self._seconds), np.nan, np.float32)
        self._counts = np.zeros((devices, channels, self._seconds), np.uint16)

    def add(self, values: NDArray[np.float32], second: int) -> None:
        """Values [device, slots, channel] of whole seconds, from the second-th on."""
        for row, rows in enumerate(values):
            found, count = statistics(rows[:, self._kept], self._rate)
            there = slice(second, second + found.shape[1])
            self._values[row, :, :, there] = found.transpose(2, 0, 1)
            self._counts[row, :, there] = count.T

    def merge(self, row: int, second: int, told: NDArray[np.float32], count: NDArray[np.int64]) -> None:
        """What was told of seconds before, [channel, statistic, seconds] and [channel, seconds] of other rows."""
        there = slice(second, second + count.shape[1])
        mine, mine_count = self._values[row, :, :, there], self._counts[row, :, there]
        both = mine_count.astype(np.int64) + count
        total = np.where(mine_count > 0, mine[:, 1] * mine_count.astype(np.float64), 0.0)
        total += np.where(count > 0, told[:, 1] * count.astype(np.float64), 0.0)
        mean = np.where(mine_count > 0, total / np.maximum(both, 1), told[:, 1])
        mine[:, 1] = np.where(count > 0, mean, mine[:, 1])
        mine[:, 0], mine[:, 2] = np.fmin(mine[:, 0], told[:, 0]), np.fmax(mine[:, 2], told[:, 2])
        mine_count[:] = np.minimum(both, np.iinfo(np.uint16).max)

    def write(self, low: int) -> None:
        """What was added, of devices from `low` on."""
        for row, (values, counts) in enumerate(zip(self._values, self._counts, strict=True)):
            for channel, (each, count) in enumerate(zip(values, counts, strict=True)):
                if count.any():
                    parts = planes(each.reshape(-1, 1)).reshape(-1, self._seconds)  # minimum, mean, maximum differ
                    packed = self._packer.pack(parts, channel)
                    self._group["values"].id.write_direct_chunk((low + row, channel, 0, 0), packed)
                if (count != self._rate).any():
                    packed = self._packer.pack(planes(count.reshape(-1, 1)), -1)
                    self._group["count"].id.write_direct_chunk((low + row, channel, 0), packed)
