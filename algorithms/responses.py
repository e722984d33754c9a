"""How strongly each device felt an event, against what the same measure gives in its own quiet past.

At the instant of a change the rotors stand still, and every bus answers by its transfer impedance to the place of the
change: angles and voltages jump most nearby ([Kundur1994], "Power System Stability and Control", 3.9: the initial
impact is shared by electrical closeness, and by inertia only later). A fault shows by the area of its voltage
dip, which does not depend on the length of a device's filter (IEEE C37.118.1, annex C: P and M class).
An oscillation shows by its amplitude at its own frequency.

Measures are taps over samples around an instant, so that the same taps at many quiet instants tell their noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from algorithms.observations import GAUSSIAN_MAD, Observations

F8 = NDArray[np.float64]
Span = tuple[float, float]

JUMP = ((-0.40, -0.12), (0.06, 0.14))
"""s around the onset. A jump of the angle: from a straight line through what went before, which ends where neither a
filter of 100 ms nor an onset 60 ms late has a part, to behind the filter, before the rotors have moved far."""
STEP = ((-0.50, -0.14), (0.08, 0.30))
"""A step of the voltage: between the means."""
DIP = ((-0.50, -0.14), (-0.12, 0.28))
"""A dip: what protection takes to clear a fault, and half a filter on each side."""
QUIET_SPACING = 0.5
"""s between the quiet instants."""
FEWEST_QUIET = 6
"""Quiet instants a noise can be told from."""
CLEAR = 6.0
"""Times its noise, by which one device must show an answer."""
TINY = 1e-12
"""Below all that any device resolves."""


@dataclass(frozen=True)
class Response:
    """One measure at m devices."""

    name: str
    size: F8
    """[m] at least 0, in the unit of the measure; NaN = not known."""
    noise: F8
    """[m] standard deviation that it has without an event."""
    signed: F8
    """[m] the same with its sign"""
    quiet: F8 | None = None
    """[m, k] the same at quiet instants; None = there are none to tell of"""

    def of(self, devices: NDArray[np.bool_]) -> Response:
        """Of some of the devices."""
        quiet = None if self.quiet is None else self.quiet[devices]
        return Response(self.name, self.size[devices], self.noise[devices], self.signed[devices], quiet)

    @property
    def known(self) -> NDArray[np.bool_]:
        """[m] Whether it is known."""
        return np.isfinite(self.size)

    @property
    def clear(self) -> bool:
        """Whether a device shows it clearly."""
        return bool(np.nanmax(self.size / np.maximum(self.noise, TINY), initial=0.0) >= CLEAR)

    @property
    def floor(self) -> F8:
        """[m] Sizes below this say no more than that they are small."""
        return np.maximum(self.noise, TINY)

    @property
    def logarithm(self) -> F8:
        """[m] Of the size, or of the noise where that is larger."""
        return np.log(np.maximum(self.size, self.floor))


@dataclass(frozen=True)
class Measure:
    """A sum over samples around an instant."""

    name: str
    channel: str
    """A series of `Observations`."""
    first: int
    """Sample of the first tap, against the onset."""
    taps: F8
    relative: bool
    """What all devices have in common is no answer to the place: the median over the devices is taken off."""


def measures(rate: float) -> dict[str, Measure]:
    """Those of an event at an instant, by name."""
    return {
        "jump": _measure("jump", "angle", rate, *JUMP, straight=True, relative=True),
        "step": _measure("step", "magnitude", rate, *STEP, straight=False, relative=False),
        "dip": _measure("dip", "magnitude", rate, *DIP, straight=False, relative=False),
        "unbalance": _measure("unbalance", "negative", rate, *DIP, straight=False, relative=False),
    }


def _measure(
    name: str, channel: str, rate: float, earlier: Span, after: Span, *, straight: bool, relative: bool
) -> Measure:
    """Mean of the samples `after` less those `earlier`: their mean, or the straight line through them, extended."""
    before = np.arange(round(earlier[0] * rate), round(earlier[1] * rate) + 1)
    later = np.arange(round(after[0] * rate), round(after[1] * rate) + 1)
    first, last = before[0], max(later[-1], before[-1])
    taps = np.zeros(last - first + 1)
    taps[later - first] += 1.0 / len(later)
    centred = before - before.mean()
    slope = centred / np.sum(centred**2) if straight else np.zeros(len(before))
    taps[before - first] -= 1.0 / len(before) + (later.mean() - before.mean()) * slope
    return Measure(name, channel, int(first), taps, relative)


def respond(seen: Observations, onset: int, measure: Measure) -> Response | None:
    """The measure at sample `onset`. None where the window does not reach around it, or no device has it."""
    series = getattr(seen, measure.channel)
    start = onset + measure.first
    if start < 0 or start + len(measure.taps) > seen.samples:
        return None
    signed = _at(series, np.array([start]), measure)[:, 0]
    if np.sum(np.isfinite(signed)) < 2:
        return None
    step = max(1, round(QUIET_SPACING * seen.rate))
    quiet = np.arange(start - len(measure.taps), -1, -step)
    usual = _at(series, quiet, measure)
    noise = _noise(usual)
    known = np.isfinite(noise)
    noise = np.where(known, noise, np.median(noise[known]) if known.any() else 0.0)
    return Response(measure.name, np.abs(signed), noise, signed, usual)


def _at(series: F8, starts: NDArray[np.intp], measure: Measure) -> F8:
    """[m, k] the measure with its first tap at each of the samples `starts`; angles may be wrapped."""
    places = starts[:, None] + np.arange(len(measure.taps))
    pieces = series[:, places]
    if measure.channel == "angle":
        pieces = np.unwrap(pieces, axis=-1)
    found = pieces @ measure.taps
    if measure.relative:
        found = found - _middle(found)
    return np.asarray(found)


def _middle(values: F8) -> F8:
    """[k] median over the devices that have a value."""
    ordered = np.sort(values, axis=0)  # NaN last
    count = np.sum(np.isfinite(values), axis=0)
    pick = np.arange(values.shape[1])
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    return np.asarray((ordered[low, pick] + ordered[np.minimum(high, len(values) - 1), pick]) / 2)


def median(values: F8) -> float:
    """Of those that are known; 0 of none."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else 0.0


def _noise(quiet: F8) -> F8:
    """[m] robust standard deviation over quiet instants [m, k] about nothing; NaN with too few."""
    count = np.sum(np.isfinite(quiet), axis=1)
    enough = count >= FEWEST_QUIET
    found = np.full(len(quiet), np.nan)
    found[enough] = GAUSSIAN_MAD * np.nanmedian(np.abs(quiet[enough]), axis=1)
    return found
