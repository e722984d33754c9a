"""What belongs together: onsets that are near (single linkage on the line, which sorting solves), rows of a stream."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def group(onsets: Sequence[int], within: int) -> list[list[int]]:
    """Indices of onsets [ns], grouped so that neighbours in a group lie at most `within` ns apart; in order of time."""
    if not len(onsets):
        return []
    times = np.asarray(onsets, dtype=np.int64)
    order = np.argsort(times, kind="stable")
    breaks = np.flatnonzero(np.diff(times[order]) > within) + 1
    return [part.tolist() for part in np.split(order, breaks)]


def together(keys: NDArray[np.int64]) -> NDArray[np.intp] | None:
    """[n] the order in which equal keys [n], from 0 up, stand together as they came; None: they do so already."""
    first = np.ones(keys.size, np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=first[1:])
    runs = keys[first]
    number = np.arange(runs.size)
    last = np.empty(int(runs.max(initial=-1)) + 1, np.intp)
    last[runs] = number
    return None if (last[runs] == number).all() else np.argsort(keys, kind="stable")
