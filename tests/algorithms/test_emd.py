from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from algorithms.emd import Settings, intrinsic_modes, judge, mean_period, without_spikes
from algorithms.registry import Judgement, WindowData
from algorithms.simulation import Kind, Scenario, Simulation

RATE = 50


def window(*signals: np.ndarray, filled: np.ndarray | None = None, rate: float = RATE) -> WindowData:
    values = np.array(signals, dtype=np.float32)[:, None]
    mask = np.zeros((len(signals), values.shape[2]), dtype=np.uint8)
    if filled is not None:
        mask[:, filled] = 1
    return WindowData(np.arange(len(signals), dtype=np.uint32), 0, rate, ["frequency"], values, mask)


def said(*signals: np.ndarray, filled: np.ndarray | None = None, **changed: float) -> Judgement:
    return judge(window(*signals, filled=filled), Settings.model_construct(**changed))


def noise(n: int = 1000, seed: int = 1, size: float = 5e-4) -> np.ndarray:
    return 50 + size * np.random.default_rng(seed).standard_normal(n)


def walk(n: int = 1000, seed: int = 1) -> np.ndarray:
    return noise(n, seed) + 1e-4 * np.cumsum(np.random.default_rng(seed + 1).standard_normal(n))


def with_trip(x: np.ndarray, at: int, size: float = 0.1, seconds: float = 3.0) -> np.ndarray:
    after = np.maximum(np.arange(x.size) - at, 0) / RATE
    return x - np.minimum(after / seconds, 1.0) * size


@settings(max_examples=40, deadline=None)
@given(st_numpy.arrays(np.float64, st.integers(1, 200), elements=st.floats(-1e3, 1e3, width=32)))
def test_modes_add_up_to_the_signal(x: np.ndarray):
    modes = intrinsic_modes(x)
    assert modes.shape[1] == x.size
    assert np.isfinite(modes).all()
    assert np.allclose(modes.sum(axis=0), x, atol=1e-6 * (1 + np.abs(x).max()))


def test_modes_part_fast_from_slow():
    t = np.arange(2000) / RATE
    fast, slow = np.sin(2 * np.pi * 2.0 * t), np.sin(2 * np.pi * 0.1 * t)
    modes = intrinsic_modes(fast + slow)
    middle = slice(200, 1800)
    assert np.abs(modes[0] - fast)[middle].max() < 0.05
    assert mean_period(modes[:1], RATE) == pytest.approx([0.5], rel=0.02)


def test_no_nan_is_sifted():
    with pytest.raises(ValueError, match="fill the gaps first"):
        intrinsic_modes(np.array([1.0, np.nan, 1.0]))


def test_mean_period_without_crossings_is_infinite():
    assert mean_period(np.ones((1, 10)), RATE).tolist() == [np.inf]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [1000, 9000])
def test_a_quiet_window_is_not_suspicious(seed: int, n: int):
    judgement = said(walk(n, seed))
    assert not judgement.suspicious
    assert 0 < judgement.score < 1
    assert judgement.onset is None


@pytest.mark.parametrize(
    "x",
    [
        np.full(1000, 50.0),
        np.full(1000, 0.0),
        np.round(walk(9000), 3),
        np.where(np.arange(1000) < 500, 50.0, 50.001),
        np.linspace(49.9, 50.1, 9000),
        50 + 0.01 * np.sin(2 * np.pi * 0.05 * np.arange(9000) / RATE),
    ],
    ids=["constant", "zero", "rounded to 1 mHz", "one step of resolution", "slow ramp", "slow swing"],
)
def test_what_is_no_disturbance(x: np.ndarray):
    assert not said(x).suspicious


@pytest.mark.parametrize("n", [1000, 9000])
@pytest.mark.parametrize("size", [0.05, 0.1, 0.2, -0.1])
def test_a_generation_trip_is_found_where_it_begins(n: int, size: float):
    at = n // 2
    judgement = said(with_trip(walk(n), at, size))
    assert judgement.suspicious
    assert judgement.onset is not None
    assert abs(judgement.onset - at) <= RATE // 4
    assert judgement.detail["largest_change_mhz"] > 3 * judgement.detail["usual_peak_mhz"]


@pytest.mark.parametrize("base", [np.full(1000, 50.0), np.round(walk(), 3)], ids=["no noise", "1 mHz steps"])
def test_a_trip_in_a_signal_without_noise_is_found(base: np.ndarray):
    judgement = said(with_trip(base, 500, seconds=1.0))
    assert judgement.suspicious
    assert judgement.onset == pytest.approx(500, abs=12)


@pytest.mark.parametrize("size", [0.05, 0.5, -20.0])
def test_a_spike_of_one_sample_decides_nothing(size: float):
    x = walk()
    x[400] += size
    judgement = said(x)
    assert not judgement.suspicious
    assert judgement.detail["spikes"] == 1


def test_ordinary_noise_is_no_spike():
    x = noise(9000)
    assert without_spikes(x)[1] == 0
    assert np.array_equal(without_spikes(x)[0], x)


def test_interpolated_samples_decide_nothing():
    x = with_trip(walk(), 500, seconds=0.5)
    around = np.arange(420, 620)  # the modes ring around the step
    assert said(x).suspicious
    assert not said(x, filled=around).suspicious
    assert said(x, filled=np.arange(1000)).score == 0.0


def test_the_most_suspicious_device_decides():
    judgement = said(walk(seed=1), with_trip(walk(seed=2), 300), walk(seed=3))
    assert judgement.suspicious
    assert judgement.onset == pytest.approx(300, abs=12)


def test_the_limit_scales_the_score():
    x = with_trip(walk(), 500)
    assert said(x, limit=6.6).score == pytest.approx(said(x).score / 2)


@pytest.mark.parametrize("rate", [10, 25, 60, 100])
def test_other_rates(rate: int):
    rng = np.random.default_rng(4)
    x = 50 + 5e-4 * rng.standard_normal(20 * rate)
    assert not judge(window(x, rate=rate), Settings()).suspicious
    x -= np.clip(np.arange(x.size) / rate - 10, 0, 2) * 0.05
    judgement = judge(window(x, rate=rate), Settings())
    assert judgement.suspicious
    assert judgement.onset is not None
    assert abs(judgement.onset / rate - 10) < 0.5


def test_a_window_too_short_says_so():
    with pytest.raises(ValueError, match="too short: 430 or more"):
        said(noise(100))


def test_the_same_window_has_the_same_judgement():
    assert said(np.full(1000, 50.0)) == said(np.full(1000, 50.0))
    assert said(walk()) == said(walk())


def test_a_simulated_trip_is_found_by_all_devices_and_quiet_stays_quiet():
    trip = Simulation(20, 1 / RATE, 50.0, 7, Scenario(Kind.GENERATION_TRIP, at=10.0)).next(1000).frequency
    quiet = Simulation(20, 1 / RATE, 50.0, 7, Scenario(Kind.NONE)).next(1000).frequency
    assert sum(said(trip[:, k]).suspicious for k in range(20)) >= 18
    assert sum(said(quiet[:, k]).suspicious for k in range(20)) == 0
