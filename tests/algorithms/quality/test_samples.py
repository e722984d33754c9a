from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from algorithms.quality import frozen, missing, spikes, zero_filled

FEW = st.sampled_from([0.0, 1.0, 2.0, 50.0, np.nan])
"""Values that often repeat."""
SERIES = arrays(np.float64, (2, 40), elements=FEW)


@given(SERIES, SERIES, SERIES, st.integers(1, 6))
def test_frozen_is_what_a_loop_says(f: np.ndarray, v: np.ndarray, a: np.ndarray, hold: int):
    found = frozen(f, v, a, hold)
    for device in range(2):
        for k in range(f.shape[1]):
            held = k >= hold and all(x[device, k - j] == x[device, k - j - 1] for x in (f, v, a) for j in range(hold))
            assert found[device, k] == held


@given(SERIES, st.integers(1, 39))
def test_spikes_are_the_same_however_the_stream_is_cut(x: np.ndarray, cut: int):
    limit = np.array([0.5, 3.0])
    whole = spikes(x, limit)
    parts = [spikes(x[:, : cut + 1], limit)[:, :cut], spikes(x[:, max(cut - 1, 0) :], limit)[:, min(cut, 1) :]]
    np.testing.assert_array_equal(np.hstack(parts), whole)


@given(SERIES, SERIES, SERIES, st.integers(1, 39), st.integers(1, 6))
def test_the_others_are_the_same_however_the_stream_is_cut(
    f: np.ndarray, v: np.ndarray, a: np.ndarray, cut: int, hold: int
):
    back = max(cut - hold, 0)
    rest = frozen(f[:, back:], v[:, back:], a[:, back:], hold)[:, cut - back :]
    np.testing.assert_array_equal(rest, frozen(f, v, a, hold)[:, cut:])
    for test in (missing, lambda *x: zero_filled(*x, 50.0)):
        parts = [test(f[:, :cut], v[:, :cut], a[:, :cut]), test(f[:, cut:], v[:, cut:], a[:, cut:])]
        np.testing.assert_array_equal(np.hstack(parts), test(f, v, a))


@pytest.mark.parametrize(
    ("frequency", "magnitude", "angle", "zero"),
    [
        (0.0, 0.0, 0.0, True),
        (50.0, 0.0, 1.3, True),
        (49.9, 0.0, 0.0, True),
        (49.9, 0.0, 1.3, False),  # a fault at the terminals
        (50.0, 1e-3, 0.0, False),
    ],
)
def test_zeros_are_told_from_a_low_voltage(frequency: float, magnitude: float, angle: float, zero: bool):
    one = (np.array([[x]]) for x in (frequency, magnitude, angle))
    assert zero_filled(*one, 50.0).tolist() == [[zero]]


def test_a_spike_is_one_sample_and_a_step_is_none():
    x = np.array([[0.0, 0.0, 9.0, 0.0, 0.0, 5.0, 5.0, 5.0]])
    assert np.flatnonzero(spikes(x, np.array([1.0]))).tolist() == [2]
