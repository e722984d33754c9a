"""The limits of a site over the slots of a concentrator: which alarms they make.

Points (`nodes/_limitpoints.py`) of one alarm are its members: the phases of a device, or with `each: region` all
devices of a region. The alarm is active while one of them is beyond its limit, and as grave as the gravest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from algorithms.limits import Change, State, Watch
from nodes._conditions import Condition, keyed
from nodes._limitpairs import Pair
from nodes._limitpoints import Fundamentals, Key, Point, Reading, bounds_of, points_of
from nodes._limitsettings import Limit
from protocol import clock
from protocol.clock import SECOND
from protocol.messages import Configuration, Snapshots, Table

BACK = 60 * SECOND
"""Slots that lie further back than so are those of a clock that was put right; nearer ones are left out."""
NOTED = SECOND // 2
"""Harmonics come once a second: so often are the fundamentals noted that they are compared with."""
SITE = "site"
"""What an alarm of all devices is of, and one of a region without a name."""
Kept = list[Any]
"""A point's key and `State`, as plain values."""


class _Member(NamedTuple):
    """A point that is beyond its limit."""

    level: int
    value: float
    stale: bool


@dataclass
class _Table:
    """The points of one writer's table."""

    devices: NDArray[np.uint32]
    points: list[Point]
    reading: Reading
    watch: Watch


