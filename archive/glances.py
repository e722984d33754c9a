"""Readers of many hours: what a finished file holds at one look, and seconds of one channel without its rows.

A month is 720 files. What they hold is nearly always the same, so that its text is parsed once; of each file only the
dataset `tables` is read, and of the overview one chunk.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from archive import folder, layout
from archive.configurations import recognised
from archive.folder import ArchiveError
from archive.hours import opened_hour
from archive.overviews import GROUP, Overview, statistics, step
from archive.picking import Pick
from archive.sources import Joined, merged_of, open_finished
from protocol import clock
from protocol.messages import Configuration, Table

Chosen = list[tuple[int, Pick]]
"""(column, channel) of what is wanted among some configurations."""
Choose = Callable[[Sequence[Configuration]], Chosen]


class Held(NamedTuple):
    """What one table of a finished file holds."""

    table: Table
    first: int
    """Slots [first, stop)."""
    stop: int
    configurations: list[Configuration]
    overview: list[int]
    """Channels of which it has an overview."""


class Peek:
    """A finished file opened by the lower interface of h5py, which costs half as much as the usual one."""

    def __init__(self, path: Path) -> None:
        """Raises OSError, ArchiveError."""
        access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
        access.set_file_locking(False, True)
        self._path = path
        self._file = h5py.h5f.open(os.fsencode(path), h5py.h5f.ACC_RDONLY, fapl=access)
        self._root = h5py.h5g.open(self._file, b"/")
        found = np.empty((), np.int64)
        h5py.h5a.open(self._root, b"format").read(found)
        folder.check_file(path, {"format": found})

    def __enter__(self) -> Peek:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def alone(self) -> bool:
        """Whether the tables hold all of its rows: nothing was set aside."""
        return not self._root.links.exists(b"aside")

    def tables(self) -> dict[str, Any] | None:
        """The dataset `tables`; None if an older release made the file."""
        if not self._root.links.exists(b"tables"):
            return None
        data = h5py.h5d.open(self._root, b"tables")
        text = np.empty((), f"S{data.get_type().get_size()}")
        data.read(h5py.h5s.ALL, h5py.h5s.ALL, text)
        told: dict[str, Any] = json.loads(text.item())
        return told

    def texts(self, table: str) -> list[str]:
        """The configurations of a table as JSON."""
        with closing(open_finished(self._path)) as file:
            texts: list[str] = file[table]["configuration"].asstr()[:].tolist()
        return texts

    def part(self, name: str, dtype: str, column: int, channel: int) -> NDArray[Any]:
        """All that a dataset [device, channel, …] of an overview has of one channel."""
        data = h5py.h5d.open(self._root, name.encode())
        space = data.get_space()
        tail = space.get_simple_extent_dims()[2:]
        space.select_hyperslab((column, channel, *[0] * len(tail)), (1, 1, *tail))
        found = np.empty(tail, dtype)
        data.read(h5py.h5s.create_simple(tail), space, found)
        return found


class Glances:
    """Looks at finished files; remembers configurations by the digest of their texts."""

    def __init__(self) -> None:
        self._known: dict[str, list[Configuration]] = {}
        self._told: dict[int, list[Held]] = {}
        """Hours looked at: whoever read their seconds need not open them again to know whose they were."""

    def left(self, root: Path, hour: int) -> list[Held]:
        """What an hour's overview has that is left without rows, if there is one. Raises ArchiveError, OSError."""
        path = layout.overview_path(root, hour)
        if not path.exists():
            return []
        with Peek(path) as file:
            return self._held(file) or []

    def held(self, root: Path, hour: int) -> list[Held] | None:
        """What the tables of an hour hold; None if that is not told by one file alone. Raises ArchiveError, OSError."""
        if hour in self._told:
            return self._told[hour]
        if layout.has_parts(root, hour):  # looked for first: what is merged meanwhile is then in the file
            return None
        with Peek(layout.finished_path(root, hour)) as file:
            return self._held(file) if file.alone else None

    def _held(self, file: Peek) -> list[Held] | None:
        tables = file.tables()
        return None if tables is None else [self._one(file, name, told) for name, told in tables.items()]

    def _one(self, file: Peek, name: str, told: dict[str, Any]) -> Held:
        digest, first, table = told["configurations"], int(told["first_slot"]), layout.table_of(name)
        if table is None:
            raise ArchiveError(f"table {name!r} is not one that this release knows; use a newer one")
        if digest not in self._known:
            self._known[digest] = [recognised(text)[1] for text in file.texts(name)]
        overview = told.get("overview", list(range(table.channels if table.rate > 1 else 0)))  # format 3: of all
        return Held(table, first, first + int(told["slots"]), self._known[digest], overview)

    def seconds(self, root: Path, hour: int, choose: Choose) -> Iterator[Overview]:
        """The seconds of an hour of what is chosen, a piece for each column. Raises ArchiveError, OSError."""
        pieces = None if layout.has_parts(root, hour) else self._kept(root, hour, choose)
        yield from _computed(root, hour, choose) if pieces is None else pieces
        yield from self._left(root, hour, choose)  # after these: what retention leaves meanwhile is then there

    def _kept(self, root: Path, hour: int, choose: Choose) -> list[Overview] | None:
        """None if the file does not keep all that is chosen; nothing if there is no file."""
        try:
            with Peek(layout.finished_path(root, hour)) as file:
                held = self._held(file)
                if held is not None and file.alone:
                    self._told[hour] = held
                chosen = [(each, which) for each in held or [] for which in choose(each.configurations)]
                if held is None or any((pick.at or 0) not in each.overview for each, (_, pick) in chosen):
                    return None
                return [_seconds(file, each, *which) for each, which in chosen]
        except FileNotFoundError:
            return []

    def _left(self, root: Path, hour: int, choose: Choose) -> list[Overview]:
        """What an hour whose rows are gone has kept; nothing of what still has its rows."""
        path, finished = layout.overview_path(root, hour), layout.finished_path(root, hour)
        if not path.exists() or (finished.exists() and _is_in(path, finished)):
            return []
        with Peek(path) as file:
            chosen = [(each, which) for each in self._held(file) or [] for which in choose(each.configurations)]
            return [_seconds(file, each, *which) for each, which in chosen if (which[1].at or 0) in each.overview]


