"""The state of an archive at one commit, while its writer works on.

A commit makes presence bytes, then the watermark (`archive/watermark.py`). So the rows that were there at a commit are
those whose presence bytes stood there then; what is written beside them later does no harm. Taken together: the
watermark, the presence bytes of all parts, what the undo file takes back of a commit that has begun, and which files
there were. If the watermark is still the same afterwards, they fit; else they are taken again. Parts are held open:
they can then be copied at leisure, whoever renames or deletes them meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archive import checksums, layout, watermark
from archive.disk import Disk
from archive.folder import ArchiveError, check
from archive.parts import Cells
from archive.sources import merged_of, open_finished

TRIES = 40
SMALL = ("archive.json", "configurations.jsonl", "strays.json", "protected.jsonl", "site.yaml", checksums.NAME)
"""Files beside the parts; they only grow, or are replaced as a whole. checksums.jsonl as it was at the commit."""


class Moved(Exception):
    """The archive changed while it was looked at."""


@dataclass
class LivePart:
    """A part, held open, and the presence bytes of its rows."""

    name: str
    """Path below the archive."""
    cells: Cells
    present: NDArray[np.uint8]
    """As bits: one row takes a byte in the file."""

    @property
    def presence(self) -> tuple[int, bytes]:
        """(offset in the file, bytes)"""
        extent = self.cells.extents["present"]
        return extent.offset, np.unpackbits(self.present, count=int(np.prod(extent.shape))).tobytes()


@dataclass
class Capture:
    """See the module. To be closed."""

    root: Path
    sequence: int = 0
    """Of the commit; 0 = there was none yet."""
    state: bytes = b""
    parts: list[LivePart] = field(default_factory=list)
    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Finished file or event -> (size, mtime ns)."""
    small: dict[str, bytes] = field(default_factory=dict)
    exact: bool = True
    """False: the writer never paused; rows of later commits are in it, and count as duplicates if they come again."""

    def close(self) -> None:
        for part in self.parts:
            part.cells.close()


def capture(root: Path, pause: Callable[[], None], tries: int = TRIES) -> Capture:
    """Take an archive as it stands at one commit; `pause` waits some ms. Raises ArchiveError, OSError."""
    check(root)
    for left in reversed(range(tries)):
        found = Capture(root)
        try:
            _take(found, may_move=not left)
            return found
        except (Moved, FileNotFoundError) as moved:
            found.close()
            if not left:
                raise ArchiveError(f"{root}: its files change too fast to be taken; try again") from moved
        except BaseException:
            found.close()
            raise
        pause()
    raise AssertionError


def _take(found: Capture, may_move: bool) -> None:
    root = found.root
    opened = {inode: Cells(path, Disk()) for path, inode in _parts(root)}
    found.parts = [LivePart(cells.path.relative_to(root).as_posix(), cells, np.zeros(0, np.uint8))
                   for cells in opened.values()]  # fmt: skip
    found.sequence, found.state = _mark(root)
    if not {inode for _, inode in _parts(root)} <= opened.keys():
        raise Moved  # one that this commit has rows in may be among them
    for part in found.parts:
        part.present = np.packbits(_presence(part.cells))
    _undo(found)
    found.small = {name: (root / name).read_bytes() for name in SMALL if (root / name).exists()}
    found.files = {name: _stamp(path) for name, path in checksums.files(root).items()}
    _leave_merged(found)
    log = root / checksums.NAME
    same = not log.exists() or log.stat().st_size == len(found.small.get(checksums.NAME, b""))
    found.exact = _mark(root)[0] == found.sequence
    if not same or not (found.exact or may_move):
        raise Moved


def _parts(root: Path) -> list[tuple[Path, int]]:
    return [(path, path.stat().st_ino) for path in sorted((root / "live").glob("*/*.h5"))]


def _mark(root: Path) -> tuple[int, bytes]:
    path = root / "watermark"
    if not path.exists():
        return 0, b""
    fd = os.open(path, os.O_RDONLY)
    try:
        return watermark.newest(fd, path) or (0, b"")
    finally:
        os.close(fd)


def _presence(cells: Cells) -> NDArray[np.uint8]:
    extent = cells.extents["present"]
    size = int(np.prod(extent.shape))
    data = bytearray(size)
    for start, stop in written(cells.fd, extent.offset, extent.offset + size):
        data[start - extent.offset : stop - extent.offset] = os.pread(cells.fd, stop - start, start)
    return np.frombuffer(data, np.uint8)


def written(fd: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """[a, b) of what a file has between two offsets; the rest are holes, which read as zeros."""
    end = min(end, os.fstat(fd).st_size)
    while start < end:
        try:
            start = os.lseek(fd, start, os.SEEK_DATA)
        except OSError:  # nothing but a hole to the end
            return
        if start >= end:
            return
        stop = min(os.lseek(fd, start, os.SEEK_HOLE), end)
        yield start, stop
        start = stop


def _undo(found: Capture) -> None:
    """Take back of the presence bytes what a commit that has begun made of them."""
    path = found.root / "undo"
    if not path.exists():
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        changes = watermark.undone(fd, found.sequence, path)
    finally:
        os.close(fd)
    for part in found.parts:  # one that is not among them was made for that commit
        mine = [(offset, old) for name, offset, old in changes if name == part.name]
        if mine:
            first, data = part.presence
            before = bytearray(data)
            for offset, old in mine:
                before[offset - first : offset - first + len(old)] = old
            part.present = np.packbits(np.frombuffer(before, np.uint8))


def _stamp(path: Path) -> tuple[int, int]:
    info = path.stat()
    return info.st_size, info.st_mtime_ns


def _leave_merged(found: Capture) -> None:
    """Parts that were merged since we opened them are in a finished file."""
    kept: list[LivePart] = []
    for part in found.parts:
        hour = layout.hour_from(Path(part.name).parent.name)
        finished = None if hour is None else layout.finished_path(found.root, hour)
        if finished is not None and finished.exists() and _serial(part.name) in _merged_of(finished):
            part.cells.close()
        else:
            kept.append(part)
    found.parts = kept


def _merged_of(path: Path) -> set[str]:
    with closing(open_finished(path)) as file:
        return merged_of(file)


def _serial(name: str) -> str:
    return name.split(".")[-3]
