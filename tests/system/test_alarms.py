"""Alarms of a station of real processes: raised, kept over kill -9, acknowledged by the command line, archived."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from commands._station import PrivateStation, free_port
from commands.app import make_app
from protocol.messages import Alarm

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

PATIENCE = 60.0
SITE = {
    "station": "test",
    "unknown": "admit",
    "limits": [
        {"name": "Frequency", "quantity": "frequency", "low": "49.9 Hz", "deadband": "10 mHz", "delay": "200 ms",
         "each": "site"},
        {"name": "Never", "quantity": "voltage", "high": "300 kV"},
    ],
}  # fmt: skip


def wiring(folder: Path) -> dict[str, Any]:
    return {
        "pmus": {"kind": "simulator", "to": "front", "devices": 3, "phasors": 3, "scenario": "generation_trip",
                 "at": "4 s", "size": 0.4},
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}"},
        "receivers": {"kind": "receiver", "from": "front"},
        "archive": {"kind": "archiver", "from": ["receivers", "alarms"], "path": str(folder / "north")},
        "align": {"kind": "concentrator", "from": "receivers", "wait": "200 ms"},
        "alarms": {"kind": "alarms", "from": "align"},
    }  # fmt: skip


class Asked:
    """The command line, as somebody at the station has it, but without a process for each word."""

    def __init__(self, station: PrivateStation) -> None:
        self.path = station.folder / "pipelines" / "private.yaml"
        self._app = make_app(["alarms"])
        self._environment = {"SYMS_RUN": station.pipeline.run, "SYMS_AS_ROOT": "1"}

    def __call__(self, *words: str | Path, code: int = 0) -> Any:
        done = CliRunner().invoke(self._app, ["alarms", *map(str, words), "--json"], env=self._environment)
        assert done.exit_code == code, done.stderr
        return json.loads(done.stdout) if done.stdout else done.stderr


def eventually(what: Callable[[], Any]) -> Any:
    until = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.1)
    return found


def test_alarms_outlive_kills_are_acted_on_and_archived(tmp_path: Path):
    words: list[Alarm] = []
    with PrivateStation(wiring(tmp_path), SITE, (Alarm.TAG,), words.append) as station:  # type: ignore[attr-defined]
        syms = Asked(station)
        assert station.wait(lambda board: any(word.change == "raised" for word in words), PATIENCE)
        raised = next(word for word in words if word.change == "raised")
        assert (raised.kind, raised.subject, raised.state) == ("Frequency", "site", "unacknowledged")
        os.kill(station.board.voices["alarms"].last.pid, signal.SIGKILL)
        assert station.wait(lambda board: board.restarts.get("alarms", 0) > 0, PATIENCE)
        [told] = [each for each in syms("list", syms.path) if each["source"] == "limit"]
        assert (told["id"], told["raised"], told["count"]) == (raised.id, raised.raised, 1)
        assert syms("ack", told["id"][:6], syms.path, "--user", "li")["alarms"][0]["state"] == "acknowledged"
        answer = syms("shelve", told["id"], syms.path, "--for", "2h", "--reason", "known", "--user", "li")
        assert answer["alarms"][0]["state"] == "shelved"
        assert "begins with 'zz'" in syms("comment", "zz", "text", syms.path, code=1)["why"]
        assert [each["comment"] for each in syms("list", syms.path) if each["id"] == raised.id] == ["known"]
        kept = eventually(lambda: _of_limits(syms("list", tmp_path / "north", "--changes"), 3))
        assert [(each["change"], each["user"]) for each in kept] == [
            ("raised", ""),
            ("acknowledged", "li"),
            ("shelved", "li"),
        ]
        assert raised.id in [each["id"] for each in syms("list", syms.path, "--from", "2026-01-01")]
        station.settle()
        assert [word.change for word in words if word.source == "limit"] == ["raised", "acknowledged", "shelved"]


def _of_limits(told: list[dict[str, Any]], least: int) -> list[dict[str, Any]]:
    """Once there are so many."""
    found = [each for each in told if each["source"] == "limit"]
    return found if len(found) >= least else []
