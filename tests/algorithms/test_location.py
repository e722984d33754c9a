from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from algorithms.electrical import Network
from algorithms.location import SWINGS, Place, locate, trusted
from algorithms.observations import Observations
from tests.algorithms.seen import Seen

RATE, SAMPLES, ONSET = 50.0, 4000, 3000
KM = 111.195


@dataclass(frozen=True)
class Found:
    onset: float = ONSET / RATE


@dataclass(frozen=True)
class Event:
    """At an origin [km east and north], with what each of the devices felt of it."""

    seen: Seen
    origin: np.ndarray
    position: np.ndarray
    felt: np.ndarray
    """[m] jump of the angle [rad]"""


def event(seed: int, devices: int = 10, scatter: float = 0.5, size: float = 0.1) -> Event:
    """Jumps of angle and voltage that fall off with the distance, each times some factor of the device's own."""
    rng = np.random.default_rng(seed)
    position, origin = rng.uniform(0.0, 600.0, (devices, 2)), rng.uniform(50.0, 550.0, 2)
    falling = size / (1 + np.linalg.norm(position - origin, axis=1) / 60)
    felt, dip = falling * np.exp(scatter * rng.standard_normal((2, devices)))
    after = np.arange(SAMPLES) >= ONSET
    noise = rng.standard_normal((2, devices, SAMPLES))
    common = np.cumsum(rng.normal(0.0, 1e-3, SAMPLES))
    angle = common + rng.uniform(-1.0, 1.0, (devices, 1)) - felt[:, None] * after + 1e-3 * noise[0]
    voltage = 1.0 - 0.3 * dip[:, None] * after + 3e-4 * noise[1]
    nothing = np.full((devices, SAMPLES), np.nan)
    north, east = 45.0 + position[:, 1] / KM, 9.0 + position[:, 0] / KM / np.cos(np.radians(45.0))
    seen = Observations(RATE, np.full_like(angle, 50.0), voltage, angle, nothing, nothing, north, east)
    return Event(Seen(np.zeros(angle.shape, bool), seen, np.ones(devices, bool)), origin, position, felt)


def off(place: Place, case: Event) -> np.ndarray:
    """[2] km east and north from the place to the origin."""
    scale = KM * np.cos(np.radians(45.0))
    return case.origin - np.array([(place.longitude - 9.0) * scale, (place.latitude - 45.0) * KM])


def inside(place: Place, away: np.ndarray) -> bool:
    major, minor, direction = place.ellipse
    along = np.array([np.sin(np.radians(direction)), np.cos(np.radians(direction))])
    return bool((away @ along / major) ** 2 + (away @ np.array([along[1], -along[0]]) / minor) ** 2 <= 1.0)


def test_the_place_is_near_and_the_ellipse_honest() -> None:
    cases = [event(seed) for seed in range(60)]
    places = [locate(case.seen, Found(), "gen_trip") for case in cases]
    away = [off(place, case) for place, case in zip(places, cases, strict=True) if place is not None]
    assert len(away) == 60
    strongest = [case.origin - case.position[np.argmax(case.felt)] for case in cases]
    error, simple = (np.median(np.linalg.norm(part, axis=1)) for part in (away, strongest))
    assert error < 0.9 * simple
    held = [inside(place, part) for place, part in zip(places, away, strict=True) if place is not None]
    assert np.mean(held) >= 0.9
    nearest = [np.argsort(np.linalg.norm(case.position - case.origin, axis=1))[:3] for case in cases]
    assert np.mean([place.nearest[0] in near for place, near in zip(places, nearest, strict=True) if place]) > 0.8


def test_weak_events_have_large_ellipses() -> None:
    areas = {}
    for size in (0.3, 3e-4):
        places = [locate(event(seed, scatter=0.1, size=size).seen, Found(), "load_loss") for seed in range(15)]
        areas[size] = np.median([place.ellipse[0] * place.ellipse[1] for place in places if place is not None])
    assert areas[3e-4] > 1.5 * areas[0.3]


