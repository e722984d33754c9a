"""Frequency quality against direct computations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from algorithms.frequencyquality import BANDS, medians, quality, time_error

RNG = np.random.default_rng(5)


def test_figures_of_a_day() -> None:
    mean = 50 + 0.03 * RNG.standard_normal(86_400)
    mean[40_000:40_090] = 49.75
    mean[3600:7200] = np.nan
    lowest, highest = mean - 0.002, mean + 0.003
    found, known = quality(mean, lowest, highest, 50.0), mean[np.isfinite(mean)]
    assert found.known == 82_800
    assert found.mean == pytest.approx(known.mean())
    assert found.sigma == pytest.approx(known.std())
    assert (found.lowest, found.highest) == (np.nanmin(lowest), np.nanmax(highest))
    assert found.percentiles[95] == pytest.approx(np.nanpercentile(mean, 95))
    for band in BANDS:
        below, above = found.outside[band]
        assert below == pytest.approx(np.sum(known < 50 - band / 1000) / 60)
        assert above == pytest.approx(np.sum(known > 50 + band / 1000) / 60)
    assert found.time_error == pytest.approx(np.sum(known - 50) / 50)
    assert found.time_error == pytest.approx(time_error(mean, 50.0)[-1])
    assert found.bars.sum() == found.known
    assert found.gb_normal == pytest.approx(1 - 90 / 82_800, abs=1e-5)
    assert (found.gb_small, found.en_usual, found.en_always) == (1.0, 1.0, True)
    assert found.worst(1) == [40_000 // 3600]
    assert 1 not in found.worst(24)
    assert np.isnan(found.hours[1]).all()
    assert found.hours[2, 1] == pytest.approx(mean[7200:10_800].std())


def test_limits_of_en_50160() -> None:
    mean = np.full(1000, 50.0)
    mean[100:120] = 49.4
    mean[200:209] = 49.4  # no whole ten seconds: the mean is within
    found = quality(mean, mean, mean, 50.0)
    assert (found.en_usual, found.en_always) == (pytest.approx(0.97), True)
    mean[300:310] = 46.9
    assert not quality(mean, mean, mean, 50.0).en_always


def test_nothing_known() -> None:
    nothing = np.full(3600, np.nan)
    found = quality(nothing, nothing, nothing, 60.0)
    assert (found.known, found.bars.size, found.worst(3)) == (0, 0, [])
    assert np.isnan([found.mean, found.sigma, found.time_error, found.en_usual, found.gb_normal]).all()


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.float32, st.tuples(st.integers(0, 6), st.integers(1, 9)), elements=st.floats(-9, 9, width=32)), st.data()
)
def test_medians_are_those_of_numpy(values: np.ndarray, data: st.DataObject) -> None:
    holes = data.draw(arrays(bool, values.shape))
    some = np.where(holes, np.nan, values).astype(np.float32)
    for at in range(some.shape[1]):
        known = some[np.isfinite(some[:, at]), at]
        wanted = np.median(known.astype(np.float64)) if len(known) else np.nan
        np.testing.assert_allclose(medians(some)[at], wanted)


@settings(max_examples=40, deadline=None)
@given(arrays(np.float64, st.integers(1, 200), elements=st.floats(45, 55)))
def test_every_second_has_a_bar(mean: np.ndarray) -> None:
    found = quality(mean, mean, mean, 50.0)
    assert found.bars.sum() == len(mean)
    assert len(found.edges) == len(found.bars) + 1 <= 102
    assert found.edges[0] <= mean.min() + 1e-9
    assert found.edges[-1] >= mean.max() - 1e-9
