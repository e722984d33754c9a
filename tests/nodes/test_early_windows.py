"""Early windows: cut when a device leaves its quiet ways, besides the schedule, and each judged once, too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from nodes._node import Letter, News, Place
from nodes.trigger import Settings, Trigger
from protocol import clock
from protocol.clock import SECOND, Now
from protocol.messages import Announce, Measurements, Snapshots, Table, Verdict, Window
from tests import rebuilding
from tests.rebuilding import Kill, World, quick_disk  # noqa: F401

pytestmark = pytest.mark.usefixtures("quick_disk")

TABLE = Table(50, 0, 0, 0)
START = Now(1_000 * SECOND, 1_700_000_000 * SECOND)
FIRST = clock.slot_of(START.utc, 50)
STEPS, STEP_AT = 680, 650
"""Of a `World`: how long its devices speak; when one of them steps."""
ROW = rebuilding._row
EVENT = 3720
"""Sample of a step of the frequency."""
END = 4150


def signal(devices: int, stepping: int) -> np.ndarray:
    rng = np.random.default_rng(2)
    values = 50.0 + np.cumsum(rng.normal(0.0, 0.0003, (END, devices)), axis=0)
    values[EVENT:, :stepping] += 0.05
    return values.astype(np.float32)


def stepping_row(device: int, k: int, now: Now) -> Measurements:
    """As of `rebuilding`, and a step of the first device."""
    row = ROW(device, k, now)
    return replace(row, values=row.values + np.float32(k >= STEP_AT and device == 1))


class Bench:
    """A trigger with windows of 66 s every 11 s, and devices of which some step; it can be killed."""

    def __init__(self, run: Path, devices: int = 2, stepping: int = 1, **settings: Any) -> None:
        common = {"window": "66 s", "every": "11 s", "stagger": False, "alarm": True}
        chosen = common | {"dead_letters": str(run)} | settings
        workers = {"detector": ["prejudge.1"]}
        place = Place("windows", "windows", 1, workers, {"concentrator": ["align"]}, "", {}, "p.yaml", run / "journal")
        self.settings, self.place = Settings.model_validate(chosen), place
        self.values = signal(devices, stepping)
        self.device = np.arange(1, devices + 1, dtype=np.uint32) << 16
        self.number = self.at = 0
        self.windows: list[Window] = []
        """Sent and not answered."""
        self.verdicts: list[Verdict] = []
        self.begin()

    def begin(self) -> None:
        self.node = Trigger(self.settings, self.place)
        self.take(self.node.start(START))
        self.take(self.node.receive(Announce("align", 1, 0, self.number), START))

    def kill(self) -> None:
        """What was sent is forgotten, and the journal is as it stands."""
        assert self.node.writer.keeper
        self.node.writer.keeper.close()
        self.windows = []
        self.begin()
        self.take(self.node.wake(START))

    def take(self, actions: Any) -> None:
        for action in actions:
            if isinstance(action, News) and isinstance(action.message, Verdict):
                self.verdicts.append(action.message)
            elif isinstance(action, Letter) and isinstance(action.message, Window):
                self.windows.append(action.message)

    def feed(self, until: int, size: int = 50) -> None:
        while self.at < until:
            piece = self.values[self.at : min(self.at + size, until)]
            self.take(self.node.receive(self.word(piece), START))
            self.at += len(piece)

    def word(self, piece: np.ndarray) -> Snapshots:
        k, m = piece.shape
        self.number += 1
        return Snapshots(
            table=TABLE, slot=FIRST + np.arange(self.at, self.at + k), device=self.device,
            present=np.ones((k, m), np.uint8), quality=np.zeros((k, m), np.uint8), status=np.zeros((k, m), np.uint16),
            values=np.stack([piece, np.zeros_like(piece)], axis=2), digital=np.zeros((k, m, 0), np.uint16),
            latency=np.zeros(k, np.int64), node="align", epoch=1, number=self.number - 1,
        )  # fmt: skip

    def answer(self) -> None:
        """All that was sent."""
        while self.windows:
            window = self.windows.pop(0)
            verdict = Verdict(
                window.trigger, window.lease, window.attempt, "prejudge.1", "emd", 1, window.device, window.start,
                window.start + 66 * SECOND, "ok", False, 0, 0.5, {}, 1.0,
            )  # fmt: skip
            self.take(self.node.receive(verdict, START))

    def told(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """(device, start) of the verdicts on windows of the schedule, and of those on early ones."""
        keys = {
            cause: sorted((int(each.device[0]), each.start) for each in self.verdicts if each.cause == cause)
            for cause in ("schedule", "alarm")
        }
        return keys["schedule"], keys["alarm"]


def starts(devices: int) -> list[tuple[int, int]]:
    """The windows of the schedule that ended until now, of each device; they end at multiples of 11 s."""
    begin = -(-FIRST // 550) * 550
    each = [int(clock.slot_time(slot, 50)) for slot in range(begin, FIRST + END - 3300 + 1, 550)]
    assert len(each) == 2
    return [(device << 16, start) for device in range(1, devices + 1) for start in each]


def test_a_device_that_steps_is_judged_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.feed(EVENT)
    bench.answer()
    bench.feed(EVENT + 20, 5)
    assert bench.windows == []
    bench.feed(EVENT + 35, 5)
    [window] = bench.windows
    end = clock.slot_of(window.start, 50) + window.values.shape[-1] - FIRST
    assert (int(window.device[0]), EVENT + 25 < end <= EVENT + 35) == (1 << 16, True)
    assert np.array_equal(window.values[0, 0], bench.values[end - 3300 : end, 0])
    bench.feed(END)
    bench.answer()
    assert bench.told() == (starts(2), [(1 << 16, window.start)])
    assert (bench.node.counters["early"], bench.node.counters["windows"]) == (1, len(bench.verdicts))


def test_without_alarm_there_is_the_schedule_only(tmp_path: Path) -> None:
    bench = Bench(tmp_path, alarm=False)
    bench.feed(END)
    bench.answer()
    assert bench.told() == (starts(2), [])


def test_when_all_alarm_the_first_of_them_are_judged(tmp_path: Path) -> None:
    bench = Bench(tmp_path, devices=30, stepping=30, alarm_waiting=3)
    bench.feed(END)
    bench.answer()
    scheduled, early = bench.told()
    assert (len(early), len(set(early)), scheduled) == (3, 3, starts(30))
    assert bench.node.counters["early_passed"] == 27


def test_those_that_went_furthest_are_judged_first_and_room_that_is_made_is_used(tmp_path: Path) -> None:
    bench = Bench(tmp_path, devices=30, stepping=0, alarm_waiting=3)
    slope = np.linspace(0.05, 0.2, 30)
    bench.values[EVENT:] -= (slope / 50 * np.arange(END - EVENT)[:, None]).astype(np.float32)
    while bench.at < END:
        bench.feed(bench.at + 10, 10)
        bench.answer()
    order = [int(each.device[0]) >> 16 for each in bench.verdicts if each.cause == "alarm"]
    assert len(order) == len(set(order)) == bench.node.counters["early"] > 3
    assert min(order[:3]) > 24
    assert bench.node.counters["early"] + bench.node.counters["early_passed"] == 30
    assert bench.told()[0] == starts(30)


def test_what_is_watched_is_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.feed(2000)
    assert bench.node.health(START)["counters"]["early_watched"] == 0
    bench.feed(EVENT)
    assert bench.node.health(START)["counters"]["early_watched"] == 2


def test_early_windows_go_before_those_of_the_schedule(tmp_path: Path) -> None:
    bench = Bench(tmp_path, devices=30, in_flight=1)
    bench.feed(END)
    bench.answer()
    assert [each.cause for each in bench.verdicts[:3]] == ["schedule", "alarm", "schedule"]


@pytest.mark.parametrize("at", [EVENT + 10, EVENT + 30])
@pytest.mark.parametrize("answered", [False, True])
def test_a_kill_loses_no_early_window_and_makes_none_twice(tmp_path: Path, at: int, answered: bool) -> None:
    bench = Bench(tmp_path)
    bench.feed(EVENT - 500)
    bench.feed(at, 5)
    if answered:
        bench.answer()
    bench.kill()
    bench.feed(END, 5)
    bench.answer()
    bench.kill()
    assert bench.windows == []
    scheduled, early = bench.told()
    assert scheduled == starts(2)
    assert [device for device, _ in early] == [1 << 16]


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(None, id="before", marks=pytest.mark.slow),
        0,
        pytest.param(1, id="half-sent", marks=pytest.mark.slow),
    ],
)
def test_kills_in_the_middle_of_a_call_change_no_verdict(
    sent: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "_row", stepping_row)
    undisturbed, calls = World(tmp_path / "undisturbed", settings={"alarm": True}), 0
    for step in range(STEPS + 80):
        undisturbed.step(step < STEPS)
        calls = undisturbed.calls["windows"] if step < STEP_AT else calls
    undisturbed.close()
    assert [each.device[0] for each in undisturbed.archive.verdicts if each.cause == "alarm"] == [1]
    kills = [Kill("windows", calls + each, sent, away=1) for each in range(0, 40, 5)]
    world = World(tmp_path / "killed", kills, {"alarm": True}).run(STEPS)
    world.close()
    assert world.starts["windows"] == len(kills) + 1
    assert world.judged == undisturbed.judged


def test_an_early_window_outlives_its_trigger_with_its_samples(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.feed(EVENT)
    bench.answer()
    bench.feed(EVENT + 50)
    before = {(int(each.device[0]), each.start): each.values.tolist() for each in bench.windows}
    for _ in range(2):
        bench.kill()
        assert {(int(each.device[0]), each.start): each.values.tolist() for each in bench.windows} == before
    assert bench.node.counters["reopened"] == len(before) == 1


def test_a_device_without_enough_samples_has_no_early_window(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.values[200:700] = np.nan
    bench.feed(END)
    bench.answer()
    assert bench.told()[1] == []
    assert bench.node.counters["early_incomplete"] == 1


def test_an_early_window_never_is_one_of_the_schedule(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.feed(100)
    [samples] = [each for each in bench.node.book.samples.values() if each]
    for end in (550 * 7 - 1, 550 * 7, 550 * 7 + 1):
        found = samples.unscheduled(1 << 16, end)
        assert found == (end + 1 if end == 550 * 7 else end)


def test_only_frequency_is_watched() -> None:
    with pytest.raises(ValidationError, match="watches frequency, not angle 1; leave it out"):
        Settings.model_validate({"alarm": True, "of": "angle 1"})
