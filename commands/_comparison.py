"""How two files of predictions differ, window by window; how two studies of an archive do, event by event."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from rich.table import Table

from archive.events import Event, list_events
from archive.folder import ArchiveError
from archive.layout import moment
from archive.reading import open_archive
from protocol.clock import MILLISECOND, SECOND

Json = dict[str, Any]

SAME = {
    "score": 0.05, "t_event": 0.02, "onset": 20 * MILLISECOND, "lat": 0.01, "lon": 0.01, "confidence": 0.05,
    "size_mhz": 0.1, "size_mw": 1.0,
}  # fmt: skip
"""Differences up to this are none: share of the score, seconds, ns, degrees, probability, mHz, MW."""
NEAR = 15 * SECOND
"""Events of two studies whose onsets are so near are one."""
WORDS = ("disturbance", "kind", "bad_devices", "devices")


class Unreadable(ValueError):
    """Nothing that can be compared; says which and why."""


def compared(one: Path, other: Path) -> list[Json]:
    """How two files of predictions differ, or two studies of an archive. Raises Unreadable."""
    if one.is_dir() != other.is_dir():
        raise Unreadable(f"{one} and {other}: compare two files of predictions, or the folders of two studies")
    if not one.is_dir():
        return differences(load(one), load(other))
    try:
        windows = [suspicions(path) for path in (one, other)]
        found = differences(*paired(events(one), events(other)))
    except ArchiveError as error:
        raise Unreadable(str(error)) from None
    return [*_windows(*windows), *map(_readable, found)]


def events(path: Path) -> dict[str, Json]:
    """The events of an archive, and what was no disturbance, by id. Raises ArchiveError."""
    return {event.id or event.time: _said(event) for event in list_events(path, rejected=None)}


def _said(event: Event) -> Json:
    """As predictions say it; what is not known is left out."""
    numbers = {"lat": event.latitude, "lon": event.longitude, "confidence": event.confidence,
               "size_mhz": event.size_mhz, "size_mw": event.size_mw}  # fmt: skip
    return {
        "onset": event.onset, "disturbance": event.disturbance, "kind": event.kind, "score": event.score,
        "devices": sorted(event.devices), "bad_devices": sorted(event.bad), "nearest": event.nearest,
        **{name: value for name, value in numbers.items() if math.isfinite(value)},
    }  # fmt: skip


def paired(one: dict[str, Json], other: dict[str, Json]) -> tuple[dict[str, Json], dict[str, Json]]:
    """The same events, those of two studies that are one under one name: of one id, else of the nearest onsets."""
    near = sorted(
        (abs(this["onset"] - that["onset"]), name, theirs)
        for name, this in one.items() if name not in other
        for theirs, that in other.items() if theirs not in one and abs(this["onset"] - that["onset"]) <= NEAR
    )  # fmt: skip
    names: dict[str, str] = {}
    for _, name, theirs in near:
        if theirs not in names and name not in names.values():
            names[theirs] = name
    return one, {names.get(theirs, theirs): said for theirs, said in other.items()}


def suspicions(path: Path) -> tuple[int, set[tuple[Any, ...]]]:
    """(windows judged, (trigger, device, start) of the suspicious ones). Raises ArchiveError."""
    with open_archive(path) as extract:
        rows = extract.verdicts()
    found = zip(*(rows[name].tolist() for name in ("suspicious", "trigger", "device", "start")), strict=True)
    return len(rows["device"]), {tuple(key) for suspicious, *key in found if suspicious}


def _windows(one: tuple[int, set[tuple[Any, ...]]], other: tuple[int, set[tuple[Any, ...]]]) -> list[Json]:
    """How many windows there are, and how many are suspicious in one study alone."""
    if one == other:
        return []
    alone = [len(one[1] - other[1]), len(other[1] - one[1])]
    return [{"id": "windows", "judged": [one[0], other[0]], "suspicious here only": alone}]


def _readable(found: Json) -> Json:
    """Onsets as text."""
    if "onset" in found:
        found["onset"] = [None if each is None else f"{moment(each):%Y-%m-%dT%H:%M:%S.%fZ}" for each in found["onset"]]
    return found


def load(path: Path) -> dict[str, Json]:
    """Predictions by window. Raises Unreadable."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise Unreadable(f"{path}: not JSON: {error}") from None
    if not isinstance(read, dict) or not all(isinstance(said, dict) for said in read.values()):
        raise Unreadable(f"{path}: want an object with a prediction for each window, as syms study writes it")
    return read


def differences(one: dict[str, Json], other: dict[str, Json]) -> list[Json]:
    """What is judged differently: `id`, and for each field that differs what both say (null = nothing)."""
    found = []
    for name in sorted(one.keys() | other.keys()):
        if name not in one or name not in other:
            found.append({"id": name, "there": [name in one, name in other]})
            continue
        differ = {field: pair for field in (*WORDS, *SAME) if (pair := _differ(field, one[name], other[name]))}
        first = [(said.get("nearest") or [None])[0] for said in (one[name], other[name])]
        if first[0] != first[1]:
            differ["nearest"] = first
        if differ:
            found.append({"id": name, **differ})
    return found


def _differ(field: str, one: Json, other: Json) -> list[Any] | None:
    this, that = one.get(field), other.get(field)
    same = this == that
    if field in SAME and this is not None and that is not None:
        same = abs(this - that) <= SAME[field] * (max(abs(this), abs(that)) if field == "score" else 1.0)
    return None if same else [this, that]


def table(found: list[Json], one: str, other: str) -> Table:
    """For people."""
    made = Table("window or event", "what", one, other)
    for column in made.columns:
        column.overflow = "fold"
    for window in found:
        name = window["id"]
        for field, pair in window.items():
            if field != "id":
                made.add_row(name, field, *(_text(value) for value in pair))
                name = ""
    return made


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "none"
    return "" if value is None else str(value)
