"""Frequency, damping and shape of modes from how several devices swing after a jolt: the matrix pencil.

A free response is a sum of damped sinusoids. The right singular vectors of its Hankel matrix span them; their shift
from one sample to the next has the poles as eigenvalues ([Hua1990] Hua, Sarkar, "Matrix pencil method for estimating
parameters of exponentially damped/undamped sinusoids in noise", IEEE Trans. Acoust. Speech Signal Process. 38, 814).
The matrices of all devices stand above each other: they have the poles in common, and amplitude and phase each of its
own (Prony's method does the same by linear prediction, and is far more sensitive to noise). How many poles: as many
singular values as rise above noise ([Gavish2014], IEEE Trans. Inf. Theory 60, 5040).

Standard errors are the Cramér-Rao bound of the fitted sum, with the noise that the rest has around the mode's own
frequency, and that all devices have in common.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

F8 = NDArray[np.float64]
C16 = NDArray[np.complex128]

MOST_POLES = 16
OVER = 5.0
"""Samples in a period of the fastest frequency that is asked for."""
LONGEST = 400
"""Samples of a device that are fitted; the pencil's work grows with their third power."""
LEAST = 24
"""Samples"""
FASTEST = 1e-3
"""A pole that small is gone after one sample: noise."""
MOST_GROWTH = 10.0
"""Nepers over all samples; more would be no oscillation but noise, or the end of the grid."""
BESIDE = 0.5
"""Of the frequency, on both sides: where the noise around a mode is taken."""


@dataclass(frozen=True)
class Mode:
    """Of m devices."""

    hertz: float
    damping: float
    """Ratio; negative if it grows."""
    error: float
    """Standard error of the ratio."""
    amplitude: F8
    """[m] at the first sample, in the unit of the series"""
    phase: F8
    """[m] rad, against the device that swings most"""
    energy: float
    """Sum of squares over all samples and devices"""


def slower(x: F8, rate: float, high: float) -> tuple[F8, float]:
    """x [m, n] with no more samples than frequencies up to `high` [Hz] need, and their rate."""
    by = max(1, int(rate / (OVER * high)))
    if by == 1:
        return x, rate
    from scipy.signal import resample_poly  # see `disturbance.warm`

    return np.asarray(resample_poly(x, 1, by, axis=1, padtype="line")), rate / by


def ringdown(x: F8, rate: float, low: float, high: float) -> list[Mode]:
    """Modes between two frequencies [Hz] of x [m, n], strongest first. Empty if too few samples are given.

    x has no NaN; it begins when what made it swing is over.
    """
    x, rate = slower(x - x.mean(axis=1, keepdims=True), rate, high)
    x = x[:, :LONGEST]
    if x.shape[1] < LEAST or not x.any():
        return []
    return modes(x, poles(x), rate, low, high)


def poles(x: F8, most: int = MOST_POLES) -> C16:
    """[p] What the samples of x [m, n] are multiplied with from each to the next."""
    length = x.shape[1] // 2
    views = sliding_window_view(x, length + 1, axis=1)
    hankel = views.reshape(-1, length + 1)
    _, sizes, vectors = np.linalg.svd(hankel, full_matrices=False)
    beta = min(hankel.shape) / max(hankel.shape)
    noise = np.median(sizes) * (0.56 * beta**3 - 0.95 * beta**2 + 1.82 * beta + 1.43)
    count = int(np.clip(np.count_nonzero(sizes > max(noise, 1e-10 * sizes[0])), 2, min(most, length // 2)))
    span = vectors[:count].T
    shift = np.linalg.lstsq(span[:-1], span[1:], rcond=None)[0]
    return np.asarray(np.linalg.eigvals(shift), dtype=np.complex128)  # real ones alone come as such


def modes(x: F8, every: C16, rate: float, low: float, high: float) -> list[Mode]:
    """Those of the poles [p] that lie between two frequencies [Hz], fitted to x [m, n] together with the others."""
    size = np.abs(every)
    every = every[(size > FASTEST) & (x.shape[1] * np.log(np.maximum(size, FASTEST)) < MOST_GROWTH)]
    t = np.arange(x.shape[1])
    courses = np.exp(np.log(every)[:, None] * t)  # [p, n]
    weights = np.linalg.lstsq(courses.T, x.T.astype(np.complex128), rcond=None)[0]  # [p, m]
    rest = x - (weights.T @ courses).real
    s = np.log(every) * rate
    wanted = np.flatnonzero((s.imag > 2 * pi * low) & (s.imag < 2 * pi * high))
    found = []
    for k in wanted:
        one = s[k]
        course = 2.0 * (weights[k][:, None] * courses[k]).real
        leading = weights[k, int(np.argmax(np.abs(weights[k])))]
        found.append(
            Mode(
                float(one.imag / (2 * pi)),
                float(-one.real / abs(one)),
                _error(one / rate, weights[k], courses, _noise(rest, rate, one.imag / (2 * pi))),
                np.asarray(2.0 * np.abs(weights[k])),
                np.asarray(np.angle(weights[k] / leading)) if leading else np.zeros(x.shape[0]),
                float(np.sum(course**2)),
            )
        )
    return sorted(found, key=lambda mode: -mode.energy)


def _noise(rest: F8, rate: float, hertz: float) -> F8:
    """[m] Variance that white noise would have whose spectrum is that of the rest around a frequency."""
    power = np.abs(np.fft.rfft(rest, axis=1)) ** 2 / rest.shape[1]
    away = np.abs(np.fft.rfftfreq(rest.shape[1], 1 / rate) - hertz)
    near = away <= max(BESIDE * hertz, np.sort(away)[1])
    return np.asarray(np.maximum(power[:, near].mean(axis=1), 1e-30))


def _error(s: complex, weights: C16, courses: C16, noise: F8) -> float:
    """Standard error of the damping ratio of a pole s (per sample) with weights [m], among all courses [p, n].

    Devices count as one together: the ambient, which is most of the noise, is common to them.
    """
    t = np.arange(courses.shape[1])
    own = weights[:, None] * np.exp(s * t)  # [m, n]
    both = np.stack([2 * (t * own).real, 2 * (1j * t * own).real], axis=2)  # [m, n, 2]: by growth, by frequency
    others = np.linalg.qr(np.concatenate([courses.real, courses.imag]).T)[0]
    both = both - others @ (others.T @ both)
    information = np.einsum("mni,mnj,m->ij", both, both, 1 / noise) / weights.size
    gradient = np.array([-(s.imag**2), s.real * s.imag]) / abs(s) ** 3
    try:
        return float(np.sqrt(gradient @ np.linalg.solve(information, gradient)))
    except np.linalg.LinAlgError:
        return float("inf")
