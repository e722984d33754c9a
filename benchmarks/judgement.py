"""How soon is a disturbance known for what it is, and is its confidence worth what it says? On labelled scenarios.

    python -m benchmarks.judgement [--folder DIR]

The scenarios are no part of this project (see `benchmarks.first_stage`). Every event that is not marginal is judged in
windows as an event trigger cuts them: from 150 s before it, or the recording's start, to 3, 10 and 30 s after, what is
before 5 s before it being the quiet past. Confidences are those of the last windows in which something was found.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from algorithms.coanalysis import Kind
from algorithms.judgement import judge
from archive.scenarios import Folder
from benchmarks._report import progress, section, table
from benchmarks.first_stage import CHECKOUT, reader

TITLE, MODULE = "How soon and how sure kinds are", "benchmarks.judgement"
BEFORE, LEAD = 150.0, 5.0
ANSWERS = (3.0, 10.0, 30.0)
BINS = 4
ALIKE = {"fault_3ph": "fault", "fault_2ph": "fault", "fault_ground": "fault",
         "osc_inter_area": "oscillation", "osc_forced": "oscillation", "osc_subsync": "oscillation"}  # fmt: skip
GROUPS = {"faults": ("fault",), "generation, load, lines": ("gen_trip", "load_loss", "line_trip"),
          "oscillations": ("oscillation",)}  # fmt: skip


class Told(NamedTuple):
    """What was said of an event in its windows."""

    truth: str
    kinds: list[Kind | None]
    """One for each of ANSWERS; None: nothing was found."""


def coarse(kind: str) -> str:
    """One of six."""
    return ALIKE.get(kind, kind)


def told(folder: Folder, label: dict[str, Any]) -> Told:
    """Judge the windows of one event."""
    seen, onset = folder.observations(folder.scenario(label["id"])), float(label["t_event"])
    begin = max(0.0, onset - BEFORE)
    kinds: list[Kind | None] = []
    for answer in ANSWERS:
        window = seen.between(round(begin * seen.rate), round((onset + answer) * seen.rate))
        judged = judge(window, since=max(0.0, onset - LEAD - begin))
        kinds.append(judged.kind if judged.detection.disturbance else None)
    return Told(label["kind"], kinds)


def by_answer(found: Sequence[Told]) -> str:
    """Share detected, and of these the share with the right kind, of ten and of six."""
    rows = []
    for name, kinds in GROUPS.items():
        some = [each for each in found if coarse(each.truth) in kinds]
        cells = [f"{name} ({len(some)})"]
        for k in range(len(ANSWERS)):
            said = [(each.truth, kind.name) for each in some if (kind := each.kinds[k]) is not None]
            right = [sum(one == other for one, other in said),
                     sum(coarse(one) == coarse(other) for one, other in said)]  # fmt: skip
            cells.append(f"{len(said)}; {right[0]} / {right[1]}")
        rows.append(tuple(cells))
    return table(("events", *(f"after {each:g} s: found; right of ten / six" for each in ANSWERS)), rows)


def reliability(found: Sequence[Told]) -> str:
    """Confidence against what was right, in bins of as many events each, and the expected calibration error."""
    said = [(kind.confidence, kind.name == each.truth) for each in found if (kind := each.kinds[-1]) is not None]
    bins = np.array_split(np.array(sorted(said), dtype=np.float64), BINS)
    rows = [(f"{each[:, 0].mean():.2f}", f"{each[:, 1].mean():.2f}", str(len(each))) for each in bins]
    error = sum(len(each) * abs(each[:, 0].mean() - each[:, 1].mean()) for each in bins) / len(said)
    return table(("confidence", "right", "events"), rows) + f"\n\nExpected calibration error: {error:.2f}."


def main() -> int:
    """Read all, print the section."""
    shared = Path(os.environ.get("SYMS_SHARED", CHECKOUT.parent / "shared"))
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=shared / "data" / "scenarios")
    parser.add_argument("--quick", action="store_true", help="every fifth event")
    asked = parser.parse_args()
    if not (asked.folder / "labels.json").is_file():
        progress(f"{asked.folder}: no scenarios there; name their folder with --folder")
        section(TITLE, MODULE, "The scenarios are not there: left out.")
        return 0
    labels = [each for each in reader(asked.folder).labels
              if each["disturbance"] and not each["detail"].get("marginal")]  # fmt: skip
    folder = Folder(asked.folder)
    found = [told(folder, each) for each in labels[:: 5 if asked.quick else 1]]
    section(TITLE, MODULE, by_answer(found), reliability(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
