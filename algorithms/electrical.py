"""A network of buses and lines, and how far its buses are from each other electrically.

The distance of two buses is the reactance that would be measured between them, all lines together ([Klein1993],
"Resistance distance", J. Math. Chem. 12; in power networks [Cotilla2012], "Comparing the topological and electrical
structure of the North American electric power infrastructure", IEEE Syst. J. 6(4)).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
Places = NDArray[np.intp]
Bools = NDArray[np.bool_]

HOLD = 0.03
"""Of the typical line's susceptance, by which each bus holds its angle while rotors stand: tables say nothing of it."""
ALONE = 1e-6
"""Share of a line's reactance that another way would take off at least."""


@dataclass(frozen=True)
class Network:
    """n buses, l lines and transformers, m devices."""

    buses: tuple[str, ...]
    """[n] names"""
    start: Places
    """[l] bus at one end of each line, by place"""
    stop: Places
    """[l] bus at its other end"""
    reactance: F8
    """[l] of any one base; above 0"""
    devices: Places
    """[m] bus of each device; -1 = not known"""
    latitude: F8
    """[n] degrees north; NaN = not known"""
    longitude: F8
    """[n] degrees east"""
    names: tuple[str, ...] = ()
    """[l] what each line is called; none: by its ends"""
    solved: tuple[F8, F8] | None = None
    """`potentials` and `held`, reckoned ahead (`prepared`); None: when they are asked for"""

    def __post_init__(self) -> None:
        count = len(self.buses)
        ends = np.concatenate([self.start, self.stop])
        if self.names and len(self.names) != len(self.start):
            raise ValueError(f"{len(self.names)} names for {len(self.start)} lines: give one each, or none")
        if ends.size and not (ends.min() >= 0 and ends.max() < count):
            raise ValueError(f"a line ends at bus {ends.max()} of {count}: give the places 0..{count - 1}")
        if np.any(self.devices >= count):
            raise ValueError(f"a device is at bus {self.devices.max()} of {count}: give a place, or -1")
        wrong = np.flatnonzero(~(self.reactance > 0.0))
        if wrong.size:
            k = int(wrong[0])
            raise ValueError(f"{self.line(k)} has the reactance {self.reactance[k]}: give one above 0")

    def line(self, place: int) -> str:
        """What a line is called."""
        if self.names:
            return self.names[place]
        return f"line {self.buses[self.start[place]]} - {self.buses[self.stop[place]]}"


def potentials(network: Network) -> F8:
    """[n, n] Angle at each bus when power goes in at another one and out everywhere alike; 0 between islands.

    The pseudo-inverse of the Laplacian of the lines' susceptances.
    """
    if network.solved is not None:
        return network.solved[0]
    laplacian, weight = _laplacian(network)
    island = islands(network)
    same = island[:, None] == island
    flat = same / np.sum(same, axis=1)
    # scaled so that what is added is as large as what it is added to
    scale = float(np.median(weight)) if weight.size else 1.0
    return np.asarray(np.linalg.inv(laplacian + scale * flat) - flat / scale)


def held(network: Network) -> F8:
    """[n, n] Angle at each bus when power goes in at another one, and what is at the buses holds them a little."""
    if network.solved is not None:
        return network.solved[1]
    laplacian, weight = _laplacian(network)
    typical = float(np.median(weight)) if weight.size else 1.0
    return np.asarray(np.linalg.inv(laplacian + HOLD * typical * np.eye(len(laplacian))))


def prepared(network: Network) -> Network:
    """The same for many windows: what takes seconds in a large network is reckoned once."""
    return replace(network, solved=(potentials(network), held(network)))


def bridges(network: Network, potential: F8) -> Bools:
    """[l] Lines without which an island would fall apart: all that is between their ends is their own reactance."""
    a, b = network.start, network.stop
    between_ends = potential[a, a] + potential[b, b] - 2.0 * potential[a, b]
    return np.asarray(between_ends > (1.0 - ALONE) * network.reactance)


def _laplacian(network: Network) -> tuple[F8, F8]:
    """[n, n] of the network's susceptances, and [l] those."""
    count = len(network.buses)
    laplacian = np.zeros((count, count))
    weight = 1.0 / network.reactance
    for a, b, sign in (
        (network.start, network.start, 1.0),
        (network.stop, network.stop, 1.0),
        (network.start, network.stop, -1.0),
        (network.stop, network.start, -1.0),
    ):
        np.add.at(laplacian, (a, b), sign * weight)
    return laplacian, weight


def islands(network: Network) -> Places:
    """[n] The lowest bus of each bus' island."""
    label = np.arange(len(network.buses))
    while True:
        least = np.minimum(label[network.start], label[network.stop])
        after = label.copy()
        np.minimum.at(after, network.start, least)
        np.minimum.at(after, network.stop, least)
        after = after[after]
        if np.array_equal(after, label):
            return label
        label = after


def between(potential: F8, island: Places, at: Places) -> F8:
    """[k, n] Effective reactance from each of the buses `at` to every bus, of `potentials` and `islands`; infinite to
    another island."""
    own = np.diag(potential)
    found = own[at][:, None] + own - 2.0 * potential[at]
    return np.where(island[at][:, None] == island, np.maximum(found, 0.0), np.inf)
