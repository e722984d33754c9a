"""Fewer samples a second without aliases: a low-pass filter of linear phase, taken at every `ratio`-th sample.

What lies above the new Nyquist frequency would come out as a slow oscillation that is not there. The filter is a sinc
under a Kaiser window (Kaiser & Schafer, On the use of the I0-sinh window, 1980; Oppenheim & Schafer, Discrete-Time
Signal Processing, 3rd ed., 7.5.3). It is symmetric about the sample it is told for, so it delays nothing: its second
half is waited for. Phasors are filtered as complex numbers, an angle that turns does not fold.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
Bools = NDArray[np.bool_]

PASSED = 0.5
"""What is below so much of the new Nyquist frequency comes through unchanged: a quarter of the new rate, where class M
of IEEE C37.118.1-2011 (5.5.6) asks for a fifth."""
DAMPING = 70.0
"""dB at the new Nyquist frequency and above; the ripple below is as small."""


@cache
def taps(ratio: int) -> F8:
    """[2k + 1] The filter for one sample of `ratio`, of sum 1; symmetric, for a window about the sample that stays."""
    width = np.pi / ratio * (1 - PASSED)
    half = int(np.ceil((DAMPING - 7.95) / (2.285 * width) / 2))
    at = np.arange(-half, half + 1)
    middle = (1 + PASSED) / 2 / ratio
    """Of the transition, as a share of the old Nyquist frequency."""
    found: F8 = middle * np.sinc(middle * at) * np.kaiser(at.size, 0.1102 * (DAMPING - 8.7))
    found /= found.sum()
    found.setflags(write=False)
    return found


def reach(ratio: int) -> int:
    """Samples that the filter sees on either side of the one that stays."""
    return int(taps(ratio).size // 2)


def filtered(window: F8, taps: F8, limit: float) -> F8:
    """[c] Weighted sum of the samples [n, c] of a window under taps [n].

    Samples that are NaN are bridged by straight lines to their neighbours, at the ends by the nearest one; where they
    have more than the share `limit` of the weights' absolute sum, the result is NaN.
    """
    missing = np.isnan(window)
    if not missing.any():
        return np.asarray(taps @ window)
    weights = np.abs(taps)
    lost = weights @ missing > limit * weights.sum()
    found = np.full(window.shape[1], np.nan)
    whole = ~missing.any(axis=0)
    found[whole] = taps @ window[:, whole]
    some = ~(whole | lost)
    found[some] = taps @ _bridged(window[:, some], missing[:, some])
    return found


def _bridged(window: F8, missing: Bools) -> F8:
    """[n, c] Straight lines over what is missing; every channel has at least one sample."""
    n = window.shape[0]
    row = np.arange(n)[:, None]
    left = np.maximum.accumulate(np.where(missing, -1, row))
    right = np.minimum.accumulate(np.where(missing, n, row)[::-1])[::-1]
    left, right = np.where(left < 0, right, left), np.where(right >= n, left, right)
    low, high = np.take_along_axis(window, left, 0), np.take_along_axis(window, right, 0)
    share = np.where(right > left, row - left, 0) / np.maximum(right - left, 1)
    return np.asarray(low + share * (high - low))


def to_rectangular(values: F8, phasors: int, first: int = 2) -> None:
    """In place: magnitude and angle [degrees] of so many phasors, from channel `first` on the last axis, become real
    and imaginary part."""
    magnitude, angle = _pairs(values, phasors, first)
    turn = np.radians(angle)
    values[..., first : first + 2 * phasors : 2], values[..., first + 1 : first + 2 * phasors : 2] = (
        magnitude * np.cos(turn),
        magnitude * np.sin(turn),
    )


def to_polar(values: F8, phasors: int, first: int = 2) -> None:
    """In place, the way back; angles are -180..180 degrees."""
    real, imaginary = _pairs(values, phasors, first)
    values[..., first : first + 2 * phasors : 2], values[..., first + 1 : first + 2 * phasors : 2] = (
        np.hypot(real, imaginary),
        np.degrees(np.arctan2(imaginary, real)),
    )


def _pairs(values: F8, phasors: int, first: int) -> tuple[F8, F8]:
    pairs = values[..., first : first + 2 * phasors]
    return pairs[..., 0::2].copy(), pairs[..., 1::2].copy()
