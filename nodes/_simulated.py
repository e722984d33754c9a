"""What a simulated device is: its configuration, its values, and what goes wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from algorithms.simulation import Samples
from nodes import _settings
from nodes._settings import Duration, Offset
from protocol.c37118 import Analog, ConfigurationFrame, Digital, Phasor, Station, StationRows
from protocol.clock import SECOND
from protocol.messages import FIXED_CHANNELS

VOLTAGE = 127_000.0
"""V, phase to ground; a 220 kV grid."""
CURRENT = 400.0
"""A."""
LAG = 20.0
"""Degrees that the current is behind the voltage."""
VOLTS_PER_BIT, AMPERES_PER_BIT = 6.0, 0.05
"""For integer formats; multiples of what PHUNIT can say."""
CONFIGURATION_CHANGED = 0x0400
"""STAT bit 10."""
CHANGED_FOR = 60 * SECOND
PHASES = "ABC"
LABELS = tuple(f"status {bit}" for bit in range(16))


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


class Fault(_settings.Settings):
    """Something that goes wrong with one device, or with all."""

    kind: FaultKind
    """gap, garbage, bad_crc, wrong_clock, reconnect, duplicate, stale or reconfigure."""
    device: Annotated[int, Field(ge=0)] = 0
    """Which device, counted from 1; 0 = all."""
    every: Duration = 10 * SECOND
    """How often it happens."""
    length: Duration = SECOND
    """How long a gap is, or the pause before dialling again."""
    offset: Offset = -5 * SECOND
    """How far off a wrong clock or a stale frame is."""

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


@dataclass(frozen=True)
class Shape:
    """What all simulated devices have in common."""

    rate: int
    time_base: int
    nominal: int
    format: int
    version: int
    stations: int
    phasors: int
    analogs: int
    digitals: int


def configuration(shape: Shape, stream: int, position: NDArray[np.float64]) -> ConfigurationFrame:
    """The configuration of the device with this IDCODE; position [stations, 2] km, told as coordinates."""
    stations = tuple(_station(shape, stream, place, *position[place].tolist()) for place in range(shape.stations))
    return ConfigurationFrame(
        stream=stream,
        version=shape.version,
        kind=2,
        time_base=shape.time_base,
        rate=shape.rate,
        stations=stations,
    )


def _station(shape: Shape, stream: int, place: int, east: float, north: float) -> Station:
    """1 degree is taken for 111 km north and 85 km east, from 35 N 110 E on."""
    return Station(
        name=f"SIM {stream:05d}" + (f" {place + 1}" if shape.stations > 1 else ""),
        idcode=stream + place,
        format=shape.format,
        phasors=tuple(_phasor(number) for number in range(shape.phasors)),
        analogs=tuple(Analog(f"AN{number + 1}", kind=1, scale=1.0) for number in range(shape.analogs)),
        digitals=(Digital(LABELS, 0, 0xFFFF),) * shape.digitals,
        nominal=shape.nominal,
        changes=1,
        global_id=stream.to_bytes(14, "big") + place.to_bytes(2, "big"),
        latitude=35.0 + north / 111.0,
        longitude=110.0 + east / 85.0,
        elevation=100.0,
        service="M",
        window=100_000,
        delay=0,
    )


def renamed(cfg: ConfigurationFrame) -> ConfigurationFrame:
    """The configuration with its first station renamed and CFGCNT counted up."""
    station = cfg.stations[0]
    name = f"{station.name.partition(' v')[0]} v{station.changes + 1}"
    return replace(cfg, stations=(replace(station, name=name, changes=station.changes + 1), *cfg.stations[1:]))


def _phasor(number: int) -> Phasor:
    """VA VB VC IA IB IC VA2 …"""
    group, phase = divmod(number, 3)
    current, again = group % 2, group // 2
    return Phasor(
        f"{'VI'[current]}{PHASES[phase]}{again + 1 if again else ''}",
        kind=current,
        scale=AMPERES_PER_BIT if current else VOLTS_PER_BIT,
        component=4 + phase,
    )


def rows(shape: Shape, samples: Samples, k: int, slot: int, status: NDArray[np.uint16]) -> list[StationRows]:
    """Sample k of all points as the rows of each station; the points of a device follow each other. status [n]"""
    return [_station_rows(shape, samples, k, slot, place, status) for place in range(shape.stations)]


def _station_rows(
    shape: Shape, samples: Samples, k: int, slot: int, place: int, status: NDArray[np.uint16]
) -> StationRows:
    mine = slice(place, None, shape.stations)
    angle = samples.angle[k, mine]
    end = FIXED_CHANNELS + 2 * shape.phasors
    values = np.empty((len(angle), end + shape.analogs), np.float32)
    values[:, 0] = samples.frequency[k, mine]
    values[:, 1] = samples.rocof[k, mine]
    for number in range(shape.phasors):
        group, phase = divmod(number, 3)
        current = group % 2
        unit = CURRENT * samples.current[k, mine] if current else VOLTAGE * samples.voltage[k, mine]
        values[:, FIXED_CHANNELS + 2 * number] = unit
        values[:, FIXED_CHANNELS + 2 * number + 1] = _wrapped(angle - 120.0 * phase - LAG * current)
    values[:, end:] = 100.0 * samples.voltage[k, mine, None] * np.arange(1, shape.analogs + 1)
    digital = np.full((len(angle), shape.digitals), slot & 1, np.uint16)
    return StationRows(status, values, digital)


def _wrapped(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    return 180.0 - np.mod(180.0 - degrees, 360.0)
