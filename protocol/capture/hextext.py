"""Frames written as hex text: one to a line, wrapped, with labels, or as a hex dump with offsets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from protocol.capture.records import Chunk, Notes

SEPARATORS = re.compile(r"0x|[\s:,\-]", re.IGNORECASE)
HEX = re.compile(r"(?:[0-9a-f]{2})+", re.IGNORECASE)
DUMP = re.compile(
    r"\s*([0-9a-f]{4,8}):?\s+((?:[0-9a-f]{2}){1,8}(?:\s{1,2}(?:[0-9a-f]{2}){1,8})*)(?:\s{2,}.*)?", re.IGNORECASE
)
MIN_FIELD = 14
"""Octets; a shorter hex word beside other text is a label, not a frame (the shortest frame has 16)."""


def is_hex_text(data: bytes) -> bool:
    """Is this text with hex octets in it, and not the octets themselves?"""
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        return False
    return _is_all_hex(text) or any(_lines(text))


def chunks(data: bytes, notes: Notes) -> list[Chunk]:
    """The octets, line by line; time 0."""
    text = data.decode("ascii")
    if _is_all_hex(text):
        whole = _bare(_without_comments(text))
        lines = [_bare(line) for line in _without_comments(text).splitlines()]
        pieces = lines if all(len(line) % 2 == 0 for line in lines) else [whole]
        return [Chunk(0, bytes.fromhex(piece)) for piece in pieces if piece]
    found = list(_lines(text))
    unread = sum(1 for line in _without_comments(text).splitlines() if line.strip()) - len(found)
    if unread:
        notes.add(f"hex text: {unread} lines without hex octets were left out")
    return [Chunk(0, octets) for octets in found]


def _is_all_hex(text: str) -> bool:
    return HEX.fullmatch(_bare(_without_comments(text))) is not None


def _lines(text: str) -> Iterator[bytes]:
    """Octets of each line that has some."""
    given = 0
    for line in _without_comments(text).splitlines():
        octets = _dump_line(line, given) or _line(line)
        if octets:
            yield octets
            given += len(octets)


def _dump_line(line: str, given: int) -> bytes | None:
    """`0010  aa 01 00 34 …  ....4`: an offset that counts on (or starts again), then octets."""
    match = DUMP.fullmatch(line)
    if match is None or int(match[1], 16) not in (given, 0):
        return None
    return bytes.fromhex(match[2])


def _line(line: str) -> bytes | None:
    bare = _bare(line)
    if HEX.fullmatch(bare):
        return bytes.fromhex(bare)
    words = [_bare(word) for word in line.split("\t")] + line.split()
    best = max((word for word in words if HEX.fullmatch(word)), key=len, default="")
    return bytes.fromhex(best) if len(best) >= 2 * MIN_FIELD else None


def _bare(text: str) -> str:
    return SEPARATORS.sub("", text)


def _without_comments(text: str) -> str:
    return re.sub(r"#.*", "", text)
