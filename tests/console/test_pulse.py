from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from console.board import Board
from console.model import Station
from console.pulse import Pulses, State, roster, spread
from protocol import clock
from protocol.clock import SECOND
from protocol.messages import Configuration, Flags, Snapshots
from tests.console.browser.feeding import RATE, TABLE, configuration

START = 1_800_000_000 * SECOND
KNOWN = [
    configuration(number << 16, f"D{number}", "north" if number < 3 else "south", (47.0, 119.0))
    for number in range(1, 5)
]


def slots(frequency: list[float], second: int = 0, **more: object) -> Snapshots:
    """A second of four devices at these frequencies."""
    slot = clock.slot_of(START, RATE) + second * RATE + np.arange(RATE)
    values = np.full((RATE, len(frequency), TABLE.channels), 1.0, np.float32)
    values[..., 0] = frequency
    values[np.isnan(values[..., 0])] = np.nan
    shape = values.shape[:2]
    told = Snapshots(
        table=TABLE.key, slot=slot, device=np.array([each.device for each in KNOWN], np.uint32),
        present=np.ones(shape, np.uint8), quality=np.zeros(shape, np.uint8), status=np.zeros(shape, np.uint16),
        values=values, digital=np.zeros((*shape, TABLE.digitals), np.uint16), latency=np.zeros(RATE, np.int64),
    )  # fmt: skip
    return replace(told, **more)


@pytest.fixture
def station() -> Station:
    held = Station("North Hub", Board([]), 60 * SECOND, 1 << 24)
    for each in KNOWN:
        held.take(each, 0.0)
    return held


def test_figures_of_the_site_and_of_regions(station: Station) -> None:
    station.take(slots([50.01, 50.03, 49.98, 50.02]), 0.0)
    pulse = Pulses(station, {}).now(0.0)
    whole, north, south = pulse.spreads
    assert (whole.region, north.region, south.region) == ("", "north", "south")
    assert whole.centre == pytest.approx(50.01, abs=1e-5)
    assert (whole.least, whole.greatest) == pytest.approx((49.98, 50.03), abs=1e-5)
    assert south.centre == pytest.approx(50.0, abs=1e-5)
    assert pulse.deviation == pytest.approx([10, 30, -20, 20], abs=0.01)
    assert pulse.state.tolist() == [State.OK] * 4


def test_the_centre_of_inertia(station: Station) -> None:
    station.take(slots([50.0, 50.1, 49.0, 49.0]), 0.0)
    site = {"devices": [{"number": 1, "inertia": 3.0}, {"number": 2, "inertia": 1.0}, {"number": 3}]}
    pulse = Pulses(station, site).now(0.0)
    assert pulse.roster.weighted
    assert pulse.spreads[0].centre == pytest.approx(50.025, abs=1e-5)
    assert np.isnan(pulse.spreads[2].centre)  # nothing turns in the south


def test_states_and_what_does_not_count(station: Station) -> None:
    status = np.zeros((RATE, 4), np.uint16)
    status[:, 1], status[:, 2] = 0x2000, 0x8000
    station.take(slots([50.0, 50.1, 51.0, 50.2], status=status), 0.0)
    bad = Flags(
        device=np.array([KNOWN[3].device], np.uint32), kind=["frozen"], start=np.array([START]), stop=np.array([START]),
        going=np.array([1], np.uint8), score=np.array([2.0]), detail=[{}],
    )  # fmt: skip
    station.take(bad, 0.0)
    pulse = Pulses(station, {}).now(0.0)
    assert pulse.state.tolist() == [State.OK, State.CLOCK, State.BAD, State.BAD]
    assert pulse.spreads[0].devices == 2


def test_a_device_falls_silent_then_all_do(station: Station) -> None:
    station.take(slots([50.0] * 4), 0.0)
    pulses = Pulses(station, {})
    for second in range(1, 5):
        station.take(slots([50.0, 50.0, 50.0, float("nan")], second), float(second))
        pulse = pulses.now(float(second))
    assert pulse.state.tolist() == [State.OK] * 3 + [State.SILENT]
    assert np.isnan(pulse.frequency[3])
    assert pulses.now(9.0).state.tolist() == [State.SILENT] * 4
    assert len(pulses.past) == 5


def test_it_is_made_once_a_second(station: Station) -> None:
    station.take(slots([50.0] * 4), 0.0)
    pulses = Pulses(station, {})
    assert pulses.now(0.0) is pulses.now(0.5)
    assert pulses.now(0.5) is not pulses.now(1.1)


def test_places_of_buses_stand_in() -> None:
    lost = replace(KNOWN[0], latitude=float("nan"), longitude=float("nan"))
    known: dict[int, Configuration] = {lost.device: lost, KNOWN[1].device: KNOWN[1]}
    assert roster(known, {}, {1: (46.0, 118.0), 2: (0.0, 0.0)}).place.tolist() == [[46.0, 118.0], [47.0, 119.0]]


def test_nobody_has_no_spread() -> None:
    nothing = spread("", np.array([50.0]), np.array([0.0]), np.array([1.0]), np.array([False]))
    assert nothing.devices == 0
    assert np.isnan(nothing.centre)
