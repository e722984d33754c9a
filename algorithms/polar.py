"""Phasors as magnitude and angle in degrees, as rows carry them, and as complex numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

C16 = NDArray[np.complex128]


def phasors(magnitude: NDArray[Any], angle: NDArray[Any]) -> C16:
    """Complex numbers of magnitudes and angles [degrees] of one shape; NaN where either is."""
    radians = np.radians(angle.astype(np.float64))
    return magnitude * (np.cos(radians) + 1j * np.sin(radians))


def polar(phasor: C16) -> NDArray[np.float64]:
    """[…, 2] magnitude and angle [degrees, above -180 to 180] of complex numbers […]; NaN where one is NaN."""
    angle = np.degrees(np.angle(phasor))
    return np.stack([np.abs(phasor), np.where(angle == -180, 180, angle)], axis=-1)


def wrapped(angle: NDArray[Any]) -> NDArray[Any]:
    """Angles [degrees] of any number of turns as above -180 … 180; those that are so already stay the same bits."""
    with np.errstate(invalid="ignore"):  # of what is infinite
        return np.where((angle > -180) & (angle <= 180), angle, 180 - (180 - angle) % 360)
