"""Excel, with XlsxWriter: a summary, charts of an event, and a sheet for each station.

Rows go to temporary files as they come (constant_memory). A sheet that is full goes on in a further one. Cells are
numbers or text, never formulas: names come from devices, which may be hostile.
"""

from __future__ import annotations

import re
import resource
import tempfile
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xlsxwriter
from numpy.typing import NDArray

from archive.exports import charts
from archive.exports.blocks import Block, Order, Part
from archive.exports.csvfiles import iso
from archive.exports.formats import BlockWriter
from archive.exports.numbers import plain
from archive.exports.plan import Plan, Track
from archive.exports.plan import Sheet as Table
from archive.exports.target import Target
from archive.exports.wide import columns_of, of_part
from archive.folder import ArchiveError
from protocol import clock

ROWS, COLUMNS = 1_048_576, 16_384
"""All that a sheet of Excel has."""
SHEETS = 500
"""Of a workbook: with more, it is no use to anybody."""
NAME = 31
"""Characters of a sheet's name."""
RESERVED = "history"
"""A name that Excel keeps for itself."""
DAY = 86_400 * clock.SECOND
BEFORE_1970 = 25_569
"""Days from Excel's day 0 to 1970-01-01."""
FIXED = ("time (UTC)", "seconds")
SUMMARY = ("station", "sheet", "rows a second", "rows", "completeness [%]", "frequency: minimum [Hz]", "mean [Hz]",
           "maximum [Hz]")  # fmt: skip


@dataclass
class Page:
    """What is written of one track."""

    track: Track
    rate: int
    sheets: list[Any] = field(default_factory=list)
    row: int = 0
    """The next one of the last sheet."""
    frequency: list[tuple[float, float, float, int]] = field(default_factory=list)
    """Least, sum, greatest and count of the valid ones, block by block."""


