"""Opening a journal's folder: its lock, the heads of its files, and what of them can be used."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from archive import segments
from archive.disk import Disk, make_folder
from archive.segments import SUFFIX, TEMPORARY, Before, Newer, Segment

DAMAGED = ".damaged"
NAME = re.compile(r"\d{8}\.(journal|damaged)")
KEEP_DAMAGED = 3
"""Damaged files that are kept to be looked at; of more, the oldest go."""


class JournalError(Exception):
    """A journal can't be used; says why and what to do."""


@dataclass
class Found:
    """What a folder holds."""

    segments: tuple[Segment, ...] = ()
    """Oldest first. Of all but the last one only the head was read."""
    next_index: int = 0
    """Of the next file."""
    cut: str = ""
    """What was damaged, and what was done about it."""

    def tell(self, what: str) -> None:
        self.cut += f"; {what}" if self.cut else what


def lock(folder: Path) -> int:
    """Make a folder and take its lock, held until the descriptor that this returns is closed, at the latest when the
    process ends. Raises JournalError."""
    path = folder / "lock"
    try:
        make_folder(folder)
        fd = _lock_file(path)
    except OSError as fault:
        raise JournalError(f"{folder}: {fault.strerror}; the journal needs a folder it can write to") from fault
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        holder = os.pread(fd, 64, 0).decode(errors="replace").strip() or "unknown"
        os.close(fd)
        raise JournalError(
            f"{folder}: process {holder} uses this journal; stop it first, or name another folder"
        ) from fault
    with suppress(OSError):  # a full disk: the lock holds all the same
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd


def _lock_file(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError:
        return os.open(path, os.O_RDONLY)  # a disk that is read-only for now


def load(folder: Path, disk: Disk) -> Found:
    """What there is to go on from. Cuts what is torn, puts aside what is damaged. Raises JournalError."""
    found = Found()
    try:
        paths = sorted(path for path in folder.iterdir() if NAME.fullmatch(path.name))
        found.next_index = int(paths[-1].stem) + 1 if paths else 0
        for path in folder.glob(f"*{TEMPORARY}"):
            with suppress(OSError):  # one that can't be deleted does no harm
                path.unlink()
        _heads(found, [path for path in paths if path.suffix == SUFFIX])
        while found.segments and not _last_is_usable(found, disk):
            found.segments = found.segments[:-1]
    except Newer as fault:
        raise JournalError(f"{fault}; use a newer release, or another folder as journal") from fault
    except OSError as fault:
        raise JournalError(
            f"{fault.filename or folder}: {fault.strerror}; the journal needs a folder it can read and write"
        ) from fault
    return found


@dataclass(frozen=True)
class Newest:
    """The newest state in a folder."""

    format: int
    """Of its file; above ours, nothing else is known of it."""
    notes: tuple[bytes, ...] = ()


def newest(folder: Path) -> Newest | None:
    """The newest whole state there, None if there is none. Nothing is locked or changed: the journal may be in use."""
    for path in sorted(folder.glob(f"*{SUFFIX}"), reverse=True):
        try:
            told = segments.read_head(path)
        except Newer as newer:
            return Newest(newer.format)
        except FileNotFoundError:  # the process has just trimmed it
            continue
        if told is not None and told[0].stateful:
            with segments.opened(path) as fd:
                _, group, _ = next(segments.groups(fd, told[0], segments.START), (None, None, 0))
            if group is not None:
                return Newest(segments.FORMAT, tuple(bytes(note) for note in group.notes))
    return None


def _heads(found: Found, paths: Sequence[Path]) -> None:
    """All files with a good head; what each one holds is told by the head of the file after it."""
    kept: list[Segment] = []
    for path in paths:
        told = segments.read_head(path)
        if told is None:
            _set_aside(found, path)
            continue
        segment, before = told
        if kept:
            _measure(kept[-1], segment, before)
        kept.append(segment)
    for segment in kept[:-2]:  # of those at the end the last life may not have synced all
        segment.synced = segment.end
    found.segments = tuple(kept)


def _measure(segment: Segment, after: Segment, told: Before) -> None:
    """Size and words of a file that is not the last one."""
    if after.index == segment.index + 1:
        segment.next, segment.words, segment.end = told.next, told.words, told.end
        return
    with segments.opened(segment.path) as fd:
        segments.scan(fd, segment, check=False)
    segment.starts = []


def _last_is_usable(found: Found, disk: Disk) -> bool:
    """Cut what is torn at the end of the last file; False if nothing of it can be used."""
    last = found.segments[-1]
    with segments.opened(last.path) as fd:
        segments.scan(fd, last, check=True)
        torn = os.fstat(fd).st_size - last.end
    if last.stateful and last.body == segments.START:
        _set_aside(found, last.path)
        return False
    if torn:
        found.tell(f"{last.path.name}: {torn} bytes after its last whole group were cut off")
        with suppress(OSError):  # a disk that is read-only for now: they count as little there
            _truncate(last, disk)
    return True


def _truncate(segment: Segment, disk: Disk) -> None:
    fd = os.open(segment.path, os.O_RDWR)
    try:
        disk.truncate(fd, segment.end)
    finally:
        os.close(fd)


def _set_aside(found: Found, path: Path) -> None:
    """A file that says nothing is out of the way: an empty one (a power cut) goes, any other is kept."""
    if path.stat().st_size:
        found.tell(f"{path.name}: its head is damaged, it was put aside as {path.stem}{DAMAGED}")
        os.rename(path, path.with_suffix(DAMAGED))
        for older in sorted(path.parent.glob(f"*{DAMAGED}"))[:-KEEP_DAMAGED]:
            with suppress(OSError):  # at the next opening, then
                older.unlink()
    else:
        found.tell(f"{path.name}: empty, it was deleted")
        os.unlink(path)
