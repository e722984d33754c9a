"""Any order of kills, partitions and full disks, in a whole station moved by hand: nothing is lost, nothing is twice.

`SYMS_MACHINE_EXAMPLES=1000` looks for longer, with more in each example.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from nodes import receiver
from tests import thorough
from tests.lossless import LINKS, Keeper, Station
from tests.rebuilding import VICTIMS, Kill, quick_disk

__all__ = ["quick_disk"]
pytestmark = pytest.mark.usefixtures("quick_disk")
EXAMPLES = int(os.environ.get("SYMS_MACHINE_EXAMPLES", "0"))
WAYS = [("align", "windows"), ("windows", "align"), ("windows", "archive"), ("archive", "windows")]
WAYS += [each for name in LINKS for other in ("align", "archive") for each in ((name, other), (other, name))]
WAYS += [each for name in VICTIMS[2:] for each in (("windows", name), (name, "windows"))]


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Receivers keep their journals without threads, and hundreds of lives have much to log."""
    monkeypatch.setattr(receiver, "Keeper", Keeper)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


class Machine(RuleBasedStateMachine):
    """What can happen to a station."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="syms-"))
        self.station = Station(self.folder)

    @rule(steps=st.integers(1, 25))
    def time_goes_on(self, steps: int) -> None:
        for _ in range(steps):
            self.station.step(speak=True)

    @rule(name=st.sampled_from(sorted(LINKS)), at=st.integers(1, 60))
    def a_receiver_dies(self, name: str, at: int) -> None:
        self.station.fronts[name].fuse = at

    @rule(victim=st.sampled_from(VICTIMS), calls=st.integers(1, 12), sent=st.none() | st.integers(0, 4),
          away=st.integers(1, 25))  # fmt: skip
    def a_node_dies(self, victim: str, calls: int, sent: int | None, away: int) -> None:
        self.station.kills.append(Kill(victim, self.station.calls[victim] + calls, sent, away))

    @rule(at=st.integers(2, 30))
    def the_archive_dies_as_it_writes(self, at: int) -> None:
        self.station.store.disk.left = at

    @rule(away=st.integers(0, 25))
    def the_archive_dies(self, away: int) -> None:
        self.station.store.kill(away)

    @precondition(lambda self: not self.station.store.disk.full)
    @rule()
    def the_disk_is_full(self) -> None:
        self.station.store.disk.full = True

    @precondition(lambda self: self.station.store.disk.full)
    @rule()
    def the_disk_has_room(self) -> None:
        self.station.store.disk.full = False

    @rule(ways=st.sets(st.sampled_from(WAYS), min_size=1, max_size=4))
    def a_way_is_cut(self, ways: set[tuple[str, str]]) -> None:
        self.station.part(ways)

    @precondition(lambda self: self.station.cut)
    @rule()
    def all_ways_are_mended(self) -> None:
        self.station.cut.clear()

    def teardown(self) -> None:
        try:
            self.station.finish()
            self.station.check()
        finally:
            self.station.close()
            shutil.rmtree(self.folder)


def test_a_station_that_nobody_disturbs_loses_nothing_and_the_check_sees_what_is_missing(tmp_path: Path) -> None:
    station = Station(tmp_path)
    for _ in range(60):
        station.step(speak=True)
    station.finish()
    station.check()
    front = station.fronts["receivers.1"]
    for wrong in ([*front.sent, (front.sent[-1][0] + 1, 50.0)], front.sent[:-1], [*front.sent[:-1], (0, 50.0)]):
        sent, front.sent = front.sent, wrong
        with pytest.raises(AssertionError):
            station.check()
        front.sent = sent


def test_whatever_happens_each_frame_is_archived_once_and_each_window_judged_once() -> None:
    chosen: dict[str, Any] = {
        "max_examples": thorough.of(4, 8),
        "stateful_step_count": 20,
        "phases": set(Phase) - {Phase.shrink},
    }
    if EXAMPLES:
        chosen = {"max_examples": EXAMPLES, "stateful_step_count": 30}
    asked = settings(**chosen, suppress_health_check=list(HealthCheck), deadline=None)
    run_state_machine_as_test(Machine, settings=asked)  # type: ignore[no-untyped-call]
