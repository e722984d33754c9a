"""Does the frequency of the grid bend as when power is lost, whatever angles step near by at that instant?

Lost power leaves the machines with too much or too little of it for a second or so, until governors and loads answer:
the second difference of every angle moves at once, and comes back ([Kundur1994], 3.9, 11.1). Where the loss is felt,
the angle steps besides: at the same instant, and large against the bend. Both are fitted together, by generalised
least squares in noise whose covariance over time the window's own samples tell ([Kay1993], 4.5), so that the bend is
what the step does not explain.

Three estimates err in different ways, and their sum counts:

- the middle of what is fitted at the devices, which no single one can move;
- the middle of their plain kinks, of a longer look, in which a step hardly counts;
- what is fitted to the sum of devices in which they swing against each other least. The shapes of such swings are those
  of the grid's modes, in the quiet as after an event, and the bend of the grid is alike at all devices: of weights that
  are 1 together those with the least variance ([Capon1969]) leave it, and little else. The device that steps has no
  part in it: one that is wrong bends itself alone.

[Kundur1994] Power System Stability and Control. [Kay1993] Fundamentals of Statistical Signal Processing: Estimation
Theory. [Capon1969] "High-resolution frequency-wavenumber spectrum analysis", Proc. IEEE 57(8).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_toeplitz

from algorithms.coanalysis.patterns import alike, scatter, taking_part
from algorithms.coanalysis.transients import FILTER, kernel, sizes, trusted
from algorithms.observations import GAUSSIAN_MAD

F8 = NDArray[np.float64]
Bools = NDArray[np.bool_]

BEFORE, AFTER = 1.0, 2.0
"""Seconds that the fit sees on each side."""
KINKS = (0.8, 1.6)
"""Seconds on each side of a plain kink; the mean counts."""
SWING = 0.4
"""Seconds on each side of the kinks that tell how devices swing against each other."""
LASTS = 1.0
"""Seconds in which governors and loads make up for most of the lost power."""
FEWEST = 3
"""Devices that tell what all do."""
ENOUGH = 10.0
"""Seconds that tell how they swing."""
LOUDEST = 4.0
"""Standard deviations from which on a sample tells nothing more about the noise."""
RIDGE = 1e-3
ALIKE = 0.03
"""Of the mean variance of kinks, added to each device's: no large weights for swings that cancel nearly."""
NORMAL_99 = 2.576
"""Standard deviations within which 99 % of what is normal lies."""


def covariance(x: F8, taps: int) -> F8:
    """[m, taps] of x [m, n], which is in standard deviations, with itself so many samples later."""
    spectrum = np.abs(np.fft.rfft(np.clip(x, -LOUDEST, LOUDEST), 2 * x.shape[1], axis=1)) ** 2
    found = np.fft.irfft(spectrum, axis=1)[:, :taps] / x.shape[1]
    found[:, 0] = np.maximum(found[:, 0] * (1.0 + RIDGE), RIDGE)
    return np.asarray(found)


