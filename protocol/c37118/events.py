"""What a session says must be done or has happened, on either side."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.c37118.frames import Command, ConfigurationFrame, HeaderFrame


@dataclass(frozen=True)
class Send:
    """Bytes to the other side."""

    data: bytes


@dataclass(frozen=True)
class Configured:
    """A configuration that differs from the one before (if there was one) is in force."""

    cfg: ConfigurationFrame


@dataclass(frozen=True)
class Data:
    """A DATA frame that was held and fits the configuration in force."""

    frame: bytes


@dataclass(frozen=True)
class Refused:
    """A frame that can't be used, and why."""

    frame: bytes
    reason: str


@dataclass(frozen=True)
class Lost:
    """A held DATA frame given up: more came than we hold before a configuration."""

    frame: bytes


@dataclass(frozen=True)
class Heard:
    """A header frame."""

    header: HeaderFrame


@dataclass(frozen=True)
class Ended:
    """The device doesn't answer as it should: close the link."""

    reason: str


Event = Send | Configured | Data | Refused | Lost | Heard | Ended
"""Of our side (`session.Master`)."""


@dataclass(frozen=True)
class StartData:
    """Send DATA from now on."""


@dataclass(frozen=True)
class StopData:
    """Send none."""


@dataclass(frozen=True)
class Extended:
    """An extended or user-designated command: the user knows what it means."""

    command: Command


DeviceEvent = Send | StartData | StopData | Extended
"""Of the device's side (`device.Device`)."""
