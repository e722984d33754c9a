"""A step at one device and a kink of all: together, apart, against each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms.coanalysis.signs import agreement, matched, steps
from algorithms.observations import Observations
from tests.algorithms.coanalysis.grids import RATE, Grid

AT = 70.1


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.floats(5.0, 30.0))
def test_a_shape_in_white_noise_has_its_energy_over_the_noise(seed: int, height: float) -> None:
    draw = np.random.default_rng(seed)
    shape = np.pad(np.hanning(7)[1:-1], 20)
    x = 0.3 * draw.standard_normal((1, 4000))
    noise = matched(x, shape)[0, 2000]
    x[0, 2000 - 22 : 2000 + 23] += 0.3 * height * shape / np.linalg.norm(shape)
    assert matched(x, shape)[0, 2000] - noise == pytest.approx(height, rel=0.15)


def test_what_is_usual_at_a_device_is_one() -> None:
    x = np.cumsum(np.random.default_rng(1).standard_normal((2, 5000)), axis=1)
    x = np.diff(x, axis=1, prepend=0.0) + np.array([[0.1], [30.0]]) * np.random.default_rng(2).standard_normal(
        (2, 5000)
    )
    found = matched(x, np.pad(np.hanning(7)[1:-1], 20))
    np.testing.assert_allclose(np.std(found, axis=1), 1.0, atol=0.15)


def both(seen: Observations) -> np.ndarray:
    """Of what devices measured."""
    return agreement(steps(seen), round(RATE))


def small(step: float, kink: float) -> np.ndarray:
    """What both signs say of a step of the first device's angle and voltage, and a kink [mHz/s] of all."""
    grid = Grid(seed=21)
    after = grid.since(AT)
    grid.frequency += kink * after * np.exp(-after / 4.0)
    grid.angle[0] += step * (after > 0)
    grid.voltage[0] += step * (after > 0)
    return both(grid.seen().repaired)


def test_both_signs_together_are_over_the_limit_and_neither_is_alone() -> None:
    near = slice(round((AT - 0.1) * RATE), round((AT + 0.1) * RATE))
    assert small(0.005, 60.0)[near].max() > 1.0
    assert small(0.005, 0.0).max() < 1.0
    assert small(0.0, 60.0).max() < 1.0
    assert small(0.005, -60.0)[near].max() < 0.5


def test_two_devices_have_no_kink_of_all() -> None:
    seen = Grid(seed=22).trip(AT, -60.0).seen().repaired
    assert not both(seen.of([0, 1])).any()


def test_holes_and_short_windows_say_nothing() -> None:
    seen = Grid(seed=23, seconds=30.0).seen().repaired
    magnitude = seen.magnitude.copy()
    magnitude[:, 700:760] = np.nan
    assert not both(replace(seen, magnitude=magnitude))[690:770].any()
    assert not both(seen.between(0, 20)).any()
