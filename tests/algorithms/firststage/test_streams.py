"""What a stream brings is the same however it is cut, and what a direct computation says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import lfilter

from algorithms.firststage import oscillation, phase_jump, rocof, sequence, sta_lta, voltage_step, wavelet
from algorithms.firststage.streams import Chain, Recursive, Stream, difference, lagged, mean, median

STREAMS: dict[str, Callable[[], Stream]] = {
    "rocof": lambda: rocof.statistic(50, rocof.Settings()),
    "sta_lta": lambda: sta_lta.statistic(50, sta_lta.Settings(long="2 s")),
    "wavelet": lambda: wavelet.statistic(50, 5),
    "voltage_step": lambda: voltage_step.statistic(50, voltage_step.Settings()),
    "phase_jump": lambda: phase_jump.statistic(50, phase_jump.Settings()),
    "sequence": lambda: sequence.statistic(50, sequence.Settings()),
    "oscillation": lambda: oscillation.statistic(50, "local", oscillation.Settings(span="1 s")),
    "recursive": lambda: Recursive(7.5),
    "lagged": lambda: lagged([0.1, 0.0, -0.7, 3.0]),
}


def noise(n: int, devices: int = 3, seed: int = 1) -> np.ndarray:
    return 50.0 + np.random.default_rng(seed).standard_normal((devices, n))


@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 500), max_size=12), n=st.integers(1, 500), seed=st.integers(0, 99))
def test_any_cutting_gives_the_same_bits(name: str, cuts: list[int], n: int, seed: int):
    x = noise(n, seed=seed)
    whole, stream = STREAMS[name]().push(x), STREAMS[name]()
    pieces = [stream.push(piece) for piece in np.split(x, sorted(min(cut, n) for cut in cuts), axis=1)]
    assert np.array_equal(np.concatenate(pieces, axis=1), whole)


@pytest.mark.parametrize("name", STREAMS)
def test_devices_do_not_touch_each_other(name: str):
    x = noise(600, devices=4)
    whole = STREAMS[name]().push(x)
    for device in range(4):
        assert np.array_equal(STREAMS[name]().push(x[device : device + 1]), whole[device : device + 1])


@pytest.mark.parametrize("name", STREAMS)
def test_a_value_follows_from_its_reach(name: str):
    """A changed sample changes the values of the `reach` samples from it on, but for what recursions remember."""
    stream, x = STREAMS[name](), noise(600)
    changed = x.copy()
    changed[:, 300] += 1000.0
    a, b = STREAMS[name]().push(x), STREAMS[name]().push(changed)
    at = 300 - (600 - a.shape[1])
    assert np.array_equal(a[:, :at], b[:, :at])
    if name not in ("recursive", "sta_lta", "oscillation"):
        assert np.array_equal(a[:, at + stream.reach :], b[:, at + stream.reach :])
        assert a.shape[1] == 600 - stream.reach + 1


def test_sums_and_medians_are_those_of_the_last_samples():
    x = noise(100)
    views = sliding_window_view(x, 7, axis=1)
    assert np.allclose(mean(7).push(x), views.mean(axis=2))
    assert np.array_equal(median(7).push(x), np.median(views, axis=2))
    weights = np.array([1.0, -2.0, 0.5])
    assert np.allclose(lagged(weights).push(x)[0], np.convolve(x[0], weights[::-1], "valid"))
    assert np.array_equal(difference(4).push(x), x[:, 4:] - x[:, :-4])


def test_a_recursive_mean_has_no_bias_at_the_beginning():
    x = noise(200)
    ones = np.full((1, 200), 3.25)
    assert np.allclose(Recursive(40).push(ones), 3.25)
    weights = lfilter([1 / 40], [1, 1 / 40 - 1], np.ones(200))
    assert np.allclose(Recursive(40).push(x), lfilter([1 / 40], [1, 1 / 40 - 1], x) / weights)


def test_a_chain_reaches_as_far_as_its_stages():
    assert Chain(median(3), mean(5), difference(10)).reach == 3 + 4 + 10


def test_the_ratio_is_short_over_long_average():
    x, chosen = noise(900, devices=1)[0], sta_lta.Settings(long="4 s", floor="1 mHz")
    calm = np.median(sliding_window_view(x, 3), axis=1)
    level = sliding_window_view(calm, 10).mean(axis=1)
    change = level[20:] - level[:-20]
    energy = (change - Recursive(200).push(change[None])[0]) ** 2
    short = sliding_window_view(energy, 25).mean(axis=1)
    long = lfilter([1 / 200], [1, 1 / 200 - 1], energy) / lfilter([1 / 200], [1, 1 / 200 - 1], np.ones(energy.size))
    expected = np.sqrt(short[201:] / long[200:-25])
    assert np.allclose(sta_lta.statistic(50, chosen).push(x[None])[0], expected)


def test_the_slope_is_the_sliding_median_rocof():
    x = noise(300, devices=1)[0]
    level = sliding_window_view(np.median(sliding_window_view(x, 3), axis=1), 5).mean(axis=1)
    slope = np.median(sliding_window_view((level[10:] - level[:-10]) / 0.2, 25), axis=1)
    expected = np.abs(slope[35:] - slope[:-35])
    assert np.allclose(rocof.statistic(50, rocof.Settings()).push(x[None])[0], expected)
