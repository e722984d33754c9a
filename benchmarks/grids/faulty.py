"""Bad data of nine sorts: a device, its clock or its line is at fault, not the grid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.grids.devices import RATE, Device, Seen
from benchmarks.grids.machines import TURN

Label = dict[str, Any]
Gaps = list[tuple[int, int, int]]
"""(device, first sample, sample after the last)"""
LASTS = {
    "spikes": (0.02, 50.0), "frozen": (4.0, 55.0), "gap": (3.0, 30.0), "packet_loss": (20.0, 110.0),
    "zero_fill": (3.0, 9.0), "clock_offset": (35.0, 150.0), "noise_burst": (4.0, 40.0), "step_offset": (15.0, 140.0),
    "drift": (20.0, 100.0),
}  # fmt: skip
"""s, at least and at most"""
SORTS = tuple(LASTS)


def spoilt(
    rng: np.random.Generator, seen: Seen, device: Device, row: int, onset: float | None, sort: str
) -> tuple[Label, Gaps]:
    """Spoil the row of a device; half of those in a window with an event begin near it. (label, gaps)"""
    samples = seen.frequency.shape[1]
    near = onset is not None and rng.random() < 0.5
    begin = float(onset - rng.uniform(-2.0, 20.0)) if near and onset is not None else float(rng.uniform(10.0, 160.0))
    first = round(RATE * np.clip(begin, 2.0, samples / RATE - 4.0))
    stop = int(min(samples, first + max(1, round(RATE * rng.uniform(*LASTS[sort])))))
    label: Label = {"device": device.id, "type": sort, "t_start": first / RATE, "t_end": stop / RATE}
    gaps: Gaps = []
    if sort == "gap":
        gaps = [(row, first, stop)]
    elif sort == "packet_loss":
        label["fraction"] = round(float(rng.uniform(0.02, 0.3)), 4)
        lost = np.flatnonzero(rng.random(stop - first) < label["fraction"])
        gaps = [(row, int(first + k), int(first + k + 1)) for k in lost]
    else:
        label |= _WAYS[sort](rng, seen, device, row, slice(first, stop))
    return label, gaps


def _spikes(rng: np.random.Generator, seen: Seen, device: Device, row: int, some: slice) -> Label:
    count, size = int(rng.integers(1, 6)), float(10 ** rng.uniform(-1.5, 0.1))
    at = rng.integers(some.start, some.stop, count)
    seen.frequency[row, at] += size * rng.choice([-1.0, 1.0], count)
    return {
        "n": count,
        "size_hz": round(size, 4),
        "t_start": float(at.min() / RATE),
        "t_end": float((at.max() + 1) / RATE),
    }


def _frozen(rng: np.random.Generator, seen: Seen, device: Device, row: int, some: slice) -> Label:
    for series in (seen.frequency, seen.size, seen.angle):
        series[row, some] = series[row, some.start]
    return {}


def _zero_fill(rng: np.random.Generator, seen: Seen, device: Device, row: int, some: slice) -> Label:
    """A frequency field of 0 is nominal frequency."""
    for series in (seen.frequency, seen.size, seen.angle):
        series[row, some] = 0.0
    return {}


def _clock_offset(rng: np.random.Generator, seen: Seen, device: Device, row: int, some: slice) -> Label:
    """A sample shows what is so much later; some devices tell the jump as a spike of the frequency."""
    offset = float(rng.choice([-1.0, 1.0]) * 10 ** rng.uniform(-1.7, -0.3))
    time = np.arange(seen.angle.shape[1]) / RATE
    for series in (seen.frequency, seen.size, seen.angle):
        series[row, some] = np.interp(time[some] + offset, time, series[row])
    seen.angle[row, some] += TURN * offset
    glitch = bool(rng.random() < 0.5)
    if glitch:
        jump = np.angle(np.exp(1j * TURN * offset)) / (2 * np.pi)
        seen.frequency[row, some.start] += np.clip(RATE / 2 * jump, -3.0, 3.0)
    return {"offset_s": round(offset, 4), "glitch": glitch}


def _noise_burst(rng: np.random.Generator, seen: Seen, device: Device, row: int, some: slice) -> Label:
    factor, count = float(10 ** rng.uniform(0.9, 1.9)), some.stop - some.start
    seen.frequency[row, some] += 1e-3 * device.noise * factor * rng.standard_normal(count)
    seen.size[row, some] += 1e-4 * factor * rng.standard_normal(count)
    seen.angle[row, some] += 1e-4 * factor * rng.standard_normal(count)
    return {"factor": round(factor, 2)}


def _step_offset(rng: np.random.Generator, seen: Seen, device: Device, row: int, some: slice) -> Label:
    channel = str(rng.choice(["freq", "vmag", "vang"]))
    low, high, series = {
        "freq": (0.02, 0.1, seen.frequency), "vmag": (0.02, 0.08, seen.size), "vang": (0.1, 0.4, seen.angle),
    }[channel]  # fmt: skip
    size = float(rng.choice([-1.0, 1.0]) * rng.uniform(low, high))
    series[row, some] += size
    return {"channel": channel, "size": round(size, 4)}


def _drift(rng: np.random.Generator, seen: Seen, device: Device, row: int, some: slice) -> Label:
    size = float(rng.choice([-1.0, 1.0]) * rng.uniform(0.05, 0.15))
    seen.frequency[row, some] += size * np.linspace(0.0, 1.0, some.stop - some.start)
    return {"size_hz": round(size, 4)}


_WAYS: dict[str, Callable[[np.random.Generator, Seen, Device, int, slice], Label]] = {
    "spikes": _spikes, "frozen": _frozen, "zero_fill": _zero_fill, "clock_offset": _clock_offset,
    "noise_burst": _noise_burst, "step_offset": _step_offset, "drift": _drift,
}  # fmt: skip
