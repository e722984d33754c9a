"""How far the archive has come, so that what is taken twice counts once.

A commit makes rows durable in this order: rows, then `undo` (the presence bytes as they were), then the presence
bytes, then the `watermark` (next number of every writer, books, open events). A commit that did not reach its
watermark is undone when the archive is opened: files and watermark agree again, and the readers fetch from the
watermark what was undone. This is a rollback journal on the presence bytes; the rows themselves need
none, as rows that are not present say nothing.

`watermark` has two slots, written in turn: `magic, format, sequence, length, crc, JSON`. The newer valid one holds.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from pathlib import Path
from typing import Any

from archive import layout
from archive.disk import Disk

SLOT = 16 << 20
"""Bytes of one watermark slot; sparse."""
HEAD = struct.Struct("<8sIQII")
WATERMARK, UNDO = b"SYMSmark", b"SYMSundo"
ENTRY = struct.Struct("<HQI")
Change = tuple[str, int, bytes]
"""(path below the archive, offset, presence bytes before the commit)."""


class WatermarkError(Exception):
    """The watermark can't be used; says why and what to do."""


def _frame(magic: bytes, sequence: int, payload: bytes) -> bytes:
    return HEAD.pack(magic, layout.FORMAT, sequence, len(payload), zlib.crc32(payload, sequence & 0xFFFFFFFF)) + payload


def _unframe(magic: bytes, data: bytes, path: Path) -> tuple[int, bytes] | None:
    """(sequence, payload), None if this is torn or was never written. Raises WatermarkError if it is newer than we."""
    if len(data) < HEAD.size:
        return None
    found, version, sequence, length, crc = HEAD.unpack_from(data)
    payload = data[HEAD.size : HEAD.size + length]
    if found != magic or len(payload) != length or zlib.crc32(payload, sequence & 0xFFFFFFFF) != crc:
        return None
    if version > layout.FORMAT:
        raise WatermarkError(f"{path}: format {version}, this release knows up to {layout.FORMAT}; use a newer one")
    return sequence, payload


def newest(fd: int, path: Path) -> tuple[int, bytes] | None:
    """(sequence, state as JSON) of an open watermark, None if none was ever written. Raises WatermarkError."""
    found = [_unframe(WATERMARK, _slot(fd, slot), path) for slot in (0, 1)]
    marks = [each for each in found if each is not None]
    if not marks and os.fstat(fd).st_size > SLOT:  # slot 1 is only written after slot 0 was
        raise WatermarkError(f"{path}: both slots are damaged; restore it from a copy")
    return max(marks, default=None)


def _slot(fd: int, slot: int) -> bytes:
    """What was written of a slot, which is far larger."""
    head = os.pread(fd, HEAD.size, slot * SLOT)
    length = HEAD.unpack(head)[3] if len(head) == HEAD.size else 0
    return head + os.pread(fd, min(length, SLOT), slot * SLOT + HEAD.size)


def undone(fd: int, sequence: int, path: Path) -> list[Change]:
    """How to undo the commit after `sequence`, as an open undo file says; nothing if none was begun."""
    found = _unframe(UNDO, os.pread(fd, os.fstat(fd).st_size, 0), path)
    return [] if found is None or found[0] != sequence + 1 else _changes(found[1])


def framed(sequence: int, state: bytes) -> tuple[int, bytes]:
    """(offset, bytes) that make up a watermark file which says no more than this."""
    return (sequence - 1) % 2 * SLOT, _frame(WATERMARK, sequence, state)


def committed(root: Path) -> dict[str, Any]:
    """The state of an archive that may be written meanwhile; nothing of one that was never written."""
    try:
        mark = os.open(root / "watermark", os.O_RDONLY)
    except FileNotFoundError:
        return {}
    try:
        found = newest(mark, root / "watermark")
        return {} if found is None else dict(json.loads(found[1]))
    finally:
        os.close(mark)


class Watermark:
    """The two files of an archive folder."""

    def __init__(self, root: Path, disk: Disk) -> None:
        self._root, self._disk = root, disk
        self._mark = os.open(root / "watermark", os.O_RDWR | os.O_CREAT, 0o644)
        self._undo = os.open(root / "undo", os.O_RDWR | os.O_CREAT, 0o644)
        self.sequence, self.state = self._newest()

    def _newest(self) -> tuple[int, dict[str, Any]]:
        found = newest(self._mark, self._root / "watermark")
        return (0, {}) if found is None else (found[0], json.loads(found[1]))

    def prepare(self, changes: list[Change]) -> None:
        """Put down how to undo the commit that begins now. Returns when it is on disk."""
        parts = [
            ENTRY.pack(len(name.encode()), offset, len(old)) + name.encode() + old for name, offset, old in changes
        ]
        self._disk.pwrite(self._undo, _frame(UNDO, self.sequence + 1, b"".join(parts)), 0)
        self._disk.sync(self._undo)

    def commit(self, state: dict[str, Any]) -> None:
        """The commit holds as soon as this returns."""
        payload = json.dumps(state, separators=(",", ":")).encode()
        if HEAD.size + len(payload) > SLOT:
            raise WatermarkError(f"watermark of {len(payload)} bytes, limit {SLOT}: too many devices for one archive")
        sequence = self.sequence + 1
        offset, data = framed(sequence, payload)
        self._disk.pwrite(self._mark, data, offset)
        self._disk.sync(self._mark)
        self.sequence, self.state = sequence, state

    def undo(self) -> int:
        """Undo a commit that did not reach its watermark. Returns how many changes were taken back."""
        changes = undone(self._undo, self.sequence, self._root / "undo")
        for name, offset, old in changes:
            fd = os.open(self._root / name, os.O_RDWR)
            try:
                self._disk.pwrite(fd, old, offset)
                self._disk.sync(fd)
            finally:
                os.close(fd)
        return len(changes)

    def close(self) -> None:
        os.close(self._mark)
        os.close(self._undo)


def _changes(payload: bytes) -> list[Change]:
    changes: list[Change] = []
    at = 0
    while at < len(payload):
        name, offset, size = ENTRY.unpack_from(payload, at)
        at += ENTRY.size
        changes.append((payload[at : at + name].decode(), offset, payload[at + name : at + name + size]))
        at += name + size
    return changes
