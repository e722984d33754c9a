"""Whose rows may be aligned: devices with wrong clocks are kept away, and lead no frontier astray."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from algorithms.alignment import Aligner
from algorithms.clockwatch import ClockWatch
from protocol import clock
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import STATIONS_PER_LINK, STATIONS_PER_SPECTRUM, Table

JUDGE_EVERY = 200 * MILLISECOND
CUT = 120 * SECOND
"""What waited behind a line that was cut for a minute comes within so long: TCP tries again ever later."""


class Clocks:
    """Those of all devices of a concentrator."""

    def __init__(self, early: int, limit: int, aligners: Mapping[Table, Aligner], counters: dict[str, int]) -> None:
        """`early` ns that a row may be, whoever sends it; `limit` ns that a device may steadily be off; `counters` with
        `rewinds`."""
        self.watch = ClockWatch(limit, group=_spectrum)
        self.kept_away: dict[int, int] = {}
        """Device -> rows kept away from alignment for its clock."""
        self._clock, self._aligners, self._counters = early, aligners, counters
        self._judge_at = 0
        self._middles: deque[tuple[int, int]] = deque()
        """(monotonic ns, delay of the median device) of the latest judgements."""

    def fit(
        self, device: NDArray[np.uint32], delay: NDArray[np.int64], now: Now
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """(how far each row is from the median device [ns], whether it may be aligned)."""
        watch, limit = self.watch, self._clock
        known = watch.devices.size
        column = watch.push(device, delay, now.monotonic)
        off = watch.off(column, delay)
        due = now.monotonic >= self._judge_at or watch.devices.size > known
        if due or 2 * np.count_nonzero(np.abs(off) > limit) > off.size:
            self._judge(now)
            off = watch.off(column, delay)
        fit: NDArray[np.bool_] = ~watch.marked[column] & (off >= -limit)
        for number in device[~fit].tolist():
            self.kept_away[number] = self.kept_away.get(number, 0) + 1
        return off, fit

    def _judge(self, now: Now) -> None:
        self._judge_at = now.monotonic + JUDGE_EVERY
        for device in self.watch.judge(now.monotonic).tolist():
            marked = device in self.marked
            for aligner in self._aligners.values():
                aligner.exclude(device, marked)
        if self.watch.middle is not None:
            self._middles.append((now.monotonic, self.watch.middle))
            while self._middles[0][0] < now.monotonic - CUT:
                self._middles.popleft()
            self._rewind(now.utc - min(middle for _, middle in self._middles))

    @property
    def marked(self) -> set[int]:
        """Devices whose clock is steadily off."""
        return set(self.watch.devices[self.watch.marked].tolist())

    def _rewind(self, here: int) -> None:
        """A wrong clock that was alone at first may have led a frontier away from where the others are.

        Not so after a cut: most rows are old then, and the few that are new lead rightly. `here` is by the least delay
        of the median device in `CUT`.
        """
        for table, aligner in self._aligners.items():
            if table.spectrum:
                continue  # nobody knows how late they are by nature
            ahead = clock.slot_of(here + 2 * self._clock, table.rate)
            if aligner.frontier > ahead:
                aligner.rewind(clock.slot_of(here - self._clock, table.rate))
                self._counters["rewinds"] += 1


def _spectrum(device: NDArray[np.uint32]) -> NDArray[np.int64]:
    """[n] which spectrum the rows of devices [n] are: those of a whole second come later than the others."""
    return (device % STATIONS_PER_LINK // STATIONS_PER_SPECTRUM).astype(np.int64)
