"""Where events of known kind and onset were, and by what: `python -m benchmarks.grids … --places`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from algorithms.location import Place, place, trusted
from algorithms.quality import assess
from algorithms.telling import FAULTS, Told, told
from archive.scenarios import Folder
from benchmarks._report import progress, table
from benchmarks.grids.scoring import Prediction, Scores, scored

GROUPS = {
    "lost generation and load": ("gen_trip", "load_loss"), "line trips": ("line_trip",), "faults": FAULTS,
    "forced oscillations": ("osc_forced",), "sub-synchronous oscillations": ("osc_subsync",),
}  # fmt: skip
WAYS: dict[str, Callable[[Told], Told]] = {
    "all that tells": lambda tells: tells,
    "what devices felt": lambda tells: replace(tells, alone=[], closer=[]) if tells.felt else tells,
    "what of it the others do not explain": lambda tells: replace(tells, felt=[], closer=[]) if tells.alone else tells,
    "both, ordered by what devices felt": lambda tells: replace(tells, closer=[]),
}


def places(sets: Sequence[Path]) -> str:
    """A table of the sets' events that are not marginal and have a place: by kinds, told in each way."""
    labels: list[dict[str, Any]] = []
    said: dict[str, dict[str, Prediction]] = {way: {} for way in WAYS}
    for path in sets:
        progress(f"{path.name}: placing")
        for label, found in _placed(path):
            labels.append(label)
            for way, prediction in found.items():
                said[way][label["id"]] = prediction
    rows = []
    for group, kinds in {**GROUPS, "all": sum(GROUPS.values(), ())}.items():
        some = [label for label in labels if label["kind"] in kinds]
        cells = {way: _cells(scored(some, predictions)) for way, predictions in said.items()}
        whole = cells[next(iter(WAYS))]
        told_by = [way for way in WAYS if way == next(iter(WAYS)) or cells[way] != whole]
        rows += [(f"{group} ({len(some)})", way, *cells[way]) for way in told_by]
    return table(("events", "told by", "first", "among three", "error, median", "ellipse holds"), rows)


def _placed(path: Path) -> list[tuple[dict[str, Any], dict[str, Prediction]]]:
    """(label, prediction by way) of each event of a set."""
    folder, found = Folder(path), []
    labels = {label["id"]: label for label in json.loads((path / "labels.json").read_text(encoding="utf-8"))}
    for scenario in folder.scenarios:
        label = labels[scenario.id]
        if label.get("lat") is None or label["detail"].get("marginal"):
            continue
        clean = trusted(assess(folder.observations(scenario)))
        tells = told(clean, round(label["t_event"] * clean.rate), label["kind"])
        ways = {way: place(clean, change(tells), label["kind"]) for way, change in WAYS.items()}
        found.append((label, {way: _prediction(each, scenario.devices) for way, each in ways.items()}))
    return found


def _prediction(found: Place | None, devices: Sequence[str]) -> Prediction:
    """In the form that scores read."""
    if found is None:
        return {"disturbance": True}
    at = {"lat": found.latitude, "lon": found.longitude, "ellipse95": found.ellipse}
    return {"disturbance": True, "nearest": [devices[k] for k in found.nearest], **at}


def _cells(scores: Scores) -> tuple[str, ...]:
    away = sorted(scores.away)
    middle = f"{(away[(len(away) - 1) // 2] + away[len(away) // 2]) / 2:.0f} km" if away else "–"
    return (f"{scores.first.value:.2f}", f"{scores.three.value:.2f}", middle, f"{scores.ellipse.value:.2f}")
