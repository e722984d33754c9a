"""The few system calls that change an archive or a journal. Tests put a kill at each of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BUFFERS = os.sysconf("SC_IOV_MAX")
"""How many buffers one `pwritev` takes."""


class Disk:
    """Writes go to the page cache at once (a killed process loses none); `sync` is against power cuts."""

    def pwrite(self, fd: int, data: Any, offset: int) -> None:
        """Write all of a buffer at an offset. Raises OSError."""
        view = memoryview(data).cast("B")
        while view.nbytes:
            written = os.pwrite(fd, view, offset)
            view, offset = view[written:], offset + written

    def pwritev(self, fd: int, pieces: Sequence[Any], offset: int) -> None:
        """Write all of some buffers one after the other at an offset. Raises OSError."""
        views = [memoryview(piece) for piece in pieces]
        while views:
            written = os.pwritev(fd, views[:BUFFERS], offset)
            offset += written
            done = 0
            while done < len(views) and written >= views[done].nbytes:
                written -= views[done].nbytes
                done += 1
            views = views[done:]
            if written:
                views[0] = views[0].cast("B")[written:]

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

    def rename(self, temporary: Path, path: Path) -> None:
        """Give a written file its name; a power cut may take either, so sync both before anything relies on it."""
        os.rename(temporary, path)

    def truncate(self, fd: int, size: int) -> None:
        """Forget what a file has beyond a size."""
        os.ftruncate(fd, size)

    def remove(self, path: Path) -> None:
        """Delete a file."""
        os.unlink(path)

    def sync_names(self, folder: Path) -> None:
        """Names in a folder to the disk."""
        sync_folder(folder)

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
