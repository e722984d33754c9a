"""A whole station under the load of `load.c`: started, watched, drained, and its HDF5 files counted."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks._counting import Files
from benchmarks._programs import Program, cpu, memory, pace
from benchmarks._report import progress
from commands import _account
from commands._station import PrivateStation, free_port
from console.board import Board
from protocol.messages import Verdict

RATE = 50
"""DATA frames a second of each device."""
START_PATIENCE, DRAIN_PATIENCE = 120.0, 120.0
LATENCY_SPAN = 10.0
"""Seconds between two looks at the concentrator's p99, which is of the last 500 slots."""
GENERATOR = "load generator"
SUPERVISOR = "supervisord"


def site(devices: int) -> dict[str, Any]:
    """A site file with devices that dial in; `load` gives them IDCODES 1, 2, …"""
    listed = [{"name": f"Load {k}", "number": k, "stream": k, "region": f"R{k % 8}"} for k in range(1, devices + 1)]
    return {"station": "benchmark", "devices": listed}


def wiring(
    port: int, receivers: int = 2, detectors: int = 2, window: float = 180, every: float = 120
) -> dict[str, Any]:
    """The delivered station, with these copies and windows [s]."""
    windows = {"of": "frequency", "window": f"{window:g} s", "every": f"{every:g} s", "stagger": True}
    return {
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{port}"},
        "receivers": {"kind": "receiver", "from": "front", "copies": receivers},
        "archive": {"kind": "archiver", "from": ["receivers", "windows"], "path": "../data/station"},
        "align": {"kind": "concentrator", "from": "receivers", "wait": "200 ms"},
        "windows": {"kind": "trigger", "from": "align", **windows},
        "prejudge": {"kind": "detector", "from": "windows", "algorithm": "emd", "copies": detectors},
        "watch": {"kind": "monitor"},
    }


def compile_ahead() -> None:
    """As set-up does, for sources that have changed since: no process is to compile while it is measured."""
    progress("syms compile")
    subprocess.run([sys.executable, "-m", "commands", "compile"], check=True, stdout=subprocess.DEVNULL)


