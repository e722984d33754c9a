"""Values against limits, with deadband and delays (the deadbands and on- and off-delays of ANSI/ISA-18.2, 16.5).

A point is one value that is watched. It has up to four limits, each of which is crossed or not:

    crossed      when the value was at or beyond it for `delay`, without one that was not
    not crossed  when the value was back by more than `deadband` for `hold`

What is missing (NaN) says nothing: it neither crosses a limit nor takes that back. After a gap longer than `stale` both
delays begin anew, and a point that is beyond a limit is stale as long as the gap goes on. Time is that of the data, and
what comes of it does not depend on the pieces in which it comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

LOW_LOW, LOW, HIGH, HIGH_HIGH = range(4)
SIGN = np.array([-1.0, -1.0, 1.0, 1.0])
RANK = np.array([-2, -1, 1, 2])
"""Level of a point that is beyond this limit and no further one."""
NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Bounds:
    """Of n points."""

    at: F8
    """[n, 4] limits, in the order of the constants; NaN = there is none"""
    deadband: F8
    """[n] in the unit of the limits"""
    delay: I8
    """[n] ns"""
    hold: I8
    """[n] ns"""
    stale: I8
    """[n] ns"""


class Change(NamedTuple):
    """What became of a point."""

    time: int
    """ns UTC"""
    point: int
    level: int
    """-2 … 2: beyond low_low, beyond low, within, beyond high, beyond high_high"""
    value: float
    """The last one that there was."""
    stale: bool


class State(NamedTuple):
    """All that is to be known of a point that is, or may soon be, beyond a limit, or back."""

    on: list[bool]
    """[4] which limits are crossed"""
    since: list[int]
    """[4] from when on the opposite has held; NEVER = it does not"""
    seen: int
    """Time of the last value."""
    stale: bool
    value: float


class Watch:
    """n points. `push` values in order of time."""

    def __init__(self, bounds: Bounds) -> None:
        n = len(bounds.deadband)
        self.bounds = bounds
        self._over = SIGN * bounds.at
        self._back = self._over - bounds.deadband[:, None]
        self._wait = np.stack([bounds.delay, bounds.hold])
        self.on = np.zeros((n, 4), np.bool_)
        self.since = np.full((n, 4), NEVER)
        self.seen = np.full(n, NEVER)
        self.stale = np.zeros(n, np.bool_)
        self.value = np.full(n, np.nan)

    @property
    def level(self) -> NDArray[np.int64]:
        """[n] as in `Change`."""
        return _levels(self.on)

    @property
    def busy(self) -> NDArray[np.intp]:
        """Points that have a `State` worth keeping."""
        return np.flatnonzero(self.on.any(axis=1) | (self.since != NEVER).any(axis=1))

    def state(self, point: int) -> State:
        """Of one point."""
        return State(
            self.on[point].tolist(), self.since[point].tolist(), int(self.seen[point]), bool(self.stale[point]),
            float(self.value[point]),
        )  # fmt: skip

    def resume(self, point: int, state: State) -> None:
        """Go on from the state of an earlier life. A limit that is no more is not crossed."""
        there = ~np.isnan(self.bounds.at[point])
        self.on[point] = np.array(state.on, np.bool_) & there
        self.since[point] = np.where(there, np.array(state.since, np.int64), NEVER)
        self.seen[point], self.stale[point], self.value[point] = state.seen, state.stale, state.value

    def rewind(self) -> None:
        """Time begins anew, before what it was: delays do, too."""
        self.since[:] = NEVER
        self.seen[:] = NEVER

    def push(self, time: I8, values: F8) -> list[Change]:
        """Values [k, n] at times [k], ascending and later than all before; what changed, in order of time."""
        beyond = (SIGN * values[..., None] >= self._over).any(axis=(0, 2))
        active = beyond | self.on.any(axis=1) | (self.since != NEVER).any(axis=1)
        self._note(time, values, np.flatnonzero(~active))
        points = np.flatnonzero(active)
        if not points.size:
            return []
        some = values[:, points]
        return [change for at, row in zip(time.tolist(), some, strict=True) for change in self._step(at, points, row)]

    def _note(self, time: I8, values: F8, points: NDArray[np.intp]) -> None:
        """The last values of points that are within their limits."""
        there = ~np.isnan(values[:, points])
        any_, last = there.any(axis=0), len(time) - 1 - there[::-1].argmax(axis=0)
        which, last = points[any_], last[any_]
        self.seen[which], self.value[which] = time[last], values[last, which]

    def _step(self, time: int, points: NDArray[np.intp], values: F8) -> Iterator[Change]:
        """One moment of some points."""
        there = ~np.isnan(values)
        on, since, seen = self.on[points], self.since[points], self.seen[points]
        before, stale = _levels(on), self.stale[points]
        quiet = np.where(seen == NEVER, 0, time - np.where(seen == NEVER, 0, seen)) > self.bounds.stale[points]
        since[there & quiet] = NEVER
        signed = SIGN * values[:, None]
        against = np.where(on, signed < self._back[points], signed >= self._over[points])
        since = np.where(against, np.where(since == NEVER, time, since), np.where(there[:, None], NEVER, since))
        wait = np.where(on, self._wait[1, points][:, None], self._wait[0, points][:, None])
        turned = against & (time - np.where(against, since, time) >= wait)
        on ^= turned
        since[turned] = NEVER
        self.on[points], self.since[points] = on, since
        self.seen[points] = np.where(there, time, seen)
        self.value[points] = np.where(there, values, self.value[points])
        after = _levels(on)
        self.stale[points] = now = ~there & quiet & (after != 0)
        for at in np.flatnonzero((after != before) | (now != stale)).tolist():
            yield self._change(time, int(points[at]))

    def age(self, time: int) -> list[Change]:
        """No values came up to `time`: points that are stale by that."""
        old = self.on.any(axis=1) & ~self.stale & (self.seen != NEVER)
        old &= np.where(old, time - np.where(old, self.seen, 0), 0) > self.bounds.stale
        self.stale |= old
        return [self._change(time, point) for point in np.flatnonzero(old).tolist()]

    def _change(self, time: int, point: int) -> Change:
        level = int(_levels(self.on[point : point + 1])[0])
        return Change(time, point, level, float(self.value[point]), bool(self.stale[point]))


def _levels(on: NDArray[np.bool_]) -> I8:
    """[n] The furthest limit that is crossed."""
    rank = np.where(on, RANK, 0)
    low, high = rank.min(axis=1), rank.max(axis=1)
    level: I8 = np.where(high > 0, high, low)
    return level
