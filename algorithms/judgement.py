"""The second judgement of a window of several devices, from bad data to a place: the chain as a whole."""

from __future__ import annotations

from dataclasses import dataclass

from algorithms.coanalysis import Detection, Kind, classify, detect
from algorithms.location import Place, locate
from algorithms.observations import Observations
from algorithms.quality import Assessed, assess

VERSION = 1
"""Of the chain: what another version said is not to be mixed with it."""


@dataclass(frozen=True)
class Judged:
    """What is to be said of a window."""

    assessed: Assessed
    detection: Detection
    kind: Kind
    place: Place | None
    """None: nothing happened, or it has no place."""


def judge(seen: Observations) -> Judged:
    """Bad data, disturbance, kind, place."""
    assessed = assess(seen)
    found = detect(assessed)
    kind = classify(assessed, found)
    return Judged(assessed, found, kind, locate(assessed, found, kind.name) if found.disturbance else None)
