"""Means of ten minutes against a direct computation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.reports.tens import TEN, Tens
from protocol.clock import SECOND


@given(st.lists(st.tuples(st.integers(0, 3000), st.floats(0, 10)), min_size=1, max_size=60), st.integers(0, 60))
def test_each_value_counts_in_its_ten_minutes(rows: list[tuple[int, float]], cut: int) -> None:
    rows = sorted(rows)
    time = np.array([at for at, _ in rows], np.int64) * SECOND
    values = np.array([value for _, value in rows])
    values[values > 9] = np.nan
    found = Tens()
    for part in (slice(0, cut), slice(cut, None)):
        found.add(time[part], values[part], 1)
    known = np.isfinite(values)
    if not known.any():
        assert np.isnan([found.mean, found.highest, found.percentile(95)]).all()
        return
    of = time[known] // TEN
    means = [values[known][of == each].mean() for each in np.unique(of)]
    np.testing.assert_allclose(found.means, means, atol=1e-12)
    assert found.mean == pytest.approx(values[known].mean(), abs=1e-12)
    assert found.highest == pytest.approx(max(means), abs=1e-12)
    assert found.percentile(95) == pytest.approx(np.percentile(means, 95), abs=1e-12)
    assert found.seconds == known.sum()
