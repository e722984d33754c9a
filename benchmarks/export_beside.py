"""A large export beside a station at work: does acquisition notice?

    python -m benchmarks.export_beside [--devices 500] [--seconds 60] [--gigabytes 10] [--format hdf5]

The delivered station takes so many devices at 50 rows a second and archives them beside hours that are there already:
so many GB of rows, as they lie in memory (made once, packed, and moved to other times). It is watched alone, then while
`syms export` takes these hours home, then alone again, which shows what else changed meanwhile. The verb is started as
people start it, with a session of its own, as each shell of a server's has one.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from archive import layout
from archive.finish import finish_all
from benchmarks._ambient import RATE, TABLE, ambient
from benchmarks._hours import START, again, fill
from benchmarks._programs import PAGE, Program, cpu, pace
from benchmarks._report import goal, goals, progress, section, table
from benchmarks._stations import START_PATIENCE, compile_ahead, site, wiring
from commands._station import PrivateStation, free_port
from console.board import Board
from protocol.messages import Snapshots

LINKS = 40
"""Devices in the hours that are taken home; at most `MOST` hours, or they have more."""
FIRST = 10_001
"""Link of the first of them: none of those that send."""
SETTLE = 15.0
"""Seconds after the start that are not watched: processes load what they use."""
PATIENCE = 4 * 3600.0
"""Seconds that the export has."""
SHARES = (50, 95, 99, 100)
"""Percentiles that are told."""
UNCHANGED = 1.1, 0.5
"""p99 is as before if it is at most so many times the worse of before and afterwards, or so many ms more."""
POLICIES = {os.SCHED_OTHER: "SCHED_OTHER", os.SCHED_BATCH: "SCHED_BATCH", os.SCHED_IDLE: "SCHED_IDLE"}
MEMORY = 400.0
"""MiB that an export may have at most, however much it writes."""


@dataclass
class Phase:
    """What was seen of a station over some time."""

    name: str
    slots: list[float] = field(default_factory=list)
    """ms from a slot's last arrival to its release."""
    commits: list[float] = field(default_factory=list)
    """ms that commits of the archive took."""
    late: float = 0.0
    """Rows that came when their slot was released."""
    seconds: float = 0.0
    pace: float = 0.0
    """Frames a second that were sent."""

    def row(self) -> list[str]:
        """For the table."""
        told = [f"{value:.1f}" for some in (self.slots, self.commits) for value in np.percentile(some or [0], SHARES)]
        return [
            self.name,
            f"{self.seconds:.0f}",
            f"{self.pace:,.0f}",
            f"{len(self.slots):,}",
            *told,
            f"{self.late:.0f}",
        ]

    @property
    def p99(self) -> float:
        """Of slots."""
        return float(np.percentile(self.slots or [0], 99))


@dataclass
class Taken:
    """What the export was like."""

    nice: int = 0
    policy: str = ""
    disk: str = ""
    memory: list[float] = field(default_factory=list)
    """MiB resident, each second."""
    cores: float = 0.0
    seconds: float = 0.0
    said: dict[str, Any] = field(default_factory=dict)
    """What `--json` told."""
    code: int = 0


class Watch:
    """Listens to a station with the devices of `load`."""

    def __init__(self, nodes: dict[str, Any], devices: int, load: Program) -> None:
        self.station = PrivateStation(nodes, site(devices), (Snapshots.TAG,), self._hear)  # type: ignore[attr-defined]
        self.load = load
        self.phase = Phase("")
        self._commits = 0.0

    def _hear(self, word: Any) -> None:
        if isinstance(word, Snapshots) and not word.late:
            self.phase.slots += (word.latency / 1e6).tolist()

    def _look(self, board: Board) -> None:
        if voice := board.voices.get("archive"):
            told = voice.last.counters
            if told["commits"] > self._commits:
                self._commits = told["commits"]
                self.phase.commits.append(told["commit_ms"])

    def over(self, name: str, seconds: float, until: Export | None = None) -> Phase:
        """So long, or until an export has ended."""
        progress(f"{name}, {'until it has ended' if until else f'{seconds:.0f} s'}")
        self.phase, begun, sent = Phase(name), time.monotonic(), self.load.said
        late = self.station.board.total("concentrator", "late")

        def look(board: Board) -> None:
            self._look(board)
            if until is not None:
                until.look()

        self.station.wait(lambda _: until is not None and until.ended, seconds, look)
        self.phase.seconds, self.phase.pace = time.monotonic() - begun, pace(sent, self.load.said)
        self.phase.late = self.station.board.total("concentrator", "late") - late
        return self.phase


class Export:
    """`syms export` at work."""

    def __init__(self, root: Path, hours: int, out: Path, form: str) -> None:
        self.taken, self._out, self._form = Taken(), out, form
        self._said, self._log = out.with_name("said"), out.with_name("log")
        command = [sys.executable, "-m", "commands", "export", str(root), "--out", str(out), "--format", form,
                   "--from", _iso(START), "--to", _iso(START + hours * layout.SPAN),
                   "--json", "--progress"]  # fmt: skip
        with self._said.open("wb") as said, self._log.open("wb") as log:
            self._child = subprocess.Popen(command, stdout=said, stderr=log, start_new_session=True)
        self._begun = self._at = time.monotonic()

    @property
    def ended(self) -> bool:
        """Whether it has; then what it told is taken up."""
        if self._child.poll() is None:
            return False
        if not self.taken.seconds:
            self.taken.seconds, self.taken.code = time.monotonic() - self._begun, self._child.returncode
            self.taken.said = json.loads(self._said.read_text() or "{}")
            if self.taken.code:
                raise SystemExit(f"syms export failed: {self._log.read_text()[-1000:]}")
        return True

    def look(self) -> None:
        """A sample a second."""
        now = time.monotonic()
        if now < self._at or self.ended:
            return
        self._at = now + 1
        pid = self._child.pid
        try:
            self.taken.memory.append(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / (1 << 20))
            self.taken.nice = os.getpriority(os.PRIO_PROCESS, pid)
            self.taken.policy = POLICIES.get(os.sched_getscheduler(pid), "?")
            self.taken.cores = cpu(pid) / (now - self._begun)
        except (FileNotFoundError, ProcessLookupError):
            return  # it ended just now
        if shutil.which("ionice"):
            told = subprocess.run(["ionice", "-p", str(pid)], capture_output=True, text=True)
            self.taken.disk = told.stdout.strip() or self.taken.disk

    def end(self) -> None:
        """Whatever happens."""
        if self._child.poll() is None:
            self._child.kill()
            self._child.wait()


