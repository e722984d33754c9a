"""Steps of the voltage that only the voltmeter makes.

A switched line, a lost plant or a fault moves angle and frequency with the voltage, takes a device's filter some
samples to show, and is seen by the neighbours: smaller, but not nothing. A voltage that is another one from a sample to
the next, for good, while angle, frequency and all neighbours stay as they are, is bad data.
"""

from __future__ import annotations

import numpy as np

from algorithms.observations import Observations
from algorithms.quality.flags import F8, Bools, Fault, Flag, moving_range, spans, spread

SMALLEST = 0.01
"""Per unit; smaller steps are not looked at."""
USUAL = 20.0
"""Times the usual change between two samples that a step has to be."""
SHARP = 0.85
"""Of the whole change that two samples have between them."""
LEVEL = 0.5
"""Seconds, of which the medians before and after are compared."""
AROUND = 5
"""Samples around a step in which the frequency must be still, and no neighbour move: 100 ms at 50 per second."""
STILL = 3.0
"""Times its usual range that the frequency may have there."""
USUALLY = 2.0
"""Times its usual range that a neighbour moves anyway;"""
SHARED = 0.05
"""one that moves by more than so much of the step besides saw the same."""


def steps(seen: Observations) -> list[Flag]:
    """Steps of the magnitude alone; the span goes to the step back, else to the end. `seen` has NaN where it is bad."""
    change = np.diff(seen.magnitude, axis=1, prepend=np.nan)
    limit = np.maximum(USUAL * spread(change), SMALLEST)
    large = np.abs(np.nan_to_num(change)) > limit[:, None]
    if not large.any():
        return []
    still = _still(seen.frequency)
    moved = moving_range(seen.magnitude, AROUND)
    moved = moved - USUALLY * np.median(moved, axis=1, keepdims=True)
    flags = []
    for device in np.flatnonzero(large.any(axis=1)).tolist():
        others = np.delete(moved, device, axis=0).max(axis=0, initial=0.0)
        at = [
            k
            for k, _ in spans(large[device])
            if still[device, k]
            and others[k] < SHARED * abs(change[device, k])
            and _sharp(seen.magnitude[device], k, int(LEVEL * seen.rate))
        ]
        flags += _paired(device, at, change[device], float(limit[device]), seen.samples)
    return flags


def _still(frequency: F8) -> Bools:
    """[m, n] where the frequency moves no more than it usually does."""
    ranged = moving_range(frequency, AROUND)
    return np.asarray(ranged <= STILL * np.median(ranged, axis=1, keepdims=True))


def _sharp(magnitude: F8, at: int, level: int) -> bool:
    """Whether the level after `at` is another one than before, by what it changes just there."""
    before, after = magnitude[max(at - level, 0) : at], magnitude[at : at + level]
    if min(np.count_nonzero(~np.isnan(before)), np.count_nonzero(~np.isnan(after))) < level // 2:
        return False
    whole = np.nanmedian(after) - np.nanmedian(before)
    step = magnitude[at] - magnitude[at - 1]
    return bool(step * whole > 0.0 and SHARP <= step / whole <= 1.0 / SHARP)


def _paired(device: int, at: list[int], change: F8, limit: float, stop: int) -> list[Flag]:
    """Each step with the one that takes it back."""
    flags = []
    while at:
        first, *at = at
        size = float(change[first])
        back = next((k for k in at if abs(change[k] + size) < 0.2 * abs(size)), stop)
        at = [k for k in at if k > back]
        detail = {"channel": "magnitude", "size_pu": size}
        flags.append(Flag(device, Fault.STEP_OFFSET, first, back, abs(size) / limit, detail))
    return flags
