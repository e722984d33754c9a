"""kill -9 of a process of each kind in a station at work: it comes back, the work goes on, nothing is taken twice."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from archive.reading import open_archive
from commands._account import accounted, frames
from commands._station import PrivateStation, free_port
from console.board import Board
from protocol.clock import SECOND
from protocol.messages import Verdict

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(180)]

DEVICES = 4
PATIENCE = 30.0
VICTIMS = ("prejudge.1", "align", "archive", "windows", "receivers.1")
"""In this order."""


@dataclass
class Story:
    """What was seen of a station whose processes were killed one after another."""

    verdicts: list[Verdict] = field(default_factory=list)
    before: dict[str, Board] = field(default_factory=dict)
    """Victim -> the board when it went on."""
    sent: dict[int, int] = field(default_factory=dict)
    """IDCODE -> frames"""
    counts: dict[str, int] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    aligned: dict[str, float] = field(default_factory=dict)
    """The counters of the concentrator after its restart, before a receiver is killed."""
    triggered: dict[str, float] = field(default_factory=dict)
    """Those of the trigger before it is killed itself."""
    times: dict[int, np.ndarray] = field(default_factory=dict)
    """IDCODE -> times of its rows, one for each row"""
    judged: dict[str, np.ndarray] = field(default_factory=dict)
    """The archive's verdicts, by column"""
    killed: dict[str, int] = field(default_factory=dict)
    """Victim -> ns UTC"""


def wiring(folder: Path) -> dict[str, object]:
    judge = {"smooth": "100 ms", "block": "200 ms"}
    return {
        "devices": {"kind": "simulator", "to": "front", "devices": DEVICES, "phasors": 1},
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}"},
        "receivers": {"kind": "receiver", "from": "front", "copies": 2},
        "archive": {"kind": "archiver", "from": ["receivers", "windows"], "path": str(folder / "data")},
        "align": {"kind": "concentrator", "from": "receivers", "wait": "1 s"},  # a busy machine makes no row late
        "windows": {
            "kind": "trigger", "from": "align", "window": "3 s", "every": "1 s", "timeout": "2 s",
            "dead_letters": str(folder / "dead-letters"),
        },
        "prejudge": {"kind": "detector", "from": "windows", "copies": 2, "settings": judge},
    }  # fmt: skip


def counter(board: Board, process: str, name: str) -> float:
    voice = board.voices.get(process)
    return voice.last.counters.get(name, 0.0) if voice else 0.0


def hit(station: PrivateStation, victim: str) -> None:
    """Kill it; a detector when it was silent for so long about a window that the other one was given it."""
    pid = station.board.voices[victim].last.pid
    if victim.startswith("prejudge"):
        os.kill(pid, signal.SIGSTOP)
        assert station.wait(lambda board: counter(board, "windows", "resent") >= 1, PATIENCE)
    os.kill(pid, signal.SIGKILL)


def at_work(story: Story, victim: str, since: int, archived: int) -> Callable[[Board], bool]:
    """Whether it was started anew, and rows measured since then are archived and judged, of every device."""

    def judged() -> set[int]:
        return {int(verdict.device[0]) for verdict in story.verdicts if verdict.stop > since and verdict.worker}

    return lambda board: (
        board.restarts.get(victim) == 1
        and frames(board)["archived"] >= archived + 50 * DEVICES
        and len(judged()) == DEVICES
    )


def own_sent(board: Board) -> dict[int, int]:
    health = board.voices["devices"].last
    column = health.columns.index("sent")
    return {int(device) >> 16: int(row[column]) for device, row in zip(health.devices, health.counts, strict=True)}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    told, folder = Story(), tmp_path_factory.mktemp("restarts")
    site = {"station": "test", "unknown": "admit"}
    tags = (Verdict.TAG,)  # type: ignore[attr-defined]
    with PrivateStation(wiring(folder), site, tags, told.verdicts.append) as station:
        board = station.board
        assert station.wait(
            lambda board: counter(board, "windows", "ok") >= 2 * DEVICES and {*VICTIMS} <= board.voices.keys(), PATIENCE
        )
        for victim in VICTIMS:
            if victim == "windows":
                told.triggered = dict(board.voices["windows"].last.counters)
            elif victim == "receivers.1":
                told.aligned = dict(board.voices["align"].last.counters)
            told.killed[victim] = time.time_ns()
            hit(station, victim)
            anew = at_work(told, victim, told.killed[victim] + 2 * SECOND, frames(board)["archived"])
            assert station.wait(anew, PATIENCE), (victim, board.restarts, frames(board), board.alarms(0.0))
        station.stop("simulator")
        station.listen(2.0)  # a commit, and a word about it
        station.stop()
        told.sent, told.counts, told.restarts = own_sent(board), frames(board), dict(board.restarts)
        told.logs = {process: station.log(process).read_text() for process in board.processes}
    with open_archive(folder / "data") as found:
        for rows in found.rows():
            before = told.times.get(rows.configuration.stream, np.zeros(0, np.int64))
            told.times[rows.configuration.stream] = np.concatenate([before, rows.time])
        told.judged = found.verdicts()
    return told


def test_each_was_started_anew_once_and_nothing_else(story: Story) -> None:
    assert story.restarts == dict.fromkeys(VICTIMS, 1)


def test_no_process_ended_of_a_fault(story: Story) -> None:
    assert [name for name, text in story.logs.items() if "Traceback" in text or "[error" in text] == []


def test_nothing_is_archived_twice_and_the_books_balance(story: Story) -> None:
    assert {stream: len(np.unique(times)) for stream, times in story.times.items()} == {
        stream: len(times) for stream, times in story.times.items()
    }
    assert accounted(story.counts)
    nothing = ("duplicate", "aside", "refused", "lost", "pending")
    assert [story.counts[name] for name in nothing] == [0] * len(nothing)
    assert story.counts["archived"] == sum(map(len, story.times.values()))


def test_none_takes_frames_with_it(story: Story) -> None:
    """Neither what a receiver had read and not yet said, nor what lay in its sockets."""
    assert {stream: len(times) for stream, times in story.times.items()} == story.sent
    for times in story.times.values():
        assert (np.diff(np.sort(times)) == SECOND // 50).all()


def test_windows_of_a_killed_detector_are_judged_by_the_other_once(story: Story) -> None:
    assert story.triggered["resent"] >= 1
    assert (story.triggered["failed"], story.triggered["dead"], story.triggered["incomplete"]) == (0, 0, 0)


def test_a_concentrator_makes_up_for_the_time_that_it_was_away(story: Story) -> None:
    assert story.aligned["fetched"] > 0
    assert (story.aligned["late"], story.aligned["lost"]) == (0, 0)


def test_every_window_is_judged_once_by_a_trigger(story: Story) -> None:
    """And all of those that fell due until the receiver was killed, whoever was away then."""
    said = story.judged
    assert set(Counter(zip(said["device"].tolist(), said["start"].tolist(), strict=True)).values()) == {1}
    due = said["stop"] <= story.killed["receivers.1"]
    assert set(zip(said["outcome"][due].tolist(), said["completeness"][due].tolist(), strict=True)) == {("ok", 1.0)}
    starts = {device: said["start"][due & (said["device"] == device)] for device in np.unique(said["device"]).tolist()}
    assert len(starts) == DEVICES
    assert [device for device, each in starts.items() if set(np.diff(np.sort(each)).tolist()) != {SECOND}] == []
