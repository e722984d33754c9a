from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from algorithms.redundancy import best, ranks

ROW = st.tuples(
    st.booleans(),
    st.sampled_from([0, 0x2000, 0x4000, 0x8000, 0xC000, 0xA000, 0x0200]),
    st.integers(0, 255),
    st.integers(-5, 5),
)


def arrays(rows):
    present, status, quality, arrival = zip(*rows, strict=True)
    return (
        np.array(present, bool)[None],
        np.array(status, np.uint16)[None],
        np.array(quality, np.uint8)[None],
        np.array(arrival, np.int64)[None] + 1_700_000_000_000_000_000,
    )


@given(st.lists(ROW, min_size=1, max_size=4))
def test_the_best_row_is_what_a_sort_by_the_rules_finds(rows):
    def order(at: int):
        present, status, quality, arrival = rows[at]
        if not present:
            return (1,)
        return 0, (status & 0xC000) != 0, (status & 0x2000) != 0, quality & 15, arrival

    there = [at for at in range(len(rows)) if rows[at][0]]
    members = np.arange(len(rows), dtype=np.intp)[None]
    found = int(best(ranks(*arrays(rows)), members)[0, 0])
    if there:
        assert found == min(there, key=lambda at: (*order(at), at))


def test_groups_of_different_sizes_stand_side_by_side():
    rank = np.array([[5, 3, 9, 1], [1, 3, 0, 2]], np.int64)
    members = np.array([[0, 1, -1], [2, 3, 0]], np.intp)
    assert best(rank, members).tolist() == [[1, 3], [0, 2]]


def test_of_equals_the_first_that_is_named_stays():
    present = np.ones((1, 2), bool)
    nothing, arrival = np.zeros((1, 2), np.uint16), np.full((1, 2), 7, np.int64)
    rank = ranks(present, nothing, nothing.astype(np.uint8), arrival)
    assert best(rank, np.array([[1, 0]], np.intp)).tolist() == [[1]]
