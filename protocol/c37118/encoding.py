"""Configuration frames, written: what a device says when asked. The inverse of `decoding.py`."""

from __future__ import annotations

import math
import struct
from binascii import crc_hqx
from typing import Literal

from protocol.c37118.common import (
    CHECK_SIZE,
    COUNT_MASK,
    CRC_START,
    HEAD,
    HEAD_SIZE,
    MAX_FRAME,
    SYNC,
    FrameType,
    seal,
)
from protocol.c37118.configuration import PHUNITS, Analog, ConfigurationFrame, Phasor, Station
from protocol.c37118.names import counted, fixed

KIND_TYPES = {
    1: FrameType.CONFIGURATION_1,
    2: FrameType.CONFIGURATION_2,
    3: FrameType.CONFIGURATION_3,
}
PIECE_HEAD = HEAD_SIZE + 2
LAST_PIECE = 0xFFFF
CheckStyle = Literal["each", "whole"]


def encode_configuration(
    cfg: ConfigurationFrame, kind: int | None = None, max_size: int = MAX_FRAME, check: CheckStyle = "each"
) -> list[bytes]:
    """The frames of a configuration: one, or several pieces where a CFG-3 is longer than max_size bytes.

    kind: 1, 2 or 3, if not the kind it came as (a CFG-3 told as CFG-2 loses what that can't say).
    check: `each` piece with its own CHK (C37.118.2-2011), or one for the `whole` image before it is cut (as the Grid
    Solutions Framework does). Raises ValueError if a CFG-1 or CFG-2 is longer than 65,535 bytes.
    """
    kind = cfg.kind if kind is None else kind
    block = _station_3 if kind == 3 else _station_2
    body = struct.pack(">IH", cfg.time_base, len(cfg.stations))
    body += b"".join(map(block, cfg.stations)) + struct.pack(">h", cfg.rate)
    return _framed(cfg, kind, body, max_size, check)


def repeat_configuration(cfg: ConfigurationFrame, kind: int | None = None, max_size: int = MAX_FRAME) -> list[bytes]:
    """The same of a configuration that was read: what the device told goes on as it is, to the last byte of a name,
    where it was told in that layout (CFG-1 and CFG-2 have the same)."""
    kind = cfg.kind if kind is None else kind
    if not cfg.body or (kind == 3) != (cfg.kind == 3):
        return encode_configuration(cfg, kind, max_size)
    return _framed(cfg, kind, cfg.body, max_size, "each")


def _framed(cfg: ConfigurationFrame, kind: int, body: bytes, max_size: int, check: CheckStyle) -> list[bytes]:
    if kind != 3:
        return [seal(KIND_TYPES[kind], cfg, body)]
    if PIECE_HEAD + len(body) + CHECK_SIZE <= max_size:
        return [_piece(cfg, 0, body)]
    return _pieces_each(cfg, body, max_size) if check == "each" else _pieces_whole(cfg, body, max_size)


def _piece(cfg: ConfigurationFrame, index: int, part: bytes) -> bytes:
    return seal(FrameType.CONFIGURATION_3, cfg, index.to_bytes(2, "big") + part, version=max(cfg.version, 2))


def _pieces_each(cfg: ConfigurationFrame, body: bytes, max_size: int) -> list[bytes]:
    step = max_size - PIECE_HEAD - CHECK_SIZE
    parts = [body[at : at + step] for at in range(0, len(body), step)]
    return [_piece(cfg, index, part) for index, part in zip(_indices(len(parts)), parts, strict=True)]


def _indices(count: int) -> list[int]:
    return [*range(1, count), LAST_PIECE]


def _pieces_whole(cfg: ConfigurationFrame, body: bytes, max_size: int) -> list[bytes]:
    first = _head_3(cfg, max_size, 1)
    tail = body + crc_hqx(first + body, CRC_START).to_bytes(2, "big")
    step = max_size - PIECE_HEAD
    parts = [tail[at : at + step] for at in range(0, len(tail), step)]
    return [
        _head_3(cfg, PIECE_HEAD + len(part), index) + part
        for index, part in zip(_indices(len(parts)), parts, strict=True)
    ]


def _head_3(cfg: ConfigurationFrame, size: int, index: int) -> bytes:
    sync = FrameType.CONFIGURATION_3 << 4 | max(cfg.version, 2)
    fraction = cfg.quality << 24 | cfg.count
    return HEAD.pack(SYNC, sync, size, cfg.stream, cfg.soc, fraction) + index.to_bytes(2, "big")


def _counts(station: Station) -> bytes:
    counts = len(station.phasors), len(station.analogs), len(station.digitals)
    return struct.pack(">4H", station.format, *counts)


def _names(station: Station) -> list[str]:
    labels = [label for digital in station.digitals for label in digital.labels]
    return [*(each.name for each in station.phasors), *(each.name for each in station.analogs), *labels]


def _masks(station: Station) -> bytes:
    return b"".join(struct.pack(">HH", digital.normal, digital.valid) for digital in station.digitals)


def _station_2(station: Station) -> bytes:
    return fixed(station.name) + station.idcode.to_bytes(2, "big") + block_2(station, station.changes)


def block_2(station: Station, last: int, analog_counts: int = 1, encoding: str = "utf-8") -> bytes:
    """A block of CFG-1 or CFG-2 behind its IDCODE; `last` is the word behind FNOM. See `configuration.block_2`."""
    parts = [_counts(station), *(fixed(name, encoding) for name in _names(station))]
    parts += [struct.pack(">I", _phunit(phasor)) for phasor in station.phasors]
    parts += [struct.pack(">I", _anunit(analog, analog_counts)) for analog in station.analogs]
    parts += [_masks(station), struct.pack(">HH", int(station.nominal == 50), last)]
    return b"".join(parts)


def _phunit(phasor: Phasor) -> int:
    return phasor.kind << 24 | min(round(abs(phasor.scale) * PHUNITS), COUNT_MASK)


def _anunit(analog: Analog, counts: int) -> int:
    factor = max(-(1 << 23), min(round(analog.scale * counts), (1 << 23) - 1))
    return (analog.kind or 0) << 24 | factor & COUNT_MASK


def _station_3(station: Station) -> bytes:
    parts = [counted(station.name), station.idcode.to_bytes(2, "big"), station.global_id, _counts(station)]
    parts += map(counted, _names(station))
    parts += map(_phscale, station.phasors)
    parts += [struct.pack(">ff", analog.scale, analog.offset) for analog in station.analogs]
    place = (station.latitude, station.longitude, station.elevation)
    parts += [_masks(station), struct.pack(">fff", *(each if math.isfinite(each) else math.inf for each in place))]
    service = ord(station.service) if station.service else ord("M")
    parts.append(
        struct.pack(">BiiHH", service, station.window, station.delay, int(station.nominal == 50), station.changes)
    )
    return b"".join(parts)


def _phscale(phasor: Phasor) -> bytes:
    kind = (phasor.kind & 1) << 3 | phasor.component & 7
    return struct.pack(">HBBff", phasor.modified, kind, phasor.user, phasor.scale, phasor.offset)
