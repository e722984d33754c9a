"""Parts: preallocated HDF5 files whose metadata never changes again after their creation.

h5py only creates a part and tells where its datasets lie; rows are `pwrite`n there. So a part is readable at any
moment, also live and by a plain `h5py.File(path, locking=False)`, whatever happens to its writer. Files are sparse:
what was never written takes no space and reads as zeros, hence `present`.

A table part is time-major: `values [slot, column, channel]`, the others `[slot, column]`, `time [slot]`.
An aside part has `[row]`. In both, `columns [column]` and `configuration [column]` (JSON) say what a column is;
they are filled when a device first needs its column.
"""

from __future__ import annotations

import itertools
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from archive import folder, layout
from archive.configurations import from_json
from archive.disk import Disk
from archive.layout import Field
from protocol import clock
from protocol.messages import Configuration, Table

Rows = dict[str, NDArray[Any]]
"""Field name to [n, …]."""
Datasets = dict[str, tuple[Field, tuple[int, ...]]]
"""Name to what a cell holds, and the shape before its tail."""
PAGE = 4096
"""Holes smaller than this are on disk anyway: writes bridge them."""
BLOB = 4096
"""Least room for the JSON of one configuration."""


class Extent(NamedTuple):
    """Where a dataset lies in its file."""

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def create(path: Path, fields: Mapping[str, tuple[Field, tuple[int, ...]]], attributes: dict[str, Any],
           disk: Disk) -> None:  # fmt: skip
    """Make a part: each field with the shape before its tail. It appears under its name complete and on disk."""
    temporary = path.with_suffix(".tmp")
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_layout(h5py.h5d.CONTIGUOUS)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    with h5py.File(temporary, "w", locking=False) as file:
        file.attrs.update(attributes)
        for name, (field, lead) in fields.items():
            space = h5py.h5s.create_simple((*lead, *field.tail))
            kind = layout.COLUMN if field.dtype == "column" else np.dtype(field.dtype)
            dataset = h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(kind, logical=True), space, plan)
            h5py.Dataset(dataset).attrs["about"] = field.about
        file.flush()
    disk.replace(temporary, path)


def column_fields(columns: int, blob: int) -> Datasets:
    """The datasets that say what the columns are."""
    return {
        "columns": (Field("column", (), "device number, version, bytes and CRC-32 of its JSON; 0 bytes = free"),
                    (columns,)),
        "configuration": (Field(f"S{blob}", (), "protocol.messages.Configuration as JSON"), (columns,)),
    }  # fmt: skip


