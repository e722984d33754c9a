"""Bad frequencies: spikes, bursts of noise, steps and drifts, as the angle does not have them."""

from __future__ import annotations

import numpy as np

from algorithms.quality.flags import F8, Bools, Fault, Flag, moving_mean, spans
from algorithms.quality.physics import ALLOWED, LONE, Physics, beside

SECONDS = 1.0
"""Length of the means that show noise and offsets."""
NOISE = 4.0
"""Times the usual difference that its rms in a second may be."""
SLOW = 1.4
"""The same for a mean over a second, besides one resolution (a device may round down): ten deviations of that mean."""
BRIDGE = 2.0
"""Seconds; offsets with shorter pauses are one."""
STEADY = 0.7
"""Of an offset's size that its first tenth has from the beginning, if it is a step and no drift."""


def noise(physics: Physics, rate: float) -> tuple[list[Flag], Bools]:
    """Bursts of noise, and [m, n] the samples in them.

    Frequency and angle differ by much, and as much as the frequency itself trembles: in a disturbance, however fast,
    they tremble together.
    """
    width = odd(rate * SECONDS)
    off = np.clip(beside(physics.off), -100.0 * physics.usual[:, None], 100.0 * physics.usual[:, None])
    power = moving_mean(np.where(np.isnan(physics.off), np.nan, off * off), width)
    tremble = moving_mean(np.where(np.isnan(physics.off), np.nan, beside(physics.frequency) ** 2), width)
    often = moving_mean((np.abs(off) > NOISE * physics.usual[:, None]).astype(np.float64), width)
    score = np.nan_to_num(np.sqrt(power) / (NOISE * physics.usual[:, None]))
    inside = (score > 1.0) & (np.nan_to_num(power) > ALLOWED**2 * np.nan_to_num(tremble)) & (often > 0.25)
    flags, bad = [], np.zeros(inside.shape, dtype=bool)
    for device in np.flatnonzero(inside.any(axis=1)).tolist():
        for start, stop in spans(inside[device], int(BRIDGE * rate)):
            far = start + np.flatnonzero(np.abs(off[device, start:stop]) > NOISE * physics.usual[device])
            if far.size < width // 4:
                continue
            start, stop = max(int(far[0]) - 1, 0), int(far[-1]) + 2
            bad[device, start:stop] = True
            rms = float(np.sqrt(np.mean(off[device, start:stop] ** 2)))
            detail = {"times_usual": rms / physics.usual[device], "rms_mhz": 1e3 * rms}
            flags.append(Flag(device, Fault.NOISE_BURST, start, stop, float(score[device, start:stop].max()), detail))
    return flags, bad


def offsets(physics: Physics, known: Bools, resolution: F8, rate: float) -> tuple[list[Flag], Bools]:
    """Steps and drifts of the frequency alone, and [m, n] the samples in them; `known` ones are left out.

    `resolution` [m] Hz, of the frequency.
    """
    off = np.where(known, np.nan, physics.off)
    most = LONE * physics.usual + resolution
    limit = SLOW * physics.usual + resolution
    mean = np.nan_to_num(moving_mean(np.clip(off, -most[:, None], most[:, None]), odd(rate * SECONDS)))
    inside = np.abs(mean) > limit[:, None]
    flags, bad = [], np.zeros(inside.shape, dtype=bool)
    for device in np.flatnonzero(inside.any(axis=1)).tolist():
        for start, stop in spans(inside[device], int(BRIDGE * rate)):
            beyond = np.nan_to_num(np.abs(off[device, start:stop])) > limit[device]
            if np.count_nonzero(beyond) < rate * SECONDS / 2:
                continue
            far = start + np.flatnonzero(beyond)
            start, stop = int(far[0]), int(far[-1]) + 1
            bad[device, start:stop] = True
            flags.append(offset(physics, device, start, stop, float(limit[device])))
    return flags, bad


def offset(physics: Physics, device: int, start: int, stop: int, limit: float) -> Flag:
    """Whether it is a step or a drift, and how large it is."""
    off = physics.off[device, start:stop]
    off = off[~np.isnan(off)]
    size = float(off[np.argmin(np.abs(np.abs(off) - np.quantile(np.abs(off), 0.95)))])
    begin = float(np.median(np.abs(off[: max(off.size // 10, 1)])))
    kind = Fault.STEP_OFFSET if begin >= STEADY * abs(size) else Fault.DRIFT
    return Flag(device, kind, start, stop, abs(size) / limit, {"channel": "frequency", "size_mhz": 1e3 * size})


def spiky(physics: Physics, lone: Bools) -> list[Flag]:
    """One flag for the spikes [m, n] of each device."""
    flags = []
    off = np.abs(beside(physics.off))
    for device in np.flatnonzero(lone.any(axis=1)).tolist():
        at = np.flatnonzero(lone[device])
        size = float(off[device, at].max())
        detail = {"samples": at.tolist(), "size_mhz": 1e3 * size}
        score = size / (LONE * float(physics.usual[device]))
        flags.append(Flag(device, Fault.SPIKES, int(at[0]), int(at[-1]) + 1, score, detail))
    return flags


def resolution(x: F8) -> F8:
    """[m] Smallest step between two samples of each row of [m, n]; 0 if there is none."""
    step = np.abs(np.diff(x, axis=1))
    step[~(step > 1e-9)] = np.inf
    smallest = step.min(axis=1)
    return np.where(np.isinf(smallest), 0.0, smallest)


def odd(count: float) -> int:
    """Nearest odd number."""
    return 2 * int(count // 2) + 1
