"""What a session says must be done or has happened: the events of C37.118, and one more.

Whatever is sent goes on the management pipe.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocol.c37118.events import (
    Configured,
    Data,
    Ended,
    Extended,
    Heard,
    Lost,
    Refused,
    Send,
    StartData,
    StopData,
)

__all__ = [
    "Configured",
    "Data",
    "DeviceEvent",
    "Ended",
    "Event",
    "Extended",
    "Heard",
    "Lost",
    "OpenData",
    "Refused",
    "Send",
    "StartData",
    "StopData",
]


@dataclass(frozen=True)
class OpenData:
    """The data pipe is wanted now: dial it, or wait for the substation to dial, whichever the site says."""


Event = Send | Configured | Data | Refused | Lost | Heard | OpenData | Ended
"""Of the master's side (`session.Master`)."""

DeviceEvent = Send | StartData | StopData | Configured | Extended | Ended
"""Of the substation's side (`device.Device`)."""
