"""All that is counted of devices, as one table: looked at once a second for all readers."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from console.board import LARGEST
from console.model import Station
from protocol.messages import Configuration

F8 = NDArray[np.float64]

EVERY = 0.95
"""Seconds for which what was made holds."""
FIRST = (
    "connected", "received", "archived", "pending", "aside", "duplicate", "corrupt", "refused", "lost", "late",
    "missing", "clock_off", "latency_ms", "clock_offset_ms", "bad_now",
)  # fmt: skip
"""Columns that stand first, in this order; the others follow by name."""
KINDS = ("archiver_", "receiver_", "concentrator_", "trigger_", "publisher_", "balancer_", "detector_", "alarms_")
"""What stands before a column that several kinds say; the first that there is counts for what the device did."""


@dataclass(frozen=True)
class Counts:
    """m devices, c columns."""

    device: NDArray[np.int64]
    names: tuple[str, ...]
    """As the devices call themselves"""
    links: tuple[str, ...]
    """As the site file calls them"""
    regions: tuple[str, ...]
    columns: tuple[str, ...]
    values: F8
    """[m, c]; NaN: nobody says it of that device."""
    flags: tuple[tuple[str, ...], ...]
    """[m] kinds of bad data that each has now"""

    def same_rows(self, other: Counts | None) -> bool:
        """Whether the tables have the same devices and columns at the same places."""
        return other is not None and self._head() == other._head() and np.array_equal(self.device, other.device)

    def _head(self) -> tuple[tuple[str, ...], ...]:
        return self.columns, self.names, self.links, self.regions


def base(column: str) -> str:
    """The name of a column without the kind before it."""
    return next((column.removeprefix(kind) for kind in KINDS if column.startswith(kind)), column)


def kind_of(column: str) -> str:
    """The kind before the name of a column; "" if there is none."""
    return next((kind[:-1] for kind in KINDS if column.startswith(kind)), "")


def foremost(counts: Mapping[str, float]) -> dict[str, float]:
    """What is told of one device, by the names without kinds: of counts that several kinds say the foremost kind's, of
    measures (`board.LARGEST`) the largest."""
    found: dict[str, float] = {}
    for column in ordered(sorted(counts)):
        name, value = base(column), counts[column]
        held = found.setdefault(name, value)
        if name.endswith(LARGEST) and not value <= held and not math.isnan(value):
            found[name] = value
    return found


def ordered(columns: Sequence[str]) -> tuple[str, ...]:
    """Those of the books first, of each name the first kind's; what others say under the same names stands last."""
    first: dict[str, str] = {}
    for column in sorted(columns, key=lambda each: KINDS.index(f"{kind_of(each)}_") if kind_of(each) else -1):
        first.setdefault(base(column), column)

    def rank(column: str) -> tuple[bool, int, str]:
        name = base(column)
        return first[name] != column, FIRST.index(name) if name in FIRST else len(FIRST), column

    return tuple(sorted(columns, key=rank))


def table(
    rows: Sequence[Mapping[str, Any]],
    known: Mapping[int, Configuration],
    flagged: Mapping[int, Sequence[str]],
) -> Counts:
    """`rows` as `Board.devices` tells them."""
    columns = ordered(sorted({name for row in rows for name in row["counts"]}))
    values = np.array([[row["counts"].get(name, math.nan) for name in columns] for row in rows], np.float64)
    numbers = [int(row["device"]) for row in rows]
    named = zip(rows, numbers, strict=True)
    names = tuple(
        known[number].name if number in known else str(row["name"] or row["site_name"] or number)
        for row, number in named
    )
    links = tuple(str(row["site_name"]) for row in rows)
    regions = tuple(known[number].region if number in known else "" for number in numbers)
    flags = tuple(tuple(sorted(set(flagged.get(number, ())))) for number in numbers)
    return Counts(
        np.array(numbers, np.int64), names, links, regions, columns, values.reshape(len(rows), len(columns)), flags
    )  # fmt: skip


def changes(values: F8, before: F8 | None) -> tuple[NDArray[np.intp], NDArray[np.intp], F8]:
    """(row, column, value) of what is not as it was; all of it where nothing was told before."""
    if before is None:
        differs = np.ones(values.shape, np.bool_)
    else:
        differs = (values != before) & ~(np.isnan(values) & np.isnan(before))
    row, column = np.nonzero(differs)
    return row, column, values[row, column]


class Counting:
    """See the module."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._lock = threading.Lock()
        self._made = -math.inf
        self._counts = table((), {}, {})

    def now(self, now: float) -> Counts:
        """`now` is monotonic seconds."""
        with self._lock:
            if now - self._made > EVERY:
                rows = self._station.ask(lambda board: board.devices())
                known = self._station.configurations()
                self._counts, self._made = table(rows, known, self._station.flagged()), now
            return self._counts
