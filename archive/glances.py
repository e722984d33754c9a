"""Readers of many hours: what a finished file holds at one look, and seconds of one channel without its rows.

A month is 720 files. What they hold is nearly always the same, so that its text is parsed once; of each file only the
dataset `tables` is read, and of the overview one chunk.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archive import layout
from archive.configurations import recognised
from archive.hours import opened_hour
from archive.overviews import GROUP, Overview, statistics
from archive.picking import Pick
from archive.sources import Joined, open_finished
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


class Glances:
    """Looks at finished files; remembers configurations by the digest of their texts."""

    def __init__(self) -> None:
        self._known: dict[str, list[Configuration]] = {}

    def held(self, root: Path, hour: int) -> list[Held] | None:
        """What the tables of an hour hold; None if that is not told by one file alone. Raises ArchiveError, OSError."""
        if layout.has_parts(root, hour):  # looked for first: what is merged meanwhile is then in the file
            return None
        with closing(open_finished(layout.finished_path(root, hour))) as file:
            return None if "aside" in file else self._held(file)

    def _held(self, file: Any) -> list[Held] | None:
        if "tables" not in file:
            return None
        return [self._one(file, name, told) for name, told in json.loads(file["tables"][()]).items()]

    def _one(self, file: Any, name: str, told: dict[str, Any]) -> Held:
        digest, first = told["configurations"], int(told["first_slot"])
        if digest not in self._known:
            texts = file[name]["configuration"].asstr()[:]
            self._known[digest] = [recognised(text)[1] for text in texts]
        table = layout.table_of(name)
        if table is None:
            raise ValueError(f"{file.filename}: table {name!r} is not one of ours")
        return Held(table, first, first + int(told["slots"]), self._known[digest])

    def seconds(self, root: Path, hour: int, choose: Choose) -> Iterator[Overview]:
        """The seconds of an hour of what is chosen, a piece for each column. Raises ArchiveError, OSError."""
        pieces = None if layout.has_parts(root, hour) else self._kept(root, hour, choose)
        yield from _computed(root, hour, choose) if pieces is None else pieces

    def _kept(self, root: Path, hour: int, choose: Choose) -> list[Overview] | None:
        """None if the file does not keep all that is chosen."""
        with closing(open_finished(layout.finished_path(root, hour))) as file:
            held = self._held(file)
            chosen = [(each, which) for each in held or [] for which in choose(each.configurations)]
            if held is None or any(each.table.rate <= 1 for each, _ in chosen):
                return None
            return [_seconds(file[f"{each.table.name}/{GROUP}"], each, *which) for each, which in chosen]


def _seconds(group: Any, held: Held, column: int, pick: Pick) -> Overview:
    """As the file keeps them."""
    start, seconds = int(clock.slot_time(held.first, held.table.rate)), (held.stop - held.first) // held.table.rate
    values = group["values"][column, pick.at]
    count = group["count"][column, pick.at].astype(np.int64)
    return _piece(start + np.arange(seconds, dtype=np.int64) * clock.SECOND, values, count)


def _computed(root: Path, hour: int, choose: Choose) -> Iterator[Overview]:
    """From the rows: of live hours, files of older releases, and tables of one row a second or fewer."""
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
