"""CSV: a file for each table, a line for each instant, a column for each channel of each station.

    time,seconds since 2026-05-06T07:14:22.340000000Z,Blue PMU: frequency [Hz],Blue PMU: VA magnitude [V],…
    2026-05-06T07:14:02.340000000Z,-20.000000000,49.9983,63514.2,…

UTF-8 with its mark, without which Excel takes it for something else. A cell is empty where there is no row, or the
device said invalid; `status` tells which. Lines end with CR LF (RFC 4180).
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from archive.exports.blocks import Block
from archive.exports.formats import BlockWriter
from archive.exports.numbers import FORMAT, plain
from archive.exports.plan import Plan, Sheet
from archive.exports.target import Target
from archive.exports.wide import Column, cells, columns
from archive.settling import Settling
from protocol.clock import SECOND

CELLS = 1 << 18
"""Made text at a time: as numbers of Python they take ten times the room of a float32."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula at the beginning of a cell: names come from devices, which may be hostile."""


class Csv(BlockWriter):
    """A file for each table."""

    def __init__(self, plan: Plan, target: Target) -> None:
        super().__init__(plan, target)
        self._settling = Settling()
        self._out: TextIO | None = None
        self._columns: list[Column] = []
        self._line = ""

    def begin(self, sheet: Sheet) -> None:
        self._columns = columns(sheet)
        formats = ["%.15g" if column.field == "offset" else FORMAT for column in self._columns]
        self._line = ",".join(["%s", "%s", *formats]) + "\r\n"
        self._out = open(self.target.file(sheet.table.name, ".csv"), "w", encoding="utf-8-sig", newline="")  # noqa: SIM115
        heading = ["time", f"seconds since {iso(np.array([self.plan.reference]))[0]}"]
        csv.writer(self._out).writerow(_harmless(text) for text in [*heading, *(each.title for each in self._columns)])

    def write(self, sheet: Sheet, block: Block) -> None:
        step = max(1, CELLS // (len(self._columns) + 1))
        for first in range(0, len(block.time), step):
            self._write_lines(block, slice(first, first + step))

    def _write_lines(self, block: Block, some: slice) -> None:
        assert self._out is not None
        time = block.time[some]
        table = np.empty((len(time), len(self._columns)))
        for at, column in enumerate(self._columns):
            values, there = (each[some] for each in cells(column, block))
            table[:, at] = plain(values) if column.field == "values" else values
            table[~there, at] = np.nan
        lines = zip(iso(time), since(time, self.plan.reference), table.tolist(), strict=True)
        self._out.writelines((self._line % (at, second, *row)).replace(",nan", ",") for at, second, row in lines)
        self._out.flush()
        self._settling.grown(Path(self._out.name), self._out.fileno(), self._out.buffer.tell())

    def end(self, sheet: Sheet) -> None:
        self.close()

    def close(self) -> None:
        if self._out is not None:
            self._out.close()
            self._out = None


def iso(time: NDArray[np.int64]) -> list[str]:
    """Instants [ns UTC] as 2026-05-06T07:14:22.340000000Z."""
    return [f"{text}Z" for text in np.datetime_as_string(time.astype("datetime64[ns]"), unit="ns").tolist()]


def since(time: NDArray[np.int64], reference: int) -> list[str]:
    """Seconds since an instant [ns], with all nine decimals."""
    return [f"{'-' * (each < 0)}{abs(each) // SECOND}.{abs(each) % SECOND:09d}" for each in (time - reference).tolist()]


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text
