"""What was judged against the labels.

Events that are marked marginal are asked for apart. A window without a prediction is one without a disturbance. Times
and places count of what was found only; a line's trip is where the nearest of its middle and its ends is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.grids.devices import KILOMETRES, kilometres
from benchmarks.grids.network import F8

Label = Mapping[str, Any]
Prediction = Mapping[str, Any]
SIZES = (("under 5 mHz", 0.0, 5.0), ("5–15 mHz", 5.0, 15.0), ("15–50 mHz", 15.0, 50.0), ("over 50 mHz", 50.0, np.inf))
NOTHING: Prediction = {"disturbance": False}


@dataclass
class Share:
    """So many of so many."""

    held: int = 0
    count: int = 0

    def add(self, holds: bool) -> None:
        """One more."""
        self.held += bool(holds)
        self.count += 1

    @property
    def value(self) -> float:
        """NaN of none."""
        return self.held / self.count if self.count else float("nan")


@dataclass
class Scores:
    """Of some windows."""

    found: Share = field(default_factory=Share)
    """Events"""
    by_size: dict[str, Share] = field(default_factory=lambda: {name: Share() for name, _, _ in SIZES})
    """Events, by the frequency's deviation where it is largest"""
    by_kind: dict[str, Share] = field(default_factory=dict)
    marginal: Share = field(default_factory=Share)
    """Events found that are too small to be asked for"""
    false: Share = field(default_factory=Share)
    """Quiet windows without bad data in which a disturbance is told"""
    rejected: Share = field(default_factory=Share)
    """Windows with nothing but bad data in which none is"""
    ten: float = float("nan")
    """Macro-F1 of the kinds, quiet windows among them"""
    six: float = float("nan")
    """The same with one kind of fault and one of oscillation"""
    time: list[float] = field(default_factory=list)
    """s, errors of what is no oscillation"""
    begin: list[float] = field(default_factory=list)
    """s, errors of oscillations"""
    first: Share = field(default_factory=Share)
    """The device that is nearest by impedance is named first"""
    three: Share = field(default_factory=Share)
    """It is among the first three, or who is named first is among the three nearest"""
    away: list[float] = field(default_factory=list)
    """km"""
    ellipse: Share = field(default_factory=Share)
    """Which hold the place"""


def scored(labels: Iterable[Label], predictions: Mapping[str, Prediction]) -> Scores:
    """Of windows by their id."""
    scores, kinds = Scores(), []
    for label in labels:
        said = predictions.get(label["id"], NOTHING)
        told = bool(said.get("disturbance"))
        if label["disturbance"] and label["detail"].get("marginal"):
            scores.marginal.add(told)
            continue
        kinds.append((label["kind"], (said.get("kind") or "none") if told else "none"))
        if not label["disturbance"]:
            if label["bad_data"]:
                scores.rejected.add(not told)
            else:
                scores.false.add(told)
            continue
        scores.found.add(told)
        scores.by_kind.setdefault(label["kind"], Share()).add(told)
        for name, low, high in SIZES:
            if low <= label["detail"]["peak_mhz_largest"] < high:
                scores.by_size[name].add(told)
        if told:
            _where_and_when(scores, label, said)
    scores.ten = macro_f1(kinds)
    scores.six = macro_f1([(coarse(true), coarse(said)) for true, said in kinds])
    return scores


def _where_and_when(scores: Scores, label: Label, said: Prediction) -> None:
    """Of an event that was found."""
    if said.get("t_event") is not None:
        errors = scores.begin if label["kind"].startswith("osc") else scores.time
        errors.append(abs(said["t_event"] - label["t_event"]))
    if label.get("lat") is None:
        return
    places = np.array([[label["lat"], label["lon"]], *label["detail"].get("ends", [])], dtype=np.float64)
    if said.get("lat") is not None:
        place = np.array([said["lat"], said["lon"]], dtype=np.float64)
        scores.away.append(float(kilometres(place[None], places).min()))
        if said.get("ellipse95"):
            scores.ellipse.add(bool(within(places, place, said["ellipse95"]).any()))
    if said.get("nearest"):
        named, true = said["nearest"], label["nearest_elec"]
        scores.first.add(named[0] == true[0])
        scores.three.add(true[0] in named[:3] or named[0] in true[:3])


def within(places: F8, middle: F8, ellipse: Sequence[float]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """[k] Whether places [k, 2] degrees lie in an ellipse (km, km, degrees from north to its longer axis) about one."""
    longer, shorter, azimuth = ellipse
    north, east = ((places - middle) * KILOMETRES).T
    east = east * np.cos(np.radians(middle[0]))
    cos, sin = np.cos(np.radians(azimuth)), np.sin(np.radians(azimuth))
    along, across = (north * cos + east * sin) / max(longer, 1e-9), (east * cos - north * sin) / max(shorter, 1e-9)
    return np.asarray(along**2 + across**2 <= 1.0)


def coarse(kind: str) -> str:
    """One of six."""
    return next((name for name in ("fault", "osc") if kind.startswith(name)), kind)


def macro_f1(pairs: Sequence[tuple[str, str]]) -> float:
    """Mean over the true kinds of (true, said)."""
    found = []
    for kind in {true for true, _ in pairs}:
        right = sum(true == said == kind for true, said in pairs)
        either = sum((true == kind) + (said == kind) for true, said in pairs)
        found.append(2 * right / either)
    return float(np.mean(found)) if found else float("nan")
