"""Make labelled sets of synthetic grids, or measure the judgement on sets that nothing was chosen by.

    python -m benchmarks.grids OUT [--grids 4] [--windows 63] [--seed 1] [--damping good]

makes OUT/SYN0001G, OUT/SYN0002G, …, a folder of scenarios for each grid (`syms study --scenarios`); the same files for
the same seeds. Seeds below 100 are for choosing and learning, those from 1000 on for measuring: nothing is to be chosen
by them. Without OUT: the section of benchmarks/RESULTS.md.

    python -m benchmarks.grids OUT --grids 6 --damping turns --places

makes what is not there yet of six grids, damped well, somewhat and badly in turn, and tells how well events of known
kind and onset are placed, and what each measure has in it: the table of docs/algorithms/location.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks._report import progress
from benchmarks.grids import folder, scenes, windows
from benchmarks.grids.damping import RANGES
from benchmarks.grids.events import Scene
from benchmarks.grids.measure import FIRST, measured
from benchmarks.grids.places import places

TURNS = "turns"


def name_of(seed: int, how: str) -> str:
    """Of a grid: SYN0001; G, M or B behind it tells the damping."""
    return f"SYN{seed:04d}{how[0].upper()}"


def windows_of(scene: Scene, system: str, count: int, seed: int, workers: int) -> Iterator[windows.Window]:
    """So many windows of a scene, in order."""
    rng = np.random.default_rng([seed, 3])
    planned = windows.plan(count, rng)
    seeds = [int(each) for each in rng.integers(1 << 31, size=count)]
    names = [f"{system}-S{k + 1:03d}" for k in range(count)]
    make = partial(windows.made, scene)
    if workers == 1:
        yield from map(make, names, [system] * count, planned, seeds)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(make, names, [system] * count, planned, seeds)


def make(out: Path, seed: int, how: str, count: int, workers: int) -> Path:
    """The set of a grid. Returns its folder."""
    system, begun = name_of(seed, how), time.monotonic()
    made = scenes.scene(seed, how, f"{how[0].upper()}{seed:04d}D")
    about = made.about
    progress(f"{system}: {about['buses']} buses, {about['machines']} machines, {about['devices']} devices")

    def shown() -> Iterator[windows.Window]:
        for k, window in enumerate(windows_of(made.scene, system, count, seed, workers)):
            if (k + 1) % 10 == 0 or k + 1 == count:
                progress(f"{system}: {k + 1} of {count} windows, {time.monotonic() - begun:.0f} s")
            yield window

    told = [device.told for device in made.scene.devices]
    folder.written(out / system, system, shown(), told, about)
    return out / system


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.grids", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", nargs="?", type=Path, metavar="OUT", help="folder for the sets")
    parser.add_argument("--grids", type=int, help="how many, of seeds one after another (default 4; measured: 3)")
    parser.add_argument("--windows", type=int, help="of each grid (default 63)")
    parser.add_argument("--seed", type=int, default=1, help="of the first grid (default 1)")
    parser.add_argument("--damping", choices=[*RANGES, TURNS], default="good", help=f"{TURNS}: each in turn")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="where measured sets stay; those there are not made again"
    )
    parser.add_argument("--places", action="store_true", help="keep what is in OUT; tell how well places are told")
    parser.add_argument("--quick", action="store_true", help="measure one small set of each damping")
    asked = parser.parse_args()
    if asked.out is None:
        grids, count = asked.grids or (1 if asked.quick else 3), asked.windows or (11 if asked.quick else 63)
        measured(make, grids, count, asked.workers, asked.keep)
        return 0
    grids, count = asked.grids or 4, asked.windows or 63
    if asked.seed < FIRST <= asked.seed + grids - 1:
        parser.error(f"grids from seed {FIRST} on are for measuring; choose seeds of one sort")
    ways = list(RANGES) if asked.damping == TURNS else [asked.damping]
    sets = {seed: ways[k % len(ways)] for k, seed in enumerate(range(asked.seed, asked.seed + grids))}
    for seed, how in sets.items():
        if not (asked.places and (asked.out / name_of(seed, how) / "labels.json").is_file()):
            make(asked.out, seed, how, count, asked.workers)
    if asked.places:
        print(places([asked.out / name_of(seed, how) for seed, how in sets.items()]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
