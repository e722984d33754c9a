"""Copies that were read back from the disk: of files that stay as they are, and of files that somebody writes to."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from archive.backup.capture import LivePart, written
from archive.checksums import CHUNK, digest
from archive.settling import Settling, forget, settle

Told = Callable[[int], None]
"""Called with bytes that were read or written; may wait, so that others get their turn."""
TEMPORARY = ".copying"


class Spoiled(Exception):
    """What was read back is not what was written: the disk of the backup can't be trusted."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: read back, it is not what was written; check this disk, or use another one")


def copy_file(source: Path, target: Path, told: Told) -> str:
    """Copy a file that stays as it is; it has its name when it was read back. Returns its SHA-256."""
    found = hashlib.sha256()
    temporary, settling = _temporary(target), Settling()
    with source.open("rb", buffering=0) as file, temporary.open("wb", buffering=0) as out:
        info = os.fstat(file.fileno())
        os.fchmod(out.fileno(), info.st_mode & 0o777)
        while data := file.read(CHUNK):
            found.update(data)
            _skip_or_write(out.fileno(), data)
            done = os.lseek(out.fileno(), 0, os.SEEK_CUR)
            settling.grown(temporary, out.fileno(), done)
            forget(file.fileno(), done)
            told(len(data))
        os.ftruncate(out.fileno(), os.lseek(out.fileno(), 0, os.SEEK_CUR))
        settle(out.fileno())
    os.utime(temporary, ns=(info.st_atime_ns, info.st_mtime_ns))
    if digest(temporary) != found.hexdigest():
        raise Spoiled(target)
    os.replace(temporary, target)
    return found.hexdigest()


def _skip_or_write(fd: int, data: bytes) -> None:
    """Zeros become a hole."""
    if data.count(0) == len(data):
        os.lseek(fd, len(data), os.SEEK_CUR)
        return
    view = memoryview(data)
    while view.nbytes:
        view = view[os.write(fd, view) :]


def copy_open(fd: int, target: Path, told: Told, size: int | None = None,
              over: tuple[int, bytes] | None = None) -> str:  # fmt: skip
    """Copy what an open file has now, up to `size` bytes, with `over` (offset, bytes) put over it. Returns the
    copy's SHA-256."""
    size = os.fstat(fd).st_size if size is None else size
    temporary = _temporary(target)
    with temporary.open("w+b", buffering=0) as out:
        os.fchmod(out.fileno(), os.fstat(fd).st_mode & 0o777)
        pieces = list(_copied(fd, out.fileno(), size, told, partial(Settling().grown, temporary, out.fileno())))
        if over is not None:
            offset, data = over
            pieces = [piece for piece in pieces if piece[0] + piece[1] <= offset or piece[0] >= offset + len(data)]
            _write(out.fileno(), data, offset)
            pieces.append((offset, len(data), zlib.crc32(data)))
        os.ftruncate(out.fileno(), size)
        settle(out.fileno())
        if any(zlib.crc32(os.pread(out.fileno(), length, offset)) != crc for offset, length, crc in pieces):
            raise Spoiled(target)
    found = digest(temporary)
    os.replace(temporary, target)
    return found


def _copied(fd: int, out: int, size: int, told: Told, grown: Told) -> Iterator[tuple[int, int, int]]:
    """(offset, bytes, CRC-32) of each piece copied; holes stay holes. `grown` is told where it ends."""
    for start, stop in written(fd, 0, size):
        for at in range(start, stop, CHUNK):
            data = os.pread(fd, min(CHUNK, stop - at), at)
            if data:
                _write(out, data, at)
                grown(at + len(data))
                told(len(data))
                yield at, len(data), zlib.crc32(data)


def copy_part(part: LivePart, target: Path, told: Told) -> str:
    """Copy a part with the presence bytes that it had at the commit. Returns the copy's SHA-256."""
    return copy_open(part.cells.fd, target, told, over=part.presence)


def put(data: bytes, target: Path, offset: int = 0) -> str:
    """A small file of these bytes. Returns its SHA-256."""
    temporary = _temporary(target)
    with temporary.open("wb", buffering=0) as out:
        _write(out.fileno(), data, offset)
        settle(out.fileno())
    found = digest(temporary)
    os.replace(temporary, target)
    return found


def _write(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view.nbytes:
        done = os.pwrite(fd, view, offset)
        view, offset = view[done:], offset + done


def _temporary(target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.with_name(target.name + TEMPORARY)
