"""How a device's frequency follows from its angle: by filters that are its own, learnt from what it shows.

A frequency that is delayed, or smoothed more than the phasors are, differs from dθ/dt whenever it moves. Where that
is most of what they differ by, a short filter of dθ/dt (least squares, samples that are far off left out) says what
this device makes of it.
"""

from __future__ import annotations

import numpy as np

from algorithms.quality.flags import F8, Bools, quiet_spread, spread

REACH = 6
"""Samples to each side that a filter has: 120 ms at 50 per second."""
OUT = 6.0
"""Times the usual difference; beyond, a sample is not learnt from."""
PASSES = 3
"""Of learning, each without what is far off by the one before."""
GAIN = 2.0
"""A filter is believed that makes the difference so many times smaller."""


def follow(frequency: F8, turning: F8, least: F8, block: int) -> tuple[F8, Bools]:
    """[m, n] Hz: what each device should make of the frequency that its angle says; [m] whether by a filter of its own.

    `least` [m] Hz is the difference that resolutions make: a device with less than twice that needs no filter. Blocks
    of so many samples tell quiet.
    """
    off = frequency - turning
    usual = quiet_spread(off, block)
    own = np.zeros(len(off), dtype=bool)
    found = turning
    for device in np.flatnonzero(usual > GAIN * least).tolist():
        shown = _filtered(turning[device], off[device])
        if shown is None:
            continue
        after = quiet_spread((frequency[device] - shown)[None], block)[0]
        if after * GAIN < usual[device]:
            found = found.copy() if found is turning else found
            found[device], own[device] = shown, True
    return found, own


def _filtered(turning: F8, off: F8) -> F8 | None:
    """[n] `turning` through the filter that leaves the least of `off`; None if there is too little to learn from.

    The filter's weights sum to one: a frequency that stays is followed exactly.
    """
    wide = np.pad(turning, REACH, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(wide, 2 * REACH + 1) - turning[:, None]
    around = np.delete(around, REACH, axis=1)
    there = ~np.isnan(around).any(axis=1) & ~np.isnan(off)
    if np.count_nonzero(there) < 100 * around.shape[1]:
        return None
    x, y = around[there], off[there]
    weights = np.zeros(x.shape[1])
    for _ in range(PASSES):
        rest = y - x @ weights
        near = np.abs(rest) <= OUT * spread(rest[None])[0]
        square = x[near].T @ x[near]
        ridge = 1e-9 * np.trace(square) * np.eye(len(square))
        if not np.trace(square):
            return None
        weights = np.linalg.solve(square + ridge, x[near].T @ y[near])
    return np.asarray(turning + around @ weights)
