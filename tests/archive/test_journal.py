"""What a journal was told it says again, whole groups only, whatever happens to the process, the file or the disk."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive import segments
from archive.disk import BUFFERS, Disk
from archive.journal import INDEXED, Journal, JournalError
from tests.archives import Killed
from tests.journals import Fatal, Group, Troubled, group, held, replayed, told

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


def test_words_and_notes_come_back_in_the_order_of_writing(folder: Path) -> None:
    written(folder, GROUPS)
    journal = Journal(folder)
    assert journal.cut == ""
    assert journal.epochs == [(E1, 0, 12)]
    expected: list[Any] = [("head", E1, 0, E1, 1), b"state"]
    for each in GROUPS:
        expected += told([each], E1) + each[2]
    assert replayed(journal) == expected
    assert held(journal)[0] == told(GROUPS, E1)


def test_fetch_goes_over_files_and_knows_holes_and_epochs(folder: Path) -> None:
    written(folder, GROUPS, segment=1)
    journal = Journal(folder, segment=1)
    journal.open(E2, E2, [])
    for first in range(0, 40, 2):
        journal.append(*group(first))
        if journal.full:
            journal.roll(E2 + first, [b"state %d" % first])
    assert journal.files > 5
    assert journal.epochs == [(E1, 0, 12), (E2, 0, 40)]
    assert [number for number, _ in journal.fetch(E1, 1, 9)] == [1, 2, 7, 8]
    assert list(journal.fetch(E2, 13, 28)) == [
        (number, parts) for _, number, parts in told([group(n) for n in range(0, 40, 2)], E2) if 13 <= number < 28
    ]
    assert list(journal.fetch(E2 + 1, 0, 99)) == []
    journal.close()
    journal = Journal(folder)
    assert journal.epochs == [(E1, 0, 12), (E2, 0, 40)]
    assert [number for number, _ in journal.fetch(E2, 0, 40)] == list(range(40))


def test_replay_since_an_instant_begins_with_the_state_before_it(folder: Path) -> None:
    journal = Journal(folder)
    journal.open(E1, 100, [b"a"])
    journal.append(*group(0))
    journal.roll(200, [b"b", b"c"])
    journal.roll(300, None)  # goes on from what is there: no state
    journal.append(*group(2))
    journal.roll(400, [])
    journal.close()
    journal = Journal(folder)

    def heads(since: int) -> list[Any]:
        return [record[3:] for record in replayed(journal, since) if record[0] == "head"]

    assert heads(0) == heads(401) == [(400, 0)]
    assert heads(400) == heads(201) == [(200, 2), (400, 0)]
    assert heads(200) == heads(101) == heads(50) == [(100, 1), (200, 2), (400, 0)]
    assert replayed(journal, 400)[:3] == [("head", E1, 2, 200, 2), b"b", b"c"]
    assert told([group(2)], E1)[0] in replayed(journal, 400)


def test_an_epoch_without_words_is_not_told_but_is_never_used_again(folder: Path) -> None:
    journal = Journal(folder)
    assert (journal.epochs, journal.last_epoch, replayed(journal)) == ([], -1, [])
    journal.open(E1, 1, [])
    assert journal.epochs == [(E1, 0, 0)]
    journal.close()
    journal = Journal(folder)
    assert journal.epochs == []
    assert journal.last_epoch == E1
    with pytest.raises(ValueError, match="not above"):
        journal.open(E1, 1, [])


def test_numbers_only_go_up(folder: Path) -> None:
    journal = Journal(folder)
    with pytest.raises(ValueError, match="no epoch is open"):
        journal.append(*group(0))
    with pytest.raises(ValueError, match="no epoch is open"):
        journal.roll(0, [])
    journal.open(E1, 1, [])
    journal.append(*group(5))
    with pytest.raises(ValueError, match="word 6 after 6"):
        journal.append(*group(6))
    journal.append(*group(7))


# damage


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


def test_cut_at_every_byte_the_groups_before_are_there(folder: Path, tmp_path: Path) -> None:
    written(folder, GROUPS)
    borders = ends(folder)
    assert borders[-1] == last_file(folder).stat().st_size

    for at in range(borders[0], borders[-1] + 1):
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
    for at in range(borders[0], borders[-1]):

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


# kills and refusals


def scenario(journal: Journal, said: list[Group]) -> None:
    """Two lives' worth of everything that changes files; `said` are the groups that were taken."""
    journal.open(E1, 1, [b"state"])
    for first in range(0, 12, 2):
        each = group(first)
        journal.append(*each)
        said.append(each)
        if first % 4 == 2:
            journal.roll(first, [b"state %d" % first])
    journal.sync()
    journal.trim(E1, 4, 1000)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_killed_at_any_write_what_was_taken_is_there(tmp_path: Path, share: float) -> None:
    at, died = 0, True
    while died:
        at += 1
        folder, said = tmp_path / str(at), list[Group]()
        journal = Journal(folder, disk=Fatal(at, share))
        try:
            scenario(journal, said)
            died = False
        except Killed:
            pass
        journal.close()
        journal = Journal(folder)
        words, _ = held(journal)
        more = told([*said, group(2 * len(said))], E1)
        gone = words[0][1] if words else 0  # what was trimmed
        assert words in (told(said, E1)[gone:], more[gone:])
        assert gone in ((0, 4) if len(said) == 6 else (0,))
        if words and gone == 0:
            assert held(journal)[1][0].startswith(b"state")
        journal.open(E2, E2, [])
        journal.append(*group(0))
        assert held(journal)[0][-2:] == told([group(0)], E2)
        journal.close()
    assert at > 20


