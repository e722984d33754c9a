"""A station backed up at work, killed, restored elsewhere and started there: nothing is lost that was there."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from archive.backup import snapshots
from archive.backup.local import backup
from archive.backup.restoring import restore
from archive.reading import open_archive
from archive.verifying import verify
from commands._account import accounted, frames
from commands._belongings import belongings
from commands._station import PrivateStation, free_port
from console.board import Board
from nodes._pipeline import Pipeline, load
from protocol.clock import SECOND

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(300)]

DEVICES = 3
PATIENCE = 90.0


def wiring(folder: Path) -> dict[str, object]:
    return {
        "devices": {"kind": "simulator", "to": "front", "devices": DEVICES, "phasors": 1},
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}"},
        "receivers": {"kind": "receiver", "from": "front"},
        "archive": {"kind": "archiver", "from": "receivers", "path": "../data/station"},
        "care": {"kind": "caretaker", "backup": {"to": str(folder / "scheduled"), "every": "20 s"}},
    }  # fmt: skip


class Restored(PrivateStation):
    """A station that was restored into a folder, without its caretaker."""

    def __init__(self, pipeline: Path) -> None:
        super().__init__({}, {})
        self._file = pipeline

    def _write(self) -> Pipeline:
        (self.folder / "run").mkdir(mode=0o700)
        told = yaml.safe_load(self._file.read_text())
        del told["nodes"]["care"]
        self._file.write_text(yaml.safe_dump(told, sort_keys=False))
        return replace(load(self._file), run=str(self.folder / "run"))


def archived(board: Board) -> int:
    return frames(board)["archived"]


def test_backed_up_killed_restored_and_started(tmp_path: Path) -> None:
    with PrivateStation(wiring(tmp_path), {"station": "test", "unknown": "admit"}) as station:
        board = station.board
        assert station.wait(lambda board: archived(board) >= 100 * DEVICES, PATIENCE), board.alarms(0.0)
        done = lambda board: "care" in board.voices and board.voices["care"].last.counters["done"] >= 1  # noqa: E731
        assert station.wait(done, PATIENCE), board.alarms(0.0)
        assert board.voices["care"].last.alarms == []
        archiver = board.voices["archive"].last.pid
        os.kill(archiver, signal.SIGSTOP)  # what comes now, the journals alone have
        stopped = time.time_ns()
        station.listen(3.0)
        begun = time.time_ns()
        made = backup(belongings(station.pipeline, False), station.pipeline.path, tmp_path / "backup", begun, 30, 12,
                      lambda: time.sleep(0.05), lambda done, need: None)  # fmt: skip
        assert (made.damaged, made.inexact) == ([], [])
        for voice in board.voices.values():
            os.kill(voice.last.pid, signal.SIGKILL)
    assert snapshots.every(tmp_path / "scheduled")
    back = restore(snapshots.chosen(tmp_path / "backup"), tmp_path / "new")
    root = tmp_path / "new" / "data" / "station"
    assert verify(root, 0, 1 << 62).findings == []
    before = times(root)
    assert max(each.max() for each in before.values()) < stopped + SECOND
    with Restored(Path(back.pipeline)) as station:
        held_before = sum(map(len, before.values()))  # what the journals add is of some four seconds
        assert station.wait(lambda board: archived(board) > held_before + 500 * DEVICES, PATIENCE)
        station.stop()
        counts = frames(station.board)
    after = times(root)
    assert accounted(counts)
    for device, held in after.items():
        assert len(np.unique(held)) == len(held)
        old = np.sort(held[held < begun - SECOND])  # younger ones may not have been read yet
        assert (np.diff(old) == SECOND // 50).all(), device
        assert old[-1] > begun - SECOND - SECOND // 25
        assert held.max() > begun + SECOND
    assert len(after) == DEVICES


def times(root: Path) -> dict[int, np.ndarray[Any, Any]]:
    """Stream -> times of its rows."""
    found: dict[int, np.ndarray[Any, Any]] = {}
    with open_archive(root) as held:
        for rows in held.rows():
            known = found.get(rows.configuration.stream, np.zeros(0, np.int64))
            found[rows.configuration.stream] = np.concatenate([known, rows.time])
    return found
