"""The angle between the voltages of two devices, against a limit. Their rows may stand in different tables."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from algorithms.limits import Bounds, Change, State, Watch
from algorithms.polar import wrapped
from algorithms.quantities import ANGLE, Plan, Sources, reduce
from nodes._limitpoints import usable
from nodes._limitsettings import Limit
from nodes._sources import sources_of
from protocol.clock import SECOND
from protocol.messages import Configuration, Snapshots, Table

HELD = 10 * SECOND
"""One device's angles wait so long for those of the other."""
UNSYNCHRONISED = np.uint16(0x2000)
"""STAT bit 13: the angle says nothing."""
NOWHERE = np.iinfo(np.int64).min
I8 = NDArray[np.int64]
F8 = NDArray[np.float64]


class Pair:
    """Of one limit."""

    def __init__(self, limit: Limit, state: State | None = None) -> None:
        assert limit.between is not None
        self.limit = limit
        one = np.ones(1, np.int64)
        self.watch = Watch(Bounds(np.array([limit.at]), np.array([limit.deadband]), limit.delay * one,
                                  limit.hold * one, limit.stale * one))  # fmt: skip
        if state is not None:
            self.watch.resume(0, state)
        self._names = limit.between
        self._who: list[tuple[int, Plan, Table] | None] = [None, None]
        """Device, how its angle follows, and the table of its rows."""
        self._waiting: list[tuple[I8, F8]] = [(np.zeros(0, np.int64), np.zeros(0)) for _ in range(2)]
        self._done = NOWHERE

    def configure(self, word: Configuration) -> None:
        """What a device's rows mean from now on. Spectra are not meant; of several of a name it is the first."""
        if Table(*word.table).spectrum:
            return
        for side, name in enumerate(self._names):
            known = self._who[side]
            if name in (word.name, word.link) and (known is None or word.device <= known[0]):
                self._who[side] = word.device, Plan.of([sources_of(word) or Sources()]), Table(*word.table)

    def take(self, word: Snapshots, time: I8, fresh: slice) -> list[Change]:
        """Slots at times [k] ns, of which some are new."""
        for side, who in enumerate(self._who):
            if who is not None and who[2] == Table(*word.table) and who[0] in word.device:
                place = int(np.flatnonzero(word.device == who[0])[0])
                angle = reduce(word.values[:, place : place + 1], who[1])[:, 0, ANGLE].astype(np.float64)
                angle[~usable(word)[:, place] | (word.status[:, place] & UNSYNCHRONISED != 0)] = np.nan
                before, angles = self._waiting[side]
                if before.size and time[fresh][0] <= before[-1]:  # slots went back: what waits is of a wrong clock
                    before, angles, self._done = before[:0], angles[:0], NOWHERE
                    self.watch.rewind()
                self._waiting[side] = np.append(before, time[fresh]), np.append(angles, angle[fresh])
        return self._both()

    def _both(self) -> list[Change]:
        """Instants that both have told."""
        (one, mine), (other, theirs) = self._waiting
        both, left, right = np.intersect1d(one, other, assume_unique=True, return_indices=True)
        if both.size:
            self._done = int(both[-1])
        for side, (time, angle) in enumerate(self._waiting):
            later = time > max(self._done, int(time[-1]) - HELD if time.size else NOWHERE)
            self._waiting[side] = time[later], angle[later]
        if not both.size:
            return []
        return self.watch.push(both, np.abs(wrapped(mine[left] - theirs[right]))[:, None])
