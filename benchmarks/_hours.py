"""Archives made for a benchmark: rows written in bulk, and a finished hour moved to other times."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import h5py
import numpy as np

from archive import layout
from archive.overviews import GROUP
from archive.writer import Archive
from benchmarks._ambient import F4, RATE, configuration, measured
from protocol.clock import SECOND, Now
from protocol.messages import Table

START = 1_777_795_200 * SECOND
"""2026-05-03T08:00:00Z, the beginning of an hour."""


def fill(root: Path, of: Table, values: F4, start: int, step: int, known: bool = False,
         first: int = 1) -> tuple[float, list[float]]:  # fmt: skip
    """Archive rows with a commit every `step` seconds: (CPU seconds, wall seconds of each commit). `first`: link of the
    first device."""
    writer, spent, walls = Archive(root), 0.0, []
    for link in range(first, first + len(values)):
        if not known:
            writer.take(configuration(link, of))
    for second in range(0, values.shape[1] // RATE, step):
        word = measured(of, values[:, RATE * second : RATE * (second + step)], start + second * SECOND, first)
        begun, wall = time.process_time(), time.perf_counter()
        writer.take(word)
        writer.commit(Now(second * SECOND, start + second * SECOND))
        spent += time.process_time() - begun
        walls.append(time.perf_counter() - wall)
    writer.close()
    return spent, walls


def again(root: Path, path: Path, start: int, hours: int, table: Table) -> None:
    """The finished file of the hour that begins at `start` [ns], once more so many hours later."""
    moved = layout.finished_path(root, start + hours * layout.SPAN)
    moved.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, moved)
    _move(moved, hours, table)


def _move(path: Path, hours: int, table: Table) -> None:
    with h5py.File(path, "r+") as file:
        group = file[table.name]
        group.attrs["first_slot"] += hours * 3600 * RATE
        for name in ("time", f"{GROUP}/time"):
            group[name][:] += hours * layout.SPAN
        told = json.loads(file["tables"][()])
        told[table.name]["first_slot"] = int(group.attrs["first_slot"])
        file["tables"][()] = np.bytes_(json.dumps(told))
