"""Phase and magnitude correction of phasors, channel by channel (instrument transformers, cables, wrong terminals)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from algorithms.polar import wrapped

F4 = NDArray[np.float32]


def correct(pairs: F4, factor: NDArray[np.float64], angle: NDArray[np.float64]) -> None:
    """Correct magnitude and angle pairs [k, m, p, 2] in place: times `factor` [m, p], plus `angle` [m, p] in degrees.

    Angles are wrapped to above -180 … 180 where one is added; pairs with factor 1 and angle 0 stay the same bits.
    """
    scaled = factor != 1
    if scaled.any():
        pairs[:, scaled, 0] *= factor[scaled].astype(np.float32)
    turned = angle != 0
    if turned.any():
        pairs[:, turned, 1] = wrapped(pairs[:, turned, 1] + angle[turned])
