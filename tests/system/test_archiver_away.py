"""An archiver that stands still while receivers are killed: it gets every row of every life, with exact books."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from archive.reading import open_archive
from commands._account import frames
from commands._station import PrivateStation, free_port
from console.board import Board

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

DEVICES = 4
PATIENCE = 40.0


def wiring(folder: Path) -> dict[str, object]:
    return {
        "devices": {"kind": "simulator", "to": "front", "devices": DEVICES, "phasors": 1},
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}"},
        "receivers": {"kind": "receiver", "from": "front", "copies": 2, "memory": "4 kB"},
        "archive": {"kind": "archiver", "from": "receivers", "path": str(folder / "data")},
    }  # fmt: skip


def said(board: Board, process: str) -> float:
    voice = board.voices.get(process)
    return voice.last.counters.get("said", 0.0) if voice else 0.0


def own_sent(board: Board) -> dict[int, int]:
    health = board.voices["devices"].last
    column = health.columns.index("sent")
    return {int(device) >> 16: int(row[column]) for device, row in zip(health.devices, health.counts, strict=True)}


@pytest.mark.slow
def test_every_row_of_every_life_once(tmp_path: Path) -> None:
    with PrivateStation(wiring(tmp_path), {"station": "test", "unknown": "admit"}) as station:
        board = station.board
        assert station.wait(
            lambda board: (
                frames(board)["archived"] >= 50 * DEVICES
                and all(said(board, receiver) > 30 for receiver in ("receivers.1", "receivers.2"))
            ),
            PATIENCE,
        )
        archiver = board.voices["archive"].last.pid
        os.kill(archiver, signal.SIGSTOP)
        for victim in ("receivers.1", "receivers.2", "receivers.1"):
            restarts = board.restarts.get(victim, 0)
            os.kill(board.voices[victim].last.pid, signal.SIGKILL)
            assert station.wait(
                lambda board, victim=victim, restarts=restarts: (  # type: ignore[misc]
                    board.restarts.get(victim, 0) > restarts and said(board, victim) > 30
                ),
                PATIENCE,
            )
        os.kill(archiver, signal.SIGCONT)
        station.stop("simulator")
        total = sum(own_sent(board).values())
        assert station.wait(lambda board: frames(board)["archived"] >= total, PATIENCE), frames(board)
        station.listen(2.0)
        station.stop()
        books = board.voices["archive"].last.counters
        sent = own_sent(board)
    nothing = dict.fromkeys(("duplicate", "aside", "refused", "corrupt", "lost", "pending"), 0)
    assert books == books | nothing | {"received": sum(sent.values()), "archived": sum(sent.values())}
    with open_archive(tmp_path / "data") as found:
        times: dict[int, list[np.ndarray]] = {}
        for rows in found.rows():
            times.setdefault(rows.configuration.stream, []).append(rows.time)
    assert {stream: len(np.unique(np.concatenate(each))) for stream, each in times.items()} == sent
