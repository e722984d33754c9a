"""Was the grid disturbed? Energy of the fast modes of a frequency window against the window's own quiet part.

1. Single samples that stick out from both neighbours (a device's spike) are put in line; they decide nothing.
2. Empirical mode decomposition [Huang1998]. The modes with a mean period below `period` are the fast ones; what
   load and schedules move slowly stays in the others. A window without noise of its own (constant, or coarsely
   rounded) gets 0.1 mHz of it, since sifting needs extrema (noise-assisted EMD, [Wu2009]).
3. Kinetic energy of the fast modes: the square of their change over `smooth`, between means over `smooth`. The
   ambient frequency of a grid is nearly a random walk, so its change is nearly white and its energy steady; a
   loss of power changes the slope at once (swing equation, df/dt = f dP / 2H [Kundur1994, 3.9]).
4. The peaks of the energy in blocks of `block` say what is usual. Their median is the quiet scale: robust against
   an event that fills less than half of the window, and against heavy tails, since it is a median of peaks.
5. The score is the root of the largest peak over the quiet scale, over `limit`; above 1 the window is suspicious.
   The onset is the first sample that left the level before it, where the signal's own change first crossed the limit.

Interpolated samples, and what they reach, are left out of 3 to 5. An oscillation that fills the whole window is its
own quiet part and is not seen here. The limit is calibrated with `python -m benchmarks.first_stage --algorithm emd`.

[Huang1998] Proc. R. Soc. Lond. A 454, 903. [Wu2009] Adv. Adapt. Data Anal. 1, 1. [Kundur1994] Power System
Stability and Control.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from algorithms import registry
from algorithms.observations import GAUSSIAN_MAD
from algorithms.registry import Hertz, Judgement, Seconds, WindowData, algorithm

F8 = NDArray[np.float64]
Bools = NDArray[np.bool_]
Sifter = Literal["compiled", "pyemd"]

MAX_MODES = 12
MAX_SIFTS = 100
"""Bounds on the work: 9000 samples take some 0.02 s, never more than 0.2 s (PyEMD: 0.2 s, never more than 2 s)."""
DITHER = 1e-4
"""Hz"""
SPIKE = 12.0
"""Robust standard deviations by which a single sample must stick out to be put in line."""
LEFT = 4.0
"""Robust standard deviations of the noise that a sample must be off to have left its level."""
LEAST_BLOCKS = 8


class Settings(registry.Settings):
    """What is fast, how it is smoothed, and how much is too much."""

    limit: Annotated[float, Field(gt=1)] = 3.3
    """Largest change, in multiples of the usual peak of the window."""
    period: Seconds = 8.0
    """Modes with a shorter mean period are fast."""
    smooth: Seconds = 0.2
    """Length of the means whose change is judged, and of the pause between them."""
    block: Seconds = 1.0
    """One peak is taken from each block; their median is the window's usual peak."""
    floor: Hertz = 0.001
    """A usual peak below this counts as this: resolution and noise of a device."""
    sift: Sifter = "compiled"
    """Who decomposes: `compiled` code or `pyemd`, the library that it is tested against. The modes are the same."""


@dataclass(frozen=True)
class _Energy:
    """Change of the fast modes [Hz] over time; entry j looks at samples j .. j + reach - 1."""

    change: F8
    """NaN where an interpolated sample is involved"""
    reach: int
    usual: float
    """Hz, median of the block peaks"""
    top: float
    """Hz, largest change"""


def intrinsic_modes(x: F8, max_modes: int = MAX_MODES, max_sifts: int = MAX_SIFTS, sift: Sifter = "compiled") -> F8:
    """Modes of x [n], fastest first, and the residue last: [modes + 1, n]. Their sum is x.

    x must not hold NaN (one NaN in 9000 samples keeps PyEMD busy for 45 s): raises ValueError.
    """
    x = np.asarray(x, dtype=np.float64)
    if not np.isfinite(x).all():
        raise ValueError("not finite: fill the gaps first")
    scale, level = float(np.std(x)), float(np.mean(x))
    if scale <= 1e-12 * max(1.0, abs(level)):
        return x[None].copy()
    modes = _decompose((x - level) / scale, max_modes, max_sifts, sift)  # stopping rules are for unit variance
    modes *= scale
    modes[-1] += level
    return modes


def _decompose(x: F8, max_modes: int, max_sifts: int, sift: Sifter) -> F8:
    if sift == "compiled":
        from algorithms.kernels.sift import STRANGE, decompose

        modes, found = decompose(x, max_modes, max_sifts)
        if found != STRANGE:
            return modes
    from PyEMD.EMD import EMD

    sifter = EMD(MAX_ITERATION=max_sifts)
    sifter.emd(x, max_imf=max_modes)
    made, residue = sifter.get_imfs_and_residue()
    return np.concatenate([made, residue[None]])


def mean_period(modes: F8, rate: float) -> F8:
    """Mean period [s] of each mode [k, n]: twice the time between zero crossings; inf without any."""
    crossings = np.count_nonzero(np.diff(np.signbit(modes), axis=1), axis=1)
    with np.errstate(divide="ignore"):
        return np.asarray(2.0 * modes.shape[1] / rate / crossings)