class Cells:
    """Datasets of an open part. Cells are read and written by their number."""

    def __init__(self, path: Path, disk: Disk, writable: bool = False) -> None:
        self.path = path
        self._disk = disk
        with _opened(path) as file:
            self.attributes: dict[str, Any] = dict(file.attrs)
            folder.check_file(path, self.attributes)
            self.extents = {
                name: Extent(item.id.get_offset(), item.shape, item.dtype)
                for name, item in file.items() if isinstance(item, h5py.Dataset)
            }  # fmt: skip
        self.fields: dict[str, Field] = {}
        """What a cell of each dataset holds; of one that is not here, a single value."""
        self.fd = os.open(path, os.O_RDWR if writable else os.O_RDONLY)

    def take(self, name: str, cells: NDArray[np.int64]) -> NDArray[Any]:
        """[n, …] What stands in some cells, given in ascending order."""
        unit, tail, dtype = self._unit(name)
        found = np.empty((len(cells), *tail), dtype=dtype)
        for a, b in runs(cells, unit):
            first = int(cells[a])
            found[a:b] = self._read(name, first, int(cells[b - 1]) + 1 - first)[cells[a:b] - first]
        return found

    def put(self, name: str, cells: NDArray[np.int64], rows: NDArray[Any]) -> None:
        """Write [n, …] into some cells, given in ascending order without repetition."""
        unit, _, dtype = self._unit(name)
        for a, b in runs(cells, unit):
            first, count = int(cells[a]), int(cells[b - 1]) + 1 - int(cells[a])
            block = np.ascontiguousarray(rows[a:b], dtype=dtype)
            if count > b - a:
                held = self._read(name, first, count)
                held[cells[a:b] - first] = block
                block = held
            self._write(name, first, block)

    def marks(self, cells: NDArray[np.int64]) -> Iterator[tuple[int, bytes, bytes]]:
        """(offset in the file, presence bytes before, and after) for cells that are to be marked present."""
        offset = self.extents["present"].offset
        for a, b in runs(cells, 1):
            first = int(cells[a])
            before = self._read("present", first, int(cells[b - 1]) + 1 - first)
            after = before.copy()
            after[cells[a:b] - first] = 1
            yield offset + first, before.tobytes(), after.tobytes()

    def write_raw(self, offset: int, data: bytes) -> None:
        """Presence bytes to where `marks` said."""
        self._disk.pwrite(self.fd, data, offset)

    def view(self, name: str) -> NDArray[Any]:
        """A whole dataset as it stands in the file now and hereafter, without reading it (memory map)."""
        offset, shape, dtype = self.extents[name]
        return np.memmap(self.path, dtype=dtype, mode="r", offset=offset, shape=shape)

    def _unit(self, name: str) -> tuple[int, tuple[int, ...], np.dtype[Any]]:
        """(bytes, shape, type) of one cell of a dataset."""
        dtype = self.extents[name].dtype
        tail = self.fields[name].tail if name in self.fields else ()
        return dtype.itemsize * int(np.prod(tail)), tail, dtype

    def _read(self, name: str, first: int, count: int) -> NDArray[Any]:
        unit, tail, dtype = self._unit(name)
        data = bytearray(count * unit)
        view, offset = memoryview(data), self.extents[name].offset + first * unit
        while view.nbytes:
            got = os.preadv(self.fd, [view], offset)
            if not got:
                raise OSError(f"{self.path}: ends at byte {offset}: the file was cut; restore it or move it away")
            view, offset = view[got:], offset + got
        return np.frombuffer(data, dtype=dtype).reshape(count, *tail)

    def _write(self, name: str, first: int, block: NDArray[Any]) -> None:
        unit, _, _ = self._unit(name)
        self._disk.pwrite(self.fd, block.reshape(-1).view(np.uint8), self.extents[name].offset + first * unit)

    def sync(self) -> None:
        self._disk.sync(self.fd)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Part(Cells):
    """An open part of rows: the number of a cell is `slot * columns + column`, or `row`."""

    def __init__(self, path: Path, disk: Disk, writable: bool = False) -> None:
        super().__init__(path, disk, writable)
        try:
            self._recognise()
        except BaseException:
            self.close()
            raise

    def _recognise(self) -> None:
        found = layout.table_of(str(self.attributes["table"]))
        if found is None:
            raise ValueError(f"{self.path}: table {self.attributes['table']!r} is not one of ours")
        self.table: Table = found
        self.is_aside = bool(self.attributes.get("aside", False))
        self.fields = layout.aside_fields(self.table) if self.is_aside else layout.row_fields(self.table)
        self.capacity = self.extents["columns"].shape[0]
        self.configurations: list[Configuration | None] = self._read_columns()
        self._free = 0
        """No column before this one is free."""

    @property
    def first(self) -> int:
        """Number of the first slot."""
        return int(self.attributes["first_slot"])

    @property
    def slots(self) -> int:
        """Number of slots, or of rows of an aside part."""
        return self.extents["present"].shape[0]

    # columns

    def _read_columns(self) -> list[Configuration | None]:
        records = self._read("columns", 0, self.capacity)
        taken = np.flatnonzero(records["length"])
        size = self.extents["configuration"].dtype.itemsize
        columns: list[Configuration | None] = [None] * self.capacity
        for column in taken.tolist():
            text = os.pread(self.fd, size, self.extents["configuration"].offset + column * size)
            text = text[: records["length"][column]]
            if zlib.crc32(text) == records["crc"][column]:  # else torn while it was written: no row uses it
                columns[column] = from_json(text.decode())
        return columns

    def free_column(self, text: bytes) -> int | None:
        """A column that can take a configuration of this JSON, None if the part is full or the JSON too long for it."""
        if len(text) > self.extents["configuration"].dtype.itemsize:
            return None
        while self._free < self.capacity and self.configurations[self._free] is not None:
            self._free += 1
        return self._free if self._free < self.capacity else None

    def assign(self, column: int, configuration: Configuration, text: bytes) -> None:
        """Say what a free column is, from now on; `text` is its JSON."""
        size = self.extents["configuration"].dtype.itemsize
        self._disk.pwrite(self.fd, text.ljust(size, b"\0"), self.extents["configuration"].offset + column * size)
        record = np.array([(configuration.device, configuration.version, len(text), zlib.crc32(text))], layout.COLUMN)
        self._disk.pwrite(self.fd, record.view(np.uint8),
                          self.extents["columns"].offset + column * layout.COLUMN.itemsize)  # fmt: skip
        self.configurations[column] = configuration


