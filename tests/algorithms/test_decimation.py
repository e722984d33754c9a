"""The filter before down-sampling, against scipy, against convolution, and by what it does to sinusoids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from algorithms.decimation import DAMPING, PASSED, filtered, reach, taps, to_polar, to_rectangular

RATIOS = [2, 4, 5, 50]


@pytest.mark.parametrize("ratio", RATIOS)
def test_the_taps_are_those_of_scipy(ratio: int) -> None:
    h = taps(ratio)
    middle = (1 + PASSED) / 2 / ratio
    np.testing.assert_allclose(
        h, signal.firwin(h.size, middle, window=("kaiser", signal.kaiser_beta(DAMPING))), atol=1e-12
    )
    width = (1 - PASSED) / ratio
    count, _ = signal.kaiserord(DAMPING, width)
    assert abs(h.size - count) <= 2


@pytest.mark.parametrize("ratio", RATIOS)
def test_what_it_passes_and_what_it_stops(ratio: int) -> None:
    at, response = signal.freqz(taps(ratio), worN=1 << 14, fs=2.0 * ratio)  # the new Nyquist frequency is 1
    gain = np.abs(response)
    assert np.abs(gain[at <= PASSED] - 1).max() < 1e-3
    assert gain[at >= 1].max() < 1e-3
    np.testing.assert_array_equal(taps(ratio), taps(ratio)[::-1])


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("turn", [0.0, 0.1, 0.49, -0.49])
def test_a_turning_phasor_keeps_magnitude_and_angle(ratio: int, turn: float) -> None:
    """`turn` in Nyquist frequencies of the new rate: angles of the window go round many times."""
    k = reach(ratio)
    cycles = turn / 2 / ratio * np.arange(-k, k + 1)
    window = np.column_stack([np.full(2 * k + 1, 1000.0), (cycles * 360 + 33 + 180) % 360 - 180])
    to_rectangular(window, 1, 0)
    told = filtered(window, taps(ratio), 0.2)
    to_polar(told, 1, 0)
    assert told[0] == pytest.approx(1000.0, rel=1e-3)
    assert told[1] == pytest.approx(33, abs=0.05)


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("over", [1.0, 1.3, 1.9])
def test_what_is_above_the_new_nyquist_frequency_is_suppressed(ratio: int, over: float) -> None:
    k = reach(ratio)
    phase = np.pi * over / ratio * np.arange(-k, k + 1)
    window = np.column_stack([50 + np.cos(phase), np.cos(phase), np.sin(phase)])
    np.testing.assert_allclose(filtered(window, taps(ratio), 0.2), [50, 0, 0], atol=1e-3)


def test_it_is_a_convolution() -> None:
    h, k = taps(2), reach(2)
    signals = np.random.default_rng(1).normal(size=(200, 3))
    direct = np.stack([np.convolve(column, h, "valid") for column in signals.T], axis=1)
    told = [filtered(signals[n : n + 2 * k + 1], h, 0.2) for n in range(200 - 2 * k)]
    np.testing.assert_allclose(told, direct, atol=1e-12)


@given(st.integers(0, 2 * reach(5)), st.floats(-1, 1), st.floats(-100, 100))
def test_one_that_is_missing_within_a_straight_line_makes_no_difference(at: int, slope: float, level: float) -> None:
    k = reach(5)
    line = level + slope * np.arange(-k, k + 1)
    window = np.column_stack([line, line])
    window[at, 1] = np.nan
    whole, bridged = filtered(window, taps(5), 0.2)
    assert whole == pytest.approx(level, abs=1e-9)
    assert bridged == pytest.approx(level, abs=1e-9 if 0 < at < 2 * k else 1e-3)


def test_many_that_are_missing_leave_nothing_to_tell() -> None:
    h, k = taps(2), reach(2)
    window = np.ones((2 * k + 1, 3))
    window[k, 1] = np.nan
    window[:, 2] = np.nan
    assert np.abs(h[k]) > 0.2 * np.abs(h).sum()
    np.testing.assert_array_equal(np.isnan(filtered(window, h, 0.2)), [False, True, True])
    np.testing.assert_array_equal(np.isnan(filtered(window, h, 0.9)), [False, False, True])


def test_there_and_back() -> None:
    polar = np.random.default_rng(2).uniform(0.1, 180, (4, 5, 7)) * ([1, 1, 1, -1, 1, 1, 1])
    there = polar.copy()
    to_rectangular(there, 2)
    np.testing.assert_allclose(there[..., 2], polar[..., 2] * np.cos(np.radians(polar[..., 3])))
    np.testing.assert_array_equal(there[..., [0, 1, 6]], polar[..., [0, 1, 6]])
    to_polar(there, 2)
    np.testing.assert_allclose(there, polar)
