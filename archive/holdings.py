"""What an archive holds between two moments: hours, tables, stations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import numpy as np

from archive import checksums, folder, layout
from archive.checksums import Checksum
from archive.folder import ArchiveError
from archive.glances import Glances
from archive.hours import opened_hour
from archive.longrows import Rows as LongRows
from archive.sources import AsideRows, Joined
from archive.spans import inside
from archive.stations import Key, Stations, chosen
from protocol.messages import Configuration, Table


class Holdings:
    """Files are opened when needed, an hour at a time."""

    def __init__(self, root: Path, start: int, end: int) -> None:
        self.root, self.start, self.end = root, start, end
        self._known: dict[str, list[Configuration]] | None = None
        self._strayed: list[Configuration] = []
        self._stations: Stations | None = None
        self._glances = Glances()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._known = self._stations = None

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
    def overview_hours(self) -> list[int]:
        """Starts [ns] of the hours whose rows are gone and of which the interval has an overview by seconds."""
        found = layout.overview_hours(self.root, self.start - layout.SPAN, self.end)
        return [hour for hour in found if self.start - layout.SPAN < hour < self.end]

    @property
    def removed(self) -> list[Checksum]:
        """Files of the interval that are not there because retention has deleted them: when, and why."""
        return checksums.removed(self.root, self.start, self.end)

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
        """Every configuration that has rows, at their places or aside, or had some of which there is an overview."""
        placed = [each for table in self.configurations.values() for each in table]
        left: dict[str, list[Configuration]] = {}
        for held in (held for hour in self.overview_hours for held in self._glances.left(self.root, hour)):
            if self._touches(held.table, (held.first, held.stop)):
                known = left.setdefault(held.table.name, [])
                known += [each for each in held.configurations if each not in known]
        return self._strayed + placed + [each for known in left.values() for each in known]

    @property
    def tables(self) -> list[str]:
        """Names of the tables."""
        return sorted(self.configurations)

    @property
    def stations(self) -> Stations:
        """Who has rows in it, at their places or set aside, or had some of which there is an overview."""
        if self._stations is None:
            self._stations = Stations(self._all())
        return self._stations

    @property
    def devices(self) -> list[str]:
        """Names of the stations; where two have the same name, `link/name`, or `link/name (2)` on one link."""
        return list(self.stations.names)

    def check_devices(self, devices: Sequence[str]) -> None:
        """Raises ArchiveError if one of these stations is not in it."""
        self._wanted(devices)

    def _wanted(self, devices: Sequence[str] | None) -> set[Key] | None:
        """What is called so; None for all."""
        stations = self.stations
        return None if devices is None else set().union(*(stations.called(device) for device in devices))

    def _each_hour(self) -> Iterator[tuple[int, list[Joined], list[tuple[Table, AsideRows]]]]:
        for hour in self.hours:
            with opened_hour(self.root, hour) as (tables, aside):
                yield hour, [rows for rows in tables if self._touches(rows.table, rows.crop())], aside

    def _touches(self, table: Table, span: tuple[int, int] | None) -> bool:
        """Whether a table with rows in these slots may have some in the interval."""
        return inside(table, span, self.start, self.end) is not None

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

    def _aside(self, found: AsideRows, wanted: set[Key] | None) -> Iterator[LongRows]:
        time = found.rows["time"]
        inside = (time >= self.start) & (time < self.end)
        for column in chosen(found.configurations, wanted):
            mine = inside & (found.column == column)
            if mine.any():
                words = found.rows.get("digital", np.zeros((len(time), 0), "<u2"))
                yield LongRows(found.configurations[column], time[mine], found.rows["status"][mine],
                               found.rows["values"][mine], words[mine], found.rows["reason"][mine])  # fmt: skip
