"""What snapshots there are, what each holds, whether it still does, and which may go."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from archive import checksums
from archive.backup.copying import TEMPORARY, put
from archive.disk import sync_folder
from archive.folder import ArchiveError
from archive.layout import moment
from archive.verifying import Finding, Told, Verified, Wrong

FORMAT = 1
MARK, MANIFEST, FOLDER, PARTIAL, LATEST = "backup.json", "manifest.json", "snapshots", "partial", "latest"
GONE = "gone-"
OURS = ("lock", "lost+found", f"{MARK}{TEMPORARY}")
"""What may be in a folder that is to be one of backups."""
NAME = "%Y%m%dT%H%M%SZ"
BACK = 5.0
"""Seconds that the newest snapshot may be ahead of the clock."""


class Role(StrEnum):
    """What a file is to the station."""

    ARCHIVE = "archive"
    EVENTS = "events"
    JOURNAL = "journal"
    CONFIG = "config"
    KEYS = "keys"


@dataclass(frozen=True)
class Kept:
    """A file of a snapshot."""

    role: Role
    size: int
    sha256: str


@dataclass
class Manifest:
    """What a snapshot holds. Paths are below the snapshot, with slashes."""

    utc: int
    """ns, when it was begun."""
    base: str
    """Folder of the station that the snapshot's is a copy of."""
    pipeline: str
    places: dict[str, str] = field(default_factory=dict)
    """Folder or file of the station, as an absolute path -> path below the snapshot."""
    commits: dict[str, int] = field(default_factory=dict)
    """Archive -> number of the commit at which it was taken."""
    inexact: list[str] = field(default_factory=list)
    """Archives that could not be taken at one commit: rows that come again will be counted as duplicates."""
    files: dict[str, Kept] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Into a snapshot, when all else is there. Raises OSError."""
        text = json.dumps({"what": "SYMS snapshot", "format": FORMAT, **asdict(self)}, ensure_ascii=False, indent=1)
        put(text.encode(), folder / MANIFEST)
        sync_folder(folder)


def read(folder: Path) -> Manifest:
    """The manifest of a snapshot. Raises ArchiveError."""
    path = folder / MANIFEST
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if said["format"] > FORMAT:
            raise ArchiveError(f"{path}: format {said['format']}, this release knows up to {FORMAT}; use a newer one")
        files = {name: Kept(Role(each["role"]), int(each["size"]), str(each["sha256"]))
                 for name, each in said["files"].items()}  # fmt: skip
        return Manifest(int(said["utc"]), said["base"], said["pipeline"], said["places"], said["commits"],
                        said["inexact"], files)  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        raise ArchiveError(f"{path}: no manifest of a snapshot ({fault}); use another snapshot") from fault


def is_backup(target: Path) -> bool:
    """Whether a folder is one of backups."""
    return (target / MARK).exists()


def prepare(target: Path) -> None:
    """Make a folder one of backups. Raises ArchiveError if it is something else."""
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        if is_backup(target):
            check(target)
            return
        if any(each.name not in OURS for each in target.iterdir()):
            raise ArchiveError(f"{target}: neither empty nor a folder of backups; name another one")
        put(json.dumps({"what": "SYMS backup", "format": FORMAT}).encode() + b"\n", target / MARK)
    except OSError as fault:
        raise ArchiveError(f"{target}: {fault.strerror}; a backup needs a folder it can write to") from fault


def check(target: Path) -> None:
    """Raises ArchiveError if a folder is none of backups, or one of a newer release."""
    try:
        found = json.loads((target / MARK).read_text())["format"]
    except FileNotFoundError as fault:
        raise ArchiveError(f"{target}: no folder of backups ({MARK} is missing); name the one that has it") from fault
    except (ValueError, KeyError, TypeError) as fault:
        raise ArchiveError(f'{target}/{MARK}: damaged ({fault}); write {{"format": {FORMAT}}} to it') from fault
    if found > FORMAT:
        raise ArchiveError(f"{target}: backup format {found}, this release knows up to {FORMAT}; use a newer one")


def named(utc: int) -> str:
    """What a snapshot begun at an instant [ns UTC] is called."""
    return f"{moment(utc):{NAME}}"


def fresh(utc: int, newest: str, target: object) -> str:
    """What a snapshot begun now [ns UTC] is called, where the newest one is called so: two of one second follow one
    another. Raises ArchiveError if the clock was set back.
    """
    name, last = named(utc), when(newest)
    if last is None or newest < name:
        return name
    if (last - moment(utc)).total_seconds() > BACK:
        raise ArchiveError(f"{target}: the newest snapshot, {newest}, is of later than now; set the clock")
    return f"{last + timedelta(seconds=1):{NAME}}"


def when(name: str) -> datetime | None:
    """When a snapshot of this name was begun; None if it is no name of one."""
    try:
        return datetime.strptime(name, NAME).replace(tzinfo=UTC)
    except ValueError:
        return None


def every(target: Path) -> list[Path]:
    """All snapshots that are whole, oldest first."""
    found = (path for path in (target / FOLDER).glob("*") if when(path.name) and (path / MANIFEST).exists())
    return sorted(found, key=lambda path: path.name)


def chosen(target: Path, at: str = "") -> Path:
    """The newest snapshot, or the one whose name begins so. Raises ArchiveError."""
    check(target)
    there = every(target)
    found = [path for path in there if path.name.startswith(at)] if at else there[-1:]
    if not there:
        raise ArchiveError(f"{target}: there is no snapshot yet; syms backup makes one")
    if len(found) != 1:
        which = f"{len(found)} snapshots begin with {at!r}" if found else f"no snapshot begins with {at!r}"
        raise ArchiveError(f"{target}: {which}; there are {', '.join(path.name for path in there[-10:])}")
    return found[0]


def verify(target: Path, at: str = "", fast: bool = False, told: Told = lambda done, all_: None) -> Verified:
    """Look at every file of a snapshot; `fast`: at sizes alone. Raises ArchiveError."""
    folder = chosen(target, at)
    manifest = read(folder)
    total, found = sum(each.size for each in manifest.files.values()), Verified()
    remedy = "take another snapshot (--at), or what the station still has: the next syms backup copies it anew"
    for name, each in manifest.files.items():
        path = folder / name
        found.files, found.bytes = found.files + 1, found.bytes + each.size
        if not path.exists():
            found.findings.append(Finding(name, Wrong.MISSING, "the snapshot had it", remedy))
        elif (size := path.stat().st_size) != each.size:
            found.findings.append(Finding(name, Wrong.DAMAGED, f"it has {size} bytes, and had {each.size}", remedy))
        elif not fast and checksums.digest(path) != each.sha256:
            found.findings.append(Finding(name, Wrong.DAMAGED, "its SHA-256 is another one", remedy))
        told(found.bytes, total)
    return found


def to_prune(names: Sequence[str], keep: int, monthly: int) -> list[str]:
    """Of snapshots' names those that may go: all but the newest `keep`, and the first one of each of the newest
    `monthly` months."""
    ordered = sorted(name for name in names if when(name))
    first: dict[str, str] = {}
    for name in ordered:
        first.setdefault(name[:6], name)
    months = [first[month] for month in sorted(first)]
    stay = {*ordered[-max(keep, 1) :], *(months[-monthly:] if monthly else ())}
    return [name for name in ordered if name not in stay]


def prune(target: Path, keep: int, monthly: int) -> list[str]:
    """Delete those, and what an earlier run that was killed had begun to. Raises OSError."""
    gone = to_prune([path.name for path in every(target)], keep, monthly)
    for name in gone:
        os.rename(target / FOLDER / name, target / FOLDER / f"{GONE}{name}")
    for left in (target / FOLDER).glob(f"{GONE}*"):
        shutil.rmtree(left)
    return gone


def point(target: Path, name: str) -> None:
    """`latest` is this snapshot."""
    fresh = target / f"{LATEST}.new"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(Path(FOLDER, name))
    os.replace(fresh, target / LATEST)
    sync_folder(target)
