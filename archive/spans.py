"""Intervals of time as slots of a table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from archive import layout
from archive.folder import ArchiveError
from archive.sources import Joined
from protocol import clock
from protocol.messages import Table

Moment = int | str | datetime | None
FIRST, LAST = -(1 << 62), 1 << 62
BLOCK = 32 << 20
"""Bytes read at a time."""


def instant(moment: Moment, default: int) -> int:
    """ns UTC of a moment; one without a zone is UTC. Raises ArchiveError."""
    if moment is None:
        return default
    if isinstance(moment, int):
        return moment
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError as fault:
            raise ArchiveError(f"{moment!r} is no time; write it as 2026-05-06T07:00:00Z") from fault
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - layout.EPOCH) // timedelta(microseconds=1) * 1000


def inside(table: Table, span: tuple[int, int] | None, start: int, end: int) -> tuple[int, int] | None:
    """Slots of a span whose rows may be of [start, end) ns, None if there are none."""
    if span is None:
        return None
    low = max(span[0], int(clock.slot_of(max(start, 0), table.rate)) - 1)
    high = min(span[1], int(clock.slot_of(min(end, LAST), table.rate)) + 2)
    return (low, high) if low < high else None


def steps(rows: Joined, columns: int, start: int, end: int, seconds: int) -> Iterator[tuple[int, int]]:
    """Slot intervals of so many seconds, some megabytes at most, that cover what there is between two instants."""
    span, rate = inside(rows.table, rows.crop(), start, end), rows.table.rate
    if span is None:
        return
    slots = seconds * rate if rate > 0 else max(1, seconds // -rate)
    step = max(1, min(slots, BLOCK // (layout.row_bytes(rows.table) * max(columns, 1))))
    for first in range(*span, step):
        yield first, min(first + step, span[1])
