"""Bad samples as they come: tests of a stream that keep no state.

Each looks back so many samples, and `spikes` one ahead, and at nothing else. So what it says of a sample is the same
however a stream is cut, if every call is given that much of what came before: `frozen` `hold` samples, `spikes` one,
the others none. All arrays are [m, n], m devices; what is missing is NaN.
"""

from __future__ import annotations

import numpy as np

from algorithms.quality.flags import F8, Bools, widened


def missing(*quantities: F8) -> Bools:
    """[m, n] whether any of the quantities is missing, or no number."""
    return np.asarray(~np.all([np.isfinite(each) for each in quantities], axis=0))


def zero_filled(frequency: F8, magnitude: F8, angle: F8, nominal: float | F8) -> Bools:
    """[m, n] whether zeros stand in place of a phasor: no voltage at all, and an angle of exactly zero.

    Near a fault a voltage is small, but it is not 0.0, and its angle is anything. A frequency of 0 or nominal goes with
    most zeros, and makes the angle (which some devices hold) not needed.
    """
    told = (frequency == 0.0) | (frequency == nominal) | (angle == 0.0)
    return np.asarray((magnitude == 0.0) & told)


def frozen(frequency: F8, magnitude: F8, angle: F8, hold: int) -> Bools:
    """[m, n] whether frequency, magnitude and angle are all what they were in each of the `hold` samples before.

    Noise moves one of the three within a few samples, at the resolutions of real devices; that an angle stands still
    while the frequency is off nominal is impossible. False in the first `hold` samples.
    """
    moved = np.ones(frequency.shape, dtype=bool)
    moved[:, 1:] = np.any([each[:, 1:] != each[:, :-1] for each in (frequency, magnitude, angle)], axis=0)
    return ~widened(moved, 0, hold - 1)


def spikes(values: F8, limit: F8) -> Bools:
    """[m, n] whether a sample is more than `limit` [m] off the median of itself and its neighbours.

    What a grid does passes a device's filter of 40 ms (class P) or 100 ms (class M, IEC/IEEE 60255-118-1) and shows in
    more than one sample. False in the first and the last sample, and beside what is missing.
    """
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(values - median_of_three(values)) > limit[:, None])


def median_of_three(values: F8) -> F8:
    """[m, n] The median of each sample and its neighbours; NaN beside what is missing, and at both ends."""
    found = np.full(values.shape, np.nan)
    left, at, right = values[:, :-2], values[:, 1:-1], values[:, 2:]
    found[:, 1:-1] = np.maximum(np.minimum(left, at), np.minimum(np.maximum(left, at), right))
    return found
