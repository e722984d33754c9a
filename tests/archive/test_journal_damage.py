"""A journal whose bytes are not what was written: what is whole is told, the rest is cut or put aside."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archive import segments
from archive.disk import Disk
from archive.journal import Journal
from tests import thorough
from tests.journals import E1, E2, GROUPS, Troubled, check_rest, folder, group, held, last_file, replayed, told, written

__all__ = ["folder"]


def damaged(folder: Path, tmp_path: Path, change: Callable[[bytearray], None]) -> Journal:
    copy = tmp_path / "copy"  # used again and again: to make a folder is to sync its name
    copy.mkdir(exist_ok=True)
    for path in copy.iterdir():
        path.unlink()
    for path in folder.glob("*.journal"):
        shutil.copyfile(path, copy / path.name)
    path = last_file(copy)
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)
    return Journal(copy)


def ends(folder: Path) -> list[int]:
    """Where the groups of the last file end."""
    return ends_of(last_file(folder))


def test_cut_at_every_byte_the_groups_before_are_there(folder: Path, tmp_path: Path) -> None:
    written(folder, GROUPS)
    borders = ends(folder)
    assert borders[-1] == last_file(folder).stat().st_size

    for at in thorough.samples(range(borders[0], borders[-1] + 1), 3):
        kept = sum(end <= at for end in borders) - 1

        def cut(data: bytearray, at: int = at) -> None:
            del data[at:]

        journal = damaged(folder, tmp_path, cut)
        torn = at - borders[kept]
        name = last_file(folder).name
        assert journal.cut == (f"{name}: {torn} bytes after its last whole group were cut off" if torn else "")
        check_rest(journal, kept)


def test_a_flipped_byte_anywhere_ends_the_journal_before_its_group(folder: Path, tmp_path: Path) -> None:
    written(folder, GROUPS)
    borders = ends(folder)
    for at in thorough.samples(range(borders[0], borders[-1]), 3):

        def flipped(data: bytearray, at: int = at) -> None:
            data[at] ^= (0x01, 0x80, 0xFF)[at % 3]

        journal = damaged(folder, tmp_path, flipped)
        kept = sum(end <= at for end in borders) - 1
        assert f"{borders[-1] - borders[kept]} bytes" in journal.cut
        check_rest(journal, kept)


def test_zeros_after_a_power_cut_are_cut(folder: Path, tmp_path: Path) -> None:
    written(folder, GROUPS)
    journal = damaged(folder, tmp_path, lambda data: data.extend(bytes(10_000)))
    assert "10000 bytes" in journal.cut
    check_rest(journal, len(GROUPS))


def test_a_group_copied_to_another_place_is_none(folder: Path, tmp_path: Path) -> None:
    written(folder, GROUPS)
    *_, begin, end = ends(folder)
    journal = damaged(folder, tmp_path, lambda data: data.extend(data[begin:end]))
    assert f"{end - begin} bytes" in journal.cut
    check_rest(journal, len(GROUPS))


def test_a_file_whose_head_or_state_is_damaged_is_put_aside(folder: Path, tmp_path: Path) -> None:
    written(folder, GROUPS)
    journal = Journal(folder)
    journal.open(E2, E2, [b"later"])
    journal.append(*GROUPS[0])
    journal.close()
    for at in range(ends(folder)[0]):

        def flipped(data: bytearray, at: int = at) -> None:
            data[at] ^= 0x10

        journal = damaged(folder, tmp_path, flipped)
        assert journal.cut == "00000001.journal: its head is damaged, it was put aside as 00000001.damaged"
        check_rest(journal, len(GROUPS))
        assert sorted(path.name for path in journal.folder.iterdir()) == [
            "00000000.journal", "00000001.damaged", "00000002.journal", "lock",
        ]  # fmt: skip


def test_few_damaged_files_are_kept(folder: Path) -> None:
    written(folder, GROUPS)
    for index in range(1, 9):
        (folder / f"{index:08d}.journal").write_bytes(b"no head")
        Journal(folder).close()
    names = sorted(path.name for path in folder.glob("*.damaged"))
    assert names == ["00000006.damaged", "00000007.damaged", "00000008.damaged"]


def test_an_empty_file_and_leftovers_are_deleted(folder: Path) -> None:
    written(folder, GROUPS)
    (folder / "00000001.journal").touch()
    (folder / "00000001.journal.tmp").write_bytes(b"half a head")
    journal = Journal(folder)
    assert journal.cut == "00000001.journal: empty, it was deleted"
    assert sorted(path.name for path in folder.iterdir()) == ["00000000.journal", "lock"]
    check_rest(journal, len(GROUPS))


def test_damage_in_an_older_file_costs_only_that_group(folder: Path) -> None:
    written(folder, GROUPS)
    journal = Journal(folder)
    journal.open(E2, E2, [])
    journal.close()
    path = folder / "00000000.journal"
    end = ends_of(path)[2]
    data = bytearray(path.read_bytes())
    data[end - 1] ^= 1  # a note of the second group
    path.write_bytes(data)
    journal = Journal(folder)
    assert journal.epochs == [(E1, 0, 12)]
    assert held(journal)[0] == told([GROUPS[0], *GROUPS[2:]], E1)
    assert b"note 10.0" in replayed(journal, since=E1 + 1)


def test_a_group_that_was_refused_but_came_through_is_not_told_twice(folder: Path) -> None:
    class Late(Troubled):
        def pwritev(self, fd: int, pieces: Any, offset: int) -> None:
            if self.fault:
                Disk.pwritev(self, fd, pieces, offset)
            super().pwritev(fd, pieces, offset)

        def truncate(self, fd: int, size: int) -> None:
            raise OSError(errno.EIO, "no")

    disk = Late()
    journal = Journal(folder, disk=disk)
    journal.open(E1, 1, [b"state"])
    journal.append(*group(0))
    disk.fault = errno.EIO
    with pytest.raises(OSError, match="error"):
        journal.append(*group(2))
    disk.fault = 0
    journal.roll(2, None)
    journal.append(*group(2))
    journal.close()
    assert held(Journal(folder)) == (told([group(0), group(2)], E1), [b"state", b"note 0.0", b"note 2.0"])


def ends_of(path: Path) -> list[int]:
    told_head = segments.read_head(path)
    assert told_head is not None
    with segments.opened(path) as fd:
        return [offset + each.size for each, _, offset in segments.groups(fd, told_head[0], segments.START)]


def test_a_file_that_is_missing_in_the_middle_is_a_hole(folder: Path) -> None:
    journal = Journal(folder)
    journal.open(E1, 1, [])
    for first in range(0, 8, 2):
        journal.append(*group(first))
        journal.roll(first, [])
    journal.close()
    (folder / "00000002.journal").unlink()
    journal = Journal(folder)
    assert journal.epochs == [(E1, 0, 8)]
    assert [number for number, _ in journal.fetch(E1, 0, 8)] == [0, 1, 2, 3, 6, 7]
