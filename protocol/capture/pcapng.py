"""pcapng files (draft-ietf-opsawg-pcapng): sections of either byte order, several interfaces, any time resolution."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from protocol.capture.records import Notes, Record

INTERFACE = 1
OLD_PACKET = 2
SIMPLE_PACKET = 3
ENHANCED_PACKET = 6
MAGIC = b"\x0a\x0d\x0d\x0a"
ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
"""Byte-order magic of a section header."""
OPTION_RESOLUTION = 9
OPTION_OFFSET = 14
MIN_BLOCK = 12
SECOND = 1_000_000_000


@dataclass(frozen=True)
class _Interface:
    link: int
    limit: int
    """Most bytes kept of a packet; 0 = all."""
    resolution: int = 6
    """if_tsresol: low 7 bits an exponent of 10, or of 2 when bit 7 is set."""
    offset: int = 0
    """if_tsoffset: seconds to add."""

    def time(self, stamp: int) -> int:
        exponent = self.resolution & 0x7F
        scale = 1 << exponent if self.resolution & 0x80 else 10**exponent
        return stamp * SECOND // scale + self.offset * SECOND


class _Reader:
    """Walks the blocks of one file."""

    def __init__(self, data: bytes, notes: Notes) -> None:
        self._data = data
        self._notes = notes
        self._order = "<"
        self._interfaces: list[_Interface] = []

    def records(self) -> Iterator[Record]:
        position = 0
        while position + MIN_BLOCK <= len(self._data):
            size = self._block_size(position)
            if size is None:
                return
            try:
                record = self._block(position, size)
            except struct.error:
                self._notes.add(f"pcapng: the block at byte {position} is shorter than its fields; skipped")
                record = None
            if record is not None:
                yield record
            position += size
        if position < len(self._data):
            self._notes.add(f"pcapng: the file is cut off within the block at byte {position}")

    def _block_size(self, position: int) -> int | None:
        """Octets of the block here; None (and a note) where the file can't be followed further."""
        if self._data[position : position + 4] == MAGIC:
            order = ORDERS.get(self._data[position + 8 : position + 12])
            if order is None:
                self._notes.add(
                    f"pcapng: unknown byte order in the section header at byte {position}; nothing after it is read"
                )
                return None
            self._order, self._interfaces = order, []
        size: int = struct.unpack_from(self._order + "I", self._data, position + 4)[0]
        if size < MIN_BLOCK or size % 4:
            self._notes.add(f"pcapng: at byte {position} a block of {size} bytes: damaged, nothing is read after it")
            return None
        if position + size > len(self._data):
            self._notes.add(f"pcapng: the file is cut off within the block at byte {position}")
            return None
        return size

    def _block(self, position: int, size: int) -> Record | None:
        kind = struct.unpack_from(self._order + "I", self._data, position)[0]
        body = self._data[position + 8 : position + size - 4]
        if kind == INTERFACE:
            self._interfaces.append(self._interface(body))
        elif kind in (ENHANCED_PACKET, OLD_PACKET):
            return self._packet(body, "IIIII" if kind == ENHANCED_PACKET else "HHIIII", position)
        elif kind == SIMPLE_PACKET and self._interfaces:
            first = self._interfaces[0]
            length = struct.unpack_from(self._order + "I", body)[0]
            length = min(length, first.limit or length, len(body) - 4)
            return Record(0, first.link, body[4 : 4 + length])
        return None

    def _packet(self, body: bytes, layout: str, position: int) -> Record | None:
        fields = struct.unpack_from(self._order + layout, body)
        high, low, size, _ = fields[-4:]
        if fields[0] >= len(self._interfaces):
            self._notes.add(
                f"pcapng: the packet at byte {position} names interface {fields[0]}, which is not described"
            )
            return None
        interface = self._interfaces[fields[0]]
        start = struct.calcsize(self._order + layout)
        return Record(interface.time(high << 32 | low), interface.link, body[start : start + size])

    def _interface(self, body: bytes) -> _Interface:
        link, _, limit = struct.unpack_from(self._order + "HHI", body)
        resolution, offset = 6, 0
        for code, value in self._options(body[8:]):
            if code == OPTION_RESOLUTION and value:
                resolution = value[0]
            elif code == OPTION_OFFSET and len(value) == 8:
                offset = struct.unpack(self._order + "q", value)[0]
        return _Interface(link, limit, resolution, offset)

    def _options(self, body: bytes) -> Iterator[tuple[int, bytes]]:
        position = 0
        while position + 4 <= len(body):
            code, size = struct.unpack_from(self._order + "HH", body, position)
            if code == 0:
                return
            yield code, body[position + 4 : position + 4 + size]
            position += 4 + size + -size % 4


def records(data: bytes, notes: Notes) -> Iterator[Record]:
    """Packets in order. A damaged or cut file ends early, with a note that says where.

    A simple packet block has no time: 0.
    """
    return _Reader(data, notes).records()
