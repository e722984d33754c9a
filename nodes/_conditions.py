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
    key: str
    """Tells it from all others of its source, in all lives of the station."""
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
        """Of its alarm: ten hex digits, short enough to be typed."""
        return hashlib.sha256(f"{self.source}\0{self.key}".encode()).hexdigest()[:10]


def keyed(*parts: str | int) -> str:
    """A key of several parts. A device stands in it by its number, whatever it is called."""
    return "\0".join(map(str, parts))
