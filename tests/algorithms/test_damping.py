"""How well an oscillation that several devices saw is damped, and how much swings in which band."""

from __future__ import annotations

import numpy as np
import pytest

from algorithms.damping import BANDS, band, damping, energies, oscillation
from algorithms.observations import Observations

RATE, DEVICES, SECONDS, ONSET = 50, 5, 120, 60.0
T = np.arange(SECONDS * RATE) / RATE
SHAPE = np.array([1.0, 0.8, 0.2, -0.5, -0.9])


def seen(hertz: float, ratio: float, size: float = 0.02, seed: int = 1) -> Observations:
    """A mode that a jolt sets off, with noise of 1 mHz."""
    after = np.maximum(T - ONSET, 0.0)
    swing = size * np.exp(-ratio * 2 * np.pi * hertz * after) * np.sin(2 * np.pi * hertz * after)
    frequency = 50 + SHAPE[:, None] * swing + 1e-3 * np.random.default_rng(seed).standard_normal((DEVICES, T.size))
    still = np.zeros((DEVICES, T.size))
    unknown = np.full(DEVICES, np.nan)
    return Observations(RATE, frequency, still + 1, still, still, still, unknown, unknown)


@pytest.mark.parametrize("ratio", [-0.01, 0.0, 0.01, 0.03, 0.06, 0.1])
@pytest.mark.parametrize("hertz", [0.3, 0.7, 1.6])
def test_damping_is_told_within_its_error(hertz: float, ratio: float):
    mode = damping(seen(hertz, ratio), hertz * 1.05, ONSET)
    assert mode is not None
    assert mode.hertz == pytest.approx(hertz, rel=0.01)
    assert abs(mode.damping - ratio) < max(4 * mode.error, 0.003)
    assert mode.error < 0.02


def test_the_shape_has_both_ends():
    mode = damping(seen(0.5, 0.02), 0.5, ONSET)
    assert mode is not None
    assert np.allclose(mode.amplitude / mode.amplitude[0], np.abs(SHAPE), atol=0.1)
    assert np.allclose(np.abs(mode.phase) > 1.5, SHAPE < 0)


def test_devices_with_gaps_are_bridged_or_left_out():
    whole = seen(0.5, 0.03)
    whole.frequency[1, 3300:3310] = np.nan
    whole.frequency[2, 2000:] = np.nan
    mode = damping(whole, 0.5, ONSET)
    assert mode is not None
    assert mode.damping == pytest.approx(0.03, abs=0.004)
    assert np.isfinite(mode.amplitude).tolist() == [True, True, False, True, True]


@pytest.mark.parametrize(("hertz", "since"), [(0.5, 118.0), (3.0, ONSET)], ids=["too little is left", "another line"])
def test_what_is_not_there_is_not_told(hertz: float, since: float):
    assert damping(seen(0.5, 0.03), hertz, since) is None


def test_energy_is_the_root_mean_square_of_a_band():
    whole = seen(1.6, 0.0, size=0.02)
    found = energies(whole, ONSET)
    assert list(found) == list(BANDS)
    assert found["local"].mhz == pytest.approx(20 / np.sqrt(2), rel=0.05)
    assert found["local"].times > 50
    noise = energies(seen(1.6, 0.0, size=0.0), ONSET)["subsynchronous"]
    assert noise.mhz == pytest.approx(np.sqrt(17 / 25), rel=0.1)  # white: its share of 0 to 25 Hz
    assert noise.times == pytest.approx(1.0, abs=0.1)


def test_bands_that_the_window_is_too_short_for_are_left_out():
    assert list(energies(seen(1.6, 0.0), SECONDS - 5.0)) == ["local", "subsynchronous"]
    assert oscillation(seen(1.6, 0.0), ONSET, None).mode is None


def test_a_rate_too_low_for_a_band_says_so():
    with pytest.raises(ValueError, match="3 Hz can't be seen in 5 samples a second"):
        band(3.0, 20.0, 5.0)
