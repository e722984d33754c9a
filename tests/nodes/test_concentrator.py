from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nodes._node import Letter, News, Place
from nodes.concentrator import Concentrator, Settings
from protocol import clock
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Announce, Configuration, Fetch, Measurements, Snapshots, Table

TABLE = Table(50, 1, 0, 1)
START = Now(1_000 * SECOND, 1_700_000_000 * SECOND)
PLACE = Place("align", "align", 1, {}, {"receiver": ["receivers.1"]}, "/run", {}, "p.yaml")


def later(ns: int) -> Now:
    return Now(START.monotonic + ns, START.utc + ns)


def configuration(device: int, version: int = 1, table: Table = TABLE) -> Configuration:
    return Configuration(
        device=device,
        version=version,
        link=f"link{device}",
        stream=device,
        station=device,
        name=f"PMU {device}",
        protocol="c37118",
        table=table,
        time_base=1_000_000,
        nominal=50,
        count=1,
        phasors=["VA"] * table.phasors,
        phasor_units=["V"] * table.phasors,
        analogs=[],
        analog_units=[],
        digitals=[[""] * 16],
        digital_normal=[0],
        digital_valid=[0],
    )


class Bench:
    """A concentrator, the one receiver that feeds it, and all that it said."""

    def __init__(self, **settings: Any) -> None:
        self.node = Concentrator(Settings(**settings), PLACE)
        list(self.node.start(START))
        list(self.node.receive(Announce("receivers.1", 1, 0, 0), START))
        self.number = 0
        self.said: list[Any] = []

    def give(self, word: Any, now: Now) -> list[Any]:
        word = word.__class__(**{**word.__dict__, "node": "receivers.1", "epoch": 1, "number": self.number})
        self.number += 1
        return self.note(self.node.receive(word, now))

    def note(self, actions: Any) -> list[Any]:
        said = [action.message for action in actions if isinstance(action, News)]
        self.said += said
        return said

    def send(self, times: dict[int, int], now: Now, aside: int = 0, table: Table = TABLE) -> list[Any]:
        """One row per device: device -> time."""
        n = len(times)
        word = Measurements(
            table=table,
            device=np.array(list(times), dtype=np.uint32),
            time=np.array(list(times.values()), dtype=np.int64),
            arrival=np.full(n, now.utc, dtype=np.int64),
            snapped=np.zeros(n, dtype=np.int32),
            quality=np.zeros(n, dtype=np.uint8),
            status=np.zeros(n, dtype=np.uint16),
            aside=np.full(n, aside, dtype=np.uint8),
            values=np.ones((n, table.channels), dtype=np.float32),
            digital=np.zeros((n, table.digitals), dtype=np.uint16),
        )
        return self.give(word, now)

    def run(self, offsets: dict[int, int], start: int, seconds: int) -> list[Snapshots]:
        """Every device sends on the grid, 20 ms late, with its clock off as told; returns the snapshots."""
        before = len(self.said)
        for k in range(seconds * 50):
            at = start + k * 20 * MILLISECOND
            self.send({device: START.utc + at + off for device, off in offsets.items()}, later(at + 20 * MILLISECOND))
            due = self.node.wake_at()
            if due is not None and due <= later(at + 30 * MILLISECOND).monotonic:
                self.note(self.node.wake(later(at + 30 * MILLISECOND)))
        return [word for word in self.said[before:] if isinstance(word, Snapshots)]

    def columns(self) -> dict[int, dict[str, float]]:
        health = self.node.health(START)
        rows = zip(health["devices"].tolist(), health["counts"].tolist(), strict=True)
        return {device: dict(zip(health["columns"], row, strict=True)) for device, row in rows}


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    for device in (1, 2, 3):
        made.give(configuration(device), START)
    return made


def test_configurations_are_forwarded_once_and_again_when_changed(bench: Bench):
    assert [word.device for word in bench.said] == [1, 2, 3]
    assert [(word.node, word.number) for word in bench.said] == [("align", 0), ("align", 1), ("align", 2)]
    assert bench.give(configuration(2), START) == []
    assert [word.version for word in bench.give(configuration(2, version=2), START)] == [2]


def test_a_slot_is_said_when_its_last_device_came(bench: Bench):
    time = START.utc
    assert bench.send({1: time, 2: time}, later(10 * MILLISECOND)) == []
    [snapshots] = bench.send({3: time}, later(30 * MILLISECOND))
    assert snapshots.slot.tolist() == [clock.slot_of(time, 50)]
    assert snapshots.device.tolist() == [1, 2, 3]
    assert snapshots.latency.tolist() == [0]


