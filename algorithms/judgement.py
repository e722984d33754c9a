"""The second judgement of a window of several devices, from bad data to a place: the chain as a whole."""

from __future__ import annotations

import math
from dataclasses import dataclass

from algorithms.coanalysis import Detection, Kind, classify, detect
from algorithms.damping import Oscillation, oscillation
from algorithms.electrical import Network
from algorithms.imbalance import lost_power
from algorithms.location import Place, locate, trusted
from algorithms.observations import Observations
from algorithms.quality import Assessed, assess

VERSION = 6
"""Of the chain: what another version said is not to be mixed with it."""


@dataclass(frozen=True)
class Judged:
    """What is to be said of a window."""

    assessed: Assessed
    detection: Detection
    kind: Kind
    place: Place | None
    """None: nothing happened, or nothing tells it."""
    size_mw: float
    """Signed, < 0 = lost generation; NaN where it is not known how the frequency answers, and of other kinds."""
    oscillation: Oscillation | None = None
    """How it swings, and how well that is damped; None: nothing happened."""


def judge(
    seen: Observations,
    *,
    since: float = 0.0,
    late: float = 0.0,
    network: Network | None = None,
    response: float = math.nan,
    inertia: float = math.nan,
) -> Judged:
    """Bad data, disturbance, kind, place.

    A disturbance is looked for from `since` [s] on; what is before is the quiet past. Samples that only its
    last `late` [s] lack are not called missing. `network` has the bus of each device; `response` [MW/Hz] and `inertia`
    [MW·s] tell how much power the grid lost (`imbalance`).
    """
    assessed = assess(seen, late)
    found = detect(assessed, since=since)
    kind = classify(assessed, found)
    place = locate(assessed, found, kind.name, network) if found.disturbance else None
    clean = trusted(assessed)
    lost = lost_power(clean, found.onset, kind.name, kind.size_mhz, response, inertia)
    swing = oscillation(clean, found.onset, _hertz(found, kind)) if found.disturbance else None
    return Judged(assessed, found, kind, place, lost, swing)


def _hertz(found: Detection, kind: Kind) -> float | None:
    """Of the line, where the kind is an oscillation."""
    band = {"osc_subsync": "fast", "osc_forced": "slow", "osc_inter_area": "slow"}.get(kind.name)
    return found.detail[band].get("hz") if band else None
