from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from console.decimation import Points, gapped, joined, reduced

STEP = 20_000_000


def points(values: list[float], first: int = 0) -> Points:
    value = np.array(values, np.float32)
    return Points(first + STEP * np.arange(value.size), value)


def test_few_points_stay_as_they_are() -> None:
    few = points([1, 2, 3])
    assert reduced(few, STEP, 100, 100 * STEP) is few


def test_columns_have_the_mean_the_least_and_the_greatest() -> None:
    found = reduced(points([1, 2, 3, 10, 20, 30]), STEP, 1, 3 * STEP)
    assert found.low is not None
    assert found.high is not None
    assert found.value.tolist() == [2, 20]
    assert (found.low.tolist(), found.high.tolist()) == ([1, 10], [3, 30])


def test_an_angle_is_not_averaged() -> None:
    found = reduced(points([179, -179, -178, 179, -179, -178]), STEP, 1, 3 * STEP, turns=True)
    assert found.value.tolist() == [179, 179]


def test_gaps_stay_gaps() -> None:
    holed = Points(STEP * np.array([0, 1, 5, 6]), np.array([1, 2, 3, 4], np.float32))
    found = gapped(holed, STEP)
    assert (found.time // STEP).tolist() == [0, 1, 2, 5, 6]
    assert np.isnan(found.value).tolist() == [False, False, True, False, False]


@given(st.lists(st.floats(-1e3, 1e3, width=32) | st.just(float("nan")), min_size=1, max_size=300), st.integers(1, 20))
def test_nothing_is_higher_or_lower_than_before(values: list[float], columns: int) -> None:
    whole = points(values)
    found = reduced(whole, STEP, columns, len(values) * STEP)
    low, high = (found.value if each is None else each for each in (found.low, found.high))
    if np.isnan(whole.value).all():
        assert np.isnan(found.value).all()
    else:
        assert np.nanmin(low) == np.nanmin(whole.value)
        assert np.nanmax(high) == np.nanmax(whole.value)


def test_seconds_and_rows_join() -> None:
    seconds = Points(np.array([0]), np.float32([5]), np.float32([4]), np.float32([6]))
    found = joined(seconds, points([7], first=STEP))
    assert found.low is not None
    assert (found.value.tolist(), found.low.tolist()) == ([5, 7], [4, 7])
