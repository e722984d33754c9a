"""What the API answers with. Names end in units; times are ISO 8601, UTC; null = not known."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text_of(time: int) -> str:
    """An instant [ns UTC] to the microsecond."""
    return (EPOCH + timedelta(microseconds=time // 1000)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Figure = Annotated[float | None, BeforeValidator(_known)]
"""A number; null where it is not known."""


class Channel(BaseModel):
    """One that has a history."""

    quantity: str
    """frequency, rocof, magnitude, angle, analog, digital; for `quantity=` of the history"""
    channel: str
    """Its name, for `channel=`; "" where a device has but one"""
    unit: str


class Device(BaseModel):
    """A station: one PMU block of a stream, or the spectra of an SMD."""

    device: int
    name: str
    link: str
    """Name of the connection in the site file"""
    region: str
    latitude: Figure
    longitude: Figure
    protocol: str
    rate: float
    """Frames per second"""
    nominal_hz: int
    channels: list[Channel]
    bad_data: list[str]
    """Kinds of bad data that it has now, as `frozen`"""


class Value(Channel):
    """The newest of a channel."""

    value: Figure


class Latest(BaseModel):
    """The newest row of a device."""

    device: int
    name: str
    time: str
    present: bool
    """False: the last slot came without it"""
    status: int
    """STAT word"""
    quality: int
    """Time quality byte of FRACSEC"""
    values: list[Value]


class History(BaseModel):
    """Rows of one channel; seconds or longer steps with minimum, mean and maximum where rows would be too many."""

    device: str
    quantity: str
    channel: str
    unit: str
    step_s: float | None = None
    """null: as measured"""
    time: list[str]
    value: list[Figure] = Field(default_factory=list)
    """As measured"""
    minimum: list[Figure] = Field(default_factory=list)
    mean: list[Figure] = Field(default_factory=list)
    maximum: list[Figure] = Field(default_factory=list)
    seconds_only: bool = False
    """Rows of that time were removed by retention: of their hours there is at most an overview by seconds"""


class EventAnswer(BaseModel):
    """An event, as the last answer says."""

    id: str
    onset: str
    kind: str
    confidence: Figure
    final: bool
    disturbance: bool
    outcome: str
    score: Figure
    size_mhz: Figure
    size_mw: Figure
    latitude: Figure
    longitude: Figure
    ellipse: list[float]
    """Semi-major and semi-minor axis [km], direction of the major axis [degrees from north]; empty = not known"""
    nearest: list[str]
    devices: list[str]
    bad: list[str]
    """Devices with bad data"""


class Events(BaseModel):
    """A page of events, in order of onset."""

    events: list[EventAnswer]
    next: str | None = None
    """For `from=` of the next page; null: there are no more"""


class EventRecord(EventAnswer):
    """With all that led to it."""

    answers: list[dict[str, Any]]
    """As the archive keeps them"""


class Flag(BaseModel):
    """A span of bad data."""

    device: int
    name: str
    kind: str
    start: str
    stop: str
    going: bool
    """It goes on"""
    score: Figure
    by: str


class NodeState(BaseModel):
    """A process."""

    node: str
    kind: str | None = None
    speaks: bool
    uptime_s: Figure = None
    cpu: Figure = None
    """Share of a core"""
    memory_bytes: int | None = None
    restarts: int = 0
    counters: dict[str, Figure] = Field(default_factory=dict)
    queues: dict[str, int] = Field(default_factory=dict)
    alarms: list[str] = Field(default_factory=list)
