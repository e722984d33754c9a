"""Bad data as they come: gaps, lost packets, zeros, frozen values, spikes of all devices of a table, by the second.

The tests are those of windows (`samples`, `physics`). They look at whole seconds, with `reach` samples at each side,
when these have come; so what is said of a sample is the same however the stream was cut. What frequency and angle
differ by in quiet is followed for each device by small steps up and down (Ma, Muthukrishnan, Sandler, "Frugal Streaming
for Estimating Quantiles", LNCS 8066), so bad seconds move it by a step each, however bad they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from algorithms.columns import Columns
from algorithms.observations import Observations
from algorithms.quality.flags import F8, SETTLE, Bools, Fault, middle, moving_mean, spread, widened
from algorithms.quality.frequency import NOISE, OFTEN, odd
from algorithms.quality.physics import ACCURACY, FLOOR, LONE, Physics, alone, compare, stray, turns
from algorithms.quality.samples import frozen, zero_filled

I8 = NDArray[np.int64]
U4 = NDArray[np.uint32]
F4 = NDArray[np.float32]

HOLD = 0.5
"""Seconds; values that stay the same for longer are frozen, samples missing for longer a gap."""
BESIDE = 12
"""Samples at each side that the test of spikes looks at, at least."""
LEAP = 60
"""Seconds without any sample, after which nothing is looked at in between: all of it is a gap."""
LEARN, FIRST_LEARN = 0.02, 0.5
"""Step of the logarithm of what is usual, once it is known about; the k-th step is `FIRST_LEARN` over k, if more."""
READY = 20
"""Seconds after which it is known what is usual for a device."""
LONG_AGO = -(1 << 62)


class Bad(NamedTuple):
    """Samples of one device in one second (or a gap that none of which were looked at)."""

    device: int
    """Number"""
    kind: Fault
    start: int
    """First slot"""
    stop: int
    """Slot after the last one"""
    score: float
    """In multiples of its limit"""
    samples: int
    """How many of them are bad"""


@dataclass(frozen=True)
class Rows:
    """k slots (ascending) of m devices; NaN where there is nothing, or nothing valid."""

    slot: I8
    """[k]"""
    device: U4
    """[m] numbers, each once"""
    nominal: F8
    """[m] Hz"""
    frequency: F4
    """[k, m] Hz"""
    magnitude: F4
    """[k, m] of a voltage; NaN throughout where there is none"""
    angle: F4
    """[k, m] degrees"""


class Inspector:
    """Of one table. Slots are counted from 1970 on, so a multiple of the rate is a whole second."""

    def __init__(self, rate: int) -> None:
        """`rate`: slots per second."""
        self._rate, self._hold = rate, max(int(HOLD * rate), 2)
        self.reach = max(self._hold + 1, BESIDE)
        self._lag = self.reach + int(SETTLE * rate)
        self._columns = Columns()
        self._base = self._top = LONG_AGO
        """First slot that is kept: `reach` before the second that is to be looked at next. Newest slot."""
        self._kept = np.full((3, 0, self._lag + self.reach + 2 * rate), np.nan, np.float32)
        """[frequency, magnitude, angle; m, n] from `_base` on"""
        self._nominal = np.zeros(0)
        self._began = np.zeros(0, np.int64)
        """[m] slot of its first sample; nothing is missing before"""
        self._last = np.zeros(0, np.int64)
        """[m] slot of its last sample"""
        self._excused = np.zeros(0, np.int64)
        """[m] up to this slot nothing is missing"""
        self._usual = np.zeros(0)
        """[m] logarithm [Hz]"""
        self._learnt = np.zeros(0, np.int64)
        """[m] seconds"""

    def push(self, rows: Rows, late: bool = False) -> Iterator[Bad]:
        """Take slots; yields what is bad in the seconds that are complete now.

        Slots of seconds that were looked at are left out. Where all slots are much older, time went back, and it begins
        anew; unless they came `late`.
        """
        column = self._columns.of(rows.device)
        self._widen()
        self._nominal[column] = rows.nominal
        there = ~np.isnan(rows.frequency)
        at = int(np.searchsorted(rows.slot, self._base + self.reach)) if late else 0
        while at < rows.slot.size:
            yield from self._advance(int(rows.slot[at]))
            stop = int(np.searchsorted(rows.slot, self._base + self._kept.shape[2]))
            self._store(rows, slice(at, stop), column, there)
            at = stop
        yield from self.inspect()

    @property
    def looked(self) -> int | None:
        """Slot up to which all was looked at; None before the first one came."""
        return self._base + self.reach if self._base > LONG_AGO else None

    def excuse(self, devices: U4) -> None:
        """What these devices did not bring up to now is not missing, nor what they don't bring in the next second: they
        are kept away for another reason."""
        columns = [self._columns.get(device) for device in devices.tolist()]
        self._excused[[column for column in columns if column is not None]] = self._top + self._rate

    def dismiss(self, device: int) -> None:
        """A device is not of this table any more."""
        column = self._columns.get(device)
        if column is not None:
            self._began[column] = np.iinfo(np.int64).max

    def advance(self, slot: int) -> Iterator[Bad]:
        """Others have come so far: what is missing up to this slot is not on its way."""
        if slot > self._top > LONG_AGO:
            yield from self._advance(slot)
            yield from self.inspect()

    # ── the samples that are kept ───────────────────────────────────────────────────────────────────────────

    def _widen(self) -> None:
        more = len(self._columns) - self._nominal.size
        if not more:
            return
        self._kept = np.pad(self._kept, ((0, 0), (0, more), (0, 0)), constant_values=np.nan)
        for name, value in {
            "_nominal": 0, "_began": np.iinfo(np.int64).max, "_last": LONG_AGO, "_excused": LONG_AGO, "_usual": 0,
            "_learnt": 0,
        }.items():  # fmt: skip
            setattr(self, name, np.pad(getattr(self, name), (0, more), constant_values=value))

    def _advance(self, slot: int) -> Iterator[Bad]:
        """Make room for a slot."""
        if not -self._kept.shape[2] <= slot - self._base <= self._kept.shape[2] + LEAP * self._rate:
            if self._base > LONG_AGO:
                yield from self._leap(slot)
            self._base = slot // self._rate * self._rate - self.reach
            self._kept[:] = np.nan
        while slot >= self._base + self._kept.shape[2]:
            yield from self._second()
        self._top = max(self._top, slot)

    def _leap(self, slot: int) -> Iterator[Bad]:
        """Nothing came for long, or time went back: look at what there is, and begin anew."""
        while self._base + self.reach <= self._top:
            yield from self._second()
        for column in np.flatnonzero((self._began <= self._top) & (self._last + self._hold < slot)).tolist():
            first = max(int(self._last[column]) + 1, int(self._excused[column]) + 1)
            if slot - first > self._hold:
                gone = slot - first
                yield Bad(int(self._columns.numbers[column]), Fault.GAP, first, slot, gone / self._hold, gone)
        self._began[self._began <= self._top] = slot
        self._excused = np.minimum(self._excused, slot - 1)
        self._last, self._top = np.minimum(self._last, slot - 1), slot

    def _store(self, rows: Rows, some: slice, column: I8, there: Bools) -> None:
        at = rows.slot[some] - self._base - self.reach
        there = there[some]
        if (at < 0).any():  # of seconds that were looked at
            fresh = at >= 0
            at, there = at[fresh], there[fresh]
            some = slice(some.stop - at.size, some.stop)
        at = at + self.reach
        for kept, values in zip(self._kept, (rows.frequency, rows.magnitude, rows.angle), strict=True):
            cells = np.ix_(column, at)
            kept[cells] = np.where(there.T, values[some].T, kept[cells])
        if not at.size:
            return
        self._top = max(self._top, int(rows.slot[some.stop - 1]))
        slot = rows.slot[some][:, None]
        self._began[column] = np.minimum(self._began[column], np.where(there, slot, np.iinfo(np.int64).max).min(axis=0))
        self._last[column] = np.maximum(self._last[column], np.where(there, slot, LONG_AGO).max(axis=0))

    # ── seconds ─────────────────────────────────────────────────────────────────────────────────────────────

    def inspect(self) -> Iterator[Bad]:
        """The seconds that are complete."""
        while self._base > LONG_AGO and self._base + self.reach + self._rate + self._lag <= self._top:
            yield from self._second()

    def _second(self) -> Iterator[Bad]:
        """The oldest second that was not looked at."""
        first = self._base + self.reach
        kept = self._kept[:, :, : self._rate + 2 * self.reach].astype(np.float64)
        for kind, mask, score in self._tests(kept):
            mine = mask[:, self.reach : self.reach + self._rate]
            for column in np.flatnonzero(mine.any(axis=1)).tolist():
                at = first + np.flatnonzero(mine[column])
                device = int(self._columns.numbers[column])
                yield Bad(device, kind, int(at[0]), int(at[-1]) + 1, float(score[column]), at.size)
        self._kept[:, :, : -self._rate] = self._kept[:, :, self._rate :]
        self._kept[:, :, -self._rate :] = np.nan
        self._base += self._rate

    def _tests(self, kept: F8) -> Iterator[tuple[Fault, Bools, F8]]:
        """(kind, [m, n] where, [m] score) of each."""
        frequency, magnitude, angle = kept
        slot = self._base + np.arange(kept.shape[2])
        gone = np.isnan(frequency) & (slot >= self._began[:, None]) & (slot > self._excused[:, None])
        zero = zero_filled(frequency, magnitude, angle, self._nominal[:, None])
        still = widened(frozen(frequency, magnitude, angle, self._hold), self._hold, 0) & ~zero
        still &= ~np.isnan(frequency)
        begun = ~widened(~gone, self._hold, 0)
        begun[:, -self._hold :] = False
        gap = widened(begun, 0, self._hold) & gone
        lost = gone & ~gap
        yield Fault.GAP, gap, np.maximum(self._length(gap), 1.0)
        yield Fault.PACKET_LOSS, lost, self._count(lost)
        yield Fault.ZERO_FILL, zero, self._count(zero)
        yield Fault.FROZEN, still, np.maximum(self._length(still), 1.0)
        hole = zero | still
        yield (Fault.SPIKES, *self._spikes(*(np.where(hole, np.nan, x) for x in (frequency, np.radians(angle)))))

    def _count(self, mask: Bools) -> F8:
        """[m] of the second."""
        count: F8 = np.count_nonzero(mask[:, self.reach : self.reach + self._rate], axis=1).astype(np.float64)
        return count

    def _length(self, mask: Bools) -> F8:
        """[m] the same over the samples that may be so."""
        return self._count(mask) / self._hold

    def _spikes(self, frequency: F8, angle: F8) -> tuple[Bools, F8]:
        """([m, n] where the frequency of one device is off for a sample or few and its angle is not, [m] score)"""
        frequency = frequency - self._nominal[:, None]
        far = self._far(frequency, angle)
        limit = np.maximum(LONE * np.exp(self._usual), ACCURACY)
        found, score = np.zeros(frequency.shape, dtype=bool), np.zeros(limit.size)
        some = np.flatnonzero((far.max(axis=1, initial=0.0) > limit) & (self._learnt >= READY))
        if some.size:
            none, place = np.full((some.size, frequency.shape[1]), np.nan), np.full(some.size, np.nan)
            seen = Observations(self._rate, frequency[some], none, angle[some], none, none, place, place, 0.0)
            physics = replace(compare(seen), usual=np.exp(self._usual[some]))
            found[some] = stray(physics) & ~self._noisy(physics)
            found = alone(found)
            score[some] = np.where(found[some], np.abs(physics.lone_off), 0.0).max(axis=1) / limit[some]
        self._learn(far)
        return found, score

    def _noisy(self, physics: Physics) -> Bools:
        """[m, n] where so much is off that no sample is alone."""
        off = np.abs(physics.lone_off) > NOISE * physics.usual[:, None]
        half = self._rate // 2
        often = np.nan_to_num(moving_mean(off.astype(np.float64), odd(half))) > OFTEN
        return widened(often, half, half)

    def _far(self, frequency: F8, angle: F8) -> F8:
        """[m, k] Hz, of the second: how far what frequency and angle differ by is from its median.

        Of a device without angles, the frequency from the median of its neighbours.
        """
        turn = turns(angle)
        off = frequency[:, 1:-1] - (turn[:, 1:-1] + turn[:, 2:]) * self._rate / (4.0 * np.pi)
        blind = np.isnan(angle).all(axis=1)
        if blind.any():
            low, high = np.fmin(frequency[:, :-2], frequency[:, 2:]), np.fmax(frequency[:, :-2], frequency[:, 2:])
            own = frequency[:, 1:-1]
            off[blind] = (own - np.maximum(low, np.minimum(own, high)))[blind]
        off = off[:, self.reach - 1 : self.reach - 1 + self._rate]
        return np.asarray(np.abs(off - middle(off.T)[:, None]))

    def _learn(self, far: F8) -> None:
        """Step towards the spread of this second, with those devices of which most of it is there."""
        most = np.count_nonzero(~np.isnan(far), axis=1) > self._rate // 2
        now = np.log(np.maximum(spread(far), FLOOR))
        self._learnt += most
        step = np.maximum(LEARN, FIRST_LEARN / np.maximum(self._learnt, 1))
        step = np.where(self._learnt == 1, np.abs(now - self._usual), step)
        self._usual += np.where(most, np.clip(now - self._usual, -step, step), 0.0)
