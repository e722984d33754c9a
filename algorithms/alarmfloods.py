"""Alarm floods: times in which more alarms come than a person can attend to (ANSI/ISA-18.2, EEMUA 191)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SPAN = 600 * 10**9
"""ns in which alarms are counted."""
BEGIN, END = 10, 5
"""A flood begins with so many alarms in ten minutes; it is over when there are fewer than these."""


class Flood(NamedTuple):
    """Alarms [first, stop) of those that were looked at."""

    first: int
    stop: int
    most: int
    """In any ten minutes of it."""


def floods(time: NDArray[np.int64], begin: int = BEGIN, end: int = END, span: int = SPAN) -> list[Flood]:
    """The floods among alarms that were raised at times [n], ascending, ns."""
    oldest = np.searchsorted(time, time - span, side="right")  # of those in the ten minutes up to each
    count = np.arange(1, len(time) + 1) - oldest
    found: list[Flood] = []
    at = 0
    while len(rising := np.flatnonzero(count[at:] >= begin)):
        peak = at + int(rising[0])
        calm = np.flatnonzero(count[peak:] < end)
        stop = peak + int(calm[0]) if len(calm) else len(time)
        first = max(int(oldest[peak]), found[-1].stop if found else 0)
        found.append(Flood(first, stop, int(count[peak:stop].max())))
        at = stop
    return found
