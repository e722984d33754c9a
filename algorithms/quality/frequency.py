"""Bad frequencies: spikes, bursts of noise, steps and drifts, as the angle does not have them."""

from __future__ import annotations

from typing import Any

import numpy as np

from algorithms.quality.flags import F8, Bools, Fault, Flag, moving_mean, resolution, spans
from algorithms.quality.physics import ACCURACY, ALLOWED, LONE, Physics, alone

SECONDS = 1.0
"""Length of the means that show noise and offsets."""
NOISE = 4.0
"""Times the usual difference that its rms in a second may be."""
SLOW = 1.4
"""The same for a mean over a second, besides one resolution (a device may round down): ten deviations of that mean."""
BRIDGE = 2.0
"""Seconds; offsets with shorter pauses are one."""
OFTEN = 0.25
"""Share of the samples of a second that are more than that off, in noise."""
QUIET = 0.2
"""Of the noise's square; who has less than this is not the noisy one."""
STEADY = 0.7
"""Of an offset's size that its first tenth has from the beginning, if it is a step and no drift."""


def noise(physics: Physics, rate: float) -> tuple[list[Flag], Bools]:
    """Bursts of noise, and [m, n] the samples in them.

    Frequency and angle differ by much, and as much as the frequency itself trembles: in a disturbance, however fast,
    they tremble together.
    """
    width = odd(rate * SECONDS)
    limit = NOISE * physics.usual[:, None]
    off = np.where(np.isnan(physics.off), np.nan, physics.lone_off)
    power = np.nan_to_num(moving_mean(off * off, width))
    tremble = np.nan_to_num(moving_mean(physics.lone_frequency**2, width))
    often = np.nan_to_num(moving_mean(np.where(np.isnan(off), np.nan, np.abs(off) > limit), width))
    score = np.sqrt(power) / limit
    inside = alone((score > 1.0) & (power > ALLOWED**2 * tremble) & (often > OFTEN))
    flags, bad = [], np.zeros(inside.shape, dtype=bool)
    for device in np.flatnonzero(inside.any(axis=1)).tolist():
        for start, stop in spans(inside[device], int(BRIDGE * rate)):
            far = start + np.flatnonzero(np.abs(physics.lone_off[device, start:stop]) > limit[device])
            if far.size < width // 4:
                continue
            start, stop = max(int(far[0]) - 1, 0), min(int(far[-1]) + 2, off.shape[1])
            bad[device, start:stop] = True
            flags.append(_noisy(physics, device, start, stop, float(score[device, start:stop].max())))
    return flags, bad


def _noisy(physics: Physics, device: int, start: int, stop: int, score: float) -> Flag:
    """Which of both is noisy, and how much."""
    squares = {
        name: float(np.mean(getattr(physics, f"lone_{field}")[device, start:stop] ** 2))
        for name, field in (("both", "off"), ("frequency", "frequency"), ("angle", "turning"))
    }
    rms = float(np.sqrt(squares.pop("both")))
    quiet = [name for name, square in squares.items() if square < QUIET * rms * rms]
    detail: dict[str, Any] = {"times_usual": rms / float(physics.usual[device]), "rms_mhz": 1e3 * rms}
    if quiet:
        detail["channel"] = "angle" if quiet == ["frequency"] else "frequency"
    return Flag(device, Fault.NOISE_BURST, start, stop, score, detail)


def offsets(physics: Physics, frequency: F8, known: Bools, rate: float) -> tuple[list[Flag], Bools]:
    """Steps and drifts of the frequency alone, and [m, n] the samples in them; `known` ones are left out."""
    off = np.where(known, np.nan, physics.off)
    most = LONE * physics.usual
    limit = SLOW * physics.usual + resolution(frequency)
    mean = np.nan_to_num(moving_mean(np.clip(off, -most[:, None], most[:, None]), odd(rate * SECONDS)))
    inside = alone(np.abs(mean) > limit[:, None])
    flags, bad = [], np.zeros(inside.shape, dtype=bool)
    for device in np.flatnonzero(inside.any(axis=1)).tolist():
        for start, stop in spans(inside[device], int(BRIDGE * rate)):
            beyond = np.nan_to_num(np.abs(off[device, start:stop])) > limit[device]
            if np.count_nonzero(beyond) < rate * SECONDS / 2:
                continue
            far = start + np.flatnonzero(beyond)
            flag = _offset(physics, device, int(far[0]), int(far[-1]) + 1, max(float(limit[device]), ACCURACY))
            if flag.score > 1.0:
                bad[device, flag.start : flag.stop] = True
                flags.append(flag)
    return flags, bad


def _offset(physics: Physics, device: int, start: int, stop: int, limit: float) -> Flag:
    """Whether it is a step or a drift, and how large it is.

    It begins where a line through the medians of both halves does: of what lies before it some samples may be in.
    """
    off = physics.off[device, start:stop]
    off = off[~np.isnan(off)]
    size = float(off[np.argmin(np.abs(np.abs(off) - np.quantile(np.abs(off), 0.95)))])
    half = max(off.size // 2, 1)
    begin = float(1.5 * np.median(np.abs(off[:half])) - 0.5 * np.median(np.abs(off[-half:])))
    kind = Fault.STEP_OFFSET if begin >= STEADY * abs(size) else Fault.DRIFT
    return Flag(device, kind, start, stop, abs(size) / limit, {"channel": "frequency", "size_mhz": 1e3 * size})


def spiky(physics: Physics, lone: Bools) -> list[Flag]:
    """One flag for the spikes [m, n] of each device."""
    flags = []
    for device in np.flatnonzero(lone.any(axis=1)).tolist():
        at = np.flatnonzero(lone[device])
        size = float(np.abs(physics.lone_off[device, at]).max())
        detail = {"samples": at.tolist(), "size_mhz": 1e3 * size}
        score = size / max(LONE * float(physics.usual[device]), ACCURACY)
        flags.append(Flag(device, Fault.SPIKES, int(at[0]), int(at[-1]) + 1, score, detail))
    return flags


def odd(count: float) -> int:
    """Nearest odd number."""
    return 2 * int(count // 2) + 1
