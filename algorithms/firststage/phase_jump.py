"""Did the angle of the voltage jump? Windows `of: angle 1`.

A change of power, or of the network, turns the voltages near it at once, before any machine can change its speed
([Kundur1994] Power System Stability and Control, 3.9). The statistic is the size of a step in a least-squares fit of a
step and a smooth curve to `half` on both sides of an instant, without the `gap` that a class M filter smears. The
curve has level, slope and bend: neither an off-nominal frequency nor a constant rate of its change is a jump.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from algorithms.coanalysis.transients import kernel
from algorithms.firststage import decision
from algorithms.firststage.decision import samples
from algorithms.firststage.streams import Chain, difference, each, lagged, size
from algorithms.polar import wrapped
from algorithms.registry import Judgement, Seconds, WindowData, algorithm

BENDS = 3
"""Terms of the curve."""


class Settings(decision.Settings):
    """What is fitted, and how much is too much."""

    limit: Annotated[float, Field(gt=1)] = 9.0
    """Largest jump, in multiples of the usual peak of the window."""
    half: Seconds = 0.4
    """The fit has so much on each side."""
    gap: Seconds = 0.06
    """On each side of the jump; left out of the fit."""
    floor: Annotated[float, Field(gt=0)] = 0.01
    """Degrees; a usual jump below this counts as this: resolution and noise of a device."""


def statistic(rate: float, settings: Settings) -> Chain:
    """Size of the jump [degrees]."""
    step = kernel(samples(settings.half, rate, 3), samples(settings.gap, rate, 0), BENDS, kink=False)
    of_steps = -np.cumsum(step)[:-1]  # summed by parts: the same of the differences between samples
    return Chain(difference(1), each(wrapped), lagged(of_steps), size())


def shortest(settings: Settings) -> float:
    """Seconds of a window."""
    return decision.shortest(statistic(decision.RATE, settings), settings)


@algorithm("phase_jump", version=1, of=("angle",), shortest=shortest)
def judge(window: WindowData, settings: Settings) -> Judgement:
    """Jump of an angle (`of: angle 1`), beside frequency and its change, against the window's own quiet part."""
    x = decision.series(window)
    measure = decision.Measure(statistic(window.rate, settings), "jump_degrees", 1.0, settings.floor)
    turns = wrapped(np.diff(x, axis=1, prepend=x[:, :1]))
    return decision.judge(window, x, measure, settings, seen=turns)
