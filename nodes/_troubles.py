"""What goes wrong with simulated devices."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import numpy as np
from pydantic import Field

from nodes import _settings
from nodes._settings import Duration, Number, Offset
from protocol.c37118.status import CONFIGURATION_CHANGED
from protocol.clock import SECOND

CHANGED_FOR = 60 * SECOND
"""How long STAT tells that the configuration changed."""


class FaultKind(StrEnum):
    """What can go wrong with a device."""

    GAP = "gap"
    """Sends nothing for `length`."""
    GARBAGE = "garbage"
    """Bytes of no frame between two frames."""
    BAD_CRC = "bad_crc"
    """A frame with a damaged byte."""
    WRONG_CLOCK = "wrong_clock"
    """All its times are off by `offset`."""
    RECONNECT = "reconnect"
    """Closes its connection and dials again after `length`."""
    DUPLICATE = "duplicate"
    """Sends a frame twice."""
    STALE = "stale"
    """Sends a frame again, with a time that is off by `offset`."""
    RECONFIGURE = "reconfigure"
    """Renames its first station, counts CFGCNT up and announces it in STAT for a minute."""
    FROZEN = "frozen"
    """Sends the same values for `length`."""
    ZERO_FILL = "zero_fill"
    """Sends zeros for `length`."""
    SPIKES = "spikes"
    """Some frequencies are off by `size` Hz, for `length`."""
    NOISE_BURST = "noise_burst"
    """Frequency, angles and magnitudes are noisy for `length`: the frequency by `size` Hz."""
    STEP = "step"
    """The frequency is off by `size` Hz for `length`."""
    DRIFT = "drift"
    """The frequency moves away by up to `size` Hz within `length`, and is right again."""
    CLOCK_OFFSET = "clock_offset"
    """For `length` its clock is off by `offset`, and its angles by what the grid turns in that time."""


class Fault(_settings.Settings):
    """Something that goes wrong with one device, or with all."""

    kind: FaultKind
    """gap, garbage, bad_crc, wrong_clock, reconnect, duplicate, stale, reconfigure; or bad data: frozen, zero_fill,
    spikes, noise_burst, step, drift, clock_offset."""
    device: Annotated[int, Field(ge=0)] = 0
    """Which device, counted from 1; 0 = all."""
    every: Duration = 10 * SECOND
    """How often it happens."""
    length: Duration = SECOND
    """How long a gap or bad data are, or the pause before dialling again."""
    offset: Offset = -5 * SECOND
    """How far off a wrong clock or a stale frame is."""
    size: Number | None = None
    """How large spikes, noise, a step or a drift are, in Hz; unset = usual."""

    def concerns(self, device: int) -> bool:
        """Whether it happens to this device, counted from 0."""
        return self.device in (0, device + 1)


class Troubles:
    """What goes wrong with one device. `count` counts its reporting instants since the start."""

    def __init__(self, faults: list[Fault], interval: float, chance: np.random.Generator) -> None:
        """`interval` [s] lies between two instants."""
        self._faults, self._interval, self._chance = faults, interval, chance
        self._silent_until = 0
        self._changed_until = 0
        self.damaged = 0
        """Frames with a bad check word, so far."""

    def __bool__(self) -> bool:
        return bool(self._faults)

    @property
    def clock_error(self) -> int:
        """ns"""
        return sum(one.offset for one in self._faults if one.kind is FaultKind.WRONG_CLOCK)

    def status(self, count: int) -> int:
        """STAT."""
        return CONFIGURATION_CHANGED if count < self._changed_until else 0

    def now(self, kind: FaultKind, count: int) -> Fault | None:
        """The fault of this kind that happens at this instant."""
        return next((one for one in self._happening(count) if one.kind is kind), None)

    def reconfigured(self, count: int) -> None:
        """The configuration changes at this instant: STAT says so for a minute."""
        self._changed_until = count + self._instants(CHANGED_FOR)

    def items(self, frame: bytes, count: int, again: Callable[[int], bytes]) -> list[tuple[bytes, int]]:
        """What is sent instead of a frame: (bytes, DATA frames). `again` makes the frame with its time shifted [ns]."""
        items = [(frame, 1)]
        for one in self._happening(count):
            if one.kind is FaultKind.GAP:
                self._silent_until = count + self._instants(one.length)
            elif one.kind is FaultKind.GARBAGE:
                items.insert(0, (self._chance.bytes(int(self._chance.integers(1, 200))), 0))
            elif one.kind is FaultKind.BAD_CRC:
                items[0] = (frame[:-1] + bytes([frame[-1] ^ 0x55]), 1)
                self.damaged += 1
            elif one.kind is FaultKind.DUPLICATE:
                items.append((frame, 1))
            elif one.kind is FaultKind.STALE:
                items.append((again(one.offset), 1))
        return [] if count < self._silent_until else items

    def _happening(self, count: int) -> list[Fault]:
        return [one for one in self._faults if count > 0 and count % self._instants(one.every) == 0]

    def _instants(self, length: int) -> int:
        return max(1, round(length / SECOND / self._interval))
