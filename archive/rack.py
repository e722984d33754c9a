"""The shelves that a writer has open, and the rows that it puts there, of all tables and hours."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from archive import folder, layout
from archive.books import Books
from archive.configurations import Register
from archive.disk import Disk
from archive.placing import Index, Marks, by_hour, lot_of, place, strayed, without_copies
from archive.shelves import Shelf
from protocol.messages import Measurements, Table

SHELVES = 64
"""Open at a time; the longest unused are closed."""
Batches = dict[Table, list[tuple[Index, Measurements]]]
"""Rows, and the numbers of their configurations."""


class Rack:
    """Of one archive."""

    def __init__(self, root: Path, register: Register, disk: Disk, limit: int) -> None:
        """`limit` bounds a part [bytes]."""
        self._root, self._register, self._disk, self._limit = root, register, disk, limit
        self._shelves: dict[tuple[int, Table], Shelf] = {}
        """The longest unused first."""
        self._strays = folder.strays(root)

    def put(self, rows: Batches, books: Books, last: dict[int, int]) -> tuple[Marks, set[int]]:
        """Write all rows to their places; returns the presence bytes to write, and the hours with new rows.

        Books and `last` (device -> time of its newest row) are brought up to date. Raises OSError.
        """
        marks: Marks = []
        hours: set[int] = set()
        for table, batches in rows.items():
            streams: dict[tuple[str, int], list[Any]] = {}
            for _, word in batches:
                streams.setdefault((word.node, word.epoch), []).append(word.device)
            for stream, devices in streams.items():
                books.came(*stream, np.concatenate(devices))
            lot = without_copies(lot_of(table, batches), partial(self._known, table), books, self._register)
            for hour, some in by_hour(lot, last):
                self._note_strays(hour, strayed(hour, some))
                marks += place(self._shelf(hour, table), some, books, self._register)
                hours.add(hour)
        return marks, hours

    def _note_strays(self, hour: int, found: tuple[int, int] | None) -> None:
        """Readers that look for the own times of these rows have to be told where they are."""
        if found is not None:
            low, high = self._strays.get(hour, found)
            wider = min(low, found[0]), max(high, found[1])
            if self._strays.get(hour) != wider:
                folder.keep_strays(self._root, self._strays | {hour: wider}, self._disk)
                self._strays[hour] = wider

    def _shelf(self, hour: int, table: Table) -> Shelf:
        shelf = self._shelves.pop((hour, table), None)
        if shelf is None:
            shelf = Shelf(self._root, hour, table, self._register, self._disk, self._limit)
        self._shelves[hour, table] = shelf
        return shelf

    def _known(self, table: Table, hour: int) -> Shelf | None:
        """The shelf of an hour of which there are files."""
        there = (layout.live_folder(self._root, hour), layout.finished_path(self._root, hour))
        return self._shelf(hour, table) if any(path.exists() for path in there) else None

    def close_unused(self) -> None:
        """All but the latest used."""
        for key in list(self._shelves)[: max(0, len(self._shelves) - SHELVES)]:
            self._shelves.pop(key).close()

    def forget(self, hour: int) -> None:
        """The files of an hour are opened anew when next needed."""
        for key in [key for key in self._shelves if key[0] == hour]:
            self._shelves.pop(key).close()

    def close(self) -> None:
        """All are opened anew when next needed."""
        for shelf in self._shelves.values():
            shelf.close()
        self._shelves.clear()
