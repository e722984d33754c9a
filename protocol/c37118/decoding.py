"""Configuration frames, read: CFG-1 and CFG-2 (one layout), CFG-3. The inverse of `encoding.py`."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from protocol.c37118.common import COUNT_MASK, Frame, FrameError
from protocol.c37118.configuration import LABELS, PHUNITS, Analog, ConfigurationFrame, Digital, Phasor, Station
from protocol.c37118.names import FIELD, clean, unique


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
