"""What goes on: oscillations as narrow lines over what the grid hums anyway, in all devices together.

Short-time spectra of the turning of the angle. A line that is coherent over tens of seconds stands out of the bins
beside it, whose power is the ambient's and shows the ambient's own pattern over the devices: the distance of each bin
from the pattern of its neighbours [Mahalanobis1936] is a periodogram test for a line in coloured noise
([Follum2015], IEEE Trans. Power Syst. 31(1), "Detection of forced oscillations in power systems with multichannel
methods"). An ambient mode is no line: its damping makes it as wide as the neighbours that it is compared with.

Slow lines, 0.14 to 2.5 Hz, are electromechanical: windows of 41 s. Fast ones, 3 to 22 Hz, are not (converters;
 sub-synchronous torsion seen in phasors): windows of 20 s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

F8 = NDArray[np.float64]
C16 = NDArray[np.complex128]
Bools = NDArray[np.bool_]

ROUNDS = 3
RIDGE = 0.01
BACKGROUND = 0.12
"""Hz on each side that a bin is compared with."""
LEAST_BINS = 3
GUARD = 2
"""Bins beside a line that it leaks into (Hann)."""


@dataclass(frozen=True)
class Band:
    """Frequencies that are looked at together."""

    name: str
    low: float
    """Hz"""
    high: float
    length: float
    """Seconds of a spectrum; the next one begins a quarter later."""


SLOW = Band("slow", 0.14, 2.5, 40.96)
FAST = Band("fast", 3.0, 22.0, 20.0)


@dataclass(frozen=True)
class Lines:
    """What a band shows; s spectra of b bins."""

    band: Band
    hertz: F8
    """[b]"""
    middle: F8
    """[s] seconds: the middle of each spectrum's window"""
    spectra: C16
    """[m, s, b] mHz"""
    whole: F8
    """[s, b] squared distance over its median"""
    others: F8
    """[s, b] without the device that shows most"""
    precision: C16
    """[b, m, m] inverse of what the bins beside show, of any size"""
    turning: F8
    """[m, n] mHz"""
    rate: float
    """Samples a second"""


def lines(turning: F8, rate: float, band: Band) -> Lines | None:
    """`turning`: [m, n] mHz, gaps filled, of devices that take part. None if the window is too short."""
    length = round(band.length * rate)
    if turning.shape[1] < length + length // 2 or not turning.shape[0]:
        return None
    hop = length // 4
    cuts = sliding_window_view(turning, length, axis=1)[:, ::hop]
    window = np.hanning(length + 1)[:-1]
    spectra = np.fft.rfft((cuts - cuts.mean(axis=2, keepdims=True)) * window, axis=2) * (2.0 / window.sum())
    hertz: F8 = np.fft.rfftfreq(length, 1.0 / rate).astype(np.float64)
    wide = max(LEAST_BINS, round(BACKGROUND * length / rate))
    first = max(int(np.searchsorted(hertz, band.low)) - GUARD - wide, 1)
    stop = min(int(np.searchsorted(hertz, band.high)) + GUARD + wide + 1, hertz.size)
    spectra, hertz = spectra[:, :, first:stop], hertz[first:stop]
    whole, others, precision = _distances(spectra, wide)
    inside = (hertz >= band.low) & (hertz <= band.high)
    middle = (np.arange(spectra.shape[1]) * hop + length / 2) / rate
    return Lines(
        band,
        hertz[inside],
        middle,
        spectra[:, :, inside],
        whole[:, inside],
        others[:, inside],
        precision[inside],
        turning,
        rate,
    )


def _distances(spectra: C16, wide: int) -> tuple[F8, F8, C16]:
    """[s, b] squared distances of m devices from the pattern of the bins beside, over their median; its inverse. A
    device that stands still, as one whose angle is frozen, goes with no other one."""
    x = spectra.transpose(2, 1, 0)  # [b, s, m]
    m, conjugate = x.shape[2], x.conj()
    cover = np.broadcast_to(np.diag(np.median(np.abs(x) ** 2, axis=(0, 1)) + 1e-12), (x.shape[0], m, m)).astype(complex)
    for _ in range(ROUNDS):
        y = np.matmul(conjugate, np.linalg.inv(cover))  # covers are Hermitian: x' P, and not P x
        form = np.maximum(np.sum((y * x).real, axis=2), 1e-12)
        own = np.matmul((x / form[..., None]).transpose(0, 2, 1), conjugate)
        cover = _beside(own, wide)
        scale = np.maximum(np.trace(cover, axis1=1, axis2=2).real / m, 1e-30)
        diagonal = np.einsum("bii->bi", cover).real
        more = np.where(diagonal > 0.0, RIDGE * diagonal, scale[:, None])
        cover = (cover + more[:, :, None] * np.eye(m)) / scale[:, None, None]
    precision = np.linalg.inv(cover)
    y = np.matmul(conjugate, precision)
    whole = np.sum((y * x).real, axis=2)
    alone = np.abs(y) ** 2 / np.einsum("bii->bi", precision).real[:, None]
    others = np.maximum(whole - alone.max(axis=2), 0.0)
    usual = np.maximum(_beside(np.median(whole, axis=1), wide), 1e-30) / (2 * wide)
    return (whole / usual[:, None]).T, (others / usual[:, None]).T * (m / max(m - 1, 1)), precision


def _beside(x: Any, wide: int) -> Any:
    """Sum over the bins (first axis) from GUARD + 1 to GUARD + wide away, on both sides; at the ends as many inside."""
    total = np.concatenate([np.zeros_like(x[:1]), np.cumsum(x, axis=0)])
    n = x.shape[0]
    at = np.clip(np.arange(n), GUARD + wide, n - GUARD - wide - 1)
    outer = total[at + GUARD + wide + 1] - total[at - GUARD - wide]
    inner = total[at + GUARD + 1] - total[at - GUARD]
    return outer - inner
