"""Slots of several tables put together to the instants of one output stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nodes._outstream import Part
from protocol import clock
from protocol.c37118 import StationRows
from protocol.c37118.conversion import ABSENT
from protocol.clock import SECOND, Now
from protocol.messages import Snapshots, Table

NOT_THERE = ABSENT << 14
"""STAT of a station without a row: in 2011 "absent data", in 2005 "data invalid"."""
PMU_TQ = np.uint16(0x01C0)
_PMU_TQ = np.array([0, 1, 1, 1, 2, 3, 4, 5, 6, 7, 7, 7, 0, 0, 0, 7], np.uint16) << 6
"""MSG_TQ (error below 1 ns, 10 ns … 10 s, clock failed) as PMU_TQ (below 100 ns, 1 us … 10 ms, more)."""
RESERVED_2005 = np.uint16(0x03C0)
KEPT = 4096
"""Instants that wait at most; of more the oldest goes as it is."""
AHEAD = 5 * SECOND
"""What is measured later than this from now has a wrong clock: it must not keep the others from being told."""
COUNTS = ("late", "between", "before", "ahead")
"""Rows that are not told: their instant has gone out, is not on the stream's grid, was before the stream began, is in
the future."""


@dataclass
class _Waiting:
    """An instant that is being put together."""

    since: int
    """Monotonic ns when its first rows came."""
    rows: list[tuple[int, NDArray[np.intp], NDArray[np.intp], Snapshots, int]] = field(default_factory=list)
    """(part, positions in it, where these are in the snapshots, snapshots, which slot)"""


@dataclass(frozen=True)
class Ready:
    """n instants that are complete, or have waited long enough."""

    time: NDArray[np.int64]
    """[n] ns UTC"""
    quality: NDArray[np.uint8]
    """[n] the worst time quality of all devices; leap second bits of any."""
    rows: list[StationRows]
    """Of each part: status [n, m], values [n, m, c], digital [n, m, d]. Who is not there is NaN."""

    def behind(self, first: int) -> Ready:
        """Without the first so many."""
        rows = [StationRows(each.status[first:], each.values[first:], each.digital[first:]) for each in self.rows]
        return Ready(self.time[first:], self.quality[first:], rows)


def on_grid(time: Any, rate: int) -> Any:
    """Whether instants [ns] are slots of a rate; an int or an array."""
    return clock.slot_time(clock.slot_of(time, rate), rate) == time


class Slots:
    """Of one layout. A slot of each table comes once from each concentrator, in order."""

    def __init__(self, parts: Sequence[Part], rate: int, version: int, wait: int, begin: int, origin: int = 0) -> None:
        """`version`: of SYNC, 1 = the edition of 2005. Instants before `begin` [ns UTC] are over, those
        before `origin` were never to be told; an instant waits `wait` [ns] for the other tables."""
        self.parts, self.rate, self.version, self.wait = list(parts), rate, version, wait
        self.counts = dict.fromkeys(COUNTS, 0)
        self._pace = {part.table: part.pace for part in self.parts}
        """Table -> DATA_RATE of the rows that come; where they are converted, the stream's."""
        self.muted: set[int] = set()
        """Devices whose rows mean something else than the layout says: they are told as absent."""
        self._next, self._origin = int(clock.slot_of(begin, rate)), int(clock.slot_of(origin, rate))
        self._waiting: dict[int, _Waiting] = {}
        self._reached: dict[Table, dict[str, int]] = {part.table: {} for part in self.parts}
        """Table -> concentrator -> the last instant that it has released."""
        self._found: dict[tuple[int, bytes], tuple[NDArray[np.intp], NDArray[np.intp]]] = {}

    def __len__(self) -> int:
        """Instants that wait."""
        return len(self._waiting)

    @property
    def end(self) -> int:
        """ns UTC: all before it has gone out."""
        return int(clock.slot_time(self._next, self.rate))

    def mute(self, device: int) -> None:
        """From now on its rows mean something else."""
        self.muted.add(device)
        self._found.clear()

    def add(self, word: Snapshots, now: Now) -> None:
        """Slots of one table."""
        table = Table(*word.table)
        mine = [k for k, part in enumerate(self.parts) if part.table == table]
        if not mine or not word.slot.size:
            return
        self._look_at_clock(now)
        time = clock.slot_time(word.slot, self._pace[table])
        place, fits = clock.slot_of(time, self.rate), on_grid(time, self.rate)
        found = [(k, *self._find(k, word.device)) for k in mine]
        for row, (at, told, when) in enumerate(zip(place.tolist(), fits.tolist(), time.tolist(), strict=True)):
            why = self._why_not(at, told, when, now)
            if why:
                self.counts[why] += sum(int(np.count_nonzero(word.present[row, there])) for _, _, there in found)
                continue
            waiting = self._waiting.setdefault(at, _Waiting(now.monotonic))
            waiting.rows += [(k, here, there, word, row) for k, here, there in found]
        last = int(place[-1]) - int(clock.slot_time(place[-1], self.rate) > time[-1])
        if not word.late and time[-1] <= now.utc + AHEAD:
            reached = self._reached[table]
            reached[word.node] = max(reached.get(word.node, -1), last)

    def _why_not(self, at: int, told: bool, time: int, now: Now) -> str:
        """Which count rows of an instant belong to that are not told; "" if they are."""
        if at < self._origin:
            return "before"
        if time > now.utc + AHEAD:
            return "ahead"
        if not told:
            return "between"
        return "late" if at < self._next else ""

    def _look_at_clock(self, now: Now) -> None:
        """This machine's clock was ahead, and was set right: what is measured now is told."""
        here = int(clock.slot_of(now.utc, self.rate))
        if here < self._origin:
            self._origin, self._next = here, min(self._next, here)

    def _find(self, k: int, device: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """(positions in part k, where these devices are in the snapshots); the same devices come again and again."""
        key = k, device.tobytes()
        if key not in self._found:
            if len(self._found) > KEPT:
                self._found.clear()
            told = self.parts[k].devices
            _, here, there = np.intersect1d(told, device, return_indices=True)
            stays = ~np.isin(told[here], list(self.muted))
            self._found[key] = here[stays], there[stays]
        return self._found[key]

    def wake_at(self) -> int | None:
        """Monotonic ns when an instant has waited long enough."""
        return min((each.since + self.wait for each in self._waiting.values()), default=None)

    def take(self, now: Now, everything: bool = False) -> Ready | None:
        """What can go out now, in order; None if nothing can. `everything`: nobody is waited for any more."""
        order = sorted(self._waiting)
        overdue = [k for k, at in enumerate(order) if self._waiting[at].since + self.wait <= now.monotonic]
        count = len(order) if everything else max([0, len(order) - KEPT, *(k + 1 for k in overdue[-1:])])
        while count < len(order) and self._complete(order[count]):
            count += 1
        if not count:
            return None
        self._next = order[count - 1] + 1
        return self._filled(order[:count])

    def _complete(self, at: int) -> bool:
        """Whether all tables that stand on this instant have got there."""
        time = clock.slot_time(at, self.rate)
        return all(
            (reached and min(reached.values()) >= at) or not on_grid(time, self._pace[table])
            for table, reached in self._reached.items()
        )

    def _filled(self, going: list[int]) -> Ready:
        n = len(going)
        rows = [self._empty(part, n) for part in self.parts]
        worst, leap = np.zeros(n, np.uint8), np.zeros(n, np.uint8)
        for line, at in enumerate(going):
            for k, here, there, word, row in self._waiting.pop(at).rows:
                present = word.present[row, there] != 0
                to, source = here[present], there[present]
                part, mine = self.parts[k], rows[k]
                quality = word.quality[row, source]
                mine.status[line, to] = self._status(word.status[row, source], quality)
                mine.values[line, to] = word.values[row][source][:, part.channels]
                mine.digital[line, to] = word.digital[row][source][:, part.digitals]
                worst[line] = max(worst[line], (quality & 0x0F).max(initial=0))
                leap[line] |= np.bitwise_or.reduce(quality & 0x70, initial=0)
        time = clock.slot_time(np.array(going, np.int64), self.rate)
        return Ready(time, worst | leap, rows)

    def _status(self, status: NDArray[np.uint16], quality: NDArray[np.uint8]) -> NDArray[np.uint16]:
        """STAT with the time quality of the device's own frame in bits 8-6, where it says nothing there.

        A frame of many devices has one time quality; C37.118.2-2011 (6.3, table 7) keeps each device's in its STAT. In
        the edition of 2005 bits 9-6 are reserved.
        """
        if self.version == 1:
            return status & ~RESERVED_2005
        told: NDArray[np.uint16] = np.where(status & PMU_TQ, status, status | _PMU_TQ[quality & 0x0F])
        return told

    def _empty(self, part: Part, n: int) -> StationRows:
        m = len(part.devices)
        return StationRows(
            np.full((n, m), NOT_THERE, np.uint16),
            np.full((n, m, len(part.channels)), np.nan, np.float32),
            np.zeros((n, m, len(part.digitals)), np.uint16),
        )
