"""Disturbances of a made-up grid: whether, when, of what kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.coanalysis import KINDS, classify, detect
from algorithms.coanalysis.detection import ALONE, HERALD, SHARP, heralded
from algorithms.coanalysis.kinds import softmax
from tests.algorithms.coanalysis.grids import NEAR, RATE, Grid, M, assessed

AT = 70.1

EVENTS = {
    "gen_trip": lambda grid: grid.trip(AT, -30.0),
    "load_loss": lambda grid: grid.trip(AT, 30.0),
    "line_trip": lambda grid: grid.line(AT),
    "fault_3ph": lambda grid: grid.fault(AT),
    "fault_2ph": lambda grid: grid.fault(AT, negative=1.0),
    "fault_ground": lambda grid: grid.fault(AT, negative=0.9, zero=0.5),
    "osc_forced": lambda grid: grid.oscillation(AT, 0.5, 8.0, harmonic=0.4),
    "osc_inter_area": lambda grid: grid.oscillation(AT, 0.5, 25.0, decay=0.05),
    "osc_subsync": lambda grid: grid.oscillation(AT, 8.0, 8.0),
}


@pytest.mark.parametrize("kind", EVENTS)
def test_an_event_is_detected_and_named(kind: str) -> None:
    seen = EVENTS[kind](Grid(seed=3)).seen()
    found = detect(seen)
    assert found.disturbance
    assert found.score > 1.0
    said = classify(seen, found)
    assert said.name == kind, said.rules
    assert said.rules
    assert said.confidence == max(said.probabilities.values())
    if not kind.startswith("osc"):
        assert found.onset == pytest.approx(AT, abs=0.07)
        assert np.nanmin(np.abs(found.arrivals - AT)) < 0.1
    if kind in ("gen_trip", "load_loss"):
        assert said.size_mhz == pytest.approx(-30.0 if kind == "gen_trip" else 30.0, abs=12.0)


@pytest.mark.parametrize("seed", range(4))
def test_quiet_is_quiet_and_so_is_a_ramp(seed: int) -> None:
    grid = Grid(seed=10 + seed)
    grid.frequency += np.interp(grid.time, [30, 90], [0, 60.0 * (seed % 2)])
    found = detect(grid.seen())
    assert not found.disturbance
    assert np.isnan(found.onset)
    assert np.isnan(found.arrivals).all()
    said = classify(grid.seen(), found)
    assert (said.name, said.confidence) == ("none", 1.0)


def test_what_one_device_shows_alone_is_no_disturbance() -> None:
    grid = Grid(seed=5)
    grid.voltage[2] += 0.05 * (grid.time > 50)
    grid.angle[2] += 0.5 * (grid.time > 50)
    assert not detect(grid.seen()).disturbance


def test_one_device_is_never_more_than_a_suspicion() -> None:
    seen = Grid(seed=6).fault(AT).seen()
    alone = assessed(seen.repaired.of([0]))
    assert not detect(alone).disturbance


def test_the_level_of_the_ambient_does_not_matter() -> None:
    """Ten times the walk, noise and event: the same judgement."""
    seen = Grid(seed=7).line(AT).seen()
    middle = seen.repaired
    angle = np.unwrap(middle.angle, axis=1)
    larger = replace(
        middle,
        frequency=50.0 + 3.0 * (middle.frequency - 50.0),
        magnitude=1.0 + 3.0 * (middle.magnitude - 1.0),
        angle=3.0 * angle,
    )
    one, other = detect(seen), detect(assessed(larger))
    assert one.detail["transient"]["s"] == other.detail["transient"]["s"]
    assert one.score == pytest.approx(other.score, rel=1e-6)


def test_a_device_that_is_bad_meanwhile_changes_little() -> None:
    seen = Grid(seed=8).trip(AT, -30.0).seen()
    bad = np.zeros(seen.bad.shape, dtype=bool)
    bad[4, 3000:4200] = True
    found = detect(assessed(seen.repaired, bad=bad))
    assert found.disturbance
    assert found.onset == pytest.approx(AT, abs=0.07)
    assert np.isnan(found.arrivals[4]) or abs(found.arrivals[4] - AT) < 2.5


def test_without_sequence_voltages_a_fault_is_a_fault() -> None:
    seen = Grid(seed=9).fault(AT, negative=1.0).seen()
    none = np.full(seen.bad.shape, np.nan)
    blind = assessed(replace(seen.repaired, negative=none, zero=none))
    said = classify(blind, detect(blind))
    assert said.name.startswith("fault")
    assert sum(share for kind, share in said.probabilities.items() if kind.startswith("fault")) > 0.9


def test_groups_that_part_are_islands() -> None:
    grid = Grid(seed=11).line(AT)
    grid.frequency[:3] += 150.0 * (grid.time > AT)
    seen = grid.seen()
    assert classify(seen, detect(seen)).name == "islanding"


def test_probabilities_leave_something_to_every_kind() -> None:
    shares = softmax({"one": 50.0, "other": -50.0, "third": 0.0})
    assert sum(shares.values()) == pytest.approx(1.0, abs=2e-4)
    assert min(shares.values()) > 0.003
    assert "islanding" in KINDS


def test_what_was_before_is_not_said_and_spoils_nothing() -> None:
    """Two events, 60 s apart."""
    before = Grid(seed=12).trip(40.1, -40.0).seen()
    assert detect(before).onset == pytest.approx(40.1, abs=0.07)
    assert not detect(before, since=95.0).disturbance
    both = Grid(seed=12).trip(40.1, -40.0).line(100.1).seen()
    found = detect(both, since=95.0)
    assert found.onset == pytest.approx(100.1, abs=0.07)
    assert classify(both, found).name == "line_trip"


def test_a_line_that_was_always_there_is_no_event() -> None:
    grid = Grid(seed=13).oscillation(0.0, 0.5, 8.0)
    assert detect(grid.seen()).score < 1.0


def test_many_devices_are_judged_in_parts() -> None:
    """Three grids side by side; something happens to the last one only."""
    seen = [Grid(seed=14).seen(), Grid(seed=15).seen(), Grid(seed=16).oscillation(AT, 0.5, 25.0, decay=0.05).seen()]
    names = ("frequency", "magnitude", "angle", "negative", "zero", "latitude")
    series = {name: np.concatenate([getattr(one.repaired, name) for one in seen]) for name in names}
    longitude = np.concatenate([one.repaired.longitude + 20.0 * k for k, one in enumerate(seen)])
    together = assessed(replace(seen[0].repaired, **series, longitude=longitude))
    found = detect(together)
    assert found.disturbance
    assert found.detail["slow"]["hz"] == pytest.approx(0.5, abs=0.03)
    assert set(found.detail["slow"]["devices"]) >= set(range(17, 24))


@given(st.floats(0.0, 20.0), st.floats(0.0, 20.0), st.integers(0, 60))
def test_a_kink_counts_with_a_step_near_it_or_if_it_is_large(kink: float, step: float, away: int) -> None:
    kinks, stepped = np.zeros((2, 200)), np.zeros(200)
    kinks[1, 100], stepped[100 + away] = kink, step
    said = heralded(kinks, stepped, RATE)
    near = step / HERALD if away <= round(SHARP * RATE) else 0.0
    assert said[1, 100] == pytest.approx(min(kink, max(near, kink / ALONE)))
    said[1, 100] = 0.0
    assert not said.any()


def test_a_swing_that_no_step_set_off_is_no_event() -> None:
    """Of three devices from one instant on: their frequencies kink, and nothing steps."""
    grid = Grid(seed=32)
    after = grid.since(AT)
    swing = np.sin(2 * np.pi * 0.9 * after) * np.exp(-after / 1.5)
    grid.frequency[:3] += 2.8 * np.array([[1.0], [0.8], [0.6]]) * swing
    assert not detect(grid.seen()).disturbance


def test_an_oscillation_began_before_what_ends_it() -> None:
    grid = Grid(seed=9).oscillation(40.0, 0.5, 30.0)
    over = grid.time >= 95.0
    grid.frequency -= 30.0 * np.linspace(1.0, -0.8, M)[:, None] * np.sin(np.pi * grid.since(40.0)) * over
    grid.angle += 0.006 * NEAR * over
    grid.voltage += 0.003 * NEAR * over
    found = detect(grid.seen())
    scores = found.detail["scores"]
    assert scores["slow"] > np.sqrt(scores["transient"]) > 1.0
    assert found.detail["transient"]["s"] == pytest.approx(95.0, abs=0.1)
    assert found.onset == pytest.approx(40.0, abs=5.0)
    assert np.isnan(found.arrivals).all()
