"""Checksums of finished files and events: `checksums.jsonl` in the archive's folder, append-only.

    crc32 {"file": "2026/05/06/syms_20260506T07Z.h5", "sha256": …, "size": …}   before the file gets its name
    crc32 {"file": …, "made": true}                                             it has it
    crc32 {"file": …, "backup": UTC ns, "to": …}                                it was copied to a backup, and read back
    crc32 {"file": …, "removed": UTC ns, "why": "older than 400 d", "left": …}  before retention deletes it

Whoever finishes a file writes the lines: archiver, finishing child, retention; each line with one write to its end.
Killed between the first line and the second, the file may be there or not, or still be the one before: all are right.
A line that a kill has torn is marked as such by the next one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from archive import layout
from archive.disk import Disk
from archive.settling import forget

NAME = "checksums.jsonl"
TORN = b"#torn"
CHUNK = 1 << 20
"""Bytes read at a time."""


@dataclass(frozen=True)
class Checksum:
    """What is known of one file."""

    file: str
    """Path below the archive."""
    size: int = 0
    sha256: str = ""
    made: bool = False
    """Whether it surely got its name with this content."""
    before: tuple[str, ...] = ()
    """SHA-256 that it may still have, if that is not sure."""
    backup: int = 0
    """When this content was last copied to a backup, UTC ns; 0 = never."""
    removed: int = 0
    """When retention deleted it, UTC ns; 0 = it did not."""
    why: str = ""
    left: str = ""
    """Path of the overview that was left of it."""

    def allows(self, sha256: str) -> bool:
        """Whether a file with this SHA-256 is undamaged."""
        return sha256 == self.sha256 or (not self.made and sha256 in self.before)

    def after(self, said: dict[str, Any]) -> Checksum:
        """What is known with one line more."""
        if "sha256" in said:
            before = self.before if not self.made else ()
            known = (*before, self.sha256) if self.sha256 else before
            return Checksum(self.file, int(said["size"]), str(said["sha256"]), before=known)
        if "removed" in said:
            return replace(self, removed=int(said["removed"]), why=str(said.get("why", "")),
                           left=str(said.get("left", "")))  # fmt: skip
        if "backup" in said:
            return replace(self, backup=int(said["backup"]))
        return replace(self, made=True) if said.get("made") else self


Checksums = dict[str, Checksum]
"""By path below the archive."""


def lines(path: Path) -> Iterator[dict[str, Any] | None]:
    """What the lines of such a file say, in order; None for one that is damaged. A torn last line is left out."""
    content = path.read_bytes() if path.exists() else b""
    *whole, _ = content.split(b"\n")
    for line in whole:
        if line.endswith(TORN):
            continue
        crc, _, text = line.partition(b" ")
        yield json.loads(text) if crc == b"%08x" % zlib.crc32(text) else None


def read(root: Path) -> Checksums:
    """All that is known of the files of an archive. Damaged lines say nothing."""
    found: Checksums = {}
    for said in lines(root / NAME):
        if said is not None and isinstance(name := said.get("file"), str):
            found[name] = found.get(name, Checksum(name)).after(said)
    return found


def append(path: Path, said: list[dict[str, Any]], disk: Disk, sync: bool = True) -> None:
    """Lines to the end of such a file, also while others do so. Raises OSError."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        end = os.lseek(fd, 0, os.SEEK_END)
        torn = TORN + b"\n" if end and os.pread(fd, 1, end - 1) != b"\n" else b""
        texts = [json.dumps(each, ensure_ascii=False, sort_keys=True).encode() for each in said]
        disk.pwrite(fd, torn + b"".join(b"%08x %s\n" % (zlib.crc32(text), text) for text in texts), end)
        if sync:
            disk.sync(fd)
    finally:
        os.close(fd)


def digest(path: Path, told: Callable[[int], None] = lambda _: None) -> str:
    """SHA-256 of a file as hexadecimal digits; `told` of the bytes read, as they are read. Raises OSError.

    Who reads all of an archive so leaves the page cache to others.
    """
    found, done = hashlib.sha256(), 0
    with path.open("rb", buffering=0) as file:
        while data := file.read(CHUNK):
            found.update(data)
            done += len(data)
            forget(file.fileno(), done)
            told(len(data))
    return found.hexdigest()


@contextmanager
def deciding(root: Path) -> Iterator[None]:
    """What is decided about files here stays true until it is done: who deletes them, who says which may not be
    deleted, and who merges late rows into them, wait for one another. Raises OSError."""
    fd = os.open(root / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def finish(
    root: Path, temporary: Path, path: Path, disk: Disk, alone: AbstractContextManager[None] | None = None
) -> None:
    """Give a written file of an archive its name, with its checksum put down; it gets it in `alone`. Raises OSError."""
    name = path.relative_to(root).as_posix()
    said = {"file": name, "sha256": digest(temporary), "size": temporary.stat().st_size}
    append(root / NAME, [said], disk)
    with alone or nullcontext():
        disk.replace(temporary, path)
    append(root / NAME, [{"file": name, "made": True}], disk, sync=False)


def files(root: Path) -> dict[str, Path]:
    """Finished files, overviews, then files of events, that there are now: path below the archive -> path."""
    hours = *layout.finished_hours(root).values(), *layout.overview_hours(root).values()
    found = [*hours, *sorted((root / "events").glob("*.h5"))]
    return {path.relative_to(root).as_posix(): path for path in found}


def span_of(name: str) -> tuple[int, int]:
    """[from, to) ns of what a file with this path is about; of an event that its name does not tell, all times."""
    stem = Path(name).stem
    if (hour := layout.hour_from(stem.removeprefix(layout.FINISHED).removeprefix(layout.OVERVIEW))) is not None:
        return hour, hour + layout.SPAN
    onset = layout.instant_from(Path(name).name)
    return (0, layout.LAST_DAY) if onset is None else (onset, onset + 1)


def touches(name: str, start: int, end: int) -> bool:
    """Whether a file has something of [start, end) ns."""
    first, stop = span_of(name)
    return first < end and start < stop


def removed(root: Path, start: int, end: int) -> list[Checksum]:
    """Files with something of [start, end) ns that retention has deleted, in the order of their names."""
    found = (each for name, each in sorted(read(root).items()) if each.removed and touches(name, start, end))
    gone = (each for each in found if not (root / each.file).exists())
    return [each if each.left and (root / each.left).exists() else replace(each, left="") for each in gone]


def told(found: list[Checksum]) -> str:
    """In words that retention has deleted these; "" if there are none."""
    if not found:
        return ""
    last = max(found, key=lambda each: each.removed)
    files = f"{len(found)} files" if len(found) > 1 else "1 file"
    left = sum(bool(each.left) for each in found)
    hours = f"; of {left} {'hours' if left > 1 else 'hour'} an overview by seconds is left" if left else ""
    at = f"{layout.moment(last.removed):%Y-%m-%d}"
    return f"{files} of that time removed by retention, last on {at}: {last.why}{hours}"
