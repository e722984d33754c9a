from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import odeint

from algorithms.imbalance import lost_power, rocof
from algorithms.observations import Observations

RATE, ONSET = 50.0, 20.0
ENERGY, DAMPING, DROOP, GOVERNOR = 40e3, 200.0, 2500.0, 8.0
"""MW·s; MW/Hz of loads; MW/Hz of governors, and their time constant [s]."""


def seen(lost: float, seconds: float = 60.0, drift: float = 0.0) -> Observations:
    """The swing equation of all machines as one, with governors; devices with noise, and one that is not there."""
    time = np.arange(round(seconds * RATE)) / RATE

    def course(state: np.ndarray, t: float) -> list[float]:
        frequency, governed = state
        power = -lost * (t >= ONSET) - DAMPING * frequency + governed
        return [50.0 * power / (2.0 * ENERGY), (-DROOP * frequency - governed) / GOVERNOR]

    away = odeint(course, [0.0, 0.0], time, hmax=0.05)[:, 0]
    rng = np.random.default_rng(3)
    frequency = 50.0 + away + drift * time + 1e-4 * rng.standard_normal((5, len(time)))
    frequency[4] = np.nan
    nothing = np.full_like(frequency, np.nan)
    at = np.zeros(5)
    return Observations(RATE, frequency, nothing, nothing, nothing, nothing, at, at)


@pytest.mark.parametrize("lost", [800.0, -300.0])
@pytest.mark.parametrize("drift", [0.0, 0.002])
def test_the_first_half_second_tells_the_power_by_inertia(lost: float, drift: float) -> None:
    kind = "gen_trip" if lost > 0 else "load_loss"
    told = lost_power(seen(lost, drift=drift), ONSET, kind, np.nan, np.nan, ENERGY)
    assert told == pytest.approx(-lost, rel=0.1)


def test_the_lowest_point_tells_it_by_the_frequency_response() -> None:
    window = seen(800.0)
    lowest = 1e3 * (np.nanmin(np.nanmedian(window.frequency[:4], axis=0)) - 50.0)
    response = 800.0 / (-1e-3 * lowest)
    assert lost_power(window, ONSET, "gen_trip", lowest, response, np.nan) == pytest.approx(-800.0)
    assert lost_power(window, ONSET, "gen_trip", 0.5 * lowest, response, ENERGY) == pytest.approx(-400.0)


def test_before_the_lowest_point_only_inertia_tells() -> None:
    window = seen(800.0, seconds=ONSET + 3.0)
    assert np.isnan(lost_power(window, ONSET, "gen_trip", -100.0, 5000.0, np.nan))
    assert lost_power(window, ONSET, "gen_trip", -100.0, 5000.0, ENERGY) == pytest.approx(-800.0, rel=0.1)


def test_what_changes_no_balance_has_no_power() -> None:
    for kind in ("line_trip", "fault_3ph", "osc_forced", "none", "unknown"):
        assert np.isnan(lost_power(seen(800.0), ONSET, kind, -100.0, 5000.0, ENERGY))


def test_a_window_that_does_not_reach_around_tells_nothing() -> None:
    assert np.isnan(rocof(seen(800.0), 0.5))
    assert np.isnan(rocof(seen(800.0), 59.9))
    hidden = seen(800.0)
    hidden.frequency[:, 1000:1020] = np.nan
    assert np.isnan(rocof(hidden, ONSET))
