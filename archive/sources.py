"""Rows as they are read: parts and finished files behind one face, and several of them as one.

A block is `[column, slot, …]` per field, with `present`; fields of holes are arbitrary. Columns are known by the
identity of their configuration, so that a part, a finished file and a late part of one hour join.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from archive import folder, layout, spectra
from archive.configurations import from_json, identity, recognised
from archive.disk import Disk
from archive.parts import Part, Rows
from archive.picking import Pick
from protocol.messages import Configuration, Table

SCAN = 16 << 20
"""Presence bytes looked at in one go."""


class Source(Protocol):
    """Something that holds rows of one table for the slots [first, stop)."""

    first: int
    stop: int
    columns: dict[str, int]
    """Identity of a configuration to the column that holds its rows."""
    configurations: dict[str, Configuration]

    def block(self, columns: Sequence[int], first: int, stop: int, pick: Pick | None = None) -> Rows:
        """Fields of some columns for the slots [first, stop), which must lie within the source; see `wanted`."""
        ...

    def crop(self) -> tuple[int, int] | None:
        """[first, stop) of the slots with any row, None if there is none."""
        ...


def wanted(table: Table, pick: Pick | None) -> dict[str, layout.Field]:
    """What a block holds: all fields, or presence, offset and one quantity, picked from its channels or words."""
    fields = layout.row_fields(table) | {"present": layout.Field("|u1")}
    if pick is None:
        return fields
    tail = () if pick.many is None else (pick.many,)
    return {
        name: layout.Field(field.dtype, tail if name == pick.field else field.tail)
        for name, field in fields.items() if name in ("present", "offset", pick.field)
    }  # fmt: skip


class PartSource:
    """A part, live or sealed."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.first, self.stop = part.first, part.first + part.slots
        held = {column: each for column, each in enumerate(part.configurations) if each is not None}
        self.columns = {identity(each): column for column, each in held.items()}
        self.configurations = {identity(each): each for each in held.values()}
        self._views = {name: part.view(name) for name in (*part.fields, "present")}

    def block(self, columns: Sequence[int], first: int, stop: int, pick: Pick | None = None) -> Rows:
        slots, which = slice(first - self.first, stop - self.first), _run(columns)
        found = {name: self._views[name][slots][:, which].swapaxes(0, 1) for name in wanted(self.part.table, pick)}
        if pick is not None and pick.at is not None:
            found[pick.field] = found[pick.field][..., pick.channels]
        return found

    def crop(self) -> tuple[int, int] | None:
        """[first, stop) of the slots with any row, None if there is none."""
        present = self._views["present"]
        step = max(1, SCAN // max(1, present.shape[1]))
        hits = [
            first + np.flatnonzero(present[first : first + step].any(axis=1)) for first in range(0, len(present), step)
        ]
        taken = np.concatenate(hits)
        return (self.first + int(taken[0]), self.first + int(taken[-1]) + 1) if len(taken) else None


def _run(columns: Sequence[int]) -> slice | list[int]:
    """Columns as an index that copies nothing if they follow each other."""
    if list(columns) == list(range(columns[0], columns[0] + len(columns))):
        return slice(columns[0], columns[0] + len(columns))
    return list(columns)


class FinishedSource:
    """One table's group in a finished file; the file stays open as long as the source is used."""

    def __init__(self, group: Any, table: Table) -> None:
        self._group, self._table = group, table
        self._data: dict[str, Any] = {}
        self.first = int(group.attrs["first_slot"])
        self.stop = self.first + int(group["time"].shape[0])
        held = [recognised(text) for text in group["configuration"].asstr()[:]]
        self.columns = {key: column for column, (key, _) in enumerate(held)}
        self.configurations = dict(held)

    def block(self, columns: Sequence[int], first: int, stop: int, pick: Pick | None = None) -> Rows:
        slots = slice(first - self.first, stop - self.first)
        return {
            name: np.stack([self._field(name, column, slots, pick) for column in columns])
            for name in wanted(self._table, pick)
        }

    def _field(self, name: str, column: int, slots: slice, pick: Pick | None) -> NDArray[Any]:
        """[slot, …] of one column."""
        if name != "values":
            at = pick.at if pick is not None and name == pick.field else None
            return self._rows(name, column, (...,) if at is None else (at,), slots)
        if pick is not None and pick.at is not None:
            dataset, middle = spectra.place(self._table, pick.at, pick.many)
            found = self._rows(dataset, column, middle, slots)
            return found if pick.many is None else found.reshape(len(found), pick.many)
        parts = {each: self._rows(each, column, (...,), slots) for each in spectra.datasets(self._table)}
        return spectra.united(self._table, parts)

    def _rows(self, name: str, column: int, middle: tuple[Any, ...], slots: slice) -> NDArray[Any]:
        found: NDArray[Any] = self._opened(name)[column, *middle, slots]
        return np.moveaxis(found, -1, 0)

    def _opened(self, name: str) -> Any:
        if name not in self._data:
            self._data[name] = self._group[name]
        return self._data[name]

    def crop(self) -> tuple[int, int] | None:
        """[first, stop) of the slots with any row."""
        return self.first, self.stop


class Joined:
    """Several sources of one table as one; where two hold the same place, the earlier source speaks."""

    def __init__(self, table: Table, sources: Sequence[Source]) -> None:
        self.table = table
        self.sources = list(sources)
        found = {key: each for source in self.sources for key, each in source.configurations.items()}
        order = sorted(found, key=lambda key: (found[key].device, found[key].version, key))
        self.keys = order
        self.configurations = [found[key] for key in order]

    def only(self, wanted: Callable[[Configuration], bool]) -> Joined:
        """The same of some columns."""
        found = Joined(self.table, self.sources)
        columns = [column for column, each in enumerate(self.configurations) if wanted(each)]
        found.keys = [self.keys[column] for column in columns]
        found.configurations = [self.configurations[column] for column in columns]
        return found

    def crop(self) -> tuple[int, int] | None:
        """[first, stop) of the slots with any row, None if there is none."""
        spans = [span for source in self.sources if (span := source.crop()) is not None]
        return (min(first for first, _ in spans), max(stop for _, stop in spans)) if spans else None

    def block(self, columns: Sequence[int], first: int, stop: int, pick: Pick | None = None) -> Rows:
        """Fields (see `wanted`) of some columns of this join for the slots [first, stop); holes are zero."""
        block: Rows = {
            name: np.zeros((len(columns), stop - first, *field.tail), dtype=field.dtype)
            for name, field in wanted(self.table, pick).items()
        }
        for source in self.sources:
            self._fill(block, source, columns, first, stop, pick)
        return block

    def _fill(self, block: Rows, source: Source, columns: Sequence[int], first: int, stop: int,
              pick: Pick | None) -> None:  # fmt: skip
        a, b = max(first, source.first), min(stop, source.stop)
        theirs = [(at, source.columns[self.keys[column]]) for at, column in enumerate(columns)
                  if self.keys[column] in source.columns]  # fmt: skip
        if a >= b or not theirs:
            return
        found = source.block([column for _, column in theirs], a, b, pick)
        slots = slice(a - first, b - first)
        present = found["present"].astype(bool)
        for row, (at, _) in enumerate(theirs):
            taken = block["present"][at, slots].astype(bool)
            alone = present[row].all() and not taken.any()  # nearly always
            new = slice(None) if alone else present[row] & ~taken
            for name, values in found.items():
                block[name][at, slots][new] = values[row][new]


def lookup(source: Source, column: int, slots: NDArray[np.int64]) -> tuple[NDArray[np.bool_], Rows]:
    """(present [n], fields [n, …]) of one column at some slots; what lies outside the source is not present."""
    inside = (slots >= source.first) & (slots < source.stop)
    present = np.zeros(len(slots), dtype=bool)
    if not inside.any():
        return present, {}
    low, high = int(slots[inside].min()), int(slots[inside].max()) + 1
    block = source.block([column], low, high)
    at = np.where(inside, slots, low) - low
    present = inside & block["present"][0][at].astype(bool)
    return present, {name: values[0][at] for name, values in block.items() if name != "present"}


class AsideRows(NamedTuple):
    """Rows set aside, of one table."""

    configurations: list[Configuration]
    column: NDArray[np.int64]
    """[n] index into `configurations`"""
    rows: Rows
    """time, reason, status, quality, values, digital (if any), digest; each [n, …]"""


def aside_of_part(part: Part) -> AsideRows:
    """All rows of an aside part whose configuration stood in it when it was opened: a live one may grow meanwhile."""
    known = np.array([each is not None for each in part.configurations])
    taken = np.flatnonzero(part.view("present"))
    taken = taken[known[part.view("column")[taken]]]
    rows = {name: np.array(part.view(name)[taken]) for name in part.fields}
    used, column = np.unique(rows.pop("column"), return_inverse=True)
    found = [each for at in used.tolist() if (each := part.configurations[at]) is not None]
    return AsideRows(found, column.astype(np.int64), rows)


def aside_of_group(group: Any, table: Table) -> AsideRows:
    """All rows of a group `aside/<table>` of a finished file."""
    fields = [name for name in layout.aside_fields(table) if name != "column"]
    held = [from_json(text) for text in group["configuration"].asstr()[:]]
    return AsideRows(held, group["column"][:].astype(np.int64), {name: group[name][:] for name in fields})


def join_aside(found: Sequence[AsideRows]) -> AsideRows:
    """Several as one, in order of time, each row once."""
    keys: dict[str, int] = {}
    held: list[Configuration] = []
    columns = []
    for each in found:
        for configuration in each.configurations:
            if keys.setdefault(identity(configuration), len(held)) == len(held):
                held.append(configuration)
        mine = np.array([keys[identity(configuration)] for configuration in each.configurations], dtype=np.int64)
        columns.append(mine[each.column])
    rows = {name: np.concatenate([each.rows[name] for each in found]) for name in found[0].rows}
    column = np.concatenate(columns)
    _, once = np.unique(rows["digest"], axis=0, return_index=True)
    order = once[np.lexsort((column[once], rows["time"][once]))]
    return AsideRows(held, column[order], {name: values[order] for name, values in rows.items()})


def open_finished(path: Path) -> Any:
    """A finished or event file for reading. Raises OSError, ArchiveError."""
    file = h5py.File(path, "r", locking=False)
    try:
        folder.check_file(path, file.attrs)
    except folder.ArchiveError:
        file.close()
        raise
    return file


def merged_of(file: Any) -> set[str]:
    """Serials of the parts that a finished file holds."""
    return set(file["merged"].asstr()[()].split())


def open_part(path: Path) -> Part:
    """A part for reading. Raises FileNotFoundError if it was merged meanwhile."""
    return Part(path, Disk())
