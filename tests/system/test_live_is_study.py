"""What a station said live is what a study of its archive says: every verdict, every event.

Rows that came when their slots were released are kept, and a study has them in their slots: windows that hold such rows
may be judged otherwise, and are told. The waiting time is long, so that a busy machine makes no row late.
"""

from __future__ import annotations

import math
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archive.events import Event, list_events
from archive.reading import open_archive
from commands._archivestudy import run, task_of
from commands._station import PrivateStation, free_port
from nodes._pipeline import Pipeline
from protocol.clock import SECOND

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
SHARED = Path(os.environ.get("SYMS_SHARED", Path(__file__).parents[3] / "shared")) / "data" / "scenarios"
STARTING, DRAINING = 180.0, 90.0
CLOSE = 1e-6
"""Share of a score: float32 of the archive, and no more."""
ROUNDED = {"score": 1e-3, "confidence": 1e-3, "size_mhz": 0.02, "latitude": 1e-3, "longitude": 1e-3}
"""What events may differ by: the order in which suspicions came is that of their devices in the window."""


@dataclass(frozen=True)
class Case:
    """What happens, and how it is looked at."""

    name: str
    devices: dict[str, Any]
    seconds: float
    window: str
    every: str
    around: str
    answers: str
    kind: str = ""
    """Of the event that is to be found; "" if there need not be one."""


def simulated(scenario: str, at: int, seconds: int) -> dict[str, Any]:
    """Eight devices, two with faults of their own."""
    faults = [{"kind": "gap", "device": 3, "every": "17 s", "length": "300 ms"}]
    return {"devices": 8, "scenario": scenario, "at": f"{at} s", "duration": f"{seconds} s", "faults": faults}


SHORT = Case("trip", simulated("generation_trip", 34, 54), 54, "20 s", "5 s", "[-30 s, +8 s]", "[3 s, 8 s]", "gen_trip")
LONG = [
    Case(
        scenario,
        simulated(scenario, 80, 125),
        125,
        "20 s",
        "10 s",
        "[-60 s, +30 s]",
        "[3 s, 10 s, 30 s]",
    )
    for scenario in ("generation_trip", "fault", "oscillation", "none")
]
RECORDED = [
    Case(
        window,
        {"recording": str(SHARED), "window": window},
        180,
        "60 s",
        "30 s",
        "[-60 s, +30 s]",
        "[3 s, 10 s, 30 s]",
    )
    for window in ("IEEE39-S041", "IEEE39-S058", "IEEE39-S002")
]


def wiring(case: Case, folder: Path) -> dict[str, Any]:
    dead = str(folder / "dead-letters")
    return {
        "devices": {"kind": "simulator", "to": "front", **case.devices},
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}"},
        "receivers": {"kind": "receiver", "from": "front", "copies": 2},
        "archive": {
            "kind": "archiver", "from": ["receivers", "windows", "suspects"], "path": str(folder / "data"),
            "settle": "2 s",
        },
        "align": {"kind": "concentrator", "from": "receivers", "wait": "1 s"},
        "windows": {
            "kind": "trigger", "from": "align", "window": case.window, "every": case.every, "alarm": True,
            "alarm_waiting": 1000, "dead_letters": dead,
        },
        "prejudge": {"kind": "detector", "from": "windows"},
        "suspects": {
            "kind": "trigger", "from": ["align", "windows"], "on": "suspicion", "window": case.around,
            "answers": case.answers, "neighbours": "all", "sweep": "20 s", "dead_letters": dead,
        },
        "identify": {"kind": "detector", "from": "suspects", "algorithm": "disturbance"},
    }  # fmt: skip


