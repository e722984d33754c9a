"""From a statistic of a window to its judgement: what all algorithms of the first stage have in common.

1. The peaks of the statistic in blocks say what is usual. Their median is the window's quiet scale: robust against
   an event that fills less than half of the window.
2. The score is the largest peak over the usual one, over `limit`; above 1 the window is suspicious. So neither the
   ambient level nor the unit of the quantity counts; a `floor` keeps resolution and noise of a device from counting.
3. The onset is where the series before the first crossing parts best in two pieces, each with a variance of its own
   (Maeda 1985, Zisin 38, 365: Akaike's criterion of a piece cut in two).

Interpolated samples, and the values that follow from them, decide nothing. Of several devices the most suspicious one
decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from algorithms import registry
from algorithms.firststage.streams import Stream
from algorithms.registry import Judgement, Seconds, WindowData

F8 = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEAST_BLOCKS = 8
MOST = 1e6
"""Score of what moves at all where nothing ever did."""
SHORTEST = 4
"""Samples of a piece whose variance is taken."""
RATE = 50.0
"""At which the shortest window is reckoned; in seconds it is nearly the same at any other."""


class Settings(registry.Settings):
    """What all algorithms of the first stage may be told."""

    limit: Annotated[float, Field(gt=1)]
    """Largest value of the statistic, in multiples of its usual peak in the window."""
    block: Seconds = 1.0
    """One peak is taken from each block; their median is the usual peak."""


@dataclass(frozen=True)
class Measure:
    """What is looked at, and in what it is told."""

    stream: Stream
    unit: str
    """Ending of the names in `detail`: mhz_per_s"""
    scale: float
    """Units in one of the statistic."""
    floor: float | F8
    """A usual peak below this counts as this; one, or [m]."""


@dataclass(frozen=True)
class Peaks:
    """Of m devices."""

    statistic: F8
    """[m, j] the values of the last j samples; NaN where an interpolated sample is involved"""
    usual: F8
    """[m] median of the block peaks"""
    top: F8
    """[m] largest value; 0 if there is none"""


def samples(seconds: float, rate: float, least: int = 1) -> int:
    """In a span."""
    return max(least, round(seconds * rate))


def series(window: WindowData) -> F8:
    """[m, n] The window's first quantity."""
    return np.asarray(window.values[:, 0], dtype=np.float64)


def judge(window: WindowData, x: F8, measure: Measure, settings: Settings, seen: F8 | None = None) -> Judgement:
    """Of the series x [m, n]. `seen`: another one in which the onset is looked for.

    Raises ValueError for a window too short to know what is quiet.
    """
    limit = settings.limit
    found = peaks(x, window.filled != 0, measure.stream, samples(settings.block, window.rate))
    usual = np.maximum(found.usual, measure.floor)
    scores = found.top / np.maximum(usual, found.top / (MOST * limit) + np.finfo(float).tiny) / limit
    one = int(np.argmax(scores))
    score = float(scores[one])
    onset = None
    if score > 1.0:
        crossed = found.statistic[one] > limit * usual[one]
        at = int(np.argmax(crossed)) + x.shape[1] - crossed.size
        reach = measure.stream.reach
        first, stop = max(0, at - 2 * reach), min(at + reach // 2 + SHORTEST, x.shape[1])
        onset = min(first + parting((x if seen is None else seen)[one, first:stop]), at)
    detail: dict[str, Any] = {
        f"largest_{measure.unit}": round(measure.scale * float(found.top[one]), 4),
        f"usual_{measure.unit}": round(measure.scale * float(found.usual[one]), 4),
        "interpolated": int(window.filled[one].sum()),
    }
    return Judgement(score > 1.0, score, onset, detail)


def peaks(x: F8, filled: Bools, stream: Stream, block: int) -> Peaks:
    """Largest and usual values of the statistic of x [m, n]."""
    values = stream.push(x)
    if values.shape[1] < LEAST_BLOCKS * block:
        swallowed = x.shape[1] - values.shape[1] if values.shape[1] else x.shape[1] + swallows(stream, x.shape[0])
        least = LEAST_BLOCKS * block + swallowed
        raise ValueError(
            f"a window of {x.shape[1]} samples is too short: {least} or more are needed to know what is quiet; make "
            "the window longer, or the spans in the settings shorter"
        )
    values = np.where(touched(filled, stream.reach)[:, -values.shape[1] :], np.nan, values)
    known = np.where(np.isnan(values), -np.inf, values)
    most = known[:, : values.shape[1] // block * block].reshape(x.shape[0], -1, block).max(axis=2)
    most = np.where(np.isfinite(most), most, np.nan)
    usual = np.zeros(x.shape[0])
    some = np.isfinite(most).any(axis=1)
    usual[some] = np.nanmedian(most[some], axis=1)
    return Peaks(values, usual, np.maximum(known.max(axis=1), 0.0))


def shortest(stream: Stream, settings: Settings) -> float:
    """Seconds of a window at RATE that `peaks` takes."""
    return (swallows(stream) + LEAST_BLOCKS * samples(settings.block, RATE)) / RATE


def swallows(stream: Stream, devices: int = 1) -> int:
    """Samples until a stream has its first value."""
    piece = np.zeros((devices, 64))
    fed = told = 0
    while not told:
        told = stream.push(piece).shape[1]
        fed += piece.shape[1]
    return fed - told


def touched(filled: Bools, reach: int) -> Bools:
    """[m, n] Whether one of the last `reach` samples is interpolated."""
    count = np.cumsum(filled, axis=1, dtype=np.int64)
    before = np.zeros_like(count)
    before[:, reach:] = count[:, :-reach]
    return np.asarray(count > before)


def parting(x: F8) -> int:
    """Sample of x [n] from which on it is another than before: level, slope or spread."""
    if x.size < 2 * SHORTEST:
        return x.size - 1
    x = x - x[0]
    least = max(float(np.var(x)) * 1e-6, np.finfo(float).tiny)
    ahead, behind = (np.maximum(_variances(way), least) for way in (x, x[::-1]))
    k = np.arange(SHORTEST, x.size - SHORTEST + 1)  # samples of the first piece
    cost = k * np.log(ahead[k - 1]) + (x.size - k) * np.log(behind[x.size - k - 1])
    return int(k[np.argmin(cost)])


def _variances(x: F8) -> F8:
    """[n] of the first 1, 2, … samples"""
    count = np.arange(1, x.size + 1)
    return np.asarray(np.cumsum(x * x) / count - (np.cumsum(x) / count) ** 2)
