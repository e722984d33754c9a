"""Reading an archive: finished files, live parts and rows set aside, as one.

    with archive.open("data", "2026-05-06T07:00Z", "2026-05-06T08:00Z") as found:
        found.devices                                   # names of the stations
        time, hertz = found.get("Blue PMU", "frequency")
        time, volts = found.get("Blue PMU", "magnitude", "VA")
        seconds = found.overview("Blue PMU", "frequency")  # minimum, mean, maximum, count of each second
        found.to_xarray("rate50_ph4_an0_dg1")           # values [device, channel, time]

Times are ns UTC since 1970 (int), datetimes, or ISO 8601 text; the interval is half-open; None = no limit.
A live archive may be read while it is written: what was committed is seen, what is being written may be.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archive import folder, layout
from archive.folder import ArchiveError
from archive.glances import Glances, joined
from archive.groups import labels
from archive.hours import opened_hour
from archive.ledgers import Columns, some
from archive.longrows import Rows as LongRows
from archive.overviews import Overview
from archive.picking import Pick, picked
from archive.sources import AsideRows, Joined
from archive.spans import FIRST, LAST, Moment, inside, instant, steps
from archive.stations import Key, chosen, is_called, key_of
from archive.statistics import STATISTICS, minutes
from archive.verdicts import VERDICTS, between
from protocol import clock
from protocol.messages import Configuration, Table

MINUTE = 60
HOUR = 3600


def open_archive(path: str | os.PathLike[str], start: Moment = None, end: Moment = None) -> Extract:
    """The rows of an archive in [start, end). Raises ArchiveError."""
    root = Path(path)
    folder.check(root)
    first, stop = instant(start, FIRST), instant(end, LAST)
    if stop < first:
        raise ArchiveError(f"the interval ends ({end}) before it begins ({start}); exchange them")
    return Extract(root, first, stop)


class Extract:
    """What an archive holds between two moments. Files are opened when needed, an hour at a time."""

    def __init__(self, root: Path, start: int, end: int) -> None:
        self.root, self.start, self.end = root, start, end
        self._known: dict[str, list[Configuration]] | None = None
        self._strayed: list[Configuration] = []
        self._glances = Glances()

    def __enter__(self) -> Extract:
        return self

    def __exit__(self, *_: object) -> None:
        self._known = None

    # what there is

    @property
    def hours(self) -> list[int]:
        """Starts [ns] of the hours that have files and touch the interval, or hold strays that do."""
        slack = folder.slack(self.root)
        low, high = self.start - layout.SPAN - slack, self.end + slack
        strays = folder.strays(self.root).items()
        strayed = {hour for hour, (first, stop) in strays if first < self.end and self.start < stop}
        found = layout.finished_hours(self.root, low, high).keys() | layout.live_hours(self.root).keys()
        found |= {hour for hour in strayed if layout.finished_path(self.root, hour).exists()}
        return sorted(hour for hour in found if low < hour < high or hour in strayed)

    @property
    def configurations(self) -> dict[str, list[Configuration]]:
        """Table name to every configuration that has rows in it, in order."""
        if self._known is None:
            self._known, self._strayed = {}, []
            for hour in self.hours:
                for table, configurations in self._held(hour):
                    held = self._known.setdefault(table.name, [])
                    if held != configurations:
                        held += [each for each in configurations if each not in held]
        return self._known

    def _held(self, hour: int) -> Iterator[tuple[Table, list[Configuration]]]:
        """(table, its configurations) of an hour that have rows in the interval; notes those set aside."""
        glances = self._glances.held(self.root, hour)
        if glances is not None:
            touched = (each for each in glances if self._touches(each.table, (each.first, each.stop)))
            yield from ((each.table, each.configurations) for each in touched)
            return
        with opened_hour(self.root, hour) as (tables, aside):
            yield from ((rows.table, rows.configurations) for rows in tables if self._touches(rows.table, rows.crop()))
            self._strayed += [block.configuration for _, found in aside for block in self._aside(found, None)]

    def _all(self) -> list[Configuration]:
        """Every configuration that has rows, at their places or aside."""
        placed = [each for table in self.configurations.values() for each in table]
        return self._strayed + placed

    @property
    def tables(self) -> list[str]:
        """Names of the tables."""
        return sorted(self.configurations)

    @property
    def devices(self) -> list[str]:
        """Names of the stations; where two have the same name, `link/name`, or `link/name (2)` on one link."""
        return list(self._labels())

    def _labels(self) -> dict[str, int]:
        """Name of each station, no two the same, to its device number."""
        held = {each.device: each for each in self._all()}
        return dict(zip(labels(list(held.values())), held, strict=True))

    def check_devices(self, devices: Sequence[str]) -> None:
        """Raises ArchiveError if one of these stations is not in it."""
        self._wanted(devices)

    def _wanted(self, devices: Sequence[str] | None) -> set[Key] | None:
        """What is called so; None for all."""
        return None if devices is None else set().union(*(self._called(device) for device in devices))

    def _called(self, device: str) -> set[Key]:
        """What is called so: as in `devices`, or by name, `link/name` or number. A station may change its name."""
        names = self._labels()
        keys = {key_of(each) for each in self._all()}
        if device in names:
            keys = {key for key in keys if key.device == names[device]}
        found = {key for key in keys if is_called(key, device)}
        if not found and device not in names:
            raise ArchiveError(f"no station {device!r} in that time; there are: {', '.join(names) or 'none'}")
        return found or keys

    def _only(self, device: str) -> set[Key]:
        """What is called so. Raises ArchiveError if that is more than one station."""
        found = self._called(device)
        numbers = {key.device for key in found}
        if len(numbers) > 1:
            which = ", ".join(name for name, number in self._labels().items() if number in numbers)
            raise ArchiveError(f"{len(numbers)} stations are called {device!r}; name one of: {which}")
        return found

    def _each_hour(self) -> Iterator[tuple[int, list[Joined], list[tuple[Table, AsideRows]]]]:
        for hour in self.hours:
            with opened_hour(self.root, hour) as (tables, aside):
                yield hour, [rows for rows in tables if self._touches(rows.table, rows.crop())], aside

    def _touches(self, table: Table, span: tuple[int, int] | None) -> bool:
        """Whether a table with rows in these slots may have some in the interval."""
        return inside(table, span, self.start, self.end) is not None

    # arrays

    def get(self, device: str, quantity: str, name: str | None = None) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """(times [n] ns UTC, values [n]) of one quantity of a station, in order of time.

        `device` is one of `devices`, or a name, `link/name` or number that one station alone has.
        `quantity` is frequency [Hz], rocof [Hz/s], magnitude [V or A], angle [degrees], analog, status, quality, or
        digital; `name` is the channel's (`word 1` for digital; `VA (2)` for the second one that is called VA), and may
        be left out if there is one only. Rows that were set aside are not in it. Raises ArchiveError.
        """
        wanted = self._only(device)
        times, values, faults = [], [], []
        for rows in (rows for _, tables, _ in self._each_hour() for rows in tables):
            for column in chosen(rows.configurations, wanted):
                try:
                    pick = picked(rows.configurations[column], quantity, name)
                except ArchiveError as fault:  # it may have had that channel before, or after
                    faults.append(fault)
                    continue
                for own, block in self._blocks(rows, [column], pick):
                    times.append(own[0])
                    values.append(block[pick.field][0])
        if faults and not times:
            raise faults[0]
        if not times:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        time, value = np.concatenate(times), np.concatenate(values)
        order = np.argsort(time, kind="stable")
        return time[order], value[order]

    def overview(self, device: str, quantity: str, name: str | None = None) -> Overview:
        """Minimum, mean and maximum of every second that begins in the interval and has valid values.

        Called as `get`, for frequency, rocof, magnitude, angle and analog. The mean of an angle says nothing in a
        second in which it turns over at 180 degrees. Finished files keep it, but not of angles; else it is made from
        the rows, which takes longer. Raises ArchiveError.
        """
        if quantity in ("status", "quality", "digital"):
            raise ArchiveError(f"there is no overview of {quantity}: use get()")
        pieces, faults, met = self._seconds(lambda each: is_called(each, device), quantity, name)
        wanted = self._only(device)
        if met != wanted:  # as rarely as a name that two stations have
            pieces, faults, _ = self._seconds(wanted.__contains__, quantity, name)
        if faults and not pieces:
            raise faults[0]
        return joined(pieces, self.start, self.end)

    def _seconds(self, wanted: Callable[[Key], bool], quantity: str, name: str | None
                 ) -> tuple[list[Overview], list[ArchiveError], set[Key]]:  # fmt: skip
        """(seconds of stations, why some have none, which stations were met), looking at every file once."""
        faults: list[ArchiveError] = []
        met: set[Key] = set()

        def choose(configurations: Sequence[Configuration]) -> list[tuple[int, Pick]]:
            found = []
            for column in [at for at, each in enumerate(configurations) if wanted(key_of(each))]:
                met.add(key_of(configurations[column]))
                try:
                    found.append((column, picked(configurations[column], quantity, name)))
                except ArchiveError as fault:  # it may have had that channel before, or after
                    faults.append(fault)
            return found

        pieces = [piece for hour in self.hours for piece in self._glances.seconds(self.root, hour, choose)]
        return pieces, faults, met

    def _blocks(self, rows: Joined, columns: Sequence[int], pick: Pick | None = None
                ) -> Iterator[tuple[list[Any], dict[str, list[Any]]]]:  # fmt: skip
        """Rows present in the interval: (per column [n] own times, field -> per column [n, …])."""
        limit = MINUTE if pick is None else HOUR
        for first, stop in steps(rows, len(columns), self.start, self.end, limit):
            block = rows.block(columns, first, stop, pick)
            slot_time = clock.slot_time(np.arange(first, stop, dtype=np.int64), rows.table.rate)
            time = slot_time + block["offset"]
            here = (block["present"] != 0) & (time >= self.start) & (time < self.end)
            if here.any():
                taken = {name: [array[at][here[at]] for at in range(len(columns))] for name, array in block.items()}
                yield [time[at][here[at]] for at in range(len(columns))], taken

    # rows, as `syms export` prints them

    def rows(self, devices: Sequence[str] | None = None) -> Iterator[LongRows]:
        """All rows, or those of some stations: by hour, table and minute; then those that were set aside."""
        wanted = self._wanted(devices)
        for _, tables, aside in self._each_hour():
            for rows in tables:
                columns = chosen(rows.configurations, wanted)
                for times, block in self._blocks(rows, columns) if columns else ():
                    for at, column in enumerate(columns):
                        if len(times[at]):
                            words = block["digital"][at] if "digital" in block else np.zeros((len(times[at]), 0), "<u2")
                            yield LongRows(rows.configurations[column], times[at], block["status"][at],
                                           block["values"][at], words)  # fmt: skip
            for _, found in aside:
                yield from self._aside(found, wanted)

    def _aside(self, found: AsideRows, wanted: set[Key] | None) -> Iterator[LongRows]:
        time = found.rows["time"]
        inside = (time >= self.start) & (time < self.end)
        for column in chosen(found.configurations, wanted):
            mine = inside & (found.column == column)
            if mine.any():
                words = found.rows.get("digital", np.zeros((len(time), 0), "<u2"))
                yield LongRows(found.configurations[column], time[mine], found.rows["status"][mine],
                               found.rows["values"][mine], words[mine], found.rows["reason"][mine])  # fmt: skip

    def has_aside(self, devices: Sequence[str] | None = None) -> bool:
        """Whether any of the rows was set aside."""
        wanted = self._wanted(devices)
        return any(True for _, _, aside in self._each_hour() for _, found in aside for _ in self._aside(found, wanted))

    def verdicts(self, devices: Sequence[str] | None = None) -> Columns:
        """What became of the windows that end in (start, end]: column of `layout.VERDICT_FIELDS` to [n], in order.

        `devices` are called as for `get`, or by the name or number that stands with the verdict. Raises ArchiveError.
        """
        found = [VERDICTS.empty(), *self.each_verdicts(devices)]
        return {name: np.concatenate([each[name] for each in found]) for name in found[0]}

    def each_verdicts(self, devices: Sequence[str] | None = None) -> Iterator[Columns]:
        """The same, hour by hour."""
        yield from self._of(between(self.root, self.start, self.end), devices)

    def statistics(self, devices: Sequence[str] | None = None) -> Columns:
        """How the devices were in each minute that begins in [start, end), as concentrators with `statistics` say:
        column of `archive.statistics.FIELDS` to [n], in order. `devices` as for `verdicts`. Raises ArchiveError.
        """
        found = [STATISTICS.empty(), *self._of(minutes(self.root, self.start, self.end), devices)]
        return {name: np.concatenate([each[name] for each in found]) for name in found[0]}

    def _of(self, found: Iterator[Columns], devices: Sequence[str] | None) -> Iterator[Columns]:
        """The rows of some devices."""
        wanted = {device: self._numbers(device) for device in devices or ()}
        for rows in found:
            for device, numbers in wanted.items():
                called = (rows["name"] == device) | (rows["device"].astype("U10") == device)
                numbers.update(rows["device"][called].tolist())
            if devices is not None:
                rows = some(rows, np.isin(rows["device"], sorted(set().union(*wanted.values()))))
            yield rows
        self.check_devices([device for device, numbers in wanted.items() if not numbers])

    def _numbers(self, device: str) -> set[int]:
        try:
            return {key.device for key in self._called(device)}
        except ArchiveError:
            return set()

    # xarray

    def to_xarray(self, table: str | None = None) -> Any:
        """One table as an `xarray.Dataset` of the shape that finished files have. Raises ArchiveError."""
        from archive.datasets import dataset

        name = table or (self.tables[0] if len(self.tables) == 1 else "")
        if name not in self.tables:
            raise ArchiveError(f"name one of the tables: {', '.join(self.tables) or 'there is none in that time'}")
        with self.joined(name) as rows:
            return dataset(rows, self.start, self.end)

    @contextmanager
    def joined(self, table: str) -> Iterator[Joined]:
        """The placed rows of one table over all hours of the interval; all files are open meanwhile."""
        with ExitStack() as stack:
            opened = [stack.enter_context(opened_hour(self.root, hour))[0] for hour in self.hours]
            mine = [rows for tables in opened for rows in tables if rows.table.name == table]
            found = [rows for rows in mine if self._touches(rows.table, rows.crop())]
            if not found:
                raise ArchiveError(f"{self.root}: nothing in table {table} in that time")
            yield Joined(found[0].table, [source for rows in found for source in rows.sources])
