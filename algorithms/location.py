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
from algorithms.observations import POWERS, SERIES, Observations
from algorithms.onnetwork import Candidates, candidates
from algorithms.oscillating import FAST, SLOW, alone, find, oscillate
from algorithms.participation import energy, shape
from algorithms.responses import CLEAR, TINY, Measure, Response, measures, respond
from algorithms.unexplained import unexplained
from algorithms.whereabouts import Map, centre, chart, delays, ellipse, evidence, neighbours

F8 = NDArray[np.float64]
Bools = NDArray[np.bool_]

KM_PER_DEGREE = 111.195
"""On a sphere of 6371 km."""
FEWEST = 3
"""Devices with a position and a response, for a place on the map."""
DISTANCE_COUNTS = 1.0
"""What the logarithm of the expected distance counts against that of the response, in the order of the devices."""
OWN = 0.5
"""Share of how devices move together at quiet instants that is taken for each one's own: these are few and noisy."""
LARGEST = 4.0
"""Times its noise, that a quiet move counts at most: an earlier event does not tell how devices usually move."""
SURE = 4.0
"""Times its noise, at which a measure counts half."""
MENDED = 0.1
"""s; a span of bad samples that is no longer than this counts as repaired."""
POSITIONED = 0.9
"""Probability of the buses whose position must be known, for a place that follows from the network."""
AT_ITS_BUS = 0.01
"""Of the typical electrical distance, that a device has from its own bus: no logarithm of nothing."""
ANOTHER_ISLAND = 1e3
"""Times the typical distance."""
NAMED = 3
"""Buses or lines that are named."""
NOT_A_PLACE = ("slow_ramp", "none")
"""Kinds of the whole grid."""
SWINGS = "osc_inter_area"
"""Of the whole grid, too; its shape says who takes part."""
BANDS = {"osc_forced": SLOW, "osc_subsync": FAST, "oscillation": SLOW, SWINGS: SLOW}
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
    """What each device felt, by measure, and when [s]; of a network `named`: likeliest buses or lines, probability;
    of an oscillation its `shape`, and the `energy` that each device feeds it with (`participation`)."""


@dataclass(frozen=True)
class _Told:
    """What tells the place."""

    felt: list[Response]
    arrival: F8
    """[m] s after the onset; NaN = not seen, or it says nothing."""
    detail: dict[str, Any]
    closer: list[Response]
    """What tells the order of the devices, besides."""
    fed: Response | None = None
    """The energy that feeds an oscillation."""

    @property
    def counting(self) -> list[Response]:
        """What the map is drawn by."""
        return [self.fed] if self.fed and np.sum(self.fed.known) >= FEWEST else self.felt


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
    told = _swung(clean, onset, BANDS[kind]) if kind in BANDS else _jolted(clean, onset, kind)
    if kind == SWINGS:
        return _nowhere([], told.detail) if told.detail else None
    if not told.felt:
        return None
    closeness = _strength([*told.felt, *told.closer])
    plane, places, far = _chart(clean, told)
    known = np.isfinite(far)
    closeness[known] -= DISTANCE_COUNTS * far[known]
    if network is not None and (some := candidates(network, told.counting, lines=kind == LINE)) is not None:
        closeness = _by_network(some, closeness)
        likeliest = np.argsort(-some.weight)[:NAMED]
        told.detail["named"] = [(some.names[k], round(float(some.weight[k]), 3)) for k in likeliest]
        plane, places = _positions(some) or (plane, places)
    if told.fed:
        closeness = _sources_first(closeness, told.fed)
    nearest = [int(k) for k in np.argsort(-closeness, kind="stable") if np.isfinite(closeness[k])]
    if plane is None or places is None:
        return _nowhere(nearest, told.detail)
    at = centre(places)
    return Place(*plane.place(*at), ellipse(places, at), nearest, told.detail)


def _nowhere(nearest: list[int], detail: dict[str, Any]) -> Place:
    return Place(np.nan, np.nan, (np.nan, np.nan, np.nan), nearest, detail)


def _rounded(values: F8, digits: int = 6) -> list[float | None]:
    return [round(float(value), digits) if np.isfinite(value) else None for value in values]


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


def _jolted(seen: Observations, onset: int, kind: str) -> _Told:
    """Of an event at an instant."""
    every = measures(seen.rate)
    fault = kind in FAULTS
    felt = _answers(seen, onset, [every["dip"]] if fault else [every["jump"], every["step"]])
    if fault:
        closer = [some for some in _answers(seen, onset, [every["unbalance"]]) if some.clear]
    else:
        closer = [some for answer in felt if kind != LINE and (some := _alone(answer)) is not None]
    arrival = np.full(seen.devices, np.nan) if fault else arrivals(seen, onset)
    detail: dict[str, Any] = {answer.name: _rounded(answer.signed) for answer in (*felt, *closer)}
    return _Told(felt, arrival, detail | {"arrival": _rounded(arrival, 2)}, closer)


