"""Frequency and damping of a grid's modes from its ambient swinging, without a jolt.

Loads that change at random excite the modes all the time. The correlation of what two places show, over the lag
between them, is a free response of the same modes ([James1995] James, Carne, Lauffer, "The natural excitation technique
(NExT) for modal parameter extraction from operating structures", Modal Anal. 10, 260; with Yule-Walker equations in
power systems: [Pierre1997] Pierre, Trudnowski, Donnelly, "Initial results in electromechanical mode identification from
ambient data", IEEE Trans. Power Syst. 12, 1245). So the matrix pencil of `ringdown` reads it.

The ambient frequency is nearly a random walk, which would drown the modes: its differences are taken. Their first lags
also hold the noise of the devices and are left out. Standard errors come from leaving out one block of time after the
other (jackknife, [Efron1982] "The jackknife, the bootstrap and other resampling plans").
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from algorithms.ringdown import Mode, modes, poles, slower

F8 = NDArray[np.float64]

PERIODS = 6.0
"""Of the lowest frequency: the longest lag, if the window is long enough."""
SHARE = 0.05
"""Of the window: the longest lag at most."""
BLOCKS = 8
SKIP = 2
"""Lags that hold the devices' noise."""
ORDER = 12
"""Poles: a few modes, and what is left of slow changes of load."""
NEAR = 0.2
"""Of the frequency: a mode is the same if it is found no further away."""
LEAST_LAGS = 24


def modemeter(x: F8, rate: float, low: float, high: float) -> list[Mode]:
    """Modes between two frequencies [Hz] of the ambient frequencies x [m, n], strongest first.

    x has no NaN. Amplitudes are of the correlation with the device that moves most, whose phase is 0; `energy` is that
    of the correlations. Empty if too few samples are given (some ten periods of `low`).
    """
    x, rate = slower(x, rate, high)
    x = np.diff(x, axis=1)
    lags = int(min(PERIODS / low * rate, SHARE * x.shape[1])) + SKIP
    if lags < LEAST_LAGS or not x.any():
        return []
    parts = correlations(x - x.mean(axis=1, keepdims=True), lags)
    found = _read(parts.sum(axis=0), rate, low, high)
    without = [_read(parts.sum(axis=0) - part, rate, low, high) for part in parts]
    return [replace(mode, error=_jackknife(mode, without)) for mode in found]


def correlations(x: F8, lags: int, blocks: int = BLOCKS) -> F8:
    """[blocks, m, lags] Sums over the blocks' samples t of r(t) x(t + lag); r: the row of x [m, n] with most energy."""
    leading = x[int(np.argmax(np.sum(x * x, axis=1)))]
    length = (x.shape[1] - lags + 1) // blocks
    size = next_fast_len(length + lags - 1 + length, real=True)
    told = np.empty((blocks, x.shape[0], lags))
    for block in range(blocks):
        start = block * length
        near = rfft(leading[start : start + length], size)
        far = rfft(x[:, start : start + length + lags - 1], size, axis=1)
        told[block] = irfft(far * near.conj(), size, axis=1)[:, :lags]
    return told


def _read(correlation: F8, rate: float, low: float, high: float) -> list[Mode]:
    rest = correlation[:, SKIP:]
    return modes(rest, poles(rest, ORDER), rate, low, high)


def _jackknife(mode: Mode, without: list[list[Mode]]) -> float:
    """Standard error of the damping; infinite if the mode is not there without one of the blocks."""
    near = [min(each, key=lambda one: abs(one.hertz - mode.hertz), default=None) for each in without]
    ratios = [one.damping for one in near if one is not None and abs(one.hertz / mode.hertz - 1) < NEAR]
    if len(ratios) < len(without):
        return float("inf")
    return float(np.sqrt((len(ratios) - 1) * np.var(ratios)))
