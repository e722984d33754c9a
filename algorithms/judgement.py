"""The second judgement of a window of several devices, from bad data to a place: the chain as a whole."""

from __future__ import annotations

from dataclasses import dataclass

from algorithms.coanalysis import Detection, detect
from algorithms.location import Place, locate
from algorithms.observations import Observations
from algorithms.quality import Assessed, assess


@dataclass(frozen=True)
class Judged:
    """What is to be said of a window."""

    assessed: Assessed
    detection: Detection
    kind: None
    place: Place | None
    """None: nothing happened, or it has no place."""


def judge(seen: Observations) -> Judged:
    """Bad data, disturbance, kind, place."""
    assessed = assess(seen)
    found = detect(assessed)
    if not found.disturbance:
        return Judged(assessed, found, None, None)
    return Judged(assessed, found, None, locate(assessed, found, "gen_trip"))
