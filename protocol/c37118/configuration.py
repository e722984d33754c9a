"""Configuration frames, read: CFG-1 and CFG-2 (one layout), CFG-3 (C37.118.2-2011 §6.4, tables 8 to 12).

`encoding.py` writes them. Both layouts become the same `Station`: the scale of an
integer is a factor (V or A per bit), whichever way it was sent.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from protocol.c37118.common import CHECK_SIZE, COUNT_MASK, HEAD_SIZE, Frame, FrameError
from protocol.c37118.names import FIELD, clean, unique
from protocol.clock import from_soc

PHUNITS = 100_000
"""Counts of PHUNIT to one V or A per bit."""
LABELS = 16
"""Labels of a digital word."""

POLAR, FLOAT_PHASORS, FLOAT_ANALOGS, FLOAT_FREQUENCY = 1, 2, 4, 8
"""Bits of FORMAT; the others are unused and ignored."""


@dataclass(frozen=True)
class Phasor:
    """One phasor channel."""

    name: str
    kind: int = 0
    """0 = voltage, 1 = current; other values of PHUNIT are kept and taken for voltage."""
    scale: float = 1.0
    """V or A per bit; for integers only."""
    offset: float = 0.0
    """Radians to subtract from the angle; CFG-3, integers only."""
    component: int = 0
    """CFG-3: 0 zero, 1 positive, 2 negative sequence, 4 A, 5 B, 6 C."""
    modified: int = 0
    """CFG-3: modification flags, 16 bits."""
    user: int = 0
    """CFG-3: user flags, 8 bits."""

    @property
    def unit(self) -> str:
        """`V` or `A`."""
        return "A" if self.kind == 1 else "V"


@dataclass(frozen=True)
class Analog:
    """One analog channel."""

    name: str
    kind: int | None = 0
    """Type byte of ANUNIT: 0 point on wave, 1 rms, 2 peak, 65.. user; None in CFG-3, which doesn't say."""
    scale: float = 0.0
    """Per bit, for integers only: the signed 24 bits of ANUNIT (0 = the device declared none), or M of CFG-3."""
    offset: float = 0.0
    """B of CFG-3."""

    @property
    def unit(self) -> str:
        """`instantaneous`, `rms`, `peak`, `user <n>`; empty where the frame doesn't say."""
        if self.kind is None:
            return ""
        return {0: "instantaneous", 1: "rms", 2: "peak"}.get(self.kind, f"user {self.kind}")


@dataclass(frozen=True)
class Digital:
    """One 16-bit digital word."""

    labels: tuple[str, ...] = ("",) * LABELS
    """Of bit 0 … 15."""
    normal: int = 0
    """Normal state: exclusive-or with the word shows what is abnormal."""
    valid: int = 0
    """Mask of bits in use; 0 = the device declared nothing."""


@dataclass(frozen=True)
class Station:
    """One PMU block."""

    name: str
    idcode: int
    """IDCODE of the data source; may differ from the stream's."""
    format: int
    """FORMAT word as sent; only bits 0-3 mean something."""
    phasors: tuple[Phasor, ...] = ()
    analogs: tuple[Analog, ...] = ()
    digitals: tuple[Digital, ...] = ()
    nominal: int = 50
    """Hz: 50 or 60."""
    changes: int = 0
    """CFGCNT."""
    global_id: bytes = bytes(16)
    """G_PMU_ID; here and below CFG-3 only."""
    latitude: float = math.inf
    """Degrees north, inf = unspecified."""
    longitude: float = math.inf
    elevation: float = math.inf
    """Metres."""
    service: str = ""
    """`M` or `P`."""
    window: int = 0
    """Measurement window, microseconds."""
    delay: int = 0
    """Group delay, microseconds."""

    @property
    def data_size(self) -> int:
        """Bytes of this station's block in a DATA frame."""
        phasor = 8 if self.format & FLOAT_PHASORS else 4
        analog = 4 if self.format & FLOAT_ANALOGS else 2
        frequency = 8 if self.format & FLOAT_FREQUENCY else 4
        return 2 + phasor * len(self.phasors) + frequency + analog * len(self.analogs) + 2 * len(self.digitals)

    @property
    def told_size(self) -> int:
        """Bytes of this station's block in a CFG-2 frame."""
        channels, words = len(self.phasors) + len(self.analogs), len(self.digitals)
        return 30 + (FIELD + 4) * channels + (LABELS * FIELD + 4) * words


