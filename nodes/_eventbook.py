"""What an event trigger knows: recent samples, who the devices are, the events, and which answers of them are due.

Nothing here depends on a clock or on when it is called: the same words in the same order make the same windows due, in
whatever pieces they come. So a trigger that was killed finds its events again by taking its journal once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms.lastvalues import HELD
from algorithms.neighbours import chosen, parts
from algorithms.quantities import QUANTITIES, Plan, Sources, reduce
from algorithms.recent import LEAST, NEVER, NO_SLOT, Recent
from nodes._case import Case, Due, Suspicion, name
from nodes._eventgrid import NOBODY, Grid, Known
from nodes._eventshape import EventShape
from nodes._windowbook import ADDED, LEAST_RATE, Took
from protocol import clock
from protocol.clock import SECOND
from protocol.messages import Cause, Event, Snapshots, Table

LEAD = 5 * SECOND
"""So long before the first suspected moment something is looked for already."""
LARGEST = 48 << 20
"""Bytes of a window's values; a message holds 64 MiB (`protocol/wire.py`)."""
SILENT = 600 * SECOND
"""Samples of a writer and rate that told nothing for so long, while others did, are forgotten."""
REMEMBERED = 3600 * SECOND
"""So long an event is known after its end."""


NO_PLAN = Plan.of([])


