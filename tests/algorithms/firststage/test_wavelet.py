from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from pydantic import ValidationError

from algorithms.firststage.wavelet import HIGH, LOW, Settings, judge, levels, spread, statistic
from tests.algorithms.firststage.windows import ambient, window


def test_the_filters_are_those_of_daubechies():
    """Orthonormal (up to the root of two), and two vanishing moments."""
    assert LOW.sum() == pytest.approx(1.0)
    assert pytest.approx(1.0) == 2 * LOW @ LOW
    assert LOW[:2] @ LOW[2:] == pytest.approx(0.0)
    assert pytest.approx(0.0) == HIGH @ LOW
    assert HIGH @ np.ones(4) == pytest.approx(0.0)
    assert HIGH @ np.arange(4) == pytest.approx(0.0)


def test_a_level_is_the_energy_of_its_convolutions():
    x = 50 + np.random.default_rng(1).standard_normal(400)
    low = np.median(sliding_window_view(x, 3), axis=1)
    for level in (1, 2):
        low = np.convolve(low, spread(LOW, level)[::-1], "valid")
    detail = np.convolve(low, spread(HIGH, 3)[::-1], "valid")
    expected = np.sqrt(sliding_window_view(detail**2, 13).mean(axis=1))
    assert np.allclose(statistic(50, 3).push(x[None])[0], expected, atol=1e-9)


@pytest.mark.parametrize("level", [2, 4, 6])
def test_a_level_holds_its_octave(level: int):
    """A tone in the middle of an octave shows most in it."""
    hertz = 50 / 2 ** (level + 0.5)
    tone = np.sin(2 * np.pi * hertz * np.arange(9000) / 50)[None]
    energy = {each: float(np.median(statistic(50, each).push(tone))) for each in range(1, 8)}
    assert max(energy, key=lambda each: energy[each]) == level


def test_a_straight_line_has_no_coefficients():
    assert statistic(50, 5).push(np.linspace(40.0, 60.0, 2000)[None]).max() < 1e-6


def test_the_level_that_shows_it_is_told():
    x = ambient(1)
    x[4000:4400] += 0.02 * np.sin(2 * np.pi * 1.1 * np.arange(400) / 50)
    judged = judge(window(x), Settings())
    assert judged.suspicious
    assert (judged.detail["low_hz"], judged.detail["high_hz"]) == (0.78125, 1.5625)
    assert judged.onset == pytest.approx(4000, abs=60)


def test_a_band_has_an_octave():
    assert levels(50, Settings()) == [5, 6]
    assert levels(25, Settings()) == [4, 5]
    with pytest.raises(ValueError, match="no octave of 1 samples a second lies in"):
        levels(1, Settings())
    with pytest.raises(ValidationError, match="at most half of high"):
        Settings(low="1 Hz", high="1.5 Hz")
