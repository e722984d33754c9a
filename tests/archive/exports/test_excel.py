"""Excel, read back by openpyxl."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest

from archive.exports import excel
from archive.exports.forms import Form
from archive.folder import ArchiveError
from protocol.clock import SECOND
from protocol.messages import device_number
from tests import archives as makers
from tests import exporting

ONE, TWO, FOUR = (device_number(link, 0) for link in (1, 2, 4))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = exporting.fill(tmp_path_factory.mktemp("archive"))
    exporting.event(found)
    return found


def cells(sheet: Any) -> tuple[list[str], np.ndarray[Any, Any], list[datetime]]:
    """Heading, the columns behind the time as numbers [row, column], and the times."""
    heading, *rows = sheet.iter_rows(values_only=True)
    body = np.array([[np.nan if cell is None else cell for cell in row[1:]] for row in rows], np.float64)
    return list(heading), body, [row[0] for row in rows]


def test_every_value_of_every_station(root: Path, tmp_path: Path) -> None:
    exporting.exported(root, Form.XLSX, tmp_path / "all.xlsx")
    truths = exporting.truths(root)
    book = openpyxl.load_workbook(tmp_path / "all.xlsx")
    odd = '=站,北 "A"___1__ x'
    assert book.sheetnames == ["summary", "站 1 harmonics", "站 1", odd, "link3_twin", "link4_twin"]
    for name, device in (("站 1", ONE), (odd, TWO), ("link4_twin", FOUR)):
        heading, body, moments = cells(book[name])
        truth = truths[device]
        assert heading[:4] == ["time (UTC)", "seconds", "frequency [Hz]", "rocof [Hz/s]"]
        np.testing.assert_array_equal(np.rint(body[:, 0] * 1e9).astype(np.int64) + makers.T0, truth.time)
        channels = truth.values.shape[1]
        np.testing.assert_array_equal(body[:, 1 : 1 + channels].astype("f4"), truth.values)
        np.testing.assert_array_equal(body[:, 1 + channels], truth.status)
        told = [round(moment.timestamp() * 1e3) for moment in (each.replace(tzinfo=UTC) for each in moments)]
        np.testing.assert_allclose(told, truth.time / 1e6, atol=1)
    assert book[odd].cell(1, 1).data_type == "s"


def test_the_summary(root: Path, tmp_path: Path) -> None:
    exporting.exported(root, Form.XLSX, tmp_path / "some.xlsx", devices=["站 1", exporting.ODD, "link4/twin"],
                       start=makers.T0, end=makers.T0 + 4 * SECOND)  # fmt: skip
    rows = list(openpyxl.load_workbook(tmp_path / "some.xlsx")["summary"].iter_rows(values_only=True))
    at = next(number for number, row in enumerate(rows) if row[0] == "station")
    told = {row[0]: row[1:] for row in rows[at + 1 :]}
    truth = exporting.truths(root)[TWO].within(makers.T0, makers.T0 + 4 * SECOND)
    sheet, rate, count, completeness, low, mean, high = told[exporting.ODD]
    assert (sheet, rate, count) == ('=站,北 "A"___1__ x', 50, 100)
    assert completeness == pytest.approx(100 * 100 / 200)
    hertz = truth.values[:, 0].astype(np.float64)
    assert (low, high) == (np.nanmin(hertz), np.nanmax(hertz))
    assert mean == pytest.approx(np.nanmean(hertz))
    assert told["站 1"][1:3] == (50, 120)


def test_charts_of_an_event(root: Path, tmp_path: Path) -> None:
    exporting.exported(root, Form.XLSX, tmp_path / "event.xlsx", event="2026-05-03T09:20:01")
    book = openpyxl.load_workbook(tmp_path / "event.xlsx")
    assert book.sheetnames[:2] == ["summary", "charts"]
    charts = book["charts"]._charts
    assert [len(chart.series) for chart in charts] == [1, 1]
    frequency, voltage = (chart.series[0] for chart in charts)
    assert frequency.yVal.numRef.f == "'站 1'!$C$2:$C$101"
    assert voltage.yVal.numRef.f == "'站 1'!$E$2:$E$101"
    assert frequency.xVal.numRef.f == "'站 1'!$B$2:$B$101"
    _, body, _ = cells(book["站 1"])
    assert (body[0, 0], body[50, 0]) == (-1.0, 0.0)


def test_a_full_sheet_goes_on(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excel, "ROWS", 101)
    exporting.exported(root, Form.XLSX, tmp_path / "out.xlsx", devices=["站 1"], wanted=["frequency"])
    book = openpyxl.load_workbook(tmp_path / "out.xlsx")
    assert book.sheetnames == ["summary", "站 1", "站 1 (2)", "站 1 (3)"]
    bodies = [cells(book[name])[1] for name in book.sheetnames[1:]]
    assert [len(body) for body in bodies] == [100, 100, 40]
    found = np.concatenate(bodies)[:, 1].astype("f4")
    np.testing.assert_array_equal(found, exporting.truths(root)[ONE].values[:, 0])


def test_what_is_too_much(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excel, "SHEETS", 4)
    with pytest.raises(ArchiveError, match="5 sheets of Excel, more than 4; choose stations or a shorter time"):
        exporting.exported(root, Form.XLSX, tmp_path / "out.xlsx")
    monkeypatch.setattr(excel, "COLUMNS", 10)
    with pytest.raises(ArchiveError, match="x has 10 channels, a sheet of Excel 10 columns; choose quantities"):
        exporting.exported(root, Form.XLSX, tmp_path / "out.xlsx", devices=[exporting.ODD])
    assert list(tmp_path.iterdir()) == []


def test_long_and_equal_names() -> None:
    names: set[str] = set()
    told = [excel.sheet_name(name, names) for name in ("x" * 40, "X" * 40, "History", "a/b", "'q'", "[]")]
    assert told == ["x" * 31, "X" * 27 + " (2)", "History (2)", "a_b", "q", "__"]
