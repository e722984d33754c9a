from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from algorithms.observations import Observations
from algorithms.quality import assess
from algorithms.quality.voltage import steps

Grid = Callable[..., Observations]
NAMES = ("frequency", "magnitude", "angle")


def without(seen: Observations, device: int, start: int, stop: int) -> Observations:
    changed = {name: getattr(seen, name).copy() for name in NAMES}
    for each in changed.values():
        each[device, start:stop] = np.nan
    return replace(seen, **changed)


def test_short_gaps_are_bridged_and_said_to_be_nothing_measured(grid: Grid):
    seen = grid()
    found = assess(without(seen, 1, 500, 520))
    assert np.flatnonzero(found.bad[1]).tolist() == list(range(500, 520))
    for name, good in (("frequency", 0.01), ("magnitude", 0.01), ("angle", 0.02)):
        off = getattr(found.repaired, name)[1] - getattr(seen, name)[1]
        assert np.abs((off + np.pi) % (2.0 * np.pi) - np.pi).max() < good


def test_an_angle_goes_on_over_a_gap_as_the_frequency_says(grid: Grid):
    """At 2 Hz off nominal it turns twice in a second, which a straight line between both ends would not."""
    seen = grid()
    turning = 2.0 * np.pi * 2.0 * np.arange(seen.samples) / seen.rate
    seen = replace(seen, frequency=seen.frequency + 2.0, angle=(seen.angle + turning + np.pi) % (2.0 * np.pi) - np.pi)
    found = assess(without(seen, 1, 500, 540))
    off = found.repaired.angle[1] - seen.angle[1]
    assert np.abs((off + np.pi) % (2.0 * np.pi) - np.pi).max() < 0.1


def test_long_gaps_stay_open(grid: Grid):
    found = assess(without(grid(), 1, 500, 560))
    assert np.isnan(found.repaired.frequency[1, 500:560]).all()
    assert found.bad[1].sum() == 60


def test_a_spike_is_what_the_angle_says_there(grid: Grid):
    seen = grid()
    frequency = seen.frequency.copy()
    frequency[4, 700] += 0.5
    found = assess(replace(seen, frequency=frequency))
    assert abs(found.repaired.frequency[4, 700] - seen.frequency[4, 700]) < 2e-3
    assert not found.bad.any()


def test_a_step_of_the_voltage_that_a_neighbour_sees_is_the_grids(grid: Grid):
    seen = grid()
    magnitude = seen.magnitude.copy()
    magnitude[2, 900:] += 0.05
    assert [(flag.device, flag.start, flag.stop) for flag in steps(replace(seen, magnitude=magnitude))] == [
        (2, 900, seen.samples)
    ]
    magnitude[3, 902:] += 0.01
    assert steps(replace(seen, magnitude=magnitude)) == []


def test_a_step_of_the_voltage_with_the_frequency_is_the_grids(grid: Grid):
    seen = grid()
    magnitude, frequency = seen.magnitude.copy(), seen.frequency.copy()
    magnitude[2, 900:] += 0.05
    frequency[2, 898:903] += 0.1
    assert steps(replace(seen, magnitude=magnitude, frequency=frequency)) == []
