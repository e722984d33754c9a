"""`syms up`, `status`, `down` and supervisord itself, with real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from commands._orphans import alive, lock_holders
from commands._station import free_port
from nodes._site import load
from nodes._sockets import listen
from protocol.messages import Health

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]
PIPELINE = """site: site.yaml
nodes:
  front:      {{kind: balancer,     listen: "127.0.0.1:{port}"}}
  receivers:  {{kind: receiver,     from: front, copies: 2}}
  archive:    {{kind: archiver,     from: receivers, path: archive}}
  align:      {{kind: concentrator, from: receivers}}
"""
PROCESSES = {"front", "receivers.1", "receivers.2", "archive", "align"}


def write_station(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "site.yaml").write_text("station: test\nunknown: admit\n")
    path = folder / name
    path.write_text(PIPELINE.format(port=free_port()))
    return path


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Asks again and again; each asking takes its own time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
    return True


class Station:
    """A pipeline file and the command, in a runtime folder of the test's own."""

    def __init__(self, path: Path, run: Path) -> None:
        self.path, self.run = path, run
        self.env = os.environ | {"SYMS_RUN": str(run)}

    def syms(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "commands", words[0], str(self.path), *words[1:]]
        return subprocess.run(command, env=self.env, cwd=ROOT, capture_output=True, text=True, timeout=120)

    def states(self, configuration: Path) -> dict[str, str]:
        command = [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(configuration), "status"]
        lines = subprocess.run(command, capture_output=True, text=True, timeout=30).stdout.splitlines()
        return {line.split()[0]: line.split()[1] for line in lines}

    def leftovers(self) -> list[str]:
        return [
            item.name for item in self.run.iterdir() if item.suffix in (".lock", ".inbox", ".news", ".sock", ".pid")
        ]


@pytest.fixture
def station(run_folder: Path, tmp_path: Path) -> Iterator[Station]:
    """Not yet up; down in any case."""
    made = Station(write_station(tmp_path, "pipeline.yaml"), run_folder)
    yield made
    made.syms("down")


def status(station: Station) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(station.syms("status", "--json").stdout)
    return found


def test_up_status_down(station: Station) -> None:
    started = station.syms("up", "--json")
    assert started.returncode == 0, started.stderr
    processes = json.loads(started.stdout)["processes"]
    assert {name: info["state"] for name, info in processes.items()} == dict.fromkeys(PROCESSES, "RUNNING")

    again = station.syms("up")
    assert again.returncode == 0
    assert "is up already" in again.stdout
    before = station.path.read_text()
    station.path.write_text(before + "# a remark\n")
    assert "is up already" in station.syms("up").stdout
    station.path.write_text(before)
    site = station.path.parent / "site.yaml"
    site.write_text("station: renamed\nunknown: admit\n")
    renamed = load(site).version

    states = station.states(station.run / "supervisord.conf")
    assert states == dict.fromkeys(PROCESSES, "RUNNING") | {"wiring": "EXITED", "pulse": "RUNNING"}
    assert stat.S_IMODE((station.run / "supervisor.sock").stat().st_mode) == 0o700

    looked = station.syms("status", "--json")
    assert looked.returncode == 0
    said = json.loads(looked.stdout)
    assert {name: node["speaks"] for name, node in said["nodes"].items()} == dict.fromkeys(PROCESSES, True)
    assert all(node["memory_bytes"] > 0 and node["uptime_s"] > 0 for node in said["nodes"].values())

    assert within(20, lambda: {node.get("site") for node in status(station)["nodes"].values()} == {None, renamed})
    shown = station.syms("status", "--once").stdout
    assert f"site file {renamed} in force since " in shown

    # A process that dies is started again; everybody is found by the lock it holds.
    victim = lock_holders(str(station.run))["align"]
    os.kill(victim, signal.SIGKILL)
    words = listen(str(station.run), ["align"], [Health.TAG], patience=0.5)
    assert within(20, lambda: (word := next(words)) is not None and word.pid != victim)
    words.close()
    pids = lock_holders(str(station.run))
    assert set(pids) == PROCESSES

    station.path.write_text(station.path.read_text() + "  more: {kind: concentrator, from: receivers}\n")
    changed = station.syms("up")
    assert changed.returncode == 2
    assert "+ more (concentrator) added" in changed.stdout
    assert "say --yes" in changed.stderr
    assert set(lock_holders(str(station.run))) == PROCESSES

    text = station.path.read_text()
    station.path.write_text(text.replace("kind: archiver", "kind: archivr"))
    refused = station.syms("down")
    assert refused.returncode == 2
    assert f"supervisorctl -s unix://{station.run}/supervisor.sock shutdown" in refused.stderr
    station.path.write_text(text)

    down = station.syms("down", "--json")
    assert set(json.loads(down.stdout)["stopped"]) == PROCESSES
    assert [pid for pid in pids.values() if alive(pid)] == []
    assert station.leftovers() == []
    looked = station.syms("status")
    assert looked.returncode == 1
    assert "is not up" in looked.stdout


@pytest.mark.slow
def test_down_ends_those_whose_supervisord_was_killed(station: Station) -> None:
    assert station.syms("up").returncode == 0
    os.kill(int((station.run / "supervisord.pid").read_text()), signal.SIGKILL)
    pids = lock_holders(str(station.run))
    assert set(pids) == PROCESSES

    assert station.syms("down").returncode == 0
    assert [pid for pid in pids.values() if alive(pid)] == []
    assert station.leftovers() == []


@pytest.mark.slow
def test_up_says_why_a_process_does_not_start(station: Station) -> None:
    """Two pipelines on one port: the second can't start, says which process and why, and goes down again."""
    assert station.syms("up").returncode == 0
    other = Station(station.path, station.run / "other")
    other.run.mkdir(mode=0o700)
    refused = other.syms("up")
    other.syms("down")
    assert refused.returncode == 1
    assert "front:" in refused.stderr
    assert "in use" in refused.stderr


@pytest.mark.slow
def test_supervisord_conf_works_as_it_stands(run_folder: Path) -> None:
    """The checkout's own file, in a checkout whose default station is a harmless one."""
    checkout = run_folder / "c"
    (checkout / "pipelines").mkdir(parents=True)
    (checkout / "run").mkdir()
    shutil.copy(ROOT / "supervisord.conf", checkout)
    (checkout / ".venv").symlink_to(sys.prefix)
    for room in ("algorithms", "archive", "commands", "nodes", "protocol"):
        (checkout / room).symlink_to(ROOT / room)
    run = run_folder / "r"
    run.mkdir(mode=0o700)
    station = Station(write_station(checkout / "pipelines", "station.yaml"), run)
    supervisord = subprocess.Popen(
        [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(checkout / "supervisord.conf")],
        env=station.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wanted = dict.fromkeys(PROCESSES, "RUNNING") | {"wiring": "EXITED", "pulse": "RUNNING"}
        assert within(60, lambda: station.states(checkout / "supervisord.conf") == wanted)
        assert "is up already" in station.syms("up").stdout
        assert station.syms("status", "--json").returncode == 0
        assert station.syms("down").returncode == 0
        assert supervisord.wait(30) == 0
        assert station.leftovers() == []
    finally:
        supervisord.terminate()
        supervisord.wait(60)
