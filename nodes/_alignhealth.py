"""How the devices of a concentrator are: its counters by device, and what a person should look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from algorithms.alignment import Aligner
from algorithms.clockwatch import ClockWatch
from algorithms.latencies import FIGURES, Latencies
from nodes._treatment import Treatment
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Configuration, Table

LATENCIES = [f"latency_{name}_ms" for name in FIGURES]
"""Columns of the last minute, and counters of all devices together."""
COLUMNS = ["received", "late", "duplicate", "missing", "clock_off", "latency_ms", "clock_offset_ms"]


def columns(
    known: Mapping[int, Configuration],
    aligners: Mapping[Table, Aligner],
    clock_off: Mapping[int, int],
    watch: ClockWatch,
) -> tuple[NDArray[np.uint32], NDArray[np.float64]]:
    """(devices [n], counts [n, k] in the order of `COLUMNS`)"""
    devices = np.array(sorted(known), dtype=np.uint32)
    table = np.zeros((devices.size, len(COLUMNS)))
    for aligner in aligners.values():
        at, have = _find(devices, aligner.devices)
        for k, name in enumerate(COLUMNS[:4]):
            table[at, k] += aligner.counts[name][have]
    off = [clock_off.get(device, 0) for device in devices.tolist()]
    table[:, 0] += off
    table[:, 4] = off
    at, have = _find(devices, watch.devices)
    table[at, 5] = watch.delay[have] / MILLISECOND
    table[:, 6] = np.nan
    table[at, 6] = watch.ahead()[have] / MILLISECOND
    return devices, table


class DeviceTable(NamedTuple):
    """What is counted by device."""

    names: list[str]
    """[k]"""
    devices: NDArray[np.uint32]
    """[n]"""
    counts: NDArray[np.float64]
    """[n, k]"""
    totals: dict[str, float]
    """Of all devices, by name."""

    def beside(
        self, names: list[str], some: NDArray[np.uint32], counts: NDArray[Any], totals: Mapping[str, float],
        otherwise: float = 0,
    ) -> DeviceTable:  # fmt: skip
        """With the counts [m, j] of `some` of the devices [m] behind its own."""
        more = np.full((self.devices.size, counts.shape[1]), otherwise)
        at, have = _find(self.devices, some)
        more[at] = counts[have]
        joined = np.concatenate([self.counts, more], axis=1)
        return DeviceTable(self.names + names, self.devices, joined, {**self.totals, **totals})


def table_of(
    known: Mapping[int, Configuration],
    aligners: Mapping[Table, Aligner],
    clock_off: Mapping[int, int],
    watch: ClockWatch,
    treatment: Treatment | None,
    latencies: Latencies | None,
    now: Now,
) -> DeviceTable:
    """All that is counted by device."""
    devices, table = columns(known, aligners, clock_off, watch)
    told = DeviceTable(list(COLUMNS), devices, table, {n: int(table[:, k].sum()) for k, n in enumerate(COLUMNS[:5])})
    if treatment:
        counters = treatment.counters
        told = told.beside(counters.names, counters.devices, counters.counts, treatment.totals)
    if latencies:
        each, whole = (figures / MILLISECOND for figures in latencies.figures(now.monotonic))
        totals = dict(zip(LATENCIES, np.nan_to_num(whole).tolist(), strict=True))
        told = told.beside(LATENCIES, latencies.devices, each, totals, np.nan)
    return told


def alarms(known: Mapping[int, Configuration], watch: ClockWatch) -> Iterator[str]:
    """Devices whose clock is off."""
    for at in np.flatnonzero(watch.marked).tolist():
        device = int(watch.devices[at])
        name = known[device].name if device in known else str(device)
        off = int(watch.off(np.array([at]), watch.delay[at : at + 1])[0]) / SECOND
        side = "behind" if off > 0 else "ahead of"
        yield (
            f"{name} (device {device}): its clock is {abs(off):.3f} s {side} the median device's: not aligned; "
            "check its time source (or raise `wait`, if it is its link that is slow)"
        )


def _find(devices: NDArray[np.uint32], some: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of `some` in sorted `devices`, and which of `some` stand there."""
    at = np.searchsorted(devices, some)
    have = np.flatnonzero(at < devices.size)
    have = have[devices[at[have]] == some[have]] if have.size else have
    return at[have], have
