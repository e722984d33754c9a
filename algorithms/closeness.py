"""In which order devices are close to an event: by what they felt, by the map, by a network, by who feeds it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from algorithms.onnetwork import Candidates
from algorithms.responses import CLEAR, TINY, Response, median

F8 = NDArray[np.float64]

SURE = 4.0
"""Times its noise, at which a measure counts half."""
AT_ITS_BUS = 0.01
"""Of the typical electrical distance, that a device has from its own bus: no logarithm of nothing."""
ANOTHER_ISLAND = 1e3
"""Times the typical distance."""


def strength(felt: list[Response]) -> F8:
    """[m] Mean logarithm of the devices' responses, of those that they have; NaN = none.

    A measure counts by how far all devices together are above their noise, and a device's size by how far it is above
    its own: a noisy device is no near one.
    """
    logs = np.array([_sure(answer) for answer in felt])
    weight = np.array([_clearness(answer) for answer in felt])[:, None]
    known = np.isfinite(logs)
    logs = np.where(known, logs, 0.0)
    mean = np.sum(logs, axis=1, keepdims=True) / np.maximum(np.sum(known, axis=1, keepdims=True), 1)
    answers = np.sum(known * weight, axis=0)
    sums = np.sum(np.where(known, logs - mean, 0.0) * weight, axis=0)
    return np.where(answers > 0, sums / np.where(answers > 0, answers, 1.0), np.nan)


def _sure(answer: Response) -> F8:
    """[m] Logarithm of the sizes; the less they are above their own noise, the nearer to what noise usually makes."""
    usual = max(median(answer.noise), TINY)
    counts = answer.size**2 / (answer.size**2 + answer.noise**2 + TINY**2)
    return np.asarray(np.log(usual) + counts * np.log(np.maximum(answer.size, usual) / usual))


def _clearness(answer: Response) -> float:
    """0..1: a half where the sizes are SURE times the noise."""
    known = answer.known
    power, noise = (float(np.mean(part[known] ** 2)) if known.any() else 0.0 for part in (answer.size, answer.noise))
    return (power + TINY**2) / (power + SURE**2 * noise + TINY**2)


def sources_first(closeness: F8, fed: Response) -> F8:
    """[m] The devices that clearly feed an oscillation before all others, by how much."""
    clear = fed.size > CLEAR * fed.noise
    first = np.nanmax(closeness, initial=0.0) + 1.0 + np.log(fed.size[clear] / np.min(fed.size[clear]))
    found = closeness.copy()
    found[clear] = first
    return found


def by_network(some: Candidates, closeness: F8) -> F8:
    """[m] By expected electrical distance; the devices at no known bus after all others, as they were."""
    typical = median(some.distance)
    distance = np.minimum(some.distance, ANOTHER_ISLAND * typical)
    far = some.weight @ np.log(distance + AT_ITS_BUS * typical)
    known = np.isfinite(far) & np.isfinite(closeness)
    after = np.nanmax(closeness, initial=0.0) + np.max(far[known], initial=0.0) + 1.0
    return np.asarray(np.where(known, -far, closeness - after))
