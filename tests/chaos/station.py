"""The station under test: a pipeline of its own in a folder, started and ended with the verbs that people use."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from commands import _orphans
from commands._station import free_port
from commands.status import look
from console.board import Board
from nodes import _sockets
from nodes._pipeline import load
from protocol.messages import Health, Measurements, Snapshots, Verdict
from tests.chaos.faults import HOLDERS, Fault
from tests.chaos.truth import Device

ROOT = Path(__file__).parents[2]
WINDOW, EVERY, PHASES = 5, 2, 0.6180339887498949
"""s, s, and the golden ratio's fraction that staggers the windows of the devices."""
TRIGGER = "windows"
SETTLED = 2.0
"""Seconds after its start that a process has found all others."""
FLOW = {"receiver": Measurements, "concentrator": Snapshots, "trigger": Verdict}


def devices(front: int) -> list[Device]:
    """A small site with every way in, each device with a habit of its own."""
    ways: list[dict[str, Any]] = [
        {},
        {"habits": {"pieces": 20}, "phasors": 1},
        {"habits": {"pairs": 2, "damaged": 37}, "cfg3": False},
        {"habits": {"changes": 25, "repeated": 41}},
        {"habits": {"redials": 17}, "phasors": 1},
        {"way": "tcp", "port": free_port(), "analogs": 1, "digitals": 0},
        {"way": "udp", "port": free_port(), "phasors": 1},
        {"habits": {"pieces": 3, "changes": 31}, "phasors": 1},
    ]
    return [Device(number + 1, **({"port": front} | each)) for number, each in enumerate(ways)]


def site(played: list[Device], host: str = "127.0.0.1") -> dict[str, Any]:
    """The site file of these devices."""
    entries: list[dict[str, Any]] = []
    for each in played:
        entry: dict[str, Any] = {"name": each.name, "number": each.number, "stream": each.number}
        if each.way != "dials_in":
            entry["link"] = {each.way: f"{host}:{each.port}"}
        entries.append(entry)
    return {"station": "chaos", "unknown": "refuse", "devices": entries}


def wiring(front: int, folder: Path, receivers: int = 2, listen: str = "127.0.0.1") -> dict[str, Any]:
    """Every kind of process; windows so short that many are judged in a minute."""
    judge = {"smooth": "100 ms", "block": "200 ms"}
    return {
        "front": {"kind": "balancer", "listen": f"{listen}:{front}"},
        "receivers": {"kind": "receiver", "from": "front", "copies": receivers},
        "archive": {"kind": "archiver", "from": ["receivers", TRIGGER], "path": str(folder / "data")},
        "align": {"kind": "concentrator", "from": "receivers", "wait": "200 ms"},
        TRIGGER: {
            "kind": "trigger", "from": "align", "window": f"{WINDOW} s", "every": f"{EVERY} s", "timeout": "3 s",
            "dead_letters": str(folder / "dead-letters"),
        },
        "prejudge": {"kind": "detector", "from": TRIGGER, "copies": 2, "settings": judge},
    }  # fmt: skip


