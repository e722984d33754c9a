"""The laws of time, in one place.

1. An instant is an int: nanoseconds UTC since 1970-01-01, leap seconds not counted (as SOC does).
2. Intervals are half-open: [start, end).
3. Two instants are equal if and only if their ints are.
4. Arrival time is not measurement time.
5. Nothing below `nodes/_runtime.py` reads a clock: `Now` is an argument. Timers and leases use
   its monotonic half; only absolute wait and latency use the UTC half.
6. A reporting grid starts at every full second (IEEE C37.118.1-2011 §5.4.1: frame 0 coincides with
   the second); slot `k` counts grid instants since 1970.
7. A stamp that differs from its grid instant only by how the device had to write it down (a count of
   TIME_BASE, 16666/16667 us at 60 frames/s) *is* the grid instant. Any other stamp is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, NewType

import numpy as np
from numpy.typing import NDArray

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
MICROSECOND = 1_000
TIMES = {
    "ns": 1,
    "us": MICROSECOND,
    "µs": MICROSECOND,
    "ms": MILLISECOND,
    "s": SECOND,
    "min": 60 * SECOND,
    "h": 3_600 * SECOND,
    "d": 86_400 * SECOND,
}
"""Unit to nanoseconds."""

Times = NDArray[np.int64]
Rate = NewType("Rate", int)
"""DATA_RATE of C37.118: > 0 frames per second, < 0 seconds per frame; never 0."""


class Now(NamedTuple):
    """What time it is, as the runtime tells it to a node."""

    monotonic: int
    """Nanoseconds of a clock that never jumps; for timers and leases."""
    utc: int
    """Nanoseconds UTC since 1970; for absolute wait and latency only."""


Clock = Callable[[], Now]
"""Reads what time it is; handed to threads that run beside a node's loop, which nobody tells `now`."""


def from_soc(soc: Any, count: Any, time_base: int) -> Any:
    """Instant [ns] of SOC [s] and FRACSEC count (low 24 bits) at TIME_BASE [counts/s].

    Ints or int64 arrays. A count at or above TIME_BASE carries into the next seconds.
    """
    return soc * SECOND + (count * SECOND + time_base // 2) // time_base


def to_soc(time: int, time_base: int) -> tuple[int, int]:
    """(SOC, FRACSEC count) nearest to an instant [ns]; inverse of `from_soc` to half a count."""
    soc, rest = divmod(time, SECOND)
    count = (rest * time_base + SECOND // 2) // SECOND
    return (soc + 1, 0) if count == time_base else (soc, count)


def period(rate: int) -> int:
    """Nanoseconds between two slots, rounded down (60 frames/s: 16,666,666)."""
    return SECOND // rate if rate > 0 else -rate * SECOND


def slot_of(time: Any, rate: int) -> Any:
    """Number of the slot nearest to an instant [ns]; ints or int64 arrays."""
    if rate > 0:
        second, rest = time // SECOND, time % SECOND
        return second * rate + (rest * rate + SECOND // 2) // SECOND
    step = -rate * SECOND
    return (time + step // 2) // step


def slot_time(slot: Any, rate: int) -> Any:
    """Instant [ns] of a slot; ints or int64 arrays."""
    if rate > 0:
        return slot // rate * SECOND + (slot % rate * SECOND + rate // 2) // rate
    return slot * (-rate * SECOND)


def snap_tolerance(time_base: int) -> int:
    """How far [ns] writing a grid instant down in counts of TIME_BASE can move it: 2 counts, and 1 us."""
    return 2 * SECOND // time_base + MICROSECOND


def snap_limit(rate: int, time_base: int) -> int:
    """How far [ns] `snap` moves a stamp at most."""
    return min(snap_tolerance(time_base), period(rate) // 4)


def snap(time: Times, rate: int, time_base: int) -> tuple[Times, NDArray[np.int32]]:
    """Stamps [ns] put on their reporting grid where law 7 says they belong there.

    Returns (times [ns], how far each was moved [ns]); 0 moved = on the grid already, or left alone.
    """
    moved = slot_time(slot_of(time, rate), rate) - time
    moved = np.where(np.abs(moved) <= snap_limit(rate, time_base), moved, 0)
    return time + moved, moved.astype(np.int32)
