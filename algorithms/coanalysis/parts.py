"""Many devices, in parts of neighbours: patterns of hundreds need more quiet past, and time, than there is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
Places = NDArray[np.intp]

MOST = 20
"""Devices of a part."""


def parts(latitude: F8, longitude: F8, most: int = MOST) -> list[Places]:
    """Devices by place, each in one part of at most so many: halves along the longer side, again and again.

    Those without a position stay in their order, after all others.
    """
    scale = np.cos(np.radians(np.nanmean(latitude))) if np.isfinite(latitude).any() else 1.0
    return _halves(np.stack([latitude, longitude * scale]), np.arange(latitude.size), most)


def _halves(position: F8, devices: Places, most: int) -> list[Places]:
    if devices.size <= most:
        return [np.sort(devices)]
    at = position[:, devices]
    known = np.isfinite(at).all(axis=0)
    axis = int(np.argmax(np.ptp(at[:, known], axis=1))) if known.any() else 0
    order = devices[np.argsort(np.where(known, at[axis], np.inf), kind="stable")]
    half = devices.size // 2
    return _halves(position, order[:half], most) + _halves(position, order[half:], most)
