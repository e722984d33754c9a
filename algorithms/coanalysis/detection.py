"""Was the grid disturbed, and when? What all devices show together, without what one of them says alone.

1. `transients`: steps and kinks. It is a disturbance if the devices without the one that shows most are over the
   limit; or if all are, and the others are half way at least: a loss next to a device shows little elsewhere, but a
   device that is wrong, or a load switched at its bus, shows nothing there.
2. `swings`: lines, slow ones by the same rule. A fast one may be felt at a single device (a converter's
   neighbour); then it has to be in its voltage, too, which no fault of a device is known to do.

One device alone is never more than a suspicion. Onset: when the first device left its course.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from algorithms.coanalysis.swings import FAST, SLOW, Lines, lines
from algorithms.coanalysis.transients import LOOKS, held, look, over_limit, turned
from algorithms.observations import SERIES, Observations
from algorithms.quality import Assessed

F8 = NDArray[np.float64]

LIMIT = {False: 6.0, True: 7.0}
"""Of steps, and of kinks: how far above the usual peak of a second, in the distance that one in ten lies above it."""
HALF_WAY = 2.0
NEAR = 0.5
"""Seconds in which the devices show it."""
LINE = {"slow": 4.0, "fast": 2.6}
"""Amplitude over the usual one of a bin."""
LONE_LINE = 4.0
"""The same of a line at a single device, in angle and voltage."""
ENOUGH = 0.7
"""Share of the window that a device has to be there for spectra."""


@dataclass(frozen=True)
class Detection:
    """See the module; m devices."""

    disturbance: bool
    score: float
    """1 = at the limit."""
    onset: float
    """Seconds in the window; NaN if there is nothing."""
    arrivals: F8
    """[m] seconds in the window at which each device left its course; NaN = not seen there."""
    amplitude: F8
    """[m] mHz: largest excursion of the frequency within a second, or the amplitude of the line; NaN = not known."""
    detail: dict[str, Any] = field(default_factory=dict)
    """Figures over their limits, by name, and what led to the onset."""


@dataclass(frozen=True)
class Transient:
    """The most unusual instant."""

    score: float
    sample: int
    by: str
    whole: float
    others: float


def trusted(seen: Assessed) -> Observations:
    """The repaired observations, NaN where nothing measured stands behind them."""
    from dataclasses import replace

    use = seen.usable[:, None] & ~seen.bad
    changed: dict[str, Any] = {name: np.where(use, getattr(seen.repaired, name), np.nan) for name in SERIES}
    return replace(seen.repaired, **changed)


def detect(seen: Assessed) -> Detection:
    """Judge a window of several devices."""
    clean = trusted(seen)
    sudden = transient(clean)
    slow, fast = swing(clean)
    scores = {"transient": sudden.score, "slow": slow[0], "fast": fast[0]}
    score = max(scores.values())
    detail: dict[str, Any] = {
        "scores": {name: round(value, 3) for name, value in scores.items()},
        "transient": {"s": sudden.sample / clean.rate, "by": sudden.by, "whole": sudden.whole, "others": sudden.others},
        "slow": slow[1],
        "fast": fast[1],
    }
    onset = sudden.sample / clean.rate if sudden.score > 1.0 else float(fast[1].get("s", slow[1].get("s", np.nan)))
    devices = clean.devices
    nothing = np.full(devices, np.nan)
    return Detection(score > 1.0, float(score), onset if score > 1.0 else np.nan, nothing, nothing, detail)


def transient(clean: Observations) -> Transient:
    """The most unusual instant of a window."""
    rate, n = clean.rate, clean.samples
    near = 2 * round(NEAR * rate) + 1
    scores = []
    for way in LOOKS:
        form = look(clean, way)
        block, limit = round(rate), LIMIT[way.kink]
        scores.append((over_limit(form.whole, block, limit), over_limit(form.others, block, limit)))
    others = np.max([pair[1] for pair in scores], axis=0) if scores else np.zeros(n)
    others = maximum_filter1d(others, near)
    best = Transient(0.0, 0, "", 0.0, 0.0)
    for way, (whole, without) in zip(LOOKS, scores, strict=True):
        score = np.maximum(without, np.minimum(whole, HALF_WAY * others))
        at = int(np.argmax(score))
        if score[at] > best.score:
            best = Transient(float(score[at]), at, way.name, round(float(whole[at]), 3), round(float(others[at]), 3))
    return best


Swing = tuple[float, dict[str, Any]]


def swing(clean: Observations) -> tuple[Swing, Swing]:
    """Score and figures of the strongest slow and fast line."""
    angle, known = turned(clean)
    part = np.flatnonzero(known.mean(axis=1) >= ENOUGH)
    if part.size < 2:
        return (0.0, {}), (0.0, {})
    turning = np.diff(angle[part], axis=1, prepend=angle[part, :1]) * clean.rate / (2 * np.pi) * 1e3
    slow, fast = lines(turning, clean.rate, SLOW), lines(turning, clean.rate, FAST)
    magnitude, _ = held(clean.magnitude[part])
    voltage = lines(magnitude, clean.rate, FAST)
    return _strongest(slow, None), _strongest(fast, voltage)


def _strongest(found: Lines | None, voltage: Lines | None) -> Swing:
    if found is None:
        return 0.0, {}
    score = np.sqrt(found.others) / LINE[found.band.name]
    if voltage is not None:
        score = np.maximum(score, np.sqrt(np.minimum(found.whole, voltage.whole)) / LONE_LINE)
    s, b = np.unravel_index(int(np.argmax(score)), score.shape)
    figures = {
        "hz": round(float(found.hertz[b]), 3),
        "s": float(found.middle[s]),
        "whole": round(float(np.sqrt(found.whole[s, b])), 3),
        "others": round(float(np.sqrt(found.others[s, b])), 3),
    }
    return float(score[s, b]), figures
