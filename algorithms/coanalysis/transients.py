"""What happens at once: steps of voltage and angle, kinks of the frequency, against the window's own quiet part.

A change of power at a place turns the voltages round about at once, by the network alone; then the machines, which
have inertia, begin to change their speed: the frequency kinks (df/dt = f dP / 2H [Kundur1994, 3.9]). Both are sizes in
a least-squares fit of a smooth curve with a step, or with a kink of the slope of its slope, to the angle and the
voltage on both sides of an instant. Nothing is looked at within the reach of a class M filter (100 ms) of a step.

[Kundur1994] Power System Stability and Control.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from algorithms.coanalysis.patterns import Distance, distance
from algorithms.observations import Observations
from algorithms.quality.flags import widened

F8 = NDArray[np.float64]
Bools = NDArray[np.bool_]

FILTER = 0.05
"""Seconds on both sides of a step that a class M filter (Hann over 100 ms) smears it over."""
SHORT = 0.06
"""Seconds; shorter holes, which were interpolated, do no harm."""
FEWEST = 10
"""Blocks that tell what is usual."""
LEAST = 0.1
"""Of the median, that one peak in ten is taken to lie above it at least."""


@dataclass(frozen=True)
class Look:
    """One way to look for it."""

    name: str
    half: float
    """Seconds on each side."""
    kink: bool = False
    """Of the frequency, by the angle; else a step of the angle and of the voltage."""
    bent: bool = False
    """A kink may be there besides the step."""
    angle: bool = True
    """Else the voltage alone tells."""


LOOKS = (
    Look("step_200ms", 0.2),
    Look("step_400ms", 0.4, bent=True),
    Look("kink_400ms", 0.4, kink=True),
    Look("kink_800ms", 0.8, kink=True),
)

VOLTAGE = Look("voltage_200ms", 0.2, angle=False)
"""The least smeared by what follows: tells best when a step was."""


def turned(seen: Observations) -> tuple[F8, Bools]:
    """[m, n] The angle [rad] without wraps, bridged over holes; and where it is known.

    A device without angles has the integral of its frequency.
    """
    missing = ~np.isfinite(seen.angle)
    by_frequency = np.cumsum(2 * np.pi * (bridged(seen.frequency)[0] - seen.nominal) / seen.rate, axis=1)
    angle, known = bridged(np.where(missing, np.nan, seen.angle), period=2 * np.pi)
    without = missing.all(axis=1)
    angle[without], known[without] = by_frequency[without], np.isfinite(seen.frequency[without])
    return angle, known


def bridged(x: F8, period: float | None = None) -> tuple[F8, Bools]:
    """[m, n] Holes of x bridged with straight lines, and where there are none; without jumps of a `period`."""
    known = np.isfinite(x)
    filled = np.array(x)
    everywhere = np.arange(x.shape[1])
    whole = known.all(axis=1)
    if period is not None:
        filled[whole] = np.unwrap(filled[whole], axis=1, period=period)
    for device in np.flatnonzero(~whole):  # few, and each has its own holes
        at = np.flatnonzero(known[device])
        there = filled[device, at] if period is None else np.unwrap(filled[device, at], period=period)
        filled[device] = np.interp(everywhere, at, there) if at.size else 0.0
    return filled, known


def kernel(half: int, gap: int, powers: int, kink: bool, bent: bool = False) -> F8:
    """[2 (half + gap) + 1] Weights whose sum with a series is the size of a step, or of a kink.

    A step is 1; a kink of 1 is a change of the second derivative by 1 per sample squared. Besides it the series may
    be any polynomial of `powers` terms; with `bent`, and a kink. The `gap` samples on both sides do not count.
    """
    t = np.arange(-half - gap, half + gap + 1.0)
    used = np.abs(t) > gap if gap else np.abs(t) > 0
    at = t[used]
    shapes = {False: 0.5 * np.sign(at), True: 0.25 * at * np.abs(at)}
    columns = [shapes[kink], *((at / half) ** power for power in range(powers))]
    if bent:
        columns.append(shapes[True] / half**2)
    weights = np.zeros(t.size)
    weights[used] = np.linalg.pinv(np.stack(columns, axis=1))[0]
    return weights


def sizes(x: F8, weights: F8) -> F8:
    """[m, n] Weights summed with x [m, n] around each sample; near the ends as if the series went on level."""
    return np.asarray(correlate1d(x, weights, axis=1, mode="nearest"))


def trusted(known: Bools, reach: int, short: int) -> Bools:
    """[m, n] Whether no hole longer than `short` samples, and no end, lies within `reach` samples."""
    long = ~widened(known, short, 0)
    far = ~widened(long, reach, reach + short)
    far[:, :reach] = far[:, known.shape[1] - reach :] = False
    return far


def look(seen: Observations, way: Look) -> Distance:
    """How unusual what all devices show at each sample is."""
    angle, known = turned(seen)
    half, gap = round(way.half * seen.rate), 0 if way.kink else round(FILTER * seen.rate)
    around = [(angle, kernel(half, gap, 3, way.kink, way.bent))] if way.angle else []
    if not way.kink:
        magnitude, there = bridged(seen.magnitude)
        known = known & (there | ~there.any(axis=1, keepdims=True))  # who never says one says nothing against it
        around.append((magnitude, kernel(half, gap, 2, kink=False)))
    z = np.stack([sizes(x, weights) for x, weights in around])
    return distance(z, trusted(known, half + gap, round(SHORT * seen.rate)), round(seen.rate))


def excess(form: F8, block: int, times: float) -> F8:
    """[n] A squared distance over what it usually reaches in blocks of so many samples; 1 = at the limit, 0 = usual.

    Peaks of blocks of anything whose tail falls like an exponential lie Gumbel-like ([Gumbel1958], Statistics of
    Extremes); the limit lies `times` as far above their median as one in ten does, whatever their degrees of freedom.
    """
    peaks = form[: form.size // block * block].reshape(-1, block).max(axis=1)
    peaks = peaks[peaks > 0.0]
    if peaks.size < FEWEST:
        return np.zeros_like(form)
    usual, seldom = np.quantile(peaks, (0.5, 0.9))
    over: F8 = np.maximum(form - usual, 0.0) / (times * max(seldom - usual, LEAST * usual))
    return over
