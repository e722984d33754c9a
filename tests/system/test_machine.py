"""The monitor in a station: it asks a program for the clock, and ends with none left behind."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from commands._station import PrivateStation, free_port
from console.board import Board

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

CHRONYC = """#!/bin/sh
echo "C0A80001,192.168.0.1,3,$(date +%s).5,-0.030,0.0,0.0,-0.038,0.017,0.237,0.002,0.003,1.0,Normal"
"""


def test_the_clock_is_asked_for_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chronyc = tmp_path / "chronyc"
    chronyc.write_text(CHRONYC)
    chronyc.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    nodes: dict[str, Any] = {
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}"},
        "receivers": {"kind": "receiver", "from": "front"},
        "archive": {"kind": "archiver", "from": "receivers", "path": str(tmp_path / "north")},
        "watch": {"kind": "monitor"},
    }

    def told(board: Board) -> bool:
        return "watch" in board.voices and "clock_stratum" in board.voices["watch"].last.counters

    with PrivateStation(nodes, {"station": "test", "unknown": "admit"}) as station:
        assert station.wait(told, 30), station.log("watch").read_text()
        last = station.board.voices["watch"].last
        assert last.counters["clock_offset_ms"] == 30.0
        assert any("free_gib" in name for name in last.counters)
        assert "the station's clock is 30.0 ms ahead, says chrony by 192.168.0.1; see to its time server" in last.alarms
        assert station.wait(lambda board: not board.silent(time.monotonic()), 30)
        pids = {name: info["pid"] for name, info in station.supervisor.states().items()}
        nice = {name: os.getpriority(os.PRIO_PROCESS, pid) for name, pid in pids.items()}
        assert nice["archive"] - nice["receivers"] == 5, "who has to be in time goes first"
        assert nice["front"] == nice["receivers"]
        assert os.sched_getscheduler(pids["archive"]) == os.SCHED_BATCH, "it interrupts nobody"
        assert os.sched_getscheduler(pids["receivers"]) == os.SCHED_OTHER
        assert station.troubles() == []
