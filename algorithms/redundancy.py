"""One row of several: streams of one device merged to its best row, and gaps filled from another source."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

I8 = NDArray[np.int64]
Bools = NDArray[np.bool_]

INVALID, UNSYNCHRONISED = 0xC000, 0x2000
"""STAT bits 15-14 (any of them: do not use) and 13 (C37.118.2-2011, table 7)."""
WORST_TIME = 0x0F
"""Time quality codes: 0 locked … 15 clock failed."""
ARRIVALS = 56
"""Bits of a rank that tell when a row came."""


def ranks(present: Bools, status: NDArray[np.uint16], quality: NDArray[np.uint8], arrival: I8) -> I8:
    """How good rows are, the least the best; one shape for all.

    There before missing, then valid before invalid (STAT 15-14), synchronised before not (STAT 13), the better time
    quality (low four bits of the time quality byte), the earlier arrival.
    """
    first = int(arrival[present].min(initial=np.iinfo(np.int64).max)) if present.any() else 0
    came = np.clip(arrival - first, 0, (1 << ARRIVALS) - 1)
    invalid, unsynchronised = (status & INVALID) != 0, (status & UNSYNCHRONISED) != 0
    order = (~present * 64 + invalid * 32 + unsynchronised * 16).astype(np.int64) + (quality & WORST_TIME)
    ranked: I8 = (order << ARRIVALS) + np.where(present, came, 0)
    return ranked


def best(rank: I8, members: NDArray[np.intp]) -> NDArray[np.intp]:
    """[k, g] the column with the least rank [k, m] of each group's `members` [g, r], which are filled up with -1;
    of equals the one that is named first."""
    ranked = np.where(members >= 0, rank[:, members], np.iinfo(np.int64).max)
    return np.take_along_axis(members[None], ranked.argmin(axis=-1)[..., None], axis=-1)[..., 0]
