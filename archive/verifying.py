"""Is an archive what was written? Every file against what is known of it; nothing is changed.

Finished files and events have checksums (`archive/checksums.py`). Parts in writing have none of their rows: they must
open, be as long as their datasets say, and their configurations have CRCs; so have the watermark and the lines of
the append-only files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np

from archive import checksums, folder, layout, watermark
from archive.checksums import Checksum, Checksums
from archive.configurations import from_json
from archive.disk import Disk
from archive.parts import Cells
from archive.sources import open_finished, open_part

Told = Callable[[int, int], None]
"""Called with (bytes looked at, bytes in all)."""


class Wrong(StrEnum):
    """What may be wrong with a file."""

    MISSING = "missing"
    DAMAGED = "damaged"
    EXTRA = "extra"
    """It has no checksum."""


@dataclass(frozen=True)
class Finding:
    """A file that is not as it should be."""

    file: str
    """Path below what was verified."""
    wrong: Wrong
    what: str
    remedy: str


@dataclass
class Verified:
    """What was found."""

    files: int = 0
    """Looked at."""
    bytes: int = 0
    removed: int = 0
    """Files that retention has deleted."""
    findings: list[Finding] = field(default_factory=list)


RESTORE = "restore it from a backup: syms restore BACKUP --to FOLDER, then copy this file back"
ADOPT = "if you know where it is from, syms verify --adopt takes it in; else move it away"


def verify(root: Path, start: int, end: int, fast: bool = False, told: Told = lambda done, all_: None) -> Verified:
    """Look at all files that have something of [start, end) ns. `fast`: their sizes and heads alone, not all bytes.

    Raises ArchiveError if it is no archive, OSError if the disk does not let us look.
    """
    folder.check(root)
    found = Verified()
    known = {name: each for name, each in checksums.read(root).items() if checksums.touches(name, start, end)}
    there = {name: path for name, path in checksums.files(root).items() if checksums.touches(name, start, end)}
    progress = _Progress(sum(_size(path) for path in there.values()), told)
    for name, each in sorted(known.items()):
        found.removed += bool(each.removed)
        if name not in there and not each.removed and (missing := _missing(root, each)):
            found.findings.append(missing)
    for name, path in there.items():
        problem = _file(root, path, known.get(name, Checksum(name)), fast, progress)
        found.files, found.bytes = found.files + 1, progress.done
        if problem is not None:
            found.findings.append(problem)
    for path, problems in _rest(root, start, end):
        found.files += 1
        name = path.relative_to(root).as_posix()
        found.findings += [Finding(name, Wrong.DAMAGED, what, RESTORE) for what in problems]
    return found


@dataclass
class _Progress:
    all: int
    told: Told
    done: int = 0

    def __call__(self, count: int) -> None:
        self.done += count
        self.told(self.done, self.all)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # retention, a better file of an event
        return 0


def _missing(root: Path, each: Checksum) -> Finding | None:
    """A file that ought to be there; None if it is after all, or never came to be."""
    now = checksums.read(root)[each.file]
    if (root / each.file).exists() or now.removed or (not now.made and not now.before):
        return None
    return Finding(each.file, Wrong.MISSING, "it was finished, and is not there", RESTORE)


def _file(root: Path, path: Path, each: Checksum, fast: bool, told: Callable[[int], None]) -> Finding | None:
    """What is wrong with a file of which this is known. One that was made anew meanwhile is looked at again."""
    try:
        what, before = _fault(path, each, fast, told), each
        each = checksums.read(root).get(each.file, each) if what else each
        if each != before:
            what = _fault(path, each, fast, told)
    except FileNotFoundError:
        return None  # it was there a moment ago: retention, and so it is said
    if not what:
        return None
    if not each.sha256:
        return Finding(each.file, Wrong.EXTRA, what, ADOPT)
    return Finding(each.file, Wrong.DAMAGED, what, RESTORE)


def _fault(path: Path, each: Checksum, fast: bool, told: Callable[[int], None]) -> str:
    """ "" if nothing is."""
    size = path.stat().st_size
    if not each.sha256:
        return "nobody knows its checksum"
    if size != each.size and not each.before:
        return f"it has {size} bytes, and had {each.size}"
    if fast:
        try:
            open_finished(path).close()
        except (OSError, folder.ArchiveError) as fault:
            return f"it does not open: {fault}"
        return ""
    return "" if each.allows(checksums.digest(path, told)) else "its SHA-256 is another one"


def _rest(root: Path, start: int, end: int) -> Iterator[tuple[Path, list[str]]]:
    """(path, what is wrong) of each part in writing, and of what says how the archive stands."""
    for hour, live in layout.live_hours(root).items():
        if hour < end and start < hour + layout.SPAN:
            for path in sorted(live.glob("*.h5")):
                yield path, _part(path)
    for name in ("configurations.jsonl", checksums.NAME):
        if (path := root / name).exists():
            yield path, list(_lines(path))
    for name, look in (("strays.json", _strays), ("watermark", _watermark)):
        if (path := root / name).exists():
            yield path, look(path)


def _part(path: Path) -> list[str]:
    """One that was merged or sealed meanwhile is right."""
    try:
        with closing(Cells(path, Disk()) if layout.ledger_of(path) else open_part(path)) as part:
            size = os.fstat(part.fd).st_size
            need = max(each.offset + each.dtype.itemsize * int(np.prod(each.shape)) for each in part.extents.values())
            return [f"it has {size} bytes, its datasets take {need}"] if size < need else []
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, folder.ArchiveError) as fault:
        return [str(fault)]


def _lines(path: Path) -> Iterator[str]:
    for number, said in enumerate(checksums.lines(path), 1):
        if said is None:
            yield f"line {number} is damaged"
        elif "table" in said:
            try:
                from_json(json.dumps(said))
            except ValueError as fault:
                yield f"line {number}: {fault}"


def _strays(path: Path) -> list[str]:
    try:
        folder.strays(path.parent)
    except (ValueError, AttributeError, TypeError) as fault:
        return [f"it is not readable: {fault}"]
    return []


def _watermark(path: Path) -> list[str]:
    fd = os.open(path, os.O_RDONLY)
    try:
        watermark.newest(fd, path)
    except watermark.WatermarkError as fault:
        return [str(fault)]
    finally:
        os.close(fd)
    return []


def adopt(root: Path, disk: Disk | None = None) -> list[str]:
    """Put down the checksums of files that have none, as those of an older release; returns their paths below the
    archive. Raises ArchiveError for one that is no file of an archive.
    """
    folder.check(root)
    known: Checksums = checksums.read(root)
    fresh = [(name, path) for name, path in checksums.files(root).items() if not known.get(name, Checksum(name)).sha256]
    for name, path in fresh:
        try:
            open_finished(path).close()
        except OSError as fault:
            raise folder.ArchiveError(f"{path}: not readable as HDF5 ({fault}); move it away") from fault
        checksums.append(root / checksums.NAME, list(_adopted(name, path)), disk or Disk())
    return [name for name, _ in fresh]


def _adopted(name: str, path: Path) -> Iterable[dict[str, object]]:
    yield {"file": name, "sha256": checksums.digest(path), "size": path.stat().st_size}
    yield {"file": name, "made": True}
