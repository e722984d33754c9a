"""Did a line begin at one moment, or is it a mode that the ambient drives, and that rings louder for a while?

The envelope of a mode that small random changes drive is an autoregressive process of first order: each value is the
one before, turned and damped, and what was added meanwhile, complex Gaussian ([Wies2003] Wies, Pierre, Trudnowski,
"Use of ARMA block processing for estimating stationary low-frequency electromechanical modes", IEEE Trans. Power Syst.
18, 167). However badly the mode is damped, and however long its amplitude wanders, the powers of what is added are
exponentially distributed. An event adds at one moment more than that allows: a jolt from which the mode rings, or a
source that begins. The envelope is that of the line's own pattern over the devices, through the inverse of what the
bins beside it show (a matched filter in coloured noise, [Kay1998] Fundamentals of Statistical Signal Processing:
Detection Theory).

A line that does not decay in the time of the window is no ambient mode either.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

F8 = NDArray[np.float64]
C16 = NDArray[np.complex128]

FINER = 4
"""Times as short as a spectrum are the cuts that an envelope is made of; they overlap by half."""
AHEAD = 2
"""Cuts from one that tells to the one that is told: the next ones that share no sample with each other."""
SELDOM = 1e-4
"""Share of quiet windows in which the largest of exponential additions is over the limit."""
HEIGHT = 0.25
"""Of the largest addition: the first such one is the beginning."""


@dataclass(frozen=True)
class Course:
    """How a line came about."""

    score: float
    """Amplitude of the largest addition over the limit, 1 = at it; infinite if it does not decay."""
    begins: float
    """Seconds; NaN if no addition is over the limit."""


def envelope(x: C16, rate: float, hertz: float, length: float) -> tuple[F8, C16]:
    """Middles [k, s] and complex amplitudes [k] of x [n] at a frequency, in cuts of `length` seconds."""
    size = round(length * rate)
    cuts = sliding_window_view(x, size)[:: size // 2]
    t = np.arange(size) - 0.5 * (size - 1)
    cuts = cuts - cuts.mean(axis=1, keepdims=True)
    cuts = cuts - np.outer(cuts @ t / (t @ t), t)
    window = np.hanning(size + 1)[:-1]
    middle = (np.arange(cuts.shape[0]) * (size // 2) + 0.5 * (size - 1)) / rate
    turns = np.exp(-2j * np.pi * hertz * t / rate) * window * (2.0 / window.sum())
    return middle, cuts @ turns * np.exp(-2j * np.pi * hertz * middle)


def course(middle: F8, z: C16, since: float = 0.0) -> Course:
    """Of the envelope z [k] at `middle` [k, s]: the additions of which the later cut is not before `since` count."""
    first, then = z[:-AHEAD], z[AHEAD:]
    if z.size < 2 * AHEAD + 2 or not first.any():
        return Course(0.0, np.nan)
    stays = np.vdot(first, then) / np.vdot(first, first).real
    added = np.abs(then - stays * first) ** 2
    usual = max(float(np.median(added)) / np.log(2.0), 1e-30)
    added = np.where(middle[AHEAD:] >= since, added / (usual * limit(added.size)), 0.0)
    at = int(np.argmax(added > max(HEIGHT * added.max(), 1.0)))
    begins = max(0.5 * (middle[at] + middle[at + AHEAD]), since) if added.max() > 1.0 else np.nan
    return Course(np.inf if endures(middle, z) else float(np.sqrt(added.max())), float(begins))


def limit(count: int) -> float:
    """Largest of `count` exponential variables over their mean, which half as many independent ones tell: F(2, count).

    Exceeded in the share SELDOM of all cases, at most.
    """
    known = 0.5 * count
    return float(known * ((count / SELDOM) ** (1.0 / known) - 1.0))


def endures(middle: F8, z: C16) -> bool:
    """Whether its amplitude and phase, twice as far ahead, tell of a decay that takes longer than the window."""
    ahead = 2 * AHEAD
    first, then = z[:-ahead], z[ahead:]
    power = np.vdot(first, first).real
    stays = abs(np.vdot(first, then)) / power if power > 0 else 0.0
    return bool(stays > np.exp(-(middle[ahead] - middle[0]) / (middle[-1] + middle[0])))
