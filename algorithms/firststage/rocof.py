"""Did the rate of change of frequency change at once? Sliding median ROCOF.

A loss of power changes the slope of the frequency at once (swing equation, df/dt = f dP / 2H [Kundur1994, 3.9]). The
slope is taken over `lag`; its median over `span` is deaf to phase jumps and spikes that last for less than half of it.
(ENTSO-E, Rate of change of frequency withstand capability, 2018, averages over 500 ms as well.) The statistic is the
change of that median against the span before: a common ramp, however steep, has none.

[Kundur1994] Power System Stability and Control.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from algorithms.firststage import decision
from algorithms.firststage.decision import samples
from algorithms.firststage.streams import CALM, Chain, difference, each, mean, median, size
from algorithms.registry import Judgement, Seconds, WindowData, algorithm


class Settings(decision.Settings):
    """Over what the slope is taken, and how much is too much."""

    limit: Annotated[float, Field(gt=1)] = 4.0
    """Largest change of the slope, in multiples of the usual peak of the window."""
    lag: Seconds = 0.2
    """The slope is between means over half of this, so far apart."""
    span: Seconds = 0.5
    """The median is over this."""
    floor: float = 0.002
    """Hz/s; a usual peak below this counts as this: resolution and noise of a device."""


def statistic(rate: float, settings: Settings) -> Chain:
    """Change of the median slope [Hz/s]."""
    lag, span = samples(settings.lag, rate, 2), samples(settings.span, rate)
    slope = difference(lag), each(lambda x: x * (rate / lag))
    return Chain(median(CALM), mean(lag // 2), *slope, median(span), difference(span + lag), size())


def shortest(settings: Settings) -> float:
    """Seconds of a window."""
    return decision.shortest(statistic(decision.RATE, settings), settings)


@algorithm("rocof", version=1, shortest=shortest)
def judge(window: WindowData, settings: Settings) -> Judgement:
    """Change of the sliding median ROCOF (rate of change of frequency) against the window's own quiet part."""
    measure = decision.Measure(statistic(window.rate, settings), "mhz_per_s", 1e3, settings.floor)
    return decision.judge(window, decision.series(window), measure, settings)
