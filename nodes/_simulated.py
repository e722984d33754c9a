"""What a simulated device is: its configuration and its values."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from algorithms.polar import wrapped
from algorithms.simulation import Samples
from protocol.c37118 import Analog, ConfigurationFrame, Digital, Phasor, Station, StationRows
from protocol.messages import FIXED_CHANNELS

VOLTAGE = 127_000.0
"""V, phase to ground; a 220 kV grid."""
CURRENT = 400.0
"""A."""
LAG = 20.0
"""Degrees that the current is behind the voltage."""
VOLTS_PER_BIT, AMPERES_PER_BIT = 6.0, 0.05
"""For integer formats; multiples of what PHUNIT can say."""
PHASES = "ABC"
EAST, NORTH = (110.0, 85.0), (35.0, 111.0)
"""Degrees from which kilometres are counted, and km that a degree is taken for."""
DIGITAL = Digital(tuple(f"status {bit}" for bit in range(16)), 0, 0xFFFF)


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


def configuration(shape: Shape, stream: int, position: NDArray[np.float64], name: str = "") -> ConfigurationFrame:
    """The configuration of the device with this IDCODE; position [stations, 2] km, told as coordinates (NaN = none)."""
    name = name or f"SIM {stream:05d}"
    stations = tuple(_station(shape, stream, name, place, *position[place].tolist()) for place in range(shape.stations))
    return ConfigurationFrame(
        stream=stream,
        version=shape.version,
        kind=2,
        time_base=shape.time_base,
        rate=shape.rate,
        stations=stations,
    )


def _station(shape: Shape, stream: int, name: str, place: int, east: float, north: float) -> Station:
    latitude, longitude = NORTH[0] + north / NORTH[1], EAST[0] + east / EAST[1]
    return Station(
        name=name + (f" {place + 1}" if shape.stations > 1 else ""),
        idcode=stream + place,
        format=shape.format,
        phasors=tuple(phasor(number) for number in range(shape.phasors)),
        analogs=tuple(analog(number) for number in range(shape.analogs)),
        digitals=(DIGITAL,) * shape.digitals,
        nominal=shape.nominal,
        changes=1,
        global_id=stream.to_bytes(14, "big") + place.to_bytes(2, "big"),
        latitude=latitude if math.isfinite(latitude) else math.inf,
        longitude=longitude if math.isfinite(longitude) else math.inf,
        elevation=100.0,
        service="M",
        window=100_000,
        delay=0,
    )


def renamed(cfg: ConfigurationFrame) -> ConfigurationFrame:
    """The configuration with its first station renamed and CFGCNT counted up."""
    station = cfg.stations[0]
    changed = replace(station, name=next_name(station.name), changes=station.changes + 1)
    return replace(cfg, stations=(changed, *cfg.stations[1:]))


def next_name(name: str) -> str:
    """What a station is called when it is renamed: `SIM 00001`, `SIM 00001 v2`, `SIM 00001 v3` …"""
    base, _, edition = name.partition(" v")
    return f"{base} v{int(edition or 1) + 1}"


def phasor(number: int) -> Phasor:
    """VA VB VC IA IB IC VA2 …"""
    group, phase = divmod(number, 3)
    current, again = group % 2, group // 2
    return Phasor(
        f"{'VI'[current]}{PHASES[phase]}{again + 1 if again else ''}",
        kind=current,
        scale=AMPERES_PER_BIT if current else VOLTS_PER_BIT,
        component=4 + phase,
    )


def analog(number: int) -> Analog:
    """AN1 AN2 …"""
    return Analog(f"AN{number + 1}", kind=1, scale=1.0)


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
        values[:, FIXED_CHANNELS + 2 * number + 1] = wrapped(angle - 120.0 * phase - LAG * current)
    values[:, end:] = 100.0 * samples.voltage[k, mine, None] * np.arange(1, shape.analogs + 1)
    digital = np.full((len(angle), shape.digitals), slot & 1, np.uint16)
    return StationRows(status, values, digital)
