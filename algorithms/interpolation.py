"""Samples brought to other instants: along straight lines, held, the nearest one, or averaged over steps.

Times are ns UTC, int64, ascending; angles are degrees, -180..180. An angle goes along the shorter arc between two
samples, as the direction of their unit phasors does at constant speed; which way it goes between opposite ones is
open. Nothing is extrapolated, and nothing is said across a gap.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms.polar import wrapped

I8 = NDArray[np.int64]
F8 = NDArray[np.float64]
Bools = NDArray[np.bool_]

NO_DIRECTION = 1e-9
"""Length of a mean unit phasor below which it points nowhere."""


def interpolate(time: I8, values: NDArray[np.floating[Any]], angles: Bools, at: I8, gap: int) -> F8:
    """[k, c] Values at the instants `at` [k], on straight lines between the samples [n, c] around each.

    `angles` [c] tells which channels are angles. NaN where one of the two samples is NaN, where they are more than
    `gap` ns apart, and before the first and after the last one. At a sample's own time that sample alone counts.
    """
    if not len(time):
        return np.full((len(at), values.shape[1]), np.nan)
    left = np.maximum(time.searchsorted(at, side="right") - 1, 0)
    exact = time[left] == at
    right = np.where(exact, left, np.minimum(left + 1, len(time) - 1))
    width = time[right] - time[left]
    between = (time[left] < at) & (at < time[right]) & (width <= gap)
    share = np.where(between, at - time[left], 0) / np.where(between, width, 1)
    low, high = values[left].astype(np.float64), values[right].astype(np.float64)
    with np.errstate(invalid="ignore"):  # of what is infinite
        way = np.where(angles, wrapped(high - low), high - low)
        found = low + share[:, None] * way
    found = np.where(angles & (way != 0), wrapped(found), found)  # what stands still stays the same bits
    found[exact] = low[exact]
    found[~(exact | between)] = np.nan
    return found


def previous(time: I8, at: I8, limit: int) -> I8:
    """[k] Index of the last of the samples [n] at or before each instant; -1 if it is more than `limit` ns older."""
    found = time.searchsorted(at, side="right") - 1
    old = np.ones(len(at), np.bool_)
    some = found >= 0
    old[some] = at[some] - time[found[some]] > limit
    return np.where(old, -1, found)


def nearest(time: I8, at: I8, limit: int) -> I8:
    """[k] Index of the sample [n] nearest to each instant, the earlier of two; -1 if more than `limit` ns away."""
    if not len(time):
        return np.full(len(at), -1, np.int64)
    right = np.minimum(time.searchsorted(at), len(time) - 1)
    left = np.maximum(right - 1, 0)
    found = np.where(np.abs(at - time[left]) <= np.abs(time[right] - at), left, right)
    return np.where(np.abs(time[found] - at) <= limit, found, -1)


def mean(time: I8, values: NDArray[np.floating[Any]], angles: Bools, start: I8, stop: I8) -> F8:
    """[k, c] Mean of the valid samples [n, c] in each of the steps [start, stop) [k], which do not overlap.

    Of angles, the direction of the mean unit phasor (Fisher, Statistical Analysis of Circular Data, 1993, 2.3). NaN
    where a step has no valid sample, or its angles point in no direction.
    """
    found = np.full((len(start), values.shape[1]), np.nan)
    step = start.searchsorted(time, side="right") - 1
    inside = np.flatnonzero((step >= 0) & (time < stop[step])) if len(start) else step[:0]
    if not len(inside):
        return found
    step = step[inside]
    first = np.flatnonzero(np.diff(step, prepend=-1))
    some = values[inside].astype(np.float64)
    valid = ~np.isnan(some)
    count = np.add.reduceat(valid, first, axis=0, dtype=np.int64)
    turned = np.exp(1j * np.radians(np.where(valid & angles, some, 0.0))) * valid
    pointed = np.add.reduceat(turned, first, axis=0)
    total = np.add.reduceat(np.where(valid & ~angles, some, 0.0), first, axis=0)
    means = np.where(angles, np.degrees(np.angle(pointed)), total / np.maximum(count, 1))
    clear = np.where(angles, np.abs(pointed) > NO_DIRECTION * np.maximum(count, 1), True)
    found[step[first]] = np.where((count > 0) & clear, means, np.nan)
    return found
