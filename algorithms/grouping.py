"""Which onsets belong together: single linkage on the line, which sorting solves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def group(onsets: Sequence[int], within: int) -> list[list[int]]:
    """Indices of onsets [ns], grouped so that neighbours in a group lie at most `within` ns apart; in order of time."""
    if not len(onsets):
        return []
    times = np.asarray(onsets, dtype=np.int64)
    order = np.argsort(times, kind="stable")
    breaks = np.flatnonzero(np.diff(times[order]) > within) + 1
    return [part.tolist() for part in np.split(order, breaks)]
