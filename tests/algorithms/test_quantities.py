from __future__ import annotations

import numpy as np

from algorithms.quantities import (
    ACTIVE,
    ANGLE,
    FREQUENCY,
    MAGNITUDE,
    NEGATIVE,
    REACTIVE,
    ZERO,
    Plan,
    Sources,
    reduce,
)

A = np.exp(2j * np.pi / 3)


def row(frequency: float, *phasors: complex, channels: int = 14) -> np.ndarray:
    told = [frequency, 0.0, *(each for one in phasors for each in (abs(one), np.degrees(np.angle(one))))]
    return np.array(told + [0.0] * (channels - len(told)), np.float32)


def test_three_phases_tell_their_sequences_and_power():
    positive, negative, zero = 63e3 * np.exp(0.3j), 900 * np.exp(-1j), 300 * np.exp(2j)
    volts = [zero + positive + negative, zero + A**2 * positive + A * negative, zero + A * positive + A**2 * negative]
    amperes = [200 * np.exp(-0.2j), 200 * np.exp(-0.2j) * A**2, 200 * np.exp(-0.2j) * A]
    values = np.stack([row(50.01, *volts, *amperes)])[:, None]
    found = reduce(values, Plan.of([Sources(None, None, None, (2, 4, 6), ((2, 4, 6), (8, 10, 12)))]))[0, 0]
    power = sum(u * np.conj(i) for u, i in zip(volts, amperes, strict=True)) / 1e6
    wanted = [50.01, 63e3, np.degrees(0.3), 900, 300, power.real, power.imag]
    np.testing.assert_allclose(found, wanted, rtol=2e-4)


def test_a_device_that_tells_the_positive_sequence_is_taken_at_its_word():
    values = np.stack([row(60.0, 100 * np.exp(0.5j), 10 * np.exp(0.1j)), row(60.0, 100 * np.exp(0.5j))])[None]
    both = reduce(values, Plan.of([Sources(2, power=((2,), (4,))), Sources(2, negative=4)]))[0]
    np.testing.assert_allclose(both[0, [MAGNITUDE, ANGLE]], [100, np.degrees(0.5)], rtol=1e-6)
    power = 3 * 100 * 10 * np.exp(0.4j) / 1e6
    np.testing.assert_allclose(both[0, [ACTIVE, REACTIVE]], [power.real, power.imag], rtol=1e-5)
    assert np.isnan(both[0, [NEGATIVE, ZERO]]).all()
    assert both[1, NEGATIVE] == 0
    assert np.isnan(both[1, [ZERO, ACTIVE, REACTIVE]]).all()


def test_what_is_told_goes_before_what_follows_from_the_phases():
    values = np.stack([row(50.0, 1, A**2, A, 1.5)])[:, None]
    found = reduce(values, Plan.of([Sources(8, phases=(2, 4, 6))]))[0, 0]
    np.testing.assert_allclose(found[[MAGNITUDE, NEGATIVE]], [1.5, 0], atol=1e-6)


def test_a_phase_that_is_missing_leaves_the_frequency():
    values = np.stack([row(50.0, 1, A**2, A)])[:, None]
    values[..., 4] = np.nan
    found = reduce(values, Plan.of([Sources(phases=(2, 4, 6))]))[0, 0]
    assert found[FREQUENCY] == 50
    assert np.isnan(found[[MAGNITUDE, ANGLE, NEGATIVE, ZERO]]).all()


def test_many_devices_at_once_are_as_each_alone():
    chance = np.random.default_rng(1)
    values = chance.uniform(1, 100, (7, 3, 14)).astype(np.float32)
    sources = [Sources(phases=(2, 4, 6), power=((2, 4, 6), (8, 10, 12))), Sources(8), Sources(2, power=((2,), (4,)))]
    found = reduce(values, Plan.of(sources))
    for place, each in enumerate(sources):
        np.testing.assert_array_equal(found[:, [place]], reduce(values[:, [place]], Plan.of([each])))
    assert reduce(values[:, :0], Plan.of([])).shape == (7, 0, 7)