@pytest.mark.parametrize("kind", ["osc_inter_area", "slow_ramp", "none"])
def test_what_the_whole_grid_does_has_no_place(kind: str) -> None:
    assert locate(event(1).seen, Found(), kind) is None


def test_an_onset_at_the_edge_tells_nothing() -> None:
    assert locate(event(1).seen, Found(0.1), "gen_trip") is None


def test_bad_data_take_no_part() -> None:
    case = event(5)
    quiet = int(np.argmin(case.felt))
    wild = 2.0 * (np.arange(SAMPLES) >= ONSET) * (np.arange(10) == quiet)[:, None]
    true = case.seen.repaired
    right = locate(case.seen, Found(), "gen_trip")
    assert right is not None
    lying = replace(case.seen, repaired=replace(true, angle=true.angle + wild, magnitude=true.magnitude + wild))
    told = locate(lying, Found(), "gen_trip")
    assert told is not None
    assert told.nearest[0] == quiet
    bad = case.seen.bad.copy()
    bad[quiet, ONSET - 10 : ONSET + 200] = True
    for seen in (replace(lying, bad=bad), replace(lying, usable=np.arange(10) != quiet)):
        found = locate(seen, Found(), "gen_trip")
        assert found is not None
        assert quiet not in found.nearest
        assert found.nearest[0] == right.nearest[0]


def test_short_holes_count_as_mended() -> None:
    seen = event(5).seen
    bad = seen.bad.copy()
    bad[0, 10:15] = bad[0, 100:106] = bad[1, :6] = bad[2, -5:] = bad[3, -6:] = True
    kept = np.isfinite(trusted(replace(seen, bad=bad)).angle)
    assert np.flatnonzero(~kept[0]).tolist() == list(range(100, 106))
    assert (~kept).sum(axis=1)[1:5].tolist() == [6, 0, 6, 0]


def test_without_positions_there_is_an_order() -> None:
    case = event(7)
    for known in (0, 2):
        north = np.where(np.arange(10) < known, case.seen.repaired.latitude, np.nan)
        seen = replace(case.seen, repaired=replace(case.seen.repaired, latitude=north))
        found = locate(seen, Found(), "gen_trip")
        assert found is not None
        assert np.isnan(found.latitude)
        assert np.isnan(found.ellipse).all()
        assert sorted(found.nearest) == list(range(10))
        assert found.nearest[0] == int(np.argmax(case.felt))


@pytest.mark.parametrize("devices", [3, 50])
def test_few_and_many_devices(devices: int) -> None:
    case = event(8, devices=devices)
    found = locate(case.seen, Found(), "gen_trip")
    assert found is not None
    assert len(found.nearest) == devices
    assert inside(found, off(found, case))


def test_a_fault_is_told_by_its_dip_alone() -> None:
    found = locate(event(2).seen, Found(), "fault_2ph")
    assert found is not None
    assert set(found.detail) == {"dip", "arrival"}


def test_a_lopsided_fault_is_told_by_its_negative_sequence_too() -> None:
    """The dip is not the deepest where the unbalance is the largest."""
    case = event(2)
    level = 0.003 + 1e-4 * np.random.default_rng(1).standard_normal(case.seen.bad.shape)
    level[:, ONSET : ONSET + 5] += 0.3 * case.felt[:, None]
    level[7, ONSET : ONSET + 5] += 0.5
    found = locate(replace(case.seen, repaired=replace(case.seen.repaired, negative=level)), Found(), "fault_2ph")
    before = locate(case.seen, Found(), "fault_2ph")
    assert found is not None
    assert before is not None
    assert set(found.detail) == {"dip", "unbalance", "arrival"}
    assert found.nearest.index(7) < before.nearest.index(7)
    assert (found.latitude, found.longitude) == (before.latitude, before.longitude)


