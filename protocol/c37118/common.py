"""What all frames of IEEE C37.118 have in common: the first 14 bytes, the check word, the error.

    0 SYNC 2 | 2 FRAMESIZE 2 | 4 IDCODE 2 | 6 SOC 4 | 10 time quality 1 | 11 FRACSEC count 3 | 14 … | CHK 2

All big-endian. C37.118-2005 §6.2, C37.118.2-2011 §6.2. The version nibble of SYNC is told, never judged:
devices of 2011 that say 2005 are common.
"""

from __future__ import annotations

import struct
from binascii import crc_hqx
from dataclasses import dataclass
from enum import IntEnum

SYNC = 0xAA
HEAD = struct.Struct(">BBHHII")
HEAD_SIZE = 14
CHECK_SIZE = 2
MIN_FRAME = HEAD_SIZE + CHECK_SIZE
MAX_FRAME = 0xFFFF
CRC_START = 0xFFFF
COUNT_MASK = 0x00FFFFFF


class FrameType(IntEnum):
    """Bits 6-4 of the second byte of SYNC."""

    DATA = 0
    HEADER = 1
    CONFIGURATION_1 = 2
    CONFIGURATION_2 = 3
    COMMAND = 4
    CONFIGURATION_3 = 5


CONFIGURATIONS = {
    FrameType.CONFIGURATION_1: 1,
    FrameType.CONFIGURATION_2: 2,
    FrameType.CONFIGURATION_3: 3,
}
"""Frame type -> kind of configuration."""


class FrameError(ValueError):
    """A frame with a good check word that is wrong inside: the sender's fault."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The common fields."""

    stream: int
    """IDCODE: of the stream, not of a station in it."""
    soc: int = 0
    """Seconds since 1970, leap seconds not counted."""
    quality: int = 0
    """Time quality byte (`status.describe_quality`)."""
    count: int = 0
    """FRACSEC count, 24 bits; a fraction of a second only with the TIME_BASE of the configuration."""
    version: int = 1
    """Low nibble of SYNC: 1 = 2005, 2 = 2011, 3 = 2024, as the sender says."""


def frame_type(frame: bytes) -> int:
    """Frame type 0..7 (`FrameType` where it is one)."""
    return frame[1] >> 4 & 7


def stream_id(frame: bytes) -> int:
    """IDCODE of a frame."""
    return frame[4] << 8 | frame[5]


def sound(frame: bytes) -> bool:
    """Whether the check word fits: CRC-CCITT over a frame with its own CRC leaves 0."""
    return crc_hqx(frame, CRC_START) == 0


def common(frame: bytes) -> Frame:
    """The common fields of a whole frame. Raises FrameError if size or check word don't fit the bytes."""
    if len(frame) < MIN_FRAME or frame[0] != SYNC:
        raise FrameError(f"{len(frame)} bytes starting {frame[:2].hex()} are no frame: want AA.. and {MIN_FRAME} bytes")
    _, kind, size, stream, soc, fraction = HEAD.unpack_from(frame)
    if size != len(frame):
        raise FrameError(f"FRAMESIZE says {size} bytes, the frame has {len(frame)}")
    if not sound(frame):
        raise FrameError(f"check word {frame[-2:].hex()} is wrong: bytes were damaged on the way")
    return Frame(stream=stream, soc=soc, quality=fraction >> 24, count=fraction & COUNT_MASK, version=kind & 15)


def seal(kind: int, fields: Frame, body: bytes, version: int | None = None) -> bytes:
    """The frame of a type with these common fields and this body; raises ValueError if it grows too long."""
    size = HEAD_SIZE + len(body) + CHECK_SIZE
    if size > MAX_FRAME:
        raise ValueError(f"frame of {size} bytes: FRAMESIZE ends at {MAX_FRAME}")
    sync = kind << 4 | (fields.version if version is None else version)
    fraction = fields.quality << 24 | fields.count
    image = HEAD.pack(SYNC, sync, size, fields.stream, fields.soc, fraction) + body
    return image + crc_hqx(image, CRC_START).to_bytes(2, "big")
