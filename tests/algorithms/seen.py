"""What tests of places have in common: observations of known quality, distances in a network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from algorithms.electrical import Network, between, islands, potentials
from algorithms.observations import Observations


@dataclass(frozen=True)
class Seen:
    """What `locate` takes of `quality.Assessed`."""

    bad: np.ndarray
    repaired: Observations
    usable: np.ndarray


def distances(network: Network, at: np.ndarray) -> np.ndarray:
    """[k, n] Of a whole network: from each of the buses `at` to every bus."""
    return between(potentials(network), islands(network), at)
