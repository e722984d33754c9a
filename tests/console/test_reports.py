"""The report as page and workbook: what is told stands there, nothing else runs or loads."""

from __future__ import annotations

import xml.etree.ElementTree as Xml
from dataclasses import replace
from datetime import UTC
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import openpyxl
import pytest

from archive.reports.day import Day
from console.reports.content import DURATION, TIME, Bars, Cell, Content, Trend, duration, number, share, shown, size
from console.reports.drawing import drawn
from console.reports.page import page
from console.reports.sections import content
from console.reports.workbook import write_workbook
from console.texts import LANGUAGES, Texts
from protocol.clock import SECOND
from tests import reporting
from tests.reporting import ODD, START


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reporting.fill(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def day(root: Path) -> Day:
    return reporting.gathered(root, free=5 << 30)


class Reader(HTMLParser):
    """Elements, their attributes, and the text in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.cells: list[str] = []
        self.words: list[str] = []
        self.titles: list[str] = []
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self._open and self._open[-1] == "h2":
            self.titles.append(data)
        if self._open and self._open[-1] == "td":
            self.cells[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            del self._open[len(self._open) - 1 - self._open[::-1].index(tag) :]


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_the_page_stands_alone(day: Day, language: str) -> None:
    text = Texts(language)
    made = page(content(day, text), text)
    found = Reader(made)
    assert not found.tags & {"script", "img", "link", "iframe", "object", "a", "b2"}
    assert not found.attributes & {"src", "href", "onclick", "onload", "style"}
    assert made.count("://") == made.count('xmlns="http://www.w3.org/2000/svg"')
    assert "url(" not in made
    assert "@import" not in made
    assert ODD in found.cells
    assert "<script>" in found.cells
    titles = [text(f"report.{name}.title") for name in
              ("completeness", "events", "frequency", "voltages", "devices", "alarms", "station")]  # fmt: skip
    assert found.titles == titles
    assert page(content(day, text), text) == made


def test_figures_stand_on_the_page(day: Day) -> None:
    text = Texts("en")
    found = Reader(page(content(day, text), text))
    for wanted in ("generator trip", "88 %", "-43", "20260503T012320.000Z_suspects", "49.744", "1.76", "1 h 30 min",
                   "10 min 00 s", "critical", "4 h 00 min", "Wind Farm North: Frequency", "100.00 %",
                   "frozen values ×2", "5.0 GiB", "2026-05-03 01:30:00"):  # fmt: skip
        assert wanted in found.cells, wanted
    words = " ".join(found.words)
    assert "In the site file, but never heard: L99." in words
    assert "as far as 2026-05-03 03:00:00" in words
    assert "EN 50160 (synchronous connection)" in words
    assert "Alarms that were raised: 13. Floods: 1. Not acknowledged when the day was over: 2." in words
    assert "unbalance 86.01 %, harmonics 1.66 %" in words
    assert "GB/T 15945-2008" in words


def test_the_workbook_tells_the_same(day: Day, tmp_path: Path) -> None:
    text, path = Texts("en"), tmp_path / "day.xlsx"
    write_workbook(content(day, text), text, path)
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Summary", "Completeness", "Events", "Frequency", "Hours", "Histogram", "Minutes",
                               "Voltages", "Devices", "Ways", "Silences", "Alarms", "Standing alarms", "Floods",
                               "Unacknowledged", "Disk", "Restarts"]  # fmt: skip
    rows = {row[0]: row for row in book["Completeness"].iter_rows(values_only=True)}
    assert rows["Wind Farm North"][1:8] == (0.9962, 40, 0, 0, 1, 0.9888, 1)
    assert all(cell.data_type != "f" for sheet in book for line in sheet.iter_rows() for cell in line)
    assert [row[0] for row in book["Silences"].iter_rows(min_row=2, values_only=True)].count("Solar Park East") == 1
    minutes = list(book["Minutes"].iter_rows(min_row=2, values_only=True))
    assert len(minutes) == 180
    assert minutes[3][1] == pytest.approx(day.frequencies[""].mean[180:240].mean())
    assert sum(row[2] for row in book["Histogram"].iter_rows(min_row=2, values_only=True)) == pytest.approx(180)
    again = tmp_path / "again.xlsx"
    write_workbook(content(day, text), text, again)
    assert again.read_bytes() == path.read_bytes()


def test_times_are_those_of_the_zone(day: Day, tmp_path: Path) -> None:
    text, told = Texts("zh"), replace(day, zone=ZoneInfo("Asia/Shanghai"))
    found = content(told, text)
    assert "09:23:20" in Reader(page(found, text)).cells
    write_workbook(found, text, tmp_path / "day.xlsx")
    event = next(openpyxl.load_workbook(tmp_path / "day.xlsx")["事件"].iter_rows(min_row=2, values_only=True))
    assert f"{event[0]:%H:%M:%S}" == "09:23:20"
    assert event[1] == "机组跳闸"


def test_many_devices_are_listed_in_part(day: Day) -> None:
    found = content(day, Texts("en"))
    section = found.sections[0]
    table = section.tables[0]
    crowd = replace(table, rows=table.rows * 100)
    made: Content = replace(found, sections=[replace(section, tables=[crowd])])
    assert "60 of 500 rows are shown; the workbook has all." in page(made, Texts("en"))


def test_nothing_at_all(tmp_path: Path) -> None:
    from archive.writer import Archive

    Archive(tmp_path / "archive").close()
    text = Texts("en")
    found = content(reporting.gathered(tmp_path / "archive", 24), text)
    assert found.title == "SYMS master station"
    assert "–" in page(found, text)
    write_workbook(found, text, tmp_path / "day.xlsx")


def test_values_as_people_read_them() -> None:
    assert shown(share(0.999999), UTC) == "99.99 %"
    assert (share(0.99).level, share(0.0).level, share(np.nan).known) == ("good", "nothing", False)
    assert shown(number(1234567.891, 2), UTC) == "1\u202f234\u202f567.89"
    assert [shown(Cell(None), UTC), shown(number(np.nan), UTC)] == ["–", "–"]
    assert shown(Cell(START, TIME), ZoneInfo("Asia/Shanghai")) == "2026-05-03 08:00:00"
    assert [duration(each) for each in (12.34, 59.96, 200, 7384)] == ["12.3 s", "60 s", "3 min 20 s", "2 h 03 min"]
    assert shown(Cell(61.0, DURATION), UTC) == "1 min 01 s"
    assert [size(each) for each in (12, 2048, 3 << 40)] == ["12 B", "2.0 KiB", "3.00 TiB"]


def test_a_trend_is_drawn_where_it_is_known() -> None:
    values = np.array([50.0, 50.1, np.nan, np.nan, 49.9, 50.0])
    trend = Trend("<f>", "Hz", START, 3600 * SECOND, {"a": values, "b&": values}, values - 0.1, values + 0.1,
                  [(START + 3600 * SECOND, "trip <1>")], [(50.0, ""), (49.95, "-50 mHz"), (48.0, "far")])  # fmt: skip
    root = Xml.fromstring(drawn(trend, UTC))
    kind = "{http://www.w3.org/2000/svg}"
    paths = [each.get("d", "") for each in root.iter(f"{kind}path")]
    assert sum(path.startswith("M") and "Z" not in path for path in paths) == 4  # two runs of two series
    assert [each.text for each in root.iter(f"{kind}title")] == ["<f>", "trip <1>"]
    texts = [each.text for each in root.iter(f"{kind}text")]
    assert {"a", "b&", "-50 mHz", "02:00", "Hz"} <= set(texts)
    assert "far" not in texts


def test_bars_are_as_high_as_they_are_many() -> None:
    bars = Bars("h", "Hz", np.array([49.99, 50.0, 50.01]), np.array([10.0, 20.0]))
    root = Xml.fromstring(drawn(bars, UTC))
    heights = [float(each.get("height", "")) for each in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert heights[1] == pytest.approx(2 * heights[0], rel=1e-3)