@dataclass
class Book:
    """See the module."""

    trigger: str
    shape: EventShape
    standing: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Writer -> (epoch, number of the next word)"""
    known: dict[int, Known] = field(default_factory=dict)
    grids: dict[tuple[str, int], Grid] = field(default_factory=dict)
    """(writer, rate)"""
    cases: dict[str, Case] = field(default_factory=dict)
    """By id, in the order of opening."""
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("suspicions", "opened", "joined"), 0))
    _plans: dict[tuple[str, Table], tuple[NDArray[np.uint32], Plan]] = field(default_factory=dict)

    # ── words ───────────────────────────────────────────────────────────────────────────────────────────────

    def configure(self, device: int, known: Known) -> None:
        """What a device's rows mean from now on."""
        if self.known.get(device) != known:
            self.known[device] = known
            self._plans.clear()

    def reduce(self, word: Snapshots, utc: int) -> Took:
        """What is needed of a word; no slots if nothing is."""
        table = Table(*word.table)
        needed = word.slot.size if table.rate >= LEAST_RATE and not table.spectrum else 0
        if needed:
            values = reduce(word.values, self._plan(word.node, table, word.device))
            values[word.present == HELD] = np.nan
        else:
            values = np.zeros((0, 0, len(QUANTITIES)), np.float32)
        late = ADDED if word.late else int(word.latency[0]) // clock.period(table.rate) if needed else 0
        device = word.device if needed else word.device[:0]
        return Took(word.node, word.epoch, word.number + 1, table, late, utc, device, word.slot[:needed], values)

    def _plan(self, writer: str, table: Table, device: NDArray[np.uint32]) -> Plan:
        devices, plan = self._plans.get((writer, table), (device[:0], NO_PLAN))
        if not np.array_equal(devices, device):
            sources = [self.known.get(number, NOBODY).sources or Sources() for number in device.tolist()]
            plan = Plan.of(sources)
            self._plans[writer, table] = device.copy(), plan
        return plan

    def take(self, took: Took) -> Iterator[Due]:
        """Windows that are due now."""
        self.standing[took.writer] = (took.epoch, took.next)
        if not took.slot.size:
            return
        grid = self._grid(took.writer, took.table.rate)
        grid.came = took.utc
        self._drop(took.utc)
        if took.late == ADDED:
            grid.recent.add(took.slot, took.device, took.values, took.utc)
            return
        top = grid.tops.get(took.table, NO_SLOT)
        if took.slot[0] + took.late + grid.recent.size < top:  # slots went back: a wrong clock had led the way
            yield from self._end(took.writer, grid)
        at = 0
        while at < took.slot.size:
            to = int(np.searchsorted(took.slot, took.slot[at] + LEAST))
            yield from self._push(took, grid, slice(at, to))
            at = to

    def _push(self, took: Took, grid: Grid, piece: slice) -> Iterator[Due]:
        slot = took.slot[piece]
        if (
            slot[0] > grid.recent.top + LEAST and grid.tops
        ):  # a leap: what is due before it, while its samples are there
            yield from self._due(took.writer, grid, int(slot[0]))
        grid.recent.push(slot, took.device, took.values[piece], took.utc)
        grid.tops[took.table] = max(grid.tops.get(took.table, NO_SLOT), int(slot[-1]))
        yield from self._due(took.writer, grid, grid.released)
        if self.shape.sweep:
            yield from self._sweep(took.writer, grid)

    def _grid(self, writer: str, rate: int) -> Grid:
        if (writer, rate) not in self.grids:
            length = self.shape.held // clock.period(rate) + LEAST
            self.grids[writer, rate] = Grid(rate, Recent(length, len(QUANTITIES), self.shape.samples))
        return self.grids[writer, rate]

    def _drop(self, utc: int) -> None:
        """Those that have fallen silent: their devices tell other slots now, or their writer is no more."""
        for key, grid in list(self.grids.items()):
            grid.came = grid.came or utc
            if grid.came < utc - SILENT and not any((case.writer, case.rate) == key for case in self.open):
                del self.grids[key]

    def _end(self, writer: str, grid: Grid) -> Iterator[Due]:
        """Its slots begin anew: open events of it have what there is."""
        for case in self.open:
            if (case.writer, case.rate) == (writer, grid.rate):
                yield from self.close(case.id)
        grid.recent.clear()
        grid.tops.clear()
        grid.swept = NO_SLOT

    # ── events ──────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def open(self) -> list[Case]:
        """Events that owe answers."""
        return [case for case in self.cases.values() if case.open]

    def suspect(self, suspicion: Suspicion) -> Iterator[Due]:
        """A suspicion opens an event or joins one; windows that are due by that."""
        if suspicion.writer:
            self.standing[suspicion.writer] = (suspicion.epoch, suspicion.next)
        self.counts["suspicions"] += 1
        case = self._belongs(suspicion)
        if case is not None:
            self.counts["joined"] += 1
            case.join(suspicion)
            return
        self._forget(suspicion.moment)
        case = self._opened(suspicion)
        self.counts["opened"] += 1
        self._place(case)
        if case.rate:
            grid = self.grids[case.writer, case.rate]
            yield from self._due(case.writer, grid, grid.released)

    def _belongs(self, suspicion: Suspicion) -> Case | None:
        """The event that it belongs to: the latest, if there are several. Of one that is cut and never looked at this
        device, though it could have, only the disturbance itself: all else at that device is another event's."""
        for case in reversed(self.cases.values()):
            if case.holds(suspicion.moment, self.shape.join):
                elsewhere = self._seat(suspicion.device) != (case.writer, case.rate)
                if case.open or suspicion.device in case.devices or elsewhere or case.tells(suspicion.moment, LEAD):
                    return case
        return None

    def _opened(self, suspicion: Suspicion) -> Case:
        onset = suspicion.moment
        older = any(case.holds(suspicion.onset, self.shape.join) for case in self.cases.values())
        case = Case(name(onset, self.trigger, self.cases), onset, onset if older else suspicion.onset, onset)
        case.suspicions.append(suspicion.plain)
        case.left = list(self.shape.answers)
        self.cases[case.id] = case
        return case

    def _forget(self, moment: int) -> None:
        """Events that ended long ago and have all been said."""
        over = [
            case.id
            for case in self.cases.values()
            if not case.open and case.said == case.cut and case.latest < moment - REMEMBERED
        ]
        for each in over:
            del self.cases[each]

    def _seat(self, device: int) -> tuple[str, int]:
        """(writer, rate) of the slots that tell a device; ("", 0): none. Of several those that heard it last."""
        seats = [key for key, grid in self.grids.items() if device in grid.recent]
        last = {key: self.grids[key].recent.heard_at(device) / self.grids[key].rate for key in seats}
        return max(seats, key=lambda key: last[key], default=("", 0))

    def _place(self, case: Case) -> None:
        """Its slots are found; of the answers whose time is over only the latest is given."""
        case.writer, case.rate = self._seat(case.suspicions[0]["device"])
        if not case.rate:
            return
        grid = self.grids[case.writer, case.rate]
        past = [answer for answer in case.left if self._stop(case, answer) <= grid.released]
        case.left = case.left[max(0, len(past) - 1) :]

    def _stop(self, case: Case, answer: int) -> int:
        """Slot after the last one of a window."""
        return int(clock.slot_of(case.onset + answer, case.rate))

    def _due(self, writer: str, grid: Grid, released: int) -> Iterator[Due]:
        """All answers whose last slot has been released."""
        for case in self.open:
            if not case.rate:
                self._place(case)
            while case.open and (case.writer, case.rate) == (writer, grid.rate):
                stop = self._stop(case, case.left[0])
                if stop > released:
                    break
                yield self._cut(case, stop)

    def close(self, event: str) -> Iterator[Due]:
        """The last answer of an event, of what there is: no more data come."""
        case = self.cases.get(event)
        if case is None or not case.open:
            return
        del case.left[:-1]
        grid = self.grids.get((case.writer, case.rate))
        yield self._cut(case, min(self._stop(case, case.left[0]), grid.released) if grid else 0)

    def learn(self, event: Event) -> None:
        """An answer was said."""
        if event.id in self.cases:
            self.cases[event.id].learn(event)

    def resume(self, writer: str, rate: int, tops: dict[Table, int], swept: int) -> None:
        """Go on with the slots of an earlier life."""
        grid = self._grid(writer, rate)
        grid.tops, grid.swept = tops, swept

    # ── windows ─────────────────────────────────────────────────────────────────────────────────────────────

    def _cut(self, case: Case, stop: int) -> Due:
        """The next answer of an event; its window ends at a slot."""
        case.left.pop(0)
        case.cut += 1
        grid = self.grids.get((case.writer, case.rate))
        if grid is None:
            return Due(case.id, case.cut, not case.left, Cause.SUSPICION, 0, (), 0, 0, None, NEVER, 0)
        first = int(clock.slot_of(case.onset + self.shape.before, case.rate))
        since = int(clock.slot_of(case.earliest - LEAD, case.rate))
        devices = self._chosen(grid, [each for each in case.suspected if each in grid.recent], first)
        due = self._window(grid, devices, first, stop, since)
        case.devices = list(due.devices)
        return due._replace(event=case.id, answer=case.cut, final=not case.left)

    def _chosen(self, grid: Grid, suspected: list[int], first: int) -> list[int]:
        """Suspected devices and their neighbours, of those that were heard since a slot."""
        recent = grid.recent
        heard = (recent.heard >= first) | np.isin(recent.devices, np.array(suspected, np.uint32))
        devices = recent.devices[heard].tolist()
        region, latitude, longitude = self._where(devices)
        places = [devices.index(each) for each in suspected]
        found = chosen(places, region, latitude, longitude, self.shape.neighbours, self._most(grid))
        return [devices[place] for place in found.tolist()]

    def _most(self, grid: Grid) -> int:
        """Devices of a window, so that it is a message."""
        samples = (self.shape.after - self.shape.before) // clock.period(grid.rate)
        return min(self.shape.most, max(2, LARGEST // (4 * len(QUANTITIES) * max(1, samples))))

    def _where(self, devices: list[int]) -> tuple[Any, Any, Any]:
        """Regions, latitudes and longitudes [m]."""
        known = [self.known.get(device, NOBODY) for device in devices]
        region = np.array([each.region for each in known], np.str_)
        latitude = np.array([each.latitude for each in known], np.float64)
        return region, latitude, np.array([each.longitude for each in known], np.float64)

    def _window(self, grid: Grid, devices: list[int], first: int, stop: int, since: int) -> Due:
        """Of the devices that told anything, from the first slot that is held, no longer than a message may be."""
        longest = LARGEST // (4 * len(QUANTITIES) * max(1, len(devices)))
        first = max(first, grid.recent.oldest, stop - longest)
        values = grid.recent.cut(first, max(first, stop), devices)
        there: NDArray[np.bool_] = ~np.isnan(values)
        told, slots = there.any(axis=(1, 2)), np.flatnonzero(there.any(axis=(0, 1)))
        skip = int(slots[0]) if slots.size else values.shape[-1]
        values, first = values[told][..., skip:], first + skip
        names = tuple(np.array(devices, np.int64)[told].tolist())
        came = grid.recent.since(first)
        return Due("", 0, False, Cause.SUSPICION, grid.rate, names, first, max(0, since - first), values, came,
                   values.shape[-1])  # fmt: skip

    def _sweep(self, writer: str, grid: Grid) -> Iterator[Due]:
        """All devices of each region, if it is time to."""
        every = max(1, self.shape.sweep // clock.period(grid.rate))
        stop = grid.released // every * every
        before, grid.swept = grid.swept, max(grid.swept, stop)
        if before == NO_SLOT or stop <= before:
            return
        first = stop - (self.shape.after - self.shape.before) // clock.period(grid.rate)
        since = before - self.shape.answers[-1] // clock.period(grid.rate)
        recent = grid.recent
        devices = recent.devices[recent.heard >= max(first, recent.oldest)]
        region, *_ = self._where(devices.tolist())
        groups = [
            (f"{writer} {grid.rate} {each} {part}", members)
            for each in sorted(set(region.tolist()))
            for part, members in enumerate(parts(np.flatnonzero(region == each), self._most(grid)))
            if members.size > 1
        ]
        turn = stop // every % max(1, len(groups))  # where not all can be judged, it is not always the same ones
        for swept, members in groups[turn:] + groups[:turn]:
            due = self._window(grid, devices[members].tolist(), first, stop, since)
            yield due._replace(event=swept, answer=stop, final=True, cause=Cause.SWEEP)

    @property
    def newest(self) -> int:
        """ns UTC of the newest slot that is held; 0: none is."""
        tops = ((grid.recent.top, grid.rate) for grid in self.grids.values() if grid.recent.top != NO_SLOT)
        return max((int(clock.slot_time(*top)) for top in tops), default=0)

    def since(self) -> int:
        """UTC [ns] of the oldest word whose samples may still be needed; NEVER if none is."""
        held = ((grid.recent, self.shape.held // clock.period(grid.rate)) for grid in self.grids.values())
        return min((recent.since(recent.top - length) for recent, length in held), default=NEVER)
