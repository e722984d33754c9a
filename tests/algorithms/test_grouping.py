"""Grouping of onsets."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from algorithms.grouping import group


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
