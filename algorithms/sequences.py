"""What three phases say together: symmetrical components, power, unbalance.

All expressions take complex phasors (rms values) with the three phases A, B, C on the last axis, any shape before it,
and are NaN where one of their inputs is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

C16 = NDArray[np.complex128]
F8 = NDArray[np.float64]

A = np.exp(2j * np.pi / 3)
"""Turns a phasor by 120 degrees."""
FORTESCUE = np.array([[1, 1, 1], [1, A, A**2], [1, A**2, A]]) / 3
"""Rows: zero, positive and negative sequence of the phases A, B, C."""


def symmetrical(phases: C16) -> C16:
    """[…, 3] zero, positive and negative sequence of the phases […, 3], referred to phase A.

    X0 = (A + B + C) / 3, X1 = (A + aB + a²C) / 3, X2 = (A + a²B + aC) / 3, a = 1∠120° (C. L. Fortescue, Method of
    symmetrical co-ordinates applied to the solution of polyphase networks, AIEE 1918).
    """
    told: C16 = phases @ FORTESCUE.T
    return told


def power(voltage: C16, current: C16) -> C16:
    """[…] P + jQ [W, var] of three phases: Σ V I*, of voltages to neutral; positive Q where the current lags."""
    told: C16 = (voltage * current.conj()).sum(axis=-1)
    return told


def unbalance(phases: C16) -> F8:
    """[…] Unbalance [%]: 100 |X2| / |X1| (IEC 61000-4-30:2015, 5.7.1); NaN where there is no positive sequence."""
    _, positive, negative = np.moveaxis(np.abs(symmetrical(phases)), -1, 0)
    told: F8 = 100 * negative / np.where(positive > 0, positive, np.nan)
    return told
