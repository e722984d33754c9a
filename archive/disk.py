"""The few system calls that change an archive. Tests put a kill at each of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


class Disk:
    """Writes go to the page cache at once (a killed process loses none); `sync` is against power cuts."""

    def pwrite(self, fd: int, data: Any, offset: int) -> None:
        """Write all of a buffer at an offset. Raises OSError."""
        view = memoryview(data).cast("B")
        while view.nbytes:
            written = os.pwrite(fd, view, offset)
            view, offset = view[written:], offset + written

    def sync(self, fd: int) -> None:
        """Content of a file to the disk."""
        os.fdatasync(fd)

    def replace(self, temporary: Path, path: Path) -> None:
        """Give a written file its name, so that it is there as a whole or not at all."""
        fd = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(temporary, path)
        sync_folder(path.parent)

    def free(self, path: Path) -> int:
        """Bytes that can still be written where a path lies."""
        stat = os.statvfs(path)
        return stat.f_bavail * stat.f_frsize


def make_folder(path: Path) -> None:
    """Make a folder and those above it; their names are on the disk when this returns."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for each in missing:
        sync_folder(each.parent)


def sync_folder(path: Path) -> None:
    """Names in a folder to the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
