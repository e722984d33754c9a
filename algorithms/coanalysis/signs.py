"""Two signs that agree: a step at one device, and at the same instant a bend of the frequency of all (`bends`).

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

from algorithms.coanalysis.bends import bends, covariance, smeared
from algorithms.coanalysis.transients import SHORT, bridged, trusted, turned
from algorithms.observations import GAUSSIAN_MAD, Observations

F8 = NDArray[np.float64]
Bools = NDArray[np.bool_]

STEP = 1.5
"""Times the step that is reached in one second in ten, at any device."""
BEND = 2.6
"""Standard deviations of the bend; one in 200 is as large, and of that sign, at a given instant."""
LEAST = 3.0
"""Standard deviations that a step in one second in ten is taken to be at least."""
REACH = 0.8
"""Seconds of the filter for a step on each side."""
ASIDE = 0.2
"""Seconds beside a step that the filter sees something of it, of the other sign, too."""


@dataclass(frozen=True)
class Steps:
    """What is found of a step at each sample by the filter that fits it, in standard deviations of the noise."""

    voltage: F8
    """[m, n]"""
    turn: F8
    """[m, n] of the angle"""
    there: Bools
    """[m, n] where all that the filter needs was measured"""
    bends: F8
    """[m, n] `bends` of the devices but one"""

    @property
    def size(self) -> F8:
        """[m, n] Of both; 0 where not all was measured."""
        return np.where(self.there, np.hypot(self.voltage, self.turn), 0.0)

    @property
    def bend(self) -> F8:
        """[n] Of the devices without the one that steps most."""
        return np.asarray(np.take_along_axis(self.bends, self.size.argmax(axis=0)[None], axis=0)[0])


def steps(seen: Observations) -> Steps:
    """Nothing is found in a window below a second."""
    if seen.samples < round(seen.rate):
        nothing = np.zeros((seen.devices, seen.samples))
        return Steps(nothing, nothing, np.zeros(nothing.shape, np.bool_), nothing)
    angle, known = turned(seen)
    magnitude, there = bridged(seen.magnitude)
    short, reach = round(SHORT * seen.rate), round(REACH * seen.rate)
    shape = smeared(seen.rate, reach)
    return Steps(
        matched(np.diff(magnitude, axis=1, prepend=magnitude[:, :1]), shape),
        matched(np.diff(angle, n=2, axis=1, prepend=angle[:, :1], append=angle[:, -1:]), np.gradient(shape)),
        trusted(known & there, reach + 1, short),  # differences need one sample more
        bends(angle, known, seen.rate, short),
    )


def agreement(found: Steps, block: int) -> F8:
    """[n] The lesser of both signs, over its limit; 0 where they disagree, or too few devices are there. `block`: the
    samples of a second."""
    size = found.size
    if size.shape[1] < block:
        return np.zeros(size.shape[1])
    strongest = size.argmax(axis=0)[None]
    way = np.sign(np.take_along_axis(found.voltage + found.turn, strongest, axis=0)[0])
    step = np.take_along_axis(size, strongest, axis=0)[0]
    usual = max(float(np.quantile(step[: step.size // block * block].reshape(-1, block).max(axis=1), 0.9)), LEAST)
    step = np.where(step == maximum_filter1d(step, round(2 * ASIDE * block) | 1), step, 0.0)
    return np.asarray(np.maximum(np.minimum(step / (STEP * usual), way * found.bend / BEND), 0.0))


def matched(x: F8, shape: F8) -> F8:
    """[m, n] How much of `shape` is around each sample of x [m, n], in standard deviations of the noise."""
    noise = GAUSSIAN_MAD * np.median(np.abs(x), axis=1, keepdims=True)
    noise = np.maximum(noise, 1e-12)
    noises = covariance(x / noise, shape.size)
    found = np.empty_like(x)
    for device, row in enumerate(x):
        weights = solve_toeplitz(noises[device], shape)
        found[device] = correlate1d(row / noise[device], weights / np.sqrt(weights @ shape), mode="nearest")
    usual = GAUSSIAN_MAD * np.median(np.abs(found), axis=1, keepdims=True)
    return np.asarray(found / np.maximum(usual, 1e-12))
