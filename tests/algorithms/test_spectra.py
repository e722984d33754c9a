"""Simulated spectra: what is said of them, reckoned directly."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.spectra import FLOOR, MIRROR, Oscillation, Spectra, hann, wrapped

POINTS = 8
ORDERS = np.arange(2.0, 51.0)
BINS = np.concatenate([np.arange(0.0, 46.0), np.arange(55.0, 101.0)])
VOLTS = np.tile([127_000.0, 127_000.0, 127_000.0, 400.0], (POINTS, 1))
ANGLES = np.tile([10.0, -110.0, 130.0, -10.0], (POINTS, 1))
FREQUENCY = np.full(POINTS, 50.0)


def test_a_seed_and_a_second_say_all() -> None:
    one, other = Spectra(POINTS, 7), Spectra(POINTS, 7)
    one.harmonics(3, VOLTS, ANGLES, ORDERS)
    for second in (4, 2):
        for mine, theirs in (
            (one.harmonics(second, VOLTS, ANGLES, ORDERS), other.harmonics(second, VOLTS, ANGLES, ORDERS)),
            (
                one.interharmonics(second, FREQUENCY, VOLTS, ANGLES, BINS),
                other.interharmonics(second, FREQUENCY, VOLTS, ANGLES, BINS),
            ),
        ):
            np.testing.assert_array_equal(mine, theirs)
    first = one.harmonics(4, VOLTS, ANGLES, ORDERS)[0]
    for changed in (Spectra(POINTS, 8), Spectra(POINTS, 7, part=1)):
        assert not np.array_equal(changed.harmonics(4, VOLTS, ANGLES, ORDERS)[0], first)
    assert not np.array_equal(one.harmonics(5, VOLTS, ANGLES, ORDERS)[0], first)


def test_orders_of_converters_stand_out_and_decay() -> None:
    magnitude, angle = Spectra(POINTS, 1).harmonics(0, VOLTS, ANGLES, ORDERS)
    assert magnitude.shape == angle.shape == (POINTS, 4, 49)
    share = (magnitude / VOLTS[:, :, None]).mean(axis=(0, 1))
    strong = share[np.isin(ORDERS % 6, (1, 5))]
    weak = share[~np.isin(ORDERS % 6, (1, 5))]
    assert 0.002 < share[3] < 0.01  # the 5th
    assert strong[0] > 3 * strong[4]
    assert strong.min() > weak[ORDERS[~np.isin(ORDERS % 6, (1, 5))] > 20].max()
    assert (angle > -180).all()
    assert (angle <= 180).all()


@pytest.mark.parametrize(("order", "turn"), [(5, 120.0), (7, -120.0), (3, 0.0)])
def test_phases_show_the_sequence_of_a_harmonic(order: int, turn: float) -> None:
    _, angle = Spectra(POINTS, 1).harmonics(0, VOLTS, ANGLES, np.array([float(order)]))
    np.testing.assert_allclose(wrapped(angle[:, 1, 0] - angle[:, 0, 0] - turn), 0.0, atol=4.0)


def test_a_harmonic_changes_slowly() -> None:
    spectra = Spectra(POINTS, 1)
    series = np.array([spectra.harmonics(second, VOLTS, ANGLES, ORDERS)[0] for second in range(300)])
    smooth = series.reshape(30, 10, *series.shape[1:]).mean(axis=1)
    relative = smooth / smooth.mean(axis=0) - 1.0
    assert np.abs(np.diff(relative, axis=0)).max() < 0.1
    assert 0.05 < np.abs(relative).max() < 0.3


def test_without_an_oscillation_there_is_a_floor_of_noise() -> None:
    magnitude, angle = Spectra(100, 1).interharmonics(
        5, np.full(100, 50.0), np.full((100, 1), 1000.0), np.zeros((100, 1)), BINS
    )
    assert magnitude.mean() == pytest.approx(1000.0 * FLOOR, rel=0.03)
    assert np.abs(wrapped(angle).mean()) < 5


def test_an_oscillation_has_a_mirror_above_the_fundamental() -> None:
    spectra = Spectra(POINTS, 1, oscillation=Oscillation(7.25, 0.02, start=10))
    before, _ = spectra.interharmonics(9, FREQUENCY, VOLTS, ANGLES, BINS)
    after, _ = spectra.interharmonics(10, FREQUENCY + 0.5, VOLTS, ANGLES, BINS)
    assert (before < 1e-3 * VOLTS[:, :, None]).all()
    below, above = (BINS < 50), (BINS > 50)
    assert (BINS[below][after[:, :, below].argmax(axis=2)] == 7).all()
    assert (BINS[above][after[:, :, above].argmax(axis=2)] == 94).all()  # 2 · 50.5 − 7.25 = 93.75
    ratio = after[:, :, BINS == 94] / after[:, :, BINS == 7]
    np.testing.assert_allclose(ratio, MIRROR, rtol=0.05)


def test_an_oscillation_between_two_bins_is_seen_in_both() -> None:
    spectra = Spectra(1, 1, oscillation=Oscillation(7.5, 0.02))
    seen, _ = spectra.interharmonics(3, np.array([50.0]), np.array([[1000.0]]), np.array([[0.0]]), BINS)
    assert seen[0, 0, 7] == pytest.approx(seen[0, 0, 8], rel=0.02)


@given(st.floats(-8, 8))
def test_the_window_is_the_transform_of_a_raised_cosine(bins: float) -> None:
    time = (np.arange(4000) + 0.5) / 4000 - 0.5
    weight = 1.0 + np.cos(2 * np.pi * time)
    direct = (weight * np.exp(-2j * np.pi * bins * time)).mean().real
    assert float(hann(np.array(bins))) == pytest.approx(direct, abs=1e-5)
    assert math.isfinite(direct)
