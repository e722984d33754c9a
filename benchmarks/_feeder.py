"""Real detector processes, given windows by a stand-in for their trigger, as fast as they judge them.

The stand-in uses the trigger's own leases (`algorithms/leases.py`): two windows in flight at each detector, the next
one to the freest. Only where the windows come from is made up.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from algorithms.leases import Leases
from benchmarks._signals import KINDS, RATE, SAMPLES
from benchmarks._signals import signal as made
from commands._logs import configure_logs
from nodes._node import Actions, Done, Letter, Node, Place
from nodes._pipeline import load
from nodes._runfolder import make_run_folder
from nodes._runtime import run
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Verdict, Window

TRIGGER, DETECTOR = "windows", "prejudge"
AHEAD = 4
"""Windows that wait for a detector at any time."""
PATIENCE = 60.0


@dataclass
class Phase:
    """Some time of judging, and what came of it."""

    workers: Sequence[str]
    seconds: float
    slowed: str = ""
    """A worker that runs a tenth of the time only."""
    judged: Counter[str] = field(default_factory=Counter)
    """Worker -> windows judged"""
    took: float = 0.0

    @property
    def rate(self) -> float:
        """Windows a second."""
        return self.judged.total() / self.took


class Feeder(Node):
    """In the trigger's place: gives windows out, phase by phase, and counts the verdicts."""

    def __init__(self, place: Place, phases: list[Phase], pids: dict[str, int]) -> None:
        self.phases, self.pids = list(phases), pids
        self.windows = [self._window(place.name, kind, number) for number in range(3) for kind in KINDS]
        self.given, self.phase, self.leases = 0, Phase((), 0.0), Leases[Window]((), 0, 0, 1)
        self.begun = self.look_at = 0
        self.brake: Brake | None = None

    @staticmethod
    def _window(trigger: str, kind: str, number: int) -> Window:
        values = made(kind, SAMPLES, number).astype(np.float32)
        none = np.zeros((1, SAMPLES), np.uint8)
        return Window(trigger, 0, 0, np.ones(1, np.uint32), 0, RATE, ["frequency"], values[None, None], none, 1.0)

    def wake_at(self) -> int:
        return self.look_at

    def wake(self, now: Now) -> Actions:
        """The next phase, when this one's time is over and all its windows are back."""
        self.look_at = now.monotonic + 50 * MILLISECOND
        if now.monotonic < self.begun + round(self.phase.seconds * SECOND) or (
            self.phase.workers and not self.phase.took
        ):
            return ()
        if self.brake:
            self.brake.release()
            self.brake = None
        if self.leases.out:
            return ()
        if not self.phases:
            raise Done("all phases")
        self.phase, self.begun = self.phases.pop(0), now.monotonic
        self.leases = Leases(self.phase.workers, 64, round(PATIENCE * SECOND), 1, first=self.given)
        if self.phase.slowed:
            self.brake = Brake(self.pids[self.phase.slowed])
        return self._give(now)

    def receive(self, message: Any, now: Now) -> Actions:
        """A verdict: count it if it came in time, give out the next window."""
        assert isinstance(message, Verdict)
        assert not message.error
        self.leases.done(message.lease, message.worker)
        elapsed = (now.monotonic - self.begun) / SECOND
        if elapsed > self.phase.seconds and self.phase.took:
            return ()
        self.phase.judged[message.worker] += 1
        self.phase.took = elapsed
        return self._give(now)

    def _give(self, now: Now) -> Iterator[Letter]:
        while self.leases.waiting < AHEAD:
            self.leases.add(self.windows[self.given % len(self.windows)])
            self.given += 1
        for sent in self.leases.send(now.monotonic):
            yield Letter(sent.worker, replace(sent.work, lease=sent.lease, attempt=sent.attempt))


class Brake:
    """Makes a process ten times slower: it is stopped nine tenths of the time."""

    def __init__(self, pid: int, on: float = 0.005) -> None:
        """It runs for `on` [s] at a time."""
        self.pid, self.on, self._over = pid, on, threading.Event()
        self._thread = threading.Thread(target=self._hold, daemon=True)
        self._thread.start()

    def _hold(self) -> None:
        while not self._over.is_set():
            os.kill(self.pid, signal.SIGSTOP)
            self._over.wait(9 * self.on)
            os.kill(self.pid, signal.SIGCONT)
            self._over.wait(self.on)

    def release(self) -> None:
        """Let it run."""
        self._over.set()
        self._thread.join()


@dataclass
class Worker:
    """A detector process."""

    process: subprocess.Popen[str]
    ready: float
    """Seconds from its start until it can judge."""


class Detectors:
    """Detectors of a pipeline of which nothing else runs, in a temporary folder."""

    def __init__(self, folder: Path, copies: int) -> None:
        self.path = folder / "pipelines" / "workers.yaml"
        self.run, self.copies = folder / "run", copies
        self.path.parent.mkdir()
        (folder / "site.yaml").write_text(yaml.safe_dump({"station": "benchmark", "devices": []}))
        self.write({})

    def write(self, settings: dict[str, Any]) -> None:
        """The pipeline file, with these settings of the algorithm."""
        detector = {"kind": "detector", "from": TRIGGER, "copies": self.copies, "settings": settings}
        nodes = {
            "front": {"kind": "balancer", "listen": "127.0.0.1:4712"},
            "receivers": {"kind": "receiver", "from": "front"},
            "align": {"kind": "concentrator", "from": "receivers"},
            TRIGGER: {"kind": "trigger", "from": "align"},
            DETECTOR: detector,
        }
        self.path.write_text(yaml.safe_dump({"site": "../site.yaml", "nodes": nodes}))

    @property
    def names(self) -> list[str]:
        """Names of the processes."""
        return [name for name in load(self.path).processes if name.partition(".")[0] == DETECTOR]

    @contextmanager
    def started(self, name: str) -> Iterator[Worker]:
        """One of them, ready to judge; ended afterwards."""
        command = [sys.executable, "-m", "commands", "run", str(self.path), name]
        environment = os.environ | {"SYMS_RUN": str(self.run), "SYMS_AS_ROOT": "1"}
        begun = time.monotonic()
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        assert process.stderr
        try:
            said = ""
            while " started" not in said:
                said = process.stderr.readline()
                if not said:
                    raise SystemExit(f"{name} did not start")
            yield Worker(process, time.monotonic() - begun)
        finally:
            os.kill(process.pid, signal.SIGCONT)
            process.terminate()
            process.wait(PATIENCE)
            process.stderr.close()

    def feed(self, phases: list[Phase], workers: dict[str, Worker]) -> None:
        """Run the phases with these workers."""
        configure_logs()
        make_run_folder(self.run)
        checked = replace(load(self.path), run=str(self.run))
        place = replace(checked.place(TRIGGER), journal=None)
        pids = {name: worker.process.pid for name, worker in workers.items()}
        if run(Feeder(place, phases, pids), "trigger", place):
            raise SystemExit("the windows could not be given out, see above")


@contextmanager
def detectors(copies: int) -> Iterator[Detectors]:
    """Detectors in a folder of their own, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="syms-") as folder:
        yield Detectors(Path(folder), copies)
