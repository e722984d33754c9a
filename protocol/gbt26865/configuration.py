"""CFG-1 (what a substation can send) and CFG-2 (what DATA carries): one layout, read and written.

    V2  D_FRAME 2 | MEAS_RATE 4 | NUM_PMU 2 | blocks            V3  MEAS_RATE 4 | NUM_PMU 2 | blocks
    block: STN 16 | IDCODE 8 | FORMAT … DIGUNIT as in C37.118 | FNOM 2 | PERIOD 2

There is no DATA_RATE and no CFGCNT: each block says its own period, in cycles of FNOM times 100. MEAS_RATE is
TIME_BASE. ANUNIT counts in 1e-5 (in C37.118: 1). Names are GBK.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

from protocol.c37118 import configuration as c37118
from protocol.c37118.common import CHECK_SIZE, COUNT_MASK, FrameError, FrameType
from protocol.c37118.configuration import Analog, Digital, Phasor
from protocol.c37118.decoding import Cursor, block_2
from protocol.c37118.encoding import KIND_TYPES
from protocol.c37118.encoding import block_2 as encode_block
from protocol.c37118.names import fixed
from protocol.gbt26865.common import EDITIONS, ENCODING, IDENTITY, NOBODY, V2, Frame, head_size, identity_text, seal

__all__ = ["Analog", "ConfigurationFrame", "Digital", "Phasor", "Station", "encode_configuration"]

ANUNITS = 100_000
"""Counts of ANUNIT to a factor of 1."""
CYCLES = 100
"""Counts of PERIOD to a cycle of the nominal frequency."""


@dataclass(frozen=True, kw_only=True)
class Station(c37118.Station):
    """One PMU block."""

    idcode: int = field(default=0, init=False)
    """There is none of 16 bits."""
    identity: bytes = NOBODY
    """IDCODE of the block, 8 bytes as they came."""
    period: int = CYCLES
    """PERIOD as sent, > 0."""

    def __post_init__(self) -> None:
        if self.period <= 0:
            raise ValueError(f"station {self.name}: PERIOD {self.period} names no reporting rate")

    @property
    def rate(self) -> int:
        """As DATA_RATE of C37.118: > 0 frames per second, < 0 seconds per frame.

        Where PERIOD is neither (300 = 60 ms), the next faster pace that is: no two rows have the same slot then.
        """
        second = self.nominal * CYCLES
        return -(-second // self.period) if self.period < 2 * second else -(self.period // second)


@dataclass(frozen=True, kw_only=True)
class ConfigurationFrame(Frame, c37118.ConfigurationFrame):
    """A whole configuration."""

    rate: int = field(init=False)
    """Of the fastest of its stations: the grid that times of its DATA are put on."""
    stations: tuple[Station, ...]
    check_kind: int = 0
    """D_FRAME, V2 only: by its name the kind of check word of DATA. Told, not judged: only the CRC is read."""

    def __post_init__(self) -> None:
        fastest = max(self.stations, key=lambda each: each.nominal / each.period)
        object.__setattr__(self, "rate", fastest.rate)

    @property
    def data_size(self) -> int:
        """Bytes of a DATA frame."""
        head = head_size(self.version, FrameType.DATA)
        return head + sum(station.data_size for station in self.stations) + CHECK_SIZE


def parse_configuration(fields: Frame, kind: int, body: bytes) -> ConfigurationFrame:
    """The configuration in a frame's body. Raises FrameError."""
    told = f"CFG-{kind} of {identity_text(fields.identity) if fields.identity else EDITIONS[fields.version]}"
    cursor = Cursor(body, told, ENCODING)
    (check_kind,) = cursor.read("H", "D_FRAME") if fields.version == V2 else (0,)
    base, count = cursor.read("IH", "MEAS_RATE and NUM_PMU")
    time_base = base & COUNT_MASK
    if time_base == 0:
        raise FrameError(f"{told}: MEAS_RATE is {base}: its times mean nothing")
    if count == 0:
        raise FrameError(f"{told}: NUM_PMU is 0: it has no station that could measure")
    stations = []
    for place in range(count):
        cursor.place = f"{told}, station {place + 1} of {count}"
        stations.append(_station(cursor))
    if cursor.left:
        raise FrameError(f"{told}: {cursor.left} bytes too many behind the last station")
    return ConfigurationFrame(
        **vars(fields), kind=kind, time_base=time_base, stations=tuple(stations), check_kind=check_kind, body=body
    )


def _station(cursor: Cursor) -> Station:
    name, identity = cursor.fixed_name(), cursor.take(IDENTITY, "IDCODE")
    fields, period = block_2(cursor, ANUNITS, "PERIOD")
    if period == 0:
        raise FrameError(f"{cursor.place}: PERIOD is 0: it names no reporting rate")
    return Station(name=name, identity=identity, period=period, **fields)


def encode_configuration(cfg: ConfigurationFrame, kind: int | None = None) -> bytes:
    """The frame of a configuration, as CFG-1 or CFG-2 if not the kind it came as.

    One that was read, and not changed since, has the very bytes that it came with: names padded as they were, also
    those that are no GBK. Raises ValueError if it is longer than 65,535 bytes.
    """
    body = cfg.body
    if not body or recalled(remembered(cfg)) != cfg:
        body = cfg.check_kind.to_bytes(2, "big") if cfg.version == V2 else b""
        body += struct.pack(">IH", cfg.time_base, len(cfg.stations)) + b"".join(map(_block, cfg.stations))
    return seal(KIND_TYPES[cfg.kind if kind is None else kind], cfg, cfg.identity, body)


def _block(station: Station) -> bytes:
    head = fixed(station.name, ENCODING) + station.identity.ljust(IDENTITY, b"\0")
    return head + encode_block(station, station.period, ANUNITS, ENCODING)


def remembered(cfg: ConfigurationFrame) -> list[Any]:
    """A configuration that was read, as plain values: `recalled` gives the same one."""
    return [cfg.identity, cfg.soc, cfg.quality, cfg.count, cfg.version, cfg.kind, cfg.body]


def recalled(kept: list[Any]) -> ConfigurationFrame:
    """The configuration that `remembered` was given."""
    identity, soc, quality, count, version, kind, body = kept
    fields = Frame(identity=identity, soc=soc, quality=quality, count=count, version=version)
    return parse_configuration(fields, kind, body)
