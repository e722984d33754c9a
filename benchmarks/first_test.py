"""The first test of the paper: five devices whose windows fall due at once; and what staggering them does to the CPU.

    python -m benchmarks.first_test [--quick]

A whole station with everything on, five simulated devices of `load.c` at 50 frames a second, windows of 180 s, two
detectors. Windows are 10 s apart and not two minutes, so that there are several to see. When a slot is released and
when a verdict is told is heard by one listener outside the station. The windows have to fill first: each of the two
runs takes four minutes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks._plots import chart, reference
from benchmarks._programs import Program
from benchmarks._report import goal, goals, progress, section, table
from benchmarks._stations import RATE, START_PATIENCE, site, wiring
from commands._station import PrivateStation, free_port
from protocol.messages import Outcome, Snapshots, Verdict

LONGEST = 0.15
"""s, from the release of a window's last slot to the last verdict of all that fell due with it."""
PAPER = "the paper: 4.4 s on a cluster of five machines, 17.1 s on a single one"
BIN = 0.1
"""s, of the plots"""
DETECTORS = "prejudge"


@dataclass
class Seen:
    """What a run showed."""

    released: dict[int, float] = field(default_factory=dict)
    """End of the newest slot [ns UTC] -> when it was heard [monotonic s]."""
    verdicts: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    """End of a window [ns UTC] -> when its verdicts were heard [monotonic s]."""
    took: list[float] = field(default_factory=list)
    """s, a detector's time for a window"""
    unjudged: list[str] = field(default_factory=list)
    """Why windows have a verdict that no detector gave."""
    whole: list[tuple[float, float]] = field(default_factory=list)
    """(s since the measurement began, cores of all processes)"""
    judging: list[tuple[float, float]] = field(default_factory=list)
    """the same of the detectors"""

    def hear(self, word: Any) -> None:
        """News of concentrator and trigger."""
        if isinstance(word, Snapshots):
            self.released[(int(word.slot[-1]) + 1) * 10**9 // RATE] = time.monotonic()
        elif isinstance(word, Verdict):
            self.verdicts[word.stop].append(time.monotonic())
            self.took.append(word.took / 1e9)
            self.unjudged += [word.error or word.outcome] if word.outcome != Outcome.OK else []

    def last(self, together: int) -> list[float]:
        """s from release to the last verdict, of every instant at which so many windows fell due."""
        return [
            max(heard) - next(at for end, at in sorted(self.released.items()) if end >= stop)
            for stop, heard in sorted(self.verdicts.items())
            if len(heard) == together and stop <= max(self.released)
        ]

    def forget(self) -> None:
        """The measurement begins."""
        self.released.clear()
        self.verdicts.clear()
        self.took.clear()
        self.unjudged.clear()


class Usage:
    """CPU of processes with all their threads, finer than the clock's ticks."""

    def __init__(self, pids: dict[str, int]) -> None:
        self.pids = pids
        self.begun = self.at = time.monotonic()
        self.used = self._used()

    def _used(self) -> dict[str, float]:
        """Process -> CPU seconds so far."""
        return {name: sum(_seconds(task) for task in _tasks(pid)) for name, pid in self.pids.items()}

    def look(self, seen: Seen) -> None:
        """Add a point to both lines, if the last one is old enough."""
        now = time.monotonic()
        if now < self.at + BIN:
            return
        used, span = self._used(), now - self.at
        cores = {name: (used[name] - self.used[name]) / span for name in used}
        seen.whole.append((now - self.begun, sum(cores.values())))
        detectors = sum(share for name, share in cores.items() if name.partition(".")[0] == DETECTORS)
        seen.judging.append((now - self.begun, detectors))
        self.at, self.used = now, used


def _tasks(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/task").iterdir())


def _seconds(task: Path) -> float:
    """Time that a thread ran; 0 if it has just ended."""
    try:
        return int((task / "schedstat").read_text().split()[0]) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def run(stagger: bool, devices: int, window: float, every: float, seconds: float) -> Seen:
    """One station: fill the windows, then look for so many seconds."""
    port, seen = free_port(), Seen()
    nodes = wiring(port, window=window, every=every)
    nodes["windows"]["stagger"] = stagger
    with (
        PrivateStation(nodes, site(devices), (Snapshots.TAG, Verdict.TAG), seen.hear) as station,  # type: ignore[attr-defined]
        Program("load", "--to", f"127.0.0.1:{port}", "--devices", devices) as load,
    ):
        if not station.wait(lambda _: load.said.get("running") == devices, START_PATIENCE):
            raise SystemExit(f"only {load.said.get('running', 0)} of {devices} devices were told to send")
        progress(f"{'staggered' if stagger else 'due at once'}: windows fill, {window:.0f} s")
        station.listen(window + every)
        seen.forget()
        states = station.supervisor.states()
        usage = Usage({name: info["pid"] for name, info in states.items() if name in station.pipeline.processes})
        station.wait(lambda _: False, seconds, lambda _: usage.look(seen))
        if troubles := station.troubles():
            raise SystemExit("\n".join(troubles))
    if seen.unjudged:
        raise SystemExit(f"{len(seen.unjudged)} windows were not judged: {seen.unjudged[0]}")
    return seen


def row(name: str, seen: Seen) -> list[str]:
    """A line of the table."""
    cores = sum(share for _, share in seen.whole) / len(seen.whole)
    return [
        name,
        f"{len(seen.took)}",
        f"{1e3 * median(seen.took):.0f}",
        f"{max(share for _, share in seen.judging):.2f}",
        f"{max(share for _, share in seen.whole):.2f}",
        f"{cores:.2f}",
    ]


def plot(name: str, title: str, seen: Seen, top: float) -> str:
    """Markdown with the plot of one run."""
    lines = {"all processes": seen.whole, "detectors": seen.judging}
    return reference(chart(name, title, "s", f"cores, means over {BIN:g} s", lines, marks=False, top=top), title)


def main() -> int:
    """Both runs, the section."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="windows of 20 s, 5 s apart")
    parser.add_argument("--devices", type=int, default=5)
    asked = parser.parse_args()
    window, every, seconds = (20.0, 5.0, 16.0) if asked.quick else (180.0, 10.0, 41.0)
    once, spread = (run(stagger, asked.devices, window, every, seconds) for stagger in (False, True))
    last, alone = once.last(asked.devices), spread.last(1)
    if not last or not alone:
        raise SystemExit("no windows fell due together: the machine is too busy to tell anything")
    top = max(share for _, share in once.whole + spread.whole)
    parts = [
        table(
            ("windows", "verdicts", "judged in, ms", "peak of the detectors, cores", "peak of all", "mean of all"),
            [row("due at once", once), row("staggered", spread)],
        ),
        f"From release of the last slot to the last of {asked.devices} verdicts: median {1e3 * median(last):.0f} ms, "
        f"longest {1e3 * max(last):.0f} ms of {len(last)} times ({PAPER}). Staggered, the verdict of each window comes "
        f"after {1e3 * median(alone):.0f} ms (median).",
        plot("first_test_at_once", f"CPU, {asked.devices} windows due at once every {every:g} s", once, top),
        plot("first_test_staggered", "CPU, the same windows staggered", spread, top),
    ]
    lower = max(share for _, share in spread.judging) < max(share for _, share in once.judging)
    results = [
        goal(f"trigger to last verdict ≤ {LONGEST:g} s (median {median(last):.3f} s)", median(last) <= LONGEST),
        goal("staggering flattens the detectors' peak", lower),
    ]
    title = f"First test of the paper: {asked.devices} devices, windows of {window:.0f} s"
    section(title, "benchmarks.first_test", *parts, goals(*results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
