"""What a device says of the frequency, against what its angle says: f = nominal + dθ/dt / 2π.

Both come from the same phasors. A disturbance shows in both; what is in one alone no grid has made. How well they
agree in quiet is each device's own (resolutions, filters): limits are multiples of that. Where both move at once,
filters that differ make them differ, so half of the smaller of the two movements is allowed besides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from algorithms.observations import Observations
from algorithms.quality.flags import F8, Bools, moving_range, quiet_spread, resolution, widened
from algorithms.quality.response import follow
from algorithms.quality.samples import median_of_three

LONE = 10.0
"""Times the usual difference of frequency and angle that a sample may be off."""
JUMP = 6.0
"""The same for two samples in a row on one side, as a jump of the angle makes them."""
BLOCK = 2.0
"""Seconds; what is usual is what is so in the quieter of such blocks."""
ACCURACY = 0.005
"""Hz; what a device of either class may be off (IEC/IEEE 60255-118-1), so what is less is not told."""
FLOOR = 1e-4
"""Hz; a usual difference below this, or what a device's resolution makes, counts as this."""
NEAR = 2
"""Samples to each side that count as around a sample."""
AROUND = 4
"""Samples to each side of which the median is what a lone sample is compared with."""
ALLOWED = 0.5
"""Of the smaller of both movements."""
ALONE = 0.25
"""Of a jump's size that there may be in the samples beside it."""
SHARED = 4
"""With more than one device in so many at a time it is the grid."""
TOGETHER = 5
"""Samples that are a time: 100 ms at 50 per second, the length of a class M filter."""


@dataclass(frozen=True)
class Physics:
    """Frequency and angle side by side; [m, n] where not said otherwise, NaN where one of them is missing."""

    turning: F8
    """Hz; the frequency that the angle says, over the two samples around each (40 ms at 50 per second).

    As the device's filter shows it, if it has one (`response`)."""
    off: F8
    """Hz; the frequency less that."""
    lone_off: F8
    """Hz; `off` less its median around; 0 where it is missing."""
    lone_frequency: F8
    """Hz; the frequency less its median around."""
    lone_turning: F8
    """Hz"""
    usual: F8
    """[m] Hz; robust standard deviation of `lone_off` in quiet."""
    allowed: F8
    """Hz; what filters that differ may make of a movement."""
    own: Bools
    """[m] `turning` went through a filter of the device's own, so a jump of the angle is no longer sharp."""


def compare(seen: Observations) -> Physics:
    """What frequency and angle say.

    A device without angles has no `off`; its `lone_off` is how far a frequency is from both of its neighbours.
    """
    turn = turns(seen.angle)
    turning = np.full(seen.angle.shape, np.nan)
    turning[:, 1:-1] = seen.nominal + (turn[:, 1:-1] + turn[:, 2:]) * seen.rate / (4.0 * np.pi)
    step = np.hypot(resolution(seen.frequency), np.sqrt(2.0) * resolution(turn) * seen.rate / (4.0 * np.pi))
    least = np.maximum(step / np.sqrt(12.0), FLOOR)
    turning, own = follow(seen.frequency, turning, least, int(BLOCK * seen.rate))
    off = seen.frequency - turning
    lone_off = beside(off)
    usual = np.maximum(quiet_spread(np.where(np.isnan(off), np.nan, lone_off), int(BLOCK * seen.rate)), least)
    lone_frequency = beside(seen.frequency)
    moving = np.minimum(moving_range(seen.frequency, NEAR), moving_range(turning, NEAR))
    blind = np.isnan(off).all(axis=1)
    if blind.any():
        smooth = median_of_three(seen.frequency[blind])
        lone_off[blind] = np.nan_to_num(seen.frequency[blind] - smooth)
        usual[blind] = np.maximum(quiet_spread(lone_frequency[blind], int(BLOCK * seen.rate)), least[blind])
        moving[blind] = moving_range(smooth, NEAR) / ALLOWED
    return Physics(turning, off, lone_off, lone_frequency, beside(turning), usual, ALLOWED * moving, own)


def turns(angle: F8) -> F8:
    """[m, n] rad that the angle turned since the sample before, at most half a turn; NaN for the first one."""
    return (np.diff(angle, axis=1, prepend=np.nan) + np.pi) % (2.0 * np.pi) - np.pi


def lone(physics: Physics) -> Bools:
    """[m, n] where a frequency is off for a sample or few, and neither the angle nor most others know of it."""
    return alone(stray(physics))


def stray(physics: Physics) -> Bools:
    """[m, n] where a frequency is off for a sample or few, and the angle knows nothing of it."""
    limit = np.maximum(LONE * physics.usual, ACCURACY)
    far = np.abs(physics.lone_off) > limit[:, None] + physics.allowed
    return np.asarray(far & (np.abs(physics.lone_frequency) > np.abs(physics.lone_turning)))


def jumps(physics: Physics, rate: float) -> F8:
    """[m, n] rad by which the angle jumps from the sample before, while the frequency knows nothing of it; else 0.

    What the angle says is off for the two samples around a jump, by the same.
    """
    off, usual = np.nan_to_num(physics.off), physics.usual[:, None]
    first, second = off[:, 1:-2], off[:, 2:-1]
    size = np.minimum(np.abs(first), np.abs(second))
    limit = JUMP * usual + np.maximum(physics.allowed[:, 1:-2], physics.allowed[:, 2:-1])
    by_angle = np.abs(physics.lone_turning) >= np.abs(physics.lone_frequency)
    rest = np.maximum(np.abs(off[:, :-3]), np.abs(off[:, 3:]))
    found = (size > limit) & (first * second > 0.0) & by_angle[:, 1:-2] & by_angle[:, 2:-1]
    found &= rest < ALONE * size + 0.5 * JUMP * usual
    jumped = np.zeros(off.shape, dtype=bool)
    jumped[:, 2:-1] = found & ~physics.own[:, None]
    angle = np.zeros(off.shape)
    angle[:, 2:-1] = -2.0 * np.pi * (first + second) / rate
    return np.where(alone(jumped), angle, 0.0)


def alone(mask: Bools) -> Bools:
    """[m, n] `mask` where few devices have it at a time: one, or one in `SHARED`."""
    devices = mask.shape[0]
    some = np.flatnonzero(mask.any(axis=1))
    if some.size <= max(1, devices // SHARED):
        return mask
    count = np.count_nonzero(widened(mask[some], TOGETHER, TOGETHER), axis=0)
    return np.asarray(mask & (count <= max(1, devices // SHARED)))


def beside(x: F8) -> F8:
    """[m, n] Each sample less the median of the samples around it; 0 where it is missing."""
    around = np.pad(x, ((0, 0), (AROUND, AROUND)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(around, 2 * AROUND + 1, axis=1)
    centre = np.partition(windows, AROUND, axis=2)[:, :, AROUND]
    gone = np.isnan(x)
    torn = widened(gone, AROUND, AROUND) & ~gone
    if torn.any():
        few = windows[torn]
        count = np.count_nonzero(~np.isnan(few), axis=1)
        centre[torn] = np.take_along_axis(np.sort(few, axis=1), (count - 1)[:, None] // 2, axis=1)[:, 0]
    return np.nan_to_num(x - centre)
