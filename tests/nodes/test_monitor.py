"""The monitor by hand: programs that answer, are late or absent; steps of the clock; disks that fill up."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from nodes import _machine, monitor
from nodes._machine import DiskState, Steps, disk_of, folders_of
from nodes._node import Place, Unwatch, Watch
from nodes._timesource import WITNESSES, ClockState, Witness, chrony
from protocol.clock import MILLISECOND, SECOND, Now

T0 = Now(1_000 * SECOND, 1_795_357_600 * SECOND)
GOOD = "C0A80001,192.168.0.1,3,1795357563.5,-0.001,0.0,0.0,-0.038,0.017,0.237,0.002,0.003,1.0,Normal"
KERNEL = ClockState("the kernel", False)
MINE = Witness("mine", ("chronyc", "-c"), chrony)
OTHER = Witness("other", ("chronyd2", "-c"), chrony)


def later(seconds: float, step: float = 0) -> Now:
    return Now(T0.monotonic + round(seconds * SECOND), T0.utc + round((seconds + step) * SECOND))


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own on PATH; the real ones are out of reach."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(monitor, "PROGRAMS", str(folder))
    return folder


def place(tmp_path: Path) -> Place:
    file = tmp_path / "pipelines" / "p.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text("nodes:\n  a: {kind: archiver, path: ../data/north}\n  b: {kind: archiver, path: 7}\n  c: 3\n")
    return Place("watch", "watch", 1, {}, {}, "/run", {}, str(file), tmp_path / "journal" / "watch")


class Hand:
    """A monitor, and what it wants to be watched."""

    def __init__(self, tmp_path: Path, witnesses: Sequence[Witness], **settings: Any) -> None:
        wanted = monitor.Settings.model_validate({"least": "0 B", "free": "0 %"} | settings)
        self.node = monitor.Monitor(wanted, place(tmp_path), witnesses, lambda: KERNEL)
        self.watched: set[int] = set()

    def act(self, actions: Any) -> None:
        for action in actions:
            if isinstance(action, Watch):
                self.watched.add(action.fd)
            elif isinstance(action, Unwatch):
                self.watched.remove(action.fd)

    def answer(self, now: Now = T0) -> None:
        """Until nothing is asked any more; bounded by the program's own end."""
        while self.watched:
            found, _, _ = select.select(self.watched, [], [], 20)
            assert found, "nobody answers"
            for fd in found:
                self.act(self.node.ready(fd, now))

    @property
    def alarms(self) -> list[str]:
        said: list[str] = self.node.health(T0)["alarms"]
        return said


@pytest.fixture
def hands() -> Iterator[list[Hand]]:
    """Stopped at the end, so that no program is left."""
    made: list[Hand] = []
    yield made
    for hand in made:
        hand.act(hand.node.stop(T0))
        assert not hand.watched


def test_it_asks_who_is_there(tmp_path: Path, programs: Path, hands: list[Hand]) -> None:
    program(programs, "chronyc", f'[ "$1" = -c ] && echo "{GOOD}"')
    hands.append(hand := Hand(tmp_path, [OTHER, MINE]))
    hand.act(hand.node.start(T0))
    hand.answer()
    counters = hand.node.health(T0)["counters"]
    assert {name: counters[name] for name in counters if name.startswith("clock")} == {
        "clock_unanswered": 0, "clock_synchronised": 1, "clock_offset_ms": 1.0, "clock_error_ms": 5.0,
        "clock_stratum": 3, "clock_steps": 0,
    }  # fmt: skip
    assert not hand.alarms
    assert counters["north_free_gib"] > 0
    assert hand.node.wake_at() == T0.monotonic + SECOND
    hand.act(hand.node.wake(later(1)))
    assert not hand.watched
    hand.act(hand.node.wake(later(10)))
    assert len(hand.watched) == 1
    hand.answer()


def test_who_is_late_is_ended_and_the_next_is_asked(tmp_path: Path, programs: Path, hands: list[Hand]) -> None:
    program(programs, "chronyc", f'echo "{GOOD}"; exec sleep 60')
    program(programs, "chronyd2", f'echo "{GOOD.replace("192.168.0.1", "192.168.0.2")}"')
    hands.append(hand := Hand(tmp_path, [MINE, OTHER]))
    hand.act(hand.node.start(T0))
    [fd] = hand.watched
    assert select.select([fd], [], [], 20)[0]
    hand.act(hand.node.ready(fd, T0))
    assert hand.node.clock is None
    hand.act(hand.node.wake(later(1)))
    hand.answer()
    assert hand.node.clock is not None
    assert hand.node.clock.source == "chrony by 192.168.0.2"
    assert hand.node.counters["clock_unanswered"] == 1
    hand.act(hand.node.wake(later(10)))
    hand.answer()
    assert hand.node.counters["clock_unanswered"] == 1, "who answered the last time is asked first"