@dataclass(frozen=True, kw_only=True)
class ConfigurationFrame(Frame):
    """A whole configuration."""

    kind: int
    """1 = capability, 2 = what DATA carries, 3 = the same, told in more detail."""
    time_base: int
    """Counts of FRACSEC per second, > 0."""
    rate: int
    """DATA_RATE: > 0 frames per second, < 0 seconds per frame."""
    stations: tuple[Station, ...]
    body: bytes = field(default=b"", compare=False, repr=False)
    """What it was read from: between the head (CFG-3: and CONT_IDX) and CHK. Empty if it was not read."""

    @property
    def time(self) -> int:
        """ns UTC, as the device stamped the frame."""
        return int(from_soc(self.soc, self.count, self.time_base))

    @property
    def data_size(self) -> int:
        """Bytes of a DATA frame."""
        return HEAD_SIZE + sum(station.data_size for station in self.stations) + CHECK_SIZE

    @property
    def told_size(self) -> int:
        """Bytes of it as a CFG-2 frame."""
        return HEAD_SIZE + 6 + sum(station.told_size for station in self.stations) + 2 + CHECK_SIZE

    def says_the_same(self, other: ConfigurationFrame) -> bool:
        """Whether two configurations differ in nothing but when they were sent."""
        return replace(self, soc=0, count=0, quality=0) == replace(other, soc=0, count=0, quality=0)


class Cursor:
    """Reads fields in order and says what is missing; never reads or allocates beyond the bytes it was given."""

    def __init__(self, data: bytes, place: str, encoding: str = "utf-8") -> None:
        self.data = data
        self.at = 0
        self.encoding = encoding
        """Of names."""
        self.place = place
        """What is being read, for the error."""

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def need(self, size: int, what: str) -> None:
        """Raise FrameError unless so many bytes are left."""
        if size > self.left:
            raise FrameError(
                f"{self.place}: {what} needs {size} bytes, {self.left} are left: "
                "the counts in the device's configuration don't fit its length"
            )

    def take(self, size: int, what: str) -> bytes:
        self.need(size, what)
        self.at += size
        return self.data[self.at - size : self.at]

    def read(self, form: str, what: str) -> tuple[Any, ...]:
        """Fields of a big-endian struct format."""
        return struct.unpack(">" + form, self.take(struct.calcsize(">" + form), what))

    def fixed_name(self) -> str:
        return clean(self.take(FIELD, "name"), self.encoding)

    def counted_name(self) -> str:
        return clean(self.take(self.take(1, "name length")[0], "name"))


def parse_configuration(fields: Frame, kind: int, body: bytes) -> ConfigurationFrame:
    """The configuration in the bytes between the head (CFG-3: and CONT_IDX) and CHK. Raises FrameError."""
    cursor = Cursor(body, f"CFG-{kind} of stream {fields.stream}")
    base, count = cursor.read("IH", "TIME_BASE and NUM_PMU")
    time_base = base & COUNT_MASK
    if time_base == 0:
        raise FrameError(f"{cursor.place}: TIME_BASE is 0: its times mean nothing")
    if count == 0:
        raise FrameError(f"{cursor.place}: NUM_PMU is 0: it has no station that could measure")
    read = _station_3 if kind == 3 else _station_2
    stations = []
    for place in range(count):
        cursor.place = f"CFG-{kind} of stream {fields.stream}, station {place + 1} of {count}"
        stations.append(read(cursor))
    (rate,) = cursor.read("h", "DATA_RATE")
    if rate == 0:
        raise FrameError(f"CFG-{kind} of stream {fields.stream}: DATA_RATE is 0: it names no reporting rate")
    if cursor.left:
        raise FrameError(f"CFG-{kind} of stream {fields.stream}: {cursor.left} bytes too many behind DATA_RATE")
    return ConfigurationFrame(
        **vars(fields), kind=kind, time_base=time_base, rate=rate, stations=tuple(stations), body=body
    )


def remembered(cfg: ConfigurationFrame) -> list[Any]:
    """A configuration that was read, as plain values: `recalled` gives the same one."""
    return [cfg.stream, cfg.soc, cfg.quality, cfg.count, cfg.version, cfg.kind, cfg.body]


def recalled(kept: list[Any]) -> ConfigurationFrame:
    """The configuration that `remembered` was given."""
    stream, soc, quality, count, version, kind, body = kept
    return parse_configuration(Frame(stream=stream, soc=soc, quality=quality, count=count, version=version), kind, body)


def _counts(cursor: Cursor) -> tuple[int, int, int, int]:
    form, phasors, analogs, digitals = cursor.read("4H", "FORMAT and channel counts")
    return form, phasors, analogs, digitals


def _names(
    name: Callable[[], str], phasors: int, analogs: int, digitals: int
) -> tuple[tuple[str, ...], tuple[str, ...], list[tuple[str, ...]]]:
    return (
        unique([name() for _ in range(phasors)], "phasor"),
        unique([name() for _ in range(analogs)], "analog"),
        [tuple(name() for _ in range(LABELS)) for _ in range(digitals)],
    )


def _nominal(word: int) -> int:
    return 50 if word & 1 else 60


