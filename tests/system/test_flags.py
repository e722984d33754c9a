"""Bad data in a station of real processes: each kind is flagged of the device that sends it, in its span, and no other.

What shows in single samples is told by the concentrator; what shows in windows of several devices by the sweeps of the
event trigger. All of it stands in the archive, which keeps what the devices sent.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archive.folder import ArchiveError
from archive.reading import open_archive
from commands._station import PrivateStation, free_port
from console.board import Board
from protocol.clock import SECOND
from protocol.messages import device_number

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(600)]

PERIOD = SECOND // 50
EVERY, LENGTH = 60, 8
"""Seconds after the simulator's start from which on devices send bad data, and for how long."""
FAULTS = {
    1: {"kind": "frozen"},
    2: {"kind": "zero_fill"},
    3: {"kind": "gap"},
    4: {"kind": "spikes"},
    5: {"kind": "noise_burst"},
    6: {"kind": "step"},
    7: {"kind": "drift"},
    8: {"kind": "clock_offset", "offset": "-85 ms"},
    9: {"kind": "gap", "every": "2 s", "length": "40 ms"},
    10: {"kind": "wrong_clock", "offset": "-5 s"},
}
DEVICES = 20
LIVE = {1: "frozen", 2: "zero_fill", 3: "gap", 4: "spikes", 9: "packet_loss", 10: "clock_offset"}
"""Link -> what the concentrator says."""
JUMP, KEPT_AWAY = (8, "packet_loss"), (10, "gap")
"""A clock that is put right again leaves out the rows of that time; where the machine is so busy that a wrong clock is
not known in time, its rows, which are kept away, are missed."""
EARLY = (8, "step_offset")
"""A sweep that ends in the first seconds of it can't tell a clock from a step of the angle; the next one does."""
SWEPT = {**LIVE, 5: "noise_burst", 6: "step_offset", 7: "drift", 8: "clock_offset"}
PATIENCE = 300.0


def wiring(folder: Path) -> dict[str, Any]:
    faults = [{"every": f"{EVERY} s", "length": f"{LENGTH} s", "device": device, **fault}
              for device, fault in FAULTS.items()]  # fmt: skip
    return {
        "pmus": {
            "kind": "simulator",
            "to": "front",
            "devices": DEVICES,
            "rate": "50/s",
            "phasors": 3,
            "faults": faults,
        },
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}"},
        "receivers": {"kind": "receiver", "from": "front"},
        "archive": {"kind": "archiver", "from": ["receivers", "align", "suspects"], "path": str(folder / "north")},
        "align": {"kind": "concentrator", "from": "receivers", "wait": "200 ms", "flags": True},
        "windows": {"kind": "trigger", "from": "align", "dead_letters": str(folder / "letters")},
        "prejudge": {"kind": "detector", "from": "windows"},
        "suspects": {
            "kind": "trigger",
            "from": ["align", "windows"],
            "on": "suspicion",
            "window": ["-70 s", "+30 s"],
            "neighbours": "all",
            "sweep": "20 s",
            "dead_letters": str(folder / "letters"),
        },
        "identify": {"kind": "detector", "from": "suspects", "algorithm": "disturbance"},
    }


SITE = {
    "station": "test",
    "devices": [{"name": f"pmu {link}", "number": link, "stream": link} for link in range(1, DEVICES + 1)],
}


@dataclass(frozen=True)
class Span:
    link: int
    kind: str
    start: int
    stop: int
    by: str
    going: bool


def spans(path: Path) -> list[Span]:
    try:
        with open_archive(path) as found:
            rows = found.flags()
    except ArchiveError:
        return []
    columns = (rows[name].tolist() for name in ("device", "kind", "start", "stop", "by", "going"))
    return [Span(device >> 16, *more, bool(going)) for device, *more, going in zip(*columns, strict=True)]


def ended(found: list[Span], by: str) -> set[tuple[int, str]]:
    """What goes on from the beginning to the end counts, too."""
    return {(each.link, each.kind) for each in found if each.by == by and (not each.going or each.link in (9, 10))}


