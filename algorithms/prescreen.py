"""Pre-screen: which devices just left their own quiet ways? Cheap, slot by slot, for all devices of a table at once.

1. A lone sample that sticks out is put in line: a value is the median of itself and its two neighbours.
2. The change between two means over 0.2 s, 0.2 s apart: what the algorithm `emd` looks at in the fast modes. A loss of
   power changes the slope at once (df/dt = f dP / 2H [Kundur1994, 3.9]), a tripped line or a fault the level.
3. What is usual is the median of the peaks in blocks of a second, of each device. It is followed by small steps up and
   down [Ma2013], so bad seconds move it by a step each, however bad they are.
4. A device alarms when a change is so many times its usual peak; for a while after that it does not alarm again.

The state are arrays over the devices. What a slot brings follows from the slots before it, however they are cut into
calls. A device is blind, that is, it neither alarms nor learns, while a gap longer than `HELD` is in reach.

[Kundur1994] Power System Stability and Control. [Ma2013] Ma, Muthukrishnan, Sandler, "Frugal Streaming for Estimating
Quantiles", in LNCS 8066.
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
HELD = 0.1
"""Seconds; a shorter gap is bridged with the median before it."""
LEARN = 0.01
"""Step of the logarithm of a usual peak, once it is known about: it follows a factor of e in 100 blocks."""
FIRST_LEARN = 0.5
"""The k-th step is this over k, if that is more."""
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
        self._blind_until = LONG_AGO
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

    def _slot(self, slot: int, row: F8) -> Iterator[Alarm]:
        leap, before = slot - self.top - 1, self.top
        if leap > self._held:
            self._be_blind(np.ones(row.size, bool), slot)
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
        score = change / self._most
        for column in np.flatnonzero((score > 1.0) & (slot >= self._free)).tolist():
            self.hold(column, slot)
            yield Alarm(slot, column, float(score[column]))

    def _learn(self, slot: int) -> None:
        """A block ended: step towards its peaks, with those devices that saw all of it."""
        self._sums -= self._sums[self._count % self.reach]  # sums stay small, and so does their rounding
        seen = self._blind + self._block <= slot
        self._blocks += seen
        step = np.maximum(LEARN, FIRST_LEARN / np.maximum(1, self._blocks)) * seen
        peak = np.log(np.maximum(self._peak, self._limits.floor))
        self._usual += np.where(self._blocks == 1, (peak - self._usual) * seen, step * np.sign(peak - self._usual))
        known = self._blocks >= self._limits.ready
        self._most = np.where(known, self._limits.limit * np.exp(self._usual), np.inf)
        self._peak[:] = 0.0
