"""A disk that is full, read-only, broken or slow: the journals' and the archive's, each by itself. What is live goes
on, alarms and counters say what is wrong, it heals by itself, and nothing is missing afterwards."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archive.reading import open_archive
from commands._account import drained, frames
from commands._station import PrivateStation, free_port
from console.board import Board
from nodes._pipeline import Pipeline, load
from protocol.clock import MILLISECOND
from protocol.messages import Snapshots
from tests.chaos.shim import Shim

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(240)]

PATIENCE = 60.0
DEVICES = 5
PAUSE = 1500.0
"""ms that snapshots may pause: what a busy machine does, and no disk."""
TROUBLE = 1.2
"""Seconds of each trouble."""
SITE = {"station": "test", "unknown": "admit"}
REFUSED = {errno.ENOSPC: "No space left on device", errno.EIO: "Input/output error",
           errno.EROFS: "Read-only file system"}  # fmt: skip
needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler for the preloaded library")


def wiring(folder: Path) -> dict[str, Any]:
    return {
        "devices": {"kind": "simulator", "to": "front", "devices": DEVICES, "phasors": 1},
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}",
                  "registry": str(folder / "registry.json")},
        "receivers": {"kind": "receiver", "from": "front"},
        "archive": {"kind": "archiver", "from": "receivers", "path": str(folder / "data")},
        "align": {"kind": "concentrator", "from": "receivers", "wait": "200 ms"},
    }  # fmt: skip


class Station(PrivateStation):
    """Its journals lie in a folder known before."""

    def __init__(self, folder: Path, ear: Any) -> None:
        super().__init__(wiring(folder), SITE, (Snapshots.TAG,), ear)  # type: ignore[attr-defined]
        self.journal = folder / "journal"

    def _write(self) -> Pipeline:
        made = super()._write()
        made.path.write_text(f"journal: {self.journal}\n{made.path.read_text()}")
        return replace(load(made.path), run=made.run)


class Ear:
    """When snapshots came [ns], and how long after their time."""

    def __init__(self) -> None:
        self.came: list[int] = []

    def __call__(self, word: Any) -> None:
        self.came.append(time.monotonic_ns())

    def longest_pause(self, since: int) -> float:
        """ms between two snapshots, from an instant (monotonic ns) until now."""
        found = [since, *(at for at in self.came if at >= since), time.monotonic_ns()]
        return float(np.diff(found).max()) / MILLISECOND


@contextmanager
def on_a_bad_disk(folder: Path, below: Path) -> Iterator[tuple[PrivateStation, Shim, Ear]]:
    """A station whose calls below a folder pass through the preloaded library."""
    ear = Ear()
    station = Station(folder, ear)
    shim = Shim(folder / "shim", [below])
    before = dict(os.environ)
    os.environ.update(shim.environment)
    try:
        with station:
            yield station, shim, ear
    finally:
        os.environ.clear()
        os.environ.update(before)


def alarms(board: Board, process: str) -> str:
    return "; ".join(board.voices[process].last.alarms) if process in board.voices else ""


def counters(board: Board, process: str) -> dict[str, float]:
    return board.voices[process].last.counters if process in board.voices else {}


def all_is_there(station: PrivateStation, folder: Path) -> None:
    """Nothing is missing, and nobody died of it."""
    station.stop("simulator")
    assert station.wait(drained, PATIENCE), frames(station.board)
    total = frames(station.board)
    nothing = dict.fromkeys(("duplicate", "aside", "corrupt", "refused", "lost", "pending"), 0)
    assert total == total | nothing | {"archived": total["sent"], "received": total["sent"]}
    assert station.troubles() == []
    station.stop()
    with open_archive(folder / "data") as found:
        assert sum(len(np.unique(rows.time)) for rows in found.rows()) == total["sent"]


def bad(board: Board, process: str) -> list[str]:
    """Alarms of a process that speak of its disk."""
    found = board.voices[process].last.alarms if process in board.voices else []
    return [each for each in found if "disk" in each or "make room" in each or "free space" in each]


@needs_cc
def test_the_journals_disk(tmp_path: Path) -> None:
    """Each trouble is an alarm while it lasts, and no longer; rows go on meanwhile."""
    with on_a_bad_disk(tmp_path, tmp_path / "journal") as (station, shim, ear):
        assert station.wait(lambda board: frames(board)["archived"] > 50 * DEVICES, PATIENCE)
        for number, says in REFUSED.items():
            shim.set(error=number)
            begun = time.monotonic_ns()
            assert station.wait(lambda board, says=says: says in alarms(board, "receivers"), PATIENCE)  # type: ignore[misc]
            station.listen(TROUBLE)
            assert ear.longest_pause(begun) < PAUSE
            shim.set(error=0)
            assert station.wait(lambda board: not bad(board, "receivers") and not bad(board, "align"), PATIENCE)
        assert counters(station.board, "receivers")["journal_unjournalled_words"] > 0
        assert counters(station.board, "receivers")["journal_dropped_words"] == 0
        shim.set(delay_us=400_000)
        begun = time.monotonic_ns()
        assert station.wait(lambda board: "a write takes longer than 200 ms" in alarms(board, "receivers"), PATIENCE)
        station.listen(TROUBLE)
        assert ear.longest_pause(begun) < PAUSE
        shim.set(delay_us=0)
        assert station.wait(lambda board: not bad(board, "receivers"), PATIENCE)
        all_is_there(station, tmp_path)


@needs_cc
def test_the_archives_disk(tmp_path: Path) -> None:
    """Nothing is taken while it lasts; the journals have it; all is fetched when it is over."""
    with on_a_bad_disk(tmp_path, tmp_path / "data") as (station, shim, ear):
        assert station.wait(lambda board: frames(board)["archived"] > 50 * DEVICES, PATIENCE)
        for number, says in REFUSED.items():
            shim.set(error=number)
            begun = time.monotonic_ns()
            assert station.wait(lambda board, says=says: says in alarms(board, "archive"), PATIENCE)  # type: ignore[misc]
            assert "archive takes nothing" in alarms(station.board, "archive")
            station.listen(TROUBLE)
            assert ear.longest_pause(begun) < PAUSE
            shim.set(error=0)
            assert station.wait(lambda board: not bad(board, "archive"), PATIENCE)
        all_is_there(station, tmp_path)


@needs_cc
@pytest.mark.slow
def test_stopping_while_disks_are_slow(tmp_path: Path) -> None:
    """Each process ends in time and in order, and what it still had to write is written."""
    with on_a_bad_disk(tmp_path, tmp_path) as (station, shim, _):
        assert station.wait(lambda board: frames(board)["archived"] > 50 * DEVICES, PATIENCE)
        shim.set(delay_us=100_000)
        station.listen(TROUBLE)
        took = {}
        for process in ("devices", "front", "receivers", "align", "archive"):
            begun = time.monotonic()
            station.supervisor.stop(process)
            took[process] = time.monotonic() - begun
        assert max(took.values()) < 5.0, took
        assert {name: info["exitstatus"] for name, info in station.supervisor.states().items() if name in took} == (
            dict.fromkeys(took, 0)
        )
