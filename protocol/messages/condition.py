"""How nodes and devices are: health of processes, statistics of minutes, spans of bad data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from protocol.messages.fields import F8, I8, U1, U4
from protocol.messages.registry import message
from protocol.messages.streams import Numbered


@message(b"HEA")
@dataclass(frozen=True)
class Health:
    """How a node is, each second: what `syms status` shows."""

    node: str
    kind: str
    pid: int
    time: int
    """ns UTC"""
    uptime: float
    """Seconds."""
    cpu: float
    """Seconds of CPU used since the start."""
    memory: int
    """Resident bytes."""
    counters: dict[str, float]
    """Since the start; names end in their unit if it is not a plain count."""
    queues: dict[str, int]
    """What waits now, by queue."""
    columns: Annotated[list[str], "k"]
    """[k] names of the per-device counters, as `received`, `late`, `connected`, `latency_ms`."""
    devices: Annotated[U4, "n"]
    """[n]"""
    labels: Annotated[list[str], "n"]
    """[n] name of each device, "" if this node does not know it."""
    counts: Annotated[NDArray[np.float64], "n", "k"]
    """[n, k]"""
    alarms: list[str]
    """What a person should look at, each a sentence."""
    site: str = ""
    """Version of the site file in force there: 8 hex digits; "" if the node has none."""
    site_since: int = 0
    """When it came into force [UTC ns]."""


@message(b"MIN")
@dataclass(frozen=True)
class Minutes(Numbered):
    """How the devices of a concentrator were in one minute; one for each that it lived through, at least in part.

    A stream of its own beside the snapshots: its writer is `<concentrator>/minutes`. Rows count where they came, so
    redundant streams have a count each; what is said of values is under the device that is told.
    """

    start: int
    """ns UTC of the minute (of arrival, not of measurement)."""
    covered: float
    """Seconds of it that the concentrator lived through, 0..60."""
    device: Annotated[U4, "n"]
    """[n]"""
    expected: Annotated[I8, "n"]
    """[n] rows that the reporting rate promises for the seconds that are covered."""
    received: Annotated[I8, "n"]
    missing: Annotated[I8, "n"]
    """[n] had not come when their slots were released, of devices that send."""
    late: Annotated[I8, "n"]
    duplicate: Annotated[I8, "n"]
    clock_off: Annotated[I8, "n"]
    """[n] kept away from alignment for the device's clock."""
    invalid: Annotated[I8, "n"]
    """[n] told with STAT bits 15-14 set: by the device, or as nothing was left of them."""
    rejected: Annotated[I8, "n"]
    """[n] of which validation took values out."""
    unsynchronised: Annotated[I8, "n"]
    """[n] told with STAT bit 13 set."""
    modified: Annotated[I8, "n"]
    """[n] told with STAT bit 9 set."""
    latency_min: Annotated[F8, "n"]
    """[n] ms of arrival - time; NaN if no row came."""
    latency_mean: Annotated[F8, "n"]
    latency_p99: Annotated[F8, "n"]
    """[n] 99th percentile, to 5 %"""
    latency_max: Annotated[F8, "n"]
    frequency_min: Annotated[F8, "n"]
    """[n] Hz, of the rows that were told; NaN if there was none."""
    frequency_mean: Annotated[F8, "n"]
    frequency_max: Annotated[F8, "n"]


@message(b"FLG")
@dataclass(frozen=True)
class Flags(Numbered):
    """Spans of bad data of devices. Each is said when it begins, now and then while it goes on, and when it ends.

    Its key is (device, kind, start) among those of one writer; the last word counts. A concentrator says them in the
    stream of its `Minutes`, a trigger in its own.
    """

    device: Annotated[U4, "n"]
    """[n]"""
    kind: Annotated[list[str], "n"]
    """[n] as `frozen`: `algorithms.quality.Fault`."""
    start: Annotated[I8, "n"]
    """[n] ns UTC of the first bad sample."""
    stop: Annotated[I8, "n"]
    """[n] ns UTC after the last sample that is known to be bad (half-open)."""
    going: Annotated[U1, "n"]
    """[n] 1 = it goes on; 0 = it has ended at `stop`."""
    score: Annotated[F8, "n"]
    """[n] in multiples of its limit, where it was worst"""
    detail: Annotated[list[dict[str, Any]], "n"]
    """[n] figures with units in their names, as `offset_s`."""