class Meter:
    """CPU and memory of processes, looked at each second."""

    def __init__(self, pids: dict[str, int]) -> None:
        self.pids = pids
        self.times: list[float] = []
        self.cpu: dict[str, list[float]] = defaultdict(list)
        self.memory: dict[str, list[int]] = defaultdict(list)

    def look(self) -> None:
        """A sample, if the last one is a second old."""
        now = time.monotonic()
        if self.times and now < self.times[-1] + 1:
            return
        self.times.append(now)
        for name, pid in self.pids.items():
            self.cpu[name].append(cpu(pid))
            self.memory[name].append(memory(pid))

    @property
    def seconds(self) -> float:
        return self.times[-1] - self.times[0]

    def cores(self) -> dict[str, float]:
        """Process -> share of a core over all samples."""
        return {name: (used[-1] - used[0]) / self.seconds for name, used in self.cpu.items()}

    def growth(self) -> dict[str, tuple[float, float]]:
        """Process -> MiB of memory: (median of the second quarter of the samples, median of the last one)."""
        quarter = max(1, len(self.times) // 4)
        return {
            name: (median(held[quarter : 2 * quarter] or held) / (1 << 20), median(held[-quarter:]) / (1 << 20))
            for name, held in self.memory.items()
        }


@dataclass
class Result:
    """What a run showed."""

    devices: int
    every: float
    sent: int = 0
    archived: int = 0
    """Rows in the HDF5 files at their place."""
    unequal: int = 0
    """Devices of which more or fewer rows are archived than it sent."""
    late: int = 0
    withheld: int = 0
    generator_late_ms: float = 0.0
    """p99 of how late frames left the generator."""
    fetched: float = 0.0
    """Messages that readers missed and fetched."""
    windows: int = 0
    missing: int = 0
    """Windows that fell due and have no verdict."""
    unjudged: int = 0
    """Windows with a verdict that is not ok."""
    delays: list[float] = field(default_factory=list)
    """Seconds from a window's end to its verdict."""
    latency: list[float] = field(default_factory=list)
    """ms: p99 from a slot's last arrival to its release, of spans of 10 s."""
    cores: dict[str, float] = field(default_factory=dict)
    growth: dict[str, tuple[float, float]] = field(default_factory=dict)
    seconds: float = 0.0
    pace: float = 0.0
    """Frames a second that were sent while it was measured."""
    alarms: list[str] = field(default_factory=list)

    @property
    def station(self) -> float:
        """Cores of the station's processes."""
        return sum(used for name, used in self.cores.items() if name != GENERATOR)

    def kind(self, *names: str) -> float:
        """Cores of the processes of these nodes."""
        return sum(used for name, used in self.cores.items() if name.partition(".")[0] in names)

    def breaks(self) -> list[str]:
        """What did not go as it should; nothing if all went well."""
        slowest = max(self.delays, default=0.0)
        found = {
            f"sent {self.sent:,}, archived {self.archived:,}": self.sent != self.archived or self.unequal,
            f"{self.late:,} rows late": self.late,
            f"{self.withheld:,} frames not sent: their device, or the generator, was held up": self.withheld,
            f"the generator sent {self.generator_late_ms:.0f} ms late": self.generator_late_ms > 20,
            f"{self.missing:,} windows without a verdict": self.missing,
            f"{self.unjudged:,} windows not judged": self.unjudged,
            f"a verdict came {slowest:.1f} s after its window": slowest > min(5.0, self.every),
        }
        return [what for what, so in found.items() if so]


class Run:
    """One station, one load."""

    def __init__(self, devices: int, window: float, every: float, receivers: int, detectors: int) -> None:
        self.port = free_port()
        self.nodes = wiring(self.port, receivers, detectors, window, every)
        self.result = Result(devices, every)
        self.window, self.every = window, every
        self._span_at = 0.0

    def go(self, seconds: float, *options: str) -> Result:
        """Fill the windows, then measure for so long; `options` are the generator's. Raises SystemExit."""
        devices = self.result.devices
        with (
            PrivateStation(self.nodes, site(devices), (Verdict.TAG,), self._hear) as station,  # type: ignore[attr-defined]
            Program("load", "--to", f"127.0.0.1:{self.port}", "--devices", devices, *options) as load,
        ):
            progress(f"{devices} devices: started")
            if not station.wait(lambda _: load.said.get("running") == devices, START_PATIENCE):
                raise SystemExit(f"only {load.said.get('running', 0)} of {devices} devices were told to send")
            station.listen(self.window + 2)
            progress(f"{devices} devices: windows are full, measuring {seconds:.0f} s")
            self._measure(station, load, seconds)
            self._drain(station, load)
            self._count(station, load.end())
        return self.result

    def _hear(self, word: Any) -> None:
        if isinstance(word, Verdict):
            self.result.delays.append(time.time() - word.stop / 1e9)

    def _measure(self, station: PrivateStation, load: Program, seconds: float) -> None:
        states = station.supervisor.states()
        pids = {name: info["pid"] for name, info in states.items() if name in station.pipeline.processes}
        meter = Meter({**pids, SUPERVISOR: station.supervisor.pid() or 0, GENERATOR: load.pid})
        self._span_at = time.monotonic() + LATENCY_SPAN

        def look(board: Board) -> None:
            meter.look()
            if time.monotonic() >= self._span_at:
                self._span_at += LATENCY_SPAN
                self.result.latency.append(board.total("concentrator", "release_p99_ms"))

        earlier = load.said
        station.wait(lambda _: False, seconds, look)
        self.result.pace = pace(earlier, load.said)
        self.result.latency = self.result.latency or [station.board.total("concentrator", "release_p99_ms")]
        self.result.cores, self.result.growth = meter.cores(), meter.growth()
        self.result.seconds = meter.seconds

    def _drain(self, station: PrivateStation, load: Program) -> None:
        """No more data; until all of it has its place and every window its verdict, or patience ends."""
        load.pause()
        seen = load.lines
        load.wait(lambda _: load.lines > seen + 1, 5)

        def done(board: Board) -> bool:
            frames = _account.frames(board)
            waiting = (voice.last.queues for voice in board.voices.values() if voice.last.kind == "trigger")
            return frames["archived"] + frames["aside"] >= load.said["total"] and not any(
                sum(queues.values()) for queues in waiting
            )

        station.wait(done, DRAIN_PATIENCE)

    def _count(self, station: PrivateStation, last: dict[str, Any]) -> None:
        result, board = self.result, station.board
        station.settle()
        result.late = int(board.total("concentrator", "late"))
        result.alarms = board.alarms(time.monotonic())
        kinds = ("archiver", "concentrator", "trigger")
        result.fetched = sum(
            board.total(kind, "messages_fetched" if kind == "archiver" else "fetched") for kind in kinds
        )
        station.stop()
        result.alarms += station.troubles()
        files = Files(station.folder / "data" / "station", RATE)
        result.sent, result.withheld = last["total"], last["withheld"]
        result.generator_late_ms = last["late_p99_ms"]
        result.archived = sum(files.rows.values())
        result.unequal = sum(files.rows[k + 1] != sent for k, sent in enumerate(last["sent"]))
        result.windows = sum(map(len, files.windows.values()))
        result.unjudged = result.windows - files.judged
        result.missing = files.missing(round(self.every * 1e9))
