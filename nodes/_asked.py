"""What clients of an output stream ask for by commands, and what they are told."""

from __future__ import annotations

from protocol.c37118 import ConfigurationFrame
from protocol.c37118.device import Device
from protocol.clock import SECOND, Now

COMMANDS = 50
"""Commands of a client in a second; more are too many."""


class Told:
    """What is said of the stream when asked: encoded once a second at most, however many ask."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self._made: dict[int, tuple[int, list[bytes]]] = {}

    @property
    def cfg(self) -> ConfigurationFrame:
        return self.device.cfg

    def configuration(self, kind: int, utc: int) -> list[bytes]:
        """Frames of CFG-1, 2 or 3."""
        second, frames = self._made.get(kind, (0, []))
        if second != utc // SECOND:
            frames = self.device.configuration(kind, utc)
            self._made[kind] = utc // SECOND, frames
        return frames


class Asked(Device):
    """The stream as one client asks for it."""

    def __init__(self, told: Told) -> None:
        super().__init__(told.cfg)
        self.follow(told)
        self._second, self._commands = 0, 0

    def follow(self, told: Told) -> None:
        """What is told from now on."""
        self.told, self.cfg = told, told.cfg
        self.header, self.spoken, self.cfg3 = told.device.header, told.device.spoken, told.device.cfg3

    def configuration(self, kind: int, utc: int) -> list[bytes]:
        return self.told.configuration(kind, utc)

    def too_many(self, now: Now) -> bool:
        """One command more: whether these are too many in this second."""
        if now.utc // SECOND != self._second:
            self._second, self._commands = now.utc // SECOND, 0
        self._commands += 1
        return self._commands > COMMANDS
