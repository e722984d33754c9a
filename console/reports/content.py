"""What a report is made of: sections of tables, notes and drawings, the same for every form of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archive.layout import moment

F8 = NDArray[np.float64]
TEXT, TIME, CLOCK, DURATION, BYTES = "text", "time", "clock", "duration", "bytes"
"""Forms beside those of numbers, which are as Excel writes them: `0.00`, `0.00%`."""
MARK = {TEXT: "", TIME: "yyyy-mm-dd hh:mm:ss", CLOCK: "hh:mm:ss", DURATION: "[h]:mm:ss", BYTES: '0.0 "MiB"'}
LISTED = 60
"""Rows of a table of devices on the page."""
LEVELS = ((0.99, "good"), (0.95, "fair"), (0.8, "poor"), (0.0, "bad"))
"""Least share and name; the first is the goal."""


class Cell(NamedTuple):
    """One value."""

    value: float | str | None
    """None or NaN: not known. Instants are ns UTC, durations seconds, sizes bytes."""
    form: str = TEXT
    level: str = ""
    """`good`, `fair`, `poor`, `bad`, `nothing`, where it is to be seen at once."""

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return self.value is not None and self.value == self.value

    @property
    def is_text(self) -> bool:
        """Whether it stands at the left."""
        return self.form == TEXT


@dataclass(frozen=True)
class Table:
    """Rows of cells under headings."""

    key: str
    """Name of its sheet in the catalogue: `report.sheet.<key>`."""
    columns: list[str]
    rows: list[list[Cell]]
    title: str = ""
    listed: int | None = None
    """So many rows are enough on a page; the workbook has all."""
    strips: int = 0
    """So many columns at the end are narrow: a heat map."""


@dataclass(frozen=True)
class Trend:
    """Some series against the time of the day."""

    title: str
    unit: str
    start: int
    """ns UTC of the first step"""
    step: int
    """ns"""
    series: dict[str, F8]
    """Name -> [n]; NaN = not known"""
    low: F8 | None = None
    """[n] a band behind the first series"""
    high: F8 | None = None
    marks: Sequence[tuple[int, str]] = ()
    """(ns UTC, what was there)"""
    lines: Sequence[tuple[float, str]] = ()
    """(value, what it is) of limits to be seen"""


@dataclass(frozen=True)
class Bars:
    """How often which values were there."""

    title: str
    unit: str
    edges: F8
    """[b + 1]"""
    bars: F8
    """[b] minutes"""
    lines: Sequence[tuple[float, str]] = ()


@dataclass(frozen=True)
class Section:
    """One theme."""

    key: str
    title: str
    lead: str = ""
    drawings: list[Trend | Bars] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Tile(NamedTuple):
    """A figure that is seen first."""

    label: str
    cell: Cell
    unit: str = ""


@dataclass(frozen=True)
class Content:
    """A report."""

    title: str
    day: str
    zone: tzinfo
    remarks: list[str]
    """What one has to know before reading it."""
    tiles: list[Tile]
    sections: list[Section]


def share(value: float) -> Cell:
    """A share as percentage, never rounded up to all of it."""
    if value != value:
        return Cell(None, "0.00%", "")
    level = "nothing" if value == 0 else next(name for least, name in LEVELS if value >= least)
    return Cell(math.floor(value * 1e4 + 1e-9) / 1e4, "0.00%", level)


def number(value: float, digits: int = 0, level: str = "") -> Cell:
    """With so many digits behind the point."""
    return Cell(float(value), "0." + "0" * digits if digits else "0", level)


def shown(cell: Cell, zone: tzinfo) -> str:
    """As people read it; an en dash where nothing is known."""
    if cell.value is None or cell.value != cell.value:
        return "–"
    if isinstance(cell.value, str):
        return cell.value
    if cell.form in (TIME, CLOCK):
        at = moment(int(cell.value)).astimezone(zone)
        return f"{at:%H:%M:%S}" if cell.form == CLOCK else f"{at:%Y-%m-%d %H:%M:%S}"
    if cell.form == DURATION:
        return duration(cell.value)
    if cell.form == BYTES:
        return size(cell.value)
    digits = len(cell.form.rstrip("%").partition(".")[2])
    if cell.form.endswith("%"):
        return f"{100 * cell.value:.{digits}f} %"
    return f"{cell.value:,.{digits}f}".replace(",", "\u202f")


def duration(seconds: float) -> str:
    """As `1 h 02 min`, `3 min 20 s`, `12.5 s`."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def size(count: float) -> str:
    """As `1.5 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.2f} TiB"


def cells(values: Sequence[Any], form: str) -> list[Cell]:
    """Some values of one form."""
    return [Cell(value, form) for value in values]
