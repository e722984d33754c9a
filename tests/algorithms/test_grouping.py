"""Grouping of onsets."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from algorithms.grouping import group, together


def test_examples() -> None:
    assert group([], 5) == []
    assert group([3], 5) == [[0]]
    assert group([10, 0, 5, 16], 5) == [[1, 2, 0], [3]]


@given(st.lists(st.integers(0, 100)), st.integers(0, 10))
def test_neighbours_in_a_group_are_near_and_groups_are_far(onsets: list[int], within: int) -> None:
    groups = group(onsets, within)
    assert sorted(at for each in groups for at in each) == list(range(len(onsets)))
    for each in groups:
        assert all(0 <= onsets[b] - onsets[a] <= within for a, b in itertools.pairwise(each))
    assert all(onsets[b[0]] - onsets[a[-1]] > within for a, b in itertools.pairwise(groups))


@given(st.lists(st.integers(0, 5)))
def test_equal_keys_stand_together_as_they_came(keys: list[int]) -> None:
    order = together(np.array(keys, np.int64))
    runs = [key for key, _ in itertools.groupby(keys)]
    assert (order is None) == (len(set(runs)) == len(runs))
    if order is not None:
        assert [(keys[at], at) for at in order.tolist()] == sorted((key, at) for at, key in enumerate(keys))
