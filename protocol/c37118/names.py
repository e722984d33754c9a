"""Names in configuration frames: cleaned, and unique where rows are found by them."""

from __future__ import annotations

import codecs
from collections.abc import Iterable

FIELD = 16
"""Bytes of a name in CFG-1 and CFG-2."""


def clean(raw: bytes, encoding: str = "utf-8") -> str:
    """Text of a name field: up to the first NUL, without control characters and outer blanks.

    UTF-8, which contains the ASCII of the standard; bytes that are not UTF-8 (or what `encoding` says) are read as
    Latin-1, so that no name is refused. A character cut in two by the end of a full 16-byte field is dropped.
    """
    text = raw.lstrip(b"\0").split(b"\0", 1)[0]
    try:
        decoded = codecs.getincrementaldecoder(encoding)().decode(text, final=len(text) != FIELD)
    except UnicodeDecodeError:
        decoded = text.decode("latin-1")
    return "".join(char for char in decoded if char.isprintable()).strip()


def unique(names: Iterable[str], fallback: str) -> tuple[str, ...]:
    """The names in order, each once: an empty one becomes `<fallback> 3` (its place), a repeated one `VA (2)`."""
    taken: set[str] = set()
    again: dict[str, int] = {}
    result: list[str] = []
    for place, name in enumerate(names, 1):
        base = name or f"{fallback} {place}"
        candidate = base
        while candidate in taken:
            again[base] = again.get(base, 1) + 1
            candidate = f"{base} ({again[base]})"
        taken.add(candidate)
        result.append(candidate)
    return tuple(result)


def fixed(name: str, encoding: str = "utf-8") -> bytes:
    """A name as CFG-1 and CFG-2 carry it: 16 bytes, cut at a character, padded with blanks."""
    return shortened(name, FIELD, encoding).ljust(FIELD, b" ")


def counted(name: str) -> bytes:
    """A name as CFG-3 carries it: a length byte and up to 255 bytes of UTF-8."""
    text = shortened(name, 255)
    return bytes([len(text)]) + text


def shortened(name: str, limit: int, encoding: str = "utf-8") -> bytes:
    """A name in bytes, cut at a whole character to at most so many; what the encoding lacks becomes `?`."""
    cut = name.encode(encoding, "replace")[:limit]
    return cut.decode(encoding, "ignore").encode(encoding)
