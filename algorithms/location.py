"""Where a disturbance was: a position with its 95 % ellipse, and the devices in the order of their closeness.

How strongly each device felt the event (`responses`) makes each place of a map more or less probable
(`whereabouts`); the estimate is the place from which the origin is expected to be least far away.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from algorithms.observations import SERIES, Observations
from algorithms.oscillating import FAST, SLOW, oscillate
from algorithms.responses import Response, measures, respond
from algorithms.whereabouts import Map, chart, evidence, neighbours

F8 = NDArray[np.float64]
Bools = NDArray[np.bool_]

KM_PER_DEGREE = 111.195
"""On a sphere of 6371 km."""
FEWEST = 3
"""Devices with a position and a response, for a place on the map."""
DISTANCE_COUNTS = 1.0
"""What the logarithm of the expected distance counts against that of the response, in the order of the devices."""
INSIDE = 0.95
"""Probability that the ellipse holds."""
NOT_A_PLACE = ("osc_inter_area", "slow_ramp", "none")
"""Kinds of the whole grid."""
BANDS = {"osc_forced": SLOW, "osc_subsync": FAST, "oscillation": SLOW}
FAULTS = ("fault_3ph", "fault_2ph", "fault_ground", "fault")


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
    @property
    def arrivals(self) -> F8: ...


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


def locate(seen: Seen, found: Found, kind: str) -> Place | None:
    """The place of the disturbance `found`. None where its kind has none, or fewer than two devices felt it."""
    if kind in NOT_A_PLACE:
        return None
    clean = trusted(seen)
    onset = round(found.onset * clean.rate)
    felt = _felt(clean, onset, kind)
    if not felt:
        return None
    strength = _strength(felt)
    detail = {answer.name: [round(float(size), 6) for size in answer.signed] for answer in felt}
    placed = np.isfinite(clean.latitude) & np.isfinite(clean.longitude)
    answering = np.any([np.isfinite(answer.size) for answer in felt], axis=0)
    if np.sum(placed & answering) < FEWEST:
        return Place(np.nan, np.nan, (np.nan, np.nan, np.nan), _order(strength), detail)
    return _placed(clean, placed, felt, strength, detail)


def trusted(seen: Seen) -> Observations:
    """The repaired observations, NaN for devices that may take no part."""
    series = {name: np.where(seen.usable[:, None] & ~seen.bad, getattr(seen.repaired, name), np.nan) for name in SERIES}
    changed: dict[str, Any] = series
    return replace(seen.repaired, **changed)


def _felt(seen: Observations, onset: int, kind: str) -> list[Response]:
    """What tells the place of an event of this kind."""
    if kind in BANDS:
        return oscillate(seen, onset, BANDS[kind])
    every = measures(seen.rate)
    wanted = [every["dip"]] if kind in FAULTS else [every["jump"], every["step"]]
    return [answer for measure in wanted if (answer := respond(seen, onset, measure)) is not None]


def _strength(felt: list[Response]) -> F8:
    """[m] Mean logarithm of the devices' responses, of those that they have; NaN = none."""
    logs = np.array([np.log(np.maximum(answer.size, np.maximum(answer.noise, 1e-12))) for answer in felt])
    known = np.isfinite(logs)
    count = np.sum(known, axis=1, keepdims=True)
    logs = np.where(known, logs, 0.0)
    logs = np.where(known, logs - np.sum(logs, axis=1, keepdims=True) / np.maximum(count, 1), 0.0)
    answers = np.sum(known, axis=0)
    return np.where(answers > 0, np.sum(logs, axis=0) / np.maximum(answers, 1), np.nan)


def _order(closeness: F8) -> list[int]:
    """The devices that are known, the closest first."""
    return [int(k) for k in np.argsort(-closeness, kind="stable") if np.isfinite(closeness[k])]


def _placed(
    seen: Observations, placed: Bools, felt: list[Response], strength: F8, detail: dict[str, Any]
) -> Place:
    latitude, longitude = float(np.mean(seen.latitude[placed])), float(np.mean(seen.longitude[placed]))
    scale = np.cos(np.radians(latitude))
    east = (seen.longitude[placed] - longitude) * KM_PER_DEGREE * scale
    north = (seen.latitude[placed] - latitude) * KM_PER_DEGREE
    places = chart(east, north)
    distance = np.hypot(places.east[:, None] - east, places.north[:, None] - north)
    spacing = neighbours(east, north)
    logs = np.log(places.weight)
    for answer in felt:
        some = Response(answer.name, answer.size[placed], answer.noise[placed], answer.signed[placed])
        if np.sum(np.isfinite(some.size)) >= FEWEST:
            logs = logs + evidence(distance, spacing, some)
    weight = np.exp(logs - logs.max())
    weight /= weight.sum()
    at = _centre(places, weight)
    closeness = strength.copy()
    closeness[placed] -= DISTANCE_COUNTS * (weight @ np.log1p(distance / spacing))
    return Place(
        latitude + at[1] / KM_PER_DEGREE,
        longitude + at[0] / (KM_PER_DEGREE * scale),
        _ellipse(places, weight, at),
        _order(closeness),
        detail,
    )


def _centre(places: Map, weight: F8) -> tuple[float, float]:
    """The point whose expected distance to the origin is smallest ([Weiszfeld1937])."""
    east, north = float(weight @ places.east), float(weight @ places.north)
    for _ in range(30):
        pull = weight / np.maximum(np.hypot(places.east - east, places.north - north), 1.0)
        total = pull.sum()
        east, north = float(pull @ places.east / total), float(pull @ places.north / total)
    return east, north


def _ellipse(places: Map, weight: F8, at: tuple[float, float]) -> tuple[float, float, float]:
    """Of the shape of the covariance, as large as it must be to hold 95 % of the probability."""
    away = np.array([places.east - at[0], places.north - at[1]])
    spread = (away * weight) @ away.T + np.eye(2)
    size, axes = np.linalg.eigh(spread)
    norm = np.sum((axes.T @ away) ** 2 / size[:, None], axis=0)
    order = np.argsort(norm)
    reach = norm[order][min(np.searchsorted(np.cumsum(weight[order]), INSIDE), len(order) - 1)]
    minor, major = np.sqrt(size * max(float(reach), 1.0))
    direction = float(np.degrees(np.arctan2(axes[0, 1], axes[1, 1]))) % 180.0
    return float(major), float(minor), direction
