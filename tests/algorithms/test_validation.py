from __future__ import annotations

import numpy as np
import pytest

from algorithms.validation import malformed, out_of_range, time_error

GOOD = [50.0, 0.0, 230.0, 30.0, 1.0]


@pytest.mark.parametrize(
    ("channel", "value", "bad"),
    [
        (0, 55.0, False),
        (0, 55.1, True),
        (0, 44.9, True),
        (0, 65.536, True),
        (1, np.inf, True),
        (1, 1e6, False),
        (2, -0.1, True),
        (2, -0.0, False),
        (3, 180.0, False),
        (3, -180.0005, False),
        (3, 181.0, True),
        (3, 359.0, True),
        (4, -np.inf, True),
        (4, -5.0, False),
        (2, np.nan, False),
    ],
)
def test_format(channel: int, value: float, bad: bool):
    values = np.array([[GOOD, GOOD]], "f4")
    values[0, 1, channel] = value
    found = malformed(values, np.array([50.0, 50.0]), 2, 1)
    wanted = np.zeros((1, 2, 5), bool)
    wanted[0, 1, channel] = bad
    assert found.tolist() == wanted.tolist()


def test_ranges_hold_their_ends_and_bound_only_what_they_name():
    values = np.array([[[45.0, 55.0, 44.99, 55.01, np.nan, 1e9]]], "f4")
    low, high = np.full((1, 6), 45.0), np.full((1, 6), 55.0)
    low[0, 5], high[0, 5] = -np.inf, np.inf
    assert out_of_range(values, low, high).tolist() == [[[False, False, True, True, False, False]]]


@pytest.mark.parametrize(
    ("status", "quality", "code"),
    [
        (0, 0, 0),
        (0, 0x24, 4),
        (0, 0x7F, 15),
        (0x2000, 0, 15),
        (0x2000, 6, 6),
        (1 << 6, 0, 3),
        (5 << 6, 2, 7),
        (7 << 6, 0, 15),
        (0x2000 | 2 << 6, 0, 4),
    ],
)
def test_time_error_is_the_worse_of_what_is_said(status: int, quality: int, code: int):
    assert time_error(np.array([status], np.uint16), np.array([quality], np.uint8)).tolist() == [code]
