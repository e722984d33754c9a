"""First come, first placed: what becomes of rows that want places in a part.

A row whose place is empty is archived. Where there is a row already (in the file, or earlier in the same lot),
the same bytes make it a duplicate, other bytes set it aside: nothing is ever overwritten.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archive import layout
from archive.configurations import Register
from archive.parts import Part, Rows
from protocol import clock
from protocol.messages import U1, U4, Measurements, Table

Index = NDArray[np.int64]
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
        """Some of the rows."""
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
    order = np.argsort(cells, kind="stable")
    sorted_cells = cells[order]
    first = np.concatenate([[True], sorted_cells[1:] != sorted_cells[:-1]])
    group = np.cumsum(first) - 1
    leaders = order[first]
    mine = packed(lot.table, lot.rows)
    standing = mine[leaders]
    places = sorted_cells[first]
    full = part.take("present", places).astype(bool)
    if full.any():
        standing[full] = packed(lot.table, {name: part.take(name, places[full]) for name in lot.rows})
    empty = np.flatnonzero(~full)
    if len(empty):
        held, rows = taken(lot.number[leaders[empty]], lot.slot[leaders[empty]])
        standing[empty[held]] = packed(lot.table, rows)[held]
        full[empty[held]] = True
    new = first & ~full[group]
    same = (mine[order] == standing[group]).all(axis=1)
    return Outcome(order[new], np.sort(order[~new & same]), np.sort(order[~new & ~same]))


def digests(lot: Lot, register: Register) -> list[bytes]:
    """[n] 16 bytes that tell whether two rows set aside are copies: configuration, time and content."""
    keys = {number: register.keys[number].encode() for number in np.unique(lot.number).tolist()}
    content = packed(lot.table, lot.rows)
    return [
        hashlib.blake2b(keys[number] + time.to_bytes(8, "little", signed=True) + row.tobytes(), digest_size=16).digest()
        for number, time, row in zip(lot.number.tolist(), lot.time.tolist(), content, strict=True)
    ]
