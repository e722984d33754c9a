"""A quantity by means of ten minutes, as standards look at supply voltages: sums over many rows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from protocol.clock import SECOND, period

TEN = 600 * SECOND
F8 = NDArray[np.float64]


@dataclass
class Tens:
    """Sums of each ten minutes [n]; those without any value are not known."""

    total: F8 = field(default_factory=lambda: np.zeros(0))
    count: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    seconds: float = 0.0
    """That were looked at and had values."""

    def add(self, time: NDArray[np.int64], values: NDArray[np.floating], rate: int) -> None:
        """Rows at times [m, ns since the begin], ascending; NaN are left out."""
        known = np.isfinite(values)
        at = time[known] // TEN
        if not len(at):
            return
        room = max(int(at[-1]) + 1 - len(self.total), 0)
        self.total, self.count = np.pad(self.total, (0, room)), np.pad(self.count, (0, room))
        first = np.flatnonzero(np.diff(at, prepend=-1))
        self.total[at[first]] += np.add.reduceat(values[known], first, dtype=np.float64)
        self.count[at[first]] += np.diff(first, append=len(at))
        self.seconds += len(at) * period(rate) / SECOND

    @property
    def mean(self) -> float:
        """Of all values; NaN if there is none."""
        return float(self.total.sum() / self.count.sum()) if self.count.any() else np.nan

    @property
    def means(self) -> F8:
        """Of each ten minutes that have values."""
        some = self.count > 0
        return self.total[some] / self.count[some]

    def percentile(self, percent: float) -> float:
        """So many % of the means are no larger; NaN if there is none."""
        means = self.means
        return float(np.percentile(means, percent)) if len(means) else np.nan

    @property
    def highest(self) -> float:
        """The largest mean; NaN if there is none."""
        return float(self.means.max(initial=-np.inf)) if self.count.any() else np.nan
