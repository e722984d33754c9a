"""Where a disturbance was: a position with its 95 % ellipse, and the devices in the order of their closeness.

How strongly each device felt the event, and what of it the others do not explain (`telling`), makes each place of a map
(`whereabouts`), or each bus or line of a network where one is known (`onnetwork`), more or less probable. The
position is the one from which the origin is expected to be least far away.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from algorithms.closeness import by_network, sources_first, strength
from algorithms.electrical import Network
from algorithms.observations import POWERS, SERIES, Observations
from algorithms.onnetwork import Candidates, candidates
from algorithms.telling import FEWEST, LINE, SWINGS, Told, told
from algorithms.whereabouts import Map, centre, chart, delays, ellipse, evidence, neighbours

F8 = NDArray[np.float64]
Bools = NDArray[np.bool_]

KM_PER_DEGREE = 111.195
"""On a sphere of 6371 km."""
MENDED = 0.1
"""s; a span of bad samples that is no longer than this counts as repaired."""
POSITIONED = 0.9
"""Probability of the buses whose position must be known, for a place that follows from the network."""
NAMED = 3
"""Buses or lines that are named."""
NOT_A_PLACE = ("slow_ramp", "none")
"""Kinds of the whole grid."""


class Seen(Protocol):
    """Observations with what is known of their quality (`quality.Assessed`)."""

    @property
    def bad(self) -> Bools: ...
    @property
    def repaired(self) -> Observations: ...
    @property
    def usable(self) -> Bools: ...


class Found(Protocol):
    """A detection (`coanalysis.Detection`)."""

    @property
    def onset(self) -> float: ...


@dataclass(frozen=True)
class Place:
    """Where it was."""

    latitude: float
    """Degrees north; NaN where too few devices have a position."""
    longitude: float
    ellipse: tuple[float, float, float]
    """Semi-major and semi-minor axis [km], direction of the major axis [degrees from north, 0..180)."""
    nearest: list[int]
    """Devices by place, the electrically nearest first; those that tell nothing are left out."""
    detail: dict[str, Any] = field(default_factory=dict)
    """What each device felt, by measure, and when [s]; of a network `named`: likeliest buses or lines, probability;
    of an oscillation its `shape`, and the `energy` that each device feeds it with (`participation`)."""


@dataclass(frozen=True)
class _Plane:
    """A flat map around the devices."""

    latitude: float
    longitude: float

    def flat(self, latitude: F8, longitude: F8) -> tuple[F8, F8]:
        """km east and north of the middle."""
        scale = KM_PER_DEGREE * np.cos(np.radians(self.latitude))
        return (longitude - self.longitude) * scale, (latitude - self.latitude) * KM_PER_DEGREE

    def place(self, east: float, north: float) -> tuple[float, float]:
        """Latitude and longitude."""
        scale = KM_PER_DEGREE * float(np.cos(np.radians(self.latitude)))
        return self.latitude + north / KM_PER_DEGREE, self.longitude + east / scale


def locate(seen: Seen, found: Found, kind: str, network: Network | None = None) -> Place | None:
    """The place of the disturbance `found`. None where its kind has none, or nothing tells it.

    The devices of `network` are those of `seen`, in the same order.
    """
    if kind in NOT_A_PLACE:
        return None
    clean = trusted(seen)
    return place(clean, told(clean, round(found.onset * clean.rate), kind), kind, network)


def place(seen: Observations, tells: Told, kind: str, network: Network | None = None) -> Place | None:
    """The place that what is `told` of devices that all may take part tells."""
    if kind == SWINGS:
        return _nowhere([], tells.detail) if tells.detail else None
    if not tells.maps:
        return None
    closeness = strength([*tells.felt, *tells.closer] or tells.maps[0])
    plane, places, far = _chart(seen, tells)
    known = np.isfinite(far)
    closeness[known] -= far[known]
    if network is not None and (some := candidates(network, tells.electrical, lines=kind == LINE)) is not None:
        closeness = by_network(some, closeness)
        likeliest = np.argsort(-some.weight)[:NAMED]
        tells.detail["named"] = [(some.names[k], round(float(some.weight[k]), 3)) for k in likeliest]
        plane, places = _positions(some) or (plane, places)
    if tells.fed:
        closeness = sources_first(closeness, tells.fed)
    nearest = [int(k) for k in np.argsort(-closeness, kind="stable") if np.isfinite(closeness[k])]
    if plane is None or places is None:
        return _nowhere(nearest, tells.detail)
    at = centre(places)
    return Place(*plane.place(*at), ellipse(places, at), nearest, tells.detail)


def _nowhere(nearest: list[int], detail: dict[str, Any]) -> Place:
    return Place(np.nan, np.nan, (np.nan, np.nan, np.nan), nearest, detail)


def trusted(seen: Seen) -> Observations:
    """The repaired observations; NaN where much was bad, and of devices that may take no part."""
    kept = seen.usable[:, None] & ~_longer(seen.bad, round(MENDED * seen.repaired.rate))
    there = [(name, getattr(seen.repaired, name)) for name in (*SERIES, *POWERS)]
    changed: dict[str, Any] = {name: np.where(kept, each, np.nan) for name, each in there if each is not None}
    return replace(seen.repaired, **changed)


def _longer(bad: Bools, limit: int) -> Bools:
    """[m, n] The spans of `bad` that are longer than so many samples."""
    count = np.arange(bad.shape[1])
    good = np.where(bad, -1, count)
    before = np.maximum.accumulate(good, axis=1)
    after = np.minimum.accumulate(np.where(bad, bad.shape[1], count)[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(bad & (after - before - 1 > limit))


def _chart(seen: Observations, tells: Told) -> tuple[_Plane | None, Map | None, F8]:
    """The map with its probabilities, and [m] expected log(1 + distance) of each device; NaN without a position.

    What devices felt and what of that the others do not explain share their errors, and neither is right everywhere:
    each draws a map, and one of the two is the right one, which is not known.
    """
    far = np.full(seen.devices, np.nan)
    placed = np.isfinite(seen.latitude) & np.isfinite(seen.longitude)
    maps = [[some for answer in each if np.sum((some := answer.of(placed)).known) >= FEWEST] for each in tells.maps]
    maps = [each for each in maps if each]
    if not maps:
        return None, None, far
    plane = _Plane(float(np.mean(seen.latitude[placed])), float(np.mean(seen.longitude[placed])))
    east, north = plane.flat(seen.latitude[placed], seen.longitude[placed])
    places = chart(east, north)
    distance = np.hypot(places.east[:, None] - east, places.north[:, None] - north)
    spacing = neighbours(east, north)
    logs = [
        np.log(places.weight) + np.sum([evidence(distance, spacing, answer) for answer in each], axis=0)
        for each in maps
    ]
    late = delays(distance, tells.arrival[placed])  # electrical: arrivals say where, not how near
    far[placed] = np.mean([_weights(each) for each in logs], axis=0) @ np.log1p(distance / spacing)
    return plane, replace(places, weight=np.mean([_weights(each + late) for each in logs], axis=0)), far


def _weights(logs: F8) -> F8:
    """Probabilities, sum 1, of their logarithms up to a constant."""
    found = np.exp(logs - logs.max())
    return np.asarray(found / found.sum())


def _positions(some: Candidates) -> tuple[_Plane, Map] | None:
    """The candidates on a map, if nearly all of the probability has a position."""
    placed = np.isfinite(some.latitude) & np.isfinite(some.longitude)
    if np.sum(some.weight[placed]) < POSITIONED:
        return None
    weight = some.weight[placed] / np.sum(some.weight[placed])
    plane = _Plane(float(weight @ some.latitude[placed]), float(weight @ some.longitude[placed]))
    return plane, Map(*plane.flat(some.latitude[placed], some.longitude[placed]), weight)