def test_killed_while_an_opening_cuts_it_is_cut_again(folder: Path) -> None:
    written(folder, GROUPS)
    with last_file(folder).open("ab") as file:
        file.write(b"torn")
    with pytest.raises(Killed):
        Journal(folder, disk=Fatal(1))
    journal = Journal(folder)
    assert "4 bytes" in journal.cut
    check_rest(journal, len(GROUPS))


@pytest.mark.parametrize("half", [False, True])
def test_a_group_that_was_refused_does_not_count_and_the_next_one_does(folder: Path, half: bool) -> None:
    disk = Troubled()
    journal = Journal(folder, disk=disk)
    journal.open(E1, 1, [b"state"])
    journal.append(*group(0))
    disk.half, disk.fault = half, errno.ENOSPC
    with pytest.raises(OSError, match="No space"):
        journal.append(*group(2, size=5000))
    with pytest.raises(OSError, match="No space"):
        journal.roll(5, [b"other"])
    assert [path.name for path in folder.glob("*.journal*")] == ["00000000.journal"]
    disk.fault = 0
    journal.append(*group(4))
    assert held(journal) == (told([group(0), group(4)], E1), [b"state", b"note 0.0", b"note 4.0"])
    journal.close()
    journal = Journal(folder)
    assert journal.cut == ""
    assert held(journal) == (told([group(0), group(4)], E1), [b"state", b"note 0.0", b"note 4.0"])


def test_leftovers_that_can_not_be_cut_never_pass_for_groups(folder: Path) -> None:
    class Stubborn(Troubled):
        def truncate(self, fd: int, size: int) -> None:
            raise OSError(errno.EIO, "no")

    disk = Stubborn()
    journal = Journal(folder, disk=disk)
    journal.open(E1, 1, [])
    disk.fault, disk.half = errno.EIO, True
    with pytest.raises(OSError, match="error"):
        journal.append(*group(0, words=50))
    disk.fault = 0
    journal.append(*group(0, words=1))
    journal.close()
    journal = Journal(folder, disk=disk)
    assert "after its last whole group" in journal.cut
    assert held(journal)[0] == told([group(0, words=1)], E1)


