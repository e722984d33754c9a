"""Windows and what becomes of them: the work of detectors, their verdicts, and who of them takes part."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

from protocol.messages.fields import F4, U1, U4, Count
from protocol.messages.registry import message
from protocol.messages.streams import Numbered


@message(b"WIN")
@dataclass(frozen=True)
class Window:
    """Work for one detector: an interval of some quantities of some devices, on a common grid."""

    trigger: str
    """Process name of the trigger that leased it; the Verdict goes to its inbox."""
    lease: Count
    """The trigger's number for this window; the same when sent again."""
    attempt: Count
    """1, 2, …"""
    device: Annotated[U4, "m"]
    """[m]"""
    start: int
    """Time of the first sample, ns UTC."""
    rate: int
    """Samples per second, or < 0: seconds per sample."""
    quantities: Annotated[list[str], "q"]
    """[q] as `frequency`."""
    values: Annotated[F4, "m", "q", "n"]
    """[m, q, n]; of one quantity never NaN: gaps up to the limit are interpolated, and where no window can be filled
    none is sent. A window of several devices has NaN where nothing was measured."""
    filled: Annotated[U1, "m", "n"]
    """[m, n] 1 = interpolated, to be left out of the decision."""
    completeness: float
    """Share of samples measured, 0..1, of the least complete device."""
    detail: dict[str, Any] = field(default_factory=dict)
    """Of a window of several devices: `latitude`, `longitude` [m] (degrees, NaN = not known), `nominal` (Hz), `since`
    (sample from which on something is looked for; what is before is the quiet past), `late` (so many samples at
    its end may still come), `event`, `answer`."""


class Outcome(StrEnum):
    """How the work on a window ended."""

    OK = "ok"
    INCOMPLETE = "incomplete"
    """Too much of the window is missing to judge it."""
    FAILED = "failed"
    """The algorithm raised; or, as the trigger's last word, every attempt failed or fell silent (dead letter)."""


class Cause(StrEnum):
    """Why a window was cut."""

    SCHEDULE = "schedule"
    ALARM = "alarm"
    """The pre-screen saw the device leave its quiet ways; its `start` is never that of a window of the schedule."""
    SUSPICION = "suspicion"
    """A device was suspected: it and its neighbours are judged together."""
    SWEEP = "sweep"
    """Devices are judged together without a suspicion, by the clock of the data."""


@message(b"VER")
@dataclass(frozen=True)
class Verdict(Numbered):
    """What an algorithm said of a window. Key: (algorithm, version, trigger, device, start)."""

    trigger: str
    lease: Count
    attempt: Count
    worker: str
    algorithm: str
    version: int
    device: Annotated[U4, "m"]
    """[m]"""
    start: int
    """ns UTC"""
    stop: int
    """ns UTC, after the last sample (half-open)."""
    outcome: str
    """An `Outcome`."""
    suspicious: bool
    onset: int
    """ns UTC of the first suspicious sample; 0 if there is none."""
    score: float
    """How far beyond the algorithm's limit (1.0 = at the limit)."""
    detail: dict[str, Any]
    """The algorithm's own figures, with units in their names."""
    completeness: float
    error: str = ""
    took: int = 0
    """ns of work."""
    cause: str = "schedule"
    """A `Cause`: why there was this window."""


class Shift(StrEnum):
    """What a detector's part in the work of a trigger becomes."""

    JOINS = "joins"
    """It takes windows from now on."""
    LEAVES = "leaves"
    """It answers what it has, and wants no more."""
    GONE = "gone"
    """It has ended: what it had is to be given to others."""


@message(b"WRK")
@dataclass(frozen=True)
class Worker:
    """A detector to a trigger that it reads: it joins those who judge its windows, or leaves them."""

    worker: str
    """Process name of the detector."""
    trigger: str
    what: str
    """A `Shift`."""


@message(b"DIS")
@dataclass(frozen=True)
class Dismissed:
    """A trigger to a detector: no window comes to it from here any more, unless it joins anew."""

    trigger: str
    to: str
    """Process name of the detector."""
