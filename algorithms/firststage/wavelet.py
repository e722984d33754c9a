"""Energy of wavelet coefficients, octave by octave, against the window's own quiet part.

Stationary (à trous) transform with the four-tap Daubechies wavelet ([Daubechies1988], Commun. Pure Appl. Math. 41,
909; [Shensa1992], IEEE Trans. Signal Process. 40, 2464): level j holds, in octaves, what lies between rate / 2^(j+1)
and rate / 2^j Hz. Its two vanishing moments make it blind to straight lines: a common ramp has no coefficients.
A statistic is the root of the mean energy of a level over the length of its wavelet; each level is compared with its
own usual peak, and the largest ratio counts.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from algorithms.firststage import decision
from algorithms.firststage.streams import CALM, Chain, each, lagged, mean, median
from algorithms.registry import Hertz, Judgement, WindowData, algorithm

F8 = NDArray[np.float64]

ROOT = np.sqrt(3.0)
LOW = np.array([1 + ROOT, 3 + ROOT, 3 - ROOT, 1 - ROOT]) / 8
"""Scaling filter of Daubechies' D4, for a sum of one."""
HIGH = LOW[::-1] * [1, -1, 1, -1]


class Settings(decision.Settings):
    """Which octaves, and how much is too much."""

    limit: Annotated[float, Field(gt=1)] = 4.0
    """Largest root of the energy of a level, in multiples of its usual peak in the window."""
    low: Hertz = 0.35
    """Octaves that lie between this …"""
    high: Hertz = 1.7
    """… and this are looked at: swings, and how lost power kinks the frequency."""
    floor: Hertz = 0.0001
    """A usual coefficient below this counts as this: resolution and noise of a device."""

    @model_validator(mode="after")
    def _an_octave(self) -> Settings:
        if not 0 < 2 * self.low <= self.high:
            raise ValueError("low must be above 0 and at most half of high: there is no octave between them")
        return self


def levels(rate: float, settings: Settings) -> list[int]:
    """Levels that lie in the band. Raises ValueError if there is none at this rate."""
    known = _octaves(rate, settings)
    if not known:
        raise ValueError(f"no octave of {rate:g} samples a second lies in {settings.low:g} to {settings.high:g} Hz")
    return known


def _octaves(rate: float, settings: Settings) -> list[int]:
    return [j for j in range(1, 20) if rate / 2 ** (j + 1) >= settings.low and rate / 2**j <= settings.high]


def spread(weights: F8, level: int) -> F8:
    """A filter's taps with 2^(level-1) - 1 zeros between them, the oldest sample's first."""
    apart = 2 ** (level - 1)
    taps = np.zeros((weights.size - 1) * apart + 1)
    taps[::apart] = weights
    return taps


def statistic(rate: float, level: int) -> Chain:
    """Root of the mean energy of a level."""
    smooth = [lagged(spread(LOW, below)) for below in range(1, level)]
    over = mean(3 * 2 ** (level - 1) + 1)
    return Chain(median(CALM), *smooth, lagged(spread(HIGH, level)), each(lambda x: x * x), over, each(np.sqrt))


def shortest(settings: Settings) -> float:
    """Seconds of a window."""
    return max(
        (decision.shortest(statistic(decision.RATE, j), settings) for j in _octaves(decision.RATE, settings)),
        default=0.0,
    )


@algorithm("wavelet", version=1, shortest=shortest)
def judge(window: WindowData, settings: Settings) -> Judgement:
    """Wavelet energy by octaves (Daubechies, stationary) against the window's own quiet part."""
    judged = {level: _level(window, level, settings) for level in levels(window.rate, settings)}
    level = max(judged, key=lambda one: judged[one].score)
    found = judged[level]
    bounds = {"low_hz": window.rate / 2 ** (level + 1), "high_hz": window.rate / 2**level}
    return Judgement(found.suspicious, found.score, found.onset, found.detail | bounds)


def _level(window: WindowData, level: int, settings: Settings) -> Judgement:
    measure = decision.Measure(statistic(window.rate, level), "coefficient_mhz", 1e3, settings.floor)
    return decision.judge(window, decision.series(window), measure, settings)
