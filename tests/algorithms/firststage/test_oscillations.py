"""Swings by bands with their damping, and lines that keep their phase."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, coherence, sosfilt

from algorithms.firststage.coherence import SelfCoherence, Settings, shape
from algorithms.firststage.oscillation import Settings as Swings
from algorithms.firststage.oscillation import statistic
from algorithms.registry import Judgement, find
from tests.algorithms.firststage.windows import RATE, ambient, window

T = np.arange(9000) / RATE


def said(name: str, x: np.ndarray, **changed: object) -> Judgement:
    found = find(name)
    return found.run(window(x), found.settings(**changed))


def ringing(hertz: float, ratio: float, size: float, at: float = 90.0) -> np.ndarray:
    after = np.maximum(T - at, 0)
    return size * np.exp(-ratio * 2 * np.pi * hertz * after) * np.sin(2 * np.pi * hertz * after)


def forced(hertz: float, size: float, first: float = 60.0, last: float = 140.0) -> np.ndarray:
    return np.where((first <= T) & (last > T), size * np.sin(2 * np.pi * hertz * T), 0.0)


@pytest.mark.parametrize("name", ["oscillation", "coherence"])
def test_quiet_windows_are_seldom_suspicious(name: str):
    """One window in thirty at most, each of three minutes."""
    assert sum(said(name, ambient(seed)).suspicious for seed in range(30)) <= 1


@pytest.mark.parametrize(
    ("band", "hertz", "ratio", "size"), [("inter_area", 0.4, 0.02, 0.05), ("local", 1.5, 0.02, 0.03)]
)
def test_a_swing_is_found_with_its_band_and_damping(band: str, hertz: float, ratio: float, size: float):
    judged = said("oscillation", ambient(2) + ringing(hertz, ratio, size))
    assert judged.suspicious
    assert (judged.detail["band"], judged.detail["by"]) == (band, "ringdown")
    assert judged.onset == pytest.approx(90 * RATE, abs=RATE)
    assert judged.detail["hz"] == pytest.approx(hertz, rel=0.03)
    assert judged.detail["damping"] == pytest.approx(ratio, abs=0.01)


def test_a_fast_swing_is_found_in_its_band():
    judged = said("oscillation", ambient(2) + forced(7.0, 0.003, 90.0, 130.0))
    assert (judged.suspicious, judged.detail["band"]) == (True, "subsynchronous")
    assert judged.detail["hz"] == pytest.approx(7.0, rel=0.01)
    assert abs(judged.detail["damping"]) < 0.005


def test_the_ambient_has_a_mode_meter():
    quiet = said(
        "oscillation", ambient(2) + 0.002 * np.convolve(ambient(3) - 50, ringing(0.4, 0.05, 50, 0)[:1500])[:9000]
    )
    assert not quiet.suspicious
    assert quiet.detail["by"] == "mode_meter"


@pytest.mark.parametrize("size", [0.5, -20.0])
def test_a_spike_or_a_step_is_no_swing_of_two_spans(size: float):
    x = ambient(1)
    x[4000] += size
    assert not said("oscillation", x, bands=["inter_area", "local"]).suspicious


def test_a_band_is_the_filtered_series_in_the_quieter_span():
    x = ambient(1, 4000)
    sections = butter(2, [3.0, 20.0], "bandpass", fs=50, output="sos")
    settled = np.concatenate([np.full(5000, x[0]), x])  # as if the first sample had stood since ever
    energy = sosfilt(sections, settled)[5000:] ** 2
    sums = np.convolve(energy, np.full(100, 0.01), "valid")
    expected = np.sqrt(np.minimum(sums[100:], sums[:-100]))[-3000:]
    found = statistic(50, "subsynchronous", Swings(span="2 s")).push(x[None])[0]
    assert np.allclose(found[-3000:], expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("hertz", "size"), [(0.3, 0.006), (0.8, 0.004), (6.0, 0.002)])
def test_a_forced_line_below_the_ambient_is_found(hertz: float, size: float):
    """Against an ambient of 12 mHz."""
    judged = said("coherence", ambient(4) + forced(hertz, size))
    assert judged.suspicious
    assert judged.detail["hz"] == pytest.approx(hertz, abs=0.11)
    assert judged.onset == pytest.approx(60 * RATE, abs=10 * RATE)


def test_an_ambient_mode_is_no_line():
    rng = np.random.default_rng(5)
    pole = np.exp((-0.05 + 1j) * 2 * np.pi * 0.5 / RATE)
    for seed in range(10):
        mode = np.zeros(9000)
        noise = np.random.default_rng(seed).standard_normal(9000)
        mode = np.real(sosfilt([[1, 0, 0, 1, -2 * pole.real, abs(pole) ** 2]], noise))
        x = 50 + 0.01 * mode / mode.std() + 5e-4 * rng.standard_normal(9000)
        assert not said("coherence", x).suspicious


def test_a_line_that_fills_the_window_counts_only_where_asked():
    x = ambient(6) + forced(6.0, 0.003, 0.0, 180.0)
    assert not said("coherence", x).suspicious
    assert said("coherence", x, standing=True).suspicious


def test_any_cutting_gives_the_same_bits():
    x = np.stack([ambient(1), ambient(2)])
    form = shape(RATE, Settings())
    whole = SelfCoherence(form).push(x)
    for seed in range(5):
        stream = SelfCoherence(form)
        cuts = np.sort(np.random.default_rng(seed).integers(0, 9000, 30))
        pieces = [stream.push(piece) for piece in np.split(x, cuts, axis=1)]
        for at in range(2):
            assert np.array_equal(np.concatenate([piece[at] for piece in pieces], axis=1), whole[at])


def test_coherence_is_that_of_welch():
    """With the pieces of scipy: the series against itself, later."""
    x, chosen = ambient(7), Settings(span="400 s")
    form = shape(RATE, chosen)._replace(pairs=32)
    found, _ = SelfCoherence(form).push(x[None])
    change, delay = np.diff(x), form.apart * form.hop
    window_of = np.hanning(form.length + 1)[:-1]
    hertz, expected = coherence(
        change[: -delay or None], change[delay:], fs=RATE, window=window_of, nperseg=form.length, noverlap=form.hop
    )
    assert found.shape[1] == 1
    assert np.allclose(found[0, 0], expected[form.bins], rtol=1e-6)
    assert hertz[form.bins][0] == pytest.approx(0.1)


def test_a_window_too_short_says_so():
    with pytest.raises(ValueError, match="too short: 4 pairs of pieces"):
        said("coherence", ambient(1, 1500))