def smeared(rate: float, reach: int) -> F8:
    """[2 reach + 1] What a step's first difference is behind the filter of class M."""
    width = round(2 * FILTER * rate) | 1
    bump = np.hanning(width + 2)[1:-1]
    return np.pad(bump / bump.sum(), reach - width // 2)


def bends(angle: F8, known: Bools, rate: float, short: int) -> F8:
    """[m, n] The grid's bend as it is without each device in turn, in standard deviations of what it is in the window;
    0 where too few are there.

    `angle` [m, n, rad] without wraps, `known` where it was measured but for holes of `short` samples.
    """
    turning = np.diff(angle, n=2, axis=1, prepend=angle[:, :1], append=angle[:, -1:])
    there = trusted(known, round(BEFORE * rate) + 1, short)
    there[:, max(angle.shape[1] - round(AFTER * rate) - 1, 0) :] = False
    kinks = np.mean([_plain(angle, known, round(half * rate), short) for half in KINKS], axis=0)
    middle = kinks + _fitted(turning, there, rate)
    middle = _deviations(np.where(kinks != 0.0, middle, 0.0))
    found = _still(angle, turning, there, rate)
    return np.array([_deviations(np.where((row != 0.0) & (middle != 0.0), row + middle, 0.0)) for row in found])


def _plain(angle: F8, known: Bools, half: int, short: int) -> F8:
    """[n] Kink of the middle device, by a polynomial over `half` samples on each side."""
    return _middle(sizes(angle, kernel(half, 0, 3, kink=True)), trusted(known, half, short))


def _fitted(turning: F8, there: Bools, rate: float) -> F8:
    """[n] Bend of the middle device, with its step fitted besides."""
    noise = GAUSSIAN_MAD * np.median(np.abs(turning), axis=1, keepdims=True)
    weight = np.where(there & (noise > 0.0), 1.0 / np.maximum(noise, 1e-12) ** 2, 0.0)
    total = weight.sum(axis=0)
    if not total.any():
        return np.zeros_like(total)
    common = np.sum(weight * np.clip(turning, -LOUDEST * noise, LOUDEST * noise), axis=0) / np.maximum(total, 1e-30)
    return _middle(sizes(turning, fitting(common, total > 0.0, rate)), there)


def _still(angle: F8, turning: F8, there: Bools, rate: float) -> F8:
    """[m, n] Bend of the sum of the devices but one in which they swing least, with a step fitted besides. One that
    stands still tells nothing."""
    kinks = sizes(angle, kernel(round(SWING * rate), 0, 3, kink=True))
    there = there & (np.median(np.abs(kinks), axis=1, keepdims=True) > 0.0)
    part = taking_part(there)
    whole: Bools = np.asarray(there[part].all(axis=0))
    if part.size < FEWEST or np.count_nonzero(whole) < ENOUGH * rate:
        return np.zeros(angle.shape)
    there, turning = there[part], turning[part]
    swings = scatter(kinks[part][:, whole])
    swings += ALIKE * np.trace(swings) / part.size * np.eye(part.size)
    each = sizes(turning, fitting(weights(swings)[-1] @ turning, whole, rate))
    spread = scatter(each[:, whole])
    found = np.zeros((part.size + 1, angle.shape[1]))
    for at, present in alike(there):
        some = np.flatnonzero(present)
        if some.size >= FEWEST:
            shares = weights(swings[np.ix_(some, some)])
            noise = np.sqrt(np.sum(shares @ spread[np.ix_(some, some)] * shares, axis=1, keepdims=True))
            without = np.full(part.size + 1, some.size)
            without[some] = np.arange(some.size)
            found[:, at] = (shares @ each[np.ix_(some, at)] / np.maximum(noise, 1e-30))[without]
    place = np.full(angle.shape[0], part.size)
    place[part] = np.arange(part.size)
    return np.asarray(np.array([_deviations(row) for row in found])[place])


def weights(cover: F8) -> F8:
    """[k + 1, k] Weights of k rows of a covariance with which their sum varies least, without each of them in turn, and
    at last of all; they are 1 together."""
    precision = np.linalg.inv(cover)
    total = precision.sum(axis=1)
    without = total - precision * (total / np.diag(precision))[:, None]
    found = np.vstack([without, total])
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def fitting(common: F8, there: Bools, rate: float) -> F8:
    """[2 after + 1] Whose sum with a second difference of an angle is the bend in it, in the noise that the common one
    [n] has where it is there."""
    usual = max(GAUSSIAN_MAD * float(np.median(np.abs(common[there]))), 1e-12)
    return _weights(covariance(common[None] / usual, round(BEFORE * rate) + round(AFTER * rate) + 1)[0], rate)


def _weights(noise: F8, rate: float) -> F8:
    """[2 after + 1] Whose sum with a second difference is the bend in it; `noise`: covariance [before + after + 1]."""
    before, after = round(BEFORE * rate), round(AFTER * rate)
    t = np.arange(-before, after + 1) / rate
    lost = np.where(t >= 0.0, np.exp(-np.maximum(t, 0.0) / LASTS), 0.0)
    turn = np.gradient(smeared(rate, after)[after - before :])
    shapes = np.stack([np.convolve(lost, smeared(rate, before), "same"), turn, np.gradient(turn)], axis=1)
    through = solve_toeplitz(noise, shapes)
    return np.pad(through @ np.linalg.pinv(shapes.T @ through)[:, 0], (after - before, 0))


def _middle(size: F8, trust: Bools) -> F8:
    """[n] Of the sizes [m, n] of devices that are to be trusted, in standard deviations; 0 where too few are there."""
    enough = np.count_nonzero(trust, axis=0) >= FEWEST
    middle = np.zeros(size.shape[1])
    if enough.any():
        middle[enough] = np.nanmedian(np.where(trust, size, np.nan)[:, enough], axis=0)
    return _deviations(middle)


def _deviations(x: F8) -> F8:
    """[n] Over their standard deviation, by the middle and by the seldom ones; 0 tells nothing."""
    there = np.abs(x[x != 0.0])
    if not there.size:
        return x
    usual, seldom = np.quantile(there, (0.5, 0.99))
    return np.asarray(x / max(GAUSSIAN_MAD * usual, seldom / NORMAL_99, 1e-12))
