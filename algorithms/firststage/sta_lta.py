"""Short-term over long-term average: the trigger of seismology, on the change of the frequency.

The characteristic function is the squared change between two means over `smooth`, `smooth` apart: nearly white for
the ambient of a grid, which is nearly a random walk; what it has all along, a ramp, is taken off. Its mean over
`short` (STA) is compared with a recursive mean over `long` (LTA) of what was before ([Allen1978], Bull. Seismol. Soc.
Am. 68, 1521; recursive: [Withers1998], Bull. Seismol. Soc. Am. 88, 95). The LTA follows an ambient that grows louder.

The first `long` of the window only feed the LTA: the window before has judged them.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from algorithms.firststage import decision
from algorithms.firststage.decision import samples
from algorithms.firststage.streams import CALM, Chain, Recursive, Sliding, difference, each, mean, median
from algorithms.registry import Hertz, Judgement, Seconds, WindowData, algorithm

F8 = NDArray[np.float64]


class Settings(decision.Settings):
    """Lengths of the averages, and how much is too much."""

    limit: Annotated[float, Field(gt=1)] = 4.0
    """Largest root of STA over LTA, in multiples of the usual peak of the window."""
    short: Seconds = 0.5
    """Length of the short-term average."""
    long: Seconds = 10.0
    """Time constant of the long-term average; so much of the window's beginning is not judged."""
    smooth: Seconds = 0.2
    """Length of the means whose change is looked at, and of the pause between them."""
    floor: Hertz = 0.0001
    """A long-term change below this counts as this: resolution and noise of a device."""


class Deviation:
    """From the recursive mean."""

    reach = 1

    def __init__(self, long: int) -> None:
        self._mean = Recursive(long)

    def push(self, x: F8, /) -> F8:
        return np.asarray(x - self._mean.push(x))


class Ratio:
    """Root of the mean of the last `short` values [m, k] over the recursive mean of those before them."""

    def __init__(self, short: int, long: int, floor: float) -> None:
        self.reach = short + 1
        self._short, self._long, self._floor = mean(short), Recursive(long), floor
        self._before = Sliding(short + 1, lambda x: x[:, :-short])
        self._skip = long
        """Values to come that only teach."""

    def push(self, x: F8, /) -> F8:
        near, far = self._short.push(x), self._before.push(self._long.push(x))
        ratio = np.sqrt(near[:, near.shape[1] - far.shape[1] :] / np.maximum(far, self._floor**2))
        left_out = min(self._skip, ratio.shape[1])
        self._skip -= left_out
        return np.asarray(ratio[:, left_out:])


def statistic(rate: float, settings: Settings) -> Chain:
    """Root of STA over LTA."""
    smooth, short, long = (samples(span, rate) for span in (settings.smooth, settings.short, settings.long))
    change = median(CALM), mean(smooth), difference(2 * smooth)
    return Chain(*change, Deviation(long), each(lambda x: x * x), Ratio(short, long, settings.floor))


def shortest(settings: Settings) -> float:
    """Seconds of a window."""
    return decision.shortest(statistic(decision.RATE, settings), settings)


@algorithm("sta_lta", version=1, shortest=shortest)
def judge(window: WindowData, settings: Settings) -> Judgement:
    """Short-term over long-term average of the frequency's change, against the window's own quiet part."""
    measure = decision.Measure(statistic(window.rate, settings), "ratio", 1.0, 1.0)
    return decision.judge(window, decision.series(window), measure, settings)
