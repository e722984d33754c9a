from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from algorithms.columns import Columns, Counters


def numbers(*each: int) -> np.ndarray:
    return np.array(each, dtype=np.uint32)


def test_what_comes_first_has_the_first_columns_in_ascending_order():
    columns = Columns()
    assert columns.of(numbers(7, 3, 7)).tolist() == [1, 0, 1]
    assert columns.of(numbers(5, 7, 1, 3)).tolist() == [3, 1, 2, 0]
    assert columns.numbers.tolist() == [3, 7, 1, 5]
    assert columns.numbers.dtype == np.uint32


def test_of_nobody_there_is_nothing():
    columns = Columns()
    assert columns.of(numbers()).tolist() == []
    assert columns.get(4) is None
    columns.add(numbers(4))
    assert columns.of(numbers()).tolist() == []


def test_one_can_be_asked_for():
    columns = Columns()
    columns.add(numbers(9, 2))
    assert (columns.get(9), columns.get(2), columns.get(5), columns.get(10)) == (0, 1, None, None)


@given(st.lists(st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 9), max_size=12), max_size=8))
def test_it_is_what_a_dictionary_would_say(asked: list[list[int]]):
    columns, known = Columns(), dict[int, int]()
    for each in asked:
        for number in sorted(set(each) - known.keys()):
            known[number] = len(known)
        assert columns.of(numbers(*each)).tolist() == [known[number] for number in each]
    assert len(columns) == len(known)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.lists(st.integers(1, 9), unique=True), st.integers(0, 3))))
def test_counters_add_up_by_name_and_device(steps):
    counters, direct = Counters(["a", "b"]), Counter()
    for name, devices, count in steps:
        counters.add(name, np.array(devices, "u4"), np.full(len(devices), count))
        direct.update({(name, device): count for device in devices})
    found = {
        (name, int(device)): int(count)
        for name in "ab"
        for device, count in zip(counters.devices, counters.of(name), strict=True)
    }
    assert {key: count for key, count in found.items() if count} == {k: c for k, c in direct.items() if c}
