"""Which column of an array belongs to which device, for thousands of rows in one search."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

I8 = NDArray[np.int64]
U4 = NDArray[np.uint32]


class Columns:
    """Numbers of devices and their columns: the first that comes has column 0, and so on."""

    def __init__(self) -> None:
        self.numbers = np.zeros(0, dtype=np.uint32)
        """[m] by column"""
        self._sorted, self._order = self.numbers, np.zeros(0, dtype=np.int64)
        """[m] numbers in ascending order, and their columns."""

    def __len__(self) -> int:
        return self.numbers.size

    def of(self, numbers: U4) -> I8:
        """[n] their columns; those that are new get the next ones, in ascending order of number."""
        known, column = self._find(numbers)
        if known.all():
            return column
        self.add(np.unique(numbers[~known]))
        return self._find(numbers)[1]

    def get(self, number: int) -> int | None:
        """The column of a number, None if it has none."""
        at = int(self._sorted.searchsorted(number))
        return int(self._order[at]) if at < len(self) and self._sorted[at] == number else None

    def add(self, numbers: U4) -> None:
        """The next columns, in this order, for numbers [n] that have none yet."""
        self.numbers = np.concatenate([self.numbers, numbers.astype(np.uint32)])
        self._order = np.argsort(self.numbers, kind="stable")
        self._sorted = self.numbers[self._order]

    def _find(self, numbers: U4) -> tuple[NDArray[np.bool_], I8]:
        """([n] whether each is known, [n] its column if so)."""
        if not len(self):
            return np.zeros(numbers.size, dtype=np.bool_), np.zeros(numbers.size, dtype=np.int64)
        at = self._sorted.searchsorted(numbers)
        return self._sorted.take(at, mode="clip") == numbers, self._order.take(at, mode="clip")


class Counters:
    """Counts of devices under several names, all from 0 up."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        self._columns = Columns()
        self.counts = np.zeros((0, len(self.names)), dtype=np.int64)
        """[m, k] in the order of `devices` and `names`"""

    @property
    def devices(self) -> U4:
        """[m] numbers"""
        return self._columns.numbers

    def add(self, name: str, device: U4, count: I8) -> None:
        """Count [n] more of devices [n], each of which stands in it once."""
        if count.any():
            column = self._columns.of(device)
            self.counts = np.pad(self.counts, ((0, len(self._columns) - len(self.counts)), (0, 0)))
            self.counts[column, self.names.index(name)] += count

    def of(self, name: str) -> I8:
        """[m] the counts of one name."""
        return self.counts[:, self.names.index(name)]
