"""What is kept on disk: completeness of the archive, sizes, room that is left. Looked at in threads, and remembered."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from archive import layout
from archive.completeness import Completeness, completeness
from archive.folder import ArchiveError
from protocol.clock import SECOND, Clock

T = TypeVar("T")

HOLDS = 60.0
"""Seconds for which what was found counts."""
HOURS, DAYS = 24, 14
"""That are shown."""
GROWTH = 24
"""Finished hours that the growth is taken from."""


class Remembered(Generic[T]):
    """What takes long, done by one thread at a time; the others wait and get what it found."""

    def __init__(self, find: Callable[[], T], clock: Clock, holds: float = HOLDS) -> None:
        self._find, self._holds, self._clock = find, int(holds * SECOND), clock
        self._lock = threading.Lock()
        self._found: tuple[int, T] | None = None

    def now(self) -> T:
        """Raises what finding raises."""
        with self._lock:
            if self._found is None or self._clock().monotonic - self._found[0] > self._holds:
                self._found = None
                found = self._find()
                self._found = self._clock().monotonic, found
            return self._found[1]


@dataclass(frozen=True)
class Disk:
    """A folder, and the disk that it lies on."""

    what: str
    """archive, journal"""
    folder: Path
    used: int
    """Bytes of its files"""
    files: int
    free: int
    size: int


@dataclass(frozen=True)
class Room:
    """See the module."""

    disks: tuple[Disk, ...]
    growth: float
    """Bytes of the archive in a day; NaN where no hour is finished yet."""

    @property
    def days(self) -> float:
        """Until the disk of the archive is full; NaN if that is not known."""
        free = next((each.free for each in self.disks if each.what == "archive"), math.nan)
        return free / self.growth if self.growth > 0 else math.nan


def of_hours(archive: Path, now: int) -> Completeness:
    """The hours up to now [ns]. Raises ArchiveError."""
    return completeness(archive, now // layout.SPAN * layout.SPAN - (HOURS - 1) * layout.SPAN, None, now)


def of_days(archive: Path, now: int) -> Completeness:
    """The days (UTC) up to now [ns]. Raises ArchiveError."""
    day = 24 * layout.SPAN
    return completeness(archive, now // day * day - (DAYS - 1) * day, None, now).by_day()


def room(archive: Path | None, journal: Path | None) -> Room:
    """Sizes and room. Folders that are not there are left out."""
    named = (("archive", archive), ("journal", journal))
    disks = tuple(_disk(what, folder) for what, folder in named if folder is not None and folder.is_dir())
    return Room(disks, _growth(archive) if archive is not None and archive.is_dir() else math.nan)


def _disk(what: str, folder: Path) -> Disk:
    used = files = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                used += os.lstat(os.path.join(where, name)).st_blocks * 512
                files += 1
            except FileNotFoundError:
                continue  # it was finished, or deleted, meanwhile
    stat = os.statvfs(folder)
    return Disk(what, folder, used, files, stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize)


def _growth(archive: Path) -> float:
    """Bytes a day, by the last finished hours."""
    hours = layout.finished_hours(archive)
    last = sorted(hours)[-GROWTH:]
    sizes = []
    for hour in last:
        try:
            sizes.append(os.lstat(hours[hour]).st_blocks * 512)
        except FileNotFoundError:
            continue
    return sum(sizes) / len(sizes) * 24 if sizes else math.nan


class Stored:
    """What pages ask, in threads of theirs."""

    def __init__(self, archive: Path | None, journal: Path | None, clock: Clock) -> None:
        self.room = Remembered(lambda: room(archive, journal), clock)
        self.hours = Remembered(lambda: of_hours(_there(archive), clock().utc), clock)
        self.days = Remembered(lambda: of_days(_there(archive), clock().utc), clock, 5 * HOLDS)


def _there(archive: Path | None) -> Path:
    if archive is None:
        raise ArchiveError("this pipeline has no archive")
    return archive
