"""What bytes look like that are not the protocol asked for: so that a refusal can say what was seen."""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Callable

from protocol.capture.records import Capture

LOOK = 1 << 20
"""Bytes of a flow that are looked at."""
SHORTEST, LONGEST = 16, 65535

BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a zip archive (unpack it first)"),
    (b"\x1f\x8b", "a gzip file (gunzip it first)"),
    (b"\x28\xb5\x2f\xfd", "a zstd file (unpack it first)"),
    (b"BZh", "a bzip2 file (unpack it first)"),
    (b"\xfd7zXZ", "an xz file (unpack it first)"),
    (b"\x89HDF\r\n", "an HDF5 file (syms export reads archives)"),
    (b"\x7fELF", "a program"),
    (b"SSH-", "SSH"),
    (b"HTTP/", "HTTP"),
    (b"GET ", "HTTP"),
    (b"POST ", "HTTP"),
    (b"PUT ", "HTTP"),
    (b"HEAD ", "HTTP"),
    (b"\x05\x64", "DNP3"),
    (b"\x68\x04\x07\x00\x00\x00", "IEC 60870-5-104"),
    (b"\x03\x00\x00", "ISO transport (IEC 61850 MMS or the like)"),
)


def recognise(capture: Capture) -> str:
    """A phrase for each kind of thing that was seen, joined; what it says of a file of nothing known is its kind."""
    seen: dict[str, int] = {}
    for flow in capture.flows:
        data = flow.data()[:LOOK]
        seen[_name(data, flow.transport)] = seen.get(_name(data, flow.transport), 0) + 1
    if not capture.flows:
        return f"a {capture.kind} file without TCP or UDP traffic"
    return ", ".join(f"{count} flows of {name}" if count > 1 else name for name, count in seen.items())


def _name(data: bytes, transport: str) -> str:
    if chinese(data):
        return "GB/T 26865.2 or Q/GDW 131 (the check words fit with initial value 0 instead of 0xFFFF)"
    for start, name in BEGINNINGS:
        if data.startswith(start):
            return name
    if data[:1] in (b"\x14", b"\x15", b"\x16", b"\x17") and data[1:2] == b"\x03":
        return "TLS"
    if data[2:4] == b"\0\0" and len(data) > 7 and int.from_bytes(data[4:6], "big") in range(2, 255):
        return "Modbus/TCP"
    if data and all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in data[:4096]):
        return "plain text"
    return "bytes of no known protocol" if transport == "file" else f"{transport} traffic of no known protocol"


def chinese(data: bytes) -> bool:
    """Frames that start 0xAA with version nibble 2 or 3 and whose CRC verifies with initial value 0 only.

    A lone one must fill its place (start the bytes); of two, chance is out.
    """
    found = _count(data, lambda frame: crc_hqx(frame, 0) == 0 and crc_hqx(frame, 0xFFFF) != 0)
    size = int.from_bytes(data[2:4], "big")
    return found > 1 or (found == 1 and data[:1] == b"\xaa" and crc_hqx(data[:size], 0) == 0)


def _count(data: bytes, good: Callable[[bytes], bool]) -> int:
    found = at = 0
    while (at := data.find(b"\xaa", at)) >= 0 and found < 2:
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        fits = SHORTEST <= size <= min(LONGEST, len(data) - at) and data[at + 1] & 0x8E == 2
        if fits and good(data[at : at + size]):
            found += 1
            at += size
        else:
            at += 1
    return found
