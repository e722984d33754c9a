"""float32 as text: with the fewest digits that give it back, for many values at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FORMAT = "%.9g"
"""Nine digits tell any two float32 apart; of what `plain` gives, no more are printed than it needs."""


def plain(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Each float32 as the float64 of the fewest decimal digits (6 to 9) that is nearest to it."""
    wide = values.astype(np.float64)
    size = np.abs(wide)
    usual = (size >= 1e-9) & (size < 1e12)
    found = wide.copy()
    exponent = np.floor(np.log10(size, where=usual, out=np.zeros_like(size)))
    for digits in (8, 7, 6):
        scale = 10.0 ** (digits - 1 - exponent)
        with np.errstate(invalid="ignore", over="ignore"):
            rounded = np.rint(wide * scale) / scale
            fits = usual & (rounded.astype(np.float32) == values)
        found[fits] = rounded[fits]
    return found
