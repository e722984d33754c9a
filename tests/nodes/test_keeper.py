"""A node goes on when its disk is slow, full or broken; what that costs is counted; the journal heals by itself."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from archive.journal import Journal, JournalError, Note
from nodes._journaltroubles import REMEMBER
from nodes._keeper import CALM, DRAIN, Keeper
from protocol.clock import MILLISECOND, SECOND, Now
from tests.journals import Troubled, group, held, told

E1 = 1_000
PATIENT = 60 * SECOND
"""For a disk that answers: a busy machine does not make it slow."""


class Station:
    """A node's half: it numbers words and has a state, which is the number of the next one."""

    def __init__(self, folder: Path, disk: Troubled, **options: Any) -> None:
        self.disk, self.next, self.utc = disk, 0, 0
        defaults: dict[str, Any] = {"keep": 1 << 30, "age": 1 << 60, "patience": PATIENT, "retry": MILLISECOND,
                                    "sync_every": MILLISECOND}  # fmt: skip
        self.keeper = Keeper(folder, disk=disk, **defaults | options)

    def now(self) -> Now:
        self.utc += 1
        return Now(self.utc, self.utc)

    def state(self) -> list[bytes]:
        return [b"next %d" % self.next]

    def open(self, epoch: int = E1) -> bool:
        return self.keeper.open(epoch, self.now(), self.state)

    def say(self, size: int = 20) -> bool:
        first, words, notes = group(self.next, size=size)
        self.next += len(words)
        return self.keeper.commit(first, words, notes, self.now())

    def numbers(self) -> list[int]:
        return [number for number, _ in self.keeper.fetch(E1, 0, self.next)]


