"""How well is the damping of oscillations told? On labelled scenarios, with the devices of each together.

    python -m benchmarks.damping [--folder DIR]

The scenarios are no part of this project (see `benchmarks.first_stage`). Frequency and onset are those of the label.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from algorithms.damping import damping
from algorithms.observations import Observations
from benchmarks._report import progress, section, table
from benchmarks.first_stage import CHECKOUT, RATE, reader

TITLE, MODULE = "Damping of oscillations", "benchmarks.damping"


def observed(data: dict[str, Any]) -> Observations:
    """A scenario as the second judgement takes it."""
    frequency, *others = (data[name].astype(np.float64) for name in ("freq", "vmag", "vang", "v2", "v0"))
    magnitude, angle, negative, zero = others
    nowhere = np.full(len(frequency), np.nan)
    return Observations(RATE, frequency, magnitude, angle, negative, zero, nowhere, nowhere)


def rows(folder: Path) -> Iterator[tuple[str, ...]]:
    """An oscillation each; the truth of a forced or sub-synchronous one is 0."""
    scenarios = reader(folder)
    for label in scenarios.labels:
        if not label["kind"].startswith("osc"):
            continue
        detail = label["detail"]
        truth = detail.get("damping_ratio", 0.0)
        mode = damping(observed(scenarios.data(label["id"])), detail["freq_hz"], label["t_event"])
        told = ("none", "", "") if mode is None else (mode.hertz, 100 * mode.damping, 100 * mode.error)
        shown = [each if isinstance(each, str) else f"{each:.3g}" for each in told]
        yield (
            label["id"],
            label["kind"],
            f"{detail['peak_mhz_largest']:.3g}",
            f"{detail['freq_hz']:.3g}",
            f"{100 * truth:g}",
            *shown,
        )


def main() -> int:
    """Read all, print the section."""
    shared = Path(os.environ.get("SYMS_SHARED", CHECKOUT.parent / "shared"))
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=shared / "data" / "scenarios")
    parser.add_argument("--quick", action="store_true", help="the same: it takes seconds")
    asked = parser.parse_args()
    if not (asked.folder / "labels.json").is_file():
        progress(f"{asked.folder}: no scenarios there; name their folder with --folder")
        section(TITLE, MODULE, "The scenarios are not there: left out.")
        return 0
    heads = ("window", "kind", "mHz", "Hz", "damping %", "told Hz", "damping %", "its error %")
    section(TITLE, MODULE, table(heads, rows(asked.folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
