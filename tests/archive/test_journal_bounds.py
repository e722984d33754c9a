"""How much a journal keeps, and what it deletes."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from archive.disk import Disk
from archive.journal import Journal
from tests.journals import E1, E2, Troubled, filled, folder, group, held

__all__ = ["folder"]


@pytest.mark.parametrize(
    ("upto", "utc", "first"),
    [
        ((E1, 0), 9999, 0), ((E1, 1), 9999, 0), ((E1, 2), 9999, 2), ((E1, 3), 9999, 2), ((E1, 99), 9999, None),
        ((E1, 99), 200, 0), ((E1, 99), 201, 2), ((E1, 99), 401, 6), ((E1 + 1, 0), 9999, None), ((E1 - 1, 99), 9999, 0),
    ],
)  # fmt: skip
def test_trim_deletes_what_nobody_wants_and_is_old(
    folder: Path, upto: tuple[int, int], utc: int, first: int | None
) -> None:
    journal = filled(folder)
    journal.trim(*upto, utc)
    assert journal.epochs == [(E1, 12 if first is None else first, 12)]
    assert journal.files >= 1
    journal.append(*group(12))
    journal.close()
    assert [number for _, number, _ in held(Journal(folder))[0]] == list(range(12 if first is None else first, 14))


def test_bound_deletes_the_oldest_and_counts_what_was_wanted(folder: Path) -> None:
    journal = filled(folder)
    each = journal.size // journal.files
    assert journal.bound(10 * each, 0) == 0
    assert journal.bound(10 * each, 301) == 4
    journal.trim(E1, 7, 0)
    assert journal.bound(2 * each, 0) == 3
    assert journal.size <= 2 * each
    assert journal.bound(0, 9999) == 2
    assert (journal.files, journal.epochs) == (1, [(E1, 12, 12)])
    journal.append(*group(12))
    assert journal.bound(0, 9999) == 0
    assert journal.epochs == [(E1, 12, 14)]


def test_an_outage_does_not_age_what_is_kept(folder: Path) -> None:
    filled(folder).close()
    journal = Journal(folder)
    journal.open(E2, 10_000, [])
    assert journal.bound(1 << 30, 9_900) == 0
    assert journal.bound(1 << 30, 10_000) == 0
    assert journal.epochs[0] == (E1, 0, 12)
    journal.roll(10_001, [])
    assert journal.bound(1 << 30, 10_001) == 12
    assert journal.epochs == [(E2, 0, 0)]


def test_a_bound_holds_on_a_disk_that_can_not_sync_but_trim_waits(folder: Path) -> None:
    disk = Troubled()
    journal = filled(folder, disk=disk)
    disk.sync_fault = errno.EIO
    with pytest.raises(OSError, match="error"):
        journal.trim(E1, 12, 9999)
    assert journal.files == 7
    journal.bound(0, 0)
    assert journal.files == 1


def test_the_last_state_is_never_deleted(folder: Path) -> None:
    journal = Journal(folder)
    journal.open(E1, 100, [b"state"])
    journal.append(*group(0))
    journal.roll(200, None)
    journal.append(*group(2))
    journal.trim(E2, 0, 9999)
    journal.bound(0, 9999)
    assert held(journal)[1] == [b"state", b"note 0.0", b"note 2.0"]


def test_nothing_is_deleted_before_a_younger_state_is_on_the_disk(folder: Path) -> None:
    events: list[str] = []

    class Watched(Disk):
        def sync(self, fd: int) -> None:
            events.append(Path(os.readlink(f"/proc/self/fd/{fd}")).name)
            super().sync(fd)

        def sync_names(self, folder: Path) -> None:
            events.append("names")
            super().sync_names(folder)

        def remove(self, path: Path) -> None:
            events.append(f"remove {path.name}")
            super().remove(path)

    journal = filled(folder, 2, Watched())
    assert events == []
    journal.trim(E1, 2, 9999)
    assert events == ["00000000.journal", "00000001.journal", "00000002.journal", "names", "remove 00000000.journal"]
    events.clear()
    journal.sync()
    assert events == []
    journal.append(*group(4))
    journal.sync()
    assert events == ["00000002.journal"]


def test_a_file_holds_at_least_as_much_as_its_state(folder: Path) -> None:
    journal = Journal(folder, segment=10)
    journal.open(E1, 1, [bytes(3000)])
    assert not journal.full
    count = 0
    while not journal.full:
        journal.append(*group(2 * count))
        count += 1
    assert count > 10
