"""What bad samples most probably were, from what is good of them. The measured series stay as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from algorithms.observations import SERIES, Observations
from algorithms.quality.flags import F8, Bools, Fault, Flag, spans

LONGEST = 1.0
"""Seconds; longer gaps stay open."""
EDGE = 5
"""Samples at each side of a jump that are not believed: what passed a filter of 100 ms has both sides in it."""


def repair(seen: Observations, flags: list[Flag], turning: F8, hole: Bools) -> tuple[Observations, Bools]:
    """The repaired series, and [m, n] which samples nothing measured stands behind.

    Frequencies that are off are taken from the angle (`turning` [m, n] Hz), offsets taken away, a wrong clock set
    right; `hole` [m, n] are samples with nothing in them: along straight lines, if there are few.
    """
    series = {name: getattr(seen, name).copy() for name in SERIES}
    for each in series.values():
        each[hole] = np.nan
    lost = hole.copy()
    for flag in flags:
        channel = flag.detail.get("channel")
        where = (flag.device, slice(flag.start, flag.stop))
        if flag.kind is Fault.SPIKES:
            at = flag.detail["samples"]
            series["frequency"][flag.device, at] = turning[flag.device, at]
        elif flag.kind is Fault.NOISE_BURST and channel != "frequency":
            noisy = SERIES if channel is None else ("angle",)
            for name in noisy:
                series[name][where] = np.nan
            lost[where] |= channel is None
        elif channel == "frequency":
            series["frequency"][where] = turning[where]
        elif channel == "magnitude":
            series["magnitude"][where] -= flag.detail["size_pu"]
        elif flag.kind is Fault.CLOCK_OFFSET:
            _set_right(series, flag, seen.rate, seen.nominal, lost)
        elif channel == "angle":
            series["angle"][where] -= flag.detail["size_rad"]
            _edges(series, flag, lost)
    lost |= np.isnan(series["frequency"])
    _bridge(series, seen)
    return replace(seen, **series), lost


def _set_right(series: dict[str, F8], flag: Flag, rate: float, nominal: float, lost: Bools) -> None:
    """Samples that a clock has put elsewhere, brought to their time."""
    shift = flag.detail["offset_s"] * rate
    at = np.arange(flag.start, flag.stop)
    for name, each in series.items():
        x = each[flag.device, flag.start : flag.stop]
        if name == "angle":
            x = _unwrapped(x) - 2.0 * np.pi * nominal * flag.detail["offset_s"]
        moved = np.interp(at - shift, at, x, left=np.nan, right=np.nan)
        each[flag.device, flag.start : flag.stop] = moved
    _edges(series, flag, lost)


def _edges(series: dict[str, F8], flag: Flag, lost: Bools) -> None:
    """The jump itself."""
    for at in (flag.start, flag.stop):
        if 0 < at < lost.shape[1]:
            for each in series.values():
                each[flag.device, max(at - EDGE, 0) : at + EDGE] = np.nan
            lost[flag.device, max(at - EDGE, 0) : at + EDGE] = True


def _bridge(series: dict[str, F8], seen: Observations) -> None:
    """Straight lines over short gaps; angles the way that the frequency around says."""
    for name, each in series.items():
        for device in np.flatnonzero(np.isnan(each).any(axis=1) & ~np.isnan(each).all(axis=1)).tolist():
            x = each[device]
            for start, stop in spans(np.isnan(x)):
                if start > 0 and stop < x.size and stop - start <= LONGEST * seen.rate:
                    end = x[stop]
                    if name == "angle":
                        around = series["frequency"][device, [start - 1, stop]].mean() - seen.nominal
                        way = 2.0 * np.pi * around * (stop - start + 1) / seen.rate
                        end = x[start - 1] + way + (end - x[start - 1] - way + np.pi) % (2.0 * np.pi) - np.pi
                    line = np.linspace(x[start - 1], end, stop - start + 2)[1:-1]
                    x[start:stop] = line


def _unwrapped(angle: F8) -> F8:
    """[n] without whole turns between samples that are there."""
    there = np.flatnonzero(~np.isnan(angle))
    found = angle.copy()
    found[there] = np.unwrap(angle[there])
    return found