class LimitWatch:
    """See the module. `take` slots; each condition that comes is to be told to the book."""

    def __init__(self, limits: Sequence[Limit], kept: Iterable[Kept] = ()) -> None:
        """`kept`: what `states` said in an earlier life."""
        self._limits = {limit.name: limit for limit in limits}
        self._plain = [limit for limit in limits if limit.between is None]
        self.known: dict[int, Configuration] = {}
        self._tables: dict[tuple[str, Table], _Table] = {}
        self._tops: dict[tuple[str, Table], int] = {}
        """Newest time [ns] of each table."""
        self._heard: dict[tuple[str, Table], int] = {}
        """When it was told [monotonic ns]."""
        self._fundamentals = Fundamentals()
        self._noted: dict[tuple[str, Table], int] = {}
        """Newest time [ns] at which its fundamentals were noted."""
        self._members: dict[tuple[str, str], dict[Key, _Member]] = {}
        """(limit, subject) -> its members."""
        self._inherited: dict[Key, State] = {}
        for name, device, channel, *state in kept:
            if name in self._limits:
                self._inherited[Key(name, device, channel)] = State(*state)
        self._pairs = [Pair(limit, self._inherited.pop(Key(limit.name, 0, ""), None))
                       for limit in limits if limit.between is not None]  # fmt: skip

    # ── what is watched ─────────────────────────────────────────────────────────────────────────────────────

    def configure(self, word: Configuration) -> None:
        """What a device's rows mean from now on."""
        if self.known.get(word.device) == word:
            return
        self.known[word.device] = word
        for key, table in self._tables.items():
            if word.device in table.devices:
                self._keep(table)
                self._tables[key] = table_of(np.zeros(0, np.uint32), [], {}, self._fundamentals)
        for pair in self._pairs:
            pair.configure(word)

    def changed(self, limits: Sequence[Limit]) -> LimitWatch:
        """The same of other limits; those that there were before go on."""
        other = LimitWatch(limits, self.states())
        for word in self.known.values():
            other.configure(word)
        other._tops, other._heard = dict(self._tops), dict(self._heard)
        return other

    def states(self) -> list[Kept]:
        """All points that are, or may soon be, beyond a limit, or back."""
        found = [[*key, *state] for key, state in self._inherited.items()]
        for table in self._tables.values():
            busy = table.watch.busy.tolist()
            found += [[*table.points[point].key, *table.watch.state(point)] for point in busy]
        found += [[pair.limit.name, 0, "", *pair.watch.state(0)] for pair in self._pairs if pair.watch.busy.size]
        return found

    def _keep(self, table: _Table) -> None:
        for point in table.watch.busy.tolist():
            self._inherited[table.points[point].key] = table.watch.state(point)

    def _table(self, word: Snapshots, kind: Table) -> tuple[_Table, list[Condition]]:
        """The points of a word's rows, and what is over because nobody watches it any more."""
        table = self._tables.get((word.node, kind))
        if table is not None and np.array_equal(table.devices, word.device):
            return table, []
        if table is not None:
            self._keep(table)
        known = [(place, self.known.get(device)) for place, device in enumerate(word.device.tolist())]
        points = [point for place, each in known if each and Table(*each.table) == kind
                  for point in points_of(each, place, self._plain)]  # fmt: skip
        table = self._tables[word.node, kind] = table_of(word.device.copy(), points, self._limits, self._fundamentals)
        for at, point in enumerate(points):
            state = self._inherited.pop(point.key, None)
            if state is not None:
                table.watch.resume(at, state)
                self._join(point.key, Change(0, at, int(table.watch.level[at]), state.value, state.stale))
        there = {device for device, each in zip(word.device.tolist(), known, strict=True) if each[1] is not None}
        return table, list(self._gone(there, int(clock.slot_time(word.slot[-1], kind.rate))))

    def _gone(self, devices: set[int], time: int) -> Iterator[Condition]:
        """Points that these devices have no more."""
        for key in [key for key in self._inherited if key.device in devices]:
            state = self._inherited.pop(key)
            if any(state.on):
                self._join(key, Change(time, 0, 1, state.value, state.stale))
                yield from self._tell(key, Change(time, 0, 0, float("nan"), False))

    # ── slots ───────────────────────────────────────────────────────────────────────────────────────────────

    def take(self, word: Snapshots, monotonic: int) -> Iterator[Condition]:
        """Slots that were released; what came late says nothing any more."""
        kind = Table(*word.table)
        if word.late or not word.slot.size:
            return
        at = word.node, kind
        time = np.asarray(clock.slot_time(word.slot, kind.rate), np.int64)
        self._heard[at] = monotonic
        fresh = self._fresh(at, time)
        if not time[fresh].size:
            return
        self._tops[at] = int(time[-1])
        table, over = self._table(word, kind)
        yield from over
        if self._fundamentals.wanted and time[-1] >= self._noted.get(at, 0) + NOTED:
            self._noted[at] = int(time[-1])
            self._fundamentals.note(word, self.known)
        if table.points:
            for change in table.watch.push(time[fresh], table.reading.of(word)[fresh]):
                yield from self._tell(table.points[change.point].key, change)
        for pair in self._pairs:
            for change in pair.take(word, time, fresh):
                yield from self._tell(Key(pair.limit.name, 0, ""), change)

    def _fresh(self, at: tuple[str, Table], time: NDArray[np.int64]) -> slice:
        """Which slots were not told before."""
        top = self._tops.get(at)
        if top is not None and time[-1] < top - BACK:
            if at in self._tables:
                self._tables[at].watch.rewind()
            return slice(None)
        return slice(0 if top is None else int(np.searchsorted(time, top, "right")), None)

    def age(self, monotonic: int) -> Iterator[Condition]:
        """Time goes by in which nothing may be told at all."""
        for at, table in self._tables.items():
            silent = monotonic - self._heard.get(at, monotonic)
            for change in table.watch.age(self._tops.get(at, 0) + silent) if silent > SECOND else ():
                yield from self._tell(table.points[change.point].key, change)

    # ── alarms ──────────────────────────────────────────────────────────────────────────────────────────────

    def _tell(self, key: Key, change: Change) -> Iterator[Condition]:
        """What a change of a point is for its alarm."""
        before = self._worst(key)
        self._join(key, change)
        after = self._worst(key)
        if (before and before[1][::2]) != (after and after[1][::2]):
            yield self._condition(key, change, after)

    def _subject(self, key: Key) -> str:
        """Which alarm of its limit a point belongs to."""
        limit, known = self._limits[key.limit], self.known.get(key.device)
        if limit.between:
            return " - ".join(limit.between)
        if limit.each == "device" or known is None:
            return str(key.device)
        return known.region if limit.each == "region" else ""

    def _join(self, key: Key, change: Change) -> None:
        members = self._members.setdefault((key.limit, self._subject(key)), {})
        if change.level:
            members[key] = _Member(change.level, change.value, change.stale)
        else:
            members.pop(key, None)

    def _worst(self, key: Key) -> tuple[Key, _Member] | None:
        """Of an alarm: the gravest member, of equals one that is not stale, then the one that is furthest out."""
        members = self._members.get((key.limit, self._subject(key)))
        if not members:
            return None
        return max(members.items(), key=lambda each: (abs(each[1].level), not each[1].stale, abs(each[1].value)))

    def _condition(self, key: Key, change: Change, worst: tuple[Key, _Member] | None) -> Condition:
        limit = self._limits[key.limit]
        who, member = worst or (key, _Member(0, change.value, False))
        known = self.known.get(who.device)
        alone = limit.each == "device" and not limit.between
        subject = known.name if known and alone else self._subject(key)
        bound = limit.at[_AT[member.level]] if member.level else float("nan")
        many = len(self._members.get((key.limit, self._subject(key)), ()))
        return Condition(
            source="limit",
            key=keyed(key.limit, self._subject(key)),
            kind=key.limit,
            subject=subject or SITE,
            active=worst is not None,
            time=change.time,
            text=_text(limit, known.name if known and not alone else "", who, member, bound, many),
            severity=limit.severe if abs(member.level) == 2 else limit.severity,
            device=who.device if alone else 0,
            region=known.region if known and limit.each != "site" else "",
            value=member.value,
            limit=bound,
            unit=limit.unit,
            stale=member.stale,
        )

    def watches(self, kind: str, device: int) -> bool:
        """Whether a point of a limit may still tell that its alarm is over; `device` 0: any."""
        inherited = any(key.limit == kind and device in (0, key.device) for key in self._inherited)
        return inherited or any(
            limit == kind and (not device or any(key.device == device for key in members))
            for (limit, _), members in self._members.items() if members
        )  # fmt: skip


def _text(limit: Limit, name: str, who: Key, member: _Member, bound: float, many: int) -> str:
    unit = f" {limit.unit}" if limit.unit else ""
    where = " ".join(filter(None, [name, who.channel]))
    what = f"{limit.quantity} {member.value:.6g}{unit}" + (f" at {where}" if where else "")
    if not member.level:
        return (
            f"{what}, within its limits" if member.value == member.value else f"{limit.quantity} is not told any more"
        )
    side = "below" if member.level < 0 else "above"
    more = f"; {many} values are beyond it" if many > 1 else ""
    return f"{what}, {side} {bound:.6g}{unit}{more}"


_AT = {-2: 0, -1: 1, 1: 2, 2: 3}
"""Level -> place in `Limit.at`."""


def table_of(devices: NDArray[np.uint32], points: list[Point], limits: dict[str, Limit], of: Fundamentals) -> _Table:
    """Points of devices."""
    return _Table(devices, points, Reading(points, of), Watch(bounds_of(points, limits)))
