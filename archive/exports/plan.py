"""What an export will hold, counted before anything is written: its tables, its tracks, how many rows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archive import checksums, layout
from archive.exports.channels import Channel, channels, check
from archive.exports.span import Span
from archive.exports.wishes import Wish
from archive.folder import ArchiveError
from archive.groups import labels
from archive.parts import Rows
from archive.picking import Pick
from archive.sources import Joined
from archive.spans import FIRST, LAST, steps
from archive.stations import Key, Stations, chosen, key_of
from protocol import clock
from protocol.messages import Configuration, Table

OWN = ("magnitude", "angle", "analog", "digital")
"""What a spectrum tells that its station does not."""
HOUR = 3600


@dataclass
class Track:
    """One station at one rate, as long as its channels are the same."""

    configuration: Configuration
    """The first one."""
    columns: list[int]
    """Of its table: those of all configurations with these channels."""
    channels: list[Channel]
    label: str = ""
    """No two tracks of an export have the same."""
    rows: int = 0
    first: int = 0
    last: int = 0
    """Slots of the first and last row."""
    on_grid: bool = True
    """Whether every row has the time of its slot."""

    @property
    def steady(self) -> bool:
        """Whether there is a row at every slot from the first to the last, at the slot's time."""
        return self.on_grid and self.rows == self.last - self.first + 1


