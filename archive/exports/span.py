"""The files of a span as sources of rows, open one hour at a time: a month is 720 files.

What a file holds is told by one look at it; it is opened again when rows of it are read. Live parts may grow, or be
merged, between the two: columns are therefore found by their identity.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from archive import layout
from archive.folder import ArchiveError
from archive.holdings import Holdings
from archive.hours import opened_hour
from archive.merging import joined
from archive.parts import Rows
from archive.picking import Pick
from archive.settling import forget_file
from archive.sources import AsideRows, Joined, open_finished
from archive.spans import inside
from archive.stations import Key, chosen
from protocol.messages import Configuration, Table

OPEN = 2
"""Places that are open at a time: rows at the border of two hours need both."""
READ = 128 << 20
"""Bytes of rows after which what was read of a file leaves the page cache; an hour of a large station is gigabytes."""


class Place(NamedTuple):
    """An hour of the archive, or an event file."""

    root: Path
    hour: int
    """Start [ns]; of event files 0."""
    clip: Path | None = None

    @property
    def path(self) -> Path:
        """The finished file, which need not be there, or the event file."""
        return self.clip or layout.finished_path(self.root, self.hour)

    @contextmanager
    def opened(self) -> Iterator[tuple[dict[str, Joined], list[tuple[Table, AsideRows]]]]:
        """Rows by name of their table, and rows set aside."""
        if self.clip is None:
            with opened_hour(self.root, self.hour) as (tables, aside):
                yield {rows.table.name: rows for rows in tables}, aside
            forget_file(self.path)
        else:
            with closing(open_finished(self.clip)) as file:
                yield {table.name: rows for table, rows in joined(file, [])}, []


class Shelf:
    """The places that are open now, the last ones that were asked for."""

    def __init__(self) -> None:
        self._open: dict[Place, tuple[ExitStack, dict[str, Joined]]] = {}

    def rows(self, place: Place, table: str) -> Joined | None:
        """One table of a place; None if it is there no more."""
        if place not in self._open:
            while len(self._open) >= OPEN:
                self._close(next(iter(self._open)))
            stack = ExitStack()
            tables, _ = stack.enter_context(place.opened())
            self._open[place] = stack, tables
        self._open[place] = self._open.pop(place)
        return self._open[place][1].get(table)

    def _close(self, place: Place) -> None:
        stack, _ = self._open.pop(place)
        stack.close()

    def close(self) -> None:
        """Close all of them."""
        for place in list(self._open):
            self._close(place)


class Lazy:
    """One table of a place (a `sources.Source`), opened when rows are asked for."""

    def __init__(self, shelf: Shelf, place: Place, rows: Joined, span: tuple[int, int]) -> None:
        self._shelf, self._place, self.table = shelf, place, rows.table
        self.first, self.stop = span
        self._keys = list(rows.keys)
        self.columns = {key: column for column, key in enumerate(rows.keys)}
        self.configurations: dict[str, Configuration] = dict(zip(rows.keys, rows.configurations, strict=True))
        self._read = 0

    def crop(self) -> tuple[int, int] | None:
        return self.first, self.stop

    def block(self, columns: Sequence[int], first: int, stop: int, pick: Pick | None = None) -> Rows:
        """Fields of some columns. Raises ArchiveError if they were deleted meanwhile."""
        rows = self._shelf.rows(self._place, self.table.name)
        at = {key: column for column, key in enumerate(rows.keys)} if rows is not None else {}
        keys = [self._keys[column] for column in columns]
        if rows is None or not at.keys() >= set(keys):
            what = self._place.clip or layout.hour_name(self._place.hour)
            raise ArchiveError(f"{self._place.root}: rows of {what} are there no more; export again what is left")
        found = rows.block([at[key] for key in keys], first, stop, pick)
        self._forget(sum(values.nbytes for values in found.values()))
        return found

    def _forget(self, more: int) -> None:
        """So many bytes more were read."""
        self._read += more
        if self._read >= READ:
            self._read = 0
            forget_file(self._place.path)


class Span:
    """All rows of an archive, and of some event files, between two moments."""

    def __init__(self, root: Path, start: int, end: int, clips: Sequence[Path] = ()) -> None:
        """Raises ArchiveError, OSError."""
        self.start, self.end = start, end
        self.shelf = Shelf()
        self.tables: dict[str, list[Lazy]] = {}
        self._aside: list[tuple[Configuration, int]] = []
        hours = Holdings(root, start, end).hours
        for place in [*(Place(root, hour) for hour in hours), *(Place(root, 0, clip) for clip in clips)]:
            self._look(place)

    def _look(self, place: Place) -> None:
        """What a place holds of the interval."""
        with place.opened() as (tables, aside):
            for name, rows in tables.items():
                span = inside(rows.table, rows.crop(), self.start, self.end)
                if span is not None:
                    self.tables.setdefault(name, []).append(Lazy(self.shelf, place, rows, span))
            for _, found in aside:
                here = (found.rows["time"] >= self.start) & (found.rows["time"] < self.end)
                count = np.bincount(found.column[here], minlength=len(found.configurations)).tolist()
                self._aside += [pair for pair in zip(found.configurations, count, strict=True) if pair[1]]

    @property
    def configurations(self) -> list[Configuration]:
        """Of all rows, also of those set aside."""
        placed = [each for found in self.tables.values() for lazy in found for each in lazy.configurations.values()]
        return placed + [each for each, _ in self._aside]

    def joined(self, table: str) -> Joined:
        """One table over the whole span."""
        sources = self.tables[table]
        return Joined(sources[0].table, sources)

    def aside(self, wanted: set[Key] | None) -> int:
        """How many rows of these stations were set aside."""
        return sum(rows for each, rows in self._aside if chosen([each], wanted))

    def close(self) -> None:
        self.shelf.close()
