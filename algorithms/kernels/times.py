"""Times of rows against those of their streams, compiled: row by row, which is what the plain twins must group for.

The twins are `algorithms.plausibility.Plausible` and `nodes._oddities.Times`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from algorithms.kernels import compiled

I8 = NDArray[np.int64]
U4 = NDArray[np.uint32]
Bools = NDArray[np.bool_]


@compiled
def fitting(time: I8, arrival: I8, stream: I8, limit: int, known: Bools, last: I8, arrived: I8) -> int:
    """How many rows fit one after the other, up to the first that does not; `known`, `last`, `arrived` by stream."""
    for k in range(time.size):
        at = stream[k]
        if known[at]:
            step = time[k] - last[at]
            if step < -limit or step > limit + max(arrival[k] - arrived[at], 0):
                return k
        known[at], last[at], arrived[at] = True, time[k], arrival[k]
    return int(time.size)


@compiled
def standing(device: U4, stations: int, time: I8, last: I8) -> Bools:
    """[n] rows of first stations with the same time as the row before of their link, of so many `stations`; `last` by
    link."""
    same = np.zeros(time.size, np.bool_)
    for k in range(time.size):
        link = np.int64(device[k]) // stations
        if np.int64(device[k]) % stations == 0:
            same[k] = link != 0 and time[k] == last[link]
            last[link] = time[k]
    return same


def warm() -> None:
    """Compile everything, or load what was compiled before."""
    none, flags = np.zeros(0, np.int64), np.zeros(0, np.bool_)
    fitting(none, none, none, 1, flags, none, none)
    standing(np.zeros(0, np.uint32), 1, none, none)
