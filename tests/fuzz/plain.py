"""DATA read one field after the other, as the standard's table 6 has them: slow, and not by the code under test."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np

from protocol.c37118 import ConfigurationFrame, Station

NAN = math.nan


def check(cfg: ConfigurationFrame, frame: bytes, batch: Any, k: int, head: int = 14) -> None:
    """Row `k` of a batch says what the frame says, SOC and FRACSEC before `head`. Raises AssertionError."""
    soc, fraction = struct.unpack(">II", frame[head - 8 : head])
    own = soc * 10**9 + round_half(((fraction & 0xFFFFFF) * 10**9), cfg.time_base)
    assert abs(int(batch.time[k]) - int(batch.snapped[k]) - own) <= 1
    assert int(batch.quality[k]) == fraction >> 24
    at = head
    for station, rows in zip(cfg.stations, batch.stations, strict=True):
        status, wanted, digital, at = block(station, frame, at)
        assert int(rows.status[k]) == status
        assert rows.digital[k].tolist() == digital
        for channel, (mine, other) in enumerate(zip(wanted, rows.values[k].tolist(), strict=True)):
            angle = 2 <= channel < 2 + 2 * len(station.phasors) and channel % 2 == 1
            assert near(mine, other, angle), (channel, mine, other)
    assert at == len(frame) - 2


def round_half(number: int, by: int) -> int:
    """Nearest whole number of a fraction."""
    return (2 * number + by) // (2 * by)


def near(mine: float, other: float, angle: bool) -> bool:
    """Equal to what float32 can tell; angles around the circle."""
    with np.errstate(over="ignore"):
        rounded = float(np.float32(mine))
    if math.isnan(rounded) or math.isnan(other):
        return math.isnan(rounded) and math.isnan(other)
    if angle:
        return -180 < other <= 180 and abs((rounded - other + 180) % 360 - 180) <= 4e-5 * max(1.0, abs(mine) / 360)
    return rounded == other or abs(rounded - other) <= 2.5e-7 * abs(rounded) + 1e-44


def block(station: Station, frame: bytes, at: int) -> tuple[int, list[float], list[int], int]:
    """(STAT, values, digital words, where the next block begins)."""
    form = station.format
    (status,) = struct.unpack_from(">H", frame, at)
    absent, at = status >> 14 == 2, at + 2
    phasors: list[float] = []
    zero = True
    for phasor in station.phasors:
        pair = struct.unpack_from(">ff" if form & 2 else ">hh", frame, at)
        at += 8 if form & 2 else 4
        zero = zero and pair == (0, 0)
        phasors += polar(pair, form, phasor.scale, phasor.offset, absent)
    frequency = struct.unpack_from(">ff" if form & 8 else ">hh", frame, at)
    at += 8 if form & 8 else 4
    values = [*_frequency(frequency, form, station.nominal), *phasors]
    for analog in station.analogs:
        (raw,) = struct.unpack_from(">f" if form & 4 else ">h", frame, at)
        at += 4 if form & 4 else 2
        missing = not form & 4 and raw == -0x8000 and absent
        values.append(NAN if missing else raw if form & 4 else raw * (analog.scale or 1.0) + analog.offset)
    digital = list(struct.unpack_from(f">{len(station.digitals)}H", frame, at))
    at += 2 * len(digital)
    if station.phasors and zero and not form & 8 and frequency[0] == {50: 15536, 60: 5536}[station.nominal]:
        values = [NAN] * len(values)
    return status, values, digital, at


def _frequency(pair: tuple[Any, ...], form: int, nominal: int) -> list[float]:
    if form & 8:
        return list(pair)
    deviation, rate = pair
    return [NAN if deviation == -0x8000 else nominal + deviation / 1000, NAN if rate == -0x8000 else rate / 100]


def polar(pair: tuple[Any, ...], form: int, scale: float, offset: float, absent: bool) -> list[float]:
    """Magnitude and angle [degrees] of a phasor's two fields."""
    first, second = pair
    if form & 2:
        if form & 1:
            return [first, _wrapped(math.degrees(second)) if math.isfinite(second) else NAN]
        if math.isnan(first) or math.isnan(second):
            return [NAN, NAN]
        return [math.hypot(first, second), _wrapped(math.degrees(math.atan2(second, first)))]
    turn = math.degrees(offset) + (180 if scale < 0 else 0)
    if form & 1:
        if second == -0x8000 or (first == -0x8000 and absent):
            return [NAN, NAN]
        return [(first & 0xFFFF) * abs(scale), _wrapped(math.degrees(second * 1e-4) - turn)]
    if -0x8000 in pair:
        return [NAN, NAN]
    return [math.hypot(first, second) * abs(scale), _wrapped(math.degrees(math.atan2(second, first)) - turn)]


def _wrapped(degrees: float) -> float:
    return 180.0 - (180.0 - degrees) % 360.0
