"""The plan of faults, and the library that makes them at a chosen write."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from itertools import combinations
from pathlib import Path

import pytest

from tests.chaos.faults import APART, HOLDERS, SAME, plan
from tests.chaos.shim import Shim, power_cut

KINDS = {
    "front": "balancer",
    "receivers.1": "receiver",
    "receivers.2": "receiver",
    "archive": "archiver",
    "align": "concentrator",
    "windows": "trigger",
    "prejudge.1": "detector",
}
WRITER = """
import os, sys
file = os.open(sys.argv[4], os.O_RDWR | os.O_CREAT)
for number in range(int(sys.argv[5])):
    os.pwrite(file, bytes([65 + number]) * 8, 8 * number)
    if number == 1:
        os.fdatasync(file)
"""


@pytest.mark.parametrize("seed", range(20))
def test_a_plan_is_its_seeds_and_keeps_the_stated_distances(seed: int) -> None:
    faults = plan(seed, 300.0, KINDS)
    assert faults == plan(seed, 300.0, KINDS) != plan(seed + 100, 300.0, KINDS)
    hits = [(fault.at, name, fault.stopped) for fault in faults for name in fault.victims]
    assert {KINDS[name] for _, name, _ in hits} == set(KINDS.values())
    for (first, name, stopped), (second, other, _) in combinations(hits, 2):
        if name == other:
            assert second >= first + stopped + SAME - 0.02
        elif {KINDS[name], KINDS[other]} == HOLDERS:
            assert second >= first + stopped + APART - 0.02


def run(shim: Shim, path: Path, writes: int, who: str = "archive") -> int:
    """A process that looks like one of the station's, which writes so often; returns how it ended."""
    command = [sys.executable, "-c", WRITER, "run", "pipeline.yaml", who, str(path), str(writes), who]
    return subprocess.run(command, env=shim.environment, timeout=60).returncode


@pytest.fixture
def place(tmp_path: Path) -> Path:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    (tmp_path / "data").mkdir()
    return tmp_path


def test_a_life_ends_at_its_write_whole_or_torn(place: Path) -> None:
    shim = Shim(place / "shim", [place / "data"], who="archive", kill=1, first=2)
    path = place / "data" / "file"
    assert [run(shim, path, 5), path.read_bytes()] == [-9, b"A" * 8]
    path.unlink()
    assert [run(shim, path, 5), path.read_bytes()] == [-9, b"A" * 8 + b"B" * 4]
    assert (shim.get("kills"), shim.get("last_k")) == (2, 2)


def test_another_process_is_left_alone(place: Path) -> None:
    shim = Shim(place / "shim", [place / "data"], who="archive", kill=1)
    assert run(shim, place / "data" / "file", 3, "windows") == 0
    assert shim.get("kills") == 0


def test_a_disk_that_takes_nothing(place: Path) -> None:
    shim = Shim(place / "shim", [place / "data"], error=28)
    assert run(shim, place / "data" / "file", 3) == 1
    assert not (place / "data" / "file").exists()


@pytest.mark.parametrize("seed", range(8))
def test_a_power_cut_takes_what_was_not_synced_and_nothing_else(place: Path, seed: int) -> None:
    shim = Shim(place / "shim", [place / "data"], undo=1)
    path = place / "data" / "file"
    assert run(shim, path, 4) == 0
    undone, left = power_cut(shim.folder, random.Random(seed))
    assert undone + left == 2
    data = path.read_bytes()
    assert data[:16] == b"A" * 8 + b"B" * 8
    assert data[16:24] in (b"C" * 8, bytes(8), b"")
    assert data[24:] in (b"D" * 8, bytes(8), b"")


def test_a_clock_that_is_set_for_the_station_alone(place: Path) -> None:
    shim = Shim(place / "shim", [place / "data"], clock_ns=-3_600_000_000_000)
    command = [sys.executable, "-c", "import time; print(time.time_ns())", "run", "archive"]
    said = int(subprocess.run(command, env=shim.environment, capture_output=True, text=True, check=True).stdout)
    assert -3_600_000_000_000 - 60_000_000_000 < said - time.time_ns() < -3_590_000_000_000
