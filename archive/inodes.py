"""What the file system tells of a file that others may replace or delete."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

Stamp = tuple[int, int, int] | None
"""(mtime [ns], inode, size) of a file, which are other ones when it has changed; None: there is none."""


def stamp(path: Path) -> Stamp:
    """Of a file as it is now; None also for one that we may not look at."""
    with suppress(OSError):
        info = path.stat()
        return info.st_mtime_ns, info.st_ino, info.st_size
    return None


def disk_size(path: Path) -> int:
    """Bytes that a file takes on its disk (parts are sparse); none if it is gone."""
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:
        return 0
