"""What an archive costs on disk, how fast it is written, how fast one finds something in it.

    python -m benchmarks.archive [--quick]

It makes its data in a temporary folder: a simulated grid in ambient operation, in which every phase of every device has
noise of its own. Rates are of float32 values (4 bytes each, the other fields of a row not counted) by CPU time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

import archive
from archive import layout
from archive.finish import finish_all
from archive.overviews import GROUP
from benchmarks._ambient import F4, KINDS, RATE, TABLE, ambient
from benchmarks._hours import START, again, fill
from benchmarks._report import goal, goals, progress, section, table
from protocol.clock import SECOND
from protocol.messages import Table

SLIM = Table(RATE, 1, 0, 0)
DAY, MONTH = 24, 720
BYTES, WRITE = 2.2, 60.0
TEN_MINUTES, OF_A_DAY, OF_A_MONTH = 20.0, 100.0, 1000.0


def spent_on(work: Callable[[], Any]) -> float:
    """CPU seconds."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def plainly(path: Path, values: F4) -> None:
    """As one would write them with h5py alone: a chunk of all channels of a minute, shuffle and gzip 4."""
    with h5py.File(path, "w") as file:
        shape = values.shape[0], values.shape[2], values.shape[1]
        data = file.create_dataset(
            "values", shape, "<f4", chunks=(1, shape[1], min(60 * RATE, shape[2])), shuffle=True,
            compression="gzip", compression_opts=4,
        )  # fmt: skip
        for device, rows in enumerate(values):
            for at in range(0, shape[2], 60 * RATE):
                data[device, :, at : at + 60 * RATE] = rows[at : at + 60 * RATE].T


# sizes and rates


def sizes(folder: Path, seconds: int) -> tuple[list[list[str]], float]:
    """(rows of the table, bytes a value of the whole file of float devices)."""
    values = ambient(4, seconds)
    rows: list[list[str]] = []
    found: dict[str, Any] = {}
    for name, kind in KINDS.items():
        progress(f"size: {name}")
        some = kind(values)
        root = folder / f"size{len(rows)}"
        fill(root, TABLE, some, START, 60)
        (path,) = finish_all(root)
        plainly(folder / "plain.h5", some)
        with h5py.File(path) as file, h5py.File(folder / "plain.h5") as plain:
            group = file[TABLE.name]
            assert np.array_equal(group["values"][:].swapaxes(1, 2), some, equal_nan=True)
            ours, seen = group["values"].id.get_storage_size(), group[f"{GROUP}/values"].id.get_storage_size()
            theirs = plain["values"].id.get_storage_size()
        found[name] = [each / some.size for each in (ours, seen, path.stat().st_size, theirs)]
        rows.append([name, *(f"{each:.2f}" for each in found[name]), f"{theirs / ours:.2f}"])
        shutil.rmtree(root)
    return rows, next(iter(found.values()))[2]


