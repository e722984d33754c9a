"""kill -9 of trigger, concentrator and detectors, many times: each window of each device has one verdict."""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from archive.journal import Journal, Word
from commands._station import PrivateStation, free_port
from console.board import Board
from protocol import wire
from protocol.clock import SECOND
from protocol.messages import Verdict

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(300)]

DEVICES, KILLS = 4, 5
PATIENCE = 30.0
VICTIMS = ("windows", "align", "prejudge.1", "prejudge.2")
SEED = 3


def wiring(folder: Path) -> dict[str, object]:
    judge = {"smooth": "100 ms", "block": "200 ms"}
    return {
        "devices": {"kind": "simulator", "to": "front", "devices": DEVICES, "phasors": 1},
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}"},
        "receivers": {"kind": "receiver", "from": "front", "copies": 2},
        "archive": {"kind": "archiver", "from": ["receivers", "windows"], "path": str(folder / "data")},
        "align": {"kind": "concentrator", "from": "receivers", "wait": "1 s"},  # a busy machine makes no row late
        "windows": {
            "kind": "trigger", "from": "align", "window": "3 s", "every": "1 s", "timeout": "2 s", "attempts": 20,
            "dead_letters": str(folder / "dead-letters"),
        },
        "prejudge": {"kind": "detector", "from": "windows", "copies": 2, "settings": judge},
    }  # fmt: skip


def judged(station: PrivateStation) -> list[Verdict]:
    """All verdicts in the trigger's journal: nobody took any, so nothing of it was deleted."""
    journal = Journal(station.pipeline.journal / "windows")
    try:
        words = [wire.unpack(record.parts) for record in journal.records(1) if isinstance(record, Word)]
    finally:
        journal.close()
    return [word for word in words if isinstance(word, Verdict)]


def kill_all(station: PrivateStation, chance: random.Random) -> None:
    """Kill each victim so many times, at any moment of those that are there, also several at once."""
    left, dead = dict.fromkeys(VICTIMS, KILLS), dict.fromkeys(VICTIMS, 0)

    def alive(board: Board) -> list[str]:
        return [victim for victim in VICTIMS if left[victim] and board.voices[victim].last.pid != dead[victim]]

    while any(left.values()):
        assert station.wait(lambda board: bool(alive(board)), PATIENCE), left
        victim = chance.choice(alive(station.board))
        dead[victim] = station.board.voices[victim].last.pid
        os.kill(dead[victim], signal.SIGKILL)
        left[victim] -= 1
        station.listen(chance.uniform(0.0, 1.0))
    for victim in VICTIMS:
        assert station.wait(lambda board, victim=victim: board.voices[victim].last.pid != dead[victim], PATIENCE)


def ok(board: Board) -> float:
    return board.voices["windows"].last.counters.get("ok", 0.0) if "windows" in board.voices else 0.0


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> list[Verdict]:
    folder, chance = tmp_path_factory.mktemp("judged"), random.Random(SEED)
    site = {"station": "test", "unknown": "admit"}
    with PrivateStation(wiring(folder), site) as station:
        station.supervisor.stop("archive")
        assert station.wait(lambda board: ok(board) >= DEVICES and {*VICTIMS} <= board.voices.keys(), PATIENCE)
        kill_all(station, chance)
        end = time.time_ns()
        assert station.wait(lambda board: ok(board) >= 6 * DEVICES and time.time_ns() > end + 8 * SECOND, PATIENCE)
        station.stop("simulator")
        station.listen(3.0)
        restarts = {victim: station.board.restarts[victim] for victim in VICTIMS}
        assert restarts == dict.fromkeys(VICTIMS, KILLS)
        station.stop()
        found = judged(station)
    last = max(verdict.stop for verdict in found)
    assert last > end
    return found


def test_no_window_is_judged_twice(verdicts: list[Verdict]) -> None:
    counts = Counter((int(verdict.device[0]), verdict.start) for verdict in verdicts)
    assert [key for key, count in counts.items() if count > 1] == []


def test_no_window_is_missing(verdicts: list[Verdict]) -> None:
    starts: dict[int, list[int]] = {}
    for verdict in sorted(verdicts, key=lambda each: each.start):
        starts.setdefault(int(verdict.device[0]), []).append(verdict.start)
    assert len(starts) == DEVICES
    last = max(verdict.stop for verdict in verdicts)
    for each in starts.values():
        assert {after - before for before, after in itertools.pairwise(each)} == {SECOND}
        assert each[-1] > last - 5 * SECOND


def test_every_window_was_judged_of_all_its_samples(verdicts: list[Verdict]) -> None:
    whole = [verdict for verdict in verdicts if verdict.completeness == 1.0]
    assert {verdict.outcome for verdict in whole} == {"ok"}
    assert len(whole) >= len(verdicts) - 5 * DEVICES  # the simulators stopped in the last windows
