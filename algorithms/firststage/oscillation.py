"""Does the frequency swing more than it uses to? Energy by bands, with the damping of the mode that does.

A Butterworth band-pass for each band (inter-area 0.1 to 1 Hz, local 1 to 3 Hz, sub-synchronous 3 to 20 Hz), then the
root of the mean square over `span`, or over the `span` before it if that is less: a swing goes on, a step or a spike
does not. Each band is compared with its own usual peak in the window, and the largest ratio counts.

The mode is then read by the matrix pencil (`algorithms/ringdown.py`) from the onset on where the window is suspicious,
and by the mode meter (`algorithms/modemeter.py`) from all of the window where it is not, if the window is long enough.
An oscillation that fills most of the window is its own quiet part; `coherence` sees such ones.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.signal import sosfilt, sosfilt_zi

from algorithms.damping import BANDS, band
from algorithms.firststage import decision
from algorithms.firststage.decision import samples
from algorithms.firststage.streams import CALM, Chain, Sliding, each, mean, median
from algorithms.modemeter import modemeter
from algorithms.registry import Hertz, Judgement, Seconds, WindowData, algorithm
from algorithms.ringdown import Mode, ringdown

F8 = NDArray[np.float64]

RINGS = 20.0
"""Seconds from the onset on that a mode is read from."""
SETTLES = 1.0
"""Periods of a band's lowest frequency, in which its filter settles."""


class Settings(decision.Settings):
    """Which bands, and how much is too much."""

    limit: Annotated[float, Field(gt=1)] = 3.0
    """Largest swing, in multiples of its usual peak in the window."""
    bands: tuple[Literal["inter_area", "local", "subsynchronous"], ...] = ("inter_area", "local", "subsynchronous")
    """0.1 to 1, 1 to 3, 3 to 20 Hz."""
    span: Seconds = 10.0
    """A swing has to be there in two spans, one after the other."""
    floor: Hertz = 0.00005
    """A usual swing below this counts as this: resolution and noise of a device."""


class Filtered:
    """Behind a filter of sections [s, 6], as if the first sample had stood since ever; `skip` values are left out."""

    reach = 1

    def __init__(self, sections: F8, skip: int) -> None:
        self._sections, self._skip = sections, skip
        self._state: F8 | None = None

    def push(self, x: F8, /) -> F8:
        if not x.shape[1]:
            return x
        if self._state is None:
            self._state = sosfilt_zi(self._sections)[:, None, :] * x[None, :, :1]
        passed, self._state = sosfilt(self._sections, x, axis=1, zi=self._state)
        left_out = min(self._skip, passed.shape[1])
        self._skip -= left_out
        return np.asarray(passed[:, left_out:])


def statistic(rate: float, name: str, settings: Settings) -> Chain:
    """Root mean square [Hz] of a band in the quieter one of two spans."""
    low, high = BANDS[name]
    span = samples(settings.span, rate)
    calm = (median(CALM),) if rate > 4 * high else ()
    both = Sliding(span + 1, lambda x: np.minimum(x[:, span:], x[:, :-span]))
    passed = Filtered(band(low, high, rate), samples(SETTLES / low, rate))
    return Chain(*calm, passed, each(lambda x: x * x), mean(span), both, each(np.sqrt))


def shortest(settings: Settings) -> float:
    """Seconds of a window."""
    return max(decision.shortest(statistic(decision.RATE, name, settings), settings) for name in settings.bands)


@algorithm("oscillation", version=1, shortest=shortest)
def judge(window: WindowData, settings: Settings) -> Judgement:
    """Swings by bands against the window's own quiet part, with frequency and damping of the mode."""
    x = decision.series(window)
    judged = {}
    for name in settings.bands:
        measure = decision.Measure(statistic(window.rate, name, settings), "swing_mhz", 1e3, settings.floor)
        swing = Filtered(band(*BANDS[name], window.rate), 0).push(x)
        judged[name] = decision.judge(window, x, measure, settings, seen=swing)
    name = max(judged, key=lambda one: judged[one].score)
    found = judged[name]
    detail = {"band": name} | found.detail | {f"score_{one}": round(each.score, 3) for one, each in judged.items()}
    return Judgement(found.suspicious, found.score, found.onset, detail | _mode(x, window.rate, name, found.onset))


def _mode(x: F8, rate: float, name: str, onset: int | None) -> dict[str, Any]:
    """Of the strongest mode of a band: in what follows the onset, or in all of the ambient."""
    low, high = BANDS[name]
    if onset is None:
        return _told(modemeter(x, rate, low, min(high, 0.4 * rate)), "mode_meter")
    return _told(ringdown(x[:, onset : onset + round(RINGS * rate)], rate, low, min(high, 0.4 * rate)), "ringdown")


def _told(modes: list[Mode], by: str) -> dict[str, Any]:
    if not modes:
        return {}
    error = modes[0].error
    return {
        "hz": round(modes[0].hertz, 4),
        "damping": round(modes[0].damping, 4),
        "damping_error": round(error, 4) if np.isfinite(error) else None,
        "by": by,
    }
