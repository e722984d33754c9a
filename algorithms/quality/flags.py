"""What can be wrong with the samples of a device, and spans of samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms.observations import GAUSSIAN_MAD

F8 = NDArray[np.float64]
Bools = NDArray[np.bool_]

SETTLE = 4.0
"""Seconds that late samples, and what is known of devices' clocks, have before anything is called missing."""
QUIET = 20
"""One block in so many is quiet, whatever happens."""


class Fault(StrEnum):
    """Kinds of bad data."""

    SPIKES = "spikes"
    """Lone samples far off."""
    FROZEN = "frozen"
    """The same values again and again."""
    GAP = "gap"
    """Nothing for long."""
    PACKET_LOSS = "packet_loss"
    """Samples missing here and there."""
    ZERO_FILL = "zero_fill"
    """Zeros in place of what was not measured."""
    CLOCK_OFFSET = "clock_offset"
    """Measured at other times than the time stamps say."""
    NOISE_BURST = "noise_burst"
    """Much more noise than before."""
    STEP_OFFSET = "step_offset"
    """One quantity is off by a constant."""
    DRIFT = "drift"
    """The frequency moves away from what the angle says."""


@dataclass(frozen=True)
class Flag:
    """Bad data of one device."""

    device: int
    """Place in the observations."""
    kind: Fault
    start: int
    """First sample."""
    stop: int
    """Sample after the last one."""
    score: float
    """In multiples of its limit; above 1."""
    detail: dict[str, Any] = field(default_factory=dict)
    """Plain values, with units in their names."""


def spans(mask: Bools, bridge: int = 0) -> list[tuple[int, int]]:
    """The spans [first, stop) in which `mask` [n] is true; with pauses of up to `bridge` samples they are one."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    if not edges.size:
        return []
    starts, stops = edges[::2], edges[1::2]
    apart = starts[1:] - stops[:-1] > bridge
    first, last = np.append(True, apart), np.append(apart, True)
    return list(zip(starts[first].tolist(), stops[last].tolist(), strict=True))


def widened(mask: Bools, before: int, after: int) -> Bools:
    """[m, n] `mask` with so many samples before and after each true one true, too."""
    count = np.cumsum(np.pad(mask, ((0, 0), (after + 1, before))), axis=1, dtype=np.int32)
    return np.asarray(count[:, before + after + 1 :] > count[:, : -(before + after + 1)])


def moving_mean(x: F8, width: int) -> F8:
    """[m, n] Mean over `width` samples (odd) around each, of those that are there; NaN where none is."""
    half = width // 2
    there = ~np.isnan(x)
    padded = np.pad(np.where(there, x, 0.0), ((0, 0), (half + 1, half)))
    total = np.cumsum(padded, axis=1)
    count = np.cumsum(np.pad(there, ((0, 0), (half + 1, half))), axis=1, dtype=np.int32)
    number = count[:, width:] - count[:, :-width]
    return np.where(number > 0, (total[:, width:] - total[:, :-width]) / np.maximum(number, 1), np.nan)


def moving_range(x: F8, half: int) -> F8:
    """[m, n] Largest less smallest of the samples up to `half` away, of those that are there; 0 where none is."""
    wide = np.pad(x, ((0, 0), (half, half)), constant_values=np.nan)
    count = x.shape[1]
    high, low = wide[:, :count].copy(), wide[:, :count].copy()
    for k in range(1, 2 * half + 1):
        np.fmax(high, wide[:, k : k + count], out=high)
        np.fmin(low, wide[:, k : k + count], out=low)
    return np.nan_to_num(high - low)


def middle(x: F8) -> F8:
    """Median over the rows of [m, n] of those that are there, [n]; the lower of two, NaN where none is."""
    count = np.count_nonzero(~np.isnan(x), axis=0)
    ordered = np.sort(x, axis=0)
    return np.asarray(np.take_along_axis(ordered, np.maximum(count - 1, 0)[None] // 2, axis=0)[0])


def spread(x: F8) -> F8:
    """[m] Robust standard deviation about zero of each row of [m, n] (of the median size); 0 if empty."""
    return np.nan_to_num(GAUSSIAN_MAD * middle(np.abs(x).T))


def quiet_spread(x: F8, block: int) -> F8:
    """[m] The same of each row in quiet: what one in `QUIET` blocks of so many samples is below; 0 if empty."""
    devices, count = x.shape[0], max(x.shape[1] // block, 1)
    blocks = x[:, : count * block].reshape(devices * count, -1)
    half = np.count_nonzero(~np.isnan(blocks), axis=1) >= blocks.shape[1] // 2
    each = np.where(half, spread(blocks), np.nan).reshape(devices, count)
    there = np.count_nonzero(~np.isnan(each), axis=1)
    at = np.maximum(there - 1, 0) // QUIET
    return np.asarray(np.nan_to_num(np.take_along_axis(np.sort(each, axis=1), at[:, None], axis=1)[:, 0]))


def resolution(x: F8) -> F8:
    """[m] Smallest step between two samples of each row of [m, n]; 0 if there is none."""
    step = np.abs(np.diff(x, axis=1))
    step[~(step > 1e-9)] = np.inf
    smallest = step.min(axis=1, initial=np.inf)
    return np.where(np.isinf(smallest), 0.0, smallest)
