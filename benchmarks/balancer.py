"""The balancer against HAProxy (leastconn, TCP): how many connections a second, and what does the traffic cost?

    python -m benchmarks.balancer [--connections 5000] [--rounds 3] [--devices 500] [--seconds 10] [--quick]

Connections: `dial.c` dials, a connection counts when its first byte has come back. Behind both stand two programs that
send one command on each connection and no more: for us `benchmarks/_sink.py`, which takes sockets as a receiver does,
for HAProxy `baseline.c`. They take turns. Then once with our own receivers, which begin a session on each.
Traffic: `load.c` plays devices, through ours to two receivers, through HAProxy to two of `baseline.c`. Only the CPU of
the balancing process is counted.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from benchmarks._programs import Program, cpu
from benchmarks._report import goal, goals, progress, section, table
from benchmarks._stations import RATE, site
from commands._station import PrivateStation, free_port

HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
FRAME = 84
PATIENCE = 60.0
AT_ONCE = 256
"""Connections dialled that have heard nothing yet."""
WANTED = 10_000
"""Connections a second."""
LIMITS = {"connections": 20000, "per_address": 20000}
CONFIGURATION = """
global
    maxconn 9000
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
frontend devices
    bind 127.0.0.1:{port}
    default_backend receivers
backend receivers
    balance leastconn
    server receiver1 127.0.0.1:{first}
    server receiver2 127.0.0.1:{second}
