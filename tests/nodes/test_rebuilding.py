"""Concentrator, trigger and detectors killed at any moment: every scheduled window has one verdict, of its samples."""

from __future__ import annotations

import itertools
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.clock import SECOND
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
    stride = max(1, calls // 16)
    for call in range(1 + random.randrange(stride), calls + 1, stride):
        check(World(tmp_path / str(call), [Kill(victim, call, sent)]), undisturbed)


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