class Station:
    """A pipeline in a folder. `environment` is what its processes get beside ours (a shim, say)."""

    def __init__(self, folder: Path, nodes: dict[str, Any], sites: dict[str, Any],
                 environment: dict[str, str] | None = None, journal: Path | None = None) -> None:  # fmt: skip
        self.folder = folder.resolve()
        self.run = tempfile.mkdtemp(prefix="syms-chaos-")
        self.environment = os.environ | {"SYMS_RUN": self.run, "SYMS_AS_ROOT": "1"} | (environment or {})
        (self.folder / "pipelines").mkdir(parents=True, exist_ok=True)
        self.path = self.folder / "pipelines" / "chaos.yaml"
        (self.folder / "pipelines" / "site.yaml").write_text(yaml.safe_dump(sites, sort_keys=False))
        top = {"site": "site.yaml", "journal": str(journal or self.folder / "journal"), "nodes": nodes}
        self.path.write_text(yaml.safe_dump(top, sort_keys=False))
        os.environ["SYMS_RUN"] = self.run
        self.pipeline = load(self.path)
        self.kinds = {name: spec.kind for name, spec in self.pipeline.processes.items()}
        self.flows = Flows(self.run, self.kinds)

    def syms(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A verb, as people say it."""
        command = [sys.executable, "-m", "commands", *words]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, text=True, capture_output=True, timeout=180)
        if check and done.returncode:
            raise RuntimeError(f"syms {' '.join(words)}: exit {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def up(self) -> None:
        """Start it; a busy machine may take longer than one `syms up` waits."""
        if self.syms("up", str(self.path), check=False).returncode:
            self.syms("up", str(self.path))
        self.flows.start()

    def down(self) -> list[str]:
        """Stop it; returns what it left behind: processes, locks and sockets."""
        self.flows.stop()
        self.syms("down", str(self.path))
        left = [f"process {name} ({pid})" for name, pid in _orphans.lock_holders(self.run).items()]
        return left + [str(path) for pattern in _orphans.LEFTOVERS for path in Path(self.run).glob(pattern)]

    def pids(self) -> dict[str, int]:
        """Process name -> pid, of those that run now."""
        return _orphans.lock_holders(self.run)

    def holders_back(self, fault: Fault) -> bool:
        """Whether a fault that hits a balancer (a receiver) finds all receivers (balancers) at work."""
        hit = {self.kinds[name] for name in fault.victims} & HOLDERS
        needed = [name for name, kind in self.kinds.items() if kind in HOLDERS - hit] if hit else []
        running = self.pids()
        return all(name in running and self.flows.settled(name, running[name]) for name in needed)

    def look(self) -> Board:
        return look(self.pipeline, 2.6)

    def drained(self, patience: float) -> bool:
        """Wait until everything that came has come to rest: two looks alike, nothing pending or waiting."""
        deadline, before = time.monotonic() + patience, None
        while time.monotonic() < deadline:
            board = self.look()
            now = _standing(board)
            if now == before and not _waiting(board):
                return True
            before = now
        return False

    def keep_logs(self) -> None:
        with suppress(OSError):
            shutil.copytree(Path(self.run, "logs"), self.folder / "logs", dirs_exist_ok=True)

    def end(self) -> None:
        """Whatever happened: nothing of it runs on, its runtime folder is gone."""
        self.flows.stop()
        self.keep_logs()
        pidfile = Path(self.run, "supervisord.pid")
        with suppress(OSError, ValueError):
            os.kill(int(pidfile.read_text()), signal.SIGTERM)
            _orphans.wait_for_end([int(pidfile.read_text())], 20.0)
        _orphans.end(self.pids().values(), 2.0)
        shutil.rmtree(self.run, ignore_errors=True)


def _standing(board: Board) -> list[Any]:
    rows = [(row["device"], row["counts"].get("archiver_received"), row["counts"].get("archived"))
            for row in board.devices()]  # fmt: skip
    windows = sorted((name, voice.last.counters.get("windows")) for name, voice in board.voices.items())
    return [*rows, *windows]


def _waiting(board: Board) -> bool:
    pending = sum(row["counts"].get("pending", 0) for row in board.devices())
    queues = [voice.last.queues for voice in board.voices.values()]
    waits = ("waiting", "in_flight", "behind", "messages_behind", "rows", "slots")
    silent = board.silent(time.monotonic())
    return bool(pending or silent or any(queue.get(name, 0) for queue in queues for name in waits))


class Flows:
    """Hears the station's news in a thread: when each process was seen at work, and all verdicts."""

    def __init__(self, run: str, kinds: dict[str, str]) -> None:
        self.run, self.kinds = run, kinds
        self.verdicts: list[Verdict] = []
        self.seen: dict[str, list[tuple[int, int]]] = {name: [] for name in kinds}
        """Process -> (epoch or pid, ns UTC) when a word of this life was first heard."""
        self.alive: dict[str, tuple[int, float]] = {}
        """Process -> (pid, seconds that it had run) as it said last."""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._hear, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _hear(self) -> None:
        tags: list[bytes] = [getattr(each, "TAG") for each in (Health, Measurements, Snapshots, Verdict)]  # noqa: B009
        for word in _sockets.listen(self.run, list(self.kinds), tags):
            if self._stop.is_set():
                return
            if isinstance(word, Verdict):
                self.verdicts.append(word)
            if isinstance(word, Health):
                self.alive[word.node] = word.pid, word.uptime
            if isinstance(word, Health) and self.kinds.get(word.node) not in FLOW:
                self._mark(word.node, word.pid)
            elif isinstance(word, Measurements | Snapshots | Verdict):
                self._mark(word.node, word.epoch)

    def _mark(self, process: str, life: int) -> None:
        lives = self.seen.setdefault(process, [])
        if all(life != known for known, _ in lives[-4:]):
            lives.append((life, time.time_ns()))

    def settled(self, process: str, pid: int) -> bool:
        """Whether this life of a process has run for some seconds."""
        said, uptime = self.alive.get(process, (0, 0.0))
        return said == pid and uptime >= SETTLED

    def back(self, process: str, since: int) -> int | None:
        """ns from an instant [ns UTC] until the first word of the process's next life; None if there was none."""
        return next((at - since for _, at in self.seen[process][1:] if at > since), None)

    def wait(self, condition: Callable[[], bool], patience: float) -> bool:
        """Poll for something that the thread hears."""
        deadline = time.monotonic() + patience
        while not condition():
            if time.monotonic() > deadline:
                return False
            self._stop.wait(0.05)
        return True

    def save(self, path: Path) -> None:
        """All verdicts heard, a line each: a second opinion beside the archive."""
        with open(path, "w") as file:
            for word in self.verdicts:
                said = {"epoch": word.epoch, "number": word.number, "device": int(word.device[0]), "start": word.start,
                        "stop": word.stop, "outcome": word.outcome}  # fmt: skip
                file.write(json.dumps(said) + "\n")
