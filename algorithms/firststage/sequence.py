"""Did the negative or zero sequence voltage rise? Windows `of` the magnitude of such a phasor.

A fault that does not involve all phases alike, and a phase that opens, drive negative sequence, with ground zero
sequence, too ([Anderson1973] Analysis of Faulted Power Systems); loads and long lines without transposition give a
level that hardly moves. The statistic is the rise of a median over `span` above the median over `before` ahead of it.

The phasor is one of the device's own, or one that a concentrator derives of its three phases (`derive: [sequences]`).
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from algorithms.firststage import decision
from algorithms.firststage.decision import samples
from algorithms.firststage.streams import Chain, Sliding, each, median
from algorithms.registry import Judgement, Seconds, WindowData, algorithm

F8 = decision.F8


class Settings(decision.Settings):
    """Over what the medians are, and how much is too much."""

    limit: Annotated[float, Field(gt=1)] = 3.0
    """Largest rise, in multiples of the usual peak of the window."""
    span: Seconds = 0.1
    """The median that rises is over this."""
    before: Seconds = 1.0
    """The one that it rises above is over this."""
    share: Annotated[float, Field(gt=0)] = 0.02
    """Of the median of the window; a usual rise below this counts as this."""
    floor: Annotated[float, Field(ge=0)] = 0.0
    """The same in the unit of the quantity (V): needed where the magnitude is 0 without a fault."""


class Rise:
    """Of a median [m, k] over so many samples above that over the `before` ahead of it; 0 if it falls."""

    def __init__(self, span: int, before: int) -> None:
        self.reach = span + before
        self._near, self._far, self._then = median(span), median(before), Sliding(span + 1, lambda x: x[:, :-span])

    def push(self, x: F8, /) -> F8:
        near, far = self._near.push(x), self._then.push(self._far.push(x))
        return np.asarray(near[:, near.shape[1] - far.shape[1] :] - far)


def statistic(rate: float, settings: Settings) -> Chain:
    """Rise, in the unit of the series."""
    return Chain(Rise(samples(settings.span, rate), samples(settings.before, rate)), each(lambda x: np.maximum(x, 0.0)))


def shortest(settings: Settings) -> float:
    """Seconds of a window."""
    return decision.shortest(statistic(decision.RATE, settings), settings)


@algorithm("sequence", version=1, of=("magnitude", "negative", "zero"), shortest=shortest)
def judge(window: WindowData, settings: Settings) -> Judgement:
    """Rise of a negative or zero sequence magnitude against the window's own quiet part."""
    x = decision.series(window)
    floor = np.maximum(settings.share * np.median(x, axis=1), settings.floor)
    measure = decision.Measure(statistic(window.rate, settings), "rise", 1.0, floor)
    return decision.judge(window, x, measure, settings)
