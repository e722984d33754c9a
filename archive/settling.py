"""Large files written beside a station that measures: a little at a time goes to the disk, and out of the page cache.

Thousands of megabytes that wait to be written would hold up everybody who syncs on that disk. Syncing now and then
would not do: every `fsync` has the file system commit its own journal, and others' syncs wait for that.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

UNSETTLED = 16 << 20
"""Bytes written before they are put on the disk."""
NOW = 1 | 2 | 4
"""Of sync_file_range: what is being written, what is still to be, and wait until it is."""


def write_out(fd: int) -> None:
    """All that was written so far lies on the disk; not what tells where (`settle`). Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.sync_file_range(fd, ctypes.c_int64(0), ctypes.c_int64(0), NOW) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def forget(fd: int, end: int = 0) -> None:
    """The page cache is for those who measure: what a file has there and on the disk, up to a byte, leaves it (0: all;
    who reads on would have what was read ahead of it read again)."""
    os.posix_fadvise(fd, 0, end, os.POSIX_FADV_DONTNEED)


def forget_file(path: Path) -> None:
    """Of a file that may be gone by now."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        forget(fd)
    finally:
        os.close(fd)


def settle(fd: int) -> None:
    """A file that is complete is on the disk, and leaves the page cache to others."""
    os.fsync(fd)
    forget(fd)


class Settling:
    """Writes files out whenever they have grown by some megabytes."""

    def __init__(self, keep: bool = False) -> None:
        """With `keep` they stay in the page cache, since they are read next."""
        self._keep = keep
        self._settled: dict[Path, int] = {}

    def grown(self, path: Path, fd: int, size: int) -> None:
        """A file has this size now [bytes]; what it has buffered was flushed."""
        if size - self._settled.get(path, 0) >= UNSETTLED:
            write_out(fd)
            if not self._keep:
                forget(fd)
            self._settled[path] = size
