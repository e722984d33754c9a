"""Phasors in both forms: against complex arithmetic, one by one."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.polar import phasors, polar, wrapped

anything = st.floats(-1e6, 1e6)


@pytest.mark.parametrize(
    ("degrees", "expected"), [(180, 180), (-180, 180), (181, -179), (-541, 179), (720, 0), (0.1, 0.1)]
)
def test_angles_are_turned_to_one_turn(degrees: float, expected: float) -> None:
    assert wrapped(np.array([float(degrees)])).tolist() == [expected]


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1))
def test_an_angle_points_where_it_did_and_stays_the_same_bits_if_it_may(angles: list[float]) -> None:
    before = np.array(angles)
    after = wrapped(before)
    assert ((after > -180) & (after <= 180)).all()
    np.testing.assert_allclose(np.exp(1j * np.radians(after)), np.exp(1j * np.radians(before)), atol=1e-7)
    inside = (before > -180) & (before <= 180)
    assert after[inside].tobytes() == before[inside].tobytes()


def test_what_is_no_angle_stays_none() -> None:
    assert np.isnan(wrapped(np.array([math.nan, math.inf, -math.inf]))).all()


@given(st.floats(1e-3, 1e6), anything)
def test_there_and_back(magnitude: float, angle: float) -> None:
    found = phasors(np.array([magnitude]), np.array([angle]))
    assert cmath.isclose(found[0], cmath.rect(magnitude, math.radians(angle)), rel_tol=1e-9)
    [[size, turn]] = polar(found)
    assert math.isclose(size, magnitude, rel_tol=1e-9)
    assert -180 < turn <= 180
    assert cmath.isclose(cmath.rect(1, math.radians(turn)), cmath.rect(1, math.radians(angle)), abs_tol=1e-9)


def test_where_one_is_nan_both_are() -> None:
    found = phasors(np.array([1.0, math.nan]), np.array([math.nan, 1.0]))
    assert np.isnan(polar(found)).all()
