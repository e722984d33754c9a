"""Bad data that simulated devices send: found by those who look for it, and by nobody else."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.observations import Observations
from algorithms.quality import Fault as Kind
from algorithms.quality import assess
from algorithms.simulation import Scenario, Simulation
from nodes._badvalues import KINDS, SIZES, BadValues
from nodes._simulated import Shape, rows
from nodes._troubles import Fault, FaultKind
from protocol.c37118 import StationRows
from protocol.clock import SECOND

SHAPE = Shape(50, 1_000_000, 50, 15, 2, 1, 3, 0, 1)
DEVICES, BAD, SECONDS = 6, 3, 60
EVERY, LENGTH = 30, 10
NAMES = {FaultKind.STEP: Kind.STEP_OFFSET}


def fault(kind: FaultKind, **more) -> Fault:
    return Fault(kind=kind, every=f"{EVERY} s", length=f"{LENGTH} s", **more)


@cache
def measured() -> list[StationRows]:
    """[n] what all devices measure."""
    grid, status = Simulation(DEVICES, 0.02, 50.0, 3, Scenario()), np.zeros(DEVICES, np.uint16)
    return [rows(SHAPE, grid.next(1), 0, count, status)[0] for count in range(SECONDS * 50)]


def sent(bad: BadValues) -> np.ndarray:
    """[n, m, c] values of all devices."""
    found = []
    for count, each in enumerate(measured()):
        made = replace(each, values=each.values.copy())
        bad.spoil([made], BAD, count)
        found.append(made.values)
    return np.array(found)


def seen(values: np.ndarray) -> Observations:
    frequency, volts, degrees = (np.moveaxis(values[..., k], 0, 1).astype(float) for k in (0, 2, 3))
    none, place = np.full(frequency.shape, np.nan), np.full(DEVICES, np.nan)
    return Observations(50.0, frequency, volts / 127_000.0, np.radians(degrees), none, none, place, place)


@pytest.mark.parametrize("kind", sorted(KINDS - {FaultKind.CLOCK_OFFSET}))
def test_it_is_found_by_its_kind_in_its_span(kind: FaultKind):
    values = sent(BadValues([fault(kind)], 0.02, 50.0, 3, np.random.default_rng(1)))
    found = assess(seen(values)).flags
    assert {(flag.device, flag.kind) for flag in found} == {(BAD, NAMES.get(kind) or Kind(str(kind)))}
    assert min(flag.start for flag in found) == pytest.approx(
        EVERY * 50, abs={FaultKind.DRIFT: 60, FaultKind.STEP: 30}.get(kind, 5)
    )
    assert max(flag.stop for flag in found) == pytest.approx((EVERY + LENGTH) * 50, abs=30)


def test_others_are_as_they_were_and_before_it_all_are():
    clean = sent(BadValues([], 0.02, 50.0, 3, np.random.default_rng(1)))
    for kind in KINDS:
        values = sent(BadValues([fault(kind, offset="-80 ms")], 0.02, 50.0, 3, np.random.default_rng(1)))
        others = np.arange(DEVICES) != BAD
        np.testing.assert_array_equal(values[:, others], clean[:, others])
        np.testing.assert_array_equal(values[: EVERY * 50, BAD], clean[: EVERY * 50, BAD])
        np.testing.assert_array_equal(values[(EVERY + LENGTH) * 50 :, BAD], clean[(EVERY + LENGTH) * 50 :, BAD])


@given(st.integers(-500, 500), st.integers(0, 59 * 50))
def test_a_clock_turns_angles_as_far_as_the_grid_turns_meanwhile(offset: int, count: int):
    bad = BadValues([fault(FaultKind.CLOCK_OFFSET, offset=f"{offset} ms")], 0.02, 50.0, 3, np.random.default_rng(1))
    inside = EVERY * 50 <= count < (EVERY + LENGTH) * 50
    assert bad.clock_error(count) == (offset * SECOND // 1000 if inside else 0)
    grid = Simulation(DEVICES, 0.02, 50.0, 3, Scenario())
    made = rows(SHAPE, grid.next(1), 0, 0, np.zeros(DEVICES, np.uint16))
    before = made[0].values.copy()
    bad.spoil(made, BAD, count)
    turned = np.radians(made[0].values[BAD, 3:8:2].astype(float) - before[BAD, 3:8:2])
    wanted = -2 * np.pi * 50.0 * offset / 1000 if inside else 0.0
    np.testing.assert_allclose(np.exp(1j * turned), np.exp(1j * wanted), atol=1e-5)


def test_a_size_is_what_it_says():
    clean = sent(BadValues([], 0.02, 50.0, 3, np.random.default_rng(1)))
    for kind in SIZES.keys() - {FaultKind.NOISE_BURST}:
        values = sent(BadValues([fault(kind, size=0.3)], 0.02, 50.0, 3, np.random.default_rng(1)))
        assert np.abs(values - clean)[:, BAD, 0].max() == pytest.approx(0.3, abs=0.01)
