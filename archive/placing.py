"""First come, first placed: what becomes of rows that want places in a part.

A row whose place is empty is archived. Where there is a row already (in the file, or earlier in the same lot),
the same bytes make it a duplicate, other bytes set it aside: nothing is ever overwritten. A row that was found
implausible is set aside, unless it is a copy of one that stands at its place (an old frame injected again).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archive import layout
from archive.books import Books
from archive.configurations import Register
from archive.parts import Cells, Part, Rows, slot_times
from archive.shelves import Shelf
from protocol import clock
from protocol.messages import U1, U4, Aside, Measurements, Table

DAY = 86_400 * clock.SECOND
SPARSE = 8
"""Cells to a row, from the first to the last, beyond which it is cheaper to sort."""
Index = NDArray[np.int64]
Marks = list[tuple[Cells, int, bytes, bytes]]
"""(part, offset, presence bytes before, and after)."""
Taken = Callable[[Index, Index], tuple[NDArray[np.bool_], Rows]]


class Lot(NamedTuple):
    """Rows of one table, ready to be placed."""

    table: Table
    device: U4
    number: Index
    """[n] of the configuration in the register"""
    time: Index
    slot: Index
    aside: U1
    rows: Rows
    """The fields of `layout.row_fields`."""

    def pick(self, which: NDArray[Any]) -> Lot:
        """Some of the rows; itself for all of them in their order."""
        if len(which) == len(self.time) and (which.all() if which.dtype == bool else (np.diff(which) == 1).all()):
            return self
        picked = {name: values[which] for name, values in self.rows.items()}
        device, number, time = self.device[which], self.number[which], self.time[which]
        return Lot(self.table, device, number, time, self.slot[which], self.aside[which], picked)


def lot_of(table: Table, batches: list[tuple[Index, Measurements]]) -> Lot:
    """One lot of many batches, each with the configuration number of its rows, in the order they came."""
    words = [batch for _, batch in batches]
    time = np.concatenate([word.time for word in words]).astype(np.int64)
    slot = clock.slot_of(time, table.rate)
    rows = {name: np.concatenate([getattr(word, name) for word in words])
            for name in layout.row_fields(table) if name != "offset"}  # fmt: skip
    rows["offset"] = (time - clock.slot_time(slot, table.rate)).astype(layout.offset_type(table.rate))
    device = np.concatenate([word.device for word in words])
    number = np.concatenate([number for number, _ in batches])
    return Lot(table, device, number, time, slot, np.concatenate([word.aside for word in words]), rows)


def packed(table: Table, rows: Rows) -> U1:
    """[n, bytes] The bytes of each row: rows are the same if and only if these are."""
    columns = []
    for name, field in layout.row_fields(table).items():
        flat = np.ascontiguousarray(rows[name], dtype=field.dtype)
        columns.append(flat.reshape(len(flat), -1).view(np.uint8))
    return np.concatenate(columns, axis=1)


class Outcome(NamedTuple):
    """Indices of the rows of a lot, by what becomes of them; `archived` in ascending order of their cells."""

    archived: Index
    duplicate: Index
    taken: Index


def settle(part: Part, cells: Index, lot: Lot, taken: Taken) -> Outcome:
    """Judge rows against their cells of a part, against each other, and against older files (`taken`)."""
    order = _by_cell(cells)
    sorted_cells = cells[order]
    first = np.concatenate([[True], sorted_cells[1:] != sorted_cells[:-1]])
    group = np.cumsum(first) - 1
    leaders = order[first]
    places = sorted_cells[first]
    full = part.take("present", places).astype(bool)
    empty = np.flatnonzero(~full)
    held, rows = taken(lot.number[leaders[empty]], lot.slot[leaders[empty]])
    if first.all() and not full.any() and not held.any():
        return Outcome(order, order[:0], order[:0])  # nearly always: nothing to compare
    mine = packed(lot.table, lot.rows)
    standing = mine[leaders]
    if full.any():
        standing[full] = packed(lot.table, {name: part.take(name, places[full]) for name in lot.rows})
    if held.any():
        standing[empty[held]] = packed(lot.table, rows)[held]
        full[empty[held]] = True
    new = first & ~full[group]
    same = (mine[order] == standing[group]).all(axis=1)
    return Outcome(order[new], np.sort(order[~new & same]), np.sort(order[~new & ~same]))


def _by_cell(cells: Index) -> Index:
    """[n] Rows in ascending order of their cells, those of one cell in their own order."""
    low = int(cells.min())
    room = int(cells.max()) + 1 - low
    if room <= SPARSE * len(cells):  # as rows of many devices are: put each where it belongs instead of sorting
        seat = np.full(room, -1)
        seat[cells - low] = np.arange(len(cells))
        order = seat[seat >= 0]
        if len(order) == len(cells):
            return np.asarray(order)
    return np.argsort(cells, kind="stable")


def digests(lot: Lot, register: Register) -> list[bytes]:
    """[n] 16 bytes that tell whether two rows set aside are copies: configuration, time and content."""
    keys = {number: register.keys[number].encode() for number in np.unique(lot.number).tolist()}
    content = packed(lot.table, lot.rows)
    return [
        hashlib.blake2b(keys[number] + time.to_bytes(8, "little", signed=True) + row.tobytes(), digest_size=16).digest()
        for number, time, row in zip(lot.number.tolist(), lot.time.tolist(), content, strict=True)
    ]


def by_hour(lot: Lot, last: dict[int, int]) -> list[tuple[int, Lot]]:
    """Rows by the hour they stand in; an implausible one stays with its device's plausible ones."""
    placed = np.flatnonzero(lot.aside == Aside.NO)
    recent = _last_rows(lot, placed)
    last.update(zip(lot.device[recent].tolist(), lot.time[recent].tolist(), strict=True))
    if 0 < placed.size == len(lot.slot):
        ends = clock.slot_time(np.array([lot.slot.min(), lot.slot.max()]), lot.table.rate) // layout.SPAN * layout.SPAN
        if ends[0] == ends[1]:
            return [(int(ends[0]), lot)]
    hour = clock.slot_time(lot.slot, lot.table.rate) // layout.SPAN * layout.SPAN
    for row in np.flatnonzero(lot.aside != Aside.NO).tolist():
        hour[row] = layout.hour_of(last.get(int(lot.device[row]), int(lot.time[row])))
    return [(each, lot.pick(np.flatnonzero(hour == each))) for each in np.unique(hour).tolist()]