def test_an_epoch_whose_opening_was_refused_begins_with_the_next_roll(folder: Path) -> None:
    disk = Troubled()
    journal = Journal(folder, disk=disk)
    disk.fault = errno.ENOSPC
    with pytest.raises(OSError, match="No space"):
        journal.open(E1, 1, [b"state"])
    assert (journal.last_epoch, journal.full, journal.used) == (E1, False, False)
    disk.fault = 0
    journal.roll(2, [b"state"])
    journal.append(*group(3))
    assert held(journal) == (told([group(3)], E1), [b"state", b"note 3.0"])


# power cuts


class Powered(Disk):
    """Remembers what of a folder a power cut leaves: content at its last sync, names as they were synced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.content: dict[str, bytes] = {}
        self.names: set[str] = set()

    def sync(self, fd: int) -> None:
        self.content[Path(os.readlink(f"/proc/self/fd/{fd}")).name] = os.pread(fd, 1 << 30, 0)

    def sync_names(self, folder: Path) -> None:
        self.names = {path.name for path in folder.glob("*.journal")}

    def cut(self, to: Path, odd: Random | None) -> None:
        """Make the folder that is found afterwards. `odd`: anything that was not synced may have come through."""
        to.mkdir()
        now = {path.name: path for path in self.folder.glob("*.journal")}
        for name in self.names | now.keys():
            if not (name in self.names if odd is None else name in self.names & now.keys() or odd.random() < 0.5):
                continue
            content = self.content.get(name, b"")
            if odd and name in now:
                tail = now[name].read_bytes()[len(content) :]
                content += odd.choice([b"", tail, bytes(len(tail)), tail[: len(tail) // 2], bytes(9) + tail[9:]])
            (to / name).write_bytes(content)


@pytest.mark.parametrize("seed", range(40))
def test_after_a_power_cut_all_that_was_synced_is_there(tmp_path: Path, seed: int) -> None:
    chance = Random(seed)
    disk = Powered(tmp_path / "live")
    journal = Journal(disk.folder, segment=300, disk=disk)
    journal.open(E1, 1, [b"state 0"])
    synced, safe = 0, 0
    for step in range(chance.randrange(1, 60)):
        journal.append(*group(2 * step))
        if journal.full:
            journal.roll(step, [b"state %d" % (2 * step + 2)])
        if chance.random() < 0.2:
            journal.sync()
            synced = 2 * step + 2
        if chance.random() < 0.1:
            safe = max(safe, chance.randrange(2 * step + 2))
            journal.trim(E1, safe, step)
    for name, odd in (("least", None), ("odd", chance), ("odder", chance)):
        disk.cut(tmp_path / name, odd)
        found = Journal(tmp_path / name)
        words, notes = held(found)
        numbers = [number for _, number, _ in words]
        assert set(range(safe, synced)) <= set(numbers)
        assert numbers == sorted(set(numbers))
        if synced or safe:
            begin = int(notes[0].removeprefix(b"state "))
            rest = notes[1 : 1 + max(0, synced - begin) // 2]
            assert rest == [b"note %d.0" % n for n in range(begin, synced, 2)]
        found.open(E2, 99, [])
        found.append(*group(0))
        assert held(found)[0] == words + told([group(0)], E2)


# bounds


def filled(folder: Path, files: int = 6, disk: Disk | None = None) -> Journal:
    """Each file has two words and begins 100 ns after the one before."""
    journal = Journal(folder, disk=disk)
    journal.open(E1, 100, [])
    for k in range(files):
        journal.append(*group(2 * k))
        journal.roll(200 + 100 * k, [])
    return journal


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


# opening


def test_a_second_opening_is_refused_at_once(folder: Path) -> None:
    journal = Journal(folder)
    remedy = f"{folder}: process {os.getpid()} uses this journal; stop it first, or name another folder"
    with pytest.raises(JournalError) as fault:
        Journal(folder)
    assert str(fault.value) == remedy
    told_apart = subprocess.run(
        [sys.executable, "-c", "import sys; from pathlib import Path; from archive.journal import Journal\n"
         "Journal(Path(sys.argv[1]))", str(folder)],
        capture_output=True, text=True, check=False, timeout=60, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert told_apart.returncode == 1
    assert remedy in told_apart.stderr
    journal.close()
    Journal(folder).close()


def test_a_folder_that_can_not_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="Not a directory; the journal needs a folder"):
        Journal(tmp_path / "file" / "journal")


GOLDEN = (
    "53594d536a726e6c01000000e3b204ff00000000000000000080b049ae03ac1800000000000000000100000000000000"
    "0180b049ae03ac1800000000000000000000000000000000000000000000000000000000292015156772757000000000"
    "000000000100000009000000000000000000000007742fc955a5327f0500000073746174656772757002000000040000"
    "00010000003300000000000000000000006d7e9a792813f8450300000001000000040000000300000008000000040000"
    "00040000004d4541539290900001020304050607434f4e466e6f74656772757001000000020000000000000010000000"
    "050000000000000051f428b97f014e6b020000000400000000000000414e4e4f67727570000000000000000001000000"
    "0800000006000000000000009abb081c326446960400000069646c65"
)
"""A file of format 1 as it was first written; every later release must read it."""


def test_a_file_of_format_1_is_read(folder: Path) -> None:
    epoch = 1_777_800_000_000_000_000
    folder.mkdir()
    (folder / "00000000.journal").write_bytes(bytes.fromhex(GOLDEN))
    journal = Journal(folder)
    assert journal.cut == ""
    assert journal.epochs == [(epoch, 0, 6)]
    assert replayed(journal) == [
        ("head", epoch, 0, epoch + 1, 1), b"state",
        (epoch, 0, [b"MEAS", b"\x92\x90\x90", bytes(range(8))]), (epoch, 1, [b"CONF"]), b"note",
        (epoch, 5, [b"ANNO", b""]), b"idle",
    ]  # fmt: skip


def test_what_is_written_today_is_format_1(folder: Path) -> None:
    """When this fails the format has changed: give it a new number, and keep reading the old one."""
    epoch = 1_777_800_000_000_000_000
    journal = Journal(folder)
    journal.open(epoch, epoch + 1, [b"state"])
    journal.append(0, [[b"MEAS", b"\x92\x90\x90", bytes(range(8))], [b"CONF"]], [b"note"])
    journal.append(5, [[b"ANNO", b""]], [])
    journal.append(6, [], [b"idle"])
    assert last_file(folder).read_bytes().hex() == GOLDEN


def test_a_newer_format_is_refused_and_nothing_is_touched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(segments, "FORMAT", 2)
        written(folder, GROUPS)
    before = last_file(folder).read_bytes()
    with pytest.raises(JournalError) as fault:
        Journal(folder)
    assert str(fault.value) == (
        f"{folder}/00000000.journal: journal format 2, this release knows up to 1; "
        "use a newer release, or another folder as journal"
    )
    assert last_file(folder).read_bytes() == before


def test_opening_reads_heads_and_the_last_file_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(folder, 300).close()
    for path in folder.glob("*.journal"):
        os.truncate(path, 16 << 20)  # sparse: 4.7 GiB to whoever would read it
    scanned: list[str] = []
    scan = segments.scan

    def noted(fd: int, segment: segments.Segment, check: bool) -> None:
        scanned.append(segment.path.name)
        scan(fd, segment, check)

    monkeypatch.setattr(segments, "scan", noted)
    journal = Journal(folder)
    assert scanned == ["00000300.journal"]
    assert journal.epochs == [(E1, 0, 600)]
    scanned.clear()
    assert [number for number, _ in journal.fetch(E1, 100, 104)] == [100, 101, 102, 103]
    assert scanned == ["00000050.journal", "00000051.journal"]
    list(journal.fetch(E1, 100, 104))
    assert len(scanned) == 2
    list(journal.fetch(E1, 0, 600))
    assert sum(bool(segment.starts) for segment in journal._segments) <= INDEXED


def test_an_index_has_an_entry_for_so_many_bytes(folder: Path) -> None:
    journal = Journal(folder)
    journal.open(E1, 1, [])
    for n in range(3000):
        journal.append(n, [[b"x" * 100]], [])
    assert len(journal._segments[-1].starts) <= journal.size // segments.INDEX_EVERY + 1
    assert list(journal.fetch(E1, 1234, 1236)) == [(1234, [b"x" * 100]), (1235, [b"x" * 100])]
    journal.roll(2, [])
    assert not journal._segments[0].starts
    assert list(journal.fetch(E1, 2345, 2346)) == [(2345, [b"x" * 100])]


# the disk


def test_many_buffers_and_short_writes_arrive(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [bytes([n % 256]) * (segments.SMALL + n % 3) for n in range(BUFFERS + 50)]
    real = os.pwritev

    def short(fd: int, buffers: list[Any], offset: int) -> int:
        assert len(buffers) <= BUFFERS
        data = b"".join(bytes(each) for each in buffers[:3])
        return real(fd, [data[: max(1, len(data) * 2 // 3)]], offset)

    monkeypatch.setattr(os, "pwritev", short)
    journal = Journal(folder)
    journal.open(E1, 1, [])
    journal.append(0, [parts], [])
    assert list(journal.fetch(E1, 0, 1)) == [(0, parts)]


# all at once


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 3), st.integers(0, 2)),
        st.tuples(st.just("hole"), st.integers(1, 5)),
        st.tuples(st.just("roll")),
        st.tuples(st.just("go on")),
        st.tuples(st.just("refused"), st.booleans()),
        st.tuples(st.just("kill"), st.integers(0, 200)),
        st.tuples(st.just("sync")),
        st.tuples(st.just("trim"), st.integers(0, 40)),
    ),
    max_size=30,
)


class Model:
    """What a journal must hold, kept in lists."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.disk = folder, Troubled()
        self.words: list[tuple[int, int, list[bytes]]] = []
        self.notes: list[bytes] = []
        self.epoch = self.next = self.utc = 0
        self.safe = (-1, 0)
        self.begin()

    def begin(self) -> None:
        self.journal = Journal(self.folder, disk=self.disk)
        self.check()
        self.epoch, self.next = self.epoch + 1, 0
        self.journal.open(self.epoch, self.utc, [b"state %d" % self.epoch])
        self.notes = [b"state %d" % self.epoch]

    def append(self, words: int, notes: int) -> None:
        each = group(self.next, words, notes)
        self.journal.append(*each)
        self.words += told([each], self.epoch)
        self.notes += each[2]
        self.next += words

    def step(self, name: str, *given: Any) -> None:
        self.utc += 1
        match name:
            case "append":
                self.append(*given)
            case "hole":
                self.next += given[0]
            case "roll":
                self.notes = [b"roll %d" % self.utc]
                self.journal.roll(self.utc, self.notes)
            case "go on":
                self.journal.roll(self.utc, None)
            case "refused":
                self.disk.fault, self.disk.half = errno.EIO, given[0]
                with pytest.raises(OSError, match="error"):
                    self.journal.append(*group(self.next))
                self.disk.fault = 0
            case "sync":
                self.journal.sync()
            case "kill":
                self.journal.close()
                with last_file(self.folder).open("ab") as file:
                    file.write(bytes(range(200))[: given[0]])
                self.begin()
            case "trim":
                self.safe = max(self.safe, (self.epoch, given[0]))
                self.journal.trim(*self.safe, self.utc + 1)

    def check(self) -> None:
        words, notes = held(self.journal)
        assert notes == self.notes
        assert words == self.words[len(self.words) - len(words) :]
        assert all((epoch, number) < self.safe for epoch, number, _ in self.words[: len(self.words) - len(words)])


@settings(max_examples=60)
@given(STEPS)
def test_a_journal_and_a_list_agree(tmp_path_factory: pytest.TempPathFactory, steps: list[Any]) -> None:
    model = Model(tmp_path_factory.mktemp("journal"))
    for step in steps:
        model.step(*step)
        model.check()
    model.step("kill", 7)
    model.journal.close()