"""


@dataclass(frozen=True)
class Calls:
    """How one round of dialling went."""

    rate: float
    """Connections a second, as who dialled saw it."""
    cost: float
    """µs of CPU of the balancing process, a connection."""
    wait: float
    """ms from dialling to the first byte, median."""


def nodes(port: int) -> dict[str, Any]:
    """A balancer and two receivers."""
    return {
        "front": {"kind": "balancer", "listen": f"127.0.0.1:{port}", **LIMITS},
        "receivers": {"kind": "receiver", "from": "front", "copies": 2},
    }


@contextmanager
def running(*command: str, **how: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process for as long as the block."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **how)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def ours(port: int) -> Iterator[int]:
    """Process id of a balancer whose receivers do the least that one can do."""
    folder = Path(tempfile.mkdtemp(prefix="syms-"))
    try:
        (folder / "site.yaml").write_text(yaml.safe_dump({"station": "benchmark", "unknown": "admit"}))
        (folder / "front.yaml").write_text(yaml.safe_dump({"site": "site.yaml", "nodes": nodes(port)}))
        run = folder / "run"
        run.mkdir(mode=0o700)
        environment = os.environ | {"SYMS_RUN": str(run), "SYMS_AS_ROOT": "1"}
        command = (sys.executable, "-m", "commands.app", "run", str(folder / "front.yaml"), "front")
        with ExitStack() as stack, open(folder / "log", "wb") as log:
            front = stack.enter_context(running(*command, env=environment, stdout=log, stderr=log))
            _await((run / "front.handover").exists, folder / "log")
            for k in (1, 2):
                sink = (sys.executable, "-m", "benchmarks._sink", str(run), f"receivers.{k}", "front")
                stack.enter_context(running(*sink, stdout=log, stderr=log))
            _await(lambda: _answered(port), folder / "log")
            yield front.pid
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def whole(port: int, devices: int) -> Iterator[int]:
    """Process id of a balancer with our own receivers; 0 devices: whoever comes."""
    known = site(devices) if devices else {"station": "benchmark", "unknown": "admit"}
    with PrivateStation(nodes(port), known) as station:
        yield station.supervisor.states()["front"]["pid"]


@contextmanager
def haproxy(port: int) -> Iterator[int]:
    """Process id of HAProxy with two C programs behind it."""
    assert HAPROXY
    ports = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        path = Path(folder, "haproxy.cfg")
        path.write_text(CONFIGURATION.format(port=port, first=ports[0], second=ports[1]))
        for each in ports:
            stack.enter_context(Program("baseline", "--listen", each, "--frame", FRAME))
        process = stack.enter_context(running(HAPROXY, "-q", "-db", "-f", str(path)))
        _await(lambda: _answered(port))
        yield process.pid


def _await(condition: Callable[[], bool], log: Path | None = None) -> None:
    """Raises SystemExit with what the log says."""
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            raise SystemExit(f"what was to be measured did not start; {log.read_text() if log else 'it says nothing'}")
        time.sleep(0.05)


def _answered(port: int) -> bool:
    """Whether one connection comes through."""
    with Program("dial", "--to", f"127.0.0.1:{port}", "--connections", 1) as program:
        return bool(program.end_by_itself().get("through"))


def call(start: Callable[[int], Any], connections: int) -> Calls:
    """Dial so often."""
    port = free_port()
    with start(port) as pid:
        before = cpu(pid)
        with Program(
            "dial", "--to", f"127.0.0.1:{port}", "--connections", connections, "--at-once", AT_ONCE
        ) as program:
            said = program.end_by_itself()
        if said["through"] < connections:
            progress(f"  {connections - said['through']} of {connections} did not come through")
        through = max(1, said["through"])
        return Calls(said["through"] / said["seconds"], 1e6 * (cpu(pid) - before) / through, said["median_ms"])


def traffic(start: Callable[[int], Any], devices: int, seconds: float) -> tuple[float, float]:
    """Shares of a core that the balancing process takes: while so many devices send, and while they are only there."""
    port = free_port()
    with start(port) as pid, Program("load", "--to", f"127.0.0.1:{port}", "--devices", devices) as load:
        if not load.wait(lambda said: said["running"] == devices, PATIENCE):
            raise SystemExit(f"only {load.said.get('running', 0)} of {devices} devices were told to send")
        sending = _share(pid, seconds)
        load.pause()
        return sending, _share(pid, seconds)


def _share(pid: int, seconds: float) -> float:
    time.sleep(2)
    before, begun = cpu(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu(pid) - before) / (time.monotonic() - begun)


def show(asked: argparse.Namespace) -> Iterator[str]:
    """Paragraphs of the section."""
    starts: dict[str, Callable[[int], Any]] = {"balancer": ours}
    if HAPROXY:
        starts["HAProxy leastconn"] = haproxy
    else:
        yield "HAProxy is not installed (apt-get install haproxy): it is left out."
    done: dict[str, list[Calls]] = {name: [] for name in starts}
    for k in range(asked.rounds):
        for name, start in starts.items():
            done[name].append(call(start, asked.connections))
            progress(f"round {k + 1}: {name}: {done[name][-1]}")
    done["balancer, our receivers behind it"] = [call(lambda port: whole(port, 0), asked.connections)]
    loads = {"balancer": traffic(lambda port: whole(port, asked.devices), asked.devices, asked.seconds)}
    if HAPROXY:
        loads["HAProxy leastconn"] = traffic(haproxy, asked.devices, asked.seconds)
    yield f"{asked.connections} connections, {AT_ONCE} at a time; medians of {asked.rounds} rounds in turn."
    yield table(("", "connections/s", "CPU a connection [µs]", "dialled → first byte [ms]"), map(_calls, done.items()))
    yield f"{asked.devices} devices, {RATE} frames of {FRAME} bytes a second each, {asked.seconds:.0f} s:"
    rows = [_traffic(name, *shares, asked.devices * RATE) for name, shares in loads.items()]
    yield table(("", "of a core", "without data", "difference, a frame [µs]", "a byte [ns]"), rows)
    sending, resting = loads["balancer"]
    rate = median(each.rate for each in done["balancer"])
    alone = 1e6 / median(each.cost for each in done["balancer"])
    yield goals(
        goal(
            f"≥ {WANTED:,} connections/s, who dials and who takes them on the same cores ({rate:,.0f})", rate >= WANTED
        ),
        goal(f"≥ {WANTED:,} connections per second of its CPU ({alone:,.0f})", alone >= WANTED),
        goal("nothing per byte (no more than 0.005 of a core between data and none)", sending - resting <= 0.005),
    )


def _calls(entry: tuple[str, list[Calls]]) -> tuple[str, ...]:
    name, rounds = entry
    figures = (median(getattr(each, what) for each in rounds) for what in ("rate", "cost", "wait"))
    return name, *(f"{figure:,.1f}" for figure in figures)


def _traffic(name: str, sending: float, resting: float, frames: int) -> tuple[str, ...]:
    each = max(0.0, sending - resting) / frames
    return name, f"{sending:.4f}", f"{resting:.4f}", f"{1e6 * each:.3f}", f"{1e9 * each / FRAME:.2f}"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--connections", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--devices", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--quick", action="store_true", help="few connections and devices, one round")
    asked = parser.parse_args()
    if asked.quick:
        asked.connections, asked.rounds, asked.devices, asked.seconds = 500, 1, 50, 2.0
    section("The balancer", "benchmarks.balancer", *show(asked))
    return 0


if __name__ == "__main__":
    sys.exit(main())