def test_a_slot_without_one_device_waits_and_names_it(bench: Bench):
    bench.send({1: START.utc, 2: START.utc}, START)
    assert bench.node.wake_at() <= later(100 * MILLISECOND).monotonic
    [snapshots] = [w for w in bench.note(bench.node.wake(later(100 * MILLISECOND))) if isinstance(w, Snapshots)]
    assert snapshots.present.tolist() == [[1, 1, 0]]
    assert np.isnan(snapshots.values[0, 2]).all()
    assert snapshots.latency.tolist() == [100 * MILLISECOND]
    assert bench.columns()[3]["missing"] == 1


def test_rows_aside_reach_no_slot(bench: Bench):
    bench.send({1: 0, 2: 0, 3: 0}, START, aside=1)
    assert bench.node.health(START)["queues"]["slots"] == 0
    assert bench.node.health(START)["counters"]["aside"] == 3


def test_tables_stand_side_by_side(bench: Bench):
    slow = Table(10, 2, 0, 0)
    bench.give(configuration(9, table=slow), START)
    [snapshots] = bench.send({9: START.utc}, START, table=slow)
    assert snapshots.table == slow
    assert snapshots.values.shape == (1, 1, slow.channels)


def test_a_device_that_changed_its_table_is_not_waited_for_in_the_old_one(bench: Bench):
    bench.give(configuration(3, version=2, table=Table(50, 2, 0, 1)), START)
    [snapshots] = bench.send({1: START.utc, 2: START.utc}, START)
    assert snapshots.device.tolist() == [1, 2]


@pytest.mark.parametrize("wrong", [3600 * SECOND, -3600 * SECOND, 3 * SECOND, 300 * MILLISECOND, -300 * MILLISECOND])
def test_a_wrong_clock_is_marked_and_holds_up_nobody(bench: Bench, wrong: int):
    bench.run({1: 0, 2: 0, 3: wrong}, 0, 5)
    after = bench.run({1: 0, 2: 0, 3: wrong}, 5 * SECOND, 5)
    assert sum(s.slot.size for s in after) == 250
    assert all(s.present.all() and s.device.tolist() == [1, 2] for s in after)
    assert max(int(s.latency.max()) for s in after) == 0
    columns = bench.columns()
    assert columns[1]["late"] == columns[2]["late"] == 0
    assert columns[3]["clock_off"] > 250
    [alarm] = bench.node.health(START)["alarms"]
    assert "PMU 3" in alarm
    assert f"{abs(wrong) / SECOND:.3f} s {'ahead of' if wrong > 0 else 'behind'}" in alarm


def test_a_wrong_clock_alone_at_the_start_leads_nobody_astray():
    bench = Bench()
    bench.give(configuration(1), START)
    ahead = bench.run({1: 3600 * SECOND}, 0, 2)
    assert sum(s.slot.size for s in ahead) == 100
    bench.give(configuration(2), later(2 * SECOND))
    bench.run({1: 3600 * SECOND, 2: 0}, 2 * SECOND, 5)
    after = bench.run({1: 3600 * SECOND, 2: 0}, 7 * SECOND, 2)
    assert [s.device.tolist() for s in after] == [[2]] * 100
    assert bench.node.counters["rewinds"] == 1


def test_a_clock_that_came_back_is_aligned_again(bench: Bench):
    bench.run({1: 0, 2: 0, 3: 60 * SECOND}, 0, 5)
    bench.run({1: 0, 2: 0, 3: 0}, 5 * SECOND, 10)
    last = bench.run({1: 0, 2: 0, 3: 0}, 15 * SECOND, 1)[-1]
    assert last.device.tolist() == [1, 2, 3]
    assert last.present.all()
    assert bench.node.health(START)["alarms"] == []


def test_a_capture_of_2008_at_full_speed_is_aligned(bench: Bench):
    old = 1_203_000_000 * SECOND
    for k in range(500):
        bench.send(dict.fromkeys((1, 2, 3), old + k * 20 * MILLISECOND), later(k * 100_000))
    snapshots = [word for word in bench.said if isinstance(word, Snapshots)]
    assert sum(s.slot.size for s in snapshots) == 500


def test_a_missed_word_is_fetched_and_rows_wait_for_it(bench: Bench):
    bench.number += 1
    word = Measurements(
        TABLE,
        np.zeros(0, "u4"),
        np.zeros(0, "i8"),
        np.zeros(0, "i8"),
        np.zeros(0, "i4"),
        np.zeros(0, "u1"),
        np.zeros(0, "u2"),
        np.zeros(0, "u1"),
        np.zeros((0, TABLE.channels), "f4"),
        np.zeros((0, 1), "u2"),
        node="receivers.1",
        epoch=1,
        number=bench.number,
    )
    [letter] = bench.node.receive(word, START)
    assert isinstance(letter, Letter)
    assert letter.to == "receivers.1"
    assert letter.message == Fetch("align", 1, 3, 4)


