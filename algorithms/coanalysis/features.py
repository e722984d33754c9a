"""What tells one kind of disturbance from another, by physics; each against the window's own quiet part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from algorithms.coanalysis.transients import bridged, kernel, sizes
from algorithms.observations import GAUSSIAN_MAD, Observations
from algorithms.quality.flags import middle

F8 = NDArray[np.float64]

BEFORE = (-0.6, -0.15)
DURING = (-0.08, 0.30)
"""Seconds around the onset in which a fault begins and is cleared."""
CLEARED = (0.35, 0.70)
LATER = (0.3, 2.5)
"""In which a lost power has moved the frequency, and its control has not yet brought it back."""
SWINGING = (0.12, 2.0)
ABOUT = 0.08
"""Seconds beside the onset in which a step may be."""
AFTER = 8.0
"""Seconds that tell how far it went."""


@dataclass(frozen=True)
class Features:
    """Of a transient."""

    dip: float
    """Per unit: deepest dip of the voltage."""
    recovered: float
    """Share of it that was there again half a second later."""
    unbalance: float
    """Negative sequence voltage over the dip, of the devices that dipped; NaN where it is not measured."""
    negative: float
    """Per unit: largest rise of the negative sequence voltage, NaN where it is not measured; the zero sequence's."""
    zero: float
    zero_noise: float
    """Standard deviations of the rise of the zero sequence voltage."""
    common: float
    """mHz that the middle frequency moved, and in standard deviations of what it usually does in that time."""
    moved: float
    local: float
    """mHz: how far the second most moved device went from the middle; and against how far it usually goes."""
    apart: float
    falls: float
    """Standard deviations of the largest falling and rising step of a voltage."""
    rises: float
    turns_back: float
    """The same of the angle's steps."""
    turns_ahead: float
    parted: float
    """Radian that the angle of a device went away from the middle of all, in eight seconds."""
    extreme: float
    """mHz: farthest the middle frequency went in eight seconds, from before."""


def span(x: F8, onset: int, rate: float, between: tuple[float, float]) -> F8:
    """[m, k] The samples of x [m, n] in a span [s] around the onset, of which there is at least one."""
    first = min(max(onset + round(between[0] * rate), 0), x.shape[1] - 1)
    return x[:, first : max(onset + round(between[1] * rate), first + 1)]


def features(clean: Observations, angle: F8, onset: int) -> Features:
    """Of an event that began at the sample `onset`; `angle` [m, n] is unwrapped and bridged."""
    rate = clean.rate
    magnitude, _ = bridged(clean.magnitude)
    before = span(magnitude, onset, rate, BEFORE).mean(axis=1)
    dips = before - span(magnitude, onset, rate, DURING).min(axis=1)
    back = np.abs(span(magnitude, onset, rate, CLEARED).mean(axis=1) - before)
    deepest = int(np.argmax(dips))
    dip = max(float(dips[deepest]), 1e-9)
    negative, zero = (_rise(x, onset, rate) for x in (clean.negative, clean.zero))
    dipped = np.maximum(dips, 0.0)
    unbalance = float(dipped @ np.nan_to_num(negative[0]) / max(float(dipped @ dipped), 1e-12))
    known = bool(np.isfinite(clean.negative).any())
    frequency = 1e3 * (bridged(clean.frequency)[0] - clean.nominal)
    common = middle(np.where(np.isfinite(clean.frequency).any(axis=1, keepdims=True), frequency, np.nan))
    level = float(span(common[None], onset, rate, BEFORE).mean())
    course = span(common[None], onset, rate, (LATER[0], AFTER))[0] - level
    moved, usual = _moved(common, onset, rate)
    far, apart = _apart(frequency - common, onset, rate)
    about = round(ABOUT * rate)
    voltage = _steps(magnitude, kernel(round(0.2 * rate), round(0.05 * rate), 2, kink=False), onset, about)
    turn = _steps(angle, kernel(round(0.2 * rate), round(0.05 * rate), 3, kink=False), onset, about)
    smooth = correlate1d(course, np.full(round(0.2 * rate) | 1, 1.0 / (round(0.2 * rate) | 1)), mode="nearest")
    return Features(
        dip=dip,
        recovered=1.0 - float(back[deepest]) / dip,
        unbalance=unbalance if known else np.nan,
        negative=float(np.nanmax(negative[0])) if known else np.nan,
        zero=float(np.nanmax(zero[0])) if np.isfinite(zero[0]).any() else np.nan,
        zero_noise=float(np.nanmax(zero[1])) if np.isfinite(zero[1]).any() else np.nan,
        common=moved,
        moved=moved / usual,
        local=far,
        apart=apart,
        falls=float(max(-voltage.min(), 0.0)),
        rises=float(max(voltage.max(), 0.0)),
        turns_back=float(max(-turn.min(), 0.0)),
        turns_ahead=float(max(turn.max(), 0.0)),
        parted=_parted(clean, angle, onset),
        extreme=float(smooth[int(np.argmax(np.abs(smooth)))]),
    )


