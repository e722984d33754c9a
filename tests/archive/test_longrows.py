"""Long rows: one text for one row."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.longrows import HEADER, Rows, shortest, write_header, write_rows
from protocol.messages import Table
from tests.archives import configuration


def rows(**more: Any) -> Rows:
    fields: dict[str, Any] = {
        "configuration": configuration(7, name='A, "B"'), "time": np.array([5, 6], np.int64),
        "status": np.array([0, 0x8000], np.uint16), "digital": np.array([[1], [65535]], np.uint16),
        "values": np.array([[50.01, 0.5, 134000, -30.25, 7], [np.nan, np.nan, 0, 0, 1e-7]], np.float32),
    }  # fmt: skip
    return Rows(**fields | more)


def text(*blocks: Rows, aside: bool = False) -> str:
    out = io.StringIO()
    write_header(out, aside)
    write_rows(out, blocks, aside)
    return out.getvalue()


def test_a_row_as_text() -> None:
    assert text(rows()).splitlines()[:8] == [
        "time_ns,stream,station_id,station,quantity,name,value",
        '5,7,1007,"A, ""B""",status,,0',
        '5,7,1007,"A, ""B""",frequency,,50.01',
        '5,7,1007,"A, ""B""",rocof,,0.5',
        '5,7,1007,"A, ""B""",magnitude,V0,134000.0',
        '5,7,1007,"A, ""B""",angle,V0,-30.25',
        '5,7,1007,"A, ""B""",analog,A0,7.0',
        '5,7,1007,"A, ""B""",digital,word 1,1',
    ]


def test_invalid_values_and_words() -> None:
    read = list(csv.reader(io.StringIO(text(rows()))))
    assert [line[6] for line in read[8:]] == ["32768", "nan", "nan", "0.0", "0.0", "1e-07", "65535"]


def test_aside_has_a_column_with_its_reason() -> None:
    lines = text(rows(aside=np.array([0, 2], np.uint8)), rows(), aside=True).splitlines()
    assert lines[0] == HEADER + ",aside"
    assert {line.rsplit(",", 1)[1] for line in lines[1:8]} == {""}
    assert {line.rsplit(",", 1)[1] for line in lines[8:15]} == {"place_taken"}
    assert {line.rsplit(",", 1)[1] for line in lines[15:]} == {""}


def test_the_number_of_lines_is_returned() -> None:
    assert write_rows(io.StringIO(), [rows(), rows()]) == 28


@given(st.lists(st.floats(width=32), max_size=50))
def test_text_gives_back_the_float32(values: list[float]) -> None:
    array = np.array(values, dtype=np.float32)
    back = np.array([float(each) for each in shortest(array)], dtype=np.float32)
    np.testing.assert_array_equal(back, array)
    assert (np.signbit(back) == np.signbit(array))[~np.isnan(array)].all()


@pytest.mark.parametrize("count", [0, 1, 4096, 4097])
def test_blocks_of_any_size(count: int) -> None:
    table = Table(50, 0, 0, 0)
    some = Rows(
        configuration(1, table), np.arange(count, dtype=np.int64), np.zeros(count, np.uint16),
        np.zeros((count, 2), np.float32), np.zeros((count, 0), np.uint16),
    )  # fmt: skip
    lines = text(some).splitlines()
    assert len(lines) == 1 + 3 * count
    assert [line.split(",")[0] for line in lines[1::3]] == [str(k) for k in range(count)]
