"""Tables of devices, CSV and Excel: what is taken, what is told of a fault."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from commands import _sheet
from commands._sitefile import SiteFile
from nodes._faults import Faulty
from nodes._sitedevice import Device, Link

TABLE = [
    ["Name", "NUMBER", "Stream", "Address", "tcp", "udp", "Region", "latitude", "analogs"],
    ["Wind Farm A", "", "7", "10.1.0.0/24", "", "", "north", "47.5", ""],
    ["007", "12", "8", "", "10.1.0.8:4712", "4713", "", "", "{P1: {scale: 0.001, unit: MW}}"],
]
WANTED = [
    {"name": "Wind Farm A", "stream": 7, "address": "10.1.0.0/24", "region": "north", "latitude": 47.5},
    {"name": "007", "number": 12, "stream": 8, "link": {"tcp": "10.1.0.8:4712", "udp": 4713},
     "analogs": {"P1": {"scale": 0.001, "unit": "MW"}}},
]  # fmt: skip


def entries(table: list[list[Any]]) -> list[dict[str, Any]]:
    return [row.entry for row in _sheet.rows("t.csv", table)]


def faults(table: list[list[Any]]) -> list[str]:
    with pytest.raises(Faulty) as raised:
        _sheet.rows("t.csv", table)
    return str(raised.value).splitlines()


def test_rows_are_entries_of_a_site_file() -> None:
    assert entries(TABLE) == WANTED
    for entry in WANTED:
        Device.model_validate({"number": 1} | entry)


def test_every_setting_of_a_device_and_its_link_is_a_column() -> None:
    assert set(_sheet.COLUMNS) == set(Device.model_fields) | set(Link.model_fields)


@pytest.mark.parametrize(("delimiter", "encoding"), [(",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-8")])
def test_csv_as_programs_write_it(tmp_path: Path, delimiter: str, encoding: str) -> None:
    path = tmp_path / "t.csv"
    lines = [delimiter.join(f'"{cell}"' if "{" in cell else cell for cell in row) for row in TABLE]
    path.write_text("\r\n".join([*lines, delimiter * 8, ""]), encoding=encoding)
    assert [row.entry for row in _sheet.read(path)] == WANTED
    assert [row.line for row in _sheet.read(path)] == [2, 3]


def test_excel_has_numbers_of_its_own(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (TABLE[0], ["Wind Farm A", None, 7.0, "10.1.0.0/24", None, None, "north", 47.5], [None], TABLE[2]):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    read = _sheet.read(tmp_path / "t.xlsx")
    assert [row.entry for row in read] == WANTED
    assert [row.line for row in read] == [2, 4]


def test_every_fault_has_its_row_and_column() -> None:
    told = faults([
        ["name", "number", "strem", "tcp", "latitude", "tcp", ""],
        ["A", "1", "", "10.0.0.1", "91", "", "stray"],
        ["", "x", "", "10.0.0.1:4712", "", "", ""],
    ])  # fmt: skip
    assert told == [
        "t.csv:1: column 'tcp' stands twice; keep one",
        "t.csv:1: unknown column 'strem'; did you mean 'stream'?",
        "t.csv:2: 'stray' stands in no column; give the column a heading",
        "t.csv:2: column latitude: A: latitude is 91; it should be less than or equal to 90",
        "t.csv:2: column tcp: A: link.tcp: '10.0.0.1' is not HOST:PORT; write it as \"0.0.0.0:4712\" "
        '("[::]:4712" for IPv6)',
        "t.csv:3: column name: a device: setting 'name' is missing; add name: … (Unique in the site; the archive and "
        "all counters name it so)",
        "t.csv:3: column number: a device: number is 'x'; it should be a whole number",
    ]


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ([], "no column 'name'"),
        ([["name"]], "no devices"),
        ([["name", "link", "tcp"], ["A", "udp", "10.0.0.1:1"]], "column tcp: '10.0.0.1:1', beside link 'udp'"),
        ([["name", "tcp", "link"], ["A", "10.0.0.1:1", "{udp: 4}"]], "column link: '{udp: 4}', beside tcp"),
        ([["name", "stream"], ["A", datetime.date(2026, 1, 1)]], "column stream: 2026-01-01 is a date"),
        ([["name", "analogs", "stream"], ["A", "{P: ", "1"]], "column analogs: not YAML"),
        ([["name", "region"], ["A", "north"]], "nothing to recognise it by when it dials in"),
    ],
)
def test_what_can_not_be_a_device_is_told(table: list[list[Any]], fault: str) -> None:
    assert any(fault in told for told in faults(table)), faults(table)


def test_a_link_may_be_told_in_words() -> None:
    [entry] = entries([["name", "link", "stream"], ["A", "dials_in", "7"]])
    assert Device.model_validate({"number": 1} | entry).link.how == "dials_in"
    [entry] = entries([["name", "tcp", "link"], ["A", "10.0.0.1:1", "dials_in"]])
    assert entry["link"] == {"tcp": "10.0.0.1:1"}


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("t.csv", "name,region\nA,北\n".encode("gbk"), "is not UTF-8 text"),
        ("t.csv", b'name\n"A', "is no CSV"),
        ("t.xlsx", b"PK nothing", "is no .xlsx file"),
        ("none.xlsx", None, "cannot be read"),
        ("none.csv", None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_table_is_told(tmp_path: Path, name: str, content: bytes | None, fault: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(Faulty, match=fault):
        _sheet.read(tmp_path / name)


def test_numbers_are_the_next_ones(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("station: T\ndevices: [{name: X, number: 4, stream: 1}]\n")
    site = SiteFile(tmp_path / "site.yaml")
    table = [["name", "stream", "number"], ["A", 11, ""], ["B", 12, 9], ["C", 13, ""], ["D", 14, ""]]
    told = _sheet.numbered(_sheet.rows("t.csv", table), site)
    assert [row.entry["number"] for row in told] == [10, 9, 11, 12]
    assert [list(row.entry)[:2] for row in told] == [["name", "number"]] * 4
