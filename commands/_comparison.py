"""How two files of predictions differ, window by window."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.table import Table

Json = dict[str, Any]

SAME = {"score": 0.05, "t_event": 0.02, "lat": 0.01, "lon": 0.01, "confidence": 0.05, "size_mhz": 0.1}
"""Differences up to this are none: share of the score, seconds, degrees, probability, mHz."""
WORDS = ("disturbance", "kind", "bad_devices")


class Unreadable(ValueError):
    """No file of predictions; says which and why."""


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
    """Windows that are judged differently: `id`, and for each field that differs what both say (null = nothing)."""
    found = []
    for name in sorted(one.keys() | other.keys()):
        if name not in one or name not in other:
            found.append({"id": name, "window": [name in one, name in other]})
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
    made = Table("window", "what", one, other)
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
