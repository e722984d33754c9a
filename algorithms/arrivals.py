"""When the electromechanical wave of an event reached each device: its frequency leaves what it usually does.

[Thorp1998], "Electromechanical wave propagation in large electric power systems", IEEE Trans. Circuits Syst. I 45(6).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from algorithms.observations import GAUSSIAN_MAD, Observations

F8 = NDArray[np.float64]

QUIET = 10.0
"""s before the onset that tell what a device usually does."""
CHANGE = 1.0
"""s over which a frequency's usual change is taken; the level before is the mean over as long."""
UNUSUAL = 4.0
"""Times the usual change."""
GUARD = 0.14
"""s before the onset that a filter and a late onset take."""
LONGEST = 2.0
"""s after the onset in which a wave arrives; at 200 km/s it has come 400 km."""
EARLY = 0.1
"""s that a wave may come before the onset: that may be late."""


def arrivals(seen: Observations, onset: int) -> F8:
    """[m] s after the onset; NaN where the frequency stays as usual, or the window does not reach around it."""
    quiet, change, guard, early, longest = (round(span * seen.rate) for span in (QUIET, CHANGE, GUARD, EARLY, LONGEST))
    if onset < quiet or onset + longest > seen.samples or change < 1:
        return np.full(seen.devices, np.nan)
    before = seen.frequency[:, onset - quiet : onset - guard]
    around = seen.frequency[:, onset - early : onset + longest]
    whole = np.all(np.isfinite(before), axis=1) & np.all(np.isfinite(around), axis=1)
    usual = GAUSSIAN_MAD * np.median(np.abs(before[:, change:] - before[:, :-change]), axis=1)
    away = np.abs(around - before[:, -change:].mean(axis=1, keepdims=True))
    over = away > UNUSUAL * usual[:, None]
    return np.where(whole & over.any(axis=1), (np.argmax(over, axis=1) - early) / seen.rate, np.nan)
