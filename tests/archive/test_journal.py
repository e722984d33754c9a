"""What a journal was told it says again, whole groups only, whatever happens to the process, the file or the disk."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive import segments
from archive.disk import BUFFERS
from archive.journal import INDEXED, Journal, JournalError
from tests.journals import E1, E2, GROUPS, Troubled, filled, folder, group, held, last_file, replayed, told, written

__all__ = ["folder"]


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
