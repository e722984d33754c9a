"""The simulated grid: deterministic, consistent, disturbed where and when it was told."""

from __future__ import annotations

import numpy as np
import pytest

from algorithms.simulation import Kind, Samples, Scenario, Simulation

QUIET = Scenario()


def grid(scenario: Scenario = QUIET, seed: int = 7, points: int = 12) -> Simulation:
    return Simulation(points, 0.02, 50.0, seed, scenario)


@pytest.mark.parametrize("size", [1, 7, 400])
def test_samples_do_not_depend_on_how_many_are_asked_for(size: int) -> None:
    whole, parts = grid(Scenario(Kind.FAULT, 3.0)).next(400), grid(Scenario(Kind.FAULT, 3.0))
    pieces = [parts.next(min(size, 400 - at)) for at in range(0, 400, size)]
    for name in Samples.__dataclass_fields__:
        joined = np.concatenate([getattr(piece, name) for piece in pieces])
        np.testing.assert_allclose(joined, getattr(whole, name), rtol=1e-12, atol=1e-9)


def test_seeds_differ_and_repeat() -> None:
    first, again, other = (grid(seed=seed).next(50).frequency for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_angles_are_the_integral_of_the_frequency() -> None:
    samples = grid().next(3000)
    turned = np.diff(samples.angle, axis=0).sum(axis=0)
    expected = ((samples.frequency[1:] + samples.frequency[:-1]) / 2 - 50.0).sum(axis=0) * 360 * 0.02
    np.testing.assert_allclose(turned, expected, atol=1.0)


def test_an_ambient_grid_stays_near_nominal_and_together() -> None:
    frequency = grid().next(9000).frequency
    assert np.abs(frequency - 50.0).max() < 0.05
    assert np.ptp(frequency, axis=1).max() < 0.01


def test_a_trip_reaches_near_points_first_and_all_in_the_end() -> None:
    simulation = grid(Scenario(Kind.GENERATION_TRIP, 4.0, 0.2, origin=3), points=40)
    quiet = grid(points=40).next(1000).frequency
    change = simulation.next(1000).frequency - quiet
    distance = np.linalg.norm(simulation.position - simulation.position[3], axis=1)
    assert np.abs(change[:199]).max() < 1e-9  # where the angle jumps, the frequency shows it a sample before
    assert (change[200] < -1e-4).all()  # the angles step everywhere at once
    onset = (change[202:] < -0.005).argmax(axis=0)
    assert onset[3] <= 10
    assert np.corrcoef(distance, onset)[0, 1] > 0.9
    assert (change[-1] < -0.1).all()


def test_a_fault_dips_the_voltage_and_recovers() -> None:
    samples = grid(Scenario(Kind.FAULT, 1.0, 0.5)).next(300)
    assert samples.voltage[:49].min() > 0.99
    assert samples.voltage[50:56, 0].min() == pytest.approx(0.5, abs=0.01)
    assert samples.voltage[200:].min() > 0.99


@pytest.mark.parametrize("kind", [Kind.FAULT, Kind.GENERATION_TRIP])
def test_voltages_and_angles_step_everywhere_at_once(kind: Kind) -> None:
    disturbed, quiet = (grid(Scenario(each, 1.0), points=30).next(60) for each in (kind, Kind.NONE))
    for name in ("voltage", "angle"):
        change = np.abs(getattr(disturbed, name) - getattr(quiet, name))
        assert change[:50].max() < 1e-9
        assert (change[50] > 1e-4).all()


def test_an_oscillation_swings_west_against_east() -> None:
    scenario = Scenario(Kind.OSCILLATION, 1.0, 0.05)
    simulation = grid(scenario, points=60)
    change = simulation.next(1000).frequency - grid(points=60).next(1000).frequency
    west, east = simulation.position[:, 0].argmin(), simulation.position[:, 0].argmax()
    assert np.corrcoef(change[400:, west], change[400:, east])[0, 1] < -0.8
