"""What of an event tells where it was, by its kind: what each device felt, and what of it the others do not explain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms.arrivals import arrivals
from algorithms.observations import Observations
from algorithms.oscillating import FAST, SLOW, alone, find, oscillate
from algorithms.participation import energy, shape
from algorithms.responses import Measure, Response, measures, median, respond
from algorithms.unexplained import unexplained

F8 = NDArray[np.float64]

LARGEST = 4.0
"""Times its noise, that a quiet move counts at most: an earlier event does not tell how devices usually move."""
FEWEST = 3
"""Devices with a response, for a place on the map."""
SWINGS = "osc_inter_area"
"""Of the whole grid; its shape says who takes part."""
BANDS = {"osc_forced": SLOW, "osc_subsync": FAST, "oscillation": SLOW, SWINGS: SLOW}
LINE = "line_trip"
FAULTS = ("fault_3ph", "fault_2ph", "fault_ground", "fault")


@dataclass(frozen=True)
class Told:
    """What tells the place."""

    felt: list[Response]
    arrival: F8
    """[m] s after the onset; NaN = not seen, or it says nothing."""
    detail: dict[str, Any]
    alone: list[Response] = field(default_factory=list)
    """What of it the others do not explain (`unexplained`)"""
    closer: list[Response] = field(default_factory=list)
    """What tells the order of the devices, besides."""
    fed: Response | None = None
    """The energy that feeds an oscillation."""
    swings: bool = False
    """It is one."""

    @property
    def maps(self) -> list[list[Response]]:
        """What a map is drawn by, of each that is drawn."""
        if self.fed and np.sum(self.fed.known) >= FEWEST:
            return [[self.fed]]
        found = [some for some in (self.felt, self.alone) if some]
        return found or ([[self.fed]] if self.fed else [])

    @property
    def electrical(self) -> list[Response]:
        """What buses and lines of a network are told by."""
        return [some for each in self.maps for some in each] if self.swings else self.maps[0]


def told(seen: Observations, onset: int, kind: str) -> Told:
    """Of an event that began at sample `onset`."""
    return _swung(seen, onset, BANDS[kind]) if kind in BANDS else _jolted(seen, onset, kind)


def _jolted(seen: Observations, onset: int, kind: str) -> Told:
    """Of an event at an instant."""
    every, fault = measures(seen.rate), kind in FAULTS
    felt = _answers(seen, onset, [every["dip"]] if fault else [every["jump"], every["step"]])
    own = [some for answer in felt if (some := _alone(answer)) is not None]
    closer = [some for some in _answers(seen, onset, [every["unbalance"]]) if some.clear] if fault else []
    if not fault and kind != LINE:  # a line trips at two places
        closer = own
    arrival = np.full(seen.devices, np.nan) if fault else arrivals(seen, onset)
    detail: dict[str, Any] = {answer.name: _rounded(answer.signed) for answer in (*felt, *own, *closer)}
    return Told(felt, arrival, detail | {"arrival": _rounded(arrival, 2)}, own, closer)


def _alone(answer: Response) -> Response | None:
    """What of it the others do not explain."""
    if answer.quiet is None:
        return None
    most = LARGEST * np.maximum(answer.noise, median(answer.noise))[:, None]
    return unexplained(f"{answer.name} alone", answer.signed, np.clip(answer.quiet, -most, most))


def _answers(seen: Observations, onset: int, wanted: list[Measure]) -> list[Response]:
    return [answer for measure in wanted if (answer := respond(seen, onset, measure)) is not None]


def _swung(seen: Observations, onset: int, band: tuple[float, float]) -> Told:
    """Of an oscillation."""
    nothing = np.full(seen.devices, np.nan)
    line = find(seen, onset, band)
    if line is None:
        return Told([], nothing, {}, swings=True)
    felt = oscillate(line)
    own = [some for some in [alone(line)] if some is not None]
    detail = {"shape": shape(line)} | {answer.name: _rounded(answer.signed) for answer in (*felt, *own)}
    fed = energy(line) if band == SLOW else None
    if fed is not None:
        detail["energy"] = _rounded(fed.signed)
    return Told(felt, nothing, detail, own, own, fed, swings=True)


def _rounded(values: F8, digits: int = 6) -> list[float | None]:
    return [round(float(value), digits) if np.isfinite(value) else None for value in values]
