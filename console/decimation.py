"""Fewer points than there are, that look the same: the mean of each column of pixels with its least and greatest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F4 = NDArray[np.float32]
I8 = NDArray[np.int64]

PER_COLUMN = 4
"""Points a column that are told as they are: a browser reduces them to its own columns."""
GAP = 1.5
"""Steps between two points that are not joined."""


@dataclass(frozen=True)
class Points:
    """Values over time; `low` and `high` where a value stands for several."""

    time: I8
    """[n] ns UTC, ascending"""
    value: F4
    """[n] NaN is a gap"""
    low: F4 | None = None
    high: F4 | None = None


def reduced(points: Points, step: int, columns: int, span: int, turns: bool = False) -> Points:
    """As many points as so many columns over `span` [ns] can show, gaps kept. `step` [ns] is that of the points.

    `turns`: these are angles, which have no mean: a column's first one stands for it.
    """
    width = span // max(1, columns)
    if points.time.size <= PER_COLUMN * columns or width <= step:
        return gapped(points, step)
    column = points.time // width
    valid = ~np.isnan(points.value)
    low, high = points.value if points.low is None else points.low, points.value if points.high is None else points.high
    begin = np.flatnonzero(np.diff(column, prepend=column[:1] - 1))
    if begin.size == 0:
        return points
    count = np.add.reduceat(valid.astype(np.int64), begin)
    if turns:
        value = points.value[begin]
    else:
        total = np.add.reduceat(np.where(valid, points.value, 0).astype(np.float64), begin)
        value = np.divide(total, count, out=np.full(begin.size, np.nan), where=count > 0).astype(np.float32)
    found = Points(
        column[begin] * width + width // 2, value, np.fmin.reduceat(low, begin), np.fmax.reduceat(high, begin)
    )  # fmt: skip
    return gapped(found, width)


def gapped(points: Points, step: int) -> Points:
    """With a NaN between points that are farther apart than steps are."""
    holes = np.flatnonzero(np.diff(points.time) > GAP * step)
    if holes.size == 0:
        return points
    low, high = (None if each is None else np.insert(each, holes + 1, np.nan) for each in (points.low, points.high))
    time = np.insert(points.time, holes + 1, points.time[holes] + step)
    return Points(time, np.insert(points.value, holes + 1, np.float32(np.nan)), low, high)


def joined(first: Points, second: Points) -> Points:
    """One behind the other."""
    if not first.time.size or not second.time.size:
        return first if first.time.size else second
    banded = any(each is not None for each in (first.low, second.low))
    lows, highs = zip(*(_band(each) for each in (first, second)), strict=True)
    return Points(
        np.concatenate([first.time, second.time]),
        np.concatenate([first.value, second.value]),
        np.concatenate(lows) if banded else None,
        np.concatenate(highs) if banded else None,
    )


def _band(points: Points) -> tuple[F4, F4]:
    low, high = points.low, points.high
    return points.value if low is None else low, points.value if high is None else high
