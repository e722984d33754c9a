"""The compiled decomposition against PyEMD: the same modes, how much faster, and how workers share the windows.

    python -m benchmarks.emd [--quick]

Kernel and PyEMD take turns on the same windows. Workers are real detector processes (`benchmarks/_feeder.py`).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from algorithms.emd import Sifter, intrinsic_modes
from benchmarks._feeder import Detectors, Phase, detectors
from benchmarks._programs import cpu
from benchmarks._report import goal, goals, progress, section, table
from benchmarks._signals import KINDS, SAMPLES, signal

F8 = NDArray[np.float64]
LARGEST_DIFFERENCE, LEAST_RATIO, LEAST_SCALE, LONGEST_START = 1e-10, 8.0, 1.8, 2.0


@dataclass(frozen=True)
class Pair:
    """One window, decomposed by both."""

    kind: str
    modes: int
    same: bool
    """as many modes"""
    difference: float
    """largest of any sample of any mode, relative to the deviation of the signal; inf if not `same`. One bit of 50 Hz
    is 7e-11 of the smallest signal here, 0.1 mHz of noise."""
    ours: float
    theirs: float
    """CPU seconds"""


def timed(x: F8, sift: Sifter) -> tuple[F8, float]:
    """(modes, CPU seconds)"""
    begun = time.process_time()
    modes = intrinsic_modes(x, sift=sift)
    return modes, time.process_time() - begun


def pair(kind: str, seed: int) -> Pair:
    """Both on one window."""
    x = signal(kind, SAMPLES, seed)
    (ours, fast), (theirs, slow) = timed(x, "compiled"), timed(x, "pyemd")
    same = ours.shape == theirs.shape
    difference = float(np.abs(ours - theirs).max() / np.std(x)) if same else np.inf
    return Pair(kind, len(ours) - 1, same, difference, fast, slow)


def row(name: str, pairs: list[Pair]) -> list[str]:
    """A line of the table."""
    return [
        name,
        str(len(pairs)),
        f"{min(one.modes for one in pairs)} to {max(one.modes for one in pairs)}",
        f"{sum(one.same for one in pairs)}",
        f"{max(one.difference for one in pairs):.0e}",
        f"{1e3 * statistics.median(one.theirs for one in pairs):.0f}",
        f"{1e3 * statistics.median(one.ours for one in pairs):.1f}",
        f"{statistics.median(one.theirs / one.ours for one in pairs):.1f}",
    ]


def compare(each: int) -> tuple[str, list[str]]:
    """(table, goals): `each` windows of every kind."""
    for sift in ("compiled", "pyemd"):
        timed(signal("walk", 1000, 99), sift)  # imports and compiled code are loaded
    pairs = []
    for seed in range(each):
        pairs += [pair(kind, seed) for kind in KINDS]
        progress(f"{len(pairs)} windows decomposed by both")
    rows = [row(kind, [one for one in pairs if one.kind == kind]) for kind in KINDS]
    compared = ("windows of 9000 samples", "number", "modes", "as many modes", "largest relative difference")
    heads = (*compared, "PyEMD, ms CPU", "compiled, ms CPU", "ratio")
    worst, ratio = max(one.difference for one in pairs), statistics.median(one.theirs / one.ours for one in pairs)
    return table(heads, [*rows, row("all", pairs)]), [
        goal(f"relative difference ≤ {LARGEST_DIFFERENCE:g}, as many modes ({worst:.0e})", worst <= LARGEST_DIFFERENCE),
        goal(f"≥ {LEAST_RATIO:g} times faster ({ratio:.1f})", ratio >= LEAST_RATIO),
    ]


def share(rounds: int, seconds: float) -> tuple[str, list[str]]:
    """(table, goals): windows a second with one worker, two, and two of which one is slow; taking turns."""
    with detectors(2) as some, ExitStack() as running:
        first, second = names = some.names
        workers = {name: running.enter_context(some.started(name)) for name in names}
        made = ((names[:1], ""), (names, ""), (names, second))
        warm = [Phase(names, 1.0)]
        phases = [Phase(who, seconds, slowed) for _ in range(rounds) for who, slowed in made]
        progress(f"windows to one and to two workers, {rounds} rounds")
        some.feed(warm + phases, workers)
    one, two, slowed = (phases[k :: len(made)] for k in range(len(made)))
    rates = [statistics.median(phase.rate for phase in each) for each in (one, two, slowed)]
    scale = statistics.median(b.rate / a.rate for a, b in zip(one, two, strict=True))
    freed = statistics.median(c.judged[first] / c.took / a.rate for a, c in zip(one, slowed, strict=True))
    parts = [
        [f"{sum(phase.judged[name] / phase.took for phase in each) / rounds:.1f}" for name in names]
        for each in (one, two, slowed)
    ]
    labels = ("one worker", "two workers", "two, the second stopped nine tenths of the time")
    rows = [[label, f"{rate:.1f}", *part] for label, rate, part in zip(labels, rates, parts, strict=True)]
    return table(("judged by", "windows a second", "by the first", "by the second"), rows), [
        goal(f"two workers judge ≥ {LEAST_SCALE:g} times the windows of one ({scale:.2f})", scale >= LEAST_SCALE),
        goal(f"a slow worker does not hold up the other (it judges {freed:.0%} of what it does alone)", freed >= 0.9),
    ]


def ready(some: Detectors, sift: Sifter, times: int) -> tuple[float, float]:
    """Medians of (seconds from a detector's start until it can judge, its CPU seconds by then)."""
    some.write({"sift": sift})
    took, used = [], []
    for _ in range(times):
        with some.started(some.names[0]) as worker:
            took.append(worker.ready)
            used.append(cpu(worker.process.pid))
    return statistics.median(took), statistics.median(used)


def start(times: int) -> tuple[str, list[str]]:
    """(table, goals): how soon a worker is ready, code compiled ahead."""
    with detectors(1) as some:
        progress("starting detectors")
        sifters: tuple[Sifter, Sifter] = ("compiled", "pyemd")
        found = {sift: ready(some, sift, times) for sift in sifters}
    rows = [[f"sift: {sift}", f"{took:.2f}", f"{used:.2f}"] for sift, (took, used) in found.items()]
    took = found["compiled"][0]
    return table(("a detector with", "ready after, s", "CPU until then, s"), rows), [
        goal(f"a worker is ready in < {LONGEST_START:g} s ({took:.2f} s)", took < LONGEST_START)
    ]


def main() -> int:
    """Measure, print the section."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few windows, short phases")
    quick = parser.parse_args().quick
    modes, first = compare(2 if quick else 10)
    shared, second = share(*((2, 1.0) if quick else (7, 4.0)))
    starts, third = start(2 if quick else 7)
    medians = "All figures are medians; ratios are medians of pairs."
    section("EMD", "benchmarks.emd", modes, medians, shared, starts, goals(*first, *second, *third))
    return 0


if __name__ == "__main__":
    sys.exit(main())
