"""Seconds of the archive put together in longer steps, a piece at a time: of a year there are thirty million."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from protocol.clock import SECOND

if TYPE_CHECKING:
    from archive.reading import Extract

DAY = 86400 * SECOND
PIECE = 7 * DAY
"""That lies in memory as seconds."""
LONGEST = 366 * DAY
"""Of one question: each hour is a file that has to be opened."""


class Steps(NamedTuple):
    """k steps that begin at multiples of their length."""

    time: NDArray[np.int64]
    """[k] ns UTC at which they begin"""
    low: NDArray[np.float32]
    mean: NDArray[np.float32]
    """Weighted by count."""
    high: NDArray[np.float32]
    valid: NDArray[np.int64]
    """How many values each is of"""


def stepped(found: Extract, device: str, quantity: str, name: str | None, step: int) -> Steps:
    """One quantity of a station in steps of `step` s, as `Extract.overview`. Raises ArchiveError."""
    pieces = [in_steps(each.time, each.minimum, each.mean, each.maximum, each.count, step)
              for each in found.overviews(PIECE, device, quantity, name)]  # fmt: skip
    if not pieces:
        return Steps(*(np.zeros(0, kind) for kind in ("i8", "f4", "f4", "f4", "i8")))
    time, low, mean, high, valid = (np.concatenate(column) for column in zip(*pieces, strict=True))
    return in_steps(time, low, mean, high, valid, step)


def in_steps(time: NDArray[np.int64], low: NDArray[np.float32], mean: NDArray[np.float32], high: NDArray[np.float32],
             count: NDArray[np.int64], step: int) -> Steps:  # fmt: skip
    """Seconds, or shorter steps, [n] put together in steps of `step` s."""
    of = time // (step * SECOND)
    first = np.flatnonzero(np.append(True, of[1:] != of[:-1])) if of.size else np.zeros(0, np.int64)
    if not first.size:
        return Steps(time, low, mean, high, count)
    valid = count * ~np.isnan(mean)
    total = np.add.reduceat(np.where(valid, mean, 0).astype(np.float64) * valid, first)
    counts = np.add.reduceat(valid, first)
    with np.errstate(invalid="ignore"):
        means = (total / counts).astype(np.float32)
    return Steps(of[first] * step * SECOND, np.fmin.reduceat(low, first), means, np.fmax.reduceat(high, first), counts)
