"""What all algorithms of the first stage do alike: quiet stays quiet, a trip is found where it begins."""

from __future__ import annotations

import numpy as np
import pytest

from algorithms import registry
from algorithms.firststage.decision import parting, touched
from tests.algorithms.firststage.windows import ambient, trip, window

FREQUENCY = ("rocof", "sta_lta", "wavelet")


def said(name: str, *series: np.ndarray, filled: np.ndarray | None = None, **changed: object) -> registry.Judgement:
    found = registry.find(name)
    return found.run(window(*series, filled=filled), found.settings(**changed))


@pytest.mark.parametrize("name", FREQUENCY)
def test_quiet_windows_are_seldom_suspicious(name: str):
    """One window in a hundred, each of three minutes."""
    judged = said(name, *(ambient(seed) for seed in range(1)))
    assert judged.onset is None
    suspicious = sum(said(name, ambient(seed)).suspicious for seed in range(100))
    assert suspicious <= 1


@pytest.mark.parametrize("name", FREQUENCY)
@pytest.mark.parametrize("loud", [0.5, 1.0, 5.0])
def test_a_trip_is_found_where_it_begins_at_any_ambient_level(name: str, loud: float):
    judged = said(name, trip(ambient(3, loud=loud), 4500, 0.15 * loud))
    assert judged.suspicious
    assert judged.onset == pytest.approx(4500, abs=12)


@pytest.mark.parametrize("name", FREQUENCY)
def test_a_slow_ramp_changes_nothing(name: str):
    x, ramp = ambient(5), np.linspace(0.0, 0.3, 9000)
    still, ramped = said(name, x), said(name, x + ramp)
    assert not ramped.suspicious
    assert ramped.score == pytest.approx(still.score, rel=0.1)


@pytest.mark.parametrize("name", FREQUENCY)
@pytest.mark.parametrize("x", [np.full(1000, 50.0), np.round(ambient(1), 3)], ids=["constant", "1 mHz"])
def test_resolution_is_no_event(name: str, x: np.ndarray):
    assert not said(name, x).suspicious


@pytest.mark.parametrize("name", FREQUENCY)
def test_a_spike_of_one_sample_decides_nothing(name: str):
    x = ambient(1)
    spiked = x.copy()
    spiked[4000] += 3.0
    assert said(name, spiked).score == pytest.approx(said(name, x).score, rel=0.2)


@pytest.mark.parametrize("name", FREQUENCY)
def test_interpolated_samples_decide_nothing(name: str):
    x = ambient(1)
    bent = x.copy()
    bent[4000:4050] += 0.3
    assert said(name, bent).suspicious
    assert not said(name, bent, filled=np.arange(3990, 4060)).suspicious
    assert said(name, x, filled=np.arange(9000)).score == 0.0


@pytest.mark.parametrize("name", FREQUENCY)
def test_the_most_suspicious_device_decides(name: str):
    alone = said(name, trip(ambient(2), 5000))
    assert said(name, ambient(1), trip(ambient(2), 5000), ambient(3)) == alone


@pytest.mark.parametrize("name", FREQUENCY)
def test_the_limit_scales_the_score(name: str):
    x = trip(ambient(2), 5000)
    assert said(name, x, limit=8.0).score == pytest.approx(said(name, x, limit=4.0).score / 2)


@pytest.mark.parametrize("name", FREQUENCY)
def test_a_window_too_short_says_so(name: str):
    with pytest.raises(ValueError, match=r"too short: \d+ or more are needed"):
        said(name, ambient(1, 200))


@pytest.mark.parametrize("name", [*FREQUENCY, "emd", "oscillation", "coherence"])
def test_the_shortest_window_is_known_ahead(name: str):
    found = registry.find(name)
    settings = found.settings()
    assert found.shortest is not None
    least = round(50 * found.shortest(settings))
    said(name, ambient(1, least))
    with pytest.raises(ValueError, match="too short"):
        said(name, ambient(1, least - 1))
    with pytest.raises(ValueError, match="too short") as raised:
        said(name, ambient(1, 50))
    if name not in ("wavelet", "coherence"):  # which tell of one octave, and of pieces
        assert f" {least} or more are needed" in str(raised.value)


@pytest.mark.parametrize("name", FREQUENCY)
@pytest.mark.parametrize("rate", [10, 25, 60, 100])
def test_other_rates(name: str, rate: int):
    found = registry.find(name)
    x = ambient(4, 60 * rate, rate=rate)
    assert not found.run(window(x, rate=rate), found.settings()).suspicious
    judged = found.run(window(trip(x, 40 * rate, 0.2, rate=rate), rate=rate), found.settings())
    assert judged.suspicious
    assert judged.onset is not None
    assert judged.onset / rate == pytest.approx(40, abs=0.5)


def test_touched_looks_back_as_far_as_the_reach():
    filled = np.zeros((2, 10), bool)
    filled[1, 4] = True
    assert touched(filled, 3)[0].sum() == 0
    assert np.flatnonzero(touched(filled, 3)[1]).tolist() == [4, 5, 6]


@pytest.mark.parametrize("step", [0.0, 1.0])
def test_a_series_parts_where_its_variance_or_level_changes(step: float):
    rng = np.random.default_rng(1)
    x = 0.01 * rng.standard_normal(400)
    x[250:] += step + (0.2 * rng.standard_normal(150) if not step else 0.0)
    assert parting(x[100:301]) + 100 == pytest.approx(250, abs=3)
