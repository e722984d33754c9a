"""Samples at other instants: against a computation by hand for each instant, and what must hold of any samples."""

from __future__ import annotations

import cmath
import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from algorithms.interpolation import interpolate, mean, nearest, previous
from algorithms.polar import wrapped

MS = 1_000_000
PLAIN, ANGLE = np.array([False]), np.array([True])


def i8(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)[:, None]


steps = st.lists(st.integers(1, 40), min_size=1, max_size=30).map(lambda each: np.cumsum([0, *each]).astype(np.int64))
instants = st.lists(st.integers(-50, 1300), max_size=30).map(lambda each: np.array(sorted(each), dtype=np.int64))
samples = st.floats(-400, 400, width=32) | st.just(math.nan)


def by_hand(time: list[int], values: list[float], angle: bool, at: int, gap: int) -> float:
    """One instant of one channel; angles as the phasor that turns from one to the other."""
    if at in time:
        return values[time.index(at)]
    before = [each for each in time if each < at]
    after = [each for each in time if each > at]
    if not before or not after or after[0] - before[-1] > gap:
        return math.nan
    low, high = values[time.index(before[-1])], values[time.index(after[0])]
    share = (at - before[-1]) / (after[0] - before[-1])
    if not angle or math.isnan(low + high):
        return low + share * (high - low)
    one = cmath.rect(1, math.radians(low))
    turn = cmath.phase(cmath.rect(1, math.radians(high)) / one)
    return math.degrees(cmath.phase(one * cmath.rect(1, share * turn)))


@given(steps, instants, st.integers(1, 60), st.booleans(), st.data())
def test_any_samples_as_by_hand(time, at, gap, angle, data):
    limit = 170 if angle else 400
    values = data.draw(st.lists(samples.map(lambda each: each % limit), min_size=len(time), max_size=len(time)))
    found = interpolate(time, column(*values), np.array([angle]), at, gap)
    expected = [by_hand(time.tolist(), column(*values)[:, 0].tolist(), angle, each, gap) for each in at.tolist()]
    assert found.shape == (len(at), 1)
    np.testing.assert_allclose(found[:, 0], expected, rtol=0, atol=1e-9)


@given(steps, instants, st.floats(-180, 180, width=32))
@example(np.array([0, 1, 3]), np.array([2]), -180.0)
def test_what_is_constant_stays_so_exactly(time, at, value):
    values = np.full((len(time), 2), value, np.float32)
    found = interpolate(time, values, np.array([False, True]), at, 10_000)
    inside = (at >= time[0]) & (at <= time[-1])
    assert (found[inside] == value).all()
    assert np.isnan(found[~inside]).all()


@given(steps, instants, st.floats(-1, 1), st.floats(-179, 179))
def test_straight_lines_stay_straight(time, at, slope, start):
    line = start + slope * time.astype(np.float64)
    values = np.stack([line, (line + 180) % 360 - 180], axis=1)
    found = interpolate(time, values, np.array([False, True]), at, 40)
    inside = (at >= time[0]) & (at <= time[-1])
    expected = start + slope * at[inside]
    np.testing.assert_allclose(found[inside, 0], expected, atol=1e-9)
    np.testing.assert_allclose(wrapped(found[inside, 1] - expected), 0, atol=1e-9)
    assert (np.abs(found[inside, 1]) <= 180).all()


@given(steps, instants, st.integers(1, 60))
def test_nothing_is_said_across_a_gap(time, at, gap):
    found = interpolate(time, np.zeros((len(time), 1), np.float32), PLAIN, at, gap)
    for each, value in zip(at.tolist(), found[:, 0].tolist(), strict=True):
        pairs = zip(time[:-1].tolist(), time[1:].tolist(), strict=True)
        bridged = each in time or any(low < each < high and high - low <= gap for low, high in pairs)
        assert math.isnan(value) != bridged


def test_an_angle_takes_the_shorter_way():
    found = interpolate(i8(0, 100), column(170, -170), ANGLE, i8(25, 50, 75), 100)
    assert found[:, 0].tolist() == [175, 180, -175]
    assert interpolate(i8(0, 100), column(170, -170), PLAIN, i8(50), 100).tolist() == [[0]]


def test_channels_do_not_disturb_each_other():
    values = np.array([[1, 170, np.nan], [3, -170, 5]], np.float32)
    found = interpolate(i8(0, 20 * MS), values, np.array([False, True, False]), i8(5 * MS, 20 * MS), 20 * MS)
    np.testing.assert_array_equal(found, [[1.5, 175, np.nan], [3, -170, 5]])


def test_no_samples_and_one():
    assert np.isnan(interpolate(i8(), np.zeros((0, 2)), np.array([False, True]), i8(1, 2), 9)).all()
    np.testing.assert_array_equal(interpolate(i8(5), column(7), PLAIN, i8(4, 5, 6), 9)[:, 0], [np.nan, 7, np.nan])


def test_what_is_infinite_stays_where_it_is():
    found = interpolate(i8(0, 10, 20), column(1, np.inf, 3), PLAIN, i8(0, 10, 20), 10)
    assert found[:, 0].tolist() == [1, np.inf, 3]


@given(steps, instants, st.integers(0, 60))
def test_previous_and_nearest_as_by_hand(time, at, limit):
    last, near = previous(time, at, limit).tolist(), nearest(time, at, limit).tolist()
    for each, held, closest in zip(at.tolist(), last, near, strict=True):
        before = [k for k, sample in enumerate(time.tolist()) if 0 <= each - sample <= limit]
        assert held == (before[-1] if before else -1)
        away = np.abs(time - each)
        assert closest == (int(away.argmin()) if away.min() <= limit else -1)


def test_previous_and_nearest_of_no_samples():
    assert previous(i8(), i8(1), 9).tolist() == [-1]
    assert nearest(i8(), i8(1), 9).tolist() == [-1]


@given(steps, st.lists(st.integers(1, 90), min_size=1, max_size=10), st.data())
def test_means_as_by_hand(time, widths, data):
    edges = np.cumsum([data.draw(st.integers(-20, 60)), *widths]).astype(np.int64)
    values = data.draw(st.lists(samples.map(lambda each: each % 90), min_size=len(time), max_size=len(time)))
    both = np.repeat(column(*values), 2, axis=1)
    found = mean(time, both, np.array([False, True]), edges[:-1], edges[1:])
    for step, (start, stop) in enumerate(itertools.pairwise(edges)):
        some = [float(v) for t, v in zip(time, both[:, 0], strict=True) if start <= t < stop and not math.isnan(v)]
        if not some:
            assert np.isnan(found[step]).all()
            continue
        pointed = sum(cmath.rect(1, math.radians(each)) for each in some)
        np.testing.assert_allclose(found[step], [sum(some) / len(some), math.degrees(cmath.phase(pointed))], atol=1e-6)


def test_means_of_angles_that_turn_over():
    time, start = i8(0, 1, 10, 11, 20), i8(0, 10, 20)
    found = mean(time, column(179, -179, 90, -90, np.nan), ANGLE, start, start + 10)
    assert abs(found[0, 0]) == pytest.approx(180)
    assert np.isnan(found[1:, 0]).all()  # opposite ones point nowhere; an invalid one is none
    assert mean(time, column(*range(5)), PLAIN, i8(), i8()).shape == (0, 1)
