"""Concentrator, trigger and detectors killed at any moment: every scheduled window has one verdict, of its samples."""

from __future__ import annotations

import itertools
import json
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodes import _leasing
from protocol.clock import SECOND
from tests import thorough
from tests.rebuilding import BEGIN, VICTIMS, Kill, World, quick_disk  # noqa: F401

pytestmark = pytest.mark.usefixtures("quick_disk")
STEPS = 60


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("undisturbed")).run(STEPS)
    world.close()
    return world


def test_windows_of_a_station_that_nobody_disturbs(undisturbed: World) -> None:
    for device in (1, 2):
        starts = sorted(start for one, start in undisturbed.judged if one == device)
        assert {b - a for a, b in itertools.pairwise(starts)} == {SECOND}
        assert len(starts) >= 4
        assert starts[0] - BEGIN.utc < SECOND
    assert {outcome for outcome, _ in undisturbed.judged.values()} == {"ok"}


def check(world: World, undisturbed: World, steps: int = STEPS) -> None:
    try:
        assert world.run(steps).judged == undisturbed.judged
        assert world.archive.reader.lost == 0
        for kill in world.kills:
            assert world.starts[kill.victim] > 1
    finally:
        world.close()


@pytest.mark.parametrize("sent", [None, 0, 1], ids=["before", "written", "half-sent"])
@pytest.mark.parametrize("victim", ["align", "windows", "prejudge.1"])
def test_a_kill_at_any_call_changes_no_verdict(
    victim: str, sent: int | None, tmp_path: Path, undisturbed: World
) -> None:
    """Every call once (`stride` 1) takes minutes; each run takes other ones."""
    calls = undisturbed.calls[victim]
    stride = max(1, calls // thorough.of(3, 7))
    for call in range(1 + random.randrange(stride), calls + 1, stride):
        check(World(tmp_path / str(call), [Kill(victim, call, sent)]), undisturbed)


@pytest.mark.parametrize("first", range(60, 150, thorough.of(30, 12)))
def test_a_trigger_killed_again_as_it_comes_back_leaves_no_window_open(
    first: int, tmp_path: Path, undisturbed: World
) -> None:
    deaths = [Kill("windows", first, 0, away=2), *(Kill("windows", first + k, sent=0, away=1) for k in (1, 2, 4, 7))]
    check(World(tmp_path, deaths), undisturbed)


def kills() -> st.SearchStrategy[list[Kill]]:
    one = st.builds(
        Kill, st.sampled_from(VICTIMS), st.integers(1, 250), st.none() | st.integers(0, 4), st.integers(1, 25)
    )
    return st.lists(one, max_size=8)


class Network:
    """Turns letters and news of a step around, doubles and drops some."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def __call__(self, mail: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
        moved = [each for each in mail for _ in range(self.random.choices((0, 1, 2), (1, 18, 1))[0])]
        if self.random.random() < 0.3:
            self.random.shuffle(moved)
        return moved


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kills(), st.integers(0, 1 << 32))
def test_kills_losses_twins_and_disorder_change_no_verdict(
    tmp_path: Path, undisturbed: World, killed: list[Kill], seed: int
) -> None:
    """The concentrator waits so long that what is fetched again is not late."""
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        world = World(Path(folder), killed, wait="8 s", shuffle=Network(seed))
        try:
            assert world.run(STEPS, after=400).judged == undisturbed.judged
        finally:
            world.close()


def starts(world: World, device: int) -> list[float]:
    """Seconds from the beginning to each window of a device."""
    return sorted((start - BEGIN.utc) / SECOND for one, start in world.judged if one == device)


def test_a_trigger_that_was_away_for_a_minute_goes_on_where_it_stopped(tmp_path: Path) -> None:
    whole, broken = World(tmp_path / "whole"), World(tmp_path / "broken", [Kill("windows", 60, None, away=600)])
    try:
        assert broken.run(900).judged == whole.run(900).judged
        assert broken.archive.reader.lost == broken.nodes["windows"].reader.lost == 0
    finally:
        whole.close()
        broken.close()


@pytest.mark.parametrize("node", ["align", "windows", "prejudge.1"])
def test_a_node_that_stood_still_loses_no_sample(node: str, tmp_path: Path) -> None:
    whole, halted = World(tmp_path / "whole"), World(tmp_path / "halted", stopped={node: range(60, 130)})
    try:
        assert halted.run(300).judged == whole.run(300).judged
    finally:
        whole.close()
        halted.close()


def test_an_absence_within_an_outage_has_its_verdicts(tmp_path: Path) -> None:
    """Device 1 is silent for eight seconds, device 2 for good; concentrator and trigger die meanwhile."""
    silent = {1: range(40, 120), 2: range(60, 1000)}
    kills = [Kill("windows", 150, 0), Kill("align", 250), Kill("windows", 300)]
    world = World(tmp_path, kills, silent=lambda device, step: step in silent[device])
    try:
        world.run(200)
        assert starts(world, 1) == [0.6 + k for k in range(len(starts(world, 1)))]
        assert starts(world, 1)[-1] >= 16
        assert starts(world, 2) == [0.2 + k for k in range(6)]
        outcomes = [outcome for (device, _), (outcome, _) in sorted(world.judged.items()) if device == 1]
        assert outcomes[:2] + outcomes[11:] == ["ok"] * (len(outcomes) - 9)
        assert outcomes[2:11] == ["incomplete"] * 9
        empty = [v for v in world.archive.verdicts if v.device[0] == 1 and v.completeness == 0]
        assert len(empty) == 6
    finally:
        world.close()


def test_a_dead_letter_is_kept_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers; the trigger dies as it buries a window, after the letter and before the verdict."""
    plain, buried = World(tmp_path / "plain", settings={"attempts": 1}), []
    plain.nodes["prejudge.1"] = plain.nodes["prejudge.2"] = Mute()
    keep = plain.nodes["windows"].letters.keep
    monkeypatch.setattr(
        plain.nodes["windows"].letters, "keep", lambda *args: (buried.append(plain.calls["windows"]), keep(*args))
    )
    plain.run(STEPS).close()
    assert {outcome for outcome, _ in plain.judged.values()} == {"failed"}
    for call in buried:
        folder = tmp_path / str(call)
        world = World(folder, [Kill("windows", call, None)], settings={"attempts": 1})
        world.nodes["prejudge.1"] = world.nodes["prejudge.2"] = Mute()
        world.run(STEPS).close()
        assert world.starts["windows"] == 2
        lines = [json.loads(line) for line in (folder / "windows.jsonl").read_text().splitlines()]
        assert sorted((line["device"][0], line["start"]) for line in lines) == sorted(world.judged)
        assert world.judged.keys() == plain.judged.keys()


class Mute:
    """A detector that never answers."""

    def receive(self, window: Any, now: Any) -> list[Any]:
        return []


def test_other_settings_begin_other_windows_and_leave_none_open(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.nodes["prejudge.1"] = world.nodes["prejudge.2"] = Mute()
    try:
        for _ in range(35):
            world.step(True)
        assert world.judged == {}
        world.end("windows")
        world.settings = {"window": "3 s"}
        for name in ("windows", "prejudge.1", "prejudge.2"):
            world.start(name)
        world.run(60)
        lengths = {v.start: round(v.completeness, 3) for v in world.archive.verdicts if v.device[0] == 1}
        assert set(lengths.values()) == {1.0}
        assert starts(world, 1)[:2] == [0.6, 3.6]
        later = [start for start in starts(world, 1) if start > 2]
        assert later[0] >= 3.4
        assert {round(b - a, 3) for a, b in itertools.pairwise(later)} == {1.0}
    finally:
        world.close()


def test_the_journal_of_a_trigger_stays_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_leasing, "SEGMENT", 4 << 10)
    world = World(tmp_path, [Kill("windows", 2500, 0)])
    try:
        world.run(1200)
        keeper = world.nodes["windows"].writer.keeper
        assert keeper.counters["bytes"] < 40 << 10
        assert starts(world, 1) == [round(0.6 + k, 1) for k in range(len(starts(world, 1)))]
        assert {outcome for outcome, _ in world.judged.values()} == {"ok"}
    finally:
        world.close()


def test_receivers_may_forget_what_the_concentrator_does_not_need_any_more(undisturbed: World) -> None:
    for receiver in undisturbed.receivers.values():
        assert receiver.writer.next - receiver.writer.first <= 20
