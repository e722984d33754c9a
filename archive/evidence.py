"""What led to what is said of an event, put in order for a reader: by terminal, as a picture, on a page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archive.clips import Trace
from archive.records import Answer, Looked

FIGURES = 200
"""Letters of one of the algorithm's figures."""


def probabilities(said: Answer) -> dict[str, float]:
    """Of each kind."""
    found = said.detail.get("probabilities", {})
    return {str(kind): float(share) for kind, share in found.items() if share is not None}


def evidence(detail: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(name, value) of the algorithm's figures besides the rules."""
    for name, value in detail.items():
        if name in ("rules", "probabilities") or value in ({}, [], None):
            continue
        parts = value.items() if isinstance(value, dict) else [("", value)]
        told = ((str(part), each) for part, each in parts if each not in ({}, [], None))
        yield from ((" ".join(filter(None, (name, part))), figures(each)) for part, each in told)


def named(said: Answer) -> str:
    """The likeliest buses or lines of the site's network; "" if none is told."""
    found = said.detail.get("location", {}).get("named") or ()
    return ", ".join(f"{name} {share:.0%}" for name, share in found)


def figures(value: Any) -> str:
    """Any of an algorithm's figures on one line, cut to length."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= FIGURES else f"{text[:FIGURES]} …"


def by_arrival(devices: Iterable[Looked]) -> list[Looked]:
    """Those that were looked at, the first that saw it first; those that did not see it last."""
    return sorted(devices, key=lambda each: (each.arrival == 0, each.arrival, each.name))


class Suspected(NamedTuple):
    """What one trigger said of one device; its windows overlap, so that it says each onset several times."""

    name: str
    trigger: str
    onset: int
    """ns UTC of the first one."""
    verdicts: int
    score: float
    """The highest one."""


def suspected(told: Iterable[dict[str, Any]]) -> list[Suspected]:
    """Suspicions by station and trigger, in order of onset."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for each in told:
        found.setdefault((str(each["name"]), str(each.get("trigger", ""))), []).append(each)
    rows = [
        Suspected(*key, min(int(each.get("onset", 0)) for each in some), len(some),
                  max(each.get("score") or 0.0 for each in some))
        for key, some in found.items()
    ]  # fmt: skip
    return sorted(rows, key=lambda each: (each.onset, each.name, each.trigger))


def level(values: NDArray[np.float32], before: NDArray[np.bool_]) -> float:
    """Median before the onset, else of all; 1 where there is nothing."""
    for some in (values[before], values):
        if np.isfinite(some).any() and (found := float(np.nanmedian(some))) > 0.0:
            return found
    return 1.0


def angles(traces: Sequence[Trace], onset: int) -> dict[int, NDArray[np.float64]]:
    """By `id` of each trace [n]: its angle less that of the first trace that has any, less what that was before the
    onset [degrees]; NaN where either is missing.
    """
    found = {id(each): np.full(each.time.size, np.nan) for each in traces}
    reference = next((each for each in traces if np.isfinite(each.angle).any()), None)
    if reference is None:
        return found
    for each in traces:
        _, mine, theirs = np.intersect1d(each.time, reference.time, assume_unique=True, return_indices=True)
        difference = each.angle[mine].astype(np.float64) - reference.angle[theirs]
        there = np.isfinite(difference)
        mine, difference = mine[there], np.unwrap(difference[there], period=360.0)
        before = each.time[mine] < onset
        usual = np.median(difference[before] if before.any() else difference) if difference.size else 0.0
        found[id(each)][mine] = difference - usual
    return found