def _alone(answer: Response) -> Response | None:
    """What of it the others do not explain."""
    if answer.quiet is None:
        return None
    most = LARGEST * np.maximum(answer.noise, _median(answer.noise))[:, None]
    return unexplained(f"{answer.name} alone", answer.signed, np.clip(answer.quiet, -most, most), OWN)


def _answers(seen: Observations, onset: int, wanted: list[Measure]) -> list[Response]:
    return [answer for measure in wanted if (answer := respond(seen, onset, measure)) is not None]


def _swung(seen: Observations, onset: int, band: tuple[float, float]) -> _Told:
    """Of an oscillation."""
    nothing = np.full(seen.devices, np.nan)
    line = find(seen, onset, band)
    if line is None:
        return _Told([], nothing, {}, [])
    felt = oscillate(line)
    if (own := alone(line)) is not None:
        felt.append(own)
    detail = {"shape": shape(line)} | {answer.name: _rounded(answer.signed) for answer in felt}
    fed = energy(line) if band == SLOW else None
    if fed is None:
        return _Told(felt, nothing, detail, [])
    return _Told(felt or [fed], nothing, detail | {"energy": _rounded(fed.signed)}, [], fed)


def _strength(felt: list[Response]) -> F8:
    """[m] Mean logarithm of the devices' responses, of those that they have; NaN = none.

    A measure counts by how far all devices together are above their noise, and a device's size by how far it is above
    its own: a noisy device is no near one.
    """
    logs = np.array([_sure(answer) for answer in felt])
    weight = np.array([_clearness(answer) for answer in felt])[:, None]
    known = np.isfinite(logs)
    logs = np.where(known, logs, 0.0)
    middle = np.sum(logs, axis=1, keepdims=True) / np.maximum(np.sum(known, axis=1, keepdims=True), 1)
    answers = np.sum(known * weight, axis=0)
    sums = np.sum(np.where(known, logs - middle, 0.0) * weight, axis=0)
    return np.where(answers > 0, sums / np.where(answers > 0, answers, 1.0), np.nan)


def _sure(answer: Response) -> F8:
    """[m] Logarithm of the sizes; the less they are above their own noise, the nearer to what noise usually makes."""
    usual = max(_median(answer.noise), TINY)
    counts = answer.size**2 / (answer.size**2 + answer.noise**2 + TINY**2)
    return np.asarray(np.log(usual) + counts * np.log(np.maximum(answer.size, usual) / usual))


def _median(values: F8) -> float:
    """Of those that are known; 0 of none."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else 0.0


def _clearness(answer: Response) -> float:
    """0..1: a half where the sizes are SURE times the noise."""
    known = answer.known
    power, noise = (float(np.mean(part[known] ** 2)) if known.any() else 0.0 for part in (answer.size, answer.noise))
    return (power + TINY**2) / (power + SURE**2 * noise + TINY**2)


def _sources_first(closeness: F8, fed: Response) -> F8:
    """[m] The devices that clearly feed an oscillation before all others, by how much."""
    clear = fed.size > CLEAR * fed.noise
    first = np.nanmax(closeness, initial=0.0) + 1.0 + np.log(fed.size[clear] / np.min(fed.size[clear]))
    found = closeness.copy()
    found[clear] = first
    return found


def _chart(seen: Observations, told: _Told) -> tuple[_Plane | None, Map | None, F8]:
    """The map with its probabilities, and [m] expected log(1 + distance) of each device; NaN without a position."""
    far = np.full(seen.devices, np.nan)
    placed = np.isfinite(seen.latitude) & np.isfinite(seen.longitude)
    telling = [some for answer in told.counting if np.sum((some := answer.of(placed)).known) >= FEWEST]
    if not telling:
        return None, None, far
    plane = _Plane(float(np.mean(seen.latitude[placed])), float(np.mean(seen.longitude[placed])))
    east, north = plane.flat(seen.latitude[placed], seen.longitude[placed])
    places = chart(east, north)
    distance = np.hypot(places.east[:, None] - east, places.north[:, None] - north)
    spacing = neighbours(east, north)
    logs = np.log(places.weight) + np.sum([evidence(distance, spacing, answer) for answer in telling], axis=0)
    far[placed] = _weights(logs) @ np.log1p(distance / spacing)  # electrical: arrivals say where, not how near
    return plane, replace(places, weight=_weights(logs + delays(distance, told.arrival[placed]))), far


def _weights(logs: F8) -> F8:
    """Probabilities, sum 1, of their logarithms up to a constant."""
    found = np.exp(logs - logs.max())
    return np.asarray(found / found.sum())


def _by_network(some: Candidates, closeness: F8) -> F8:
    """[m] By expected electrical distance; the devices at no known bus after all others, as they were."""
    typical = _median(some.distance)
    distance = np.minimum(some.distance, ANOTHER_ISLAND * typical)
    far = some.weight @ np.log(distance + AT_ITS_BUS * typical)
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
