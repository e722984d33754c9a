"""What the tests of journals are made of: groups, disks that die or refuse, and what a journal says it holds."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from archive.disk import Disk
from archive.journal import Head, Journal, Note, Word
from tests.archives import Killed

Group = tuple[int, list[list[bytes]], list[bytes]]
"""(first, words, notes)"""


def group(first: int, words: int = 2, notes: int = 1, size: int = 20) -> Group:
    """Content depends on the numbers alone; among the parts are empty ones and ones larger than a small buffer."""
    parts = [[b"TAG%d" % n, bytes([n % 251]) * (size + n % 7), b""] for n in range(first, first + words)]
    return first, parts, [b"note %d.%d" % (first, k) for k in range(notes)]


def held(journal: Journal) -> tuple[list[tuple[int, int, list[bytes]]], list[bytes]]:
    """(epoch, number, parts) of all words that can be fetched, and the notes that a restart replays."""
    words = [
        (epoch, number, parts)
        for epoch, first, last in journal.epochs
        for number, parts in journal.fetch(epoch, first, last)
    ]
    return words, [record.data for record in journal.records() if isinstance(record, Note)]


def told(groups: Sequence[Group], epoch: int) -> list[tuple[int, int, list[bytes]]]:
    """The words of some groups, as `held` says them."""
    return [(epoch, first + at, parts) for first, words, _ in groups for at, parts in enumerate(words)]


def replayed(journal: Journal, since: int = 0) -> list[Any]:
    """Records in a form that can be compared."""
    out: list[Any] = []
    for record in journal.records(since):
        match record:
            case Head():
                out.append(("head", record.epoch, record.first, record.utc, record.notes))
            case Word():
                out.append((record.epoch, record.number, [bytes(part) for part in record.parts]))
            case Note():
                out.append(record.data)
    return out


class Fatal(Disk):
    """Dies at the n-th change of a file, after having written all, half or nothing of it."""

    def __init__(self, at: int, share: float = 0.5) -> None:
        self.at, self.share, self.calls = at, share, 0

    def _step(self) -> bool:
        self.calls += 1
        return self.calls == self.at

    def pwritev(self, fd: int, pieces: Sequence[Any], offset: int) -> None:
        if self._step():
            data = b"".join(bytes(piece) for piece in pieces)
            os.pwrite(fd, data[: int(len(data) * self.share)], offset)
            raise Killed
        super().pwritev(fd, pieces, offset)

    def rename(self, temporary: Path, path: Path) -> None:
        if self._step():
            raise Killed
        super().rename(temporary, path)
        if self._step():
            raise Killed

    def remove(self, path: Path) -> None:
        if self._step():
            raise Killed
        super().remove(path)
        if self._step():
            raise Killed

    def truncate(self, fd: int, size: int) -> None:
        if self._step():
            raise Killed
        super().truncate(fd, size)

    def sync(self, fd: int) -> None:
        if self._step():
            raise Killed


class Troubled(Disk):
    """A disk whose state a test sets: an errno that every write (or sync) fails with, or a gate that writes wait at."""

    def __init__(self) -> None:
        self.fault = self.sync_fault = 0
        self.half = False
        """Whether a failing write leaves half of its bytes."""
        self.gate = threading.Event()
        self.gate.set()
        self.writes = self.failed = self.syncs = 0
        self.synced = threading.Event()
        self.entered = threading.Event()

    def _refuse(self, fault: int) -> None:
        if fault:
            self.failed += 1
            raise OSError(fault, os.strerror(fault))

    def pwritev(self, fd: int, pieces: Sequence[Any], offset: int) -> None:
        self.entered.set()
        assert self.gate.wait(30)
        if self.fault and self.half:
            data = b"".join(bytes(piece) for piece in pieces)
            os.pwrite(fd, data[: len(data) // 2], offset)
        self._refuse(self.fault)
        self.writes += 1
        super().pwritev(fd, pieces, offset)

    def rename(self, temporary: Path, path: Path) -> None:
        self._refuse(self.fault)
        super().rename(temporary, path)

    def remove(self, path: Path) -> None:
        if self.fault == errno.EROFS:
            self._refuse(self.fault)
        super().remove(path)

    def sync(self, fd: int) -> None:
        self._refuse(self.sync_fault)
        self.syncs += 1
        self.synced.set()


E1, E2 = 1_000, 2_000
GROUPS = [group(0), group(2, words=1, notes=2), group(3, words=0), group(7, words=3, notes=0), group(10)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "receivers.1"


def written(folder: Path, groups: list[Group], epoch: int = E1, **options: Any) -> None:
    journal = Journal(folder, **options)
    journal.open(epoch, epoch, [b"state"])
    for each in groups:
        journal.append(*each)
    journal.close()


def last_file(folder: Path) -> Path:
    return max(folder.glob("*.journal"))


def check_rest(journal: Journal, kept: int) -> None:
    """Exactly the first groups are there, and writing goes on."""
    words, notes = held(journal)
    assert words == told(GROUPS[:kept], E1)
    assert notes == [b"state", *(note for each in GROUPS[:kept] for note in each[2])]
    journal.open(E2, E2, [b"new"])
    journal.append(*GROUPS[0])
    journal.close()
    journal = Journal(journal.folder)
    assert journal.cut == ""
    assert held(journal) == (told(GROUPS[:kept], E1) + told(GROUPS[:1], E2), [b"new", *GROUPS[0][2]])
    journal.close()


def filled(folder: Path, files: int = 6, disk: Disk | None = None) -> Journal:
    """Each file has two words and begins 100 ns after the one before."""
    journal = Journal(folder, disk=disk)
    journal.open(E1, 100, [])
    for k in range(files):
        journal.append(*group(2 * k))
        journal.roll(200 + 100 * k, [])
    return journal
