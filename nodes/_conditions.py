"""What may be an alarm, as its sources tell it: a condition holds or not, of something, now."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from protocol.messages import Severity

RANKS = {severity: rank for rank, severity in enumerate(Severity)}
"""Severity -> 0, 1, …, the gravest last."""


class Condition(NamedTuple):
    """What a source says."""

    source: str
    """As in `Alarm`."""
    kind: str
    subject: str
    active: bool
    time: int
    """ns UTC, by the data where they tell one"""
    text: str = ""
    severity: Severity = Severity.WARNING
    device: int = 0
    region: str = ""
    value: float = float("nan")
    limit: float = float("nan")
    unit: str = ""
    stale: bool = False
    lasting: int = 0
    """It is an alarm when it has lasted for so long [ns] since `time`."""
    ends: int = 0
    """It is over by itself then [ns UTC]; 0: when it is told."""
    detail: dict[str, Any] = {}  # noqa: RUF012  # a default of a tuple; nobody changes it

    @property
    def id(self) -> str:
        """Of its alarm: the same in all lives of the station."""
        return id_of(self.source, self.kind if self.source != "event" else "", self.subject, self.device)


def id_of(source: str, kind: str, subject: str, device: int) -> str:
    """Ten hex digits: short enough to be typed. A device is known by its number, whatever it is called."""
    whose = str(device) if device else subject
    return hashlib.sha256("\0".join((source, kind, whose)).encode()).hexdigest()[:10]
