"""Overviews: the least, the greatest and the mean value of every second, kept in finished files.

    /<table>/overview/time [time] int64, start of each second; device, channel, statistic: dimension scales
             values [device, channel, statistic, time] f4: minimum, mean, maximum; NaN where nothing valid came
             count [device, channel, time] u2: valid values in it
    /tables  what the file holds, at one look (JSON): name of each table to "configurations" (SHA-256 of their
             texts), "first_slot" and "slots"

A row counts in the second of its slot. Tables with one row a second or fewer have none: their rows are their overview.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archive.groups import TIME_UNITS, describe, scale
from archive.packing import FILTERS, Packer, planes
from protocol import clock
from protocol.messages import Table

GROUP = "overview"
STATISTICS = ["minimum", "mean", "maximum"]


@dataclass(frozen=True)
class Overview:
    """Seconds of one quantity of one station, in order of time."""

    time: NDArray[np.int64]
    """[n] start of the second, ns UTC"""
    minimum: NDArray[np.float32]
    """[n] as are mean and maximum; NaN where the device said only invalid values"""
    mean: NDArray[np.float32]
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
        found[1] = seconds.mean(axis=1, dtype=np.float64)
        return found, np.full(found.shape[1:], rate, np.int64)
    valid = ~np.isnan(seconds)
    count = valid.sum(axis=1)
    np.fmin.reduce(seconds, axis=1, out=found[0])
    np.fmax.reduce(seconds, axis=1, out=found[2])
    total = np.where(valid, seconds, 0.0).sum(axis=1, dtype=np.float64)
    found[1] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return found, count


class Overviews:
    """The overview of one table while its file is written, some devices at a time."""

    def __init__(self, group: Any, table: Table, start: int, seconds: int) -> None:
        """`start` [ns] of the first of so many seconds."""
        self._rate, self._seconds, self._packer = table.rate, seconds, Packer()
        self._group = group.create_group(GROUP)
        for name in ("device", "channel"):
            scale(self._group, name, group[name].asstr()[:].tolist(), f"as {name} of the table")
        scale(self._group, "statistic", STATISTICS, "of the valid values of a second")
        data = self._group.create_dataset("time", data=start + np.arange(seconds, dtype=np.int64) * clock.SECOND)
        data.attrs["units"] = TIME_UNITS
        data.attrs["calendar"] = "proleptic_gregorian"
        data.make_scale("time")
        shape = group["device"].shape[0], group["channel"].shape[0]
        self._create("values", (*shape, len(STATISTICS), seconds), "<f4", np.nan, "NaN = nothing valid in that second")
        self._create("count", (*shape, seconds), "<u2", table.rate, "valid values in that second")

    def _create(self, name: str, shape: tuple[int, ...], dtype: str, fill: float, about: str) -> None:
        data = self._group.create_dataset(name, shape, dtype, chunks=(1, 1, *shape[2:]), fillvalue=fill, **FILTERS)
        describe(data, self._group, ("device", "channel", *["statistic"] * (len(shape) - 3), "time"), about)

    def begin(self, devices: int) -> None:
        """So many devices come next."""
        channels = self._group["channel"].shape[0]
        self._values = np.full((devices, channels, len(STATISTICS), self._seconds), np.nan, np.float32)
        self._counts = np.zeros((devices, channels, self._seconds), np.uint16)

    def add(self, values: NDArray[np.float32], second: int) -> None:
        """Values [device, slots, channel] of whole seconds, from the second-th on."""
        for row, rows in enumerate(values):
            found, count = statistics(rows, self._rate)
            there = slice(second, second + found.shape[1])
            self._values[row, :, :, there] = found.transpose(2, 0, 1)
            self._counts[row, :, there] = count.T

    def write(self, low: int) -> None:
        """What was added, of devices from `low` on."""
        for row, (values, counts) in enumerate(zip(self._values, self._counts, strict=True)):
            for channel, (each, count) in enumerate(zip(values, counts, strict=True)):
                if count.any():
                    packed = self._packer.pack(planes(each.reshape(-1, 1)), channel)
                    self._group["values"].id.write_direct_chunk((low + row, channel, 0, 0), packed)
                if (count != self._rate).any():
                    packed = self._packer.pack(planes(count.reshape(-1, 1)), -1)
                    self._group["count"].id.write_direct_chunk((low + row, channel, 0), packed)