def until(condition: Callable[[], object]) -> None:
    """Wait until a thread came to something; its own pace, but not for ever."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.001)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "windows"


@pytest.fixture
def disk() -> Iterator[Troubled]:
    disk = Troubled()
    yield disk
    disk.gate.set()


def heal(station: Station) -> None:
    """Nothing waits any more."""
    until(lambda: station.keeper.counters["waiting_bytes"] == 0 and "Err" not in station.keeper.trouble)


def test_what_is_committed_is_in_the_file_when_commit_returns(folder: Path, disk: Troubled) -> None:
    station = Station(folder, disk)
    assert station.open()
    assert station.say()
    assert disk.writes == 2
    assert station.numbers() == [0, 1]
    assert station.keeper.commit(2, [], [], station.now())
    assert disk.writes == 2  # nothing to say costs nothing
    assert station.keeper.trouble == ""
    assert station.keeper.close()
    journal = Journal(folder)
    assert held(journal) == (told([group(0)], E1), [b"next 0", b"note 0.0"])


def test_a_full_file_is_followed_by_one_with_the_state_after_the_group(folder: Path, disk: Troubled) -> None:
    station = Station(folder, disk, segment=2000)
    station.open()
    while station.keeper.counters["segments"] < 4:
        assert station.say(500)
    station.say()
    assert station.keeper.close()
    journal = Journal(folder)
    words, notes = held(journal)
    assert [number for _, number, _ in words] == list(range(station.next))
    first_after = int(notes[0].split()[1])
    assert notes[1:] == [b"note %d.0" % n for n in range(first_after, station.next, 2)]


def test_a_second_keeper_is_refused(folder: Path, disk: Troubled) -> None:
    station = Station(folder, disk)
    with pytest.raises(JournalError, match="stop it first"):
        Station(folder, disk)
    assert station.keeper.close()


def test_an_old_epoch_is_refused(folder: Path, disk: Troubled) -> None:
    station = Station(folder, disk)
    station.open()
    station.keeper.close()
    station = Station(folder, disk)
    with pytest.raises(ValueError, match="not above"):
        station.open()
    assert station.keeper.last_epoch == E1
    assert station.open(E1 + 1)
    assert station.keeper.close()


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize("half", [False, True])
def test_a_disk_that_refuses_is_an_alarm_and_heals_without_loss(
    folder: Path, disk: Troubled, fault: int, half: bool
) -> None:
    station = Station(folder, disk)
    station.open()
    assert station.say()
    disk.half, disk.fault = half, fault
    for _ in range(20):
        assert not station.say()
    trouble = station.keeper.trouble
    assert str(folder) in trouble
    assert ("free space" in trouble) == (fault in (errno.ENOSPC, errno.EDQUOT))
    assert station.keeper.counters["unjournalled_words"] == 40
    assert station.numbers() == list(range(42))  # from memory
    failed = disk.failed
    until(lambda: disk.failed > failed + 3)
    disk.fault = 0
    until(lambda: station.keeper.trouble == "")
    assert station.say()
    assert station.say()
    assert station.numbers() == list(range(46))
    assert station.keeper.counters["dropped_words"] == 0
    assert station.keeper.close()
    journal = Journal(folder)
    assert held(journal) == (told([group(n) for n in range(0, 46, 2)], E1), [b"next 44", b"note 44.0"])
    assert journal.files <= 3  # trying again leaves no files behind


def test_a_disk_with_room_for_a_head_alone_is_not_filled_with_heads(folder: Path) -> None:
    class Narrow(Troubled):
        def pwritev(self, fd: int, pieces: Any, offset: int) -> None:
            if self.half and sum(memoryview(piece).nbytes for piece in pieces) > 300:
                self._refuse(errno.ENOSPC)
            super().pwritev(fd, pieces, offset)

    disk = Narrow()
    station = Station(folder, disk)
    station.open()
    assert station.say(500)
    disk.half = True
    assert not station.say(500)
    until(lambda: disk.failed > 20)
    assert station.keeper.counters["segments"] == 1
    disk.half = False
    until(lambda: station.keeper.trouble == "")
    assert station.keeper.close()


def test_what_memory_can_not_hold_is_dropped_oldest_first_and_the_state_is_right(folder: Path, disk: Troubled) -> None:
    station = Station(folder, disk, waiting=10_000)
    station.open()
    assert station.say()
    disk.fault = errno.ENOSPC
    for _ in range(100):
        station.say(500)
        assert station.keeper.counters["waiting_bytes"] < 12_000
    dropped = station.keeper.counters["dropped_words"]
    assert 150 < dropped < 200
    disk.fault = 0
    until(lambda: station.keeper.trouble == "")
    assert station.say()
    assert station.keeper.close()
    words, notes = held(Journal(folder))
    numbers = [number for _, number, _ in words]
    assert len(numbers) == station.next - dropped
    assert numbers == sorted(numbers)
    assert {0, 1, station.next - 1} <= set(numbers)
    assert notes == [b"next %d" % station.next]


def test_a_start_on_a_full_disk_heals(folder: Path, disk: Troubled) -> None:
    disk.fault = errno.ENOSPC
    station = Station(folder, disk)
    assert not station.open()
    assert not station.say()
    assert "free space" in station.keeper.trouble
    disk.fault = 0
    until(lambda: station.keeper.trouble == "")
    assert station.say()
    assert station.keeper.close()
    assert held(Journal(folder)) == (told([group(0), group(2)], E1), [b"next 4"])


def test_a_hanging_disk_is_waited_for_once(folder: Path, disk: Troubled) -> None:
    station = Station(folder, disk, patience=20 * MILLISECOND)
    until(station.open)
    until(station.say)
    said = station.next
    disk.gate.clear()
    assert not station.say()
    assert "longer than 20 ms" in station.keeper.trouble
    begun = time.monotonic()
    for _ in range(1000):
        assert not station.say()
    assert time.monotonic() - begun < 1000 * 0.020 / 2  # waiting each time would take twice that at least
    until(lambda: station.numbers() == list(range(said, station.next)))  # of a hanging disk nothing is read
    disk.gate.set()
    heal(station)
    for _ in range(CALM):
        station.say()
        heal(station)
    until(lambda: station.say() and station.keeper.trouble == "")
    assert station.numbers() == list(range(station.next))
    assert station.keeper.close()
    assert held(Journal(folder))[0] == told([group(n) for n in range(0, station.next, 2)], E1)


def test_a_busy_machine_is_no_slow_disk(folder: Path, disk: Troubled) -> None:
    """The writing thread has its first turn when the patience is over."""
    station = Station(folder, disk, patience=SECOND)
    [writes, syncs] = station.keeper._threads
    station.keeper._threads[0] = threading.Timer(1.3, writes.run)
    assert station.open()
    assert station.keeper.trouble == ""
    assert station.keeper.close()
    assert not syncs.is_alive()


def test_what_was_cut_off_is_told_for_an_hour(folder: Path, disk: Troubled) -> None:
    station = Station(folder, disk)
    station.open()
    station.say()
    assert station.keeper.close()
    [path] = folder.glob("*.journal")
    path.write_bytes(path.read_bytes()[:-1])
    time_is = [0]
    station = Station(folder, disk, clock=lambda: time_is[0])
    assert str(folder) in station.keeper.trouble
    assert f"{path.name}: " in station.keeper.trouble
    assert "bytes after its last whole group were cut off" in station.keeper.trouble
    time_is[0] = 3601 * SECOND
    assert station.keeper.trouble == ""


def test_words_grow_old_without_a_new_one(folder: Path, disk: Troubled) -> None:
    station = Station(folder, disk, segment=1000, age=100)
    station.open()
    while station.keeper.counters["segments"] < 3:
        station.say(400)
    words = station.keeper.counters["dropped_words"]
    assert words == 0
    station.utc = 1000
    station.keeper.trim(0, 0, station.now())
    until(lambda: station.keeper.counters["segments"] == 1)
    assert station.keeper.counters["dropped_words"] > 0
    assert station.keeper.close()


def test_files_stay_bounded_while_a_disk_is_slow(folder: Path, disk: Troubled) -> None:
    station = Station(folder, disk, patience=0, segment=5000, keep=30_000)
    station.open()
    disk.gate.clear()
    assert not station.say()
    disk.gate.set()
    for _ in range(300):
        station.say(400)
        heal(station)
    assert "longer than" in station.keeper.trouble
    assert station.keeper.counters["bytes"] < 45_000
    assert "deleted that a reader did not have yet" in station.keeper.trouble
    assert station.keeper.counters["dropped_words"] > 0
    assert station.keeper.close()


def test_what_was_trimmed_is_not_counted_as_lost(folder: Path, disk: Troubled) -> None:
    time_is = [0]
    station = Station(folder, disk, segment=5000, keep=30_000, clock=lambda: time_is[0])
    station.open()
    for _ in range(100):
        station.say(400)
        station.keeper.trim(E1, station.next, station.now())
    until(lambda: station.keeper.counters["segments"] <= 2)
    assert station.keeper.counters["dropped_words"] == 0
    assert station.keeper.trouble == ""
    for _ in range(100):
        station.say(400)
    assert "start the readers" in station.keeper.trouble

    def quiet() -> bool:
        time_is[0] += REMEMBER + 1
        station.keeper.trim(E1, station.next, station.now())
        return station.keeper.trouble == ""

    until(quiet)
    assert station.keeper.close()


def test_trim_leaves_what_is_young(folder: Path, disk: Troubled) -> None:
    station = Station(folder, disk, segment=1, least=100)
    station.open()
    for _ in range(10):
        station.say(300)
    until(lambda: station.keeper.counters["segments"] == 11)
    station.utc = 100
    station.keeper.trim(E1, 20, station.now())
    station.say(300)
    until(lambda: station.keeper.counters["segments"] == 12)
    assert station.numbers() == list(range(22))
    station.utc = 1000
    station.keeper.trim(E1, 20, station.now())
    until(lambda: station.keeper.counters["segments"] <= 2)
    assert station.keeper.close()


def test_a_side_thread_syncs_and_sleeps_when_there_is_nothing_to_sync(folder: Path, disk: Troubled) -> None:
    station = Station(folder, disk)
    station.open()
    until(lambda: disk.syncs)
    for _ in range(5):
        disk.synced.clear()
        station.say()
        assert disk.synced.wait(20)
    station.keeper.close()
    syncs = disk.syncs
    assert syncs <= 13  # the opening's, each group's, and those of a group that came while one was under way


def test_a_sync_that_fails_is_an_alarm_and_the_state_goes_to_another_file(folder: Path, disk: Troubled) -> None:
    station = Station(folder, disk)
    station.open()
    station.say()
    disk.sync_fault = errno.EIO
    station.say()
    until(lambda: "power cut" in station.keeper.trouble)
    assert station.say()  # words are still written, and read
    assert station.say()
    disk.sync_fault = 0
    until(lambda: station.keeper.trouble == "")
    station.say()
    assert station.numbers() == list(range(station.next))
    assert station.keeper.close()
    journal = Journal(folder)
    assert journal.files > 1
    assert held(journal)[1][0] != b"next 0"


def test_reading_goes_on_while_files_come_and_go(folder: Path, disk: Troubled) -> None:
    station = Station(folder, disk, segment=2000)
    station.open()
    for n in range(400):
        assert station.say(200)
        lowest = max(0, station.next - 60)
        found = dict(station.keeper.fetch(E1, lowest, station.next))
        assert sorted(found) == list(range(lowest, station.next))
        assert found[station.next - 1] == group(station.next - 1, 1, size=200)[1][0]
        if n % 3 == 0:
            station.keeper.trim(E1, lowest, station.now())
    assert station.keeper.counters["segments"] < 40
    assert station.keeper.close()


def replayed(journal: Journal) -> int:
    """The state that a restart comes to."""
    state = 0
    for record in journal.records():
        if isinstance(record, Note):
            kind, _, number = record.data.partition(b" ")
            state = int(number) if kind == b"next" else int(number.split(b".")[0]) + 2
    return state


def troubled_life(station: Station, chance: Random) -> dict[int, list[bytes]]:
    """The words of a life on a disk that is well in the end."""
    said: dict[int, list[bytes]] = {}
    disk = station.disk
    for _ in range(chance.randrange(150)):
        what = chance.random()
        if what < 0.1:
            disk.half, disk.fault = chance.random() < 0.5, chance.choice([errno.EIO, errno.ENOSPC, errno.EROFS])
        elif what < 0.2:
            disk.fault = 0
            until(lambda: station.keeper.counters["waiting_bytes"] == 0)
        elif what < 0.25:
            disk.sync_fault = chance.choice([0, errno.EIO])
        said |= dict(enumerate(group(station.next, size=300)[1], station.next))
        station.say(300)
    disk.fault = disk.sync_fault = 0
    until(lambda: station.keeper.trouble == "")
    said |= dict(enumerate(group(station.next)[1], station.next))
    station.say()
    return said


@pytest.mark.parametrize("seed", range(12))
def test_whatever_the_disk_does_lives_add_up(folder: Path, seed: int) -> None:
    said: dict[tuple[int, int], list[bytes]] = {}
    dropped = 0
    for epoch in range(E1, E1 + 3):
        station = Station(folder, Troubled(), segment=3000, waiting=20_000)
        station.open(epoch)
        life = troubled_life(station, Random(f"{seed} {epoch}"))
        said |= {(epoch, number): parts for number, parts in life.items()}
        dropped += station.keeper.counters["dropped_words"]
        assert station.keeper.close()
        journal = Journal(folder)
        found = {(at, number): parts for at, number, parts in held(journal)[0]}
        assert journal.cut == ""
        assert replayed(journal) == station.next
        assert list(found) == sorted(found)
        assert found.items() <= said.items()
        assert len(said) - len(found) == dropped
        journal.close()


def test_close_drains_what_waits(folder: Path, disk: Troubled) -> None:
    station = Station(folder, disk, patience=MILLISECOND)
    station.open()
    disk.gate.clear()
    for _ in range(50):
        station.say()
    threading.Timer(0.05, disk.gate.set).start()
    assert station.keeper.close()
    assert held(Journal(folder))[0] == told([group(n) for n in range(0, 100, 2)], E1)


def test_close_gives_up_on_a_disk_that_hangs_or_refuses(folder: Path, disk: Troubled) -> None:
    station = Station(folder, disk)
    station.open()
    disk.fault = errno.EIO
    station.say()
    assert not station.keeper.close()
    hanging = Station(folder, disk, patience=MILLISECOND)
    disk.fault = 0
    disk.gate.clear()
    hanging.open(E1 + 1)
    begun = time.monotonic()
    assert not hanging.keeper.close()
    assert time.monotonic() - begun < DRAIN / SECOND + 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_our_own_is_told_and_the_next_groups_are_written(
    folder: Path, disk: Troubled, capsys: pytest.CaptureFixture[str]
) -> None:
    station = Station(folder, disk)
    station.open()
    assert station.say()
    station.keeper.commit(0, [[b"again"]], [], station.now())  # a number that was used
    assert "word 0 after 1" in station.keeper.trouble
    assert "word 0 after 1" in capsys.readouterr().err
    assert station.keeper.counters["dropped_words"] == 1
    until(station.say)
    assert station.numbers() == list(range(station.next))
    assert "word 0 after 1" in station.keeper.trouble
    station.keeper.close()


def test_a_thread_that_ends_is_told(folder: Path, disk: Troubled, capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(Troubled):
        def sync(self, fd: int) -> None:
            raise RuntimeError("no such luck")

    station = Station(folder, Broken())
    station.open()
    until(lambda: "no such luck" in station.keeper.trouble)
    assert "restart this process" in station.keeper.trouble
    said: list[str] = []

    def printed() -> bool:
        said.append(capsys.readouterr().err)
        return "no such luck" in "".join(said)

    until(printed)
    assert station.say()
    station.keeper.close()
