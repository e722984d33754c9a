"""Modes of known damping: recovered within their stated error."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.signal import lfilter

from algorithms.modemeter import correlations, modemeter
from algorithms.ringdown import modes, poles, ringdown, slower

RATE = 50


def swing(hertz: float, ratio: float, seconds: float, amplitude: list[float], phase: list[float]) -> np.ndarray:
    """[m, n] damped sinusoids."""
    t, turn = np.arange(round(seconds * RATE)) / RATE, 2 * np.pi * hertz
    pole = turn * np.sqrt(1 - ratio**2)
    course = [a * np.exp(-ratio * turn * t) * np.cos(pole * t + p) for a, p in zip(amplitude, phase, strict=True)]
    return np.stack(course)


def ambient(seed: int, hertz: float, ratio: float, seconds: float, size: float = 4e-3) -> np.ndarray:
    """[2, n] Hz: a mode excited by noise, at both ends of it; a walk and the devices' noise besides."""
    rng, n = np.random.default_rng(seed), round(seconds * RATE)
    turn = 2 * np.pi * hertz / RATE
    pole = np.exp(-ratio * turn + 1j * turn * np.sqrt(1 - ratio**2))
    mode = lfilter([1.0], [1.0, -2 * pole.real, abs(pole) ** 2], rng.standard_normal(n + 3000))[3000:]
    keep = np.exp(-1 / RATE / 60)
    walk = lfilter([1.0], [1.0, -keep], 0.012 * np.sqrt(1 - keep**2) * rng.standard_normal(n))
    shape = np.array([[1.0], [-0.6]])
    return 50 + shape * mode * (size / mode.std()) + walk + 5e-4 * rng.standard_normal((2, n))


@pytest.mark.parametrize("ratio", [0.01, 0.03, 0.05, 0.1])
@pytest.mark.parametrize("hertz", [0.25, 0.5])
def test_a_ringdown_tells_frequency_damping_and_shape(ratio: float, hertz: float):
    """Noise of a twentieth of the amplitude, a slope and a level besides."""
    clean = swing(hertz, ratio, 16.0, [10.0, 5.0, 7.0], [0.0, 0.3, 3.0])
    n = clean.shape[1]
    off, errors = [], []
    for seed in range(20):
        x = clean + 5 + 0.3 * np.arange(n) / RATE + 0.5 * np.random.default_rng(seed).standard_normal(clean.shape)
        mode = ringdown(x, RATE, 0.1, 1.0)[0]
        assert mode.hertz == pytest.approx(hertz, rel=0.02)
        assert_allclose(mode.amplitude, [10, 5, 7], rtol=0.1)
        assert_allclose(mode.phase, [0, 0.3, 3.0], atol=0.1)
        off.append(mode.damping - ratio)
        errors.append(mode.error)
    spread = float(np.sqrt(np.mean(np.square(off))))
    assert spread < 0.006
    assert 0.4 * spread < np.median(errors) < 2.5 * spread


def test_a_swing_that_grows_has_a_negative_damping():
    mode = ringdown(swing(0.4, -0.02, 20.0, [1.0], [0.0]), RATE, 0.1, 1.0)[0]
    assert mode.damping == pytest.approx(-0.02, abs=1e-3)


def test_two_modes_are_told_apart():
    x = swing(0.35, 0.04, 20.0, [5.0, 4.0], [0.0, 3.1]) + swing(0.8, 0.06, 20.0, [3.0, 3.0], [0.0, 0.0])
    first, second = ringdown(x, RATE, 0.1, 1.0)[:2]
    assert (first.hertz, first.damping) == pytest.approx((0.35, 0.04), abs=2e-3)
    assert (second.hertz, second.damping) == pytest.approx((0.8, 0.06), abs=2e-3)


def test_poles_are_those_of_the_samples():
    known = np.array([0.98 * np.exp(0.3j), 0.98 * np.exp(-0.3j), 0.9])
    x = (np.array([[1, 1, 2.0], [0.5j, -0.5j, 1.0]]) @ known[:, None] ** np.arange(60)).real
    found = poles(x)
    for pole in known:
        assert np.abs(found - pole).min() < 1e-6
    mode = modes(x, found, 10.0, 0.1, 1.0)[0]
    assert mode.hertz == pytest.approx(0.3 * 10 / (2 * np.pi))
    assert_allclose(mode.amplitude, [2.0, 1.0], atol=1e-6)


@pytest.mark.parametrize("x", [np.full((2, 500), 50.0), np.zeros((1, 500)), np.ones((1, 3))], ids=["still", "0", "3"])
def test_nothing_has_no_modes(x: np.ndarray):
    assert ringdown(x, RATE, 0.1, 1.0) == []
    assert modemeter(x, RATE, 0.1, 1.0) == []


def test_fewer_samples_hold_what_is_slow():
    t = np.arange(1000) / RATE
    x, rate = slower(np.sin(2 * np.pi * 0.5 * t)[None], RATE, 1.0)
    assert rate == 5
    assert_allclose(x[0, 10:-10], np.sin(2 * np.pi * 0.5 * np.arange(x.shape[1]) / 5)[10:-10], atol=0.01)


@pytest.mark.parametrize(("ratio", "bias", "spread"), [(0.01, 0.005, 0.012), (0.05, 0.015, 0.03), (0.1, 0.035, 0.05)])
def test_the_ambient_tells_mode_and_damping(ratio: float, bias: float, spread: float):
    """Of three minutes; and two standard errors hold the truth in at least eight cases of ten."""
    found = [modemeter(ambient(seed, 0.4, ratio, 180.0), RATE, 0.1, 1.0)[0] for seed in range(20)]
    dampings = np.array([mode.damping for mode in found])
    assert np.mean([mode.hertz for mode in found]) == pytest.approx(0.4, rel=0.02)
    assert dampings.mean() == pytest.approx(ratio, abs=bias)
    assert dampings.std() < spread
    held = np.abs(dampings - ratio) < 2 * np.array([mode.error for mode in found])
    assert held.mean() >= 0.8


@pytest.mark.slow
def test_longer_windows_tell_it_better():
    short, long = (
        np.std([modemeter(ambient(seed, 0.4, 0.05, seconds), RATE, 0.1, 1.0)[0].damping for seed in range(10)])
        for seconds in (120.0, 900.0)
    )
    assert long < 0.7 * short


def test_the_ends_of_a_mode_swing_against_each_other():
    mode = modemeter(ambient(1, 0.4, 0.03, 300.0), RATE, 0.1, 1.0)[0]
    assert np.abs(mode.phase).max() == pytest.approx(np.pi, abs=0.4)
    assert mode.amplitude[1] / mode.amplitude[0] == pytest.approx(0.6, abs=0.15)


def test_correlations_are_sums_of_products():
    x = np.random.default_rng(1).standard_normal((3, 200))
    x[1] *= 2
    parts = correlations(x, 10, blocks=3)
    length = (200 - 9) // 3
    for block in range(3):
        for lag in (0, 4, 9):
            at = np.arange(block * length, (block + 1) * length)
            assert_allclose(parts[block, :, lag], x[:, at + lag] @ x[1, at], rtol=1e-9, atol=1e-9)