def _last_rows(lot: Lot, placed: Index) -> Index:
    """Of some rows the last ones of each configuration, by device, and in their order where a device has two."""
    seat = np.full(int(lot.number.max(initial=0)) + 1, -1)
    seat[lot.number[placed]] = placed
    recent = np.sort(seat[seat >= 0])
    return np.asarray(recent[np.argsort(lot.device[recent], kind="stable")])


def strayed(hour: int, lot: Lot) -> tuple[int, int] | None:
    """[from, to) ns, in whole days, of a lot's implausible rows whose time is not of their hour; None without any."""
    time = lot.time[(lot.aside != Aside.NO) & ((lot.time < hour) | (lot.time >= hour + layout.SPAN))]
    return (int(time.min()) // DAY * DAY, (int(time.max()) // DAY + 1) * DAY) if len(time) else None


def without_copies(lot: Lot, shelf_of: Callable[[int], Shelf | None], books: Books, register: Register) -> Lot:
    """The lot without those implausible rows that stand at their places already, or will with this lot.

    `shelf_of` gives the shelf of an hour [ns], None where there are no files of it.
    """
    stray = np.flatnonzero(lot.aside != Aside.NO)
    if not len(stray):
        return lot
    copy = np.zeros(len(lot.time), dtype=bool)
    near = np.flatnonzero((lot.aside == Aside.NO) & np.isin(lot.time, lot.time[stray]))
    here = set(digests(lot.pick(near), register)) if len(near) else set()
    copy[stray] = [digest in here for digest in digests(lot.pick(stray), register)]
    hour = clock.slot_time(lot.slot[stray], lot.table.rate) // layout.SPAN * layout.SPAN
    for each in np.unique(hour).tolist():
        shelf = shelf_of(each)
        mine = stray[hour == each]
        if shelf is not None:
            taken, held = shelf.standing(lot.number[mine], lot.slot[mine])
            same = (packed(lot.table, held) == packed(lot.table, lot.pick(mine).rows)).all(axis=1)
            copy[mine] |= taken & same
    books.count("duplicate", lot.device[copy])
    return lot.pick(np.flatnonzero(~copy))


def place(shelf: Shelf, lot: Lot, books: Books, register: Register) -> Marks:
    """Write the rows of one table and hour, count them; returns the presence bytes that make them so."""
    marks: Marks = []
    placed = np.flatnonzero(lot.aside == Aside.NO)
    reason = lot.aside.astype(np.uint8)
    if len(placed):
        parts, index, cells = shelf.places(lot.number[placed], lot.slot[placed])
        for at, part in enumerate(parts):
            mine = placed[index == at]
            some = lot.pick(mine)
            outcome = settle(part, cells[index == at], some, shelf.taken)
            marks += _put(part, cells[index == at][outcome.archived], some.pick(outcome.archived))
            books.count("archived", some.device[outcome.archived])
            books.count("duplicate", some.device[outcome.duplicate])
            reason[mine[outcome.taken]] = Aside.PLACE_TAKEN
    leftover = np.flatnonzero(reason)
    return marks + _set_aside(shelf, lot.pick(leftover), reason[leftover], books, register)


def _put(part: Part, cells: Index, lot: Lot) -> Marks:
    if not len(cells):
        return []
    for name, values in lot.rows.items():
        part.put(name, cells, values)
    part.put("time", *slot_times(part, cells))
    return [(part, *mark) for mark in part.marks(cells)]


def _set_aside(shelf: Shelf, lot: Lot, reason: Any, books: Books, register: Register) -> Marks:
    """Append rows to the aside parts, copies of what is there excepted."""
    if not len(reason):
        return []
    digest = digests(lot, register)
    fresh = np.zeros(len(digest), dtype=bool)
    for row, each in enumerate(digest):
        fresh[row] = each not in shelf.digests
        shelf.digests.add(each)
    books.count("duplicate", lot.device[~fresh])
    books.count("aside", lot.device[fresh])
    kept = lot.pick(fresh)
    marks: Marks = []
    rows = {name: values for name, values in kept.rows.items() if name != "offset"}
    rows |= {"time": kept.time, "reason": reason[fresh],
             "digest": np.frombuffer(b"".join(digest), np.uint8).reshape(-1, 16)[fresh]}  # fmt: skip
    for part, mine, cells in shelf.aside(kept.number):
        for name, values in rows.items():
            part.put(name, cells, values[mine])
        column = [shelf.aside_column(part, number) for number in kept.number[mine].tolist()]
        part.put("column", cells, np.array(column, dtype=np.uint32))
        marks += [(part, *mark) for mark in part.marks(cells)]
    return marks
