"""Mode shapes, and the source of an oscillation by its energy, where amplitudes name another device."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from algorithms.location import locate
from algorithms.observations import Observations
from algorithms.oscillating import SLOW, Line, find, oscillate
from algorithms.participation import energy, shape
from tests.algorithms.grids import BASE, Machines, measured, run
from tests.algorithms.seen import Seen

ONSET = 10.0
POSITION = np.array([[45.0, 9.0], [45.5, 9.5], [46.0, 11.0], [45.0, 10.5]])


def grid() -> Machines:
    """Four machines on a ring; a mode of 2.3 Hz, in which the first and the last swing most."""
    lines = [
        (0, 4, 0.05),
        (1, 5, 0.05),
        (2, 6, 0.3),
        (3, 7, 0.05),
        (4, 5, 0.1),
        (5, 7, 0.1),
        (4, 7, 0.15),
        (5, 6, 0.25),
    ]
    loads = {4: 1.2 + 0.3j, 5: 1.0 + 0.2j, 7: 1.5 + 0.3j, 6: 0.2 + 0.05j}
    return Machines(lines, loads, [0, 1, 2, 3], [12.0, 6.0, 1.5, 8.0], [1.2, 1.0, 0.4, 1.3])


def forced(source: int, hertz: float, seconds: float = 50.0) -> Observations:
    """The mechanical power of one machine swings by 3 MW from the onset on."""
    machine = np.arange(4) == source
    voltage, power = run(grid(), seconds, lambda t: 0.03 * np.sin(2 * np.pi * hertz * t) * (t > ONSET) * machine)
    return measured(voltage[:4], power, POSITION)


def line(seen: Observations) -> Line:
    found = find(seen, round(ONSET * seen.rate), SLOW)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def resonant() -> Observations:
    """Forced where the mode does not swing most."""
    return forced(1, 2.3)


def test_energy_names_the_source_where_amplitudes_mislead(resonant: Observations) -> None:
    (voltage,) = oscillate(line(resonant))
    assert int(np.argmax(voltage.size)) == 0
    fed = energy(line(resonant))
    assert fed is not None
    assert np.argsort(-fed.signed)[0] == 1
    assert np.all(fed.signed[[0, 2, 3]] < 0)  # what damps the oscillation takes energy


@pytest.mark.parametrize(("source", "hertz"), [(0, 0.9), (2, 0.8), (3, 1.7)])
def test_energy_names_the_source_off_resonance_too(source: int, hertz: float) -> None:
    fed = energy(line(forced(source, hertz)))
    assert fed is not None
    assert np.argmax(fed.size) == source
    assert np.count_nonzero(fed.size) == 1


def test_the_rise_is_that_of_the_integral(resonant: Observations) -> None:
    """W(t) summed sample by sample, over the steady last 20 s."""
    part = resonant.between(30 * 50, resonant.samples)
    assert part.active is not None
    assert part.reactive is not None
    away = [x - x.mean(axis=1, keepdims=True) for x in (part.active, part.reactive)]
    turned = np.diff(np.unwrap(part.angle, axis=1), axis=1)
    turned = turned - turned.mean(axis=1, keepdims=True)
    stretched = np.diff(np.log(part.magnitude), axis=1)
    halfway = [(x[:, 1:] + x[:, :-1]) / 2 for x in away]
    work = np.sum(halfway[0] * turned + halfway[1] * stretched, axis=1) / (turned.shape[1] / part.rate)
    found = find(part, 0, SLOW)
    assert found is not None
    fed = energy(found)
    assert fed is not None
    assert fed.signed == pytest.approx(work, rel=0.05, abs=0.02 * np.abs(work).max())


def test_the_place_is_that_of_the_source(resonant: Observations) -> None:
    @dataclass(frozen=True)
    class Found:
        onset: float = ONSET

    seen = Seen(np.zeros(resonant.frequency.shape, bool), resonant, np.ones(4, bool))
    found = locate(seen, Found(), "osc_forced")
    assert found is not None
    assert found.nearest[0] == 1
    assert sorted(found.nearest) == [0, 1, 2, 3]
    assert found.detail["energy"][1] > 0 > max(found.detail["energy"][k] for k in (0, 2, 3))
    assert np.hypot(found.latitude - 45.5, found.longitude - 9.5) < 0.3
    blind = locate(replace(seen, repaired=replace(resonant, active=None, reactive=None)), Found(), "osc_forced")
    assert blind is not None
    assert blind.nearest[0] == 0
    assert "energy" not in blind.detail


def test_a_source_where_no_power_is_measured_is_not_guessed(resonant: Observations) -> None:
    hidden = np.arange(4)[:, None] == 1
    assert resonant.active is not None
    assert resonant.reactive is not None
    unknown = replace(
        resonant,
        active=np.where(hidden, np.nan, resonant.active),
        reactive=np.where(hidden, np.nan, resonant.reactive),
    )
    assert energy(line(unknown)) is None
    assert energy(line(replace(resonant, active=None))) is None


def test_powers_are_in_megawatt(resonant: Observations) -> None:
    assert resonant.active is not None
    assert resonant.active.mean(axis=1) == pytest.approx(BASE * np.array([1.2, 1.0, 0.4, 1.3]), rel=0.2)


def test_a_shape_has_amplitudes_and_phases() -> None:
    rng = np.random.default_rng(4)
    time = np.arange(3000) / 50.0
    size, phase = np.array([0.03, 0.02, 0.01, 0.0]), np.radians([10.0, -170.0, 40.0, 0.0])
    wave = size[:, None] * np.sin(2 * np.pi * 0.63 * time + phase[:, None])
    frequency = 50.0 + wave + 1e-4 * rng.standard_normal(wave.shape)
    frequency[3] = np.nan
    voltage = 1.0 + 1e-5 * rng.standard_normal(wave.shape)
    nothing = np.full_like(wave, np.nan)
    seen = Observations(50.0, frequency, voltage, nothing, nothing, nothing, np.zeros(4), np.zeros(4))
    told = shape(line(seen))
    assert told["hz"] == pytest.approx(0.63, abs=0.002)
    assert told["swing"][:3] == pytest.approx([30.0, 20.0, 10.0], rel=0.1)
    assert told["phase"][:3] == pytest.approx([0.0, -180.0, 30.0], abs=1.0) or told["phase"][1] == pytest.approx(180.0)
    assert (told["swing"][3], told["phase"][3]) == (None, None)
