"""Rows of one table in a finished file or an event file: device-major, a channel's minutes together, packed.

A chunk of `values` is one channel of one device over some minutes: one quantity is read without the others, and what
is packed together is alike. Of spectra, which have few rows and many components, it is some neighbouring components of
one phasor. Whatever a chunk holds of its fill value only is not written at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archive import layout, spectra
from archive.groups import TIME_UNITS, describe, write_components, write_devices
from archive.overviews import Overviews, kept
from archive.packing import FILTERS, Packer, planes
from archive.parts import Rows
from archive.sources import Joined
from protocol import clock
from protocol.messages import Table

CHUNK = 30_000
"""Slots of a chunk: ten minutes of 50 a second. Fewer pack worse, more make short looks slow; above 32,767 a plane has
more than one set of Huffman codes."""
MEMORY = 64 << 20
"""Bytes of rows merged at a time."""
Packers = list[dict[str, Packer]]
"""Of each device, by dataset."""


def write_table(group: Any, rows: Joined, first: int, stop: int, overview: bool = False,
                grown: Callable[[], None] = lambda: None) -> None:  # fmt: skip
    """One table for the slots [first, stop); with an overview, these are widened to whole seconds. `grown` is called
    when some megabytes more were written."""
    table = rows.table
    per_second = overview and bool(kept(table))
    if per_second:
        first, stop = first // table.rate * table.rate, -(-stop // table.rate) * table.rate
    group.attrs["first_slot"] = first
    group.attrs["rate"] = table.rate
    group.attrs["about"] = "rate > 0: frames per second, < 0: seconds per frame"
    _write_time(group, table, first, stop - first)
    write_devices(group, table, rows.configurations, spectra.plain(table))
    if spectra.has_components(table):
        write_components(group, table, rows.configurations)
    steps = _steps(table, stop - first)
    _create(group, table, stop - first, steps)
    start = int(clock.slot_time(first, table.rate))
    seconds = Overviews(group, table, start, (stop - first) // table.rate) if per_second else None
    batch = max(1, MEMORY // (layout.row_bytes(table) * steps))
    for low in range(0, len(rows.configurations), batch):
        _write_devices(group, rows, range(low, min(low + batch, len(rows.configurations))), steps, seconds, grown)


def _write_devices(group: Any, rows: Joined, columns: range, steps: int, seconds: Overviews | None,
                   grown: Callable[[], None]) -> None:  # fmt: skip
    first = int(group.attrs["first_slot"])
    stop = first + group["time"].shape[0]
    packers = [{name: Packer() for name in spectra.datasets(rows.table)} for _ in columns]
    if seconds is not None:
        seconds.begin(len(columns))
    for at in range(first, stop, steps):
        block = rows.block(columns, at, min(at + steps, stop))
        _write_block(group, rows.table, block, columns[0], at - first, packers)
        if seconds is not None:
            seconds.add(block["values"], (at - first) // rows.table.rate)
        grown()
    if seconds is not None:
        seconds.write(columns[0])


def write_index(out: Any) -> None:
    """The tables of a finished file."""
    tables = ((name, table) for name in out if (table := layout.table_of(name)) is not None)
    put_index(out, {
        name: {"first_slot": int(out[name].attrs["first_slot"]), "slots": out[name]["time"].shape[0],
               "overview": kept(table)}
        for name, table in tables
    })  # fmt: skip


def put_index(out: Any, tables: dict[str, dict[str, Any]]) -> None:
    """The tables of a file, told in one dataset: readers of many files look there first."""
    for name, told in tables.items():
        texts = "\n".join(out[name]["configuration"].asstr()[:])
        told["configurations"] = hashlib.sha256(texts.encode()).hexdigest()
    data = out.create_dataset("tables", data=np.bytes_(json.dumps(tables)))
    data.attrs["long_name"] = "what stands in the tables of this file (JSON)"


def _steps(table: Table, count: int) -> int:
    """Slots of a chunk, whole seconds of them."""
    second = max(1, table.rate)
    return max(1, min(count, max(1, CHUNK // second) * second))


def _create(group: Any, table: Table, count: int, steps: int) -> None:
    for name, (dtype, dimensions, about) in _fields(table).items():
        shape = [group[dimension].shape[0] for dimension in dimensions[:-1]]
        fill = np.nan if name in spectra.datasets(table) else 0
        chunks = [*[1] * len(shape), steps]
        if name in spectra.QUANTITIES:
            chunks[-2] = max(1, min(shape[-1], CHUNK // steps))
        data = group.create_dataset(name, (*shape, count), dtype, chunks=tuple(chunks), fillvalue=fill, **FILTERS)
        describe(data, group, dimensions, about)
    for name in spectra.datasets(table):
        group[name].attrs["coordinates"] = "latitude longitude elevation"


def _fields(table: Table) -> dict[str, tuple[str, tuple[str, ...], str]]:
    by_component = ("device", "phasor", spectra.axis(table), "time")
    fields = {
        "values": ("<f4", ("device", "channel", "time"), "measurements; see names and units; NaN = absent or invalid"),
        "magnitude": ("<f4", by_component, "of each component, in phasor_units; NaN = absent or invalid"),
        "angle": ("<f4", by_component, "of each component, in degrees; NaN = absent or invalid"),
        "status": ("<u2", ("device", "time"), "STAT word of C37.118; only where present"),
        "quality": ("|u1", ("device", "time"), "time quality byte of FRACSEC; only where present"),
        "offset": (layout.offset_type(table.rate), ("device", "time"), "time of the row minus `time`, in ns"),
        "present": ("|u1", ("device", "time"), "1 = there is a row, 0 = none came"),
        "digital": ("<u2", ("device", "word", "time"), "digital words as received; only where present"),
    }
    absent = [] if table.digitals else ["digital"]
    for name in absent if spectra.has_components(table) else [*absent, *spectra.QUANTITIES]:
        del fields[name]
    return fields


def _write_time(group: Any, table: Table, first: int, count: int) -> None:
    data = group.create_dataset("time", (count,), "<i8", chunks=(min(count, 1 << 20),), **FILTERS)
    for at in range(0, count, 1 << 20):
        slots = np.arange(at, min(at + (1 << 20), count), dtype=np.int64) + first
        data[at : at + len(slots)] = clock.slot_time(slots, table.rate)
    data.attrs["units"] = TIME_UNITS
    data.attrs["calendar"] = "proleptic_gregorian"
    data.attrs["standard_name"] = "time"
    data.make_scale("time")


def _write_block(group: Any, table: Table, block: Rows, low: int, slot: int, packers: Packers) -> None:
    """Fields of some devices from device `low` on, one chunk of slots from `slot` on."""
    block["values"][block["present"] == 0] = np.nan
    there = np.flatnonzero(block["present"].any(axis=1)).tolist()
    for name, values in block.items():
        for row in there if name == "values" or values.any() else []:
            if name == "values":
                for part, each in spectra.split(table, values[row]).items():
                    _write_chunks(group[part], each, low + row, slot, packers[row][part])
            else:
                _write_chunks(group[name], values[row], low + row, slot, Packer())


def _write_chunks(data: Any, rows: NDArray[Any], device: int, slot: int, packer: Packer) -> None:
    """[n, …] of one device, in chunks that are filled up at the end of the file."""
    size = data.dtype.itemsize
    empty = np.frombuffer(data.fillvalue.tobytes(), np.uint8)[:, None]
    places, filled = _chunks(data, rows)
    both = planes(filled)
    for at, place in enumerate(places):
        chunk = both[at * size : (at + 1) * size]
        if (chunk[:, :1] != empty).any() or (chunk != empty).any():
            data.id.write_direct_chunk((device, *place, slot), packer.pack(chunk, at if data.ndim < 4 else 0))


def _chunks(data: Any, rows: NDArray[Any]) -> tuple[list[tuple[int, ...]], NDArray[Any]]:
    """(place [m] of each chunk between device and slot, their values [values of a chunk, m]) of rows [n, …]."""
    steps = data.chunks[-1]
    if len(rows) < steps:
        rows = np.concatenate([rows, np.full((steps - len(rows), *rows.shape[1:]), data.fillvalue, rows.dtype)])
    if rows.ndim < 3:
        return list(np.ndindex(rows.shape[1:])), rows.reshape(steps, -1)
    _, phasors, components = rows.shape
    together = data.chunks[-2]
    groups = -(-components // together)
    rows = np.pad(rows, ((0, 0), (0, 0), (0, groups * together - components)), constant_values=data.fillvalue)
    rows = rows.reshape(steps, phasors, groups, together).transpose(3, 0, 1, 2)
    places: list[tuple[int, ...]] = [(phasor, group * together) for phasor, group in np.ndindex(phasors, groups)]
    return places, rows.reshape(together * steps, -1)
