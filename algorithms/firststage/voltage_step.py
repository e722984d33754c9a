"""Did the voltage step or dip? Between medians on both sides of an instant. Windows `of: magnitude 1`.

The statistic is the difference between two medians over `span`, `gap` apart, in shares of the device's own median: the
filter of a class M device (IEC/IEEE 60255-118-1) smears a step over some 100 ms, a fault is cleared within as much.
Steps that are usual in the window do not count, nor does any below `least`: loads and taps make small ones all day. A
change above some per cent is a rapid voltage change (IEC 61000-4-30, 5.11), above 10 % a dip (5.4).
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from algorithms.firststage import decision
from algorithms.firststage.decision import samples
from algorithms.firststage.streams import Chain, difference, median, size
from algorithms.registry import Judgement, Seconds, WindowData, algorithm


class Settings(decision.Settings):
    """Over what the medians are, and how much is too much."""

    limit: Annotated[float, Field(gt=1)] = 4.0
    """Largest step, in multiples of the usual peak of the window."""
    least: Annotated[float, Field(gt=0, lt=1)] = 0.03
    """Share of the device's median voltage; a smaller step is never suspicious."""
    span: Seconds = 0.1
    """Each median is over this."""
    gap: Seconds = 0.06
    """Between the two."""


def statistic(rate: float, settings: Settings) -> Chain:
    """Size of the step, in the unit of the series."""
    span, gap = samples(settings.span, rate), samples(settings.gap, rate, 0)
    return Chain(median(span), difference(span + gap), size())


def shortest(settings: Settings) -> float:
    """Seconds of a window."""
    return decision.shortest(statistic(decision.RATE, settings), settings)


@algorithm("voltage_step", version=1, of=("magnitude",), shortest=shortest)
def judge(window: WindowData, settings: Settings) -> Judgement:
    """Step or dip of a magnitude (`of: magnitude 1`) against the window's own quiet part."""
    x = decision.series(window)
    x = x / _level(x)
    measure = decision.Measure(statistic(window.rate, settings), "share", 1.0, settings.least / settings.limit)
    return decision.judge(window, x, measure, settings)


def _level(x: decision.F8) -> decision.F8:
    """[m, 1] Median of each series; 1 where it is no voltage."""
    level = np.median(x, axis=1, keepdims=True)
    return np.asarray(np.where(level > 0.0, level, 1.0))
