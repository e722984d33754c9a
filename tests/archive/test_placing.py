from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archive.placing import _by_cell


@given(st.lists(st.integers(0, 60) | st.integers(0, 10**9), min_size=1, max_size=40))
def test_rows_go_by_cell_and_those_of_one_cell_in_their_order(cells: list[int]) -> None:
    found = _by_cell(np.array(cells))
    assert found.tolist() == sorted(range(len(cells)), key=lambda row: cells[row])
