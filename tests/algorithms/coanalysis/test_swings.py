"""Lines over coloured noise."""

from __future__ import annotations

import numpy as np
import pytest

from algorithms.coanalysis.outlasting import between
from algorithms.coanalysis.swings import FAST, SLOW, lines


def hum(seed: int, devices: int = 6, n: int = 9000) -> np.ndarray:
    """[m, n] Noise whose power falls with frequency, half of it common."""
    draw = np.random.default_rng(seed)
    white = draw.standard_normal((devices + 1, n))
    spectrum = np.fft.rfft(white, axis=1) / (1.0 + np.fft.rfftfreq(n, 0.02) * 3.0)
    made = np.fft.irfft(spectrum, n, axis=1)
    return made[:-1] + made[-1:]


@pytest.mark.parametrize(("band", "hertz"), [(SLOW, 0.43), (SLOW, 1.7), (FAST, 7.31)])
def test_a_line_stands_out_where_it_is(band, hertz: float) -> None:
    x, t = hum(1), np.arange(9000) / 50
    quiet = lines(x, 50.0, band)
    shape = np.array([1.0, 0.7, 0.3, -0.2, -0.5, -0.8])[:, None]
    found = lines(x + 0.3 * shape * np.sin(2 * np.pi * hertz * t) * (t > 60), 50.0, band)
    assert quiet is not None
    assert found is not None
    s, b = np.unravel_index(found.others.argmax(), found.others.shape)
    assert found.hertz[b] == pytest.approx(hertz, abs=found.hertz[1] - found.hertz[0])
    assert found.middle[s] > 60
    assert found.others.max() > 4 * quiet.others.max()
    amplitude = np.abs(found.spectra[:, s, b])
    np.testing.assert_allclose(amplitude, 0.3 * np.abs(shape[:, 0]), atol=0.08)


def test_what_one_device_has_alone_is_not_in_the_others() -> None:
    x, t = hum(2), np.arange(9000) / 50
    x[3] += 2.0 * np.sin(2 * np.pi * 5.0 * t)
    found = lines(x, 50.0, FAST)
    assert found is not None
    assert found.whole.max() > 100
    assert found.others.max() < 9


def test_a_device_that_stands_still_changes_nothing() -> None:
    x = hum(4)
    still = np.concatenate([x, np.zeros((1, 9000))])
    found, without = lines(still, 50.0, SLOW), lines(x, 50.0, SLOW)
    assert found is not None
    assert without is not None
    np.testing.assert_allclose(found.whole, without.whole, rtol=0.05)
    nobody = lines(np.zeros((3, 9000)), 50.0, SLOW)
    assert nobody is not None
    assert not nobody.whole.any()


def test_distances_are_those_of_the_bins_beside() -> None:
    found = lines(hum(3), 50.0, SLOW)
    assert found is not None
    assert (found.others <= found.whole * 6 / 5 + 1e-9).all()
    assert np.median(found.whole) == pytest.approx(1.0, abs=0.2)


def test_a_short_window_has_no_lines() -> None:
    assert lines(hum(4)[:, :3000], 50.0, SLOW) is None


def test_a_line_between_two_bins() -> None:
    hertz = np.arange(10) * 0.1
    power = np.exp(-((hertz - 0.43) ** 2) / 0.01)
    assert between(hertz, power, 4) == pytest.approx(0.43)
    assert between(hertz, power, 0) == 0.0
