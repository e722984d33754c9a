"""A station is changed while it works: nothing sent is lost, every window is judged once, all else stays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from nodes._pipeline import load
from tests.chaos.oracle import Report
from tests.chaos.scene import Scene
from tests.chaos.station import ROOT

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(420)]


def edit(scene: Scene, alter: Callable[[dict[str, Any]], None]) -> None:
    """Change the nodes of the pipeline file, as a person would."""
    path = scene.station.path
    data = yaml.safe_load(path.read_text())
    alter(data["nodes"])
    path.write_text(yaml.safe_dump(data, sort_keys=False))


def up(scene: Scene) -> dict[str, Any]:
    """`syms up` on the edited file; returns what it says was done."""
    done = scene.station.syms("up", str(scene.station.path), "--yes", "--json")
    scene.station.pipeline = load(scene.station.path)
    scene.station.kinds |= {name: spec.kind for name, spec in scene.station.pipeline.processes.items()}
    plan: dict[str, Any] = json.loads(done.stdout)["plan"]
    return plan


def lossless(report: Report) -> None:
    """What the oracle found: all that was sent is archived once, each window has one verdict."""
    assert report.faults == []
    assert report.sent == report.archived > 0
    assert (report.lost, report.duplicated, report.missed, report.twice) == (0, 0, 0, 0)


def steps(plan: dict[str, Any]) -> list[tuple[str, str]]:
    return [(step["do"], step["process"]) for step in plan["steps"]]


def test_an_edited_file_is_taken_up(tmp_path: Path) -> None:
    """Another algorithm, one more detector, another setting of the concentrator; and nothing else is touched."""
    pids: list[dict[str, int]] = []

    def act(scene: Scene) -> None:
        pids.append(scene.station.pids())
        faulty = scene.station.path.read_text()
        edit(scene, lambda nodes: nodes["align"].update(wait="soon"))
        assert scene.station.syms("up", str(scene.station.path), "--yes", check=False).returncode == 2
        assert scene.station.pids() == pids[0]
        scene.station.path.write_text(faulty)

        def alter(nodes: dict[str, Any]) -> None:
            nodes["prejudge"] = {
                "kind": "detector",
                "from": "windows",
                "copies": 3,
                "algorithm": "rocof",
                "settings": {"block": "200 ms"},
            }
            nodes["align"]["wait"] = "300 ms"

        edit(scene, alter)
        assert scene.station.syms("up", str(scene.station.path), check=False).returncode == 2  # nobody to ask
        plan = up(scene)
        assert steps(plan) == [
            ("start", "prejudge.3"),
            ("restart", "prejudge.1"),
            ("restart", "prejudge.2"),
            ("restart", "align"),
        ]
        assert up(scene)["steps"] == []
        pids.append(scene.station.pids())

    lossless(Scene(tmp_path / "station").run(act))
    before, after = pids
    kept = {"front", "receivers.1", "receivers.2", "archive", "windows"}
    assert {name for name, pid in before.items() if after.get(name) == pid} == kept


@pytest.mark.slow
def test_receivers_come_and_go(tmp_path: Path) -> None:
    """One more, then one less: its connections go on at another one."""

    def act(scene: Scene) -> None:
        path = str(scene.station.path)
        for copies in ("3", "2", "1", "3"):
            scene.station.syms("scale", path, "receivers", copies, "--yes")
            time.sleep(3.0)
        scene.station.pipeline = load(scene.station.path)
        assert {name for name in scene.station.pids() if name.startswith("receivers")} == {
            "receivers.1", "receivers.2", "receivers.3",
        }  # fmt: skip
        scene.station.syms("stop", path, "receivers.1", "--yes")
        scene.station.syms("start", path, "receivers.1")
        scene.station.syms("restart", path, "receivers", "front", "windows", "archive", "--yes")

    lossless(Scene(tmp_path / "station").run(act))


@pytest.mark.slow
@pytest.mark.parametrize(
    "victim", ["command", "receivers.2", "front", "receivers.1", "archive", "windows", "prejudge.1"]
)
def test_killed_in_the_middle_it_is_finished_by_the_next(tmp_path: Path, victim: str) -> None:
    """kill -9 of the command, or of a process, while one receiver leaves and detectors are replaced."""

    def alter(nodes: dict[str, Any]) -> None:
        nodes["receivers"]["copies"] = 1
        nodes["prejudge"] |= {"algorithm": "rocof", "settings": {"block": "200 ms"}}

    def act(scene: Scene) -> None:
        edit(scene, alter)
        command = [sys.executable, "-m", "commands", "up", str(scene.station.path), "--yes"]
        with subprocess.Popen(command, env=scene.station.environment, cwd=ROOT, stderr=subprocess.PIPE) as change:
            for delay in (4.0, 3.0):
                time.sleep(delay)  # a moment like any other
                pid = change.pid if victim == "command" else scene.station.pids().get(victim)
                if pid and change.poll() is None:
                    scene.fault("kill", [victim])
                    os.kill(pid, signal.SIGKILL)
            change.communicate(timeout=200)
        up(scene)
        assert up(scene)["steps"] == []
        assert sorted(scene.station.pids()) == sorted(scene.station.pipeline.processes)

    lossless(Scene(tmp_path / "station").run(act))


@pytest.mark.slow
def test_killed_while_the_other_one_is_replaced(tmp_path: Path) -> None:
    """Balancer and receivers share the connections: one is killed as soon as the other has ended for its successor."""

    def act(scene: Scene) -> None:
        for replaced, victim in (("receivers.2", "front"), ("front", "receivers.1"), ("receivers.1", "front")):
            former = scene.station.pids()
            command = [sys.executable, "-m", "commands", "restart", str(scene.station.path), replaced, "--yes"]
            with subprocess.Popen(command, env=scene.station.environment, cwd=ROOT) as restart:
                while scene.station.pids().get(replaced) == former[replaced]:
                    time.sleep(0.005)
                scene.fault("kill", [victim])
                os.kill(former[victim], signal.SIGKILL)
                assert restart.wait(timeout=170) == 0
            until = time.monotonic() + 60
            while not all(scene.station.pids().get(each, former[each]) != former[each] for each in (replaced, victim)):
                assert time.monotonic() < until
                time.sleep(0.1)
            time.sleep(3.0)  # they meet

    lossless(Scene(tmp_path / "station").run(act))
