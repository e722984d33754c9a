"""Two signs that agree: a step at one device, and at the same instant a kink of the frequency of all.

A small loss of power is felt as a step where a device stands next to it, and nowhere else; but it bends the frequency
of the whole grid, the way that it stepped: a lost load lifts voltage, angle and frequency, a lost generator lowers
them [Kundur1994, 3.9]. A device that is wrong bends no other's frequency, and a load switched next door hardly does.

Steps are looked for with the filter that a known shape in coloured noise is found best with: the inverse of the
noise's covariance times the shape ([Kay1998], 4.4). The noise is what the device's own window holds.

[Kundur1994] Power System Stability and Control. [Kay1998] Fundamentals of Statistical Signal Processing: Detection
Theory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_toeplitz
from scipy.ndimage import correlate1d, maximum_filter1d

from algorithms.coanalysis.transients import FILTER, SHORT, bridged, kernel, sizes, trusted, turned
from algorithms.observations import GAUSSIAN_MAD, Observations

F8 = NDArray[np.float64]
Bools = NDArray[np.bool_]

STEP = 1.5
"""Times the step that is reached in one second in ten, at any device."""
KINK = 3.0
"""Standard deviations of the kink of all; one in 700 is as large, and of that sign, at a given instant."""
LEAST = 3.0
"""Standard deviations that a step in one second in ten is taken to be at least."""
KINKS = (0.8, 1.6)
"""Seconds on each side of a kink; the mean counts."""
REACH = 0.8
"""Seconds of the filter for a step on each side."""
FEWEST = 3
"""Devices that tell what all do."""
LOUDEST = 4.0
"""Standard deviations from which on a sample tells nothing more about the noise."""
ASIDE = 0.2
"""Seconds beside a step that the filter sees something of it, of the other sign, too."""
RIDGE = 1e-3
NORMAL_99 = 2.576
"""Standard deviations within which 99 % of what is normal lies."""


@dataclass(frozen=True)
class Steps:
    """What is found of a step at each sample by the filter that fits it, in standard deviations of the noise."""

    voltage: F8
    """[m, n]"""
    turn: F8
    """[m, n] of the angle"""
    there: Bools
    """[m, n] where all that the filter needs was measured"""
    middle: F8
    """[n] kink of the middle device's frequency, in standard deviations; 0 where too few devices are there"""


def steps(seen: Observations) -> Steps:
    """Nothing is found in a window below a second."""
    if seen.samples < round(seen.rate):
        nothing = np.zeros((seen.devices, seen.samples))
        return Steps(nothing, nothing, np.zeros(nothing.shape, np.bool_), nothing[0])
    angle, known = turned(seen)
    magnitude, there = bridged(seen.magnitude)
    short, reach = round(SHORT * seen.rate), round(REACH * seen.rate)
    shape = _step(seen.rate, reach)
    return Steps(
        matched(np.diff(magnitude, axis=1, prepend=magnitude[:, :1]), shape),
        matched(np.diff(angle, n=2, axis=1, prepend=angle[:, :1], append=angle[:, -1:]), np.gradient(shape)),
        trusted(known & there, reach + 1, short),  # differences need one sample more
        np.mean([_common(angle, known, round(half * seen.rate), short) for half in KINKS], axis=0),
    )


def agreement(found: Steps, block: int) -> F8:
    """[n] The lesser of both signs, over its limit; 0 where they disagree, or too few devices are there. `block`: the
    samples of a second."""
    if found.middle.size < block:
        return np.zeros(found.middle.size)
    size = np.where(found.there, np.hypot(found.voltage, found.turn), 0.0)
    strongest = size.argmax(axis=0)[None]
    way = np.sign(np.take_along_axis(found.voltage + found.turn, strongest, axis=0)[0])
    step = np.take_along_axis(size, strongest, axis=0)[0]
    usual = max(float(np.quantile(step[: step.size // block * block].reshape(-1, block).max(axis=1), 0.9)), LEAST)
    step = np.where(step == maximum_filter1d(step, round(2 * ASIDE * block) | 1), step, 0.0)
    return np.asarray(np.maximum(np.minimum(step / (STEP * usual), way * found.middle / KINK), 0.0))


def _step(rate: float, reach: int) -> F8:
    """[2 reach + 1] What a step's first difference is behind the filter of class M."""
    width = round(2 * FILTER * rate) | 1
    bump = np.hanning(width + 2)[1:-1]
    return np.pad(bump / bump.sum(), reach - width // 2)


def matched(x: F8, shape: F8) -> F8:
    """[m, n] How much of `shape` is around each sample of x [m, n], in standard deviations of the noise."""
    noise = GAUSSIAN_MAD * np.median(np.abs(x), axis=1, keepdims=True)
    noise = np.maximum(noise, 1e-12)
    spectrum = np.abs(np.fft.rfft(np.clip(x / noise, -LOUDEST, LOUDEST), 2 * x.shape[1], axis=1)) ** 2
    covariance = np.fft.irfft(spectrum, axis=1)[:, : shape.size] / x.shape[1]
    found = np.empty_like(x)
    for device, row in enumerate(x):
        covariance[device, 0] = max(covariance[device, 0] * (1.0 + RIDGE), RIDGE)
        weights = solve_toeplitz(covariance[device], shape)
        found[device] = correlate1d(row / noise[device], weights / np.sqrt(weights @ shape), mode="nearest")
    usual = GAUSSIAN_MAD * np.median(np.abs(found), axis=1, keepdims=True)
    return np.asarray(found / np.maximum(usual, 1e-12))


def _common(angle: F8, known: Bools, half: int, short: int) -> F8:
    """[n] Kink of the middle device's frequency, in standard deviations; 0 where too few devices are there."""
    trust = trusted(known, half, short)
    kinks = np.where(trust, sizes(angle, kernel(half, 0, 3, kink=True)), np.nan)
    enough = np.count_nonzero(trust, axis=0) >= FEWEST
    middle = np.zeros(angle.shape[1])
    middle[enough] = np.nanmedian(kinks[:, enough], axis=0)
    if not enough.any():
        return middle
    usual, seldom = np.quantile(np.abs(middle[enough]), (0.5, 0.99))
    return np.asarray(middle / max(GAUSSIAN_MAD * usual, seldom / NORMAL_99, 1e-12))
