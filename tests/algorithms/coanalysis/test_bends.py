"""The bend of the frequency of all: its size in noise, with a step besides, with a device that is wrong, and holes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms.coanalysis import bends
from algorithms.coanalysis.bends import bend, covariance
from algorithms.coanalysis.transients import turned
from algorithms.observations import Observations
from tests.algorithms.coanalysis.grids import RATE, Grid

AT = 70.0
HERE = round(AT * RATE)


def of(seen: Observations) -> np.ndarray:
    """[n]"""
    return bend(*turned(seen), seen.rate, 3)


def lost(slope: float, steps: float = 0.0, seed: int = 31) -> Observations:
    """The frequency of all begins to move by so many mHz/s; the angles of all step, the first one's most."""
    grid = Grid(seed=seed)
    after = grid.since(AT)
    grid.frequency += slope * after * np.exp(-after / 2.0)
    grid.angle += steps * np.linspace(1.0, 0.3, grid.angle.shape[0])[:, None] * (grid.time >= AT)
    return grid.seen().repaired


def test_covariance_is_the_sum_of_products() -> None:
    x = np.clip(np.random.default_rng(1).standard_normal((2, 400)), -bends.LOUDEST, bends.LOUDEST)
    direct = [[row[: row.size - lag] @ row[lag:] / row.size for lag in range(5)] for row in x]
    found = covariance(x, 5)
    np.testing.assert_allclose(found[:, 1:], np.array(direct)[:, 1:], atol=1e-12)
    np.testing.assert_allclose(found[:, 0], np.array(direct)[:, 0] * (1.0 + bends.RIDGE))


def test_weights_are_those_of_generalised_least_squares() -> None:
    noise = 0.9 ** np.arange(151.0)
    weights = bends._weights(noise, RATE)
    t = np.arange(-100, 101) / RATE
    assert weights[:50] == pytest.approx(0.0)
    step = np.gradient(bends.smeared(RATE, 100))
    assert weights @ step == pytest.approx(0.0, abs=1e-9)
    assert weights @ np.gradient(step) == pytest.approx(0.0, abs=1e-9)
    whole = np.convolve(np.where(t >= 0.0, np.exp(-np.maximum(t, 0.0)), 0.0), bends.smeared(RATE, 50), "same")
    assert weights @ whole == pytest.approx(1.0, abs=1e-3)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000))
def test_what_is_usual_is_one_and_its_mean_nothing(seed: int) -> None:
    found = of(Grid(seed=seed).seen().repaired)
    there = found[found != 0.0]
    assert np.std(there) == pytest.approx(1.0, abs=0.2)
    assert np.mean(there) == pytest.approx(0.0, abs=0.2)


@pytest.mark.parametrize("way", [-1.0, 1.0])
def test_a_loss_bends_its_way_whatever_the_angles_step(way: float) -> None:
    plain, stepped, against = (of(lost(60.0 * way, steps))[HERE] for steps in (0.0, 0.005, -0.005))
    assert way * plain > 2.5
    assert stepped == pytest.approx(plain, abs=1.0)
    assert against == pytest.approx(plain, abs=1.0)


def test_a_step_of_all_angles_is_no_bend() -> None:
    assert abs(of(lost(0.0, 0.01))[HERE] - of(lost(0.0))[HERE]) < 1.0


def test_one_device_that_is_wrong_bends_nothing() -> None:
    grid = Grid(seed=33)
    before = of(grid.seen().repaired)[HERE]
    grid.frequency[2] += 300.0 * (grid.time >= AT)
    assert of(grid.seen().repaired)[HERE] == pytest.approx(before, abs=0.7)


def test_nothing_is_known_near_ends_with_two_devices_or_without_any() -> None:
    seen = lost(60.0)
    found = of(seen)
    assert not found[: round(1.0 * RATE)].any()
    assert not found[-round(2.0 * RATE) :].any()
    assert not of(seen.of([0, 1])).any()
    angle = np.zeros((4, 500))
    assert not bend(angle, np.zeros(angle.shape, np.bool_), RATE, 3).any()
    assert not bend(angle, np.ones(angle.shape, np.bool_), RATE, 3).any()