@pytest.mark.parametrize(
    ("kind", "orders"), [("gen_trip", True), ("load_loss", True), ("line_trip", False), ("fault_3ph", False)]
)
def test_what_the_others_do_not_explain_tells_where_all_move_together(kind: str, orders: bool) -> None:
    """A device that any change moves most is not named; without loads that show how all move together it is."""
    case = event(2)
    wide = int(np.argsort(case.felt)[-3])
    felt = case.felt * np.where(np.arange(10) == wide, 8.0, 1.0)
    near = np.exp(-np.linalg.norm(case.position[:, None] - case.position, axis=2) / 150.0)
    carry = np.where(np.arange(10) == wide, 8.0, 1.0)[:, None] * near
    after = np.arange(SAMPLES) >= ONSET
    loads = np.random.default_rng(2).normal(0.0, 1e-3, (2, 10, SAMPLES))
    named, told = [], []
    for moves in (np.cumsum(carry @ loads, axis=2), loads):
        angle, voltage = -felt[:, None] * after + moves[0], 1.0 - 0.3 * felt[:, None] * after + 0.3 * moves[1]
        found = locate(
            replace(case.seen, repaired=replace(case.seen.repaired, angle=angle, magnitude=voltage)), Found(), kind
        )
        assert found is not None
        named.append(found.nearest[0])
        told.append(set(found.detail) - {"arrival"})
    felt_by = {"dip"} if kind == "fault_3ph" else {"jump", "step"}
    assert told == [felt_by | {f"{name} alone" for name in felt_by}, felt_by]
    assert named[0] != wide or not orders
    assert named[1] == wide


def test_an_earlier_event_does_not_tell_how_devices_usually_move() -> None:
    case = event(11)
    seen = case.seen.repaired
    before = locate(case.seen, Found(), "gen_trip")
    angle = seen.angle - 20.0 * case.felt[:, None] * (np.arange(SAMPLES) >= 1500)
    found = locate(replace(case.seen, repaired=replace(seen, angle=angle)), Found(), "gen_trip")
    assert before is not None
    assert found is not None
    assert found.nearest[:3] == before.nearest[:3]


def test_an_oscillation_is_told_by_its_amplitude() -> None:
    case = event(9)
    t = np.arange(SAMPLES) / RATE
    voltage = 1.0 + case.felt[:, None] * np.sin(2 * np.pi * 6.1 * t)
    seen = replace(case.seen, repaired=replace(case.seen.repaired, magnitude=voltage, frequency=49.0 + voltage))
    found = locate(seen, Found(5.0), "osc_subsync")
    assert found is not None
    assert set(found.detail) == {"voltage", "swing", "shape"}
    assert found.nearest[0] == int(np.argmax(case.felt))


def test_an_oscillation_of_the_whole_grid_has_a_shape_and_no_place() -> None:
    case = event(9)
    t = np.arange(SAMPLES) / RATE
    side = np.where(np.arange(10) < 4, -0.5, 1.0)[:, None]
    swing = case.seen.repaired.frequency + 0.02 * side * np.sin(2 * np.pi * 0.42 * t)
    found = locate(replace(case.seen, repaired=replace(case.seen.repaired, frequency=swing)), Found(5.0), SWINGS)
    assert found is not None
    assert np.isnan(found.latitude)
    assert found.nearest == []
    shape = found.detail["shape"]
    assert shape["hz"] == pytest.approx(0.42, abs=0.002)
    assert np.abs(shape["phase"][:4]) == pytest.approx(180.0, abs=1.0)
    assert shape["phase"][4:] == pytest.approx([0.0] * 6, abs=1.0)
    assert np.array(shape["swing"][:4]) / shape["swing"][9] == pytest.approx(0.5, rel=0.01)