def _rise(x: F8, onset: int, rate: float) -> tuple[F8, F8]:
    """[m] Largest rise during a fault over the median, and in standard deviations; NaN where nothing is measured."""
    rise, noise = np.full(x.shape[0], np.nan), np.full(x.shape[0], np.nan)
    near = span(x, onset, rate, DURING)
    for device in np.flatnonzero(np.isfinite(near).any(axis=1)):
        usual = np.nanmedian(x[device])
        spread = GAUSSIAN_MAD * np.nanmedian(np.abs(x[device] - usual))
        rise[device] = np.nanmax(near[device]) - usual
        noise[device] = rise[device] / max(spread, 1e-5)
    return rise, noise


def _moved(common: F8, onset: int, rate: float) -> tuple[float, float]:
    """mHz that the frequency [n] moved at the onset, and its usual size."""
    a, b, c, d = (round(t * rate) for t in (*BEFORE, *LATER))
    total = np.concatenate([[0.0], np.cumsum(common)])
    at = np.arange(-a, max(common.size - d, -a + 1))
    at = np.append(at, min(max(onset, -a), common.size - d - 1))
    moves = (total[at + d] - total[at + c]) / (d - c) - (total[at + b] - total[at + a]) / (b - a)
    return float(moves[-1]), max(GAUSSIAN_MAD * float(np.median(np.abs(moves[:-1]))), 0.5)


def _apart(local: F8, onset: int, rate: float) -> tuple[float, float]:
    """How far the second most moved device went from the middle, mHz; and over its usual way in that time."""
    local = local - span(local, onset, rate, BEFORE).mean(axis=1, keepdims=True)
    far = np.abs(span(local, onset, rate, SWINGING)).max(axis=1)
    step = round((SWINGING[1] - SWINGING[0]) * rate)
    cuts = local[:, : local.shape[1] // step * step].reshape(local.shape[0], -1, step)
    usual = np.median(np.abs(cuts - cuts[:, :, :1]).max(axis=2), axis=1)
    order = np.argsort(far)
    second = order[-2] if far.size > 1 else order[-1]
    return float(far[second]), float(far[second] / max(usual[second], 0.1))


def _parted(clean: Observations, angle: F8, onset: int) -> float:
    """Largest change [rad] of the angle of a device against the middle of all, of devices that are there throughout."""
    there = np.isfinite(span(clean.frequency, onset, clean.rate, (BEFORE[0], AFTER))).all(axis=1)
    if np.count_nonzero(there) < 2:
        return 0.0
    course = angle[there] - span(angle[there], onset, clean.rate, BEFORE).mean(axis=1, keepdims=True)
    later = span(course - middle(course), onset, clean.rate, (0.0, AFTER))
    return float(np.abs(later).max())


def _steps(x: F8, weights: F8, onset: int, about: int) -> F8:
    """[m] Steps at the onset, in standard deviations of what is a step elsewhere."""
    size = sizes(x, weights)
    usual = np.maximum(GAUSSIAN_MAD * np.median(np.abs(size), axis=1), 1e-9)
    near = size[:, max(onset - about, 0) : onset + about + 1]
    return np.asarray(np.take_along_axis(near, np.abs(near).argmax(axis=1)[:, None], axis=1)[:, 0] / usual)