def _opened(path: Path) -> Any:
    try:
        return h5py.File(path, "r", locking=False)
    except FileNotFoundError:
        raise
    except OSError as fault:
        raise OSError(f"{path}: not readable as HDF5 ({fault}); restore it, or move it away") from fault


def runs(cells: NDArray[np.int64], unit: int) -> Iterator[tuple[int, int]]:
    """[a, b) of ascending cells that lie so close that one read or write serves them."""
    if not len(cells):
        return
    breaks = np.flatnonzero(np.diff(cells) > max(1, PAGE // max(unit, 1))) + 1
    yield from itertools.pairwise([0, *breaks.tolist(), len(cells)])


def create_table_part(path: Path, table: Table, start: int, span: int, columns: int, blob: int, disk: Disk) -> None:
    """A part for the slots of a table in [start, start + span) ns."""
    first = layout.first_slot(start, table.rate)
    slots = layout.first_slot(start + span, table.rate) - first
    fields: Datasets = {name: (field, (slots, columns)) for name, field in layout.row_fields(table).items()}
    fields["present"] = (Field("|u1", (), "1 = there is a row; 0 = hole, its other fields say nothing"),
                         (slots, columns))  # fmt: skip
    fields["time"] = (Field("<i8", (), "of the slot, nanoseconds since 1970-01-01; 0 = nothing here yet"), (slots,))
    attributes = {
        "format": layout.FORMAT, "table": table.name, "rate": table.rate, "first_slot": first, "start": start,
        "span": span, "channels": layout.channels(table), "about": "SYMS archive part; time-major, live",
        "slot_time": "clock.slot_time(first_slot + i, rate): i-th reporting instant since 1970, ns UTC",
    }  # fmt: skip
    create(path, fields | column_fields(columns, blob), attributes, disk)


def create_aside_part(path: Path, table: Table, columns: int, blob: int, disk: Disk) -> None:
    """A part for rows that do not stand at a place; filled from row 0 on."""
    fields: Datasets = {name: (field, (layout.ASIDE_ROWS,)) for name, field in layout.aside_fields(table).items()}
    fields["present"] = (Field("|u1", (), "1 = there is a row"), (layout.ASIDE_ROWS,))
    attributes = {
        "format": layout.FORMAT, "table": table.name, "rate": table.rate, "aside": True,
        "channels": layout.channels(table), "about": "SYMS archive part; rows set aside, live",
    }  # fmt: skip
    create(path, fields | column_fields(columns, blob), attributes, disk)


def slot_times(part: Part, cells: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(slots of a table part from its first, their times [ns]) for some cells, ascending and without repetition."""
    slots = cells // part.capacity
    slots = slots[np.concatenate([[True], slots[1:] != slots[:-1]])]
    return slots, np.asarray(clock.slot_time(slots + part.first, part.table.rate))