def _station_2(cursor: Cursor) -> Station:
    name = cursor.fixed_name()
    (idcode,) = cursor.read("H", "IDCODE")
    fields, changes = block_2(cursor)
    return Station(name=name, idcode=idcode, changes=changes, **fields)


def block_2(cursor: Cursor, analog_counts: int = 1, last: str = "CFGCNT") -> tuple[dict[str, Any], int]:
    """(fields of a `Station`, the word behind FNOM): a block of CFG-1 or CFG-2 behind its IDCODE.

    analog_counts: counts of ANUNIT to a factor of 1.
    """
    form, phasors, analogs, digitals = _counts(cursor)
    cursor.need((FIELD + 4) * (phasors + analogs) + (FIELD * LABELS + 4) * digitals + 4, "its channels")
    phasor_names, analog_names, labels = _names(cursor.fixed_name, phasors, analogs, digitals)
    phasor_units = cursor.read(f"{phasors}I", "PHUNIT")
    analog_units = cursor.read(f"{analogs}I", "ANUNIT")
    masks = cursor.read(f"{2 * digitals}H", "DIGUNIT")
    nominal, word = cursor.read("HH", f"FNOM and {last}")
    fields: dict[str, Any] = {
        "format": form,
        "phasors": tuple(
            Phasor(each, kind=unit >> 24, scale=(unit & COUNT_MASK) / PHUNITS)
            for each, unit in zip(phasor_names, phasor_units, strict=True)
        ),
        "analogs": tuple(
            Analog(each, kind=unit >> 24, scale=signed_24(unit) / analog_counts)
            for each, unit in zip(analog_names, analog_units, strict=True)
        ),
        "digitals": _digitals(labels, masks),
        "nominal": _nominal(nominal),
    }
    return fields, word


def _station_3(cursor: Cursor) -> Station:
    name = cursor.counted_name()
    (idcode,) = cursor.read("H", "IDCODE")
    global_id = cursor.take(16, "G_PMU_ID")
    form, phasors, analogs, digitals = _counts(cursor)
    cursor.need(13 * phasors + 9 * analogs + (LABELS + 4) * digitals + 25, "its channels")
    phasor_names, analog_names, labels = _names(cursor.counted_name, phasors, analogs, digitals)
    phasor_scales = [cursor.read("HBBff", "PHSCALE") for _ in range(phasors)]
    analog_scales = [cursor.read("ff", "ANSCALE") for _ in range(analogs)]
    masks = cursor.read(f"{2 * digitals}H", "DIGUNIT")
    latitude, longitude, elevation = cursor.read("fff", "PMU_LAT, PMU_LON and PMU_ELEV")
    (service,) = cursor.read("B", "SVC_CLASS")
    window, delay, nominal, changes = cursor.read("iiHH", "WINDOW, GRP_DLY, FNOM and CFGCNT")
    return Station(
        name=name,
        idcode=idcode,
        format=form,
        phasors=tuple(map(_phasor_3, phasor_names, phasor_scales)),
        analogs=tuple(
            Analog(each, kind=None, scale=_finite(scale, 1.0), offset=_finite(offset, 0.0))
            for each, (scale, offset) in zip(analog_names, analog_scales, strict=True)
        ),
        digitals=_digitals(labels, masks),
        nominal=_nominal(nominal),
        changes=changes,
        global_id=global_id,
        latitude=_finite(latitude, math.inf),
        longitude=_finite(longitude, math.inf),
        elevation=_finite(elevation, math.inf),
        service=chr(service) if 32 < service < 127 else "",
        window=window,
        delay=delay,
    )


def _phasor_3(name: str, scale: tuple[Any, ...]) -> Phasor:
    modified, kind, user, factor, offset = scale
    return Phasor(
        name,
        kind=kind >> 3 & 1,
        scale=_finite(factor, 1.0),
        offset=_finite(offset, 0.0),
        component=kind & 7,
        modified=modified,
        user=user,
    )


def _finite(value: float, other: float) -> float:
    """A float32 of the wire; NaN and infinity (nobody's scale or place) become the other value.

    It is read as the shortest decimal that the device can have meant (9.15527, not 9.155269622802734), so that the
    same scale told by CFG-2 and by CFG-3 gives the same measurements.
    """
    return float(str(np.float32(value))) if math.isfinite(value) else other


def _digitals(labels: list[tuple[str, ...]], masks: tuple[int, ...]) -> tuple[Digital, ...]:
    return tuple(
        Digital(each, normal, valid) for each, normal, valid in zip(labels, masks[::2], masks[1::2], strict=True)
    )


def signed_24(word: int) -> int:
    """The low 24 bits of a word as a signed number."""
    value = word & COUNT_MASK
    return value - (1 << 24) if value & 1 << 23 else value
