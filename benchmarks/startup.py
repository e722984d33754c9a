"""How long does it take to begin? `syms --help`, the import of each kind of node, `syms up` to the first archived slot.

    python -m benchmarks.startup [--rounds 5] [--devices 200] [--quick]

Everything was started once before it is measured: compiled modules and kernels are on the disk, as after `make setup`.
The first archived slot is the first row that another process can read in the HDF5 file; devices (`load.c`) dial in
all the time, so the sessions with them, and waiting for what they answer, are part of it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import h5py
import yaml

from benchmarks._programs import Program
from benchmarks._report import goal, goals, progress, section, table
from benchmarks._stations import compile_ahead, site, wiring
from commands._station import free_port
from nodes._kinds import KINDS

SYMS = (sys.executable, "-m", "commands.app")
HELP_GOAL, UP_GOAL = 0.25, 5.0
"""Seconds."""
PATIENCE = 60.0
MOST = 12
"""Modules that are named where `syms --help` takes too long."""


def timed(*command: str) -> tuple[float, float]:
    """(seconds, seconds of CPU) that a command takes."""
    before, begun = os.times(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    took, after = time.perf_counter() - begun, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return took, used


def medians(rounds: int, *command: str) -> tuple[float, float]:
    """Of several; the first one does not count."""
    timed(*command)
    done = [timed(*command) for _ in range(rounds)]
    return median(took for took, _ in done), median(used for _, used in done)


def imports(rounds: int) -> list[tuple[str, str, str, str]]:
    """(kind, seconds, seconds of CPU, its largest libraries) of the import of each kind's module."""
    bare = medians(rounds, sys.executable, "-c", "pass")
    rows = [("Python alone", f"{bare[0]:.3f}", f"{bare[1]:.3f}", "")]
    for kind in KINDS:
        took, used = medians(rounds, sys.executable, "-c", f"import nodes._runtime, nodes.{kind}")
        rows.append((kind, f"{took:.3f}", f"{used:.3f}", ", ".join(libraries(f"nodes.{kind}"))))
        progress(f"{kind}: {took:.3f} s")
    return rows


def libraries(module: str) -> list[str]:
    """Which of the large libraries a module imports."""
    large = ("numpy", "scipy", "numba", "h5py", "pydantic", "zmq", "PyEMD", "rich", "typer")
    asked = f"import sys, {module}; print(*[name for name in {large!r} if name in sys.modules])"
    return subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True).stdout.split()


def costliest(*command: str) -> list[tuple[str, str]]:
    """(module, ms of its own) of what a command imports, the most expensive first."""
    done = subprocess.run([command[0], "-X", "importtime", *command[1:]], capture_output=True, text=True)
    lines = (line.removeprefix("import time:").split("|") for line in done.stderr.splitlines() if "|" in line)
    own = [(int(line[0]), line[2].strip()) for line in lines if line[0].strip().isdecimal()]
    return [(name, f"{spent / 1000:.1f}") for spent, name in sorted(own, reverse=True)[:MOST]]


class Archived:
    """Whether there is a row yet in an archive that another process writes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __bool__(self) -> bool:
        return any(self._holds(path) for path in self.root.glob("live/*/rate*.part.h5"))

    def _holds(self, path: Path) -> bool:
        try:
            with h5py.File(path, "r", locking=False) as file:
                if file.attrs.get("aside", False):
                    return False
                now = time.time_ns() * 50 // 10**9 - int(file.attrs["first_slot"])
                return bool(file["present"][max(0, now - 50 * 60) : max(0, now + 50)].any())
        except (OSError, KeyError):
            return False  # it is just being made


def up(devices: int) -> dict[str, float]:
    """Seconds from `syms up` to the first archived slot, and to its own end: every process runs."""
    folder, port = Path(tempfile.mkdtemp(prefix="syms-")), free_port()
    environment = os.environ | {"SYMS_RUN": str(folder / "run"), "SYMS_AS_ROOT": "1"}
    for name in ("run", "pipelines", "config"):
        (folder / name).mkdir(mode=0o700)
    path = folder / "pipelines" / "private.yaml"
    (folder / "config" / "site.yaml").write_text(yaml.safe_dump(site(devices)))
    path.write_text(yaml.safe_dump({"site": "../config/site.yaml", "nodes": wiring(port)}, sort_keys=False))
    try:
        with Program("load", "--to", f"127.0.0.1:{port}", "--devices", devices):
            return _up(path, folder, environment)
    finally:
        subprocess.run([*SYMS, "down", str(path)], env=environment, stdout=subprocess.DEVNULL, check=True)
        shutil.rmtree(folder, ignore_errors=True)


def _up(path: Path, folder: Path, environment: dict[str, str]) -> dict[str, float]:
    archived = Archived(folder / "data" / "station")
    seconds: dict[str, float] = {}
    begun = time.monotonic()
    with open(folder / "up.log", "wb") as log:
        starting = subprocess.Popen([*SYMS, "up", str(path)], env=environment, stdout=log, stderr=log)
    while len(seconds) < 2 and time.monotonic() < begun + PATIENCE:
        if "archived" not in seconds and archived:
            seconds["archived"] = time.monotonic() - begun
        if "up" not in seconds and starting.poll() is not None:
            seconds["up"] = time.monotonic() - begun
        time.sleep(0.02)
    starting.wait()
    if starting.returncode or len(seconds) < 2:
        raise SystemExit(f"the station did not start: {(folder / 'up.log').read_text()}")
    return seconds


def show(asked: argparse.Namespace) -> Iterator[str]:
    """Paragraphs of the section."""
    compile_ahead()
    help_took, help_used = medians(asked.rounds, *SYMS, "--help")
    progress(f"syms --help: {help_took:.3f} s")
    yield f"Medians of {asked.rounds}."
    yield f"`syms --help`: {help_took:.3f} s ({help_used:.3f} s of CPU)."
    if help_took > HELP_GOAL:
        yield table(("what it imports", "of its own [ms]"), costliest(*SYMS, "--help"))
    yield table(("kind", "import [s]", "CPU [s]", "with"), imports(asked.rounds))
    up(asked.devices)  # the first one compiles what is not compiled yet
    done: list[dict[str, Any]] = []
    for _ in range(asked.rounds):
        done.append(up(asked.devices))
        progress(f"syms up: {done[-1]}")
    first, all_run = (median(each[what] for each in done) for what in ("archived", "up"))
    yield (
        f"`syms up` of the delivered station with {asked.devices} devices that dial in: {first:.2f} s to the first "
        f"archived slot, {all_run:.2f} s until every process runs."
    )
    yield goals(
        goal(f"`syms --help` ≤ {HELP_GOAL} s", help_took <= HELP_GOAL),
        goal(f"`syms up` to the first archived slot ≤ {UP_GOAL:.0f} s", first <= UP_GOAL),
    )


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="one round, a few devices")
    asked = parser.parse_args()
    if asked.quick:
        asked.rounds, asked.devices = 1, 20
    section("The start", "benchmarks.startup", *show(asked))
    return 0


if __name__ == "__main__":
    sys.exit(main())