@dataclass
class Sheet:
    """One table of the archive."""

    table: Table
    rows: Joined
    tracks: list[Track]
    instants: int = 0
    """Slots at which a track has a row."""
    first: int = 0
    last: int = 0
    """The first and last of these slots."""

    @property
    def windows(self) -> list[tuple[int, int]]:
        """Intervals of slots, in order, each of which few files answer."""
        edges = {edge for source in self.rows.sources for edge in source.crop() or ()}
        inner = sorted(edge for edge in edges if self.first < edge <= self.last)
        borders = [self.first, *inner, self.last + 1]
        return list(itertools.pairwise(borders))

    @property
    def hour(self) -> int:
        """Slots of an hour."""
        rate = self.table.rate
        return max(1, HOUR * rate if rate > 0 else HOUR // -rate)


@dataclass
class Plan:
    """All of it."""

    root: Path
    wish: Wish
    sheets: list[Sheet]
    aside: int
    """Rows that were set aside: they stand at no place and are not exported."""
    silent: list[str] = field(default_factory=list)
    """Stations asked for that have no rows in that time."""

    @property
    def tracks(self) -> list[Track]:
        return [track for sheet in self.sheets for track in sheet.tracks]

    @property
    def stations(self) -> int:
        """How many there are; a station and its spectra are one."""
        return len({key_of(track.configuration).station for track in self.tracks})

    @property
    def rows(self) -> int:
        return sum(track.rows for track in self.tracks)

    @property
    def start(self) -> int:
        """Slot time [ns] of the first row."""
        return min(int(clock.slot_time(sheet.first, sheet.table.rate)) for sheet in self.sheets)

    @property
    def end(self) -> int:
        """Slot time [ns] after the last row."""
        return max(int(clock.slot_time(sheet.last + 1, sheet.table.rate)) for sheet in self.sheets)

    @property
    def reference(self) -> int:
        """Where `seconds` are counted from [ns]: the event's onset, else the first row."""
        return self.start if self.wish.onset is None else self.wish.onset

    def expected(self, rate: int) -> int:
        """How many rows a track of a rate has if none is missing: of what was asked, or without a limit, of all."""
        first = self.wish.start if self.wish.start > FIRST else self.start
        stop = self.wish.end if self.wish.end < LAST else self.end
        return max(1, layout.first_slot(stop, rate) - layout.first_slot(first, rate))


def plan(root: Path, wish: Wish, span: Span) -> Plan:
    """What there is of a wish. Raises ArchiveError: no such station or channel, or nothing in that time."""
    if wish.end < wish.start:
        raise ArchiveError("the interval ends before it begins; exchange --from and --to")
    stations = Stations(span.configurations)
    if not stations.known:
        gone = checksums.told(checksums.removed(root, wish.start, wish.end))
        raise ArchiveError(f"{root}: nothing in that time{_when(root)}{gone and f'; {gone}'}")
    keys, absent = _keys(stations, wish.devices)
    if keys is not None and not keys:
        raise ArchiveError(f"{root}: nothing of the stations asked for in that time")
    held = {name: span.joined(name) for name in span.tables}
    some = [each for rows in held.values() for each in _some(rows.configurations, keys)]
    check(some, wish.quantities)
    telling = {key_of(each).station for each in some if not each.components}
    sheets = [Sheet(rows.table, rows, _tracks(rows, keys, wish, telling)) for _, rows in sorted(held.items())]
    for sheet in sheets:
        _count(sheet, wish)
    found = Plan(root, wish, [sheet for sheet in sheets if sheet.tracks], span.aside(keys))
    for track, label in zip(found.tracks, labels([track.configuration for track in found.tracks]), strict=True):
        track.label = label
    if not found.rows:
        aside = f"; {found.aside} rows were set aside: export without --out prints them" if found.aside else ""
        raise ArchiveError(f"{root}: nothing of that in that time{aside}")
    with_rows = {key_of(track.configuration).station for track in found.tracks}
    wanted = {key.station for key in keys} if keys is not None else set(stations.names.values())
    found.silent = [name for name, number in stations.names.items() if number in wanted - with_rows] + absent
    return found


def _keys(stations: Stations, devices: Sequence[str] | None) -> tuple[set[Key] | None, list[str]]:
    """What is asked for (None: all), and numbers of stations that the time knows nothing of.

    Who knows a station by its number knows that there is one: it was silent. A name may be a slip of the pen.
    Raises ArchiveError: nothing is called so.
    """
    if devices is None:
        return None, []
    numbers = {str(number) for number in stations.names.values()} | {str(key.device) for key in stations.keys}
    absent = [each for each in devices if each.isdecimal() and each not in numbers and each not in stations.names]
    return set().union(*(stations.called(each) for each in devices if each not in absent)), absent


def _when(root: Path) -> str:
    """What time there are files of."""
    hours = sorted(layout.finished_hours(root).keys() | layout.live_hours(root).keys())
    if not hours:
        return ": the archive is empty"
    return f"; there are files of the hours {layout.hour_name(hours[0])} to {layout.hour_name(hours[-1])}"


def _some(configurations: Sequence[Configuration], keys: set[Key] | None) -> list[Configuration]:
    return [configurations[column] for column in chosen(configurations, keys)]


def _tracks(rows: Joined, keys: set[Key] | None, wish: Wish, telling: set[int]) -> list[Track]:
    """What is wanted of a table; `telling`: numbers of the stations whose fundamentals are wanted, too."""
    found: dict[tuple[Key, tuple[Channel, ...]], Track] = {}
    for column in chosen(rows.configurations, keys):
        each = rows.configurations[column]
        beside = bool(each.components) and wish.quantities is not None and key_of(each).station in telling
        wanted = channels(each, wish.quantities, components=not beside)
        if not wanted or (beside and not any(channel.quantity in OWN for channel in wanted)):
            continue
        track = found.setdefault((key_of(each), tuple(wanted)), Track(each, [], wanted))
        track.columns.append(column)
    return list(found.values())


def _count(sheet: Sheet, wish: Wish) -> None:
    """Rows of each track; tracks without any are left out."""
    columns = [column for track in sheet.tracks for column in track.columns]
    starts = np.cumsum([0, *(len(track.columns) for track in sheet.tracks)])
    for low, high in steps(sheet.rows, len(columns), wish.start, wish.end, HOUR) if columns else ():
        block = sheet.rows.block(columns, low, high, Pick("present"))
        here = present(block, sheet.table.rate, low, wish)
        slots = np.flatnonzero(here.any(axis=0))
        if not len(slots):
            continue
        sheet.first = sheet.first if sheet.instants else low + int(slots[0])
        sheet.last, sheet.instants = low + int(slots[-1]), sheet.instants + len(slots)
        off_grid = (here & (block["offset"] != 0)).any(axis=1)
        for track, first, stop in zip(sheet.tracks, starts, starts[1:], strict=False):
            mine = low + np.flatnonzero(here[first:stop].any(axis=0))
            if len(mine):
                track.first = track.first if track.rows else int(mine[0])
                track.last, track.rows = int(mine[-1]), track.rows + len(mine)
                track.on_grid = track.on_grid and not off_grid[first:stop].any()
    sheet.tracks = [track for track in sheet.tracks if track.rows]


def present(block: Rows, rate: int, low: int, wish: Wish) -> NDArray[np.bool_]:
    """[column, slot] Whether there is a row whose own time is wanted, in a block from slot `low` on."""
    time = clock.slot_time(np.arange(low, low + block["present"].shape[1], dtype=np.int64), rate) + block["offset"]
    found: NDArray[np.bool_] = (block["present"] != 0) & (time >= wish.start) & (time < wish.end)
    return found
