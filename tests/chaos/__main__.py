"""`make chaos`: a station at work, random faults from a seed, then the oracle.

    python -m tests.chaos --seconds 600 --seed 7 [--folder build/chaos/7]

The last line is the sentence; exit 1 if a frame was lost or doubled, a file can't be read, a window has no verdict or
two, the books do not balance, or a device saw its connection break. The seed gives the same faults again. The
folder is kept when something is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from commands._station import free_port
from tests.chaos import devices as players
from tests.chaos import oracle
from tests.chaos.faults import Done, Fault, perform, plan
from tests.chaos.station import EVERY, PHASES, ROOT, WINDOW, Station, devices, site, wiring

SETTLE = 3.0
"""Seconds of quiet work before the first and after the last fault."""
DRAIN = 90.0


class Players:
    """The process that plays the devices."""

    def __init__(self, folder: Path, prefix: tuple[str, ...] = ()) -> None:
        out = open(folder / "devices.out", "ab")  # noqa: SIM115
        command = [*prefix, sys.executable, "-m", "tests.chaos.devices", str(folder)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)
        out.close()

    def finish(self) -> None:
        """No more data; connections stay."""
        self.process.send_signal(signal.SIGUSR1)

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def run(folder: Path, faults: list[Fault], station: Station, quiet: bool = False) -> oracle.Report:
    """One run in a folder that holds devices.json already; the station is not up yet."""
    say = (lambda text: None) if quiet else lambda text: print(text, flush=True)
    playing: Players | None = None
    try:
        station.up()
        playing = Players(folder)
        time.sleep(SETTLE)
        with open(folder / "faults.jsonl", "a") as file:
            done = []
            for each in perform(faults, station.pids, say, station.holders_back):
                done.append(each)
                what = "stop" if each.fault.stopped else "kill"
                if each.victims:
                    file.write(json.dumps({"utc": each.utc, "what": what, "victims": each.victims}) + "\n")
                    file.flush()
        time.sleep(SETTLE)
        playing.finish()
        drained = station.drained(DRAIN)
        (folder / "status.json").write_text(json.dumps(station.look().summary(time.monotonic()), default=str))
        left = station.down()
        playing.end()
        station.flows.save(folder / "heard.jsonl")
        station.keep_logs()
        report = oracle.judge(folder)
        _judge_the_rest(station, drained, left, done, report)
        return report
    finally:
        if playing is not None and playing.process.poll() is None:
            playing.end()
        station.end()


def _judge_the_rest(station: Station, drained: bool, left: list[str], done: list[Done], report: oracle.Report) -> None:
    if not drained:
        report.faults.append(f"not drained within {DRAIN:.0f} s")
    if left:
        report.faults.append(f"syms down left {', '.join(left)}")
    for log in sorted(station.folder.glob("logs/*.log")):
        if "Traceback" in log.read_text(errors="replace"):
            report.faults.append(f"{log.name}: a process ended of a fault of its own")
    report.notes += [f"flowing again after a kill of a {kind}: {text}" for kind, text in back(station, done).items()]


def times_back(station: Station, done: list[Done]) -> dict[str, list[float]]:
    """Kind -> seconds from each SIGKILL to its first word at work after it; a process without work says none."""
    found: dict[str, list[float]] = {}
    for each in [each for each in done if not each.fault.stopped]:
        for victim in each.victims:
            took = station.flows.back(victim, each.utc)
            found.setdefault(station.kinds[victim], []).extend([] if took is None else [took / 1e9])
    return found


def back(station: Station, done: list[Done]) -> dict[str, str]:
    """Kind -> median and longest time, for people."""
    return {
        kind: f"{len(took)} kills, median {statistics.median(took):.2f} s, longest {max(took):.2f} s"
        for kind, took in sorted(times_back(station, done).items())
        if took
    }


def prepare(folder: Path, receivers: int = 2) -> Station:
    """A fresh folder with all that a run needs."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    front = free_port()
    played = devices(front)
    players.write_plan(folder, played)
    (folder / "setup.json").write_text(json.dumps({"window": WINDOW, "every": EVERY, "golden": PHASES}))
    return Station(folder, wiring(front, folder.resolve(), receivers), site(played))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="of faults")
    parser.add_argument("--seed", type=int, default=None, help="of the plan; a new one unless given")
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--calm", action="store_true", help="no faults at all")
    asked = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 16) if asked.seed is None else asked.seed
    folder = asked.folder or ROOT / "build" / "chaos" / f"{seed}"
    print(f"seed {seed}: make chaos SECONDS={asked.seconds:g} SEED={seed}", flush=True)
    station = prepare(folder)
    faults = [] if asked.calm else plan(seed, asked.seconds, station.kinds)
    if asked.calm:
        faults = [Fault(asked.seconds, ())]
    (folder / "plan.json").write_text(json.dumps([asdict(each) for each in faults], indent=1))
    report = run(folder, faults, station)
    if report.good:
        shutil.rmtree(folder)
    else:
        report.notes.append(f"all of it is in {os.path.relpath(folder)}")
    oracle.tell(report)
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
