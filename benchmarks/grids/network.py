"""Synthetic networks: areas of stations on two voltages, plants behind transformers, a few long lines between areas.

Stations scatter about the middle of their area; lines follow the shortest tree between them and some more short ways,
as in [Birchfield2017], "Grid Structural Characteristics as Validation Criteria for Synthetic Networks", IEEE Trans.
Power Syst. 32(4). Reactances go with length and voltage (Kundur 1994, table 6.1), circuits and transformers with the
flow that they have to carry. Per unit of BASE.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.spatial.distance import cdist

F8 = NDArray[np.float64]
C16 = NDArray[np.complexfloating[Any, Any]]
I8 = NDArray[np.int64]
BASE = 100.0
"""MVA"""


class Level(NamedTuple):
    """Of lines of one voltage, a kilometre."""

    kv: float
    resistance: float
    """Ohm"""
    reactance: float
    charging: float
    """Siemens; half of what a line has: reactors take the rest."""
    load: float
    """MW that a circuit of 150 km or less is built for."""


HIGH = Level(380.0, 0.028, 0.30, 2.0e-6, 600.0)
LOW = Level(220.0, 0.065, 0.40, 1.4e-6, 200.0)
ZERO = 3.0
"""Zero-sequence impedance of a line over its own."""
TRANSFORMER = 0.12
"""Reactance per unit of the rating."""


@dataclass(frozen=True)
class Network:
    """n buses, b branches."""

    kv: F8
    """[n]"""
    station: I8
    """[n] Buses of one station stand at one place."""
    position: F8
    """[n, 2] km east and north"""
    area: I8
    """[n]"""
    ends: I8
    """[b, 2]"""
    resistance: F8
    """[b]"""
    reactance: F8
    """[b]"""
    charging: F8
    """[b] Susceptance of both ends together."""
    plants: I8
    """[g] Buses of machines, each behind a transformer of its own."""
    capacity: F8
    """[g]"""
    loads: I8
    """[l] Buses"""
    load: F8
    """[l] Active power"""

    @property
    def transforms(self) -> NDArray[np.bool_]:
        """[b] Whether it is a transformer."""
        return np.asarray(self.kv[self.ends[:, 0]] != self.kv[self.ends[:, 1]])

    def admittance(self, without: int | None = None) -> C16:
        """[n, n] Of the branches, but one."""
        series = 1.0 / (self.resistance + 1j * self.reactance)
        series, charging = series.copy(), self.charging.copy()
        if without is not None:
            series[without] = charging[without] = 0.0
        return assembled(len(self.kv), self.ends, series, 0.5j * charging)

    def zero_impedance(self) -> C16:
        """[n, n] Impedances of the zero-sequence network: transformers of plants are delta-wye, grounded at the grid's
        side; the others let it through."""
        alone = np.isin(self.ends, self.plants).any(axis=1)
        scale = np.where(self.transforms, 1.0, ZERO)
        series = np.where(alone, 0.0, 1.0 / (scale * (self.resistance + 1j * self.reactance)))
        found = assembled(len(self.kv), self.ends, series, np.zeros_like(series))
        plant = np.isin(self.ends[alone], self.plants)
        grid = self.ends[alone][~plant]
        np.add.at(found, (grid, grid), 1.0 / (1j * self.reactance[alone]))
        found[np.diag_indices(len(found))] += 1e-6 * (1 - 1j)
        return np.linalg.inv(found)

    def distances(self) -> F8:
        """[n, n] Effective impedance between any two buses through the branches."""
        series = 1.0 / (self.resistance + 1j * self.reactance)
        inverse = np.linalg.pinv(assembled(len(self.kv), self.ends, series, np.zeros_like(series)))
        own = np.diag(inverse)
        return np.asarray(np.abs(own[:, None] + own[None] - inverse - inverse.T))

    def islands(self, without: int) -> bool:
        """Whether the grid falls apart without a branch."""
        kept = np.arange(len(self.ends)) != without
        return pieces(len(self.kv), self.ends[kept]) > 1


def assembled(count: int, ends: I8, series: C16 | F8, shunt: C16 | F8) -> C16:
    """[n, n] Admittances of branches [b] between ends [b, 2], with shunts at each end."""
    found = np.zeros((count, count), complex)
    for one, other in ((0, 1), (1, 0)):
        np.add.at(found, (ends[:, one], ends[:, one]), series + shunt)
        np.add.at(found, (ends[:, one], ends[:, other]), -series)
    return found


def pieces(count: int, ends: I8) -> int:
    """Into how many a graph falls."""
    graph = csr_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    return int(connected_components(graph, directed=False)[0])


def drawn(rng: np.random.Generator, buses: int) -> Network:
    """A network of about so many buses."""
    areas = int(np.clip(round(buses / 45) + rng.integers(2), 2, 5))
    centre = _centres(rng, areas)
    count = max(6 * areas, round(buses / 1.95))
    area = np.sort(np.r_[np.repeat(np.arange(areas), 6), rng.integers(areas, size=count - 6 * areas)])
    spread = rng.uniform(60.0, 110.0, areas)
    place = centre[area] + spread[area, None] * rng.standard_normal((count, 2))
    high = _strongest(rng, area, 0.42)
    both = np.flatnonzero(high)
    upper = np.full(count, -1)
    upper[both] = count + np.arange(len(both))
    lines = [(a, b, LOW) for a, b in _ways(rng, place, area, np.arange(count), 0.35)]
    lines += [(int(upper[a]), int(upper[b]), HIGH) for a, b in _ways(rng, place, area, both, 0.7)]
    lines += [(int(upper[a]), int(upper[b]), HIGH) for a, b in _ties(rng, place, area, both, centre)]
    plants = _plants(rng, area, high)
    loads = np.flatnonzero(rng.random(count) < 0.85)
    load = np.exp(0.6 * rng.standard_normal(len(loads)))
    load *= count * rng.uniform(1.2, 2.4) / load.sum()
    station = np.r_[np.arange(count), both, plants]
    kv = np.r_[np.full(count, LOW.kv), np.full(len(both), HIGH.kv), rng.choice([15.0, 18.0, 21.0, 24.0], len(plants))]
    capacity = _capacity(rng, area, plants, high, loads, load)
    first = count + len(both)
    below = [(int(b), int(upper[b])) for b in both]
    below += [(int(upper[s] if high[s] else s), first + k) for k, s in enumerate(plants)]
    ends = np.array([(a, b) for a, b, _ in lines] + below)
    length = 1.15 * np.linalg.norm(place[station[ends[:, 0]]] - place[station[ends[:, 1]]], axis=1)
    levels = [level for _, _, level in lines]
    bare = Network(
        kv, station, place[station], area[station], ends, np.zeros(len(ends)), np.zeros(len(ends)),
        np.zeros(len(ends)), first + np.arange(len(plants)), capacity, loads, load,
    )  # fmt: skip
    return _built(bare, np.maximum(length, 5.0), levels)


def _centres(rng: np.random.Generator, areas: int) -> F8:
    """[areas, 2] Each beside one that is there."""
    found = [np.zeros(2)]
    while len(found) < areas:
        way = rng.uniform(0.0, 2 * np.pi)
        at = found[rng.integers(len(found))] + rng.uniform(280.0, 480.0) * np.array([np.cos(way), np.sin(way)])
        if min(np.linalg.norm(at - other) for other in found) > 260.0:
            found.append(at)
    return np.array(found)


def _strongest(rng: np.random.Generator, area: I8, share: float) -> NDArray[np.bool_]:
    """[s] Stations that the high voltage reaches: a share of each area, three at least."""
    found = np.zeros(len(area), bool)
    for each in np.unique(area):
        some = np.flatnonzero(area == each)
        found[rng.choice(some, max(3, round(share * len(some))), replace=False)] = True
    return found


def _ways(rng: np.random.Generator, place: F8, area: I8, some: I8, more: float) -> list[tuple[int, int]]:
    """Lines between some stations of each area: the shortest tree, and with a probability from each to the next."""
    found: set[tuple[int, int]] = set()
    for each in np.unique(area):
        here = some[area[some] == each]
        away = cdist(place[here], place[here])
        tree = minimum_spanning_tree(away).tocoo()
        found |= {(min(a, b), max(a, b)) for a, b in zip(here[tree.row], here[tree.col], strict=True)}
        for k in np.flatnonzero(rng.random(len(here)) < more):
            free = [j for j in np.argsort(away[k], kind="stable")[1:]
                    if (min(here[k], here[j]), max(here[k], here[j])) not in found]  # fmt: skip
            if free:
                found.add((min(here[k], here[free[0]]), max(here[k], here[free[0]])))
    return sorted((int(a), int(b)) for a, b in found)


def _ties(rng: np.random.Generator, place: F8, area: I8, some: I8, centre: F8) -> list[tuple[int, int]]:
    """One to three lines between neighbouring areas, from different stations where there are."""
    away = cdist(centre, centre)
    tree = minimum_spanning_tree(away).tocoo()
    found = []
    for one, other in zip(tree.row, tree.col, strict=True):
        here, there = some[area[some] == one], some[area[some] == other]
        length = cdist(place[here], place[there])
        for _ in range(rng.integers(1, 4)):
            a, b = np.unravel_index(np.argmin(length), length.shape)
            found.append((int(here[a]), int(there[b])))
            length[a], length[:, b] = np.inf, np.inf
    return found


def _plants(rng: np.random.Generator, area: I8, high: NDArray[np.bool_]) -> I8:
    """Stations with a plant: half of all, those of the high voltage rather; one an area at least."""
    weight = np.where(high, 3.0, 1.0)
    found = set(rng.choice(len(area), round(0.5 * len(area)), replace=False, p=weight / weight.sum()).tolist())
    for each in np.unique(area):
        if not found & set(np.flatnonzero(area == each).tolist()):
            found.add(int(np.flatnonzero((area == each) & high)[0]))
    return np.array(sorted(found))


def _capacity(rng: np.random.Generator, area: I8, plants: I8, high: NDArray[np.bool_], loads: I8, load: F8) -> F8:
    """[g] Capacities: a quarter more than the load, some areas rich and some poor."""
    found = np.exp(0.7 * rng.standard_normal(len(plants))) * np.where(high[plants], 3.0, 1.0)
    for each in np.unique(area):
        need = load[area[loads] == each].sum() * rng.uniform(0.88, 1.12)
        found[area[plants] == each] *= need / found[area[plants] == each].sum()
    return np.asarray(found * 1.25 * load.sum() / found.sum())


def _built(bare: Network, length: F8, levels: list[Level]) -> Network:
    """Circuits and transformers that carry the flow, each circuit a branch of its own."""
    count = len(levels)
    per_km = np.array([[v.resistance, v.reactance, v.charging, v.kv**2 / BASE, v.load / BASE] for v in levels])
    carries = per_km[:, 4] * np.minimum(1.0, 150.0 / length[:count])
    reactance = np.r_[per_km[:, 1] * length[:count] / per_km[:, 3], np.full(len(length) - count, 0.02)]
    circuits = np.ones(count, int)
    rating = np.ones(len(length) - count)
    power = np.zeros(len(bare.kv))
    power[bare.loads] -= bare.load
    power[bare.plants] += bare.capacity * bare.load.sum() / bare.capacity.sum()
    for _ in range(3):
        now = np.r_[reactance[:count] / circuits, TRANSFORMER / rating]
        flow = np.abs(direct_flow(bare.ends, now, power))
        circuits = np.clip(np.ceil(flow[:count] / carries), 1, 6).astype(int)
        rating = np.maximum(1.0, 1.5 * flow[count:])
    own = np.isin(bare.ends[count:], bare.plants).any(axis=1)
    rating[own] = bare.capacity / 0.9
    one = np.r_[np.repeat(np.arange(count), circuits), np.arange(count, len(length))]
    lines = one < count
    impedance = np.zeros(len(one), complex)
    which = one[lines]
    impedance[lines] = (per_km[which, 0] + 1j * per_km[which, 1]) * length[which] / per_km[which, 3]
    impedance[~lines] = (0.0025 + 1j * TRANSFORMER) / rating
    charging = np.zeros(len(one))
    charging[lines] = per_km[which, 2] * length[which] * per_km[which, 3]
    return replace(bare, ends=bare.ends[one], resistance=impedance.real, reactance=impedance.imag, charging=charging)


def direct_flow(ends: I8, reactance: F8, power: F8) -> F8:
    """[b] Active power through branches of reactances alone, for powers [n] into the buses (the mean is taken off)."""
    series = (1.0 / reactance).astype(complex)
    susceptance = assembled(len(power), ends, series, np.zeros_like(series)).real
    angle = np.linalg.lstsq(susceptance, power - power.mean(), rcond=None)[0]
    return np.asarray((angle[ends[:, 0]] - angle[ends[:, 1]]) / reactance)