@dataclass
class Story:
    found: list[Span]
    alarms: set[str]
    bad_now: dict[str, float]
    folder: Path
    listed: list[dict[str, Any]]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("flags")
    path, alarms, counts = folder / "north", set[str](), dict[str, float]()
    looked = 0.0

    def complete(board: Board) -> bool:
        nonlocal looked
        for _, health in board.last():
            alarms.update(alarm for alarm in health.alarms if "bad data" in alarm)
        for row in board.devices():
            counts[row["name"]] = max(counts.get(row["name"], 0.0), row["counts"].get("concentrator_bad_now", 0.0))
        if time.monotonic() < looked + 2.0:
            return False
        looked, found = time.monotonic(), spans(path)
        return ended(found, "align") >= set(LIVE.items()) and ended(found, "suspects") >= set(SWEPT.items()) - {
            (10, "clock_offset")
        }

    with PrivateStation(wiring(folder), SITE) as station:
        assert station.wait(complete, PATIENCE), (spans(path), station.board.alarms(0.0))
        station.supervisor.stop("pmus")
        station.stop()
    ask = [sys.executable, "-m", "commands", "flags", str(path), "--json"]
    listed = json.loads(subprocess.run(ask, check=True, capture_output=True, text=True, timeout=60).stdout)
    return Story(spans(path), alarms, counts, path, listed)


def test_bad_devices_are_flagged_by_their_kind_and_no_others(story: Story) -> None:
    assert {(each.link, each.kind) for each in story.found if each.by == "align"} - {JUMP, KEPT_AWAY} == set(
        LIVE.items()
    )
    for each in (each for each in story.found if (each.link, each.kind) not in (JUMP, KEPT_AWAY, EARLY)):
        assert each.link in FAULTS, each
        assert each.kind == SWEPT[each.link], each


def test_spans_are_when_it_was(story: Story) -> None:
    """The truth is what the archive has of the device that was silent: all began at once."""
    with open_archive(story.folder) as archive:
        time, _ = archive.get("SIM 00003", "frequency")
    gaps = np.flatnonzero(np.diff(time) > SECOND)
    begin, end = int(time[gaps[0]]) + PERIOD, int(time[gaps[0] + 1])
    assert end - begin == pytest.approx(LENGTH * SECOND, abs=PERIOD)
    exact, near = {1: PERIOD, 2: PERIOD, 3: PERIOD}, {4: SECOND, 5: SECOND, 6: SECOND, 7: 2 * SECOND, 8: SECOND}
    for each in story.found:
        if (
            each.link in {**exact, **near}
            and (each.link, each.kind) != JUMP
            and abs(each.start - begin) < EVERY * SECOND // 2
        ):
            tolerance = exact.get(each.link, 0) or near[each.link]
            assert abs(each.start - begin) <= tolerance, each
            assert each.going or abs(each.stop - end) <= tolerance + (SECOND if each.link == 4 else 0), each


def test_who_is_bad_is_shown_while_it_is(story: Story) -> None:
    for link in (1, 2, 3):
        assert any(f"SIM {link:05d} (device {device_number(link, 0)}): bad data" in each for each in story.alarms)
        assert story.bad_now[f"SIM {link:05d}"] == 1
    assert not any(f"SIM {DEVICES:05d}" in each for each in story.alarms)


def test_the_command_lists_what_the_archive_has(story: Story) -> None:
    assert [(row["device"] >> 16, row["kind"], row["start"], row["stop"]) for row in story.listed] == [
        (each.link, each.kind, each.start, each.stop) for each in story.found
    ]


def test_the_archive_has_what_was_sent_also_where_it_is_bad(story: Story) -> None:
    [frozen] = [each for each in story.found if (each.link, each.by) == (1, "align") and not each.going][:1]
    with open_archive(story.folder, frozen.start, frozen.stop) as archive:
        _, hertz = archive.get("SIM 00001", "frequency")
        assert hertz.size == (frozen.stop - frozen.start) // PERIOD
        assert len(set(hertz.tolist())) == 1
    with open_archive(story.folder, frozen.start - 20 * SECOND, frozen.stop + 5 * SECOND) as archive:
        better = archive.repaired(["SIM 00001", "SIM 00011", "SIM 00012"])
    at = (better.time >= frozen.start) & (better.time < frozen.stop)
    assert (better.how[0, at] == 2).all()
    assert not better.how[:, ~at][1:].any()
