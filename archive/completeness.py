"""Completeness: the share of the rows expected of each device that the archive holds, by hours and days.

A device is expected in every hour from its first row on: at its own reporting rate, whether it sends, is silent, or the
station itself stood still. It is not expected

- before its first row: nobody knew then that it was there, or at which rate;
- since it left the site file (that which the archive keeps with each hour): after its last row;
- if no site file ever named it (it was admitted unknown): after a week without a row;
- in hours whose rows retention has deleted.

Rows that were set aside are not at their places and do not count. Of finished hours nothing but the presence and STAT
of the rows is looked at (`archive/presence.py`); of those that are still written, the rows.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archive import checksums, layout
from archive.checksums import Checksum
from archive.glances import Glances
from archive.groups import labels
from archive.hours import opened_hour
from archive.presence import Counted, counted
from archive.reading import open_archive
from archive.sitetexts import SiteTexts
from archive.spans import Moment
from archive.statistics import STATISTICS
from protocol.clock import slot_time
from protocol.messages import Configuration, Table, split_device

I8 = NDArray[np.int64]
F8 = NDArray[np.float64]

GOAL = 0.99
"""Share that a station should reach."""
FORGOTTEN = 7 * 24 * layout.SPAN
"""ns without a row after which a device that no site file names is not expected any more."""
BEFORE = 48
"""Hours before the interval of which each is looked at for devices; of the days before these the first hour."""
COUNTS = ("expected", "archived", "invalid", "unsynchronised", "aside", "late")


@dataclass(frozen=True)
class Completeness:
    """d devices (a station's spectra are devices of their own), c cells of time, half-open."""

    devices: list[str]
    """[d] names, no two the same"""
    configurations: list[Configuration]
    """[d] the last one of each"""
    start: I8
    """[c] ns UTC"""
    stop: I8
    """[c] ns UTC; a cell ends where the interval ends"""
    expected: I8
    """[d, c] rows; 0 = the device is not expected"""
    archived: I8
    """[d, c] rows at their places"""
    invalid: I8
    """[d, c] of these, how many the device marks as not to be used (STAT bits 15-14)"""
    unsynchronised: I8
    """[d, c] of these, how many have a clock that is not synchronised (STAT bit 13)"""
    aside: I8
    """[d, c] rows set aside while the device was in that cell's time, whatever the time that they say"""
    late: F8
    """[d, c] rows that came too late for their slots; NaN where no concentrator kept statistics"""
    unheard: list[str] = field(default_factory=list)
    """Devices of the last site file that have no row in the interval, nor had one before: nobody knows their rate."""
    removed: list[Checksum] = field(default_factory=list)
    """Files of the interval that retention has deleted; in hours without any rows since then nothing is expected."""

    @property
    def share(self) -> F8:
        """[d, c] archived / expected, 0 to 1; NaN where the device is not expected."""
        return shares(self.archived, self.expected)

    def of_devices(self) -> F8:
        """[d] share over all cells."""
        return shares(self.archived.sum(axis=1), self.expected.sum(axis=1))

    def whole(self) -> float:
        """Share of all devices over all cells; NaN if none is expected."""
        return float(shares(self.archived.sum(), self.expected.sum()))

    def by_day(self, zone: tzinfo = UTC) -> Completeness:
        """The same with a cell for each day of a time zone."""
        days = np.array([int(f"{layout.moment(at).astimezone(zone):%Y%m%d}") for at in self.start.tolist()], np.int64)
        first = np.flatnonzero(np.diff(days, prepend=-1))
        if not len(first):
            return self
        sums: dict[str, Any] = {name: np.add.reduceat(getattr(self, name), first, axis=1) for name in COUNTS[:-1]}
        known = np.isfinite(self.late)
        late = np.add.reduceat(np.where(known, self.late, 0.0), first, axis=1)
        some = np.logical_or.reduceat(known, first, axis=1)
        stop = self.stop[np.append(first[1:], len(days)) - 1]
        return replace(self, start=self.start[first], stop=stop, late=np.where(some, late, np.nan), **sums)

    def only(self, which: NDArray[np.bool_]) -> Completeness:
        """Some of the devices [d]."""
        some = [at for at, chosen in enumerate(which.tolist()) if chosen]
        kept: dict[str, Any] = {name: getattr(self, name)[some] for name in COUNTS}
        return replace(self, devices=[self.devices[at] for at in some],
                       configurations=[self.configurations[at] for at in some], **kept)  # fmt: skip


def shares(archived: NDArray[np.int64], expected: NDArray[np.int64]) -> F8:
    """archived / expected; NaN where nothing is expected. More than is expected is all of it."""
    some = expected > 0
    found: F8 = np.where(some, np.minimum(archived / np.where(some, expected, 1), 1.0), np.nan)
    return found


def completeness(path: Path, start: Moment = None, end: Moment = None, now: int | None = None) -> Completeness:
    """By hours (UTC) of [start, end). Raises ArchiveError.

    Without `end` the interval ends with the last row. Nothing is expected after `now` [ns]; None: after the last row.
    """
    with open_archive(path, start, end) as asked:
        hours = asked.hours
        first, last = _reach(asked.root, hours)
        begin, stop = max(asked.start, first), asked.end
    stop = min(stop, last if end is None or now is None else now)
    removed = checksums.removed(asked.root, asked.start, stop)
    gone = {checksums.span_of(each.file)[0] for each in removed}
    return replace(_Account(asked.root, begin, max(begin, stop)).told(hours, gone), removed=removed)


def _reach(root: Path, hours: Sequence[int]) -> tuple[int, int]:
    """[first, last) ns: the archive's first row, and the last one of some hours (of the archive, if these are none)."""
    known = sorted(layout.finished_hours(root).keys() | layout.live_hours(root).keys())
    if not known:
        return 0, 0
    first, _ = _ends(root, known[0])
    return first, max(last for _, last in (_ends(root, hour) for hour in (hours or known)[-2:]))


def _ends(root: Path, hour: int) -> tuple[int, int]:
    """[first, last) ns of the rows of an hour; its own begin where there are none."""
    with opened_hour(root, hour) as (tables, _):
        spans = [(rows.table.rate, span) for rows in tables if (span := rows.crop()) is not None]
    first = min((int(slot_time(span[0], rate)) for rate, span in spans), default=hour)
    return first, max((int(slot_time(span[1], rate)) for rate, span in spans), default=hour)


@dataclass
class _Device:
    """What is known of one while its hours are gone through."""

    configuration: Configuration
    seen: int
    """ns of the last hour with rows."""
    named: bool
    """Whether a site file named it, that of this hour or of one before."""
    told: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """Cell -> `COUNTS` without what is late."""


class _Account:
    """The hours of an interval, one after another."""

    def __init__(self, root: Path, start: int, end: int) -> None:
        self._root, self._start, self._end = root, start, end
        self._sites = SiteTexts(root)
        self._devices: dict[int, _Device] = {}

    def told(self, hours: Iterable[int], gone: Container[int] = ()) -> Completeness:
        """All of it; `hours` are those that have files, `gone` those that were deleted: nothing is expected."""
        there = set(hours)
        cells = range(layout.hour_of(self._start), self._end, layout.SPAN)
        self._remember(cells.start, cells.start in there)
        late = []
        for at, hour in enumerate(cells):
            span = max(hour, self._start), min(hour + layout.SPAN, self._end)
            if hour in there or hour not in gone:
                self._add(at, hour, span, *(counted(self._root, hour, *span) if hour in there else ([], {})))
            late.append(_late(self._root, hour) if hour in there else {})
        return self._table(cells, late)

    def _remember(self, before: int, has_rows: bool) -> None:
        """Devices that had rows before the interval, whose first hour begins at `before` and may have rows: they are
        expected even if they are silent since.
        """
        glances = Glances()
        files = layout.finished_hours(self._root, 0, before).keys() | layout.live_hours(self._root).keys()
        known = sorted(hour for hour in files if hour < before)
        near = before - BEFORE * layout.SPAN
        days = {layout.moment(hour).date(): hour for hour in reversed(known)}  # the first hour of each
        for hour in sorted({hour for hour in known if hour >= near} | set(days.values())):
            named = self._sites.of_hour(hour).links
            for each in _configurations(glances, self._root, hour):
                self._know(each, hour, named)
        if has_rows and before < self._start:
            named = self._sites.of_hour(before).links
            for early in counted(self._root, before, before, self._start)[0]:
                self._know(early.configuration, before, named)

    def _know(self, each: Configuration, hour: int, named: Container[int]) -> _Device:
        """A device has rows in an hour."""
        device = self._devices.setdefault(each.device, _Device(each, hour, False))
        device.configuration, device.seen = each, hour
        device.named |= _link(each) in named
        return device

    def _add(self, cell: int, hour: int, span: tuple[int, int], found: Sequence[Counted], aside: dict[int, int]
             ) -> None:  # fmt: skip
        named = self._sites.of_hour(hour).links
        columns: dict[int, list[Counted]] = {}
        for each in found:
            columns.setdefault(each.configuration.device, []).append(each)
        for number, held in columns.items():
            held.sort(key=lambda each: each.first)
            last = held[-1].configuration
            known = self._devices.get(number)
            left = known is not None and known.named and _link(last) not in named
            begin = span[0] if known is not None else held[0].first
            stop = min(span[1], max(each.last for each in held) + 1) if left else span[1]
            counts = [sum(getattr(each, name) for each in held) for name in ("rows", "invalid", "unsynchronised")]
            told = self._know(last, hour, named).told
            told[cell] = (_expected(held, begin, stop), *counts, aside.get(number, 0))
        for number in self._devices.keys() - columns.keys():
            device = self._devices[number]
            if self._is_expected(device, hour, named):
                device.told[cell] = (_slots(device.configuration, *span), 0, 0, 0, aside.get(number, 0))

    @staticmethod
    def _is_expected(device: _Device, hour: int, named: Container[int]) -> bool:
        """Whether a device that has no rows in an hour should have had some."""
        return _link(device.configuration) in named or (not device.named and hour - device.seen < FORGOTTEN)

    def _table(self, cells: range, late: Sequence[dict[int, int]]) -> Completeness:
        some = {number: device for number, device in sorted(self._devices.items()) if device.told}
        counts = np.zeros((len(COUNTS) - 1, len(some), len(cells)), np.int64)
        delayed = np.full((len(some), len(cells)), np.nan)
        for row, (number, device) in enumerate(some.items()):
            for cell, told in device.told.items():
                counts[:, row, cell] = told
                delayed[row, cell] = late[cell].get(number, np.nan)
        held = [device.configuration for device in some.values()]
        heard = {_link(device.configuration) for device in self._devices.values()}
        links = self._sites.of_hour(cells[-1]).links if len(cells) else {}
        unheard = [name for number, name in sorted(links.items()) if number not in heard]
        starts = np.maximum(np.array(cells, np.int64), self._start)
        stops = np.minimum(np.array(cells, np.int64) + layout.SPAN, self._end)
        expected, archived, invalid, unsynchronised, aside = counts
        return Completeness(labels(held), held, starts, stops, expected, archived, invalid, unsynchronised, aside,
                            delayed, unheard)  # fmt: skip


def _link(configuration: Configuration) -> int:
    """Number of the link that a device is of."""
    return split_device(configuration.device)[0]


def _slots(configuration: Configuration, start: int, stop: int) -> int:
    """Slots of a device in [start, stop) ns."""
    return _between(Table(*configuration.table).rate, start, stop)


@lru_cache(maxsize=256)
def _between(rate: int, start: int, stop: int) -> int:
    return max(0, layout.first_slot(stop, rate) - layout.first_slot(start, rate))


def _expected(held: Sequence[Counted], start: int, stop: int) -> int:
    """Rows expected of a device in [start, stop) ns: where its rate changed, by the rate of each part."""
    parts = [each for at, each in enumerate(held)
             if not at or each.configuration.table[0] != held[at - 1].configuration.table[0]]  # fmt: skip
    begins = [start, *(each.first for each in parts[1:]), stop]
    return sum(_slots(each.configuration, begins[at], begins[at + 1]) for at, each in enumerate(parts))


def _configurations(glances: Glances, root: Path, hour: int) -> list[Configuration]:
    """Those that have rows in an hour."""
    held = glances.held(root, hour)
    if held is not None:
        return [each for table in held for each in table.configurations]
    with opened_hour(root, hour) as (tables, _):
        return [each for rows in tables for each in rows.configurations]


def _late(root: Path, hour: int) -> dict[int, int]:
    """Device -> rows that came late in that hour, as the concentrators counted."""
    rows = STATISTICS.figures(root, hour, ("device", "late"))
    devices, where = np.unique(rows["device"], return_inverse=True)
    late = np.bincount(where, weights=rows["late"], minlength=len(devices))
    return dict(zip(devices.tolist(), late.astype(np.int64).tolist(), strict=True))
