"""How many rows of each device an hour holds, and how many of them are bad, without reading the rows.

In a finished file a device's presence is some small chunks, nearly all of which have the same bytes: that every row is
there. So what a chunk comes to is kept by its bytes, and a day of 500 devices is counted in seconds.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archive import layout
from archive.hours import opened_hour
from archive.picking import Pick
from archive.sources import FinishedSource, Joined, open_finished
from archive.spans import steps
from protocol.clock import slot_time
from protocol.messages import Configuration, Table

INVALID, UNSYNCHRONISED = 0xC000, 0x2000
"""STAT bits 15-14: the device says that its data are not to be used; bit 13: its clock is not synchronised."""
SECONDS = 600
"""Rows of a live hour looked at in one go."""


class Counted(NamedTuple):
    """What stands in one column of an hour."""

    configuration: Configuration
    rows: int
    invalid: int
    unsynchronised: int
    first: int
    """ns of the slot of its first row."""
    last: int
    """ns of the slot of its last row."""


class Tally:
    """What is counted of one column; slots from a first one on."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self.rows = self.invalid = self.unsynchronised = 0
        self._first = self._last = -1

    def present(self, first: int, count: int, low: int, high: int) -> None:
        """So many rows from slot `first` on, the first of them `low`, the last `high` slots behind it."""
        if count:
            self.rows += count
            self._last = max(self._last, first + high)
            self._first = first + low if self._first < 0 else min(self._first, first + low)

    def told(self, configuration: Configuration) -> Counted:
        """In ns."""
        low, high = (int(slot_time(slot, self._rate)) for slot in (self._first, self._last))
        return Counted(configuration, self.rows, self.invalid, self.unsynchronised, low, high)


def counted(root: Path, hour: int, start: int, end: int) -> tuple[list[Counted], dict[int, int]]:
    """(what each column has in the part [start, end) ns of an hour, without those that have nothing;
    device number -> rows set aside in that hour, whatever their time). Raises ArchiveError, OSError.
    """
    if not layout.has_parts(root, hour):  # looked for first: what is merged meanwhile is then in the file
        with closing(open_finished(layout.finished_path(root, hour))) as file:
            names = [(name, table) for name in file if (table := layout.table_of(name)) is not None]
            found = [each for name, table in names for each in _of_group(file[name], table, start, end)]
            return found, dict(_aside_of(file))
    with opened_hour(root, hour) as (tables, aside):
        found = [each for rows in tables for each in _of_rows(rows, start, end)]
        devices = [held.configurations[at].device for _, held in aside for at in held.column.tolist()]
        return found, {device: devices.count(device) for device in set(devices)}


def _of_group(group: Any, table: Table, start: int, end: int) -> Iterator[Counted]:
    """One table of a finished file."""
    source = FinishedSource(group, table)
    if not (_ours(group["present"]) and _ours(group["status"])):
        yield from _of_rows(Joined(table, [source]), start, end)
        return
    first, stop = (layout.first_slot(at, table.rate) for at in (start, end))
    low, high = max(first, source.first) - source.first, min(stop, source.stop) - source.first
    tallies = [Tally(table.rate) for _ in source.columns]
    if low >= high:
        return
    for column, at, a, b, raw in _chunks(group["present"], low, high):
        count = _presence(raw) if a is None else _positions(_unpacked(raw, 1)[a:b])
        tallies[column].present(source.first + at + (a or 0), *count)
    for column, _, a, b, raw in _chunks(group["status"], low, high):
        invalid, unsynchronised = _status(raw) if a is None else _bad(_unpacked(raw, 2)[a:b])
        tallies[column].invalid += invalid
        tallies[column].unsynchronised += unsynchronised
    for key, column in source.columns.items():
        if tallies[column].rows:
            yield tallies[column].told(source.configurations[key])


def _ours(data: Any) -> bool:
    """Whether a dataset [device, time] has chunks of one device each, as this release packs them."""
    return bool(data.chunks[0] == 1 and data.compression == "gzip" and data.shuffle)


def _chunks(data: Any, low: int, high: int) -> Iterator[tuple[int, int, int | None, int | None, bytes]]:
    """(column, first slot behind that of the file, [a, b) of its slots, packed bytes) of every chunk there is that has
    some of the slots [low, high); a and b are None where these are all of its slots.
    """
    slots = data.chunks[1]
    places: list[tuple[int, int]] = []
    data.id.chunk_iter(lambda chunk: places.append(chunk.chunk_offset))
    for column, at in places:
        a, b = max(low - at, 0), min(high - at, slots)
        if a < b:
            part = (None, None) if (a, b) == (0, slots) or (a == 0 and at + b == data.shape[1]) else (a, b)
            yield column, at, *part, data.id.read_direct_chunk((column, at))[1]


def _unpacked(raw: bytes, size: int) -> NDArray[Any]:
    """A chunk of unsigned integers of so many bytes, with shuffle and deflate undone."""
    planes = np.frombuffer(zlib.decompress(raw), np.uint8).reshape(size, -1)
    return np.ascontiguousarray(planes.T).view(f"<u{size}")[:, 0]


@lru_cache(maxsize=512)
def _presence(raw: bytes) -> tuple[int, int, int]:
    return _positions(_unpacked(raw, 1))


@lru_cache(maxsize=512)
def _status(raw: bytes) -> tuple[int, int]:
    return _bad(_unpacked(raw, 2))


def _positions(present: NDArray[Any]) -> tuple[int, int, int]:
    """(rows, place of the first, place of the last one)."""
    there = np.flatnonzero(present)
    return (len(there), int(there[0]), int(there[-1])) if len(there) else (0, 0, 0)


def _bad(status: NDArray[Any]) -> tuple[int, int]:
    """(invalid, unsynchronised) rows; a hole reads as zero."""
    return int(np.count_nonzero(status & INVALID)), int(np.count_nonzero(status & UNSYNCHRONISED))


def _aside_of(file: Any) -> Iterator[tuple[int, int]]:
    """(device number, rows set aside) of a finished file."""
    count: dict[int, int] = {}
    for group in file["aside"].values() if "aside" in file else ():
        numbers = group["device_number"][:][group["column"][:]]
        for device, rows in zip(*np.unique(numbers, return_counts=True), strict=True):
            count[int(device)] = count.get(int(device), 0) + int(rows)
    yield from count.items()


def _of_rows(rows: Joined, start: int, end: int) -> Iterator[Counted]:
    """One table of an hour that is still written, or has late rows."""
    first, stop = (layout.first_slot(at, rows.table.rate) for at in (start, end))
    columns = list(range(len(rows.configurations)))
    tallies = [Tally(rows.table.rate) for _ in columns]
    for low, high in steps(rows, len(columns), start, end, SECONDS):
        a, b = max(low, first), min(high, stop)
        if a < b:
            block = rows.block(columns, a, b, Pick("status"))
            for tally, present, status in zip(tallies, block["present"], block["status"], strict=True):
                tally.present(a, *_positions(present))
                invalid, unsynchronised = _bad(status)
                tally.invalid += invalid
                tally.unsynchronised += unsynchronised
    yield from (tally.told(rows.configurations[at]) for at, tally in enumerate(tallies) if tally.rows)
