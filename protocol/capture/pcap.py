"""Classic libpcap files: both byte orders, micro- and nanoseconds (draft-ietf-opsawg-pcap)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from protocol.capture.records import Notes, Record

MAGICS = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
"""First four octets to (byte order, nanoseconds per unit of the second stamp field)."""
FILE_HEADER = 24
RECORD_HEADER = 16
MAX_RECORD = 1 << 20
"""Octets; a longer record means that the file is damaged here (libpcap's own limit is 256 KiB)."""


def records(data: bytes, notes: Notes) -> Iterator[Record]:
    """Packets in order. A damaged or cut file ends early, with a note that says where."""
    order, unit = MAGICS[data[:4]]
    if len(data) < FILE_HEADER:
        notes.add(f"pcap: the file ends within its header ({len(data)} bytes)")
        return
    link = struct.unpack_from(order + "I", data, 20)[0] & 0x0FFFFFFF
    header = struct.Struct(order + "IIII")
    position = FILE_HEADER
    while position + RECORD_HEADER <= len(data):
        seconds, fraction, size, _ = header.unpack_from(data, position)
        if size > MAX_RECORD:
            notes.add(f"pcap: at byte {position} a record of {size} bytes: damaged, nothing is read after it")
            return
        body = position + RECORD_HEADER
        if body + size > len(data):
            break
        yield Record(seconds * 1_000_000_000 + fraction * unit, link, data[body : body + size])
        position = body + size
    if position < len(data):
        notes.add(f"pcap: the file is cut off within the record at byte {position}")