def test_where_nobody_answers_the_kernel_does(tmp_path: Path, programs: Path, hands: list[Hand]) -> None:
    program(programs, "chronyc", "echo 506 Cannot talk to daemon; exit 1")
    hands.append(hand := Hand(tmp_path, [MINE, OTHER]))
    hand.act(hand.node.start(T0))
    hand.answer()
    assert hand.node.clock == KERNEL
    [alarm] = hand.alarms
    assert alarm.startswith("the station's clock is not synchronised (the kernel)")
    for seconds in (10, 20, 59):
        hand.act(hand.node.wake(later(seconds)))
        assert not hand.watched
    program(programs, "chronyc", f'echo "{GOOD}"')
    hand.act(hand.node.wake(later(70)))
    hand.answer()
    assert not hand.alarms


def test_a_flood_of_words_is_cut(tmp_path: Path, programs: Path, hands: list[Hand]) -> None:
    program(programs, "chronyc", "exec yes")
    hands.append(hand := Hand(tmp_path, [MINE]))
    hand.act(hand.node.start(T0))
    hand.answer()
    assert hand.node.clock == KERNEL


def test_offset_silence_and_leap_second_are_alarms(tmp_path: Path) -> None:
    node = Hand(tmp_path, []).node
    node.clock = ClockState("chrony by x", True, -25 * MILLISECOND, 1, 2, T0.utc - 3 * 3600 * SECOND, 1)
    assert node.health(T0)["alarms"] == [
        "the station's clock is 25.0 ms behind, says chrony by x; see to its time server",
        "chrony by x: nothing heard of the reference for 3.0 h, the station's clock drifts",
        "a leap second will be put in at the end of the day or month (UTC): nothing to do",
    ]
    assert node.health(T0)["counters"]["clock_leap_pending"] == 1


def test_a_step_is_told_counted_and_forgotten(tmp_path: Path) -> None:
    hand = Hand(tmp_path, [])
    hand.node._kernel = lambda: None
    hand.act(hand.node.start(T0))
    for seconds in range(1, 4):
        hand.act(hand.node.wake(later(seconds)))
    for seconds in range(4, 7):
        hand.act(hand.node.wake(later(seconds, -3600)))
    health = hand.node.health(later(7, -3600))
    assert health["counters"]["clock_steps"] == 1
    [alarm] = health["alarms"]
    assert alarm.startswith("the station's clock was put back by 3600.000 s")
    assert not hand.node.health(later(606))["alarms"]


def test_one_odd_look_and_a_slow_clock_are_no_steps() -> None:
    steps = Steps(20 * MILLISECOND)
    for second in range(100):
        odd = 0.5 if second in (7, 30) else 0
        assert not steps.look(later(second, odd + second * 0.0005))
    assert [steps.look(later(second, 5)) for second in (100, 101, 102)] == [False, True, False]
    assert steps.count == 1
    assert round(steps.last / SECOND) == 5


def test_a_full_disk_is_an_alarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = {"north": (9, DiskState(tmp_path / "north", 3 << 30, 100 << 30))}
    monkeypatch.setattr(monitor, "disk_of", lambda folder: full[folder.name])
    hand = Hand(tmp_path, [], disks=[str(tmp_path / "north")], free="5 %")
    hand.act(hand.node.start(T0))
    said = f"disk of {tmp_path / 'north'}: 3.0 GiB (3.0%) free; make room"
    assert said in hand.alarms
    full["north"] = (9, DiskState(tmp_path / "north", 50 << 30, 100 << 30))
    hand.act(hand.node.wake(later(10)))
    assert said not in hand.alarms
    assert hand.node.health(T0)["counters"]["north_free_gib"] == 50


def test_the_disks_of_a_pipeline(tmp_path: Path) -> None:
    assert folders_of(place(tmp_path)) == [tmp_path / "data" / "north", tmp_path / "journal"]
    number, state = disk_of(tmp_path / "not" / "there" / "yet")
    assert number == os.stat(tmp_path).st_dev
    assert 0 <= state.free <= state.size
    assert state.folder.name == "yet"
    assert _machine.disk_of(tmp_path)[0] == number


def test_all_witnesses_have_programs_and_parsers() -> None:
    assert [witness.command[0] for witness in WITNESSES] == ["chronyc", "ntpq", "pmc", "timedatectl"]
    assert all(witness.parse("nothing that it knows\n") is None for witness in WITNESSES)
