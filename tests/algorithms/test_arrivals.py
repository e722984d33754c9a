from __future__ import annotations

import numpy as np
import pytest

from algorithms.arrivals import arrivals
from algorithms.observations import Observations
from algorithms.simulation import SPEED, Kind, Scenario, Simulation

RATE, ONSET = 50.0, 1500


def quiet(devices: int = 4, samples: int = 3000) -> Observations:
    frequency = 50.0 + np.random.default_rng(1).normal(0.0, 5e-4, (devices, samples))
    nothing, where = np.full_like(frequency, np.nan), np.zeros(devices)
    return Observations(RATE, frequency, nothing, nothing, nothing, nothing, where, where)


def test_a_frequency_that_steps_arrives_then() -> None:
    seen = quiet()
    for device, late in enumerate((0, 10, 60)):
        seen.frequency[device, ONSET + late :] += 0.02
    found = arrivals(seen, ONSET)
    assert found[:3] == pytest.approx([0.0, 0.2, 1.2])
    assert np.isnan(found[3])


def test_holes_and_edges_tell_nothing() -> None:
    seen = quiet()
    seen.frequency[:, ONSET:] += 0.02
    seen.frequency[0, ONSET - 100] = seen.frequency[1, ONSET + 50] = np.nan
    assert np.isfinite(arrivals(seen, ONSET)).tolist() == [False, False, True, True]
    for onset in (0, 499, 2901, 3000):
        assert np.isnan(arrivals(seen, onset)).all()


def test_a_simulated_trip_arrives_by_distance() -> None:
    simulated = Simulation(12, 1 / RATE, 50.0, 3, Scenario(Kind.GENERATION_TRIP, at=ONSET / RATE, size=0.5))
    samples = simulated.next(3000)
    nothing, where = np.full((12, 3000), np.nan), np.zeros(12)
    seen = Observations(RATE, samples.frequency.T.copy(), nothing, nothing, nothing, nothing, where, where)
    away = np.linalg.norm(simulated.position - simulated.position[0], axis=1)  # it happens at the first point
    # where angles jump, all frequencies tell it at once: the wave is what comes behind that
    seen.frequency[:, ONSET - 1 : ONSET + 2] = seen.frequency[:, ONSET - 4 : ONSET - 1]
    found = arrivals(seen, ONSET)
    assert np.corrcoef(found, away / SPEED)[0, 1] > 0.95
