"""The table of all counters of devices."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from console.counts import FIRST, base, changes, foremost, kind_of, ordered, table

CELLS = arrays.arrays(np.float64, (4, 3), elements=st.sampled_from([0.0, 1.0, 2.5, math.nan]))


def test_the_books_stand_first() -> None:
    found = ordered(["score", "receiver_received", "late", "archived", "archiver_received", *FIRST[3:9]])
    assert found[:2] == ("archiver_received", "archived")
    assert found[-2:] == ("score", "receiver_received")
    assert kind_of("receiver_received") == "receiver"
    assert kind_of("score") == ""
    assert base("archiver_received") == base("received") == "received"


def test_of_one_device_the_foremost_kinds_count_and_the_largest_measure_stand() -> None:
    said = {"receiver_received": 9.0, "archiver_received": 8.0, "late": 1.0, "balancer_connected": 1.0,
            "receiver_connected": 0.0, "concentrator_bad_now": math.nan, "trigger_bad_now": 2.0}  # fmt: skip
    assert foremost(said) == {"received": 8.0, "late": 1.0, "connected": 1.0, "bad_now": 2.0}


def test_what_nobody_says_is_left_open() -> None:
    rows = [
        {"device": 7, "site_name": "", "name": "SIM 7", "counts": {"archived": 5.0}},
        {"device": 9, "site_name": "West", "name": "SIM 9", "counts": {"late": 1.0}},
    ]
    found = table(rows, {}, {9: ["spikes", "drift", "spikes"]})
    assert found.names == ("SIM 7", "SIM 9")
    assert found.links == ("", "West")
    assert found.columns == ("archived", "late")
    np.testing.assert_array_equal(found.values, [[5.0, math.nan], [math.nan, 1.0]])
    assert found.flags == ((), ("drift", "spikes"))
    assert found.same_rows(table(rows, {}, {}))
    assert not found.same_rows(table(rows[:1], {}, {}))
    assert not found.same_rows(None)


def test_no_devices_are_a_table_too() -> None:
    assert table((), {}, {}).values.shape == (0, 0)


@given(CELLS, CELLS)
def test_changes_make_the_one_from_the_other(before: np.ndarray, after: np.ndarray) -> None:
    row, column, value = changes(after, before)
    made = before.copy()
    made[row, column] = value
    np.testing.assert_array_equal(made, after)
    same = (before == after) | (np.isnan(before) & np.isnan(after))
    assert row.size == np.count_nonzero(~same)


def test_at_first_all_is_told() -> None:
    row, column, _ = changes(np.zeros((2, 3)), None)
    assert row.size == column.size == 6
