"""Stopping and starting with real processes: in time, in order, once, and after everything was killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands import _orphans, _supervise
from commands._station import free_port
from commands._supervise import supervisor_of

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]
SOON = 5.0
"""Seconds that a process has from SIGTERM to its end."""
DEVICES = 100


class Station:
    """A pipeline in a folder of its own, started and ended with the verbs that people use."""

    def __init__(self, folder: Path, run: Path, devices: int = DEVICES, name: str = "pipeline",
                 only: tuple[str, ...] = ()) -> None:  # fmt: skip
        self.folder, self.run = folder, run
        self.env = os.environ | {"SYMS_RUN": str(run)}
        folder.mkdir(exist_ok=True)
        (folder / "site.yaml").write_text("station: test\nunknown: admit\n")
        wiring = {
            "devices": {"kind": "simulator", "to": "front", "devices": devices, "phasors": 2},
            "front": {"kind": "balancer", "listen": f"127.0.0.1:{free_port()}", "registry": "registry.json"},
            "receivers": {"kind": "receiver", "from": "front", "copies": 2},
            "archive": {"kind": "archiver", "from": ["receivers"] if only else ["receivers", "windows"],
                        "path": "data"},
            "align": {"kind": "concentrator", "from": "receivers"},
            "windows": {"kind": "trigger", "from": "align", "window": "5 s", "every": "5 s",
                        "dead_letters": "dead-letters"},
            "judge": {"kind": "detector", "from": "windows", "settings": {"smooth": "100 ms", "block": "200 ms"}},
        }  # fmt: skip
        wiring = {node: wiring[node] for node in only or wiring}
        self.path = folder / f"{name}.yaml"
        self.path.write_text(yaml.safe_dump({"site": "site.yaml", "journal": "journal", "nodes": wiring}))

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "commands", words[0], str(self.path), *words[1:]]

    def begin(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(self.command(*words), env=self.env, cwd=ROOT, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)  # fmt: skip

    def syms(self, *words: str, code: int = 0) -> str:
        done = self.begin(*words)
        out, error = done.communicate(timeout=120)
        assert done.returncode == code, out + error
        return out + error

    @property
    def pids(self) -> dict[str, int]:
        return _orphans.lock_holders(str(self.run))

    @property
    def supervisor(self) -> _supervise.Supervisor:
        found = supervisor_of(str(self.run))
        assert found
        return found

    def leftovers(self) -> list[str]:
        return [path.name for pattern in _orphans.LEFTOVERS for path in self.run.glob(pattern)]

    def look(self) -> dict[str, Any]:
        out, _ = self.begin("status", "--json", "--once").communicate(timeout=60)
        said: dict[str, Any] = json.loads(out)
        return said

    def counters(self, process: str) -> dict[str, float]:
        counters: dict[str, float] = self.look()["nodes"][process].get("counters", {})
        return counters

    def log(self, process: str) -> str:
        return (self.run / "logs" / f"{process}.log").read_text()

    def kill_all(self) -> None:
        """As if the power had gone, except that the disk is as it was."""
        pids = [self.supervisor.pid() or 0, *self.pids.values()]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        assert _orphans.wait_for_end(pids, SOON)


@pytest.fixture
def station(tmp_path: Path, run_folder: Path) -> Iterator[Station]:
    made = Station(tmp_path / "station", run_folder)
    yield made
    for pid in made.pids.values():
        os.kill(pid, signal.SIGCONT)
    made.begin("down").communicate(timeout=120)


def stop(station: Station, process: str) -> float:
    """SIGTERM; returns how long it took to end [s]. It ends by itself, with exit code 0."""
    begun = time.monotonic()
    station.supervisor.stop(process)
    took = time.monotonic() - begun
    assert station.supervisor.states()[process]["exitstatus"] == 0, station.log(process)[-2000:]
    return took


@pytest.mark.slow
def test_every_kind_drains_in_time(station: Station) -> None:
    """At work with 100 devices; then with readers that stand still; then all at once."""
    station.syms("up")
    took = {}
    for process in ("judge", "windows", "align", "receivers.1", "archive", "front", "devices"):
        took[process] = stop(station, process)
        station.supervisor.start(process)
    station.syms("up")
    assert max(took.values()) < SOON, took
    pids = station.pids
    for reader in ("archive", "align", "judge"):
        os.kill(pids[reader], signal.SIGSTOP)
    took = {each: stop(station, each) for each in ("devices", "front", "receivers.1", "receivers.2", "windows")}
    for reader in ("archive", "align", "judge"):
        os.kill(pids[reader], signal.SIGCONT)
    assert max(took.values()) < SOON, took
    station.syms("up")
    pids = station.pids
    os.kill(pids["align"], signal.SIGSTOP)
    station.syms("down")
    assert re.search(r"\[info\] stopped node=align\n(.*took long.*\n)?$", station.log("align"))  # nobody killed it
    assert station.leftovers() == []
    assert not any(_orphans.alive(pid) for pid in pids.values())


@pytest.mark.slow
def test_it_runs_once(station: Station) -> None:
    """Two that start it at the same time; a supervisord that was killed; another supervisord beside the first."""
    both = [station.begin("up"), station.begin("up")]
    words = sorted("".join(each.communicate(timeout=120)) for each in both)
    assert [each.returncode for each in both] == [0, 0], words
    assert sum("is up already" in each for each in words) == 1
    before = station.pids
    os.kill(station.supervisor.pid() or 0, signal.SIGKILL)
    said = station.syms("up")
    assert f"ended what an earlier start had left: {', '.join(sorted(before))}" in said
    assert not any(_orphans.alive(pid) for pid in before.values())
    now = station.pids
    assert set(now) == set(before)
    assert _orphans.parent(now["align"]) == station.supervisor.pid()

    configuration = station.folder / "second.conf"
    text = (station.run / "supervisord.conf").read_text()
    configuration.write_text(text.replace(f"{station.run}/super", f"{station.run}/second"))
    command = [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(configuration)]
    second = subprocess.Popen(command, env=station.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log = station.run / "wiring.log"
    try:
        assert within(30, lambda: "is up already, under unix://" in log.read_text()), log.read_text()
    finally:
        second.terminate()
        second.wait(30)
    assert station.pids == now


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Ask again and again; other processes go first."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        os.sched_yield()
    return True


@pytest.mark.slow
def test_after_all_was_killed_it_goes_on(tmp_path: Path, run_folder: Path) -> None:
    """A journal with a torn end, sockets, locks and pid files of the dead: said, swept, gone on with, nothing lost."""
    station = Station(tmp_path / "station", run_folder, 10)
    try:
        station.syms("up")
        assert within(60, lambda: station.counters("archive").get("archived", 0) > 500)
        os.kill(station.pids["archive"], signal.SIGSTOP)  # what it has not got yet is only in the journals
        assert within(30, lambda: station.counters("receivers.1")["received"] > 700)
        os.kill(station.pids["devices"], signal.SIGKILL)
        station.kill_all()
        assert "front.lock" in station.leftovers()
        [torn, *_] = sorted((station.folder / "journal" / "receivers.1").glob("*.journal"), reverse=True)
        with open(torn, "ab") as file:
            file.write(b"grup" + bytes(range(200)))
        station.syms("up")
        assert f"{torn.name}: 204 bytes after its last whole group were cut off" in station.log("receivers.1")
        assert any(f"{torn.name}: 204 bytes" in alarm for alarm in station.look()["alarms"])
        station.supervisor.stop("devices")
        said: dict[str, dict[str, float]] = {}

        def settled() -> bool:
            nodes = station.look()["nodes"]
            said.update({name: node.get("counters", {}) for name, node in nodes.items()})
            return said["archive"].get("pending") == 0 and said["archive"]["received"] > 1400

        assert within(60, settled), said
        books = said["archive"]
        assert books["received"] == books["archived"], books
        assert (books["duplicate"], books["aside"], books["lost"]) == (0, 0, 0)
        station.syms("down")
        assert station.leftovers() == []
    finally:
        station.begin("down").communicate(timeout=120)


@pytest.mark.slow
def test_two_pipelines_that_share_a_thing(tmp_path: Path, run_folder: Path) -> None:
    """Archive, journals and port of another one: each fault names the thing and says what to do."""
    folder = tmp_path / "station"
    only = ("front", "receivers", "archive")
    first = Station(folder, run_folder / "1", only=only)
    second = Station(folder, run_folder / "2", name="other", only=only)
    taken = yaml.safe_load(first.path.read_text())["nodes"]["front"]["listen"]
    wiring = yaml.safe_load(second.path.read_text())
    wiring["nodes"]["front"]["listen"] = taken
    second.path.write_text(yaml.safe_dump(wiring))
    for each in (first, second):
        each.run.mkdir(mode=0o700)
    try:
        first.syms("up")
        pids = first.pids
        said = second.syms("up", code=1)
        assert f"{folder}/data: process {pids['archive']} writes this archive; stop it first" in said
        assert f"{folder}/journal/receivers.1: process {pids['receivers.1']} uses this journal; stop it first" in said
        assert f"{taken}: Address already in use" in said
        assert first.pids == pids
        second.syms("down")
        assert second.leftovers() == []
        assert first.pids == pids
    finally:
        for each in (second, first):
            each.begin("down").communicate(timeout=120)
