"""Distances from the usual pattern, against direct computations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.coanalysis.patterns import distance, scatter, taking_part


def sample(seed: int, rows: int, n: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    mix = draw.standard_normal((rows, rows)) + 2 * np.eye(rows)
    return mix @ draw.standard_normal((rows, n)), mix @ mix.T


def test_the_scatter_is_the_covariance_up_to_its_size() -> None:
    rows, cover = sample(1, 5, 20000)
    found = scatter(rows)
    np.testing.assert_allclose(found / np.trace(found), cover / np.trace(cover), atol=0.03)


def test_an_event_does_not_hide_itself() -> None:
    rows, _ = sample(2, 4)
    spoilt = rows.copy()
    spoilt[:, 100:200] *= 1000.0
    before, after = scatter(rows), scatter(spoilt)
    np.testing.assert_allclose(after / np.trace(after), before / np.trace(before), atol=0.05)


@pytest.mark.parametrize("still", [[2], [0, 1, 2, 3, 4]])
def test_rows_that_stand_still_go_with_no_other(still: list[int]) -> None:
    rows, _ = sample(3, 5)
    rows[still] = 0.0
    rows[still, 100] = 1e12
    moving = [k for k in range(5) if k not in still]
    found = scatter(rows)
    np.testing.assert_array_equal(found[still], np.eye(5)[still])
    np.testing.assert_array_equal(found[np.ix_(moving, moving)], scatter(rows[moving]))
    told = distance(rows[None], np.ones((5, 3000), dtype=bool), 50)
    assert np.isfinite(told.whole).all()
    assert told.whole[100] > 1e12


@given(st.integers(0, 1000), st.integers(1, 2), st.integers(3, 6))
def test_both_distances_are_quadratic_forms(seed: int, quantities: int, devices: int) -> None:
    rows, _ = sample(seed, quantities * devices, 400)
    z = rows.reshape(quantities, devices, -1)
    found = distance(z, np.ones((devices, 400), dtype=bool), 100)
    cover = scatter(rows)
    for k in (0, 7, 399):
        x = rows[:, k]
        assert found.whole[k] == pytest.approx(x @ np.linalg.solve(cover, x) / x.size, rel=1e-6)
        least = np.inf
        for alone in range(devices):
            keep = [q * devices + i for q in range(quantities) for i in range(devices) if i != alone]
            form = x[keep] @ np.linalg.solve(cover[np.ix_(keep, keep)], x[keep])
            least = min(least, form / len(keep))
        assert found.others[k] == pytest.approx(least, rel=1e-6, abs=1e-9)


def test_who_is_missing_is_as_if_it_had_never_been_there() -> None:
    rows, _ = sample(3, 5)
    there = np.ones((5, 3000), dtype=bool)
    there[2, 1000:1100] = False
    rows[2, 1000:1100] = 1e6
    found = distance(rows[None], there, 50)
    keep = [0, 1, 3, 4]
    cover = scatter(rows[:, there.all(axis=0)])[np.ix_(keep, keep)]
    x = rows[keep, 1050]
    assert found.whole[1050] == pytest.approx(x @ np.linalg.solve(cover, x) / 4)


def test_a_device_that_is_mostly_absent_takes_no_part() -> None:
    there = np.ones((4, 100), dtype=bool)
    there[1, 10:] = False
    assert taking_part(there).tolist() == [0, 2, 3]
    assert taking_part(np.zeros((3, 100), dtype=bool)).size == 0


def test_one_device_alone_has_no_others() -> None:
    rows, _ = sample(4, 1)
    found = distance(rows[None], np.ones((1, 3000), dtype=bool), 50)
    assert not found.others.any()
    assert not found.fewer.any()
    assert found.whole.max() > 5


@given(st.integers(0, 1000), st.integers(1, 2), st.integers(4, 6))
def test_without_two_is_the_form_of_the_rest_where_the_others_are_highest(
    seed: int, quantities: int, devices: int
) -> None:
    rows, _ = sample(seed, quantities * devices, 400)
    found = distance(rows.reshape(quantities, devices, -1), np.ones((devices, 400), dtype=bool), 100)
    cover = scatter(rows)
    highest = [int(k) for k in found.others.reshape(4, 100).argmax(axis=1) + np.arange(0, 400, 100)]
    assert np.flatnonzero(found.fewer).tolist() == highest
    for k in highest:

        def form(left_out: set[int], x: np.ndarray = rows[:, k]) -> float:
            keep = [q * devices + i for q in range(quantities) for i in range(devices) if i not in left_out]
            return float(x[keep] @ np.linalg.solve(cover[np.ix_(keep, keep)], x[keep]))

        first = min(range(devices), key=lambda i: form({i}))
        least = min(form({first, i}) for i in range(devices) if i != first)
        assert found.fewer[k] == pytest.approx(least / (quantities * (devices - 2)), rel=1e-6, abs=1e-9)


def test_of_three_devices_two_are_not_left_out() -> None:
    rows, _ = sample(5, 3)
    assert not distance(rows[None], np.ones((3, 3000), dtype=bool), 50).fewer.any()
