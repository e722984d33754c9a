"""Of what kind is a disturbance, and how sure is that? Evidence from physics, added up as log-odds.

- Fault: the voltage dips and is there again when it is cleared, within some 100 ms; what is tripped or lost stays
  away. Three phases: no negative sequence. Two phases: as much negative sequence as the voltage dips (Z2 = Z1).
  Ground: zero sequence, where no transformer keeps it away; or less negative sequence than dips, since the zero
  sequence carries a part of the current ([Kundur1994] Power System Stability and Control, 13.4; [Anderson1973]
  Analysis of Faulted Power Systems).
- Generator trip: the frequency falls in all the grid, voltages and angles near by step back. Load loss: it rises, they
  step ahead. Line trip: the flow goes other ways; some places step ahead and others back, and what the frequency does
  all over is small, or against what the voltages say (loads that take less at a lower voltage let it rise).
- Oscillation: a line that outlasts what set it off. Forced: with harmonics, for it is a machine's or a controller's own
  ([Ghorbaniparvar2017], "Survey on forced oscillations in power system", J. Mod. Power Syst. Clean Energy 5); with a
  constant amplitude. Inter-area: a free one, which a jolt began and damping ends. Sub-synchronous: 3 Hz and above.
- Islanding: the angle between devices goes beyond half a turn; no synchronous grid holds that.

Each weight is a number of nats that a sign of full strength is worth. They are the same for all grids.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from algorithms.coanalysis.detection import Detection, trusted
from algorithms.coanalysis.features import Features, features
from algorithms.coanalysis.transients import turned
from algorithms.quality import Assessed

KINDS = (
    *("none", "gen_trip", "load_loss", "line_trip", "fault_3ph", "fault_2ph", "fault_ground"),
    *("osc_inter_area", "osc_forced", "osc_subsync", "islanding", "unknown"),
)
DIP = 0.03
"""Per unit: a step of the load does not make a dip this deep, that is there again half a second later."""
STRONGEST = 4.0
"""Standard deviations that count."""
STRONG_JOLT = 4.0
"""Log-odds of a trip, by the size of the jolt alone, at most."""
PARTED = 25.0
"""Log-odds of islands, at most: more than those of any trip."""
MOST_LINE = 10.0
UNKNOWN = -2.0
"""Log-odds of what is none of these."""
USUAL_FAULT = 0.5
"""Log-odds of ground faults before anything is known: they are three of four in overhead grids [Anderson1973]."""
USUAL_MOVE = 1.0
"""Standard deviations that the frequency moves anyway; an oscillation does not move its middle."""
GOES_ON, ONE_SPECTRUM = 2.0, 0.2
"""Log-odds for each e-fold of the time that a line is there, over the share of a window that any jolt is seen in."""
TEMPERATURE = 1.3
"""By which log-odds are divided, as signs are not independent: likeliest on grids that no weight was set by."""
FLOOR = 0.01
"""Probability that all kinds together keep: of what no sign tells."""


@dataclass(frozen=True)
class Kind:
    """What it was."""

    name: str
    """One of KINDS."""
    confidence: float
    """Its probability."""
    probabilities: dict[str, float]
    size_mhz: float
    """Signed: how far the frequency of the grid went, or the largest amplitude of an oscillation; NaN if nothing."""
    rules: list[str] = field(default_factory=list)
    """Signs that led there, with the figures."""


def classify(seen: Assessed, found: Detection) -> Kind:
    """The kind of a disturbance that was detected."""
    if not found.disturbance:
        return Kind("none", 1.0, {"none": 1.0}, np.nan, ["nothing over its limit"])
    clean = trusted(seen)
    transient = found.detail["transient"]
    onset = round(transient["s"] * clean.rate)
    shown = features(clean, turned(clean)[0], onset)
    rules: list[str] = []
    weights = evidence(shown, found, rules)
    probabilities = softmax(weights)
    name = max(probabilities, key=lambda kind: probabilities[kind])
    size = found.detail["fast" if name == "osc_subsync" else "slow"].get("mhz") if name.startswith("osc") else None
    return Kind(name, probabilities[name], probabilities, max(size) if size else shown.extreme, rules)


def softmax(weights: dict[str, float]) -> dict[str, float]:
    """Probabilities of log-odds; none is ruled out."""
    values = np.array(list(weights.values()))
    shares = np.exp((values - values.max()) / TEMPERATURE)
    shares = (1.0 - FLOOR) * shares / shares.sum() + FLOOR / shares.size
    return {kind: round(float(share), 4) for kind, share in zip(weights, shares, strict=True)}


def evidence(shown: Features, found: Detection, rules: list[str]) -> dict[str, float]:
    """Log-odds of the kinds; what they come from is added to `rules`."""
    scores = found.detail["scores"]
    jolt = float(np.sqrt(max(scores["transient"], 0.0)))
    faults = _faults(shown, rules)
    cleared = max(0.0, *faults.values())
    trips = {kind: weight - cleared for kind, weight in _trips(shown, found, jolt, rules).items()}
    if shown.parted > np.pi:
        rules.append(f"angles part by {shown.parted:.1f} rad: more than half a turn")
    rest = {"islanding": float(np.clip(20.0 * (shown.parted / np.pi - 1.0), -9.0, PARTED)), "unknown": UNKNOWN}
    return faults | trips | _swings(found, jolt, abs(shown.moved), rules) | rest


def _faults(shown: Features, rules: list[str]) -> dict[str, float]:
    known = np.isfinite(shown.negative)
    back = 3.0 * np.log(max(shown.dip, 1e-6) / DIP) + 4.0 * (np.clip(shown.recovered, -1.0, 1.0) - 0.5)
    family = float(np.clip(back, -12.0, 12.0))
    rules.append(f"voltage dips by {shown.dip:.3f} pu, {100 * shown.recovered:.0f} % of it is back after 0.5 s")
    if not known:
        return {kind: family - np.log(3.0) for kind in ("fault_3ph", "fault_2ph", "fault_ground")}
    less = float(np.clip((0.4 - shown.unbalance) / 0.1, -1.0, 3.0))
    lop_sided = float(np.clip(np.log(max(shown.unbalance, 1e-4) / 0.04) * 2.0, -6.0, 6.0))
    ground = float(np.clip((shown.zero_noise - 5.0), -1.0, 6.0)) if np.isfinite(shown.zero_noise) else 0.0
    rules.append(
        f"negative sequence {shown.unbalance:.2f} of the dip, zero sequence {shown.zero_noise:.1f} standard deviations"
    )
    return {
        "fault_3ph": family - lop_sided,
        "fault_2ph": family + lop_sided - max(ground, less),
        "fault_ground": family + lop_sided + max(ground, less) + USUAL_FAULT,
    }


def _trips(shown: Features, found: Detection, jolt: float, rules: list[str]) -> dict[str, float]:
    bend = found.detail["transient"].get("bend", 0.0)
    signs = np.clip([shown.moved, bend], -STRONGEST, STRONGEST)
    moved = float(np.clip(signs.sum(), -STRONGEST, STRONGEST))  # they err differently
    voltage = float(np.log((shown.rises + 2.0) / (shown.falls + 2.0)))
    turn = float(np.log((shown.turns_ahead + 2.0) / (shown.turns_back + 2.0)))
    power = moved + 0.7 * (voltage + 0.5 * turn)
    both = float(np.log1p(min(shown.falls, shown.rises)) + np.log1p(min(shown.turns_back, shown.turns_ahead)))
    against = max(moved, 0.0) * max(-voltage - 0.5 * turn, 0.0)
    line = 2.0 * (both - 2.3) + min(against, 4.0) + np.log(max(shown.local, 0.1) / max(abs(shown.common), 2.0))
    base = min(2.0 * np.log(max(jolt, 1e-3)), STRONG_JOLT)
    rules.append(
        f"the grid's frequency moves by {shown.common:+.1f} mHz ({shown.moved:+.1f} standard deviations), single "
        f"devices by {shown.local:.1f}; voltages step {shown.rises:.1f} up, {shown.falls:.1f} down, angles "
        f"{shown.turns_ahead:.1f} ahead, {shown.turns_back:.1f} back"
    )
    if bend:
        rules.append(f"the grid's frequency bends by {bend:+.1f} standard deviations")
    return {"gen_trip": base - power, "load_loss": base + power, "line_trip": base + min(line, MOST_LINE)}


def _swings(found: Detection, jolt: float, moved: float, rules: list[str]) -> dict[str, float]:
    slow, fast = found.detail["slow"], found.detail["fast"]
    scores = found.detail["scores"]
    outlasts = {band: 4.0 * np.log(max(2.5 * scores[band], 1e-3) / max(jolt, 1.0)) for band in ("slow", "fast")}
    outlasts = {band: value if scores[band] > 1.0 else -9.0 for band, value in outlasts.items()}
    outlasts["slow"] -= float(np.clip(moved - USUAL_MOVE, 0.0, STRONGEST - USUAL_MOVE))
    if slow:
        outlasts["slow"] += GOES_ON * float(np.log(max(slow["share"], 0.05) / ONE_SPECTRUM))
    if scores["slow"] > 1.0:
        rules.append(
            f"a line at {slow['hz']:.3f} Hz, {slow['others']:.1f} times the usual, in {100 * slow['share']:.0f} % "
            f"of the window; at twice its frequency {slow['harmonic']:.1f} times; a jolt of {jolt:.1f} with it"
        )
    if scores["fast"] > 1.0:
        rules.append(f"a line at {fast['hz']:.2f} Hz, {fast['whole']:.1f} times the usual")
    forced = 0.0
    if slow:
        forced = (
            2.0 * np.log(slow["harmonic"] / 2.0)
            + 3.0 * (min(slow["share"], 0.6) - 0.35)
            - (1.5 if jolt > 1.0 else -0.5)
        )
    return {
        "osc_inter_area": float(outlasts["slow"] - forced),
        "osc_forced": float(outlasts["slow"] + forced),
        "osc_subsync": float(outlasts["fast"] + 2.0),
    }
