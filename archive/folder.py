"""The folder of an archive: its format, its locks, its site file."""

from __future__ import annotations

import fcntl
import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from archive import layout
from archive.disk import Disk, make_folder
from protocol import clock


class ArchiveError(Exception):
    """An archive can't be used as asked; says why and what to do."""


class NoArchive(ArchiveError):
    """The folder that was named has none."""


class Lock:
    """Held by one process at a time; freed by the kernel when it ends."""

    def __init__(self, path: Path, what: str) -> None:
        """Raises ArchiveError if another process (or another opening) holds it."""
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            holder = os.pread(self._fd, 64, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._fd)
            raise ArchiveError(
                f"{path.parent}: process {holder} {what} this archive; stop it first, or use another path"
            ) from fault
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        os.close(self._fd)


def writer_lock(root: Path) -> Lock:
    """For who adds rows, or changes what is there while nobody adds rows."""
    return Lock(root / "writer.lock", "writes")


def finish_lock(root: Path) -> Lock:
    """For who merges sealed parts."""
    return Lock(root / "finish.lock", "finishes files of")


def prepare(root: Path, disk: Disk) -> None:
    """Make the folder, or check that we can read the archive there, and bring it to our format. Raises ArchiveError."""
    try:
        make_folder(root)
        mark = root / "archive.json"
        if mark.exists() and check(root) == layout.FORMAT:
            return
        temporary = root / "archive.tmp"
        temporary.write_text(json.dumps({"what": "SYMS archive", "format": layout.FORMAT}) + "\n")
        disk.replace(temporary, mark)
    except OSError as fault:
        raise ArchiveError(f"{root}: {fault.strerror}; the archive needs a folder it can write to") from fault


def check(root: Path) -> int:
    """The folder's format. Raises ArchiveError unless it is an archive of a format that we know."""
    found = written(root)
    if found > layout.FORMAT:
        raise ArchiveError(f"{root}: archive format {found}, this release knows up to {layout.FORMAT}; use a newer one")
    return found


def written(root: Path) -> int:
    """The format that a folder says it has, which may be a newer one. Raises ArchiveError."""
    try:
        return int(json.loads((root / "archive.json").read_text())["format"])
    except FileNotFoundError as fault:
        raise NoArchive(f"{root}: no SYMS archive (archive.json is missing); name the folder that has one") from fault
    except (ValueError, KeyError, TypeError) as fault:
        remedy = f'write {{"format": {layout.FORMAT}}} to it'
        raise ArchiveError(f"{root}/archive.json: damaged ({fault}); {remedy}") from fault


def check_file(path: Path, attributes: Any) -> None:
    """Raises ArchiveError for a part, finished file or event of a format that we don't know; `attributes` has it."""
    found = int(attributes.get("format", 1))
    if found > layout.FORMAT:
        raise ArchiveError(
            f"{path}: format {found}, this release knows up to {layout.FORMAT}; use a newer one, or move it away"
        )


def remove_empty(path: Path) -> None:
    """Remove a folder if nothing is in it. Only for who holds the writer's lock: a writer may be about to use it."""
    with suppress(FileNotFoundError):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def slack(root: Path) -> int:
    """How far [ns] a row's own time may be from the hour it stands in: half the longest period of its tables."""
    path = root / "configurations.jsonl"
    told = path.read_bytes() if path.exists() else b""
    rates = [int(rate) for rate in re.findall(rb'"table":\[(-?\d+),', told)]
    return max((clock.period(rate) for rate in rates if rate), default=clock.SECOND)


Strays = dict[int, tuple[int, int]]
"""Hour [ns] -> [from, to) ns of the own times of rows that were set aside there and are of other hours."""


def strays(root: Path) -> Strays:
    """Where to look for rows set aside whose own time is not that of the hour that they came in."""
    path = root / "strays.json"
    told = json.loads(path.read_text()) if path.exists() else {}
    return {int(hour): (low, high) for hour, (low, high) in told.items()}


def keep_strays(root: Path, found: Strays, disk: Disk) -> None:
    """Tell readers of such rows, before these are there."""
    temporary = root / "strays.tmp"
    temporary.write_text(json.dumps(found))
    disk.replace(temporary, root / "strays.json")


def site_text(root: Path) -> str:
    """The site file as last given, "" if none."""
    path = root / "site.yaml"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def keep_site(root: Path, text: str, disk: Disk) -> None:
    """Keep the site file with the archive, so that finished files can carry it."""
    if text and text != site_text(root):
        temporary = root / "site.tmp"
        temporary.write_text(text, encoding="utf-8")
        disk.replace(temporary, root / "site.yaml")
