"""An archive played back: its rows as the words that its writers heard, step by step in the order of time.

What rows mean stands before the first row that it holds for. Rows that were set aside are left out, as whoever aligns
them leaves them out, and so are tables of harmonics and inter-harmonics, of which no windows are cut. When a row came
is not kept: it is taken to have come at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from archive import layout
from archive.hours import opened_hour
from archive.reading import Extract
from archive.settling import forget_file
from archive.sources import Joined
from archive.spans import inside
from protocol import clock
from protocol.messages import Configuration, Measurements, Table

I8 = NDArray[np.int64]
Meaning = tuple[int, tuple[int, ...]]
MEMORY = 128 << 20
"""Bytes of rows read at a time."""
CHUNK = 600 * clock.SECOND
"""What finished files hold together at the usual rate: a read of less unpacks it all the same."""


@dataclass(frozen=True)
class Step:
    """A step of time."""

    stop: int
    """ns UTC; the rows are of the time before."""
    words: list[Configuration | Measurements]
    """Some, in order; their writer has no name."""


@dataclass
class _Block:
    """Rows of one table, ordered by slot."""

    table: Table
    configurations: list[Configuration]
    slot: I8
    """[n] time of each row's slot, ns"""
    column: NDArray[np.intp]
    """[n]"""
    rows: Measurements


class Playback:
    """See the module."""

    def __init__(self, extract: Extract, step: int) -> None:
        """Steps of so many ns, of multiples of it."""
        self._extract, self._step = extract, step
        self._force: dict[int, Meaning] = {}
        """Device -> what its rows mean."""

    def span(self) -> tuple[int, int] | None:
        """[first, last) ns between which the interval has rows; None if there are none."""
        found = []
        for hour in self._extract.hours:
            with opened_hour(self._extract.root, hour) as (tables, _):
                for rows in tables:
                    slots = inside(rows.table, rows.crop(), self._extract.start, self._extract.end)
                    if slots is not None and not rows.table.spectrum:
                        found.append(tuple(int(clock.slot_time(slot, rows.table.rate)) for slot in slots))
        if not found:
            return None
        first, last = min(low for low, _ in found), max(high for _, high in found)
        return max(first, self._extract.start), min(last, self._extract.end)

    def __iter__(self) -> Iterator[Step]:
        """All steps that have rows."""
        for hour in self._extract.hours:
            with opened_hour(self._extract.root, hour) as (tables, _):
                yield from self._hour([rows for rows in tables if not rows.table.spectrum], hour)

    def _hour(self, tables: list[Joined], hour: int) -> Iterator[Step]:
        spans = [(rows, span) for rows in tables if (span := rows.crop()) is not None]
        if not spans:
            return
        start = max(min(int(clock.slot_time(span[0], rows.table.rate)) for rows, span in spans), self._extract.start)
        end = min(max(int(clock.slot_time(span[1], rows.table.rate)) for rows, span in spans), self._extract.end)
        length = self._length(tables)
        for at in range(start // length * length, end, length):
            blocks = [_block(rows, span, at, at + length) for rows, span in spans]
            forget_file(layout.finished_path(self._extract.root, hour))
            yield from self._steps([self._cropped(block) for block in blocks if block is not None], at, at + length)

    def _length(self, tables: list[Joined]) -> int:
        """ns that are read at a time, a multiple of the step."""
        second = sum(
            layout.row_bytes(rows.table) * len(rows.configurations) * clock.SECOND / clock.period(rows.table.rate)
            for rows in tables
        )
        length = min(CHUNK, int(MEMORY / second * clock.SECOND))
        return max(1, length // self._step) * self._step

    def _cropped(self, block: _Block) -> _Block:
        """Rows whose own time is in the interval."""
        time = block.rows.time
        kept = (time >= self._extract.start) & (time < self._extract.end)
        if kept.all():
            return block
        return replace(block, slot=block.slot[kept], column=block.column[kept], rows=_some(block.rows, kept))

    def _steps(self, blocks: list[_Block], start: int, stop: int) -> Iterator[Step]:
        bounds = np.arange(start, stop + 1, self._step)
        cuts = [np.searchsorted(block.slot, bounds).tolist() for block in blocks]
        for k in range(len(bounds) - 1):
            parts = [
                _part(block, slice(at[k], at[k + 1]))
                for block, at in zip(blocks, cuts, strict=True) if at[k] < at[k + 1]
            ]  # fmt: skip
            if parts:
                yield Step(int(bounds[k + 1]), list(self._words(parts)))

    def _words(self, parts: list[_Block]) -> Iterator[Configuration | Measurements]:
        """Rows, and what they mean where that is something else than before."""
        after = -1
        while True:
            change = self._change(parts, after)
            for part in parts:
                low, high = np.searchsorted(part.slot, (max(after, 0), change))
                if low < high:
                    yield part.rows if high - low == part.slot.size else _some(part.rows, slice(low, high))
            if change == layout.LAST_DAY:
                return
            for configuration in self._changed(parts, change):
                self._force[configuration.device] = _meaning(configuration)
                yield configuration
            after = change

    def _change(self, parts: list[_Block], after: int) -> int:
        """The first instant after another one at which rows come that mean something else than is in force."""
        found = [layout.LAST_DAY]
        for part in parts:
            other = np.array([self._force.get(each.device) != _meaning(each) for each in part.configurations])
            if other.any():
                found += part.slot[other[part.column] & (part.slot > after)][:1].tolist()
        return min(found)

    def _changed(self, parts: list[_Block], at: int) -> Iterator[Configuration]:
        """What rows of an instant mean that is not in force."""
        for part in parts:
            for column in np.unique(part.column[slice(*np.searchsorted(part.slot, (at, at + 1)))]).tolist():
                configuration = part.configurations[column]
                if self._force.get(configuration.device) != _meaning(configuration):
                    yield configuration


def _meaning(configuration: Configuration) -> Meaning:
    return configuration.version, tuple(configuration.table)


def _block(rows: Joined, span: tuple[int, int], start: int, stop: int) -> _Block | None:
    """What a table has in the slots of [start, stop) ns; None if there is nothing."""
    table, columns = rows.table, range(len(rows.configurations))
    first, last = (layout.first_slot(at, table.rate) for at in (start, stop))
    first, last = max(first, span[0]), min(last, span[1])
    if first >= last:
        return None
    block = rows.block(columns, first, last)
    at, column = np.nonzero(block["present"].T)
    if not at.size:
        return None
    slot = np.asarray(clock.slot_time(np.arange(first, last, dtype=np.int64), table.rate))[at]
    time = slot + block["offset"][column, at]
    device = np.array([each.device for each in rows.configurations], np.uint32)
    n = len(at)
    measured = Measurements(
        table=table.key,
        device=device[column],
        time=time,
        arrival=time,
        snapped=np.zeros(n, np.int32),
        quality=block["quality"][column, at],
        status=block["status"][column, at],
        aside=np.zeros(n, np.uint8),
        values=block["values"][column, at],
        digital=block["digital"][column, at] if table.digitals else np.zeros((n, 0), np.uint16),
    )
    return _Block(table, rows.configurations, slot, column, measured)


def _part(block: _Block, rows: slice) -> _Block:
    return replace(block, slot=block.slot[rows], column=block.column[rows], rows=_some(block.rows, rows))


def _some(rows: Measurements, which: slice | NDArray[np.bool_]) -> Measurements:
    fields = ("device", "time", "arrival", "snapped", "quality", "status", "aside", "values", "digital")
    return replace(rows, **{name: getattr(rows, name)[which] for name in fields})
