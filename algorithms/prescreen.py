"""Pre-screen: which devices just left their own quiet ways? Cheap, slot by slot, for all devices of a table at once.

1. A lone sample that sticks out is put in line: a value is the median of itself and its two neighbours.
2. The change between two means over 0.2 s, 0.2 s apart: what the algorithm `emd` looks at in the fast modes. A loss of
   power changes the slope at once (df/dt = f dP / 2H [Kundur1994, 3.9]), a tripped line or a fault the level.
3. What is usual is the median of the peaks in blocks of a second, of each device. It is followed by small steps up and
   down [Ma2013], so bad seconds move it by a step each, however bad they are.
4. A device alarms when a change is so many times its usual peak; for a while after that it does not alarm again.
5. Tails count. The limit is also so much above the peak that one block in an hour exceeds, and every alarm raises it a
   little, which two days undo (quantiles followed by steps again, with given odds [Robbins1951]). A normal walk has
   the same limit by 4 and 5; a device whose steps have heavy tails has a higher one, and after some days at most an
   alarm in two days, whatever its tails are.
6. Lone jumps have to be twice as much: changes of which little is left without their largest step between two samples.
   Machines have inertia: what a grid does goes on for a while, and swings.

The state are arrays over the devices. What a slot brings follows from the slots before it, however they are cut into
calls. A device is blind, that is, it neither alarms nor learns, while a gap longer than `HELD` is in reach.

[Kundur1994] Power System Stability and Control. [Ma2013] Ma, Muthukrishnan, Sandler, "Frugal Streaming for Estimating
Quantiles", in LNCS 8066. [Robbins1951] Robbins, Monro, "A Stochastic Approximation Method", Ann. Math. Stat. 22.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

BLOCK = 1.0
"""Seconds; one peak is taken of each."""
HELD = 0.5
"""Seconds; a shorter gap is bridged with the median before it, so that what came meanwhile is a lone jump."""
LEARN = 0.01
"""Step of the logarithm of a usual peak, once it is known about: it follows a factor of e in 100 blocks."""
FIRST_LEARN = 0.5
"""The k-th step is this over k, if that is more."""
REST = 0.4
"""Of the limit: a change that is less without its largest step is a lone jump."""
JUMP = 2.0
"""Limits that a lone jump has to be."""
NEAR = 1.4
"""The limit over the peak that one block in so many (`RARE`) exceeds, if that is more."""
RARE, STEP = 3600, 0.05
"""STEP: of the logarithm, with each such block."""
RAISE = 0.22
"""Of the logarithm of the limit, with each alarm: a quarter more."""
FADE = 2 * 86400.0
"""Seconds in which one such raise fades."""
LONG_AGO = -(1 << 62)


@dataclass(frozen=True)
class Limits:
    """What is much. A shorter mean alarms at the steps of near loads, longer ones see no more (`early_alarm`)."""

    limit: float = 3.5
    """Change in multiples of the usual peak."""
    mean: float = 0.2
    """Seconds of each of the two means, and of the pause between them."""
    floor: float = 0.001
    """A usual peak below this counts as this (Hz: resolution and noise of a device)."""
    hold: float = 30.0
    """Seconds from an alarm of a device to its next."""
    ready: int = 60
    """Blocks after which the usual peak of a device is known."""


class Alarm(NamedTuple):
    """A device left its quiet ways."""

    slot: int
    column: int
    score: float
    """Its change over its limit, above 1."""


class Prescreen:
    """See the module. Devices are columns [m], as many as `widen` was told."""

    def __init__(self, rate: float, limits: Limits) -> None:
        """`rate`: slots per second."""
        self._limits, self.top = limits, LONG_AGO
        self._mean = max(1, round(limits.mean * rate))
        self._block = max(1, round(BLOCK * rate))
        self._held, self._hold = round(HELD * rate), round(limits.hold * rate)
        self._weights = np.convolve(np.ones(self._mean), np.ones(2 * self._mean))[:, None] / self._mean
        """[3 mean - 1, 1] What a step between two samples counts for in a change."""
        self.reach = 3 * self._mean + 2
        """Slots whose values a change follows from; two more for the median."""
        self._count = 0
        self._sums = np.zeros((self.reach, 0))
        """[reach, m] running sums of the values, a ring"""
        self._two = np.zeros((2, 0))
        """[2, m] the values before"""
        self._level = np.zeros(0)
        """[m] the last median"""
        self._gap = np.zeros(0, np.int64)
        """[m] slots since the last value"""
        self._blind = np.zeros(0, np.int64)
        """[m] slot from which on the changes are a device's own"""
        self._free = np.zeros(0, np.int64)
        """[m] slot from which on it may alarm"""
        self._peak, self._usual = np.zeros(0), np.zeros(0)
        """[m] largest change of this block; the logarithm of the usual one"""
        self._blocks = np.zeros(0, np.int64)
        """[m] blocks that were learned from"""
        self._most = np.zeros(0)
        """[m] changes above it are too much; infinite until it is known what is usual"""
        self._tail, self._raised = np.zeros(0), np.zeros(0)
        """[m] what rare peaks, and alarms, add to the logarithm of the limit"""
        self.far = np.zeros(0)
        """[m] largest change since the last alarm, over the limit; followed for a block after an alarm of any device"""
        self._follow_until = self._blind_until = LONG_AGO
        """Of all devices."""

    def widen(self, columns: int) -> None:
        """Make room for so many devices; new ones are blind until they are heard."""
        more = columns - self._gap.size
        if more <= 0:
            return

        def add(before: NDArray[np.int64] | F8, value: float) -> NDArray[np.int64] | F8:
            new = np.full((*before.shape[:-1], more), value, before.dtype)
            return np.concatenate([before, new], axis=-1)

        for name, value in {
            "_sums": 0, "_two": 0, "_level": 0, "_gap": self._held, "_blind": self.top + self.reach, "_free": LONG_AGO,
            "_peak": 0, "_usual": 0, "_blocks": 0, "_most": np.inf,
            "_tail": 0, "_raised": 0, "far": 0,
        }.items():  # fmt: skip
            setattr(self, name, add(getattr(self, name), value))
        self._blind_until = self.top + self.reach

    def push(self, slot: I8, column: I8, values: F4) -> Iterator[Alarm]:
        """Take slots [k] (ascending) of some columns [m], values [k, m], NaN = missing. Slots up to the newest one
        that came before are left out.
        """
        whole = column.size == self._gap.size and bool((column[1:] > column[:-1]).all())
        for at in range(int(np.searchsorted(slot, self.top, "right")), slot.size):
            row: F8 = values[at].astype(np.float64)
            if not whole:
                row, some = np.full(self._gap.size, np.nan), row
                row[column] = some
            yield from self._slot(int(slot[at]), row)

    def hold(self, column: int, slot: int) -> None:
        """As if a device had alarmed at this slot."""
        self._free[column] = max(self._free[column], slot + self._hold)
        self._raised[column] += RAISE
        self._follow_until = slot + self._block

    @property
    def watched(self) -> int:
        """Devices that would alarm now: it is known what is usual, and no gap is in reach."""
        return int(((self._most < np.inf) & (self._blind <= self.top)).sum())

    def _slot(self, slot: int, row: F8) -> Iterator[Alarm]:
        leap, before = slot - self.top - 1, self.top
        if leap > self._held:
            self._be_blind(np.ones(row.size, bool), slot)
        else:
            for missing in range(before + 1, slot):
                yield from self._slot(missing, np.full(row.size, np.nan))
            before = slot - 1
        self.top = slot
        if slot // self._block != before // self._block:
            self._learn(slot)
        self._take(row, slot)
        change = self._change()
        if slot < self._blind_until:
            change[slot < self._blind] = 0.0
        np.maximum(self._peak, change, out=self._peak)
        if (change > self._most).any():
            yield from self._alarms(slot, change)
        if slot < self._follow_until:
            np.maximum(self.far, change / self._most, out=self.far)

    def _take(self, row: F8, slot: int) -> None:
        """Add a value, or the level before it in a short gap, to the sums."""
        there = np.isfinite(row)
        if there.all():
            self._gap[:] = 0
        else:
            self._gap = np.where(there, 0, self._gap + 1)
            row = np.where(there, row, self._level)
            self._be_blind(self._gap > self._held, slot)
        low, high = np.minimum(self._two[0], self._two[1]), np.maximum(self._two[0], self._two[1])
        self._two[0], self._two[1] = self._two[1], row
        self._level = np.maximum(low, np.minimum(high, row))
        last = self._sums[self._count % self.reach]
        self._count += 1
        np.add(last, self._level, out=self._sums[self._count % self.reach])

    def _be_blind(self, which: NDArray[np.bool_], slot: int) -> None:
        self._blind[which] = slot + self.reach
        if which.any():
            self._blind_until = slot + self.reach

    def _change(self) -> F8:
        """[m] between the two means."""
        a, b, c, d = (self._sums[(self._count - each * self._mean) % self.reach] for each in range(4))
        return np.asarray(np.abs(a - b - c + d) / self._mean)

    def _alarms(self, slot: int, change: F8) -> Iterator[Alarm]:
        columns = np.flatnonzero((change > self._most) & (slot >= self._free))
        score = change[columns] / self._most[columns]
        rest = score - self._largest_step(columns) / self._most[columns]
        alarm = (rest > REST) | (score > JUMP)
        for column, much in zip(columns[alarm].tolist(), score[alarm].tolist(), strict=True):
            self.hold(column, slot)
            self.far[column] = much
            yield Alarm(slot, column, much)

    def _largest_step(self, columns: I8) -> F8:
        """[n] What the largest step between two samples counts for in the changes of some columns."""
        reach = (self._count - 3 * self._mean + np.arange(3 * self._mean + 1)) % self.reach
        steps = self._weights * np.diff(self._sums[np.ix_(reach, columns)], 2, axis=0)
        return np.asarray((steps * np.sign(steps.sum(axis=0))).max(axis=0))

    def _learn(self, slot: int) -> None:
        """A block ended: step towards its peaks, with those devices that saw the second half of it at least."""
        self._sums -= self._sums[self._count % self.reach]  # sums stay small, and so does their rounding
        seen = self._blind + self._block // 2 <= slot
        self._blocks += seen
        step = np.maximum(LEARN, FIRST_LEARN / np.maximum(1, self._blocks)) * seen
        peak = np.log(np.maximum(self._peak, self._limits.floor))
        near = np.where(self._peak * NEAR > self._most, STEP, -STEP / RARE)
        self._tail = np.maximum(self._tail + near * (seen & (self._free <= slot)), 0.0)
        self._raised = np.maximum(self._raised - RAISE * BLOCK / FADE, 0.0)
        self._usual += np.where(self._blocks == 1, (peak - self._usual) * seen, step * np.sign(peak - self._usual))
        known = self._blocks >= self._limits.ready
        limit = self._limits.limit * np.exp(self._usual + self._tail + self._raised)
        self._most = np.where(known, limit, np.inf)
        self._peak[:] = 0.0
