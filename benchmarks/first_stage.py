"""How well do the first stage's algorithms tell disturbed windows from quiet ones? On labelled scenarios.

    python -m benchmarks.first_stage [--algorithm NAME …] [--of QUANTITY] [--folder DIR] [--seconds 180] [--every N]

The scenarios (windows of 180 s with labels, and their reader `load.py`) are no part of this project; without them
the benchmark says so and ends. `--seconds 20` cuts windows as short as the demo's, with the event at a random place.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from algorithms import registry
from algorithms.registry import Algorithm, Judgement, WindowData
from algorithms.windows import fill
from benchmarks._report import progress, section, table

RATE = 50
CHECKOUT = Path(__file__).parents[1]
SIZES = ((0, 5), (5, 15), (15, 50), (50, float("inf")))
"""mHz: bounds of the event's own share in the frequency of the strongest device."""
SERIES = {"frequency": "freq", "magnitude 1": "vmag", "angle 1": "vang", "negative": "v2", "zero": "v0"}
"""Quantities of windows, and what the scenarios call them."""
OF = {"voltage_step": "magnitude 1", "phase_jump": "angle 1", "sequence": "negative"}
"""What an algorithm judges, if it is not the frequency."""


@dataclass(frozen=True)
class Case:
    """One device's window."""

    group: str
    size: float
    """mHz at the strongest device; 0 if quiet"""
    window: str
    onset: float | None
    """seconds into the window"""
    judgement: Judgement | None
    """None: too incomplete"""


def reader(folder: Path) -> Any:
    """The scenarios' own reader."""
    spec = importlib.util.spec_from_file_location("scenario_reader", folder / "load.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Set(str(folder))


def group(label: dict[str, Any], device: str) -> str:
    """Which row of the table a device's window belongs to."""
    if device in {bad.get("device") for bad in label["bad_data"]}:
        return "bad data, in an event" if label["disturbance"] else "bad data, else quiet"
    if label["disturbance"]:
        return str(label["kind"])
    return "quiet, real" if label["system"].startswith("REAL") else "quiet"


def cut(label: dict[str, Any], seconds: int, rng: np.random.Generator) -> slice:
    """Samples of the window to judge: all, or `seconds` that hold the event if there is one."""
    length = seconds * RATE
    total = 180 * RATE
    if length >= total:
        return slice(0, total)
    event = label["t_event"]
    start = rng.uniform(0.1, 0.8) * length if event is not None else 0.0
    at = int(event * RATE - start) if event is not None else int(rng.integers(0, total - length))
    at = min(max(at, 0), total - length)
    return slice(at, at + length)


def cases(folder: Path, algorithm: Algorithm, of: str, seconds: int, every: int) -> Iterator[Case]:
    """Every device's window, judged."""
    scenarios, rng, count = reader(folder), np.random.default_rng(1), 0
    for label in scenarios.labels:
        piece = cut(label, seconds, rng)
        series = scenarios.data(label["id"])[SERIES[of]][:, piece]
        event = label["t_event"] if label["disturbance"] else None
        onset = event - piece.start / RATE if event is not None else None
        for device, values in zip(label["devices"], np.degrees(series) if of == "angle 1" else series, strict=True):
            count += 1
            if count % every == 0:
                size = (label.get("detail") or {}).get("peak_mhz_largest") or 0.0
                yield Case(group(label, device), size, label["id"], onset, judged(values, algorithm, of))


def judged(values: np.ndarray[Any, Any], algorithm: Algorithm, of: str = "frequency") -> Judgement | None:
    """As trigger and detector do it: 90 % of the samples, gaps up to 1 s."""
    filled = fill(values, RATE)
    if filled is None or np.isnan(values).mean() > 0.1:
        return None
    data = WindowData(np.zeros(1, "u4"), 0, RATE, [of], filled[0][None, None], filled[1][None])
    return algorithm.run(data, algorithm.settings())


def row(name: str, some: list[Case]) -> tuple[str, ...]:
    """One line: how many were suspicious, and how far off the onset was."""
    done = [case for case in some if case.judgement is not None]
    said = [case for case in done if case.judgement is not None and case.judgement.suspicious]
    windows = {case.window for case in done}
    found = {case.window for case in said}
    off = [
        case.judgement.onset / RATE - case.onset
        for case in said
        if case.judgement is not None and case.judgement.onset is not None and case.onset is not None
    ]
    return (
        name,
        str(len(done)),
        str(len(some) - len(done)),
        f"{len(said) / max(1, len(done)):.1%}",
        f"{len(found)}/{len(windows)}",
        f"{np.median(off):+.2f} ({np.percentile(np.abs(off), 90):.2f})" if off else "",
    )


def shown(name: str, of: str, all_cases: list[Case], took: float) -> tuple[str, ...]:
    """Of an algorithm: how many windows of each kind were suspicious."""
    heads = ("windows", "judged", "incomplete", "suspicious", "by any device", "onset error s: median (90 %)")
    groups = defaultdict(list)
    for case in all_cases:
        groups[case.group].append(case)
    quiet = [name for name in groups if name.startswith(("quiet", "bad"))]
    events = [case for name, some in groups.items() if name not in quiet for case in some]
    sizes = {
        f"events of {low} to {high:g} mHz": [each for each in events if low <= each.size < high] for low, high in SIZES
    }
    rows = {name: groups[name] for name in sorted(groups.keys() - set(quiet))}
    rows |= sizes | {"all events": events} | {name: groups[name] for name in sorted(quiet)}
    return (
        f"**`{name}`** of {of}, one device at a time: {len(all_cases)} windows, "
        f"{1e3 * took / max(1, len(all_cases)):.0f} ms each.",
        table(heads, [row(name, some) for name, some in rows.items()]),
    )


def asked_for(names: list[str]) -> list[Algorithm]:
    """By name; all that judge one device if none is named."""
    some = [registry.find(name, Path.cwd()) for name in names]
    return some or [one for one in registry.available() if not one.together]


def main() -> int:
    """Judge all, print the section."""
    shared = Path(os.environ.get("SYMS_SHARED", CHECKOUT.parent / "shared"))
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--algorithm", action="append", default=[], help="its name or file (again for more); else all")
    parser.add_argument("--of", choices=SERIES, help="quantity of the windows, if not what the algorithm is for")
    parser.add_argument("--folder", type=Path, default=shared / "data" / "scenarios")
    parser.add_argument("--seconds", type=int, default=180, help="length of the windows")
    parser.add_argument("--every", type=int, default=1, help="take every Nth window only")
    parser.add_argument("--quick", action="store_true", help="every hundredth window")
    asked = parser.parse_args()
    title = "Detection on labelled scenarios"
    if not (asked.folder / "labels.json").is_file():
        progress(f"{asked.folder}: no scenarios there; name their folder with --folder")
        section(title, "benchmarks.first_stage", "The scenarios are not there: left out.")
        return 0
    told: list[str] = []
    for algorithm in asked_for(asked.algorithm):
        progress(algorithm.name)
        of = asked.of or OF.get(algorithm.name, "frequency")
        begun = time.perf_counter()
        every = 100 if asked.quick else max(1, asked.every)
        all_cases = list(cases(asked.folder, algorithm, of, asked.seconds, every))
        told += shown(algorithm.name, of, all_cases, time.perf_counter() - begun)
    section(title, "benchmarks.first_stage", *told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
