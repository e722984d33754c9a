"""Was the grid disturbed, and when? What all devices show together, without what one of them says alone.

1. `transients`: steps and kinks, of the devices without the one that shows most: a device that is wrong, or a load
   switched at its bus, shows nothing elsewhere.
2. `swings`: lines, slow ones by the same rule. A fast one may be felt at a single device (a converter's
   neighbour); then it has to be in its voltage, too, which no fault of a device is known to do.

One device alone is never more than a suspicion.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms.coanalysis.swings import FAST, SLOW, Lines, lines
from algorithms.coanalysis.transients import LOOKS, VOLTAGE, bridged, excess, look, turned
from algorithms.observations import SERIES, Observations
from algorithms.quality import Assessed

F8 = NDArray[np.float64]

LIMIT = 7.0
"""How far above the usual peak of a second it is, in the distance that one in ten lies above it."""
UNUSUAL = 0.5
"""Of the limit, for all devices together: such as a window without events seldom has."""
LATE = 3.0
"""Seconds after which swings may be more unusual than what made them."""
PAUSE = 0.5
SHARP = 0.4
"""Seconds in which a step shows: from where it is seen coming to where it is."""
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
    """Without the device that shows most."""
    sample: int
    by: str
    """The look that shows it."""
    whole: float
    """What all devices show, over the limit."""


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
        "transient": {"s": sudden.sample / clean.rate, "by": sudden.by, "whole": round(sudden.whole, 3)},
        "slow": slow[1],
        "fast": fast[1],
    }
    onset = sudden.sample / clean.rate if sudden.score > 1.0 else float(fast[1].get("s", slow[1].get("s", np.nan)))
    devices = clean.devices
    nothing = np.full(devices, np.nan)
    return Detection(score > 1.0, float(score), onset if score > 1.0 else np.nan, nothing, nothing, detail)


def transient(clean: Observations) -> Transient:
    """The most unusual instant of a window, and when what led there began."""
    block = round(clean.rate)
    forms = [look(clean, way) for way in LOOKS]
    whole = np.array([excess(form.whole, block, LIMIT) for form in forms])
    others = np.array([excess(form.others, block, LIMIT) for form in forms])
    sharp = excess(look(clean, VOLTAGE).whole, block, LIMIT)
    by, at = (int(k) for k in np.unravel_index(int(np.argmax(others)), others.shape))
    return Transient(float(others[by, at]), _began(np.vstack([sharp, whole]), by + 1, at, clean.rate), LOOKS[by].name, float(whole[:, at].max()))


def _began(whole: F8, by: int, at: int, rate: float) -> int:
    """The step, or else the kink, with which it began; `whole`: [looks, n], the sharpest first.

    A look sees a step coming from as far as it reaches. Before what is most unusual it is quiet for a pause at the
    beginning. Raises nothing: where no step shows, it is where the look `by` sees most.
    """
    wide = round(SHARP * rate)
    first, stop = max(at - round(LATE * rate), 0), at + wide
    high = first + np.flatnonzero(whole[:2, first:stop].max(axis=0) > UNUSUAL)
    if not high.size:
        near = slice(max(at - wide, 0), stop)
        return near.start + int(np.argmax(whole[by, near]))
    pauses = np.flatnonzero(np.diff(high) > round(PAUSE * rate))
    start = int(high[pauses[-1] + 1] if pauses.size else high[0])
    near = slice(start, start + wide)
    return start + int(np.argmax(whole[0 if whole[0, near].max() > UNUSUAL else 1, near]))


Swing = tuple[float, dict[str, Any]]


def swing(clean: Observations) -> tuple[Swing, Swing]:
    """Score and figures of the strongest slow and fast line."""
    angle, known = turned(clean)
    part = np.flatnonzero(known.mean(axis=1) >= ENOUGH)
    if part.size < 2:
        return (0.0, {}), (0.0, {})
    turning = np.diff(angle[part], axis=1, prepend=angle[part, :1]) * clean.rate / (2 * np.pi) * 1e3
    slow, fast = lines(turning, clean.rate, SLOW), lines(turning, clean.rate, FAST)
    voltage = None
    if fast is not None and fast.whole.max() > LONE_LINE**2:
        voltage = lines(bridged(clean.magnitude[part])[0], clean.rate, FAST)
    return _strongest(slow, None), _strongest(fast, voltage)


def _strongest(found: Lines | None, voltage: Lines | None) -> Swing:
    if found is None:
        return 0.0, {}
    score = np.sqrt(found.others) / LINE[found.band.name]
    if voltage is not None:
        score = np.maximum(score, np.sqrt(np.minimum(found.whole, voltage.whole)) / LONE_LINE)
    s, b = (int(k) for k in np.unravel_index(int(np.argmax(score)), score.shape))
    power = np.abs(found.spectra[:, s]) ** 2
    hertz = between(found.hertz, power.sum(axis=0), b)
    double = int(np.argmin(np.abs(found.hertz - 2.0 * hertz)))
    beside = (slice(max(s - 1, 0), s + 2), slice(max(double - 1, 0), double + 2))
    figures = {
        "hz": round(hertz, 4),
        "s": float(found.middle[s]),
        "whole": round(float(np.sqrt(found.whole[s, b])), 3),
        "others": round(float(np.sqrt(found.others[s, b])), 3),
        "harmonic": round(float(np.sqrt(found.others[beside].max())), 3),
        "share": round(float(np.mean(found.others[:, b] > 0.25 * found.others[s, b])), 3),
        "mhz": [round(float(size), 3) for size in np.sqrt(power[:, b])],
    }
    return float(score[s, b]), figures


def between(hertz: F8, power: F8, b: int) -> float:
    """Frequency of a line at bin b: the top of the parabola through the logarithms of three bins."""
    if not 0 < b < hertz.size - 1:
        return float(hertz[b])
    low, top, high = np.log(np.maximum(power[b - 1 : b + 2], 1e-30))
    bend = low - 2.0 * top + high
    shift = 0.5 * (low - high) / bend if bend < 0 else 0.0
    return float(hertz[b] + np.clip(shift, -0.5, 0.5) * (hertz[1] - hertz[0]))
