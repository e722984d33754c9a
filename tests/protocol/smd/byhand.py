"""Spectral frames read one field after the other, as the table says: slow, and not by the code under test."""

from __future__ import annotations

import itertools
import math
import struct
from typing import Any

from protocol.gbt26865 import ConfigurationFrame, Station
from protocol.messages import Spectrum
from protocol.smd import Kind, Layouts
from tests.fuzz.plain import NAN, near

CODES = {"int16": "h", "uint16": "H", "float32": "f"}
WRAPPED = {50: 15536, 60: 5536}
"""FREQ as int16 where a PDC put 0 Hz."""


def check(frame: bytes, batch: Any, k: int, cfg: ConfigurationFrame, told: tuple[Layouts, Kind, Spectrum]) -> None:
    """Row `k` of a batch says what the frame says. Raises AssertionError."""
    at = 20 + told[0].head.behind_fracsec
    for station, rows in zip(cfg.stations, batch.stations, strict=True):
        status, values, at = block(frame, at, station, *told)
        assert int(rows.status[k]) == status
        assert rows.digital.shape == (len(rows.status), 0)
        for channel, (mine, other) in enumerate(zip(values, rows.values[k].tolist(), strict=True)):
            assert near(mine, other, channel > 1 and channel % 2 == 1), (channel, mine, other)
    assert at == len(frame) - 2


def block(
    frame: bytes, at: int, station: Station, layouts: Layouts, kind: Kind, spectrum: Spectrum
) -> tuple[int, list[float], int]:
    """(STAT, values, where the next block begins)."""
    table = layouts.block(spectrum)
    told = layouts.kinds[kind].spectra[spectrum]
    phasors = phasors_of(station, told.phasors)
    wide = table.frequency == "float32" or (table.frequency == "station" and station.format & 8)
    raw: dict[str, Any] = {}
    parts: dict[tuple[int, int, int], Any] = {}
    for each in table.fields:
        if each == "COMPONENTS":
            parts, at = components(frame, at, station, table, (len(phasors), len(told.components)))
        elif each == "STAT":
            (raw[each],), at = struct.unpack_from(">H", frame, at), at + 2
        elif isinstance(each, str):
            (raw[each],) = struct.unpack_from(">f" if wide else ">h", frame, at)
            at += 4 if wide else 2
        else:
            at += each.skip
    absent = raw["STAT"] >> 14 == 2
    values = [NAN if "FREQ" not in raw else frequency(raw["FREQ"], wide, station.nominal)]
    values.append(NAN if "DFREQ" not in raw else raw["DFREQ"] if wide else scaled(raw["DFREQ"], 100))
    for p, place in enumerate(phasors):
        for c in range(len(told.components)):
            values += component(parts[p, c, 0], parts[p, c, 1], station, place, table.numbers, absent)
    filled = raw.get("FREQ") == WRAPPED[station.nominal] and not wide
    if phasors and filled and not any(parts.values()):
        values = [NAN] * len(values)
    return raw["STAT"], values, at


def phasors_of(station: Station, which: Any) -> list[int]:
    """Places from 0."""
    if isinstance(which, tuple):
        return [place - 1 for place in which]
    kinds = {"all": (0, 1), "voltages": (0,), "currents": (1,)}[which]
    return [place for place, each in enumerate(station.phasors) if int(each.kind == 1) in kinds]


def components(
    frame: bytes, at: int, station: Station, table: Any, sizes: tuple[int, int]
) -> tuple[dict[tuple[int, int, int], Any], int]:
    """((phasor, component, part) -> raw number, where they end)."""
    counts = {"phasor": sizes[0], "component": sizes[1], "part": 2}
    found = {}
    for places in itertools.product(*(range(counts[level]) for level in table.nesting)):
        where = dict(zip(table.nesting, places, strict=True))
        code = codes(station, table.numbers)[where["part"]]
        (number,) = struct.unpack_from(f">{code}", frame, at)
        found[where["phasor"], where["component"], where["part"]] = number
        at += struct.calcsize(f">{code}")
    return found, at


def codes(station: Station, numbers: Any) -> str:
    """Of the two parts."""
    if numbers == "station":
        return "ff" if station.format & 2 else "Hh" if station.format & 1 else "hh"
    if numbers.form == "polar":
        return CODES[numbers.magnitude.type] + CODES[numbers.angle.type]
    return 2 * CODES[numbers.part.type]


def component(first: Any, second: Any, station: Station, place: int, numbers: Any, absent: bool) -> list[float]:
    """Magnitude and angle [degrees]."""
    both = codes(station, numbers)
    polar = station.format & 1 if numbers == "station" else numbers.form == "polar"
    phasor = station.phasors[place]
    factor, step = (1.0 if both[0] == "f" else phasor.scale), (1.0 if both[1] == "f" else 1e-4)
    if numbers != "station":
        magnitude = numbers.magnitude if polar else numbers.part
        factor = (magnitude.amperes if phasor.kind == 1 else magnitude.volts) or factor
        step = (polar and numbers.angle.step) or step
    for raw, code in ((first, both[0]), (second, both[1])):
        if (code == "h" and raw == -0x8000) or (code == "H" and raw == 0x8000 and absent):
            return [NAN, NAN]
    if polar:
        turn = math.degrees(second * step)
        return [first * factor, around(turn)]
    if math.isnan(first) or math.isnan(second):
        return [NAN, NAN]
    return [math.hypot(first, second) * factor, around(math.degrees(math.atan2(second, first)))]


def around(degrees: float) -> float:
    """In -180..180."""
    return 180.0 - (180.0 - degrees) % 360.0 if math.isfinite(degrees) else NAN


def frequency(raw: Any, wide: Any, nominal: int) -> float:
    """Hz."""
    return float(raw) if wide else nominal + scaled(raw, 1000)


def scaled(raw: int, counts: int) -> float:
    """A number of an int16."""
    return NAN if raw == -0x8000 else raw / counts
