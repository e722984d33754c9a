"""Steps and kinks, against series whose steps and kinks are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.coanalysis.transients import bridged, excess, kernel, sizes, trusted


@given(st.floats(-5, 5), st.floats(-1, 1), st.floats(-0.01, 0.01), st.booleans())
def test_a_step_on_a_curve_is_found_with_its_size(step: float, slope: float, bend: float, bent: bool) -> None:
    t = np.arange(-60.0, 61.0)
    x = 3.0 + slope * t + bend * t**2 + step * (t > 0)
    size = sizes(x[None], kernel(10, 3, 3, kink=False, bent=bent))[0, 60]
    assert size == pytest.approx(step, abs=1e-8)


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_kink_is_the_change_of_the_second_derivative(kink: float, slope: float) -> None:
    t = np.arange(-60.0, 61.0)
    x = slope * t + 0.5 * kink * t**2 * (t > 0)
    assert sizes(x[None], kernel(20, 0, 3, kink=True))[0, 60] == pytest.approx(kink, abs=1e-8)


@given(st.lists(st.tuples(st.integers(0, 180), st.integers(1, 12)), max_size=5), st.integers(1, 15))
def test_long_holes_and_ends_are_not_trusted(holes: list[tuple[int, int]], reach: int) -> None:
    known = np.ones((1, 200), dtype=bool)
    for start, length in holes:
        known[0, start : start + length] = False
    runs, k = [], 0
    while k < 200:
        stop = k
        while stop < 200 and not known[0, stop]:
            stop += 1
        if stop - k > 3:
            runs.append((k, stop))
        k = max(stop, k + 1)
    expected = [
        reach <= i < 200 - reach and not any(start - reach <= i < stop + reach for start, stop in runs)
        for i in range(200)
    ]
    assert trusted(known, reach, 3)[0].tolist() == expected


def test_a_wrapped_angle_is_bridged_along_the_shorter_way() -> None:
    true = np.linspace(0.0, 40.0, 500)
    x = np.mod(true + np.pi, 2 * np.pi) - np.pi
    x[200:203] = np.nan
    filled, known = bridged(x[None], period=2 * np.pi)
    np.testing.assert_allclose(filled[0] - filled[0, 0], true, atol=1e-9)
    assert known.sum() == 497


def test_the_limit_follows_the_tail() -> None:
    draw = np.random.default_rng(1)
    for degrees in (1, 20):
        form = draw.chisquare(degrees, 9000)
        assert excess(form, 50, 7.0).max() < 1.0
        form[4000] = 12 * np.quantile(form, 0.9999)
        assert excess(form, 50, 7.0).argmax() == 4000
        assert excess(form, 50, 7.0).max() > 1.0


def test_too_short_to_know_what_is_usual() -> None:
    assert not excess(np.ones(100), 50, 7.0).any()
