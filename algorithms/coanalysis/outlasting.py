"""Does anything go on that did not before? The strongest line of each band, with its figures.

A slow line counts without the device that shows most. A fast one may be felt at a single device (a converter's
neighbour); then it has to be in its voltage, too, which no fault of a device is known to do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter, uniform_filter1d

from algorithms.coanalysis.driven import FINER, Course, course, envelope
from algorithms.coanalysis.swings import FAST, SLOW, Lines, lines
from algorithms.coanalysis.transients import bridged, turned
from algorithms.observations import Observations

F8 = NDArray[np.float64]

LINE = {"slow": 4.0, "fast": 2.6}
"""Amplitude over the usual one of a bin."""
AROUND = 15
"""Bins among which a line at a single device stands out."""
SMALLEST = 2.0
"""mHz: amplitude at the device that shows most; modes of a quiet grid ring as loudly."""
BESIDE = 3
"""Bins that a line is spread over."""
LONE_LINE = 4.0
"""The same of a line at a single device, in angle and voltage."""
ENOUGH = 0.7
"""Share of the window that a device has to be there for spectra."""

Swing = tuple[float, dict[str, Any]]
"""Score and figures."""


def swing(clean: Observations, since: float = 0.0) -> tuple[Swing, Swing]:
    """Score and figures of the strongest slow and fast line in spectra whose middle is not before `since` [s]."""
    angle, known = turned(clean)
    part = np.flatnonzero(known.mean(axis=1) >= ENOUGH)
    if part.size < 2:
        return (0.0, {}), (0.0, {})
    turning = np.diff(angle[part], axis=1, prepend=angle[part, :1]) * clean.rate / (2 * np.pi) * 1e3
    slow, fast = lines(turning, clean.rate, SLOW), lines(turning, clean.rate, FAST)
    voltage = None
    if fast is not None and fast.whole.max() > LONE_LINE**2:
        voltage = lines(bridged(clean.magnitude[part])[0], clean.rate, FAST)
    return _strongest(slow, None, part, since), _strongest(fast, voltage, part, since)


def _strongest(found: Lines | None, voltage: Lines | None, part: NDArray[np.intp], since: float) -> Swing:
    if found is None or not (found.middle >= since).any():
        return 0.0, {}
    score = np.sqrt(found.others) / LINE[found.band.name]
    if voltage is not None:
        both = np.minimum(prominent(found.whole), prominent(voltage.whole))
        score = np.maximum(score, np.sqrt(both) / LONE_LINE)
    largest = np.abs(found.spectra).max(axis=0)
    score = np.minimum(score, np.minimum(changed(found) / LINE[found.band.name], largest / SMALLEST))
    score = np.where(found.middle[:, None] >= since, score, 0.0)
    if found.band is SLOW:
        score = begun(found, score, since)
    s, b = (int(k) for k in np.unravel_index(int(np.argmax(score)), score.shape))
    top = float(score[s, b])
    power = np.abs(found.spectra[:, s]) ** 2
    b = _fundamental(found, s, b)
    hertz = between(found.hertz, power.sum(axis=0), b)
    begins = came(found, s, b, since).begins if found.band is SLOW else np.nan
    if np.isnan(begins):
        begins = float(found.middle[int(np.argmax(found.whole[:, b] > 0.25 * found.whole[s, b]))])
    figures = {
        "hz": round(hertz, 4),
        "s": float(found.middle[s]),
        "whole": round(float(np.sqrt(found.whole[s, b])), 3),
        "others": round(float(np.sqrt(found.others[s, b])), 3),
        "harmonic": round(_near(found, s, 2.0 * hertz), 3),
        "begins": begins,
        "share": round(float(np.mean(found.others[:, b] > 0.25 * found.others[s, b])), 3),
        "devices": part.tolist(),
        "mhz": [round(float(size), 3) for size in np.sqrt(power[:, b])],
    }
    return top, figures


def begun(found: Lines, score: F8, since: float) -> F8:
    """[s, b] Scores; those over 1 of lines that may well be driven by the ambient fall to what tells so."""
    score = score.copy()
    for b in np.flatnonzero(score.max(axis=0) > 1.0):
        how = came(found, int(score[:, b].argmax()), int(b), since).score
        if not how > 1.0:
            score[:, b] = np.minimum(score[:, b], how)
    return score


def came(found: Lines, s: int, b: int, since: float) -> Course:
    """How the line at bin b, as spectrum s shows it over the devices, came about.

    What the bins beside show is taken off, or is not: near a mode they are the mode's own, and hold the line, too.
    """
    shape = found.spectra[:, s, b].conj()
    courses = []
    for weights in (shape @ found.precision[b], shape):
        middle, z = envelope(weights @ found.turning, found.rate, float(found.hertz[b]), found.band.length / FINER)
        courses.append(course(middle, z, since))
    return max(courses, key=lambda one: one.score)


def changed(found: Lines) -> F8:
    """[s, b] Amplitude, of all devices, over the least that is seen there: a mode that always rings is no event."""
    power = np.sum(np.abs(found.spectra) ** 2, axis=0)
    power = uniform_filter1d(power, BESIDE, axis=1, mode="nearest")
    return np.asarray(np.sqrt(power / np.maximum(power.min(axis=0), 1e-30)))


def prominent(form: F8) -> F8:
    """[s, b] Squared distances over the median of the bins around in the same spectrum: a step is in all of them."""
    around = median_filter(form, size=(1, AROUND), mode="nearest")
    return np.asarray(form / np.maximum(around, 1.0))


def _fundamental(found: Lines, s: int, b: int) -> int:
    """Bin of half the frequency, if there is a line, too: what is at b then is its harmonic."""
    half = 0.5 * float(found.hertz[b])
    if half < found.hertz[0] or _near(found, s, half) < LINE[found.band.name]:
        return b
    first = max(int(np.searchsorted(found.hertz, half)) - 1, 0)
    return first + int(np.argmax(found.others[s, first : first + 3]))


def _near(found: Lines, s: int, hertz: float) -> float:
    """Amplitude over the usual one, at a frequency, about the time of spectrum s."""
    at = int(np.argmin(np.abs(found.hertz - hertz)))
    return float(np.sqrt(found.others[max(s - 1, 0) : s + 2, max(at - 1, 0) : at + 2].max()))


def between(hertz: F8, power: F8, b: int) -> float:
    """Frequency of a line at bin b: the top of the parabola through the logarithms of three bins."""
    if not 0 < b < hertz.size - 1:
        return float(hertz[b])
    low, top, high = np.log(np.maximum(power[b - 1 : b + 2], 1e-30))
    bend = low - 2.0 * top + high
    shift = 0.5 * (low - high) / bend if bend < 0 else 0.0
    return float(hertz[b] + np.clip(shift, -0.5, 0.5) * (hertz[1] - hertz[0]))
