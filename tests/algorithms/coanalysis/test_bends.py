"""The bend of the frequency of all: its size in noise, with a step or swings besides, with a device that is wrong, and
holes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from algorithms.coanalysis import bends
from algorithms.coanalysis.bends import bends as bends_of
from algorithms.coanalysis.bends import covariance, weights
from algorithms.coanalysis.transients import trusted, turned
from algorithms.observations import Observations
from tests.algorithms.coanalysis.grids import RATE, Grid

AT = 70.0
HERE = round(AT * RATE)


def of(seen: Observations) -> np.ndarray:
    """[n] Without the first device, at which steps are largest."""
    return bends_of(*turned(seen), seen.rate, 3)[0]


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
    grid.frequency[0] += 300.0 * (grid.time >= AT)
    assert of(grid.seen().repaired)[HERE] == pytest.approx(before, abs=0.7)


def fits(amplitude: float) -> tuple[np.ndarray, float]:
    """What a bend of all is without each device in the sum in which they swing least, and in the middle device, where
    a mode makes them swing by so many mHz."""
    grid = Grid(seed=3)
    shape = np.array([1.0, 0.9, 0.8, 0.7, 0.5, -0.9, -1.0, -0.8])[:, None]
    swing = lfilter([1.0], [1.0, -2 * 0.998 * np.cos(2 * np.pi * 0.7 / RATE), 0.998**2], grid.walk(1, 1.0, 0.3))
    after = grid.since(AT)
    grid.frequency += amplitude * shape * swing / np.std(swing) + 60.0 * after * np.exp(-after / 2.0)
    angle, known = turned(grid.seen().repaired)
    turning = np.diff(angle, n=2, axis=1, prepend=angle[:, :1], append=angle[:, -1:])
    there = trusted(known, round(RATE) + 1, 3)
    there[:, -round(2.0 * RATE) - 1 :] = False
    still, middle = bends._still(angle, turning, there, RATE), bends._fitted(turning, there, RATE)
    return still[:, HERE], float(middle[HERE])


def test_swings_of_the_devices_against_each_other_hide_it_from_the_middle_alone() -> None:
    (still, middle), (swinging, hidden) = fits(0.0), fits(10.0)
    assert middle == pytest.approx(still[0], abs=0.5)
    np.testing.assert_allclose(swinging, still, atol=0.3)
    assert hidden < middle - 1.0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(3, 8))
def test_weights_have_the_least_variance(seed: int, count: int) -> None:
    draw = np.random.default_rng(seed)
    x = draw.standard_normal((count, 50))
    cover = x @ x.T / 50
    found = weights(cover)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    np.testing.assert_allclose(np.diag(found), 0.0, atol=1e-9)
    for row, share in enumerate(found):
        other = draw.standard_normal(count) * (np.arange(count) != row)
        other -= (np.arange(count) != row) * other.sum() / np.count_nonzero(np.arange(count) != row)
        assert share @ cover @ share <= (share + 0.1 * other) @ cover @ (share + 0.1 * other) + 1e-12


def test_a_device_that_is_not_there_leaves_the_others() -> None:
    seen = lost(60.0)
    angle, known = turned(seen)
    known = known.copy()
    known[3, HERE + 25 : HERE + 400] = False
    found = bends_of(angle, known, seen.rate, 3)
    assert found[:, HERE].min() > 2.5
    np.testing.assert_array_equal(found[3, HERE - 40 : HERE + 40] != 0.0, True)


def test_a_device_that_stands_still_changes_little() -> None:
    angle, known = turned(lost(60.0))
    before = bends_of(angle, known, RATE, 3)[0, HERE]
    angle[5] = angle[5, 0]
    assert bends_of(angle, known, RATE, 3)[0, HERE] == pytest.approx(before, abs=0.5)


def test_nothing_is_known_near_ends_with_two_devices_or_without_any() -> None:
    seen = lost(60.0)
    found = of(seen)
    assert not found[: round(1.0 * RATE)].any()
    assert not found[-round(2.0 * RATE) :].any()
    assert not of(seen.of([0, 1])).any()
    angle = np.zeros((4, 500))
    assert not bends_of(angle, np.zeros(angle.shape, np.bool_), RATE, 3).any()
    assert not bends_of(angle, np.ones(angle.shape, np.bool_), RATE, 3).any()
