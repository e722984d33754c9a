"""How probable each bus, or each line, of a known network is as the origin of an event.

As `whereabouts`, with electrical distances in place of kilometres. A line that trips leaves the pattern of power that
goes in at one end and out at the other: angles jump by its two potentials' difference, times one number for all devices
([Wood2013], "Power Generation, Operation, and Control", 3rd ed., 7.3.2: line outage distribution factors). One that
alone holds two parts together can't trip without islands, and is none of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from algorithms.electrical import Network, between, bridges, held, islands, potentials
from algorithms.responses import TINY, Response
from algorithms.whereabouts import evidence

F8 = NDArray[np.float64]

MISFITS = (0.05, 0.15, 0.4)
"""Standard deviations of what the pattern does not tell, against the largest jump."""
UNSEEN = 1e-3
"""Share of the clearest pattern, below which a line makes no difference to the devices."""
SIZES = 3.0
"""Times the largest jump: spread of a pattern's size beforehand."""
FEWEST = 3
"""Devices at known buses."""


@dataclass(frozen=True)
class Candidates:
    """c buses or lines."""

    weight: F8
    """[c] probability, sum 1"""
    distance: F8
    """[c, m] electrical distance to each device, of a line from its nearer end; NaN at a device with no known bus."""
    latitude: F8
    """[c] of a line its middle's"""
    longitude: F8
    names: list[str]


def candidates(network: Network, felt: list[Response], *, lines: bool) -> Candidates | None:
    """The buses, or `lines`, with their probabilities. None with fewer than three devices at known buses."""
    known = network.devices >= 0
    if np.sum(known) < FEWEST:
        return None
    potential = potentials(network)
    apart = np.full((len(network.buses), len(known)), np.nan)
    apart[:, known] = between(potential, islands(network), network.devices[known]).T
    a, b = network.start, network.stop
    distance = np.fmin(apart[a], apart[b]) if lines else apart
    inside = distance[:, known]
    reach = float(np.median(np.sort(inside[np.isfinite(inside)])))
    logs = np.zeros(len(distance))
    holding = held(network) if lines else potential
    for answer in felt:
        use = known & answer.known
        if np.sum(use) < FEWEST:
            continue
        some = answer.of(use)
        if lines and answer.name == "jump":
            at = network.devices[use]
            logs = logs + fits(holding[a][:, at] - holding[b][:, at], some)
        else:
            far = np.minimum(distance[:, use], 1e3 * reach)  # another island
            logs = logs + evidence(far, _neighbours(apart[network.devices[use]][:, use]), some)
    if lines and not (alone := bridges(network, potential)).all():
        logs = np.where(alone, -np.inf, logs)
    weight = np.exp(logs - logs.max())
    here, there = (a, b) if lines else (np.arange(len(network.buses)),) * 2
    return Candidates(
        weight / weight.sum(),
        distance,
        (network.latitude[here] + network.latitude[there]) / 2,
        (network.longitude[here] + network.longitude[there]) / 2,
        [network.line(k) for k in range(len(a))] if lines else list(network.buses),
    )


def fits(pattern: F8, response: Response) -> F8:
    """[c] log evidence of signed jumps [m] = size · pattern [c, m] + what all share, size and share unknown."""
    seen = pattern - pattern.mean(axis=1, keepdims=True)
    scale = np.sqrt(np.mean(seen**2, axis=1, keepdims=True))
    unit = seen / np.maximum(scale, UNSEEN * float(scale.max(initial=0.0)) + TINY)
    jump = response.signed - np.median(response.signed)
    largest = float(np.abs(jump).max()) + TINY
    terms = [
        _regression(unit, jump, response.noise**2 + (part * largest) ** 2, (SIZES * largest) ** 2) for part in MISFITS
    ]
    return np.asarray(np.logaddexp.reduce(terms, axis=0))


def _regression(pattern: F8, value: F8, variance: F8, prior: float) -> F8:
    """[c] log evidence of value [m] = a·pattern [c, m] + b with a ~ N(0, `prior`) and a flat prior of b."""
    w = 1.0 / variance
    total = np.sum(w)
    y = value - np.sum(w * value) / total
    x = pattern - (pattern @ w / total)[:, None]
    xx = x**2 @ w
    misfit = y**2 @ w - ((x * y) @ w) ** 2 / (xx + 1.0 / prior)
    constant = 0.5 * (np.sum(np.log(w)) - np.log(total))
    return np.asarray(constant - 0.5 * np.log1p(prior * xx) - 0.5 * misfit)


def _neighbours(apart: F8) -> float:
    """Electrical distance [m, m] from a device to its nearest one, the median of those above 0; 1 if there is none."""
    some = np.where(apart > 0.0, apart, np.inf).min(axis=1)
    some = some[np.isfinite(some)]
    return float(np.median(some)) if some.size else 1.0
