"""One run: a station, the devices, what is done to them, and the judgement."""

from __future__ import annotations

import json
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from commands._station import free_port
from tests.chaos import devices as players
from tests.chaos import oracle
from tests.chaos.faults import Done, Fault, perform
from tests.chaos.station import EVERY, PHASES, ROOT, WINDOW, Station, devices, site, wiring
from tests.chaos.truth import Device

SETTLE = 3.0
"""Seconds of quiet work before the first and after the last fault."""
DRAIN = 120.0


class Players:
    """The process that plays the devices."""

    def __init__(self, folder: Path, prefix: tuple[str, ...] = ()) -> None:
        with open(folder / "devices.out", "ab") as out:
            command = [*prefix, sys.executable, "-m", "tests.chaos.devices", str(folder)]
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)

    def finish(self) -> None:
        """No more data; connections stay."""
        self.process.send_signal(signal.SIGUSR1)

    def end(self) -> None:
        if self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Scene:
    """A run in a fresh folder: `run(act)` judges what `act` left."""

    def __init__(
        self,
        folder: Path,
        *,
        played: Callable[[int], list[Device]] = devices,
        alter: Callable[[dict[str, Any]], None] = lambda nodes: None,
        environment: dict[str, str] | None = None,
        devices_prefix: tuple[str, ...] = (),
        host: str = "127.0.0.1",
        clean: bool = True,
        data: Path | None = None,
    ) -> None:
        """`alter` changes the wiring; `devices_prefix` stands before the devices' command; `host` is where the station
        finds those that it dials; `data` is where the station keeps data and journal, the folder unless given."""
        if clean:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        front = free_port()
        self.devices = played(front)
        players.write_plan(folder, self.devices)
        (folder / "setup.json").write_text(json.dumps({"window": WINDOW, "every": EVERY, "golden": PHASES}))
        kept = data or self.folder
        nodes = wiring(front, kept)
        alter(nodes)
        if data is not None:
            (self.folder / "data").symlink_to(data / "data")
        self.station = Station(self.folder, nodes, site(self.devices, host), environment, journal=kept / "journal")
        self.done: list[Done] = []
        self.wrong: list[str] = []
        self.excused: list[tuple[int, int]] = []
        """[from, to) ns UTC: frames of these times may be lost."""
        self.may_break: list[tuple[int, int]] = []
        """[from, to) ns UTC: connections may break."""
        self.windows_of: list[int] | None = None
        """Devices whose windows are judged; all unless given."""
        self.players: Players | None = None
        self.prefix = devices_prefix

    def run(self, act: Callable[[Scene], None], drain: float = DRAIN) -> oracle.Report:
        """Up, devices, `act`, drain, down, judge. SIGTERM, too, leaves nothing behind."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            self.station.up()
            self.players = Players(self.folder, self.prefix)
            time.sleep(SETTLE)
            act(self)
            time.sleep(SETTLE)
            self.players.finish()
            sent = self.station.flows.wait((self.folder / players.QUIET).exists, drain)
            drained = self.station.drained(drain) and sent
            summary = self.station.look().summary(time.monotonic())
            (self.folder / "status.json").write_text(json.dumps(summary, default=str))
            left = self.station.down()
            self.players.end()
            self.station.flows.save(self.folder / "heard.jsonl")
            self.station.keep_logs()
            report = oracle.judge(self.folder, self.excused, self.may_break, self.windows_of)
            self._judge_the_rest(drained, drain, left, report)
            self._judge_finished(report)
            return report
        finally:
            if self.players is not None:
                self.players.end()
            self.station.end()

    def fault(self, what: str, victims: Iterable[str]) -> None:
        """Put down that something is done now, for the report."""
        with open(self.folder / "faults.jsonl", "a") as file:
            file.write(json.dumps({"utc": time.time_ns(), "what": what, "victims": list(victims)}) + "\n")

    def perform(self, faults: list[Fault], say: Callable[[str], None]) -> None:
        """Kills and stops, one after the other."""
        for each in perform(faults, self.station.pids, say, self.station.holders_back):
            self.done.append(each)
            if each.victims:
                self.fault("stop" if each.fault.stopped else "kill", each.victims)

    def _judge_finished(self, report: oracle.Report) -> None:
        """The same must be in the finished files that are made of the parts."""
        made = self.station.syms("finish", str(self.folder / "data"), check=False)
        if made.returncode:
            report.faults.append(f"syms finish: exit {made.returncode}: {made.stdout}{made.stderr}")
            return
        again = oracle.judge(self.folder, self.excused, self.may_break, self.windows_of)
        if str(again) != str(report) or set(again.faults) - set(report.faults):
            report.faults += [f"after syms finish: {each}" for each in [str(again), *again.faults]]

    def _judge_the_rest(self, drained: bool, patience: float, left: list[str], report: oracle.Report) -> None:
        report.faults += self.wrong
        if not drained:
            report.faults.append(f"not drained within {patience:.0f} s")
        if left:
            report.faults.append(f"syms down left {', '.join(left)}")
        for log in sorted(self.folder.glob("logs/*.log")):
            if "Traceback" in log.read_text(errors="replace"):
                report.faults.append(f"{log.name}: a process ended of a fault of its own")
        for kind, took in sorted(self.times_back().items()):
            if took:
                each = f"{len(took)} kills, median {statistics.median(took):.2f} s, longest {max(took):.2f} s"
                report.notes.append(f"flowing again after a kill of a {kind}: {each}")

    def times_back(self) -> dict[str, list[float]]:
        """Kind -> seconds from each SIGKILL to its first word at work after it; a process without work says none."""
        found: dict[str, list[float]] = {}
        for each in [each for each in self.done if not each.fault.stopped]:
            for victim in each.victims:
                took = self.station.flows.back(victim, each.utc)
                found.setdefault(self.station.kinds[victim], []).extend([] if took is None else [took / 1e9])
        return found


def without_datagrams(front: int) -> list[Device]:
    """The usual devices, those apart whose datagrams nobody can count when a link is cut."""
    return [each for each in devices(front) if each.way != "udp"]


def unchanging(front: int) -> list[Device]:
    """Those that keep their format, too: one that is given up before anybody could ask for it can't be known."""
    return [replace(each, habits={name: value for name, value in each.habits.items() if name != "changes"})
            for each in without_datagrams(front)]  # fmt: skip
