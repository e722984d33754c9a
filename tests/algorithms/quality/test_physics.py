from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import lfilter

from algorithms.observations import Observations
from algorithms.quality import assess
from algorithms.quality.physics import alone, beside, compare
from algorithms.quality.response import follow

Grid = Callable[..., Observations]


def test_the_angle_says_the_frequency(grid: Grid):
    seen = grid()
    physics = compare(seen)
    assert not physics.own.any()
    expected = 50.0 + np.diff(np.unwrap(seen.angle[0]))[:2].sum() * 50.0 / (4.0 * np.pi)
    assert physics.turning[0, 1] == pytest.approx(expected, abs=1e-9)
    assert np.nanmax(np.abs(physics.off)) <= 0.51e-3  # what rounding to 1 mHz makes
    assert np.isnan(physics.turning[:, [0, -1]]).all()


def test_beside_is_what_a_loop_says():
    draw = np.random.default_rng(2)
    x = draw.standard_normal((3, 60))
    x[draw.random((3, 60)) < 0.1] = np.nan
    found = beside(x)
    wide = np.pad(x, ((0, 0), (4, 4)), mode="edge")
    for device in range(3):
        for k in range(60):
            few = np.sort(wide[device, k : k + 9])
            few = few[~np.isnan(few)]
            here = x[device, k]
            assert found[device, k] == (0.0 if np.isnan(here) else here - few[(few.size - 1) // 2])


def test_what_several_devices_have_at_a_time_is_the_grids():
    mask = np.zeros((5, 40), dtype=bool)
    mask[0, 10] = mask[1, 12] = mask[2, 35] = True
    assert np.argwhere(alone(mask)).tolist() == [[2, 35]]
    assert not alone(np.ones((5, 40), dtype=bool)).any()
    assert alone(mask[:1]).any()


FILTERS = {
    "delayed": lambda x: np.concatenate([x[:, :1], x[:, :1], x[:, :-2]], axis=1),
    "smoothed": lambda x: lfilter(np.ones(5) / 5.0, 1.0, np.pad(x, ((0, 0), (4, 0)), mode="edge"), axis=1)[:, 4:],
}


@pytest.mark.parametrize("name", list(FILTERS))
@pytest.mark.parametrize("fault", [None, 30.0])
def test_a_frequency_that_is_filtered_further_is_no_bad_data(grid: Grid, name: str, fault: float | None):
    seen = grid(fault=fault, devices=8)
    seen = replace(seen, frequency=FILTERS[name](seen.frequency))
    assert assess(seen).flags == []
    spiked = seen.frequency.copy()
    spiked[2, 600] += 0.2
    assert [(flag.device, flag.start) for flag in assess(replace(seen, frequency=spiked)).flags] == [(2, 600)]


def test_the_filter_of_a_device_is_found_again():
    draw = np.random.default_rng(3)
    turning = 50.0 + lfilter([1.0], [1.0, -0.9], draw.standard_normal((2, 4000)) * 1e-3, axis=1)
    weights = np.array([0.1, 0.2, 0.4, 0.3])
    frequency = turning.copy()
    frequency[1, 4:] = lfilter(weights, 1.0, turning[1])[4:]
    frequency[1, 2000] += 1.0
    shown, own = follow(frequency, turning, np.full(2, 1e-5), 100)
    assert own.tolist() == [False, True]
    np.testing.assert_array_equal(shown[0], turning[0])
    at = np.delete(np.arange(10, 3990), 1990)
    np.testing.assert_allclose(shown[1, at], frequency[1, at], atol=1e-5)
