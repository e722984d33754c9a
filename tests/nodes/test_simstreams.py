"""What simulated devices stream: picked, grouped by layout, counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.simulation import Scenario, Simulation
from nodes import _simgbt, _simulated, _tally
from nodes._simgbt import Identities
from nodes._simstreams import Stream, Streams
from nodes._simulated import Shape
from protocol.c37118 import StationRows
from protocol.clock import MILLISECOND, SECOND, Now, slot_time
from protocol.gbt26865 import (
    Command,
    CommandCode,
    ConfigurationFrame,
    Device,
    Phasor,
    choose,
    compile_codec,
    encode_command,
    encode_configuration,
)
from protocol.gbt26865.events import Configured
from protocol.messages import Spectrum

SHAPE = Shape(50, 1_000_000, 50, 15, 3, 2, 6, 3, 2)
SLOT = 50 * 1_700_000_000
COUNTS = st.lists(st.tuples(st.integers(1, 100), st.sampled_from(Spectrum)), max_size=50)


@given(COUNTS)
def test_tallies_add_up(items: list[tuple[int, Spectrum]]) -> None:
    total = sum(_tally.tally(stations, spectrum) for stations, spectrum in items)
    assert _tally.rows(total) == sum(stations for stations, _ in items)
    for one in Spectrum:
        assert _tally.frames(total, one) == sum(spectrum is one for _, spectrum in items)


def substations(count: int) -> list[Device]:
    return [_simgbt.device(SHAPE, 1 + number, Identities("SIM#####"), False) for number in range(count)]


def simulated(count: int) -> list[StationRows]:
    grid = Simulation(count * SHAPE.stations, 0.02, 50.0, 1, Scenario())
    return _simulated.rows(SHAPE, grid.next(1), 0, SLOT, np.arange(count, dtype=np.uint16))


@given(st.data())
def test_streams_of_any_choice_carry_what_was_chosen(data: st.DataObject) -> None:
    devices, rows = substations(4), simulated(4)
    everything: list[int] = []
    for device in devices:
        kept = data.draw(st.sets(st.integers(0, 2 * 11 - 1), min_size=1))
        every = data.draw(st.sampled_from([1, 2]))
        everything.append(every)
        places = iter(range(2 * 11))
        chosen = choose(device.capability, lambda station, each, k=kept, p=places: next(p) in k, 100 * every)  # type: ignore[misc]
        assert chosen
        device.cfg = chosen
    streams = Streams(50, [_simgbt.stream(device) for device in devices])
    slot = SLOT + data.draw(st.integers(0, 1))
    shift = np.array([0, 5 * MILLISECOND, -SECOND, 0])
    for number, (device, frame) in enumerate(zip(devices, streams.encode(rows, slot, shift), strict=True)):
        if slot % everything[number]:
            assert frame == b""
            continue
        batch = compile_codec(device.cfg).decode([frame])
        assert int(batch.time[0]) == slot_time(slot, 50) + shift[number]
        for station, came in zip(device.cfg.stations, batch.stations, strict=True):
            (place,) = (k for k, each in enumerate(device.capability.stations) if each.identity == station.identity)
            known = device.capability.stations[place]
            want = list(rows[place].values[number, :2])
            for phasor in station.phasors:
                at = 2 + 2 * [each.name for each in known.phasors].index(phasor.name)
                want += list(rows[place].values[number, at : at + 2])
            for analog in station.analogs:
                want.append(rows[place].values[number, 14 + [each.name for each in known.analogs].index(analog.name)])
            np.testing.assert_allclose(came.values[0], want, rtol=1e-6, atol=2e-5)
            assert came.status.tolist() == [number]
            assert came.digital.shape == (1, len(station.digitals))


def test_one_device_s_frame_again_is_the_same() -> None:
    rows, zero = simulated(3), np.zeros(3, np.int64)
    streams = Streams(50, [_simgbt.stream(device) for device in substations(3)])
    frames = streams.encode(rows, SLOT, zero)
    assert streams.encode(rows, SLOT, zero, 1) == [b"", frames[1], b""]


@pytest.mark.parametrize("regrouped", [False, True])
def test_a_replaced_stream_is_encoded_by_its_own_configuration(regrouped: bool) -> None:
    devices, rows, zero = substations(3), simulated(3), np.zeros(3, np.int64)
    streams = Streams(50, [_simgbt.stream(device) for device in devices])
    before = streams.encode(rows, SLOT, zero)
    device = devices[1]
    if regrouped:
        chosen = choose(device.capability, lambda _, each: isinstance(each, Phasor))
        assert chosen
        device.cfg = chosen
        streams.replace(1, _simgbt.stream(device))
    else:
        other = replace(device.cfg, identity=b"SIM00009")
        streams.replace(1, Stream(compile_codec(other)))
    after = streams.encode(rows, SLOT, zero)
    assert (after[0], after[2]) == (before[0], before[2])
    if regrouped:
        assert len(after[1]) == device.cfg.data_size < len(before[1])
    else:
        assert (after[1][4:12], after[1][12:-2]) == (b"SIM00009", before[1][12:-2])


@pytest.mark.parametrize(
    ("rate", "nominal", "found"),
    [(50, 50, 100), (100, 50, 50), (25, 50, 200), (60, 60, 100), (1, 50, 5000), (-5, 50, 25_000), (200, 50, 25)],
)
def test_periods_of_rates(rate: int, nominal: int, found: int) -> None:
    assert _simgbt.period(rate, nominal) == found


@pytest.mark.parametrize(("rate", "nominal"), [(30, 50), (-14, 50), (7, 60)])
def test_rates_that_no_period_says(rate: int, nominal: int) -> None:
    with pytest.raises(ValueError, match="no PERIOD"):
        _simgbt.period(rate, nominal)


def test_identities_by_a_pattern() -> None:
    assert Identities("SIM#####").of(7) == b"SIM00007"
    assert Identities("0GX##GP1").of(99) == b"0GX99GP1"
    assert Identities("SIM#####").of(65_534, 9) == b"09M65534"


def test_a_substation_takes_only_what_it_can_stream() -> None:
    device, now = substations(1)[0], Now(0, 0)
    capability = device.capability

    def taken(cfg: ConfigurationFrame) -> bool:
        announced = Command(identity=device.identity, version=3, command=CommandCode.DOWNLOAD_CONFIGURATION_2)
        device.receive(encode_command(announced), now)
        events = device.receive(encode_configuration(cfg, 2), now)
        return any(isinstance(event, Configured) for event in events)

    whole = choose(capability)
    assert whole
    first = whole.stations[0]
    shuffled = replace(first.digitals[0], labels=first.digitals[0].labels[::-1])
    assert taken(whole)
    assert taken(replace(whole, stations=(replace(first, period=500),)))
    assert not taken(replace(whole, stations=(replace(first, period=150),)))
    assert not taken(replace(whole, stations=(replace(first, period=50),)))
    assert not taken(replace(whole, stations=(replace(first, nominal=60),)))
    assert not taken(replace(whole, stations=(replace(first, digitals=(shuffled,)),)))
    assert not taken(replace(whole, stations=(replace(first, identity=b"SIM00002"),)))
