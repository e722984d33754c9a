from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms import whereabouts
from algorithms.responses import Response
from algorithms.whereabouts import Map, centre, chart, delays, ellipse, evidence, neighbours


def weighted(east: np.ndarray, north: np.ndarray) -> Map:
    return Map(east, north, np.full(len(east), 1.0 / len(east)))


def test_a_chart_holds_the_devices_and_what_is_around() -> None:
    east, north = np.array([0.0, 100.0, 50.0]), np.array([0.0, 0.0, 80.0])
    places = chart(east, north)
    assert places.east[:3].tolist() == east.tolist()
    assert places.north[:3].tolist() == north.tolist()
    assert places.weight.sum() == pytest.approx(1.0)
    assert places.weight[:3].sum() == pytest.approx(whereabouts.AT_DEVICE)
    assert places.east.min() < 0.0 < 100.0 < places.east.max()
    corner = np.argmax(np.hypot(places.east - 50.0, places.north - 27.0))
    middle = 3 + np.argmin(np.hypot(places.east[3:] - 50.0, places.north[3:] - 27.0))
    assert places.weight[corner] < places.weight[middle]


def test_devices_at_one_place_make_a_chart_too() -> None:
    assert neighbours(np.zeros(3), np.zeros(3)) == 1.0
    assert np.isfinite(chart(np.zeros(3), np.zeros(3)).weight).all()


def test_the_median_neighbour() -> None:
    assert neighbours(np.array([0.0, 3.0, 10.0]), np.zeros(3)) == 3.0


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), devices=st.integers(3, 9))
def test_the_evidence_is_that_of_the_whole_gaussian(seed: int, devices: int) -> None:
    """Against the dense density of y = c - βx + noise, with c of a spread that is as good as flat."""
    rng = np.random.default_rng(seed)
    away, y = rng.uniform(0.0, 3.0, (2, devices)), rng.normal(0.0, 2.0, devices)
    variance = rng.uniform(0.1, 2.0, devices)
    b, s = rng.uniform(0.1, 2.0, 2)
    found = whereabouts._regression(away, y, variance, b, s)
    dense = []
    for x in away:
        cov = np.diag(variance) + s**2 * np.outer(x, x) + 1e5
        rest = y + b * x
        dense.append(-0.5 * rest @ np.linalg.solve(cov, rest) - 0.5 * np.linalg.slogdet(cov)[1])
    assert found[0] - found[1] == pytest.approx(dense[0] - dense[1], abs=1e-2)


def test_the_evidence_is_largest_where_the_responses_fall_off_from() -> None:
    rng = np.random.default_rng(3)
    east, north = rng.uniform(0.0, 500.0, (2, 12))
    origin = np.array([320.0, 210.0])
    spacing = neighbours(east, north)
    size = 0.1 / (1.0 + np.hypot(east - origin[0], north - origin[1]) / (0.4 * spacing)) ** 1.5
    response = Response("step", size, np.full(12, 1e-5), size)
    places = chart(east, north)
    distance = np.hypot(places.east[:, None] - east, places.north[:, None] - north)
    best = int(np.argmax(evidence(distance, spacing, response)))
    assert np.hypot(places.east[best] - origin[0], places.north[best] - origin[1]) < 30.0
    unknown = replace(response, size=np.where(np.arange(12) < 4, np.nan, size))
    assert np.isfinite(evidence(distance, spacing, unknown)).all()


@pytest.mark.parametrize("speed", [250.0, 500.0, 1000.0])
def test_waves_come_from_where_they_came_first(speed: float) -> None:
    rng = np.random.default_rng(6)
    east, north = rng.uniform(0.0, 800.0, (2, 12))
    places = chart(east, north)
    origin = 300
    away = np.hypot(places.east[:, None] - east, places.north[:, None] - north)
    arrival = 0.2 + away[origin] / speed
    arrival[3] = np.nan
    found = delays(away, arrival)
    best = int(np.argmax(found))
    assert np.hypot(places.east[best] - places.east[origin], places.north[best] - places.north[origin]) < 100.0
    assert found[origin] > np.median(found)
    assert not delays(away, np.where(np.arange(12) < 3, arrival, np.nan)).any()


def test_the_centre_is_least_far_away() -> None:
    rng = np.random.default_rng(4)
    places = weighted(*rng.exponential(100.0, (2, 400)))
    east, north = centre(places)

    def far(x: float, y: float) -> float:
        return float(places.weight @ np.hypot(places.east - x, places.north - y))

    assert all(far(east, north) <= far(east + dx, north + dy) for dx in (-3, 0, 3) for dy in (-3, 0, 3))


@pytest.mark.parametrize("direction", [0.0, 30.0, 90.0, 150.0])
def test_an_ellipse_holds_what_it_says(direction: float) -> None:
    rng = np.random.default_rng(5)
    along, across = rng.normal(0.0, 1.0, (2, 40000)) * np.array([[100.0], [30.0]])
    turn = np.radians(direction)
    places = weighted(
        along * np.sin(turn) + across * np.cos(turn),
        along * np.cos(turn) - across * np.sin(turn),
    )
    major, minor, found = ellipse(places, (0.0, 0.0))
    assert (major, minor) == (pytest.approx(244.8, rel=0.03), pytest.approx(73.4, rel=0.03))  # √χ²(2, 95 %) = 2.448
    assert (found - direction + 90.0) % 180.0 == pytest.approx(90.0, abs=1.0)
    inside = (along / major) ** 2 + (across / minor) ** 2 <= 1.0
    assert inside.mean() == pytest.approx(0.95, abs=0.005)


def test_certainty_is_a_small_ellipse() -> None:
    major, minor, _ = ellipse(Map(np.array([5.0, 90.0]), np.array([5.0, 9.0]), np.array([1.0, 0.0])), (5.0, 5.0))
    assert 0.0 < minor <= major <= 1.0 + 1e-9