def rates(folder: Path, devices: int, seconds: int, times: int) -> dict[str, float]:
    """MB/s of values by CPU time, medians: commits a second apart of many devices; merging some, and plain h5py."""
    values = np.concatenate([ambient(4, seconds)] * (devices // 4))
    many = np.concatenate([values[:, : RATE * 10]] * 50)
    found: dict[str, list[float]] = {"commit": [], "finish": [], "plain": []}
    for turn in range(times):
        progress(f"rates: {turn + 1} of {times}")
        root = folder / f"rate{turn}"
        found["commit"].append(fill(root, TABLE, many, START, 1)[0] * values.size / many.size)
        shutil.rmtree(root)
        fill(root, TABLE, values, START, 60)
        found["finish"].append(spent_on(partial(finish_all, root)))
        found["plain"].append(spent_on(lambda: plainly(folder / "plain.h5", values)))
        shutil.rmtree(root)
    return {name: values.nbytes / 1e6 / statistics.median(each) for name, each in found.items()}


def change_of_hour(folder: Path, devices: int, seconds: int) -> dict[str, float]:
    """Wall ms of commits: median and worst before, worst of the first two of a new hour, worst while it is merged."""
    progress("change of the hour")
    root, values = folder / "change", np.concatenate([ambient(4, seconds)] * (devices // 4))
    hour = START + layout.SPAN
    _, quiet = fill(root, TABLE, values, hour - seconds * SECOND, 1)
    _, first = fill(root, TABLE, values, hour, 1, known=True)
    for part in layout.live_folder(root, START).glob(f"*{layout.PART}"):
        part.rename(part.with_name(part.name.replace(layout.PART, layout.SEALED)))
    child = subprocess.Popen([sys.executable, "-m", "archive.finish", str(root)], stdout=subprocess.DEVNULL)
    try:
        _, busy = fill(root, TABLE, values, hour + seconds * SECOND, 1, known=True)
    finally:
        child.wait()
    shutil.rmtree(root)
    return {
        "median": 1e3 * statistics.median(quiet), "worst": 1e3 * max(quiet[2:]),
        "first": 1e3 * max(first[:2]), "merging": 1e3 * max(busy[2:]), "median merging": 1e3 * statistics.median(busy),
    }  # fmt: skip


# reading


def day(folder: Path, hours: int) -> Path:
    """Finished hours of four devices; the noise of one hour again and again."""
    root, values = folder / "day", ambient(4, 3600)
    for hour in range(hours):
        progress(f"day: hour {hour + 1} of {hours}")
        fill(root, TABLE, values, START + hour * layout.SPAN, 600, known=hour > 0)
        finish_all(root)
    return root


def month(folder: Path, hours: int) -> Path:
    """Finished hours of one device with four values: the first one, moved to the others' times."""
    root = folder / "month"
    progress(f"month: {hours} hours")
    fill(root, SLIM, ambient(1, 3600)[..., : SLIM.channels], START, 600)
    (path,) = finish_all(root)
    for hour in range(1, hours):
        again(root, path, START, hour, SLIM)
    return root


def forget(root: Path) -> None:
    """Have the kernel drop what it keeps of the files from its page cache."""
    for path in root.rglob("*"):
        if path.is_file():
            fd = os.open(path, os.O_RDONLY)
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


LOOKS: dict[str, Callable[[Any], Any]] = {
    "ten minutes": lambda found: found.get("PMU 1", "frequency")[0],
    "overview": lambda found: found.overview("PMU 1", "frequency").time,
    "whole": lambda found: found.get("PMU 1", "frequency")[0],
}


def look(root: Path, what: str, start: int, end: int, times: int, cold: bool) -> tuple[float, float, int]:
    """(median wall ms, CPU ms, values found) of one look, each in a new process that has h5py imported."""
    found = []
    for _ in range(times):
        if cold:
            forget(root)
        command = [sys.executable, "-m", "benchmarks.archive", "--look", str(root), what, str(start), str(end)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found.append(json.loads(done.stdout))
    return (*(statistics.median(each[at] for each in found) for at in (0, 1)), found[0][2])


def looked(root: str, what: str, start: str, end: str) -> None:
    """The other end of `look`."""
    archive.open  # noqa: B018 - imports what reading needs
    wall, cpu = time.perf_counter(), time.process_time()
    with archive.open(root, int(start), int(end)) as found:
        count = len(LOOKS[what](found))
    print(json.dumps([1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu), count]))


class Look(NamedTuple):
    """What was looked for, and how long it took."""

    what: str
    cold: float
    """Wall ms, as `warm`."""
    cpu: float
    points: int
    warm: float
    limit: float


def looks(folder: Path, quick: bool) -> Iterator[Look]:
    """Each look, cold and warm."""
    hours, times = (DAY, MONTH) if not quick else (2, 6), 3 if quick else 9
    whole, long = day(folder, hours[0]), month(folder, hours[1])
    middle = START + hours[0] // 2 * layout.SPAN + 420 * SECOND
    one, all_ = START + hours[0] * layout.SPAN, START + hours[1] * layout.SPAN
    for name, root, what, start, end, limit in (
        ("ten minutes of one frequency", whole, "ten minutes", middle, middle + 600 * SECOND, TEN_MINUTES),
        (f"overview of {hours[0]} hours of one channel", whole, "overview", START, one, OF_A_DAY),
        (f"overview of {hours[1]} hours of one channel", long, "overview", START, all_, OF_A_MONTH),
        (f"all values of {hours[0]} hours of one frequency", whole, "whole", START, one, 0.0),
    ):
        progress(f"look: {name}")
        wall, cpu, points = look(root, what, start, end, times, cold=True)
        yield Look(name, wall, cpu, points, look(root, what, start, end, times, cold=False)[0], limit)


# the report


def written(rate: dict[str, float]) -> str:
    """The table of write rates."""
    names = {
        "commit": "rows to durable parts, a commit a second",
        "finish": "parts to a finished file with overview",
        "plain": "plain h5py, values alone",
    }
    rows = [[name, f"{rate[key]:.0f}", f"{rate[key] / rate['plain']:.1f}"] for key, name in names.items()]
    return table(["what", "MB/s", "ratio to plain h5py"], rows)


def changed(change: dict[str, float]) -> str:
    """The change of the hour in a sentence."""
    return (
        f"Change of the hour, wall ms of a commit: median {change['median']:.0f}, worst {change['worst']:.0f}; the "
        f"first of a new hour {change['first']:.0f}; while the old hour is merged median "
        f"{change['median merging']:.0f}, worst {change['merging']:.0f}. Commits and merging are not on the way from a "
        "device to the release of its slot."
    )


def read(seen: Sequence[Look]) -> str:
    """The table of looks."""
    rows = [[each.what, f"{each.cold:.1f}", f"{each.cpu:.1f}", f"{each.warm:.1f}", each.points] for each in seen]
    return table(["what", "cold", "of it CPU", "warm", "points"], rows)


def report(folder: Path, quick: bool) -> None:
    """Measure and print."""
    seconds = 120 if quick else 3600
    size, whole = sizes(folder, seconds)
    rate = rates(folder, *((4, 120, 1) if quick else (20, 3600, 3)))
    change = change_of_hour(folder, *((40, 5) if quick else (1000, 30)))
    seen = list(looks(folder, quick))
    section(
        "Archive: size, writing, reading",
        "benchmarks.archive",
        f"Bytes a value, 4 devices of 16 values, {seconds} s at {RATE} a second. Plain: h5py, a minute of all channels "
        "in a chunk, shuffle and gzip 4.",
        table(["devices that send", "values", "overview", "whole file", "plain: values", "plain / ours"], size),
        "Writing, MB of values a second of CPU time on one core:",
        written(rate),
        changed(change),
        "Reading, ms, each time in a new process with its modules imported. Cold: nothing of the files was cached.",
        read(seen),
        goals(
            goal(f"at most {BYTES} bytes a value with the overview and all else ({whole:.2f})", whole <= BYTES),
            goal(f"at least {WRITE:.0f} MB/s written a core", min(rate["commit"], rate["finish"]) >= WRITE),
            *(
                goal(f"{each.what} in {each.limit:.0f} ms, cold", each.cold <= each.limit)
                for each in seen
                if each.limit
            ),
        ),
    )


def main() -> int:
    """The command."""
    if sys.argv[1:2] == ["--look"]:
        looked(*sys.argv[2:])
        return 0
    parser = argparse.ArgumentParser(prog="python -m benchmarks.archive")
    parser.add_argument("--quick", action="store_true", help="a short version")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="syms-bench-"))
    try:
        report(folder, asked.quick)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
