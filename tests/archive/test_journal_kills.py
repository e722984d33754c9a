"""A journal whose process is killed, whose disk refuses or loses power: what was taken is there."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from random import Random

import pytest

from archive.disk import Disk
from archive.journal import Journal
from tests.archives import Killed
from tests.journals import (
    E1,
    E2,
    GROUPS,
    Fatal,
    Group,
    Troubled,
    check_rest,
    folder,
    group,
    held,
    last_file,
    told,
    written,
)

__all__ = ["folder"]


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
