"""The second judgement of a window of several devices, from bad data to a place: the chain as a whole."""

from __future__ import annotations

import math
from dataclasses import dataclass

from algorithms.coanalysis import Detection, Kind, classify, detect
from algorithms.electrical import Network
from algorithms.location import Place, locate
from algorithms.observations import Observations
from algorithms.quality import Assessed, assess

VERSION = 2
"""Of the chain: what another version said is not to be mixed with it."""


@dataclass(frozen=True)
class Judged:
    """What is to be said of a window."""

    assessed: Assessed
    detection: Detection
    kind: Kind
    place: Place | None
    """None: nothing happened, or it has no place."""
    size_mw: float
    """Signed; NaN where it is not known how the frequency answers a lost power."""


def judge(
    seen: Observations, *, since: float = 0.0, network: Network | None = None, response: float = math.nan
) -> Judged:
    """Bad data, disturbance, kind, place.

    A disturbance is looked for from `since` [s] on; what is before is the quiet past. `network` has the bus of each
    device; `response` [MW/Hz] is how much power the grid lost for each Hz that its frequency went.
    """
    assessed = assess(seen)
    found = detect(assessed, since=since)
    kind = classify(assessed, found)
    place = locate(assessed, found, kind.name, network) if found.disturbance else None
    return Judged(assessed, found, kind, place, 1e-3 * kind.size_mhz * response)