def without_spikes(x: F8) -> tuple[F8, int]:
    """x [n] with lone samples that stick out put in line with their neighbours, and how many there were."""
    middle = np.median(np.stack([np.r_[x[:1], x[:-1]], x, np.r_[x[1:], x[-1:]]]), axis=0)
    out = np.abs(x - middle)
    neighbours = np.abs(np.diff(x))
    spread = max(GAUSSIAN_MAD * float(np.median(neighbours)), DITHER)
    lone = out > SPIKE * spread
    return np.where(lone, middle, x), int(lone.sum())


def fast_part(x: F8, rate: float, period: float, sift: Sifter = "compiled") -> F8:
    """Sum [n] of the modes of x [n] whose mean period is below `period` [s]."""
    if GAUSSIAN_MAD * float(np.median(np.abs(np.diff(x)))) < DITHER:
        x = x + DITHER * np.random.default_rng(0).standard_normal(x.size)
    modes = intrinsic_modes(x, sift=sift)[:-1]
    return np.asarray(modes[mean_period(modes, rate) < period].sum(axis=0))


def warm(settings: Settings) -> None:
    """Load what decomposes; compiled code comes from the cache that `syms compile` filled, or is made now."""
    if settings.sift == "compiled":
        from algorithms.kernels import sift

        sift.warm()
    else:
        import PyEMD.EMD  # noqa: F401


# Still version 1: compiled modes are those of PyEMD up to rounding, and so are judgements (tests compare both).
def shortest(settings: Settings) -> float:
    """Seconds of a window."""
    return LEAST_BLOCKS * max(2 * settings.smooth, settings.block) + 3 * settings.smooth


@algorithm("emd", version=1, warm=warm, shortest=shortest)
def judge(window: WindowData, settings: Settings) -> Judgement:
    """Energy of the fast modes (empirical mode decomposition) against the window's own quiet part.

    The most suspicious device of the window decides; its first quantity is judged. Raises ValueError for a
    window too short to know what is quiet.
    """
    return max(
        (
            _judge_one(values[0].astype(np.float64), filled != 0, window.rate, settings)
            for values, filled in zip(window.values, window.filled, strict=True)
        ),
        key=lambda judgement: judgement.score,
    )


def _judge_one(x: F8, filled: Bools, rate: float, settings: Settings) -> Judgement:
    smooth = max(1, round(settings.smooth * rate))
    block = max(2 * smooth, round(settings.block * rate))
    if x.size < LEAST_BLOCKS * block + 3 * smooth:
        raise ValueError(
            f"a window of {x.size} samples is too short: {LEAST_BLOCKS * block + 3 * smooth} or more are needed to "
            "know what is quiet; make the window longer, or block and smooth shorter"
        )
    level, spikes = without_spikes(x)
    energy = _energy(fast_part(level, rate, settings.period, settings.sift), filled, smooth, block)
    usual = max(energy.usual, settings.floor)
    score = energy.top / usual / settings.limit
    suspicious = bool(score > 1.0)
    onset = _onset(level, energy, settings.limit * usual, smooth) if suspicious else None
    detail: dict[str, Any] = {
        "largest_change_mhz": round(1e3 * energy.top, 4),
        "usual_peak_mhz": round(1e3 * energy.usual, 4),
        "change_over_s": 2 * smooth / rate,
        "spikes": spikes,
        "interpolated": int(filled.sum()),
    }
    return Judgement(suspicious, float(score), onset, detail)


def _energy(fast: F8, filled: Bools, smooth: int, block: int) -> _Energy:
    change = _change(fast, smooth)
    reach = 3 * smooth
    touched = np.convolve(filled, np.ones(reach), "valid") > 0.5
    change = np.where(touched, np.nan, change)
    if touched.all():
        return _Energy(change, reach, 0.0, 0.0)
    blocks = change[: change.size // block * block].reshape(-1, block)
    blocks = blocks[~np.isnan(blocks).all(axis=1)]
    usual = float(np.median(np.nanmax(blocks, axis=1))) if blocks.size else 0.0
    return _Energy(change, reach, usual, float(np.nanmax(change)))


def _onset(x: F8, energy: _Energy, limit: float, smooth: int) -> int:
    """The first of two samples in a row that left the level before, within reach of the first crossing.

    Looked for in the signal itself: its modes ring before a step.
    """
    crossed = ~np.isnan(energy.change) & (_change(x, smooth) > limit)
    first = int(np.argmax(crossed)) if crossed.any() else int(np.nanargmax(energy.change))
    noise = max(GAUSSIAN_MAD * float(np.median(np.abs(np.diff(x)))) / np.sqrt(2.0), DITHER)
    before = float(np.mean(x[first : first + smooth]))
    after = np.abs(x[first + smooth : first + energy.reach + 1] - before) > LEFT * noise
    both = np.flatnonzero(after[:-1] & after[1:])
    return first + smooth + (int(both[0]) if both.size else smooth // 2)


def _change(x: F8, smooth: int) -> F8:
    """Absolute change between means over `smooth` samples, `smooth` apart; entry j: samples j .. j + 3 smooth - 1."""
    mean = np.convolve(x - x[0], np.full(smooth, 1.0 / smooth), "valid")
    return np.asarray(np.abs(mean[2 * smooth :] - mean[: -2 * smooth]))