def live(case: Case, folder: Path) -> tuple[Pipeline, int]:
    """A station that ran until its devices had sent all; how many rows were late."""
    nodes = wiring(case, folder)
    for setting, node in (("window", "suspects"), ("answers", "suspects")):
        nodes[node][setting] = [each.strip() for each in nodes[node][setting].strip("[]").split(",")]
    with PrivateStation(nodes, {"station": "live", "unknown": "admit"}) as station:
        assert station.wait(lambda board: board.total("simulator", "connected") > 0, STARTING)
        assert station.wait(lambda board: over(board), case.seconds + DRAINING), station.troubles()
        settled = time.monotonic() + 15.0  # patience of the event trigger, and settling of the archive
        station.wait(lambda board: time.monotonic() > settled and idle(board), DRAINING)
        late = int(station.board.total("concentrator", "late"))
        pipeline = station.pipeline
        station.stop()
    return pipeline, late


def over(board: Any) -> bool:
    """All devices came, and all have gone."""
    came, went = (board.total("balancer", name) for name in ("handed_over", "ended"))
    return bool(came and went >= came)


def idle(board: Any) -> bool:
    """Nothing waits for a detector."""
    voices = [board.voices[name].last.queues for name in ("windows", "suspects") if name in board.voices]
    return not any(queues["waiting"] + queues["in_flight"] for queues in voices)


def verdicts(path: Path) -> dict[tuple[str, int, int], dict[str, Any]]:
    """(trigger, device, start) -> what was said of the window."""
    with open_archive(path) as found:
        rows = found.verdicts()
    names = ("stop", "outcome", "suspicious", "onset", "score", "completeness")
    keys = zip(rows["trigger"].tolist(), rows["device"].tolist(), rows["start"].tolist(), strict=True)
    return {key: {name: rows[name][k] for name in names} for k, key in enumerate(keys)}


def events(path: Path) -> list[Event]:
    return [*list_events(path), *list_events(path, rejected=True)]


def other(one: dict[str, Any], that: dict[str, Any]) -> bool:
    """Whether two verdicts on a window say something else."""
    exact = ("stop", "outcome", "suspicious", "onset", "completeness")
    close = np.isclose(one["score"], that["score"], rtol=CLOSE, atol=0.0)
    return any(one[name] != that[name] for name in exact) or not close


def check(case: Case, folder: Path) -> None:
    """Run it live, study its archive, and compare."""
    pipeline, late = live(case, folder)
    task = task_of(folder / "data", pipeline, None, None, folder / "study")
    run(task, 1, lambda *_: None)
    said, again = verdicts(folder / "data"), verdicts(task.out)
    assert said
    differ = sorted(key for key in said.keys() | again.keys() if key not in said or key not in again)
    differ += sorted(key for key in said.keys() & again.keys() if other(said[key], again[key]))
    print(f"{case.name}: {len(said)} windows, {late} late rows, windows that differ: {differ}")
    assert not differ or late, differ
    compare_events(events(folder / "data"), events(task.out))
    if case.kind:
        assert case.kind in [event.kind for event in events(task.out)]


def compare_events(said: list[Event], again: list[Event]) -> None:
    """The same events, with what is said of each."""
    assert [(event.id, event.answer, event.final) for event in said] == [
        (event.id, event.answer, event.final) for event in again
    ]
    for one, that in zip(said, again, strict=True):
        assert (one.disturbance, one.kind, one.bad, one.nearest[:1]) == (
            that.disturbance, that.kind, that.bad, that.nearest[:1],
        )  # fmt: skip
        assert abs(one.onset - that.onset) <= SECOND // 50
        assert sorted(one.devices) == sorted(that.devices)
        for name, most in ROUNDED.items():
            this, other_ = getattr(one, name), getattr(that, name)
            assert this == pytest.approx(other_, rel=1e-3, abs=most) or (math.isnan(this) and math.isnan(other_)), name


@pytest.mark.slow
def test_a_trip(tmp_path: Path) -> None:
    check(SHORT, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("case", LONG, ids=lambda case: case.name)
def test_what_simulated_devices_see(case: Case, tmp_path: Path) -> None:
    check(case, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "labels.json").exists(), reason="the recordings are not there")
@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case.name)
def test_recordings(case: Case, tmp_path: Path) -> None:
    check(case, tmp_path)
    shutil.rmtree(tmp_path)
