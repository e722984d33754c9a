"""Where a disturbance was: a position with its 95 % ellipse, and the devices in the order of their closeness.

How strongly each device felt the event (`responses`, `oscillating`) makes each place of a map (`whereabouts`), or each
bus or line of a network where one is known (`onnetwork`), more or less probable. The position is the one from
which the origin is expected to be least far away.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from algorithms.arrivals import arrivals
from algorithms.electrical import Network
from algorithms.observations import SERIES, Observations
from algorithms.onnetwork import Candidates, candidates
from algorithms.oscillating import FAST, SLOW, oscillate
from algorithms.responses import Response, measures, respond
from algorithms.whereabouts import Map, centre, chart, delays, ellipse, evidence, neighbours

F8 = NDArray[np.float64]
Bools = NDArray[np.bool_]

KM_PER_DEGREE = 111.195
"""On a sphere of 6371 km."""
FEWEST = 3
"""Devices with a position and a response, for a place on the map."""
DISTANCE_COUNTS = 1.0
"""What the logarithm of the expected distance counts against that of the response, in the order of the devices."""
MENDED = 0.1
"""s; a span of bad samples that is no longer than this counts as repaired."""
POSITIONED = 0.9
"""Probability of the buses whose position must be known, for a place that follows from the network."""
NAMED = 3
"""Buses or lines that are named."""
NOT_A_PLACE = ("osc_inter_area", "slow_ramp", "none")
"""Kinds of the whole grid."""
BANDS = {"osc_forced": SLOW, "osc_subsync": FAST, "oscillation": SLOW}
FAULTS = ("fault_3ph", "fault_2ph", "fault_ground", "fault")
LINE = "line_trip"


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
    """What each device felt, by measure, and when [s]; of a network `named`: likeliest buses or lines, probability."""


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
    onset = round(found.onset * clean.rate)
    felt = _felt(clean, onset, kind)
    if not felt:
        return None
    closeness = _strength(felt)
    detail: dict[str, Any] = {answer.name: [round(float(size), 6) for size in answer.signed] for answer in felt}
    arrival = np.full(clean.devices, np.nan) if kind in BANDS or kind in FAULTS else arrivals(clean, onset)
    detail["arrival"] = [None if np.isnan(late) else round(float(late), 2) for late in arrival]
    plane, places, far = _chart(clean, felt, arrival)
    known = np.isfinite(far)
    closeness[known] -= DISTANCE_COUNTS * far[known]
    if network is not None and (some := candidates(network, felt, lines=kind == LINE)) is not None:
        closeness = _by_network(some, closeness)
        likeliest = np.argsort(-some.weight)[:NAMED]
        detail["named"] = [(some.names[k], round(float(some.weight[k]), 3)) for k in likeliest]
        plane, places = _positions(some) or (plane, places)
    nearest = [int(k) for k in np.argsort(-closeness, kind="stable") if np.isfinite(closeness[k])]
    if plane is None or places is None:
        return Place(np.nan, np.nan, (np.nan, np.nan, np.nan), nearest, detail)
    at = centre(places)
    return Place(*plane.place(*at), ellipse(places, at), nearest, detail)


def trusted(seen: Seen) -> Observations:
    """The repaired observations; NaN where much was bad, and of devices that may take no part."""
    kept = seen.usable[:, None] & ~_longer(seen.bad, round(MENDED * seen.repaired.rate))
    changed: dict[str, Any] = {name: np.where(kept, getattr(seen.repaired, name), np.nan) for name in SERIES}
    return replace(seen.repaired, **changed)


def _longer(bad: Bools, limit: int) -> Bools:
    """[m, n] The spans of `bad` that are longer than so many samples."""
    count = np.arange(bad.shape[1])
    good = np.where(bad, -1, count)
    before = np.maximum.accumulate(good, axis=1)
    after = np.minimum.accumulate(np.where(bad, bad.shape[1], count)[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(bad & (after - before - 1 > limit))


def _felt(seen: Observations, onset: int, kind: str) -> list[Response]:
    """What tells the place of an event of this kind."""
    if kind in BANDS:
        return oscillate(seen, onset, BANDS[kind])
    every = measures(seen.rate)
    wanted = [every["dip"]] if kind in FAULTS else [every["jump"], every["step"]]
    return [answer for measure in wanted if (answer := respond(seen, onset, measure)) is not None]


def _strength(felt: list[Response]) -> F8:
    """[m] Mean logarithm of the devices' responses, of those that they have; NaN = none."""
    logs = np.array([answer.logarithm for answer in felt])
    known = np.isfinite(logs)
    logs = np.where(known, logs, 0.0)
    middle = np.sum(logs, axis=1, keepdims=True) / np.maximum(np.sum(known, axis=1, keepdims=True), 1)
    answers = np.sum(known, axis=0)
    sums = np.sum(np.where(known, logs - middle, 0.0), axis=0)
    return np.where(answers > 0, sums / np.maximum(answers, 1), np.nan)


def _chart(seen: Observations, felt: list[Response], arrival: F8) -> tuple[_Plane | None, Map | None, F8]:
    """The map with its probabilities, and [m] expected log(1 + distance) of each device; NaN without a position."""
    far = np.full(seen.devices, np.nan)
    placed = np.isfinite(seen.latitude) & np.isfinite(seen.longitude)
    telling = [some for answer in felt if np.sum((some := answer.of(placed)).known) >= FEWEST]
    if not telling:
        return None, None, far
    plane = _Plane(float(np.mean(seen.latitude[placed])), float(np.mean(seen.longitude[placed])))
    east, north = plane.flat(seen.latitude[placed], seen.longitude[placed])
    places = chart(east, north)
    distance = np.hypot(places.east[:, None] - east, places.north[:, None] - north)
    spacing = neighbours(east, north)
    logs = np.log(places.weight) + np.sum([evidence(distance, spacing, answer) for answer in telling], axis=0)
    far[placed] = _weights(logs) @ np.log1p(distance / spacing)  # electrical: arrivals say where, not how near
    return plane, replace(places, weight=_weights(logs + delays(distance, arrival[placed]))), far


def _weights(logs: F8) -> F8:
    """Probabilities, sum 1, of their logarithms up to a constant."""
    found = np.exp(logs - logs.max())
    return np.asarray(found / found.sum())


def _by_network(some: Candidates, closeness: F8) -> F8:
    """[m] By expected electrical distance; the devices at no known bus after all others, as they were."""
    distance = np.where(np.isfinite(some.distance), some.distance, np.nan)
    least = np.nanmin(distance[distance > 0.0], initial=np.inf)
    far = some.weight @ np.log(distance + least)
    known = np.isfinite(far) & np.isfinite(closeness)
    after = np.nanmax(closeness, initial=0.0) + np.max(far[known], initial=0.0) + 1.0
    return np.asarray(np.where(known, -far, closeness - after))


def _positions(some: Candidates) -> tuple[_Plane, Map] | None:
    """The candidates on a map, if nearly all of the probability has a position."""
    placed = np.isfinite(some.latitude) & np.isfinite(some.longitude)
    if np.sum(some.weight[placed]) < POSITIONED:
        return None
    weight = some.weight[placed] / np.sum(some.weight[placed])
    plane = _Plane(float(weight @ some.latitude[placed]), float(weight @ some.longitude[placed]))
    return plane, Map(*plane.flat(some.latitude[placed], some.longitude[placed]), weight)
