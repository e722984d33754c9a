"""How the devices were: when they were silent, what was bad about their data, clocks and ways, what was lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archive import layout
from archive.books import COLUMNS, Books
from archive.completeness import Completeness
from archive.flags import spans
from archive.hours import opened_hour
from archive.picking import Pick
from archive.reports.asked import Asked
from archive.statistics import STATISTICS
from archive.watermark import committed
from protocol.clock import SECOND, period, slot_time

SILENT = 10 * SECOND
"""ns without a row that make a device silent."""
COUNTED = ("late", "duplicate", "clock_off", "rejected", "modified")
"""Of `archive.statistics`."""
LOST = ("corrupt", "refused", "lost")
"""Of the books, since the archive began."""
Span = tuple[int, int]


@dataclass
class Health:
    """Of one device."""

    silent: list[Span] = field(default_factory=list)
    """[from, to) ns UTC without a row, 10 s or longer, while it was expected"""
    flags: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Kind of bad data -> (how often, seconds)"""
    counts: dict[str, int] = field(default_factory=dict)
    """`COUNTED` over the day; empty where no concentrator kept statistics"""
    latency_mean: float = np.nan
    """ms of arrival - time"""
    latency_p99: float = np.nan
    """ms, the largest of all minutes"""
    latency_max: float = np.nan
    lost: dict[str, int] = field(default_factory=dict)
    """`LOST`, since the archive began; empty where the books do not have it"""


def health(asked: Asked, found: Completeness) -> list[Health]:
    """Of each device of `found`, which is of the same hours. Raises ArchiveError, OSError."""
    numbers = [each.device for each in found.configurations]
    told = [Health() for _ in numbers]
    for row, silent in enumerate(_silences(asked, found)):
        told[row].silent = silent
    by_device = {number: told[row] for row, number in enumerate(numbers)}
    _add_flags(asked, by_device)
    _add_minutes(asked, by_device)
    books = Books.from_json(committed(asked.root).get("books", {}))
    for number, counts in zip(books.devices, books.standing().tolist(), strict=True):
        if number in by_device:
            standing = dict(zip(COLUMNS, counts, strict=True))
            by_device[number].lost = {name: standing[name] for name in LOST}
    return told


def _silences(asked: Asked, found: Completeness) -> list[list[Span]]:
    """Of each device; only the hours in which it lacks rows are looked at."""
    there = set(asked.hours)
    silent: list[list[Span]] = [[] for _ in found.devices]
    for cell, (start, stop) in enumerate(zip(found.start.tolist(), found.stop.tolist(), strict=True)):
        expected, archived = found.expected[:, cell], found.archived[:, cell]
        for row in np.flatnonzero((expected > 0) & (archived == 0)).tolist():
            _join(silent[row], start, stop)
        some = {found.configurations[row].device: row
                for row in np.flatnonzero((expected > archived) & (archived > 0)).tolist()}  # fmt: skip
        hour = layout.hour_of(start) if layout.hour_of(start) in there else None
        for device, times, rate in _times(asked, hour, start, stop, set(some)) if hour is not None and some else ():
            row = some[device]
            begin = start if expected[row] >= _slots(start, stop, rate) else int(times[0])  # it came in this hour
            end = stop if expected[row] >= _slots(begin, stop, rate) else int(times[-1]) + 1  # or left
            for low, high in _gaps(times, period(rate), begin, end):
                _join(silent[row], low, high)
    return [[(low, high) for low, high in each if high - low >= SILENT] for each in silent]


def _times(asked: Asked, hour: int, start: int, stop: int, devices: set[int]
           ) -> Iterator[tuple[int, NDArray[np.int64], int]]:  # fmt: skip
    """(device, ns of the slots of its rows, rate) of some devices in a part of an hour."""
    rows_of: dict[int, tuple[list[NDArray[np.int64]], int]] = {}
    with opened_hour(asked.root, hour) as (tables, _):
        for rows in tables:
            span = rows.crop()
            for column, each in enumerate(rows.configurations if span else ()):
                if span is not None and each.device in devices:
                    block = rows.block([column], *span, Pick("quality"))
                    time = slot_time(span[0] + np.flatnonzero(block["present"][0]), rows.table.rate)
                    pieces, _ = rows_of.setdefault(each.device, ([], rows.table.rate))
                    pieces.append(time[(time >= start) & (time < stop)])
    for device, (pieces, rate) in rows_of.items():
        times = np.sort(np.concatenate(pieces))
        if len(times):
            yield device, times, rate


def _slots(start: int, stop: int, rate: int) -> int:
    return layout.first_slot(stop, rate) - layout.first_slot(start, rate)


def _gaps(times: NDArray[np.int64], step: int, start: int, stop: int) -> Iterator[Span]:
    """Where more than a slot lies between two rows, or between them and the ends [start, stop)."""
    edges = np.concatenate([[start - step], times, [stop]])
    for at in np.flatnonzero(np.diff(edges) > 1.5 * step).tolist():
        yield max(start, int(edges[at]) + step), int(edges[at + 1])


def _join(spans_: list[Span], start: int, stop: int) -> None:
    """Add a span; it goes on with the last one if that ends where it begins."""
    if spans_ and spans_[-1][1] == start:
        spans_[-1] = spans_[-1][0], stop
    else:
        spans_.append((start, stop))


def _add_flags(asked: Asked, devices: dict[int, Health]) -> None:
    """Spans count as far as they lie in the day."""
    rows = spans(asked.root, asked.start, asked.end)
    stop = np.where(rows["going"] != 0, asked.end, rows["stop"])
    seconds = np.maximum(np.minimum(stop, asked.end) - np.maximum(rows["start"], asked.start), 0) / SECOND
    for device, kind, each in zip(rows["device"].tolist(), rows["kind"].tolist(), seconds.tolist(), strict=True):
        if device in devices:
            count, total = devices[device].flags.get(kind, (0, 0.0))
            devices[device].flags[kind] = count + 1, total + each


def _add_minutes(asked: Asked, devices: dict[int, Health]) -> None:
    """What the concentrators counted, hour by hour."""
    fields = ("device", "start", "received", "latency_mean", "latency_p99", "latency_max", *COUNTED)
    weights: dict[int, float] = {}
    for hour, (start, stop) in asked.parts():
        rows = STATISTICS.figures(asked.root, hour, fields)
        inside = (rows["start"] >= start) & (rows["start"] < stop)
        device = rows["device"][inside]
        order = np.argsort(device, kind="stable")
        numbers, first = np.unique(device[order], return_index=True)
        columns = {name: rows[name][inside][order] for name in fields}
        ends = np.append(first, len(order))[1:]
        for number, low, high in zip(numbers.tolist(), first.tolist(), ends.tolist(), strict=True):
            if number in devices:
                _add_hour(devices[number], {name: column[low:high] for name, column in columns.items()},
                          weights, number)  # fmt: skip


def _add_hour(told: Health, rows: dict[str, NDArray[Any]], weights: dict[int, float], number: int) -> None:
    for name in COUNTED:
        told.counts[name] = told.counts.get(name, 0) + int(rows[name].sum())
    known = np.isfinite(rows["latency_mean"])
    received = float(rows["received"][known].sum())
    if received:
        mean = float((rows["latency_mean"][known] * rows["received"][known]).sum())
        before = weights.get(number, 0.0)
        told.latency_mean = (mean + (told.latency_mean * before if before else 0.0)) / (before + received)
        weights[number] = before + received
        told.latency_p99 = float(np.fmax(told.latency_p99, rows["latency_p99"][known].max()))
        told.latency_max = float(np.fmax(told.latency_max, rows["latency_max"][known].max()))
