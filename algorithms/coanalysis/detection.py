"""Was the grid disturbed, and when? What all devices show together, without what one of them says alone.

1. `transients`: steps and kinks, of the devices without the one that shows most: a device that is wrong, or a load
   switched at its bus, shows nothing elsewhere.
2. `signs`: a step at one device that agrees with a kink of all.
3. `outlasting`: lines.

One device alone is never more than a suspicion.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from algorithms.coanalysis.outlasting import Swing, swing
from algorithms.coanalysis.parts import parts
from algorithms.coanalysis.patterns import Distance, distance
from algorithms.coanalysis.signs import agreement, steps
from algorithms.coanalysis.transients import FILTER, LOOKS, VOLTAGE, bridged, excess, kernel, look, sizes, turned
from algorithms.observations import GAUSSIAN_MAD, SERIES, Observations
from algorithms.quality import Assessed

F8 = NDArray[np.float64]

LIMIT = 7.0
"""How far above the usual peak of a second it is, in the distance that one in ten lies above it."""
UNUSUAL = 0.5
"""Of the limit, for all devices together: such as a window without events seldom has."""
WHOLE, FEWER = 0.5, 0.25
"""Of the limit that all devices, and all but two, must reach besides: of a chance coincidence at two they show less."""
NEAR = 7
"""Samples in which they do."""
LATE = 3.0
"""Seconds after which swings may be more unusual than what made them."""
STEPS = [place for place, way in enumerate(LOOKS) if not way.kink]
KINKS = [place for place, way in enumerate(LOOKS) if way.kink]
HERALD = 0.4
"""Of the limit, that a step beside a kink must show; about one second in a hundred does by chance."""
ALONE = 4.0
"""Times its limit, at which a kink counts without a step."""
EDGE = 0.08
"""Seconds: a fault's beginning and its end are no nearer."""
EDGE_HEIGHT = 0.7
"""Of the other edge: what a look sees before a step is less."""
HEIGHT = 0.4
"""Of the highest peak."""
CLEAR = 5.0
"""Standard deviations that a device's step must be, to say when it reached it."""
SPREADING = 2.0
"""Seconds in which a wave reaches all devices (1000 km at 500 km/s)."""
EARLIER = 20.0
"""Seconds within which it is known when a line began: a jolt that came later did not set it off."""
SHARP = 0.4
"""Seconds in which a step shows: from where it is seen coming to where it is."""


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
    bend: float
    """Of the frequency of all, at that instant, in standard deviations; NaN where it is not known."""


def trusted(seen: Assessed) -> Observations:
    """The repaired observations, NaN where nothing measured stands behind them."""
    use = seen.usable[:, None] & ~seen.bad
    changed: dict[str, Any] = {name: np.where(use, getattr(seen.repaired, name), np.nan) for name in SERIES}
    return replace(seen.repaired, **changed)


def detect(seen: Assessed, since: float = 0.0) -> Detection:
    """Judge a window of several devices, from `since` [s] on: what is before tells what is usual."""
    clean = trusted(seen)
    sudden, slow, fast = _strongest_part(clean, since)
    scores = {"transient": sudden.score, "slow": slow[0], "fast": fast[0]}
    score = max(scores.values())
    detail: dict[str, Any] = {
        "scores": {name: round(value, 3) for name, value in scores.items()},
        "transient": {"s": sudden.sample / clean.rate, "by": sudden.by, "whole": round(sudden.whole, 3)}
        | ({} if np.isnan(sudden.bend) else {"bend": round(sudden.bend, 3)}),
        "slow": slow[1],
        "fast": fast[1],
    }
    if not score > 1.0:
        nothing = np.full(clean.devices, np.nan)
        return Detection(False, float(score), np.nan, nothing, nothing, detail)
    line = max((slow, fast), key=lambda one: one[0])
    if sudden.score > 1.0 and not _goes_before(line, sudden, clean.rate):
        arrivals, amplitude = reached(clean, sudden.sample)
        return Detection(True, float(score), sudden.sample / clean.rate, arrivals, amplitude, detail)
    amplitude = np.full(clean.devices, np.nan)
    amplitude[line[1]["devices"]] = line[1]["mhz"]
    return Detection(True, float(score), line[1]["begins"], np.full(clean.devices, np.nan), amplitude, detail)


def _goes_before(line: Swing, sudden: Transient, rate: float) -> bool:
    """Whether a line began well before a jolt that is the less unusual one, by amplitude: as a source that ends."""
    score, figures = line
    earlier: bool = score > 1.0 and figures["begins"] < sudden.sample / rate - EARLIER
    return earlier and score**2 > sudden.score


def _strongest_part(clean: Observations, since: float) -> tuple[Transient, Swing, Swing]:
    """Of all parts of the devices; places of devices are those among all."""
    sudden: list[Transient] = []
    slow: list[Swing] = []
    fast: list[Swing] = []
    for part in parts(clean.latitude, clean.longitude):
        some = clean.of(part)
        sudden.append(transient(some, round(since * clean.rate)))
        for band, (score, figures) in zip((slow, fast), swing(some, since), strict=True):
            if figures:
                figures["devices"] = part[figures["devices"]].tolist()
            band.append((score, figures))
    return (
        max(sudden, key=lambda one: one.score),
        max(slow, key=lambda one: one[0]),
        max(fast, key=lambda one: one[0]),
    )


