from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from algorithms.observations import Observations
from algorithms.oscillating import FAST, SLOW, alone, find, oscillate

RATE, ONSET = 50.0, 2000
AMPLITUDES = np.array([0.02, 0.01, 0.005, 0.0])


def swinging(hertz: float, harmonic: float = 0.0, samples: int = 6000, seed: int = 1) -> Observations:
    """Voltages and frequencies that swing from the onset on, over noise and a slow walk."""
    rng = np.random.default_rng(seed)
    t = (np.arange(samples) - ONSET) / RATE
    wave = np.where(t >= 0, np.sin(2 * np.pi * hertz * t) + harmonic * np.sin(4 * np.pi * hertz * t), 0.0)
    walk = np.cumsum(rng.normal(0.0, 1e-5, (4, samples)), axis=1)
    voltage = 1.0 + AMPLITUDES[:, None] * wave + walk + rng.normal(0.0, 1e-4, (4, samples))
    frequency = 50.0 + 2.0 * AMPLITUDES[::-1, None] * wave + rng.normal(0.0, 5e-4, (4, samples))
    nothing = np.full((4, samples), np.nan)
    return Observations(RATE, frequency, voltage, nothing, nothing, nothing, np.zeros(4), np.zeros(4))


@pytest.mark.parametrize("hertz", [0.35, 0.8, 2.1])
def test_amplitudes_of_the_voltage_tell_a_slow_oscillation(hertz: float) -> None:
    (found,) = oscillate(find(swinging(hertz), ONSET, SLOW))
    assert found.name == "voltage"
    # between two lines a Hann window loses up to 15 %
    assert found.size[:3] == pytest.approx(AMPLITUDES[:3], rel=0.16)
    assert np.all(found.noise < 1e-3)


def test_a_fast_one_shows_in_the_frequency_too() -> None:
    voltage, swing = oscillate(find(swinging(7.3), ONSET, FAST))
    assert np.argsort(-voltage.size).tolist() == [0, 1, 2, 3]
    assert np.argsort(-swing.size).tolist() == [3, 2, 1, 0]
    assert swing.size[3] == pytest.approx(0.04, rel=0.16)


def test_a_strong_second_harmonic_does_not_hide_the_fundamental() -> None:
    (found,) = oscillate(find(swinging(0.4, harmonic=1.5), ONSET, SLOW))
    assert found.size[0] == pytest.approx(AMPLITUDES[0], rel=0.16)


def test_quiet_and_short_windows_tell_nothing() -> None:
    quiet = swinging(7.3).between(0, ONSET)
    assert oscillate(find(quiet, 100, FAST)) == []
    assert oscillate(find(swinging(7.3, samples=ONSET + 300), ONSET, FAST)) == []
    assert oscillate(find(swinging(7.3), 5990, FAST)) == []


def test_a_device_with_a_hole_is_left_out() -> None:
    seen = swinging(7.3)
    seen.magnitude[0, ONSET + 500] = np.nan
    voltage, _ = oscillate(find(seen, ONSET, FAST))
    assert voltage.known.tolist() == [False, True, True, True]


@pytest.mark.parametrize("rate", [1.0, 10.0, 25.0])
def test_slow_devices_show_what_they_can(rate: float) -> None:
    seen = swinging(7.3)
    for band in (SLOW, FAST):
        assert isinstance(oscillate(find(replace(seen, rate=rate), 100, band)), list)
    found = oscillate(find(replace(seen, rate=25.0), ONSET, FAST))  # the same samples at half the pace: 3.65 Hz
    assert [answer.name for answer in found] == ["voltage", "swing"]


@pytest.mark.parametrize("late", [0, 400])
def test_a_forced_swing_is_alone_at_its_source(late: int) -> None:
    """Loads make all swing together, the third the most; the first is forced, with a harmonic, and swings less."""
    rng = np.random.default_rng(3)
    seen = swinging(0.5)
    carry = np.array([[1.0, 0.1, 0.5, 0.0], [0.4, 1.0, 0.5, 0.1], [3.0, 0.5, 4.0, 0.5], [0.0, 0.1, 0.5, 1.0]])
    t = (np.arange(seen.samples) - ONSET) / RATE
    wave = np.where(t >= 0, 0.01 * np.sin(2 * np.pi * 0.5 * t) + 0.005 * np.sin(2 * np.pi * t), 0.0)
    frequency = 50.0 + carry @ rng.normal(0.0, 2e-3, (4, seen.samples)) + carry[:, :1] * wave
    seen = replace(seen, frequency=frequency)
    line = find(seen, ONSET + late, SLOW)
    found = alone(line)
    assert line is not None
    assert found is not None
    assert int(np.argmax(line.amplitude("frequency"))) == 2
    assert int(np.argmax(found.size)) == 0


def test_it_is_not_asked_what_is_alone_of_fast_ones_or_of_none() -> None:
    assert alone(None) is None
    assert alone(find(swinging(7.3), ONSET, FAST)) is None
    still = swinging(0.5)
    still = replace(still, frequency=np.random.default_rng(1).normal(50.0, 1e-3, still.frequency.shape))
    assert alone(find(still, ONSET, SLOW)) is None
