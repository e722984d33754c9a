"""The report as a workbook: a summary, a sheet for each table, charts that Excel draws.

Cells are numbers or text, never formulas: names come from devices, which may be hostile.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import xlsxwriter

from archive.layout import moment
from console.reports.content import (
    BYTES,
    CLOCK,
    DURATION,
    MARK,
    TIME,
    Bars,
    Cell,
    Content,
    Section,
    Table,
    Trend,
)
from console.texts import Texts

COLOURS = {"good": "#4ade80", "fair": "#fde047", "poor": "#fb923c", "bad": "#ef4444", "nothing": "#7f1d1d"}
MADE = datetime(2000, 1, 1)
"""A workbook says when it was made: always then, so that the same report has the same bytes."""
DAY0 = 25_569
"""Excel's number of 1970-01-01."""
CHART = {"width": 1000, "height": 340}
MIB = 1 << 20


class Workbook:
    """One report on its way to a file."""

    def __init__(self, content: Content, text: Texts, path: Path) -> None:
        self._content, self._text = content, text
        self._book = xlsxwriter.Workbook(str(path))
        self._book.set_properties({"title": f"{content.title} {content.day}", "created": MADE})
        self._bold = self._book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1})
        self._large = self._book.add_format({"bold": True, "font_size": 16})
        self._wrapped = self._book.add_format({"text_wrap": True, "valign": "top"})
        self._formats: dict[tuple[str, str], Any] = {}

    def write(self) -> None:
        """All sheets."""
        self._summary()
        for section in self._content.sections:
            for table in section.tables:
                self._table(table)
            for drawing in section.drawings:
                if isinstance(drawing, Bars):
                    self._histogram(drawing)
            self._minutes([each for each in section.drawings if isinstance(each, Trend)])
        self._book.close()

    def _sheet(self, key: str) -> Any:
        return self._book.add_worksheet(self._text(f"report.sheet.{key}"))

    def _summary(self) -> None:
        out, content = self._sheet("summary"), self._content
        out.set_column(0, 0, 44)
        out.set_column(1, 1, 16)
        out.set_column(2, 2, 70)
        out.write_string(0, 0, content.title, self._large)
        out.write_string(1, 0, f"{self._text('report.title')} {content.day} ({content.zone})")
        row = 3
        for remark in content.remarks:
            out.write_string(row, 0, remark, self._bold)
            row += 1
        for tile in content.tiles:
            out.write_string(row, 0, f"{tile.label}{f' [{tile.unit}]' if tile.unit else ''}")
            self._cell(out, row, 1, tile.cell)
            row += 1
        for section in content.sections:
            row = self._told(out, row + 1, section)

    def _told(self, out: Any, row: int, section: Section) -> int:
        """What a section says in words; returns the next row."""
        out.write_string(row, 0, section.title, self._bold)
        for text in (section.lead, *section.notes) if section.lead else section.notes:
            row += 1
            out.merge_range(row, 0, row, 2, "")
            out.write_string(row, 0, text, self._wrapped)
            out.set_row(row, 15 * (1 + len(text) // 110))
        return row + 1

    def _table(self, table: Table) -> None:
        out = self._sheet(table.key)
        for column, text in enumerate(table.columns):
            out.write_string(0, column, text, self._bold)
        for row, cells in enumerate(table.rows, 1):
            for column, cell in enumerate(cells):
                self._cell(out, row, column, cell)
        plain = len(table.columns) - table.strips
        out.set_column(0, 0, 30)
        out.set_column(1, max(1, plain - 1), 14)
        if table.strips:
            out.set_column(plain, len(table.columns) - 1, 8)
        out.freeze_panes(1, 1)
        if table.rows:
            out.autofilter(0, 0, len(table.rows), len(table.columns) - 1)

    def _cell(self, out: Any, row: int, column: int, cell: Cell) -> None:
        """Excel knows no NaN: a cell of what is not known stays empty."""
        if not cell.known:
            return
        shape = self._format(cell.form, cell.level)
        if isinstance(cell.value, str):
            out.write_string(row, column, cell.value, shape)
        elif cell.value is not None:
            out.write_number(row, column, self._number(cell.value, cell.form), shape)

    def _number(self, value: float, form: str) -> float:
        """As Excel counts: days since 1900 in the report's time zone, days, MiB."""
        if form in (TIME, CLOCK):
            return self._days(int(value))
        return {DURATION: value / 86_400, BYTES: value / MIB}.get(form, value)

    def _days(self, time: int) -> float:
        local = moment(time).astimezone(self._content.zone).replace(tzinfo=UTC)
        return DAY0 + local.timestamp() / 86_400

    def _format(self, form: str, level: str) -> Any:
        if (form, level) not in self._formats:
            pattern = MARK.get(form, form)
            shape: dict[str, Any] = {"num_format": pattern} if pattern else {}
            if level:
                shape |= {"bg_color": COLOURS[level]} | ({"font_color": "#ffffff"} if level == "nothing" else {})
            self._formats[form, level] = self._book.add_format(shape)
        return self._formats[form, level]

    def _minutes(self, trends: list[Trend]) -> None:
        """All trends of a section on one sheet, a chart for each."""
        if not trends:
            return
        out, first = self._sheet("minutes"), trends[0]
        count = max(len(values) for trend in trends for values in trend.series.values())
        out.write_string(0, 0, self._text("report.column.time"), self._bold)
        out.set_column(0, 0, 20)
        for row in range(count):
            out.write_number(row + 1, 0, self._days(first.start + row * first.step), self._format(TIME, ""))
        column = 1
        for place, trend in enumerate(trends):
            chart = self._book.add_chart({"type": "scatter", "subtype": "straight"})
            named = {f"{name} [{trend.unit}]": values for name, values in trend.series.items()}
            for name, band in (("lowest", trend.low), ("highest", trend.high)):
                if band is not None:
                    named[self._text(f"report.column.{name}")] = band
            for name, values in named.items():
                out.write_string(0, column, name, self._bold)
                for row in np.flatnonzero(np.isfinite(values)).tolist():
                    out.write_number(row + 1, column, float(values[row]))
                sheet = out.get_name()
                chart.add_series({"name": [sheet, 0, column], "categories": [sheet, 1, 0, count, 0],
                                  "values": [sheet, 1, column, count, column], "line": {"width": 1}})  # fmt: skip
                column += 1
            chart.set_title({"name": trend.title, "name_font": {"size": 11}})
            ends = self._days(first.start), self._days(first.start + count * first.step)
            chart.set_x_axis({"num_format": "hh:mm", "label_position": "low", "min": ends[0], "max": ends[1],
                              "major_unit": 1 / 12})  # fmt: skip
            chart.set_y_axis({"name": trend.unit, "min": _least(named), "max": _most(named)})
            chart.set_size(CHART)
            out.insert_chart(1 + 18 * place, column + 8 - place, chart)
        out.freeze_panes(1, 1)

    def _histogram(self, bars: Bars) -> None:
        out = self._sheet("histogram")
        for column, name in enumerate(("from_hz", "to_hz", "minutes")):
            out.write_string(0, column, self._text(f"report.column.{name}"), self._bold)
        for row, values in enumerate(zip(bars.edges[:-1], bars.edges[1:], bars.bars, strict=True), 1):
            for column, value in enumerate(values):
                out.write_number(
                    row, column, round(float(value), 6), self._format("0.000" if column < 2 else "0.0", "")
                )
        sheet, last = out.get_name(), len(bars.bars)
        chart = self._book.add_chart({"type": "column"})
        chart.add_series({"name": [sheet, 0, 2], "categories": [sheet, 1, 0, last, 0],
                          "values": [sheet, 1, 2, last, 2], "gap": 5})  # fmt: skip
        chart.set_title({"name": bars.title, "name_font": {"size": 11}})
        chart.set_x_axis({"name": bars.unit, "num_format": "0.00"})
        chart.set_legend({"none": True})
        chart.set_size(CHART)
        out.insert_chart(1, 4, chart)


def _least(series: dict[str, Any]) -> float:
    return float(np.floor(min(np.nanmin(values) for values in series.values()) * 100) / 100)


def _most(series: dict[str, Any]) -> float:
    return float(np.ceil(max(np.nanmax(values) for values in series.values()) * 100) / 100)


def write_workbook(content: Content, text: Texts, path: Path) -> None:
    """Into a file; the same for the same content, byte by byte."""
    Workbook(content, text, path).write()
