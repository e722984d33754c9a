"""Rows go on as they come, each once: what C37.244-2013 calls data aggregation without time alignment."""

from __future__ import annotations

import numpy as np

from algorithms.alignment import I8, Aligner, Instant, Released, gathered, one_of_all
from algorithms.slotring import NOTHING_YET, Rows

SEEN = 1024
"""Slots back from its newest one of which a device's second row is known as a duplicate."""


class PassThrough(Aligner):
    """What an aligner is without waiting. The first rows of a slot are its release, all others come late, as they would
    with an aligner; nothing is missing, and no row counts as late."""

    def __init__(self, channels: int, digitals: int) -> None:
        super().__init__(channels, digitals, lambda slot: slot, 0, depth=1)
        self._seen = np.full((SEEN, 0), NOTHING_YET, dtype=np.int64)
        self._rows: list[Rows] = []

    def push(self, rows: Rows, now: Instant, start: I8 | None = None) -> None:
        """Rows that go on with the next `release`."""
        column = self._columns.of(rows.device)
        self._widen()
        self.heard[column] = np.maximum(self.heard[column], now.monotonic)
        self._count("received", column)
        more = len(self._columns) - self._seen.shape[1]
        if more:
            self._seen = np.concatenate([self._seen, np.full((SEEN, more), NOTHING_YET, np.int64)], axis=1)
        at = rows.slot % SEEN
        again = (self._seen[at, column] == rows.slot) | ~one_of_all(rows.slot, column)
        self._count("duplicate", column[again])
        self._seen[at[~again], column[~again]] = rows.slot[~again]
        self._rows.append(rows.take(~again))

    def release(self, now: Instant, everything: bool = False, overdue: bool = True) -> list[Released]:
        """All that came, slot by slot; rows of slots that were released go to `take_late`."""
        done: list[Released] = []
        for rows in self._rows:
            fresh = rows.slot > self.frontier
            if not fresh.all():
                self._late.append(rows.take(~fresh))
            for slot in np.unique(rows.slot[fresh]).tolist():
                done.append(gathered(rows.take(rows.slot == slot)))
                self.frontier = slot
        self._rows = []
        return done

    def take_late(self, oldest: int) -> Released | None:
        """Rows of slots that had been released, however old."""
        return super().take_late(NOTHING_YET)

    def rewind(self, slot: int) -> None:
        """The frontier was led astray: go on after `slot`."""
        self.frontier = min(self.frontier, slot)
