"""The file of an event, and the raw data in it: as in a finished file, cropped to an interval."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from archive import checksums, layout
from archive.disk import Disk, make_folder
from archive.reading import Extract
from archive.sources import FinishedSource, open_finished
from archive.stations import key_of
from archive.tables import write_table
from protocol.clock import slot_time
from protocol.messages import Configuration, Table

GROWTH = 1 << 20
"""Bytes by which a file grows in memory."""


@contextmanager
def event_file(root: Path, path: Path, disk: Disk | None = None) -> Iterator[Any]:
    """An HDF5 file to be filled; it has its name when all of it is on the disk. Raises OSError.

    It is made in memory: where the disk is full HDF5 can't even close a file, and the process may end by that.
    """
    make_folder(path.parent)
    temporary = path.with_suffix(".tmp")
    with h5py.File(temporary, "w", driver="core", backing_store=False, block_size=GROWTH) as out:
        yield out
        out.flush()
        image = out.id.get_file_image()
    try:
        temporary.write_bytes(image)
        checksums.finish(root, temporary, path, disk or Disk())
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise


def write_clip(out: Any, root: Path, devices: set[int], start: int, stop: int, alone: bool = False) -> None:
    """Each table that has one of the devices or its spectrum, in [start, stop) ns; absent if nothing is there.

    `alone`: without the other devices of those tables.
    """

    def wanted(each: Configuration) -> bool:
        return each.device in devices or key_of(each).station in devices

    extract = Extract(root, start, stop)
    for name, held in extract.configurations.items():
        table = layout.table_of(name)
        if table is None or not any(wanted(each) for each in held):
            continue
        with extract.joined(name) as rows:
            there = rows.crop()
            first, end = layout.first_slot(start, table.rate), layout.first_slot(stop, table.rate)
            if there is not None and (first := max(first, there[0])) < (end := min(end, there[1])):
                write_table(out.create_group(name), rows.only(wanted) if alone else rows, first, end)


@dataclass(frozen=True)
class Trace:
    """What a device's clip shows, n rows; NaN where there is none or the device marked it invalid."""

    device: int
    name: str
    time: NDArray[np.int64]
    """[n] ns UTC"""
    frequency: NDArray[np.float32]
    """[n] Hz"""
    channel: str
    """Name of its first voltage; "" if it has none, then the next two are NaN."""
    voltage: NDArray[np.float32]
    """[n] V"""
    angle: NDArray[np.float32]
    """[n] of that voltage, degrees"""
    nominal: int = 50
    """Hz"""


def traces(path: Path) -> list[Trace]:
    """Frequency and first voltage of each device in the clip of an event file. Raises OSError, ArchiveError."""
    with open_finished(path) as file:
        tables = [(table, file[name]) for name in file if (table := layout.table_of(name)) and not table.spectrum]
        return [trace for table, group in tables for trace in _traces(FinishedSource(group, table), table)]


def _traces(source: FinishedSource, table: Table) -> Iterator[Trace]:
    time = slot_time(np.arange(source.first, source.stop, dtype=np.int64), table.rate)
    for key, column in source.columns.items():
        each = source.configurations[key]
        block = source.block([column], source.first, source.stop)
        values = np.where(block["present"][0][:, None] != 0, block["values"][0], np.float32(np.nan))
        nothing = np.full(time.size, np.nan, np.float32)
        first = each.phasor_units.index("V") if "V" in each.phasor_units else None
        at = None if first is None else layout.channel_of(table, "magnitude", first)
        yield Trace(
            device=each.device, name=each.name, time=time + block["offset"][0], frequency=values[:, 0],
            channel="" if first is None else each.phasors[first],
            voltage=nothing if at is None else values[:, at], angle=nothing if at is None else values[:, at + 1],
            nominal=each.nominal,
        )  # fmt: skip