def _iso(instant: int) -> str:
    return f"{layout.moment(instant):%Y-%m-%dT%H:%M:%SZ}"


def make(root: Path, size: float, seconds: int, devices: int) -> tuple[int, float]:
    """(hours, bytes of their rows in memory) of an archive with at least so many bytes."""
    one = devices * seconds * RATE * layout.row_bytes(TABLE)
    hours = max(1, round(size / one))
    progress(f"{hours} hours of {devices} devices, {hours * one / 1e9:.1f} GB of rows")
    fill(root, TABLE, np.concatenate([ambient(4, seconds)] * (devices // 4)), START, 60, first=FIRST)
    (path,) = finish_all(root)
    for hour in range(1, hours):
        again(root, path, START, hour, TABLE)
    os.sync()
    return hours, float(hours * one)


def run(told: argparse.Namespace, folder: Path) -> tuple[list[Phase], Taken, float]:
    """(alone, beside an export, alone again; the export; bytes of its rows in memory)."""
    root = folder / "archive"
    hours, size = make(root, told.gigabytes * 1e9, told.span, LINKS if not told.quick else 4)
    port = free_port()
    nodes = wiring(port)
    nodes["archive"]["path"] = str(root)
    with Program("load", "--to", f"127.0.0.1:{port}", "--devices", told.devices) as load:
        watch = Watch(nodes, told.devices, load)
        with watch.station as station:
            if not station.wait(lambda _: load.said.get("running") == told.devices, START_PATIENCE):
                raise SystemExit("not all devices were told to send")
            watch.over("settling", SETTLE)
            phases = [watch.over("alone", told.seconds)]
            export = Export(root, hours, folder / f"taken.{told.format}", told.format)
            try:
                phases.append(watch.over("beside the export", PATIENCE, export))
            finally:
                export.end()
            phases.append(watch.over("alone again", told.seconds))
            if troubles := station.troubles():
                raise SystemExit("; ".join(troubles))
    return phases, export.taken, size


HEADS = (
    "",
    "seconds",
    "frames/s",
    "slots",
    "slots p50",
    "p95",
    "p99",
    "max",
    "commits p50",
    "p95",
    "p99",
    "max",
    "late",
)


def of_the_export(taken: Taken, size: float) -> str:
    """What it was like, in sentences."""
    held = taken.memory or [0.0]
    quarter = max(1, len(held) // 4)
    parts = [
        f"{median(held[at : at + quarter]):.0f}" for at in range(0, quarter * 4, quarter) if held[at : at + quarter]
    ]
    return (
        f"The export: {taken.said.get('rows', 0):,} rows, {size / 1e9:.2f} GB as they lie in memory, "
        f"{taken.said.get('bytes', 0) / 1e9:.2f} GB written in {taken.seconds:.0f} s: "
        f"{size / 1e6 / taken.seconds:.0f} MB/s, {taken.cores:.2f} cores. Nice {taken.nice}, {taken.policy}, disk "
        f"{taken.disk or 'unknown'}. Its memory in MiB, median of each quarter of its time: {', '.join(parts)}; at "
        f"most {max(held):.0f}."
    )


def report(told: argparse.Namespace, folder: Path) -> None:
    """Measure and print."""
    phases, taken, size = run(told, folder)
    before, beside, after = phases
    limit = max(before.p99, after.p99)
    ratio = beside.p99 / limit if limit else 0.0
    section(
        "Export beside acquisition",
        "benchmarks.export_beside",
        f"{told.devices} devices at {RATE}/s, all archived; ms from a slot's last arrival to its release, and of "
        "commits.",
        table(HEADS, [each.row() for each in phases]),
        f"p99 of slots beside the export is {ratio:.2f} times the worse one of those alone.",
        of_the_export(taken, size),
        goals(
            goal("p99 of slots is as without", beside.p99 <= max(UNCHANGED[0] * limit, limit + UNCHANGED[1])),
            goal("no row late", not any(each.late for each in phases)),
            goal(f"memory of the export below {MEMORY:.0f} MiB", max(taken.memory, default=0.0) < MEMORY),
            goal("it gives way: nice 19, SCHED_IDLE", (taken.nice, taken.policy) == (19, "SCHED_IDLE")),
        ),
    )


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60, help="of each time that it is alone")
    parser.add_argument("--gigabytes", type=float, default=10, help="of rows, as they lie in memory")
    parser.add_argument("--format", default="hdf5", choices=("hdf5", "csv", "mat", "parquet"))
    parser.add_argument("--quick", action="store_true", help="fewer devices, some seconds, some megabytes")
    told = parser.parse_args()
    told.span = 3600
    if told.quick:
        told.devices, told.seconds, told.gigabytes, told.span = 100, 10, 0.01, 120
    compile_ahead()
    folder = Path(tempfile.mkdtemp(prefix="syms-bench-"))
    try:
        report(told, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
