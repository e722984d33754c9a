"""The shelf of one table and one hour: which parts there are, which column of which part a row goes to.

A shelf never writes to a sealed part or a finished file, but asks them whether a place is taken.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archive import layout
from archive.configurations import Register
from archive.disk import Disk, make_folder
from archive.parts import BLOB, Part, Rows, create_aside_part, create_table_part
from archive.sources import FinishedSource, PartSource, Source, aside_of_group, aside_of_part, lookup, open_finished
from protocol import clock
from protocol.messages import Table

Places = NDArray[np.int64]


class Shelf:
    """Open parts of one table for one hour."""

    def __init__(self, root: Path, hour: int, table: Table, register: Register, disk: Disk, limit: int) -> None:
        self.root, self.hour, self.table = root, hour, table
        self._register, self._disk, self._limit = register, disk, limit
        self.folder = layout.live_folder(root, hour)
        self.parts: list[Part] = []
        self.asides: list[Part] = []
        self._older: list[Source] = []
        self._closing: list[Any] = []
        self._columns: dict[tuple[int, int], tuple[Part, int]] = {}
        self._seats: dict[int, Places] = {}
        """Start of parts -> [2, configurations] place among `parts`, and column; -1: was not asked for yet."""
        self._aside_columns: dict[tuple[Path, int], int] = {}
        self.digests: set[bytes] = set()
        for _ in range(3):  # a finishing child may merge and delete sealed parts while we open them
            try:
                self._open()
                break
            except FileNotFoundError:
                self.close()
        else:
            self._open()
        spans = [int(part.attributes["span"]) for part in self.parts]
        spans += [int(source.part.attributes["span"]) for source in self._older if isinstance(source, PartSource)]
        self.span: int | None = spans[0] if spans else None

    def _open(self) -> None:
        """Sealed parts first, then the finished file: what is merged in between is then in the latter."""
        for path in sorted(self.folder.glob(f"{self.table.name}.*{layout.SEALED}")):
            part = self._keep(Part(path, self._disk))
            self._aged(part)
        for path in sorted(self.folder.glob(f"{self.table.name}.*{layout.PART}")):
            self._take_up(self._keep(Part(path, self._disk, writable=True)))
        finished = layout.finished_path(self.root, self.hour)
        if finished.exists():
            file = self._keep(open_finished(finished))
            if self.table.name in file:
                self._older.append(FinishedSource(file[self.table.name], self.table))
            if f"aside/{self.table.name}" in file:
                self._note_aside(aside_of_group(file[f"aside/{self.table.name}"], self.table).rows)

    def _keep(self, opened: Any) -> Any:
        self._closing.append(opened)
        return opened

    def _aged(self, part: Part) -> None:
        if part.is_aside:
            self._note_aside(aside_of_part(part).rows)
        else:
            self._older.append(PartSource(part))

    def _take_up(self, part: Part) -> None:
        """A part of ours from an earlier life."""
        held = [(column, each) for column, each in enumerate(part.configurations) if each is not None]
        numbers = [(column, self._register.number(each)) for column, each in held]
        if part.is_aside:
            self.asides.append(part)
            self._note_aside(aside_of_part(part).rows)
            self._aside_columns.update({(part.path, number): column for column, number in numbers})
        else:
            self.parts.append(part)
            start = int(part.attributes["start"])
            self._columns.update({(number, start): (part, column) for column, number in numbers})

    def _note_aside(self, rows: Rows) -> None:
        self.digests.update(digest.tobytes() for digest in rows["digest"])

    # places

    def places(self, number: Places, slot: Places) -> tuple[list[Part], Places, Places]:
        """(parts, [n] index of each row's part, [n] its cell) for configuration numbers and slots of rows."""
        span, rate = self._span(number), self.table.rate
        low = int(slot.min())
        start = clock.slot_time(np.arange(low, int(slot.max()) + 1), rate) // span * span
        seats = np.empty((2, len(number)), dtype=np.int64)
        for each in np.unique(start).tolist():
            mine = slice(None) if start[0] == start[-1] else np.flatnonzero(start[slot - low] == each)
            seats[:, mine] = self._seats_of(number[mine], each, span)
        used = np.flatnonzero(np.bincount(seats[0]))
        index = used.searchsorted(seats[0])
        parts = [self.parts[each] for each in used.tolist()]
        first = np.array([part.first for part in parts])[index]
        capacity = np.array([part.capacity for part in parts])[index]
        return parts, index, (slot - first) * capacity + seats[1]

    def _seats_of(self, number: Places, start: int, span: int) -> Places:
        """[2, n] Place among `parts` and column of configurations in the parts that begin at `start`."""
        seats = self._seats.get(start, np.zeros((2, 0), dtype=np.int64))
        missing = int(number.max(initial=-1)) + 1 - seats.shape[1]
        if missing > 0:
            seats = np.pad(seats, ((0, 0), (0, missing)), constant_values=-1)
        found = seats[:, number]
        if (found[0] < 0).any():
            for each in np.unique(number[found[0] < 0]).tolist():
                part, column = self._column(each, start, span)
                seats[:, each] = self.parts.index(part), column
            found = seats[:, number]
        self._seats[start] = seats
        return found

    def _span(self, number: Places) -> int:
        """Length of this shelf's parts [ns]: the longest under the limit when its first part is made."""
        if self.span is None:
            wanted = _with_spare(max(len(np.unique(number)), self._register.expected(self.table)))
            second = wanted * layout.row_bytes(self.table) * max(self.table.rate, 1)
            fits = [span for span in layout.PART_SPANS if second * (span // clock.SECOND) <= self._limit]
            self.span = fits[0] if fits else layout.PART_SPANS[-1]
        return self.span

    def _column(self, number: int, start: int, span: int) -> tuple[Part, int]:
        """The part and column of a configuration; taken, or made, when it is new."""
        found = self._columns.get((number, start))
        if found is None:
            configuration, text = self._register.all[number], self._register.text(number)
            parts = [part for part in self.parts if part.attributes["start"] == start]
            free = ((part, column) for part in parts if (column := part.free_column(text)) is not None)
            part, column = next(free, None) or (self._new_part(number, start, span), 0)
            part.assign(column, configuration, text)
            found = self._columns[number, start] = (part, column)
        return found

    def _new_part(self, number: int, start: int, span: int) -> Part:
        taken = sum(begin == start for _, begin in self._columns)
        wanted = _with_spare(max(self._register.expected(self.table) - taken, 1))
        slots = layout.first_slot(start + span, self.table.rate) - layout.first_slot(start, self.table.rate)
        room = self._limit // (max(slots, 1) * layout.row_bytes(self.table))
        path = self._new_path(layout.part_name(self.table, start, span, secrets.token_hex(6)))
        create_table_part(path, self.table, start, span, max(1, min(wanted, room)), self._blob(number), self._disk)
        part: Part = self._keep(Part(path, self._disk, writable=True))
        self.parts.append(part)
        return part

    def _new_path(self, name: str) -> Path:
        make_folder(self.folder)
        return self.folder / name

    def _blob(self, number: int) -> int:
        """Room for the JSON of configurations like this one."""
        return max(BLOB, len(self._register.text(number)) * 3 // 2)

    def taken(self, number: Places, slot: Places) -> tuple[NDArray[np.bool_], Rows]:
        """([n] whether a place is taken in a sealed part or the finished file, [n, …] what stands there)."""
        taken = np.zeros(len(slot), dtype=bool)
        held: Rows = {
            name: np.zeros((len(slot), *field.tail), dtype=field.dtype)
            for name, field in layout.row_fields(self.table).items()
        }
        for each in np.unique(number).tolist() if self._older else []:
            mine = np.flatnonzero(number == each)
            key = self._register.keys[each]
            for source in self._older:
                if key in source.columns:
                    present, rows = lookup(source, source.columns[key], slot[mine])
                    new = mine[present & ~taken[mine]]
                    for name, values in rows.items():
                        held[name][new] = values[present & ~taken[mine]]
                    taken[new] = True
        return taken, held

    def standing(self, number: Places, slot: Places) -> tuple[NDArray[np.bool_], Rows]:
        """([n] whether a place is taken in any file of this hour, [n, …] what stands there). Makes nothing."""
        taken, held = self.taken(number, slot)
        if self.span is None:
            return taken, held
        start = clock.slot_time(slot, self.table.rate) // self.span * self.span
        for row, key in enumerate(zip(number.tolist(), start.tolist(), strict=True)):
            part, column = self._columns.get(key, (None, 0))
            if part is None:
                continue
            cell = np.array([(int(slot[row]) - part.first) * part.capacity + column])
            if part.take("present", cell)[0]:
                taken[row] = True
                for name, values in held.items():
                    values[row] = part.take(name, cell)[0]
        return taken, held

    # aside

    def aside(self, number: Places) -> list[tuple[Part, Places, Places]]:
        """For n rows to be set aside, by configuration number: (part, which rows, their cells), …

        `aside_column` then says which column of the part a row's configuration has.
        """
        lots: list[tuple[Part, Places, Places]] = []
        todo = np.arange(len(number), dtype=np.int64)
        for part in self.asides:
            todo = self._into(part, number, todo, lots)
        while len(todo):
            path = self._new_path(layout.aside_name(self.table, secrets.token_hex(6)))
            wanted = _with_spare(len(np.unique(number[todo])))
            largest = max(self._blob(each) for each in np.unique(number[todo]).tolist())
            create_aside_part(path, self.table, wanted, largest, self._disk)
            part = self._keep(Part(path, self._disk, writable=True))
            self.asides.append(part)
            todo = self._into(part, number, todo, lots)
        return lots

    def _into(self, part: Part, number: Places, todo: Places, lots: list[tuple[Part, Places, Places]]) -> Places:
        """Put as many rows as this aside part takes; returns the rest."""
        used = np.flatnonzero(part.view("present"))
        start = int(used[-1]) + 1 if len(used) else 0
        fits = [each for each in np.unique(number[todo]).tolist() if self.aside_column(part, each) is not None]
        mine = todo[np.isin(number[todo], fits)][: part.slots - start]
        if len(mine):
            lots.append((part, mine, np.arange(start, start + len(mine), dtype=np.int64)))
        return np.setdiff1d(todo, mine)

    def aside_column(self, part: Part, number: int) -> int | None:
        """Column of a configuration in an aside part, None if it has no room for it."""
        known = self._aside_columns.get((part.path, number))
        if known is not None:
            return known
        text = self._register.text(number)
        column = part.free_column(text)
        if column is not None:
            part.assign(column, self._register.all[number], text)
            self._aside_columns[part.path, number] = column
        return column

    def close(self) -> None:
        for opened in self._closing:
            opened.close()
        self._closing, self._older, self.parts, self.asides = [], [], [], []
        self._columns, self._seats, self.digests = {}, {}, set()


def seal_part(path: Path) -> None:
    """Rename a part to say that it is never written again."""
    path.rename(path.with_name(path.name.removesuffix(layout.PART) + layout.SEALED))


def _with_spare(columns: int) -> int:
    return columns + max(4, columns // 4)
