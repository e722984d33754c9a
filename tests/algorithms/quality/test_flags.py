from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from algorithms.quality.flags import middle, moving_mean, moving_range, quiet_spread, resolution, spans, spread, widened

MASK = arrays(np.bool_, st.integers(0, 30))
NUMBERS = arrays(np.float64, (3, 20), elements=st.sampled_from([-2.0, -0.5, 0.0, 1.0, 3.0, np.nan]))


@given(MASK, st.integers(0, 4))
def test_spans_hold_what_is_true_and_pauses_that_are_bridged(mask: np.ndarray, bridge: int):
    covered = np.zeros(mask.size, dtype=bool)
    found = spans(mask, bridge)
    for start, stop in found:
        assert mask[[start, stop - 1]].all()
        assert max((stop - start for start, stop in spans(~mask[start:stop])), default=0) <= bridge
        covered[start:stop] = True
    assert covered[mask].all()
    assert all(after[0] - before[1] > bridge for before, after in pairwise(found))


@given(arrays(np.bool_, (2, 20)), st.integers(0, 3), st.integers(0, 3))
def test_widened_is_what_a_loop_says(mask: np.ndarray, before: int, after: int):
    found = widened(mask, before, after)
    for k in range(20):
        assert (found[:, k] == mask[:, max(k - after, 0) : k + before + 1].any(axis=1)).all()


@given(NUMBERS)
def test_moving_mean_and_range_are_what_a_loop_says(x: np.ndarray):
    mean, ranged = moving_mean(x, 5), moving_range(x, 2)
    for device in range(3):
        for k in range(20):
            few = x[device, max(k - 2, 0) : k + 3]
            few = few[~np.isnan(few)]
            assert mean[device, k] == pytest.approx(few.mean() if few.size else np.nan, nan_ok=True, abs=1e-12)
            assert ranged[device, k] == (np.ptp(few) if few.size else 0.0)


@given(NUMBERS)
def test_the_middle_is_the_lower_median_of_what_is_there(x: np.ndarray):
    for k, found in enumerate(middle(x)):
        there = np.sort(x[~np.isnan(x[:, k]), k])
        expected = there[(there.size - 1) // 2] if there.size else np.nan
        np.testing.assert_equal(found, expected)


def test_quiet_is_not_what_most_of_a_window_is():
    draw = np.random.default_rng(1)
    x = draw.standard_normal((2, 10000)) * np.array([[1.0], [3.0]])
    np.testing.assert_allclose(spread(x), [1.0, 3.0], rtol=0.05)
    loud = x.copy()
    loud[:, 800:] *= 30.0
    assert (spread(loud) > [20.0, 60.0]).all()
    np.testing.assert_allclose(quiet_spread(loud, 100), [1.0, 3.0], rtol=0.3)


def test_resolution_is_the_smallest_step():
    assert resolution(np.array([[1.0, 1.5, 1.5, 3.5], [2.0, 2.0, np.nan, 2.0]])).tolist() == [0.5, 0.0]