def reached(clean: Observations, onset: int) -> tuple[F8, F8]:
    """[m] When each device left its course [s], by its own voltage and angle; how far its frequency went [mHz]."""
    rate = clean.rate
    after = slice(max(onset - round(0.1 * rate), 0), onset + round(SPREADING * rate))
    angle, _ = turned(clean)
    half, gap = round(0.2 * rate), round(FILTER * rate)
    z = []
    for x, powers in ((angle, 3), (bridged(clean.magnitude)[0], 2)):
        size = np.abs(sizes(x, kernel(half, gap, powers, kink=False)))
        z.append(size[:, after] / np.maximum(GAUSSIAN_MAD * np.median(size, axis=1, keepdims=True), 1e-9))
    most = np.max(z, axis=0)
    over = most > CLEAR
    first = over.argmax(axis=1)
    peak = np.array([row[k : k + half].argmax() for row, k in zip(most, first, strict=True)])
    arrivals = np.where(over.any(axis=1), (after.start + first + peak) / rate, np.nan)
    before = slice(max(onset - round(0.6 * rate), 0), max(onset - round(0.15 * rate), 1))
    frequency = 1e3 * bridged(clean.frequency)[0]
    went = frequency[:, onset : onset + round(rate)] - frequency[:, before].mean(axis=1, keepdims=True)
    amplitude = np.where(np.isfinite(clean.frequency).any(axis=1), np.abs(went).max(axis=1), np.nan)
    return arrivals, amplitude


def transient(clean: Observations, since: int = 0) -> Transient:
    """The most unusual instant of a window from the sample `since` on, and when what led there began."""
    block = round(clean.rate)
    forms = [look(clean, way) for way in LOOKS]
    found = steps(clean)
    whole = np.array([excess(form.whole, block, LIMIT) for form in forms])
    others = np.array([felt(form, block) for form in forms])
    sharp = excess(look(clean, VOLTAGE).whole, block, LIMIT)
    fitting = excess(distance(np.stack([found.voltage, found.turn]), found.there, block).whole, block, LIMIT)
    others[KINKS] = heralded(others[KINKS], np.maximum(whole[STEPS].max(axis=0), fitting), clean.rate)
    others = np.vstack([others, agreement(found, block)])
    for form in (whole, others, sharp):
        form[..., :since] = 0.0
    by, at = (int(k) for k in np.unravel_index(int(np.argmax(others)), others.shape))
    by_signs = by == len(LOOKS)
    began = at if by_signs else _began(np.vstack([sharp, whole]), at, clean.rate)
    return Transient(
        float(others[by, at]),
        began,
        "two_signs" if by_signs else LOOKS[by].name,
        float(whole[:, at].max()),
        float(bend) if (bend := found.bend[began]) else np.nan,
    )


def heralded(kinks: F8, stepped: F8, rate: float) -> F8:
    """[k, n] Kinks as far as a step [n] of some device is near them: a change of power turns voltages and angles at
    once. A swing that an everyday jolt set off has none; a large kink may come from where no device is near."""
    near = maximum_filter1d(stepped, 2 * round(SHARP * rate) + 1)
    return np.asarray(np.minimum(kinks, np.maximum(near / HERALD, kinks / ALONE)))


def felt(form: Distance, block: int) -> F8:
    """[n] How unusual it is for several devices: for all but one, and less so for all, and for all but two."""
    others, whole = excess(form.others, block, LIMIT), excess(form.whole, block, LIMIT)
    both = np.minimum(others, maximum_filter1d(whole, NEAR) / WHOLE)
    if not form.fewer.any():
        return both
    return np.asarray(np.minimum(both, excess(form.fewer, block, LIMIT) / FEWER))


def _began(whole: F8, at: int, rate: float) -> int:
    """The step, or else the kink, with which it began; `whole`: [looks, n], the sharpest first.

    Swings may be more unusual than what made them: the first peak of some height counts. A look sees a step coming
    from as far as it reaches, so the sharpest look that shows one there says when it was. Kinks, which are seen
    coming from farther, tell only where no step shows.
    """
    wide = round(SHARP * rate)
    first = max(at - round(LATE * rate), 0)
    steps = whole[: 1 + len(STEPS), first : at + wide].max(axis=0)
    course = steps if steps.max() > UNUSUAL else whole.max(axis=0)[first : at + wide]
    peak = first + _first_peak(course, wide, HEIGHT)
    near = slice(max(peak - wide // 2, 0), peak + wide // 2)
    for sharp in whole[:2, near]:
        if sharp.max() > UNUSUAL:
            return near.start + _first_peak(sharp, round(EDGE * rate), EDGE_HEIGHT)
    return peak


def _first_peak(x: F8, wide: int, height: float) -> int:
    """The first of the peaks over `wide` samples that are so high, as a share of the highest."""
    return int(np.argmax((x == maximum_filter1d(x, wide | 1)) & (x >= height * x.max())))
