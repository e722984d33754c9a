"""How probable each place of a map is as the origin of an event, from how strongly each device felt it.

A response falls off with the distance d from the origin, as log size = c − β·log(1 + d / L) + scatter, where nothing
but the form is known beforehand: the size c, the steepness β and the reach L are the event's and the grid's own. The
scatter says that electrical and geographical closeness are two things. c and β are integrated out in
closed form for each place (Bayesian linear regression, [Bishop2006], "Pattern Recognition and Machine
Learning", 3.3), scatter and reach by summing over a few values each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from algorithms.responses import Response

F8 = NDArray[np.float64]

SIDE = 48
"""Cells along the longer side of the map."""
MARGIN = 0.2
"""Of the devices' extent, that the map reaches beyond them on each side."""
AT_DEVICE = 0.2
"""Probability beforehand that an event is at a device's own station: plants and large stations are where they stand."""
REACHES = (0.15, 0.4, 1.0, 2.5)
"""Of the typical distance between neighbouring devices."""
SCATTERS = (0.5, 0.8, 1.3, 2.0)
"""Standard deviations of the logarithm."""
STEEPNESS, STEEPNESS_SPREAD = 1.5, 0.7
"""β beforehand: a response that falls with the first or second power of the distance."""
SLOWNESS, SLOWNESS_SPREAD = 0.002, 0.0015
"""s/km beforehand: waves go at 200 to 2000 km/s."""
LATE = (0.1, 0.2, 0.4, 0.8)
"""s; standard deviations of an arrival: frequency has to move before it shows, and grids are no plane."""
FEWEST_ARRIVALS = 4
"""Of which two tell onset and speed."""
SHARED = 0.75
"""Power to which the likelihood of each measure is taken: those of one event share a part of their scatter."""
ROUNDS = 30
"""Of Weiszfeld's iteration; more move the point by less than a cell."""


@dataclass(frozen=True)
class Map:
    """k places: of a chart the devices' own first, then cells."""

    east: F8
    """[k] km from the devices' middle."""
    north: F8
    weight: F8
    """[k] probability, sum 1"""


def chart(east: F8, north: F8) -> Map:
    """The places around devices at [m] km, each as probable as it is beforehand."""
    spacing = neighbours(east, north)
    low = np.array([east.min(), north.min()])
    high = np.array([east.max(), north.max()])
    margin = MARGIN * max(float(np.max(high - low)), spacing)
    low, high = low - margin, high + margin
    cell = float(np.max(high - low)) / SIDE
    across, up = (np.arange(low[i] + cell / 2, high[i], cell) for i in (0, 1))
    x, y = (part.ravel() for part in np.meshgrid(across, up))
    near = np.hypot(x[:, None] - east, y[:, None] - north)
    density = np.sum(np.exp(-0.5 * (near / spacing) ** 2), axis=1) + 1e-3
    weight = np.concatenate([np.full(len(east), AT_DEVICE / len(east)), (1.0 - AT_DEVICE) * density / np.sum(density)])
    return Map(np.concatenate([east, x]), np.concatenate([north, y]), weight)


def neighbours(east: F8, north: F8) -> float:
    """km from a device to its nearest one, the median; 1 where all are at one place."""
    apart = np.hypot(east[:, None] - east, north[:, None] - north)
    np.fill_diagonal(apart, np.inf)
    nearest = apart.min(axis=1)
    found = float(np.median(nearest[np.isfinite(nearest)])) if len(east) > 1 else 0.0
    return max(found, 1.0)


def evidence(distance: F8, spacing: float, response: Response) -> F8:
    """[k] log likelihood of each place (up to a constant) from the distances [k, m] km to the devices."""
    some = response.of(response.known)
    away = distance[:, response.known]
    own = (some.floor / np.maximum(some.size, some.floor)) ** 2
    terms = [
        _regression(np.log1p(away / (reach * spacing)), some.logarithm, own + scatter**2, STEEPNESS, STEEPNESS_SPREAD)
        for reach in REACHES
        for scatter in SCATTERS
    ]
    return np.asarray(SHARED * np.logaddexp.reduce(terms, axis=0))


def delays(distance: F8, arrival: F8) -> F8:
    """[k] log likelihood of each place from the times [m] s at which a wave of unknown speed arrived; NaN = did not."""
    known = np.isfinite(arrival)
    if np.sum(known) < FEWEST_ARRIVALS:
        return np.zeros(len(distance))
    away, late = distance[:, known], arrival[known]
    terms = [_regression(away, -late, np.full(late.shape, part**2), SLOWNESS, SLOWNESS_SPREAD) for part in LATE]
    return np.asarray(SHARED * np.logaddexp.reduce(terms, axis=0))


def _regression(away: F8, log_size: F8, variance: F8, steepness: float, spread: float) -> F8:
    """[k] log evidence of log_size [m] = c − β·away [k, m] with a flat prior of c and a Gaussian one of β."""
    w = 1.0 / variance
    total = np.sum(w)
    centred = log_size - np.sum(w * log_size) / total
    x = away - (away @ w / total)[:, None]
    # y = −β x + noise, β ~ N(b, s²): take the mean away, then one Gaussian direction is integrated
    rest = centred + steepness * x
    xx = x**2 @ w
    xr = (x * rest) @ w
    gain = 1.0 + spread**2 * xx
    misfit = rest**2 @ w - spread**2 * xr**2 / gain
    constant = 0.5 * (np.sum(np.log(w)) - np.log(total))
    return np.asarray(constant - 0.5 * np.log(gain) - 0.5 * misfit)


def centre(places: Map) -> tuple[float, float]:
    """km east and north: the point expected to be least far from the origin ([Weiszfeld1937], Tohoku Math. J. 43)."""
    east, north = float(places.weight @ places.east), float(places.weight @ places.north)
    for _ in range(ROUNDS):
        pull = places.weight / np.maximum(np.hypot(places.east - east, places.north - north), 1.0)
        total = pull.sum()
        east, north = float(pull @ places.east / total), float(pull @ places.north / total)
    return east, north


def ellipse(places: Map, at: tuple[float, float], inside: float = 0.95) -> tuple[float, float, float]:
    """Semi-axes [km] and direction of the major one [degrees from north] of the ellipse around `at` that holds as much.

    Its shape is that of the second moments about `at`, and of a kilometre at least.
    """
    away = np.array([places.east - at[0], places.north - at[1]])
    spread = (away * places.weight) @ away.T + np.eye(2)
    size, axes = np.linalg.eigh(spread)
    reach = np.sum((axes.T @ away) ** 2 / size[:, None], axis=0)
    order = np.argsort(reach)
    held = int(np.searchsorted(np.cumsum(places.weight[order]), inside))
    minor, major = np.sqrt(size * max(float(reach[order[min(held, len(order) - 1)]]), 1.0))
    return float(major), float(minor), float(np.degrees(np.arctan2(axes[0, 1], axes[1, 1]))) % 180.0
