from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.polar import phasors, polar, wrapped
from algorithms.sequences import power, symmetrical, unbalance

MAGNITUDES = st.floats(0, 1e6)
ANGLES = st.floats(-180, 180)
PHASES = st.tuples(*[st.tuples(MAGNITUDES, ANGLES)] * 3)


def direct(phases: list[complex]) -> list[complex]:
    """Zero, positive, negative sequence, term by term."""
    a = cmath.rect(1, 2 * math.pi / 3)
    one, two, three = phases
    return [
        (one + two + three) / 3,
        (one + a * two + a * a * three) / 3,
        (one + a * a * two + a * three) / 3,
    ]


@given(PHASES)
def test_symmetrical_components_are_the_sums_of_fortescue(phases):
    each = [cmath.rect(magnitude, math.radians(angle)) for magnitude, angle in phases]
    scale = max(1.0, *(abs(one) for one in each))
    assert symmetrical(np.array(each)) == pytest.approx(direct(each), abs=1e-12 * scale)


def test_a_balanced_set_is_positive_sequence_alone():
    phases = phasors(np.full(3, 100.0), np.array([10.0, -110.0, 130.0]))
    told = polar(symmetrical(phases))
    assert told[1] == pytest.approx([100, 10])
    assert told[[0, 2], 0] == pytest.approx([0, 0], abs=1e-12)
    assert unbalance(phases) == pytest.approx(0, abs=1e-12)


def test_exchanged_phases_are_negative_sequence_alone():
    told = polar(symmetrical(phasors(np.full(3, 100.0), np.array([10.0, 130.0, -110.0]))))
    assert told[2] == pytest.approx([100, 10])
    assert told[:2, 0] == pytest.approx([0, 0], abs=1e-12)


@given(PHASES, PHASES)
def test_power_is_the_sum_of_the_three_phases(volts, amperes):
    u = [cmath.rect(magnitude, math.radians(angle)) for magnitude, angle in volts]
    i = [cmath.rect(magnitude, math.radians(angle)) for magnitude, angle in amperes]
    wanted = sum(one * two.conjugate() for one, two in zip(u, i, strict=True))
    scale = 1 + sum(abs(one) * abs(two) for one, two in zip(u, i, strict=True))
    assert complex(power(np.array(u), np.array(i))) == pytest.approx(wanted, abs=1e-12 * scale)


def test_a_lagging_current_takes_reactive_power():
    volts = phasors(np.full(3, 1000.0), np.array([0.0, -120.0, 120.0]))
    amperes = phasors(np.full(3, 10.0), np.array([-30.0, -150.0, 90.0]))
    told = power(volts, amperes)
    assert (told.real, told.imag) == pytest.approx((30_000 * math.cos(math.pi / 6), 15_000))


def test_unbalance_is_the_share_of_the_negative_sequence():
    one, negative = 100.0, 3.0
    a = cmath.rect(1, 2 * math.pi / 3)
    phases = np.array([one + negative, a * a * one + a * negative, a * one + a * a * negative])
    assert unbalance(phases) == pytest.approx(3.0)
    assert np.isnan(unbalance(np.zeros(3, complex)))


def test_what_is_missing_makes_what_follows_missing():
    phases = phasors(np.array([[1.0, np.nan, 1.0], [1.0, 1.0, 1.0]]), np.zeros((2, 3)))
    assert np.isnan(symmetrical(phases)).all(axis=-1).tolist() == [True, False]
    assert np.isnan(power(phases, phases)).tolist() == [True, False]


@given(st.floats(-1000, 1000))
def test_angles_are_turned_to_their_range(angle):
    turned = float(wrapped(np.array(angle)))
    assert -180 <= turned <= 180
    assert math.isclose(math.cos(math.radians(turned)), math.cos(math.radians(angle)), abs_tol=1e-9)
    assert math.isclose(math.sin(math.radians(turned)), math.sin(math.radians(angle)), abs_tol=1e-9)


def test_the_end_of_the_range_is_180():
    assert wrapped(np.array([180.0, -180.0, 540.0, 181.0, -181.0])).tolist() == [180, 180, 180, -179, 179]
    assert polar(np.array([-1 + 0j, complex(-1, -0.0)]))[:, 1].tolist() == [180, 180]
