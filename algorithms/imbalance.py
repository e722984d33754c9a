"""How much power a grid lost or gained, by its frequency.

- Frequency response β: lost power over how far the frequency went until it turned (points A and C of NERC BAL-003; what
  FNET tells sizes by, [Markham2014], "Electromechanical speed map development using FNET/GridEye frequency
  measurements", IEEE PES GM). It holds once the frequency has turned, and counts what loads and governors do.
- Inertia: the swing equation of all machines as one, ΔP = 2·E/f0 · df/dt with the kinetic energy E ([Kundur1994],
  3.9 and 11.1); df/dt over the first half second, before governors act, less what it was before.

The grid's frequency is the median of the devices'.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from algorithms.observations import Observations

F8 = NDArray[np.float64]

OF_POWER = ("gen_trip", "load_loss")
"""Kinds that change the balance of the grid."""
TURNS = 8.0
"""s in which the frequency turns."""
BEFORE = (-1.5, -0.15)
FIRST = (0.1, 0.6)
"""s around the onset: filters of 100 ms, and an onset some samples off, lie between."""


def lost_power(seen: Observations, onset: float, kind: str, size_mhz: float, response: float, inertia: float) -> float:
    """MW, signed as the frequency goes: below 0 = lost generation. NaN where nothing tells it, or it is no such kind.

    `onset` [s] in the window, `size_mhz` how far the frequency went, `response` β [MW/Hz] and `inertia` E [MW·s], NaN
    where they are not known.
    """
    if kind not in OF_POWER:
        return np.nan
    if np.isfinite(response) and onset + TURNS <= seen.samples / seen.rate:
        return 1e-3 * size_mhz * response
    return 2.0 * inertia / seen.nominal * rocof(seen, onset)


def rocof(seen: Observations, onset: float) -> float:
    """Hz/s by which the frequency of the grid began to move at `onset` [s]; NaN if the window does not reach around."""
    count = np.sum(np.isfinite(seen.frequency), axis=0)
    if not count.any():
        return np.nan
    known = np.flatnonzero(count)
    middle = np.full(seen.samples, np.nan)
    middle[known] = np.nanmedian(seen.frequency[:, known], axis=0)
    time = np.arange(seen.samples) / seen.rate - onset
    slopes = [_slope(time, middle, span) for span in (BEFORE, FIRST)]
    return slopes[1] - slopes[0]


def _slope(time: F8, value: F8, span: tuple[float, float]) -> float:
    """Of the straight line through the values in a span; NaN unless at least half of it is there."""
    whole = (span[1] - span[0]) / (time[1] - time[0])
    use = (time >= span[0]) & (time < span[1]) & np.isfinite(value)
    if np.sum(use) < max(0.5 * whole, 2.0):
        return np.nan
    return float(np.polyfit(time[use], value[use], 1)[0])
