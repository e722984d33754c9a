from __future__ import annotations

import numpy as np
import pytest

from algorithms.latencies import GROWTH, Latencies

SECOND = 1_000_000_000


def test_figures_are_those_of_all_rows():
    draw = np.random.default_rng(7)
    device = draw.integers(1, 4, 30_000).astype(np.uint32)
    latency = (draw.lognormal(np.log(20e6), 1.0, 30_000)).astype(np.int64)
    told = Latencies(10 * SECOND, 6)
    for at in range(0, 30_000, 500):
        told.push(device[at : at + 500], latency[at : at + 500], at * 1_000_000)
    each, whole = told.figures(30 * SECOND)
    for column, number in enumerate(told.devices.tolist()):
        mine = latency[device == number]
        assert each[column, [0, 1, 3]] == pytest.approx([mine.min(), int(mine.sum()) / mine.size, mine.max()])
        right = np.sort(mine)[int(np.ceil(0.99 * mine.size)) - 1]
        assert right <= each[column, 2] <= right * GROWTH
    assert whole[[0, 3]].tolist() == [latency.min(), latency.max()]
    assert whole[1] == pytest.approx(latency.mean())


def test_what_is_older_than_the_spans_counts_no_more():
    told = Latencies(10 * SECOND, 6)
    told.push(np.array([1], "u4"), np.array([5_000_000]), 0)
    told.push(np.array([2], "u4"), np.array([7_000_000]), 30 * SECOND)
    each, whole = told.figures(61 * SECOND)
    assert np.isnan(each[0]).all()
    assert each[1].tolist() == [7_000_000] * 4
    assert whole.tolist() == [7_000_000] * 4
    assert np.isnan(told.figures(200 * SECOND)[1]).all()


def test_a_clock_that_is_ahead_has_negative_ones():
    told = Latencies(SECOND, 2)
    told.push(np.array([1, 1], "u4"), np.array([-3_000_000_000, -2_000_000_000]), 0)
    each, _ = told.figures(0)
    assert each[0].tolist() == [-3e9, -2.5e9, -2e9, -2e9]


def test_nobody_has_no_figures():
    each, whole = Latencies(SECOND, 2).figures(0)
    assert each.shape == (0, 4)
    assert np.isnan(whole).all()
