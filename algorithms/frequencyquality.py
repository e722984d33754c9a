"""How well the frequency of a grid was kept over hours and days: mean, spread, percentiles, time outside of bands.

Limits that are cited:

- EN 50160, of public networks with a synchronous connection: means over 10 s within ±1 % of nominal for
  99.5 % of a year, and within -6 % and +4 % always.
- GB/T 15945-2008: ±0.2 Hz in normal operation, up to ±0.5 Hz where the capacity of the system is small.

The deviation of synchronous time is the integral of (f - nominal) / nominal: what a clock that the grid drives gains.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

BANDS = (50, 100, 200)
"""mHz around nominal."""
PERCENTILES = (0.1, 1, 5, 50, 95, 99, 99.9)
EN_USUAL, EN_LOW, EN_HIGH = 0.01, -0.06, 0.04
"""Of nominal."""
GB_NORMAL, GB_SMALL = 0.2, 0.5
"""Hz"""
EN_SHARE = 0.995
"""Of the time, that it should be within the first."""
TEN = 10
"""Seconds of a mean of EN 50160."""
BIN = 0.005
"""Hz of a bar of the histogram."""
HOUR = 3600


@dataclass(frozen=True)
class FrequencyQuality:
    """Of n seconds, some of which are not known."""

    nominal: float
    """Hz"""
    known: int
    """Seconds that are known."""
    mean: float
    """Hz; this and what follows is NaN if nothing is known."""
    sigma: float
    """Hz, standard deviation of the means of seconds"""
    lowest: float
    """Hz; extremes as they were measured, within seconds"""
    highest: float
    percentiles: dict[float, float]
    """Percent -> Hz"""
    outside: dict[int, tuple[float, float]]
    """mHz of `BANDS` -> (minutes below, minutes above)"""
    time_error: float
    """s that synchronous time gained over the seconds that are known."""
    edges: F8
    """[b + 1] Hz, of the histogram's bars"""
    bars: I8
    """[b] seconds"""
    en_usual: float
    """Share of the means over 10 s within ±1 %; NaN if there is none."""
    en_always: bool
    """Whether all of them are within -6 % and +4 %."""
    gb_normal: float
    """Share of the seconds within ±0.2 Hz."""
    gb_small: float
    """Share of the seconds within ±0.5 Hz."""
    hours: F8
    """[n / 3600, 4] mean, standard deviation, lowest, highest [Hz] of each hour; NaN where nothing is known"""

    def worst(self, count: int) -> list[int]:
        """The hours with the largest excursions from nominal, worst first."""
        away = np.nanmax(np.abs(np.nan_to_num(self.hours[:, 2:], nan=self.nominal) - self.nominal), axis=1)
        return [at for at in np.argsort(-away, kind="stable").tolist() if np.isfinite(self.hours[at, 0])][:count]


def quality(mean: F8, lowest: F8, highest: F8, nominal: float) -> FrequencyQuality:
    """Of the mean, lowest and highest frequency [n] of each second [Hz]; NaN = not known."""
    known = mean[np.isfinite(mean)]
    away = known - nominal
    tens = _tens(mean)
    edges, bars = _histogram(known, nominal)
    return FrequencyQuality(
        nominal, len(known), _of(np.mean, known), _of(np.std, known), _of(np.min, lowest), _of(np.max, highest),
        {each: float(np.percentile(known, each)) if len(known) else np.nan for each in PERCENTILES},
        {each: (float(np.sum(1e3 * away < -each)) / 60, float(np.sum(1e3 * away > each)) / 60) for each in BANDS},
        float(away.sum() / nominal) if len(known) else np.nan,
        edges, bars, _share(np.abs(tens / nominal - 1) <= EN_USUAL),
        bool(np.all((tens / nominal - 1 >= EN_LOW) & (tens / nominal - 1 <= EN_HIGH))),
        _share(np.abs(away) <= GB_NORMAL), _share(np.abs(away) <= GB_SMALL), _hours(mean, lowest, highest),
    )  # fmt: skip


def time_error(mean: F8, nominal: float) -> F8:
    """[n] s that synchronous time has gained since the first second; it stands where the frequency is not known."""
    gained: F8 = np.cumsum(np.where(np.isfinite(mean), mean - nominal, 0.0)) / nominal
    return gained


def _of(what: Callable[[F8], Any], values: F8) -> float:
    """A figure of what is known of some values; NaN if that is nothing."""
    known = values[np.isfinite(values)]
    return float(what(known)) if len(known) else np.nan


def _share(which: NDArray[np.bool_]) -> float:
    return float(which.mean()) if which.size else np.nan


def _tens(mean: F8) -> F8:
    """Means over 10 s, of those that are known whole."""
    whole = mean[: len(mean) // TEN * TEN].reshape(-1, TEN)
    found: F8 = whole[np.isfinite(whole).all(axis=1)].mean(axis=1)
    return found


def _histogram(known: F8, nominal: float) -> tuple[F8, I8]:
    """(edges, bars) from the lowest to the highest; bars are wider where there would be more than a hundred."""
    if not len(known):
        return np.zeros(1), np.zeros(0, np.int64)
    low, high = float(known.min()) - nominal, float(known.max()) - nominal
    width = BIN * max(1, int(np.ceil((high - low) / BIN / 100)))
    first, last = int(np.floor(low / width)), int(np.floor(high / width)) + 1
    edges: F8 = nominal + width * np.arange(first, last + 1, dtype=np.float64)
    bars = np.bincount(np.clip(np.floor((known - nominal) / width).astype(np.int64) - first, 0, last - first - 1),
                       minlength=last - first)  # fmt: skip
    return edges, bars.astype(np.int64)


def _hours(mean: F8, lowest: F8, highest: F8) -> F8:
    found = [
        [_of(np.mean, mean[low:stop]), _of(np.std, mean[low:stop]), _of(np.min, lowest[low:stop]),
         _of(np.max, highest[low:stop])]
        for low in range(0, len(mean), HOUR)
        for stop in [low + HOUR]
    ]  # fmt: skip
    return np.array(found, np.float64).reshape(-1, 4)


def medians(values: NDArray[np.floating]) -> F8:
    """[n] median over the devices of [m, n], of those that are known; NaN where none is."""
    if not len(values):
        return np.full(values.shape[1], np.nan)
    order = np.sort(values, axis=0)  # what is not known comes last
    count = np.isfinite(values).sum(axis=0)
    column = np.arange(values.shape[1])
    both = order[np.maximum(count - 1, 0) // 2, column], order[np.minimum(count // 2, len(values) - 1), column]
    return np.where(count > 0, (both[0].astype(np.float64) + both[1]) / 2, np.nan)
