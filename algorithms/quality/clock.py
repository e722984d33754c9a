"""Clocks that are off, by what the angle does at once, and by the frequency of the neighbours.

A device that shows at time t what was at t + τ has an angle that is 2π f τ off: it jumps, whole turns apart, when the
clock does, and the frequency, which the device measures on its own, does not. That tells τ within 1/f very well; the lag
at which the frequency fits best to that of all devices says how many periods there are besides (a shift of less than
half a period is told as an offset of the angle: nobody can know the difference). Nothing is said of the frequency's
lag alone: modes of oscillation and travelling waves make lags, too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from algorithms.observations import Observations
from algorithms.quality.flags import F8, Bools, Fault, Flag, middle, moving_mean
from algorithms.quality.frequency import odd
from algorithms.quality.physics import JUMP, Physics

LONGEST = 1.1
"""Seconds; lags beyond are not looked for."""
FAST, SLOW = 0.1, 5.0
"""Seconds; the frequency less its mean over the second, of means over the first, is compared."""
SHORTEST = 5.0
"""Seconds that have to be compared."""
BETTER = 1.02
"""How much better the best lag has to fit than none."""
QUORUM = 3
"""Devices, for a majority to be right."""
LEVEL = 0.02
"""rad; an angle off by less is right again."""


class Lag(NamedTuple):
    """How a device's frequency lies against that of all."""

    seconds: float
    """Positive: it shows what the others show later."""
    better: float
    """Squares that are left without this lag, over those with it."""


def clocks(seen: Observations, physics: Physics, jumps: Bools) -> list[Flag]:
    """Clock offsets and steps of the angle, from where the angle jumps and the frequency does not know it [m, n].

    `seen` has NaN where samples are bad otherwise.
    """
    devices = np.flatnonzero(jumps.any(axis=1)).tolist()
    if not devices:
        return []
    common = middle(seen.frequency) if seen.devices >= QUORUM else np.full(seen.samples, np.nan)
    shown = banded(np.vstack([seen.frequency[devices], common]), seen.rate)
    return [
        flag for k, device in enumerate(devices) for flag in of_device(seen, physics, jumps, device, shown[[k, -1]])
    ]


def of_device(seen: Observations, physics: Physics, jumps: Bools, device: int, shown: F8) -> list[Flag]:
    """The spans between jumps in which the device is off; `shown` [2, n] is its frequency and that of all."""
    at = np.flatnonzero(jumps[device])
    turn = -2.0 * np.pi * (physics.off[device, at] + physics.off[device, at + 1]) / seen.rate
    edges = [0, *(at + 1).tolist(), seen.samples]
    lags = [lag(shown[:, a:b], seen.rate) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    angle = np.cumsum(np.concatenate([[0.0], turn]))
    limit = JUMP * 4.0 * np.pi * float(physics.usual[device]) / seen.rate
    flags: list[Flag] = []
    for k in range(1, len(lags)):
        here = float((angle[k] + np.pi) % (2.0 * np.pi) - np.pi)
        shift = offset(here, lags[k], seen.nominal)
        if k > 1 and abs(here) < LEVEL and not shift:
            continue
        score = max(abs(float(turn[k - 1])) / limit, 1.0)
        kind = Fault.CLOCK_OFFSET if shift else Fault.STEP_OFFSET
        detail = {"channel": "angle", "size_rad": here} | ({"offset_s": shift, "fits": lags[k].better} if shift else {})
        flags.append(Flag(device, kind, edges[k], edges[k + 1], score, detail))
    return flags


def offset(angle: float, found: Lag, nominal: float) -> float:
    """Seconds that the clock is off: the one that fits the angle [rad] and is nearest to the lag; 0 if it is none."""
    if found.better < BETTER:
        return 0.0
    part = angle / (2.0 * np.pi)
    periods = round(found.seconds * nominal - part)
    return (periods + part) / nominal if periods else 0.0


def banded(frequency: F8, rate: float) -> F8:
    """[m, n] What moves within seconds."""
    fast = moving_mean(frequency, odd(FAST * rate))
    return fast - moving_mean(frequency, odd(SLOW * rate))


def lag(shown: F8, rate: float) -> Lag:
    """The lag at which the first row of [2, n] fits best to the second; a parabola tells it between samples."""
    most = int(LONGEST * rate)
    count = shown.shape[1] - 2 * most
    if count < SHORTEST * rate:
        return Lag(0.0, 1.0)
    own = shown[0, most : most + count]
    others = np.lib.stride_tricks.sliding_window_view(shown[1], count)
    there = ~np.isnan(own) & ~np.isnan(others)
    squares = np.where(there, (np.where(there, own, 0.0) - np.where(there, others, 0.0)) ** 2, 0.0)
    number = np.count_nonzero(there, axis=1)
    if number.min() < SHORTEST * rate:
        return Lag(0.0, 1.0)
    left = squares.sum(axis=1) / number
    best = int(np.argmin(left))
    if best in (0, left.size - 1) or left[best] <= 0.0:
        return Lag((best - most) / rate, 1.0)
    before, here, after = left[best - 1 : best + 2]
    between = 0.5 * (before - after) / (before - 2.0 * here + after)
    return Lag(float(best - most + between) / rate, float(left[most] / here))
