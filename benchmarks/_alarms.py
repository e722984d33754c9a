"""The pre-screen, and `emd` on the windows it would hand over, on labelled scenarios."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms import registry
from algorithms.prescreen import Limits, Prescreen
from benchmarks.first_stage import group, judged, reader
from nodes import trigger

F4 = NDArray[np.float32]
RATE, LENGTH = 50, 9000
EMD = registry.find("emd")
SOON = 75
"""Samples within which an alarm counts for a disturbance."""
BEFORE = 75 * RATE
"""Mirrored samples before a quiet window, to learn from."""


@dataclass(frozen=True)
class Seen:
    """One device in a disturbance."""

    kind: str
    size: float
    """mHz at the strongest device"""
    delay: float | None
    """s to its alarm; None: none within 1.5 s"""
    early: bool
    """The early window is suspicious."""
    whole: bool
    """The window that holds all of the disturbance is."""


@dataclass
class Calm:
    """Quiet devices of one kind."""

    name: str
    alarms: int = 0
    days: float = 0.0


def with_past(values: F4, quiet: int, wanted: int) -> F4:
    """Values [n, m] behind `wanted` samples: the first `quiet` ones, mirrored again and again."""
    past = values[:quiet]
    pieces = [past[::-1] if k % 2 == 0 else past for k in range(-(-wanted // quiet))]
    return np.concatenate([*reversed(pieces), values])[-(wanted + len(values)) :]


def scenarios(folder: Path, every: int) -> tuple[list[Seen], list[Calm]]:
    """All (every N-th) labelled windows: devices in disturbances, and quiet ones; none if there is no such folder."""
    if not (folder / "labels.json").is_file():
        return [], []
    found, seen, calm = reader(folder), list[Seen](), dict[str, Calm]()
    for label in found.labels[::every]:
        values = found.data(label["id"])["freq"].T.astype(np.float32)
        by_group = defaultdict(list)
        for column, device in enumerate(label["devices"]):
            by_group[group(label, device)].append(column)
        for name, columns in by_group.items():
            if label["disturbance"] and not name.startswith("bad"):
                seen += _disturbed(label, values[:, columns])
            elif not label["disturbance"]:
                _quiet(calm.setdefault(name, Calm(name)), values[:, columns])
    return seen, list(calm.values())


def _alarms(values: F4) -> list[tuple[int, int]]:
    """(sample, column)"""
    screen = Prescreen(RATE, Limits())
    screen.widen(values.shape[1])
    found = screen.push(np.arange(len(values)) + RATE, np.arange(values.shape[1]), values)
    return [(alarm.slot - RATE, alarm.column) for alarm in found]


def _quiet(calm: Calm, values: F4) -> None:
    calm.alarms += sum(at >= BEFORE for at, _ in _alarms(with_past(values, LENGTH, BEFORE)))
    calm.days += values.size / RATE / 86400


def _disturbed(label: dict[str, Any], values: F4) -> list[Seen]:
    event = int(label["t_event"] * RATE)
    longer, event_at = with_past(values, event, LENGTH), LENGTH + event
    after = trigger.Settings().alarm_after * RATE // 10**9
    first = dict(reversed([(column, at) for at, column in _alarms(longer) if event_at <= at < event_at + SOON]))
    return [
        Seen(
            str(label["kind"]),
            (label.get("detail") or {}).get("peak_mhz_largest") or 0.0,
            (first[column] - event_at) / RATE if column in first else None,
            column in first and _suspicious(longer[first[column] + 1 + after - LENGTH :][:LENGTH, column]),
            _suspicious(values[:, column]),
        )
        for column in range(values.shape[1])
    ]


def _suspicious(values: F4) -> bool:
    judgement = judged(values, EMD)
    return judgement is not None and judgement.suspicious
