"""A whole pipeline on two hosts, 127.0.0.1 and 127.0.0.2: each its own checkout of the files, its own key, its own
supervisord.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import pytest

from commands._station import free_port

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
WITHIN = 90.0
PIPELINE = """site: ../config/site.yaml
hosts:
  a: {{address: 127.0.0.1, ports: {first}-{last}}}
  b: {{address: 127.0.0.2, ports: {first}-{last}}}
nodes:
  devices:    {{kind: simulator,    host: a, to: front, devices: 3}}
  front:      {{kind: balancer,     host: a, listen: "127.0.0.1:{port}"}}
  receivers:  {{kind: receiver,     host: a, from: front, copies: 2}}
  archive:    {{kind: archiver,     host: b, from: [receivers, windows], path: ../data}}
  align:      {{kind: concentrator, host: b, from: receivers}}
  windows:    {{kind: trigger,      host: b, from: align, of: frequency, window: 10 s, every: 5 s}}
  prejudge:   {{kind: detector,     host: a, from: windows, algorithm: emd}}
"""


class Host:
    """One host: its copy of the files and the command."""

    def __init__(self, folder: Path, name: str, pipeline: str) -> None:
        self.folder, self.name = folder / name, name
        self.path = self.folder / "pipelines" / "two.yaml"
        self.keys = self.folder / "config" / "keys"
        for inner in ("pipelines", "config"):
            (self.folder / inner).mkdir(parents=True)
        (self.folder / "run").mkdir(mode=0o700)
        self.path.write_text(pipeline)
        (self.folder / "config" / "site.yaml").write_text("station: two\nunknown: admit\n")

    def syms(self, *words: str) -> subprocess.CompletedProcess[str]:
        env = os.environ | {"SYMS_RUN": str(self.folder / "run")}
        command = [sys.executable, "-m", "commands", *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, timeout=120)

    def new_key(self) -> str:
        told = self.syms("keys", "new", self.name, "--keys", str(self.keys), "--json")
        return str(json.loads(told.stdout)["public"])

    def status(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.syms("status", str(self.path), "--json").stdout)
        return told

    def counter(self, process: str, name: str) -> float:
        node = self.status()["nodes"].get(process, {})
        return float(node.get("counters", {}).get(name, 0))


@pytest.fixture
def hosts(run_folder: Path) -> Iterator[tuple[Host, Host]]:
    first = random.randrange(20_000, 30_000)
    pipeline = PIPELINE.format(first=first, last=first + 20, port=free_port())
    a, b = Host(run_folder, "a", pipeline), Host(run_folder, "b", pipeline)
    keys = {host.name: host.new_key() for host in (a, b)}
    a.syms("keys", "allow", "b", keys["b"], "--keys", str(a.keys))
    b.syms("keys", "allow", "a", keys["a"], "--keys", str(b.keys))
    yield a, b
    for host in (a, b):
        host.syms("down", str(host.path))


def until(reached: Callable[[], bool]) -> bool:
    """Asks again and again; each asking takes its own time."""
    deadline = time.monotonic() + WITHIN
    while not reached():
        if time.monotonic() > deadline:
            return False
    return True


def test_rows_windows_and_verdicts_cross_and_either_host_may_be_away(hosts: tuple[Host, Host]) -> None:
    a, b = hosts
    for host in hosts:
        started = host.syms("up", str(host.path))
        assert started.returncode == 0, started.stderr
    assert until(lambda: b.counter("archive", "archived") > 500)
    assert until(lambda: b.counter("windows", "ok") >= 3)  # cut on b, judged on a
    assert set(a.status()["nodes"]) == set(b.status()["nodes"]) >= {"devices", "archive", "prejudge"}
    assert b.syms("down", str(b.path)).returncode == 0
    received = sum(a.counter(process, "received") for process in ("receivers.1", "receivers.2"))
    assert b.syms("up", str(b.path)).returncode == 0
    assert until(lambda: b.counter("archive", "archived") > received)  # what came meanwhile was fetched
    archive = b.status()["nodes"]["archive"]["counters"]
    assert archive["lost"] == 0
    assert archive["messages_refused"] == archive["messages_malformed"] == 0
    for host in (a, b):
        assert host.syms("down", str(host.path)).returncode == 0
    assert no_holes(b.folder / "data")


def no_holes(folder: Path) -> bool:
    """Whether every slot between a device's first and last row is there."""
    parts = [path for path in folder.rglob("*.h5") if path.stat().st_size]
    seen = []
    for path in parts:
        with h5py.File(path, "r", locking=False) as file:
            if "present" in file:
                present = file["present"][:]
                for column in present.T[present.any(axis=0)]:
                    there = column.nonzero()[0]
                    seen.append(len(there) == there[-1] - there[0] + 1)
    return bool(seen) and all(seen)


def test_without_keys_nothing_starts_and_the_command_to_run_is_told(hosts: tuple[Host, Host]) -> None:
    a, _ = hosts
    (a.keys / "a.secret").unlink()
    told = a.syms("up", str(a.path), "--host", "a")
    assert told.returncode == 2
    assert f"host a has no key here ({a.keys}/a.secret); syms keys new a --keys {a.keys}" in told.stderr
    assert a.syms("run", str(a.path), "front").returncode == 2
