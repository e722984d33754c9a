"""The machine under a station: whether its clock was stepped, and how full its disks are."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from nodes import _yaml
from nodes._node import Place
from protocol.clock import Now


@dataclass(frozen=True)
class DiskState:
    """How full a disk is."""

    folder: Path
    free: int
    """Bytes that a plain user can still write."""
    size: int


def disk_of(folder: Path) -> tuple[int, DiskState]:
    """(number of the disk, its state) where a folder lies, or would lie. Raises OSError."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    stat = os.statvfs(there)
    return there.stat().st_dev, DiskState(folder, stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize)


@dataclass
class Steps:
    """Notices when UTC and the monotonic clock part.

    One look alone may be wrong: a process can be held between reading the two.
    """

    limit: int
    """ns"""
    count: int = 0
    last: int = 0
    """ns of the last step: positive when the clock was put forward."""
    at: int | None = None
    """Monotonic ns when it was noticed."""
    _apart: int | None = field(default=None, repr=False)
    _doubted: int | None = field(default=None, repr=False)

    def look(self, now: Now) -> bool:
        """Whether the clock was stepped since the last look; told at the second look after it."""
        apart = now.utc - now.monotonic
        moved = 0 if self._apart is None else apart - self._apart
        if abs(moved) <= self.limit:
            self._apart, self._doubted = apart, None
            return False
        if self._doubted is None or abs(apart - self._doubted) > self.limit:
            self._doubted = apart
            return False
        self._apart, self._doubted = apart, None
        self.count, self.last, self.at = self.count + 1, moved, now.monotonic
        return True


def folders_of(place: Place) -> list[Path]:
    """The archives' folders of a node's pipeline, and where its journals are."""
    return archives_of(place) + ([place.journal.parent] if place.journal else [])


def archives_of(place: Place) -> list[Path]:
    """The folders of the archives of a node's pipeline, on its host."""
    file = Path(place.pipeline)
    data, _, _ = _yaml.read(file)
    nodes = data.get("nodes") if isinstance(data, dict) else None
    entries = [entry for entry in nodes.values() if isinstance(entry, dict)] if isinstance(nodes, dict) else []
    here = place.network.here if place.network else ""
    paths = [entry.get("path") for entry in entries
             if entry.get("kind") == "archiver" and here in ("", entry.get("host"))]  # fmt: skip
    return [Path(os.path.normpath(file.parent / Path(path).expanduser())) for path in paths if isinstance(path, str)]
