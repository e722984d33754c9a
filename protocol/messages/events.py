"""Disturbances: what is known of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from protocol.messages.fields import F8, I8, U4, Count, Number4
from protocol.messages.registry import message
from protocol.messages.streams import Numbered


@message(b"EVT")
@dataclass(frozen=True)
class Event(Numbered):
    """What is known of a disturbance, or of what looked like one. Said again, whole, as more becomes known."""

    id: str
    """The same in every answer: the first suspected onset in UTC and the trigger, `20261201T040911.220Z_suspects`."""
    answer: Count
    """1, 2, …; the highest counts."""
    final: bool
    """Nothing follows."""
    trigger: str
    worker: str
    algorithm: str
    version: int
    outcome: str
    """An `Outcome`."""
    error: str
    device: Annotated[U4, "m"]
    """[m] those that were looked at"""
    start: int
    """ns UTC of the window that was judged"""
    stop: int
    """ns UTC, half-open"""
    suspicions: list[dict[str, Any]]
    """What led here: `device`, `trigger`, `start`, `onset` (ns UTC), `score`."""
    disturbance: bool
    """False: bad data, or nothing that several devices saw."""
    kind: str
    """As `gen_trip`; `none` if it was no disturbance."""
    confidence: float
    """Probability of the kind."""
    onset: int
    """ns UTC; that of the first suspicion if nothing was found."""
    score: float
    """1.0 = at the limit"""
    size_mhz: float
    """Signed: how far the frequency of the grid went, or the largest amplitude of an oscillation; NaN = none."""
    size_mw: float
    """Signed power that the grid lost (< 0) or gained; NaN where the site does not say how the frequency responds."""
    latitude: float
    """Degrees north of where it was; NaN = not known."""
    longitude: float
    ellipse: list[float]
    """Semi-major and semi-minor axis [km], direction of the major axis [degrees from north]: where it was with 95 %
    probability; empty = not known."""
    nearest: list[Number4]
    """Devices, the nearest first."""
    arrival: Annotated[I8, "m"]
    """[m] ns UTC at which each device left its course; 0 = not seen there."""
    amplitude: Annotated[F8, "m"]
    """[m] mHz; NaN = not known"""
    bad: list[dict[str, Any]]
    """Bad data: `device`, `kind`, `start`, `stop` (ns UTC, half-open), `score`."""
    detail: dict[str, Any]
    """What led to each statement: `probabilities`, `rules`, figures of the detection and of the place."""
    completeness: float
    took: int
    """ns of work"""