def test_a_network_names_the_bus_and_orders_by_reactance() -> None:
    """The buses are in a row along a line, with a device at each of the first five; the event is at the last bus."""
    case = event(1, devices=5, scatter=0.0)
    felt = np.array([0.01, 0.013, 0.018, 0.03, 0.06])
    voltage = 1.0 - (np.arange(SAMPLES) >= ONSET) * felt[:, None]
    seen = replace(case.seen, repaired=replace(case.seen.repaired, magnitude=voltage, angle=1.0 - voltage))
    buses, row = 7, np.arange(7)
    nowhere = np.full(buses, np.nan)
    names = tuple("ABCDEFG")
    network = Network(names, row[:-1], row[1:], np.full(6, 0.1), row[:5], nowhere, nowhere)
    found = locate(seen, Found(), "fault_3ph", network)
    assert found is not None
    assert found.nearest == [4, 3, 2, 1, 0]
    assert found.detail["named"][0][0] in "EFG"
    assert np.isfinite(found.latitude)  # from the devices' positions, as no bus has one
    north = 45.0 + row
    placed = locate(seen, Found(), "fault_3ph", replace(network, latitude=north, longitude=np.full(buses, 9.0)))
    assert placed is not None
    assert placed.latitude > 48.5
    away = locate(seen, Found(), "fault_3ph", replace(network, devices=np.array([0, 1, 2, -1, -1])))
    assert away is not None
    assert away.nearest[:3] == [2, 1, 0]
    assert sorted(away.nearest) == [0, 1, 2, 3, 4]


def test_a_network_of_two_islands_orders_each() -> None:
    case = event(1, devices=5, scatter=0.0)
    felt = np.array([0.0001, 0.0001, 0.018, 0.03, 0.06])
    voltage = 1.0 - (np.arange(SAMPLES) >= ONSET) * felt[:, None]
    seen = replace(case.seen, repaired=replace(case.seen.repaired, magnitude=voltage, angle=1.0 - voltage))
    ends = np.array([[0, 1], [2, 3], [3, 4]])
    nowhere = np.full(5, np.nan)
    network = Network(tuple("ABCDE"), ends[:, 0], ends[:, 1], np.full(3, 0.1), np.arange(5), nowhere, nowhere)
    found = locate(seen, Found(), "fault_3ph", network)
    assert found is not None
    assert found.nearest[:3] == [4, 3, 2]


def test_a_noisy_device_is_no_near_one() -> None:
    """One that shows nothing but its noise, which is larger than the event: its size alone would often name it."""
    named, largest = [], []
    for seed in range(20):
        case = event(seed, scatter=0.1, size=0.01)
        loud = int(np.argmin(case.felt))
        noise = 0.01 * np.random.default_rng(seed).standard_normal((2, SAMPLES))
        angle, magnitude = case.seen.repaired.angle.copy(), case.seen.repaired.magnitude.copy()
        angle[loud] += noise[0]
        magnitude[loud] += noise[1]
        repaired = replace(case.seen.repaired, angle=angle, magnitude=magnitude)
        found = locate(replace(case.seen, repaired=repaired), Found(), "gen_trip")
        assert found is not None
        named.append(found.nearest[0] == loud)
        sizes = np.log(np.abs([found.detail["jump"], found.detail["step"]])).sum(axis=0)
        largest.append(int(np.argmax(sizes)) == loud)
    assert np.sum(named) < 0.5 * np.sum(largest)


def test_labelled_events(shared: Path) -> None:
    """A few clear events of the labelled scenarios, with their true onset and kind."""
    from archive.scenarios import Folder

    folder = Folder(shared / "data" / "scenarios")
    truth = {label["id"]: label for label in json.loads((folder.path / "labels.json").read_text())}
    wanted = [s for s in folder.scenarios if truth[s.id]["kind"] == "gen_trip" and not truth[s.id]["bad_data"]][:6]
    near = []
    for scenario in wanted:
        label, seen = truth[scenario.id], folder.observations(scenario)
        fine = Seen(~np.isfinite(seen.frequency), seen, np.ones(seen.devices, bool))
        found = locate(fine, Found(label["t_event"]), label["kind"])
        assert found is not None
        near.append(scenario.devices[found.nearest[0]] in label["nearest_elec"][:3])
    assert np.mean(near) >= 0.8
