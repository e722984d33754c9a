"""What all frames of Q/GDW 131-2006 (V2) and GB/T 26865.2-2011 (V3) have in common.

    V3  0 SYNC 2 | 2 SIZE 2 | 4 IDCODE 8 | 12 SOC 4 | 16 FRACSEC 4 | 20 … | CHK 2
    V2  0 SYNC 2 | 2 SIZE 2 | 4 SOC 4 | 8 …  | CHK 2          DATA: 8 FRACSEC 4     CMD: 8 IDCODE 8

All big-endian. SYNC is 0xAA, type (bits 6-4), edition (bits 3-0: 2 or 3). CHK is the CRC-CCITT of C37.118 with the
initial value 0: the one thing that tells these frames from those of C37.118, which has editions 2 and 3 too.

The standards themselves were not at hand. What stands here was verified with frames of a vendor's manual, or was read
from open programs that were tested with a substation. Not known, and so not read: the files of the offline pipe, the
checksum that Q/GDW 131 allows in place of the CRC of DATA (D_FRAME; how it is reckoned), where IDCODE is in the header
frame of V2, and what GB/T 26865.2-2023 changed.
"""

from __future__ import annotations

import struct
from binascii import crc_hqx
from dataclasses import dataclass

from protocol.c37118 import common as c37118
from protocol.c37118.common import CHECK_SIZE, COUNT_MASK, MAX_FRAME, SYNC, FrameError, FrameType, frame_type
from protocol.c37118.names import clean

CRC_START = 0
ENCODING = "gbk"
"""Of names and texts."""
IDENTITY = 8
"""Bytes of IDCODE."""
NOBODY = bytes(IDENTITY)
V2, V3 = 2, 3
"""Editions, as SYNC says them."""
EDITIONS = {V2: "Q/GDW 131-2006", V3: "GB/T 26865.2-2011"}
CONFIGURATIONS = {FrameType.CONFIGURATION_1: 1, FrameType.CONFIGURATION_2: 2}
"""Frame type -> kind of configuration."""
KINDS = (FrameType.DATA, FrameType.HEADER, *CONFIGURATIONS, FrameType.COMMAND)

HEAD_V3 = struct.Struct(">BBH8sII")
SHORT_V2 = struct.Struct(">BBHI")
DATA_V2 = struct.Struct(">BBHII")
COMMAND_V2 = struct.Struct(">BBHI8s")
MIN_FRAME = SHORT_V2.size + CHECK_SIZE
"""An empty header of V2."""


@dataclass(frozen=True, kw_only=True)
class Frame(c37118.Frame):
    """The common fields."""

    stream: int = 0
    """There is no IDCODE of 16 bits."""
    version: int = V3
    """Edition: 2 or 3."""
    identity: bytes = b""
    """IDCODE, 8 bytes as they came: of the substation, also in frames to it. Empty in DATA, CFG and HDR of V2."""


def sound(frame: bytes) -> bool:
    """Whether the check word fits: a frame with its own CRC leaves 0."""
    return len(frame) >= MIN_FRAME and crc_hqx(frame, CRC_START) == 0


def head_size(version: int, kind: int) -> int:
    """Bytes before the body."""
    if version == V3:
        return HEAD_V3.size
    return {FrameType.DATA: DATA_V2.size, FrameType.COMMAND: COMMAND_V2.size}.get(FrameType(kind), SHORT_V2.size)


def common(frame: bytes) -> tuple[Frame, bytes]:
    """(common fields, body) of a whole frame. Raises FrameError if it is none, or its size or check word don't fit."""
    if len(frame) < MIN_FRAME or frame[0] != SYNC:
        raise FrameError(f"{len(frame)} bytes starting {frame[:2].hex()} are no frame: want AA.. and {MIN_FRAME} bytes")
    kind, version, size = frame_type(frame), frame[1] & 15, frame[2] << 8 | frame[3]
    if version not in EDITIONS or kind not in KINDS:
        raise FrameError(f"type {kind} of edition {version}: neither Q/GDW 131 (2) nor GB/T 26865.2-2011 (3) has it")
    if size != len(frame):
        raise FrameError(f"SIZE says {size} bytes, the frame has {len(frame)}")
    if not sound(frame):
        raise FrameError(f"check word {frame[-2:].hex()} is wrong: bytes were damaged on the way")
    head = head_size(version, kind)
    if len(frame) < head + CHECK_SIZE:
        raise FrameError(f"a frame of type {kind} of {EDITIONS[version]} has {head + CHECK_SIZE} bytes at least")
    return _fields(frame, version, kind), frame[head:-CHECK_SIZE]


def _fields(frame: bytes, version: int, kind: int) -> Frame:
    identity, fraction = b"", 0
    if version == V3:
        *_, identity, soc, fraction = HEAD_V3.unpack_from(frame)
    elif kind == FrameType.DATA:
        *_, soc, fraction = DATA_V2.unpack_from(frame)
    elif kind == FrameType.COMMAND:
        *_, soc, identity = COMMAND_V2.unpack_from(frame)
    else:
        *_, soc = SHORT_V2.unpack_from(frame)
    return Frame(version=version, identity=identity, soc=soc, quality=fraction >> 24, count=fraction & COUNT_MASK)


def seal(kind: int, fields: c37118.Frame, identity: bytes, body: bytes) -> bytes:
    """The frame of a type with these common fields and this body; raises ValueError if it grows too long."""
    version = fields.version
    size = head_size(version, kind) + len(body) + CHECK_SIZE
    if size > MAX_FRAME:
        raise ValueError(f"frame of {size} bytes: SIZE ends at {MAX_FRAME}")
    lead, fraction = (SYNC, kind << 4 | version, size), fields.quality << 24 | fields.count
    if version == V3:
        head = HEAD_V3.pack(*lead, identity, fields.soc, fraction)
    elif kind == FrameType.DATA:
        head = DATA_V2.pack(*lead, fields.soc, fraction)
    elif kind == FrameType.COMMAND:
        head = COMMAND_V2.pack(*lead, fields.soc, identity)
    else:
        head = SHORT_V2.pack(*lead, fields.soc)
    image = head + body
    return image + crc_hqx(image, CRC_START).to_bytes(2, "big")


def identity_of(frame: bytes) -> bytes:
    """IDCODE of a frame as it came; empty where V2 has none."""
    if frame[1] & 15 == V3:
        return frame[4:12]
    return frame[8:16] if frame_type(frame) == FrameType.COMMAND else b""


def identity_text(identity: bytes) -> str:
    """IDCODE for people: as text, in hex where it has none. The key is always the bytes."""
    return clean(identity, ENCODING) or identity.hex()