class Excel(BlockWriter):
    """One workbook."""

    ORDER = Order.BY_HOUR

    def __init__(self, plan: Plan, target: Target) -> None:
        super().__init__(plan, target)
        _check(plan)
        self._folder = tempfile.TemporaryDirectory(dir=target.path.parent, prefix=f".{target.path.name}.")
        options = {"constant_memory": True, "tmpdir": self._folder.name}
        self._book = xlsxwriter.Workbook(str(target.file("", ".xlsx")), options)
        self._book.use_zip64()
        self._bold = self._book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
        self._instant = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss.000"})
        self._names: set[str] = set()
        self._summary = self._add("summary")
        self._charts = self._add("charts") if plan.wish.onset is not None else None
        self._pages = {id(track): Page(track, sheet.table.rate) for sheet in plan.sheets for track in sheet.tracks}

    def write(self, sheet: Table, block: Block) -> None:
        for part in block.parts:
            self._write_part(self._pages[id(part.track)], block.time, part)

    def _write_part(self, page: Page, slots: NDArray[np.int64], part: Part) -> None:
        here = part.present
        time = slots[here] + part.offset[here]
        fields = columns_of(part.track)
        cells = np.empty((len(time), len(fields) + len(FIXED)))
        cells[:, 0] = time // DAY + BEFORE_1970 + time % DAY / DAY
        cells[:, 1] = (time - self.plan.reference) / clock.SECOND
        for at, (channel, which) in enumerate(fields, len(FIXED)):
            values = of_part(channel.field, which, part)[here]
            cells[:, at] = plain(values) if channel.field == "values" else values
            if channel.quantity == "frequency":
                _note(page, values)
        for row in cells.tolist():
            self._write_row(page, row)

    def _write_row(self, page: Page, cells: list[float]) -> None:
        if not page.sheets or page.row == ROWS:
            self._begin_sheet(page)
        sheet, row = page.sheets[-1], page.row
        sheet.write_number(row, 0, cells[0], self._instant)
        for column, value in enumerate(cells[1:], 1):
            if value - value == 0:  # Excel knows no NaN and no infinity: the cell stays empty
                sheet.write_number(row, column, value)
        page.row += 1

    def _begin_sheet(self, page: Page) -> None:
        sheet = self._add(page.track.label)
        for column, text in enumerate([*FIXED, *(channel.title for channel, _ in columns_of(page.track))]):
            sheet.write_string(0, column, text, self._bold)
        sheet.set_column(0, 0, 23)
        sheet.set_column(1, len(page.track.channels) + 1, 14)
        sheet.freeze_panes(1, 2)
        page.sheets.append(sheet)
        page.row = 1

    def _add(self, name: str) -> Any:
        return self._book.add_worksheet(sheet_name(name, self._names))

    def finish(self) -> None:
        pages = list(self._pages.values())
        self._write_summary(pages)
        if self._charts is not None:
            last = {id(page): ROWS - 1 if len(page.sheets) > 1 else page.row - 1 for page in pages}
            charts.draw(self._book, self._charts, [(page.track, page.sheets[0].get_name(), last[id(page)])
                                                   for page in pages], self.plan.wish.devices or ())  # fmt: skip
        self._book.close()

    def _write_summary(self, pages: list[Page]) -> None:
        plan, out = self.plan, self._summary
        first, stop, reference = iso(np.array([plan.start, plan.end, plan.reference]))
        told = [
            ("archive", str(plan.root.resolve())), ("from", first), ("to", stop), ("seconds count from", reference),
            ("rows set aside, not in it", str(plan.aside)), ("stations without rows", ", ".join(plan.silent)),
        ]  # fmt: skip
        for row, (what, text) in enumerate(told):
            out.write_string(row, 0, what, self._bold)
            out.write_string(row, 1, text)
        row = len(told) + 1
        for column, text in enumerate(SUMMARY):
            out.write_string(row, column, text, self._bold)
        for page in pages:
            row += 1
            out.write_string(row, 0, page.track.label)
            out.write_string(row, 1, ", ".join(sheet.get_name() for sheet in page.sheets))
            for column, value in enumerate(self._figures(page), 2):
                out.write_number(row, column, value)
        out.set_column(0, 1, 26)
        out.set_column(2, len(SUMMARY) - 1, 16)

    def _figures(self, page: Page) -> list[float]:
        """As `SUMMARY` names them, from the rate on; without those of the frequency if none was valid."""
        rows, rate = page.track.rows, page.rate
        found = [rate if rate > 0 else -1 / rate, rows, 100 * rows / self.plan.expected(rate)]
        if page.frequency:
            least, total, greatest, count = zip(*page.frequency, strict=True)
            found += [min(least), sum(total) / sum(count), max(greatest)]
        return found

    def close(self) -> None:
        for sheet in self._book.worksheets():
            sheet.row_data_fh.close()
        self._folder.cleanup()


def sheet_name(name: str, taken: set[str]) -> str:
    """A name as a sheet may have it, and as none has it yet; noted among those `taken`."""
    text = re.sub(r"[\[\]:*?/\\\x00-\x1f]", "_", name).strip("' ") or "_"
    found, number = text[:NAME], 1
    while found.casefold() in taken | {RESERVED}:
        number += 1
        more = f" ({number})"
        found = text[: NAME - len(more)] + more
    taken.add(found.casefold())
    return found


def _check(plan: Plan) -> None:
    """Raises ArchiveError if it is too much for a workbook; has as many files open as there are sheets."""
    sheets = sum(-(-track.rows // (ROWS - 1)) for track in plan.tracks)
    if sheets > SHEETS:
        raise ArchiveError(f"that would be {sheets} sheets of Excel, more than {SHEETS}; choose stations or a shorter "
                           "time, or take csv, parquet or hdf5")  # fmt: skip
    widest = max(plan.tracks, key=lambda track: len(track.channels))
    if len(widest.channels) + len(FIXED) > COLUMNS:
        raise ArchiveError(f"{widest.label} has {len(widest.channels)} channels, a sheet of Excel {COLUMNS} columns; "
                           "choose quantities, or take hdf5")  # fmt: skip
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, SHEETS + 256), hard), hard))


def _note(page: Page, values: NDArray[np.float32]) -> None:
    """Frequencies for the summary."""
    valid = values[np.isfinite(values)].astype(np.float64)
    if len(valid):
        page.frequency.append((float(valid.min()), float(valid.sum()), float(valid.max()), len(valid)))
