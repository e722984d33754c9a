"""What a device says of the frequency, against what its angle says: f = nominal + dθ/dt / 2π.

Both come from the same phasors. A disturbance shows in both; what is in one alone no grid has made. How well they agree
in quiet is each device's own (resolutions, filters): limits are multiples of that. Where both move at once, filters that
differ make them differ, so half of the smaller of the two movements is allowed besides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from algorithms.observations import Observations
from algorithms.quality.flags import F8, Bools, moving_range, spread

LONE = 10.0
"""Times the usual difference of frequency and angle that a sample may be off."""
JUMP = 6.0
"""The same for two samples in a row on one side, as a jump of the angle makes them."""
FLOOR = 1e-4
"""Hz; a usual difference below this counts as this."""
NEAR = 2
"""Samples to each side that count as around a sample."""
AROUND = 4
"""Samples to each side of which the median is what a lone sample is compared with."""
ALLOWED = 0.5
"""Of the smaller of both movements."""


@dataclass(frozen=True)
class Physics:
    """Frequency and angle side by side; [m, n] where not said otherwise, NaN where one of them is missing."""

    frequency: F8
    """Hz"""
    turning: F8
    """Hz; the frequency that the angle says, over the two samples around each (40 ms at 50 per second)."""
    off: F8
    """Hz; the first less the second."""
    usual: F8
    """[m] Hz; robust standard deviation of `off`."""
    moving: F8
    """Hz; the smaller of both movements around each sample."""


def compare(seen: Observations) -> Physics:
    """What frequency and angle say; a device without angles has NaN everywhere, and a `usual` of `FLOOR`."""
    turn = (np.diff(seen.angle, axis=1) + np.pi) % (2.0 * np.pi) - np.pi
    turning = np.full(seen.angle.shape, np.nan)
    turning[:, 1:-1] = seen.nominal + (turn[:, 1:] + turn[:, :-1]) * seen.rate / (4.0 * np.pi)
    off = seen.frequency - turning
    usual = np.maximum(spread(off), FLOOR)
    moving = np.minimum(moving_range(seen.frequency, NEAR), moving_range(turning, NEAR))
    return Physics(seen.frequency, turning, off, usual, moving)


def stray(physics: Physics) -> tuple[Bools, Bools]:
    """[m, n] each: where a lone frequency is off, and where the angle jumps (after the first sample of each two)."""
    off, usual = physics.off, physics.usual[:, None]
    allowed = ALLOWED * physics.moving
    lone = beside(off)
    far = np.abs(lone) > LONE * usual + allowed
    by_frequency = np.abs(beside(physics.frequency)) > np.abs(beside(physics.turning))
    before, after = lone[:, :-1], lone[:, 1:]
    both = np.minimum(np.abs(before), np.abs(after)) > JUMP * usual + np.maximum(allowed[:, 1:], allowed[:, :-1])
    alike = np.abs(before - after) <= 0.2 * np.maximum(np.abs(before), np.abs(after)) + LONE * usual
    jump = np.zeros(off.shape, dtype=bool)
    jump[:, :-1] = both & (before * after > 0.0) & alike & ~(by_frequency[:, :-1] | by_frequency[:, 1:])
    return far & by_frequency, jump


def beside(x: F8) -> F8:
    """[m, n] Each sample less the median of the samples around it; 0 where it or all of these are missing."""
    around = np.pad(x, ((0, 0), (AROUND, AROUND)), mode="edge")
    width = 2 * AROUND + 1
    windows = np.lib.stride_tricks.sliding_window_view(around, width, axis=1)
    whole = ~np.isnan(windows).any(axis=2)
    centre = np.zeros_like(x)
    centre[whole] = np.partition(windows[whole], AROUND, axis=1)[:, AROUND]
    torn = ~whole & ~np.isnan(x)
    if torn.any():
        few = windows[torn]
        count = np.count_nonzero(~np.isnan(few), axis=1)
        centre[torn] = np.take_along_axis(np.sort(few, axis=1), (count - 1)[:, None] // 2, axis=1)[:, 0]
    return np.nan_to_num(x - centre)
