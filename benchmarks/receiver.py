"""What does a frame cost the receiver? Against a C program that only calls recv, once a frame, on the same traffic.

    python -m benchmarks.receiver [--devices 1000,2000] [--rounds 5] [--seconds 10] [--quick]

Ours: a real pipeline, balancer, one receiver with its journal, archiver and concentrator reading it, all processes as
in a station; measured is the receiver's process alone, user and system time. The same generator (`load.c`) plays the
devices: 84-byte frames, 50 a second each, a TCP segment each, spread over the reporting period. The programs take
turns, a round has each of them once; ratios are those within a round, and their medians are told.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks._programs import Program, cpu, pace
from benchmarks._report import goal, goals, progress, section, table
from benchmarks._stations import compile_ahead, site
from commands._station import PrivateStation, free_port

TICKS = (20, 10)
"""ms between two looks of our receiver at its devices."""
GOALS = {(1000, 20): 1.15, (2000, 20): 1.05, (1000, 10): 1.5, (2000, 10): 1.5}
"""(devices, tick) -> CPU of ours over the baseline's that is to be reached."""
SETTLE = 4.0
"""Seconds from when all send to the first look: what waited is read by then."""
PATIENCE = 120.0


@dataclass(frozen=True)
class Cost:
    """Of one program in one run."""

    each: float
    """µs of CPU a frame."""
    share: float
    """of a core"""
    withheld: int
    """Frames that the generator should have sent and could not."""


def nodes(port: int, tick: int) -> dict[str, Any]:
    """The receiver and who reads it."""
    return {
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{port}"},
        "receiver": {"kind": "receiver", "from": "front", "tick": f"{tick} ms"},
        "archive": {"kind": "archiver", "from": "receiver", "path": "../data/station"},
        "align": {"kind": "concentrator", "from": "receiver", "wait": "200 ms"},
    }


@contextmanager
def ours(tick: int, devices: int, port: int) -> Iterator[tuple[int, Any]]:
    """(process id of our receiver, how to wait while it runs)"""
    with PrivateStation(nodes(port, tick), site(devices)) as station:
        yield station.supervisor.states()["receiver"]["pid"], station.listen


@contextmanager
def baseline(port: int) -> Iterator[tuple[int, Any]]:
    """The same of the C program."""
    with Program("baseline", "--listen", port, "--frame", 84) as program:
        yield program.pid, time.sleep


def measure(tick: int | None, devices: int, seconds: float) -> Cost:
    """One run of ours, or without a tick of the baseline. Raises SystemExit if devices were not served."""
    port = free_port()
    running = baseline(port) if tick is None else ours(tick, devices, port)
    with running as (pid, wait), Program("load", "--to", f"127.0.0.1:{port}", "--devices", devices) as load:
        until = time.monotonic() + PATIENCE
        while load.said.get("running") != devices:
            if time.monotonic() > until:
                raise SystemExit(f"only {load.said.get('running', 0)} of {devices} devices were told to send")
            wait(0.2)
        wait(SETTLE)
        earlier, begun, used = load.said, time.monotonic(), cpu(pid)
        wait(seconds)
        used, took = cpu(pid) - used, time.monotonic() - begun
        later = load.said
    share = used / took
    return Cost(1e6 * share / pace(earlier, later), share, later["withheld"] - earlier["withheld"])


def rounds(devices: int, count: int, seconds: float) -> list[dict[int | None, Cost]]:
    """All programs in turn, so often; None is the baseline."""
    done = []
    for k in range(count):
        costs = {tick: measure(tick, devices, seconds) for tick in (TICKS[0], None, *TICKS[1:])}
        done.append(costs)
        shown = {"baseline" if tick is None else f"{tick} ms": f"{cost.each:.2f} µs" for tick, cost in costs.items()}
        progress(f"{devices} devices, round {k + 1} of {count}: {shown}")
    return done


def ratios(done: list[dict[int | None, Cost]], tick: int) -> list[float]:
    """Ours over the baseline, round by round."""
    return sorted(each[tick].each / each[None].each for each in done)


def rows(devices: int, done: list[dict[int | None, Cost]]) -> Iterator[tuple[str, ...]]:
    """Of the table."""
    for tick in (None, *TICKS):
        costs = [each[tick] for each in done]
        name = "recv once a frame, C" if tick is None else f"receiver, tick {tick} ms"
        ratio = "1" if tick is None else f"{median(ratios(done, tick)):.2f}"
        span = "" if tick is None else f"{ratios(done, tick)[0]:.2f} to {ratios(done, tick)[-1]:.2f}"
        each = median(cost.each for cost in costs)
        yield str(devices), name, f"{each:.2f}", f"{median(cost.share for cost in costs):.3f}", ratio, span


def judged(devices: int, done: list[dict[int | None, Cost]]) -> Iterator[str]:
    """Goals that there are for this count."""
    for tick in TICKS:
        if (devices, tick) in GOALS:
            wanted, got = GOALS[devices, tick], median(ratios(done, tick))
            yield goal(f"{devices} devices, tick {tick} ms: ≤ {wanted:.2f} of the baseline ({got:.2f})", got <= wanted)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--devices", default="1000,2000", help="counts, as 1000,2000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0, help="measured of each program in each round")
    parser.add_argument("--quick", action="store_true", help="100 devices, one round of 3 s")
    asked = parser.parse_args()
    counts = [100] if asked.quick else [int(word) for word in asked.devices.split(",")]
    count, seconds = (1, 3.0) if asked.quick else (asked.rounds, asked.seconds)
    compile_ahead()
    done = {devices: rounds(devices, count, seconds) for devices in counts}
    withheld = sum(cost.withheld for each in done.values() for costs in each for cost in costs.values())
    useless = f"{withheld:,} frames were not sent, since this machine had no time for it: the figures are of no use."
    heads = ("devices", "program", "a frame [µs]", "of a core", "ratio", "in all rounds")
    section(
        "The receiver",
        "benchmarks.receiver",
        f"Medians of {count} paired rounds of {seconds:.0f} s.",
        useless if withheld else "",
        table(heads, [row for devices, each in done.items() for row in rows(devices, each)]),
        goals(*(line for devices, each in done.items() for line in judged(devices, each))),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