def _is_in(path: Path, finished: Path) -> bool:
    """Whether a finished file has all that an overview is of: it was about to be deleted."""
    with closing(open_finished(path)) as left, closing(open_finished(finished)) as file:
        return merged_of(left) <= merged_of(file)


def _seconds(file: Peek, held: Held, column: int, pick: Pick) -> Overview:
    """As the file keeps them."""
    channel = held.overview.index(pick.at or 0)
    values = file.part(f"{held.table.name}/{GROUP}/values", "<f4", column, channel)
    count = file.part(f"{held.table.name}/{GROUP}/count", "<i8", column, channel)
    start = int(clock.slot_time(held.first, held.table.rate))
    return _piece(start + np.arange(len(count), dtype=np.int64) * step(held.table), values, count)


def _computed(root: Path, hour: int, choose: Choose) -> Iterator[Overview]:
    """From the rows: of live hours, files of older releases, angles, and tables of one row a second or fewer."""
    with opened_hour(root, hour) as (tables, _):
        for rows in tables:
            span = rows.crop()
            if span is not None:
                first, stop = span
                yield from (_of_rows(rows, *which, first, stop) for which in choose(rows.configurations))


def _of_rows(rows: Joined, column: int, pick: Pick, first: int, stop: int) -> Overview:
    rate = max(1, rows.table.rate)
    first, stop = first // rate * rate, -(-stop // rate) * rate
    block = rows.block([column], first, stop, pick)
    values = np.where(block["present"][0] != 0, block["values"][0], np.float32(np.nan))
    found, count = statistics(values, rate)
    return _piece(clock.slot_time(np.arange(first, stop, rate, dtype=np.int64), rows.table.rate), found, count)


def _piece(time: NDArray[np.int64], values: NDArray[np.float32], count: NDArray[np.int64]) -> Overview:
    """[3, n] and [n] without the seconds that hold nothing valid."""
    some = count > 0
    return Overview(time[some], values[0][some], values[1][some], values[2][some], count[some])


def joined(pieces: Sequence[Overview], start: int, end: int) -> Overview:
    """Several as one: seconds that begin in [start, end) ns, in order, each once."""
    if not pieces:
        none = np.zeros(0, np.float32)
        return Overview(np.zeros(0, np.int64), none, none, none, np.zeros(0, np.int64))
    time = np.concatenate([each.time for each in pieces])
    inside = np.flatnonzero((time >= start) & (time < end))
    order = inside[np.argsort(time[inside], kind="stable")]
    low, mean, high = (
        np.concatenate([getattr(each, name) for each in pieces])[order] for name in ("minimum", "mean", "maximum")
    )
    found = Overview(time[order], low, mean, high, np.concatenate([each.count for each in pieces])[order])
    return found if (np.diff(found.time) > 0).all() else _merged(found)


def _merged(found: Overview) -> Overview:
    """Seconds in which a station had two configurations."""
    first = np.flatnonzero(np.diff(found.time, prepend=found.time[0] - 1))
    count = np.add.reduceat(found.count, first)
    total = np.add.reduceat(found.mean.astype(np.float64) * found.count, first)
    return Overview(found.time[first], np.minimum.reduceat(found.minimum, first), (total / count).astype(np.float32),
                    np.maximum.reduceat(found.maximum, first), count)  # fmt: skip
