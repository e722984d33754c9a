"""The second judgement as an algorithm of a detector: a suspected device and its neighbours, looked at together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from algorithms.judgement import VERSION, judge
from algorithms.observations import Observations
from algorithms.quantities import ACTIVE, ANGLE, FREQUENCY, MAGNITUDE, NEGATIVE, REACTIVE, ZERO
from algorithms.registry import Judgement, Settings, WindowData, algorithm
from algorithms.report import report

QUIET = 10.0
"""Seconds without which nothing tells what is usual."""


class Own(Settings):
    """Nothing is to be set: limits come from each window's own quiet past."""


def warm(settings: Own) -> None:
    """Load scipy's filters, which swings need: they take most of a second, for which nobody waits who only checks
    settings."""
    import scipy.signal  # noqa: F401


@algorithm("disturbance", version=VERSION, warm=warm, together=True, shortest=lambda settings: QUIET)
def disturbance(window: WindowData, settings: Own) -> Judgement:
    """Bad data or a disturbance, of what kind, how large and where: several devices looked at together."""
    since, late = (window.context.get(name, 0) / window.rate for name in ("since", "late"))
    judged = judge(
        observations(window),
        since=since,
        late=late,
        network=window.network,
        response=window.response,
        inertia=window.inertia,
    )
    found = judged.detection
    onset = round(found.onset * window.rate) if np.isfinite(found.onset) else None
    return Judgement(found.disturbance, found.score, onset, report(judged))


def observations(window: WindowData) -> Observations:
    """A window's series; voltages per unit of each device's own median. What is not finite was not measured."""
    values = np.where(np.isfinite(window.values), window.values, np.nan)
    series: NDArray[np.float64] = np.moveaxis(values.astype(np.float64), 1, 0)
    unknown = np.full(window.device.size, np.nan)
    level = _level(series[MAGNITUDE])
    return Observations(
        window.rate,
        series[FREQUENCY],
        series[MAGNITUDE] / level,
        np.radians(series[ANGLE]),
        series[NEGATIVE] / level,
        series[ZERO] / level,
        np.array(window.context.get("latitude", unknown), np.float64),
        np.array(window.context.get("longitude", unknown), np.float64),
        float(window.context.get("nominal", 50.0)),
        series[ACTIVE],
        series[REACTIVE],
    )


def _level(magnitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """[m, 1] Median of what was measured; 1 where nothing, or only zeros, was."""
    level = np.ones((magnitude.shape[0], 1))
    for device in np.flatnonzero((magnitude > 0.0).any(axis=1)):
        level[device] = np.median(magnitude[device, magnitude[device] > 0.0])
    return level