def test_readers_may_fetch_recent_snapshots(bench: Bench):
    bench.send({1: START.utc, 2: START.utc, 3: START.utc}, START)
    letters = list(bench.node.receive(Fetch("windows", START.utc, 0, 99), START))
    assert [letter.to for letter in letters] == ["windows"] * 4
    assert isinstance(letters[-1].message, Snapshots)


def test_stop_hands_on_what_is_held(bench: Bench):
    bench.send({1: START.utc}, START)
    snapshots, announce = bench.note(bench.node.stop(START))
    assert snapshots.present.tolist() == [[1, 0, 0]]
    assert isinstance(announce, Announce)
    assert announce.next == snapshots.number + 1


def test_health_has_a_row_for_each_device(bench: Bench):
    bench.run({1: 0, 2: 0, 3: 0}, 0, 1)
    columns = bench.columns()
    assert set(columns) == {1, 2, 3}
    assert columns[2] == {
        "received": 50,
        "late": 0,
        "duplicate": 0,
        "missing": 0,
        "clock_off": 0,
        "latency_ms": 20,
        "clock_offset_ms": 0,
    }


def test_health_tells_how_far_clocks_are_off(bench: Bench):
    bench.run({1: 0, 2: 0, 3: 300 * MILLISECOND}, 0, 1)
    told = bench.columns()
    assert [told[device]["clock_offset_ms"] for device in (1, 2, 3)] == [0, 0, 300]


def test_what_came_while_it_had_no_turn_is_taken_before_slots_are_given_up(bench: Bench):
    times = [START.utc + k * 20 * MILLISECOND for k in range(2)]
    bench.send({1: times[0], 2: times[0]}, START)
    waited = [bench.send({1: time, 2: time, 3: time}, later(300 * MILLISECOND)) for time in times[1:]]
    assert waited == [[]]  # the older slot goes first, and its last row waits to be taken
    said = bench.send({3: times[0]}, later(300 * MILLISECOND))
    assert np.concatenate([word.slot for word in said]).tolist() == [clock.slot_of(time, 50) for time in times]
    assert all(word.present.all() for word in said)
    assert bench.columns()[3]["late"] == 0


def test_rows_that_come_late_are_said_apart(bench: Bench):
    times = [START.utc + k * 20 * MILLISECOND for k in range(3)]
    for time in times:
        bench.send({1: time, 2: time}, START)
    bench.note(bench.node.wake(later(100 * MILLISECOND)))
    said = bench.send({3: times[1]}, later(110 * MILLISECOND))
    [late] = [word for word in said if isinstance(word, Snapshots)]
    assert late.late
    assert (late.slot.tolist(), late.device.tolist()) == ([clock.slot_of(times[1], 50)], [3])
    assert late.values.tolist() == np.ones((1, 1, TABLE.channels)).tolist()
    assert bench.columns()[3]["late"] == 1
    assert sum(word.slot.size for word in bench.said if isinstance(word, Snapshots) and not word.late) == 3


def test_what_is_older_than_ten_minutes_is_for_the_archive_alone(bench: Bench):
    bench.send({1: START.utc, 2: START.utc}, START)
    bench.note(bench.node.wake(later(100 * MILLISECOND)))
    said = bench.send({3: START.utc - 601 * SECOND}, later(110 * MILLISECOND))
    assert [word for word in said if isinstance(word, Snapshots)] == []


def test_after_a_cut_old_rows_of_many_are_no_wrong_clock_of_the_few_that_are_new() -> None:
    """Behind a line that was cut for a minute most rows are old; slots do not go back for them."""
    bench = Bench()
    devices = range(1, 8)
    for device in devices:
        bench.give(configuration(device), START)
    period = 20 * MILLISECOND
    for k in range(100):
        bench.send(dict.fromkeys(devices, START.utc + k * period), later(k * period))
    back = 60 * SECOND
    for k in range(100):
        now = later(back + k * period)
        bench.send({1: now.utc}, now)
        for burst in range(5):
            old = START.utc + (100 + 5 * k + burst) * period
            bench.send(dict.fromkeys(devices[1:], old), now)
    assert bench.node.counters["rewinds"] == 0
    released = [word for word in bench.said if isinstance(word, Snapshots) and not word.late]
    slots = [slot for word in released for slot in word.slot.tolist()]
    assert slots == sorted(set(slots))
