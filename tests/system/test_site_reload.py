"""A site file that is edited under load: taken up within seconds, and not a frame of those who stay is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from archive.reading import open_archive
from commands._account import accounted, frames
from commands._station import PrivateStation, free_port
from console.board import Board
from nodes._site import load
from protocol.clock import MILLISECOND
from protocol.messages import Configuration

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]
PATIENCE = 40.0
CROWD = range(101, 121)
"""Devices that only stay."""


def entry(stream: int, **settings: Any) -> dict[str, Any]:
    return {"name": f"Device {stream}", "number": stream, "stream": stream} | settings


def simulator(first: int, devices: int = 1, **settings: Any) -> dict[str, Any]:
    reached = {} if settings.get("listen") else {"to": "front"}
    return {"kind": "simulator", "first": first, "devices": devices, "phasors": 1} | reached | settings


def sent(board: Board) -> dict[int, int]:
    """DATA frames by IDCODE that the devices say they have sent."""
    said = [voice.last for voice in board.voices.values() if voice.last.kind == "simulator"]
    return {
        int(device) // 65536: int(counts[health.columns.index("sent")])
        for health in said
        for device, counts in zip(health.devices, health.counts, strict=True)
    }


def edit(station: PrivateStation, devices: list[dict[str, Any]]) -> str:
    """Write another site file, as a whole; returns its version."""
    path = station.folder / "config" / "site.yaml"
    fresh = path.with_suffix(".new")
    fresh.write_text(yaml.safe_dump({"station": "test", "unknown": "refuse", "devices": devices}, sort_keys=False))
    os.replace(fresh, path)
    return load(path).version


def refusing(board: Board) -> list[str]:
    return [alarm for alarm in board.alarms(0.0) if "is not taken up" in alarm]


def in_force(version: str, *nodes: str) -> Callable[[Board], bool]:
    return lambda board: all(board.voices[name].last.site == version for name in nodes)


def devices(station: PrivateStation) -> dict[str, Any]:
    """What `syms devices list` says."""
    command = [sys.executable, "-m", "commands", "devices", "list", str(station.pipeline.path), "--json"]
    env = os.environ | {"SYMS_RUN": station.pipeline.run}
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@dataclass
class Outcome:
    sent: dict[int, int]
    counts: dict[str, int]
    rows: dict[int, list[tuple[Configuration, np.ndarray]]]
    """By link number: configuration and times of its rows."""
    site: str
    version: str
    troubles: list[str]
    alarms: list[str]
    """After a faulty file."""
    connects: dict[str, float]
    """How often the devices of those who stay have connected."""
    listed: dict[str, Any]
    """By `syms devices list`, after the change."""


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A station whose site file is edited twice, first with a fault in it, when a receiver dies."""
    archive = tmp_path_factory.mktemp("reload") / "data"
    dialled, added, moved = free_port(), free_port(), free_port()
    stays = [entry(stream) for stream in CROWD]
    before = [
        *stays, entry(1), entry(2, name="Former", link={"tcp": f"127.0.0.1:{dialled}"}), entry(3),
        entry(6, link={"tcp": f"127.0.0.1:{moved}"}),
    ]  # fmt: skip
    after = [
        *stays, entry(1, name="Latter", region="north", latitude=47.5),
        entry(2, name="Renamed", link={"tcp": f"127.0.0.1:{dialled}"}), entry(4),
        entry(5, link={"tcp": f"127.0.0.1:{added}"}), entry(6, link={"tcp": f"127.0.0.1:{moved}"}) | {"stream": 7},
    ]  # fmt: skip
    nodes = {
        "crowd": simulator(CROWD[0], len(CROWD)),
        "callers": simulator(1),
        "removed": simulator(3, 2),
        "dialled": simulator(2, mode="listens", listen=f"127.0.0.1:{dialled}"),
        "added": simulator(5, mode="listens", listen=f"127.0.0.1:{added}"),
        "moved": simulator(6, mode="listens", listen=f"127.0.0.1:{moved}"),
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}"},
        "receivers": {"kind": "receiver", "from": "front", "copies": 2},
        "archive": {"kind": "archiver", "from": "receivers", "path": str(archive)},
    }
    first: dict[str, Any] = {"station": "test", "unknown": "refuse", "devices": before}
    with PrivateStation(nodes, first) as station:
        early = (1, 2, 3, 6, *CROWD)
        assert station.wait(lambda board: all(sent(board).get(each, 0) >= 50 for each in early), PATIENCE)
        path = station.folder / "config" / "site.yaml"
        sound = path.read_text()
        path.write_text(sound.replace("unknown: refuse", "unknown: maybe"))
        assert station.wait(lambda board: len(refusing(board)) == 2, PATIENCE)
        alarms = refusing(station.board)
        os.kill(station.board.voices["receivers.1"].last.pid, signal.SIGKILL)
        assert station.wait(lambda board: board.restarts.get("receivers.1") == 1, PATIENCE)
        version = edit(station, after)
        assert station.wait(in_force(version, "front", "archive"), PATIENCE), station.board.alarms(0.0)
        mark = sent(station.board)

        def went_on(board: Board) -> bool:
            now = sent(board)
            return all(now[each] >= mark[each] + 100 for each in (1, 2, *CROWD)) and min(now[4], now[5]) >= 100

        assert station.wait(went_on, PATIENCE), (sent(station.board), station.board.alarms(0.0))
        listed = devices(station)
        staying = ("crowd", "callers", "dialled")
        connects = {name: station.board.voices[name].last.counters["connects"] for name in staying}
        station.stop("simulator")
        drained = station.wait(lambda board: not frames(board)["pending"] and accounted(frames(board)), 10.0)
        station.stop()
        assert drained, frames(station.board)
        counts, troubles = frames(station.board), station.troubles()
        outcome = Outcome(
            sent(station.board),
            counts,
            {},
            (archive / "site.yaml").read_text(),
            version,
            troubles,
            alarms,
            connects,
            listed,
        )
        assert (archive / "site.yaml").read_text() == path.read_text()
    with open_archive(archive) as found:
        for rows in found.rows():
            outcome.rows.setdefault(rows.configuration.device // 65536, []).append((rows.configuration, rows.time))
    return outcome


def times(outcome: Outcome, number: int) -> np.ndarray:
    return np.sort(np.concatenate([times for _, times in outcome.rows[number]]))


def names(outcome: Outcome, number: int) -> list[str]:
    """Of the link, in order of its rows."""
    found = {configuration.link: times.min() for configuration, times in outcome.rows[number]}
    return sorted(found, key=lambda name: found[name])


def test_no_frame_of_those_who_stay_is_lost(edited: Outcome) -> None:
    assert [trouble.split()[0] for trouble in edited.troubles] == ["receivers.1"]  # which we killed
    assert (edited.counts["lost"], edited.counts["corrupt"], edited.counts["aside"]) == (0, 0, 0)
    for number in (1, 2, *CROWD):
        mine = times(edited, number)
        assert len(mine) == edited.sent[number]
        assert set(np.diff(mine).tolist()) == {20 * MILLISECOND}


def test_no_connection_of_those_who_stay_ends(edited: Outcome) -> None:
    assert edited.connects == {"crowd": len(CROWD), "callers": 1, "dialled": 1}


def test_the_archive_has_both_configurations(edited: Outcome) -> None:
    assert names(edited, 1) == ["Device 1", "Latter"]
    assert names(edited, 2) == ["Former", "Renamed"]
    latter = next(each for each, _ in edited.rows[1] if each.link == "Latter")
    assert (latter.region, latter.latitude) == ("north", 47.5)
    former = max(times.max() for each, times in edited.rows[1] if each.link == "Device 1")
    assert former < min(times.min() for each, times in edited.rows[1] if each.link == "Latter")


def test_who_is_added_comes_in_and_who_is_removed_is_ended(edited: Outcome) -> None:
    assert len(times(edited, 4)) == edited.sent[4]
    assert len(times(edited, 5)) == edited.sent[5]
    assert 50 <= len(times(edited, 3)) <= edited.sent[3]
    assert len(times(edited, 6)) < edited.sent[6] + 1
    assert edited.sent[3] < min(edited.sent[number] for number in CROWD)


def test_a_faulty_file_is_an_alarm_and_the_former_stays(edited: Outcome) -> None:
    assert [alarm.partition(": ")[0] for alarm in sorted(edited.alarms)] == ["archive", "front"]
    for alarm in edited.alarms:
        assert "the changed site file is not taken up: " in alarm
        assert "site.yaml:2: site: unknown is 'maybe'" in alarm


def test_the_devices_are_listed_as_they_are_now(edited: Outcome) -> None:
    assert (edited.listed["up"], edited.listed["site"]) == (True, edited.version)
    listed = {each["number"]: each for each in edited.listed["devices"]}
    assert set(listed) == {1, 2, 4, 5, 6, *CROWD}
    assert (listed[2]["name"], listed[2]["connected"]) == ("Renamed", 1)
    assert listed[2]["received"] >= 100
    assert not listed[6]["connected"]


def test_the_archive_keeps_the_text(edited: Outcome) -> None:
    assert "Renamed" in edited.site
