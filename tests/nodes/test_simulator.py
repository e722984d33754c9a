"""Simulated devices against a station by hand: what is sent is received, and what is to go wrong goes wrong."""

from __future__ import annotations

import os
import socket
from collections import Counter
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from nodes._node import Place
from nodes.simulator import Settings, Simulator
from protocol.c37118 import Splitter, compile_codec, parse, stream_id
from protocol.c37118.session import MasterSettings
from protocol.clock import SECOND
from tests.scenes import command
from tests.stations import PLACE, Loop, Station


def simulator(station: Station, **settings: Any) -> Simulator:
    options = {"devices": 3, **settings}
    if "listen" not in options:
        options["to"] = f"127.0.0.1:{station.port}"
    return Simulator(Settings.model_validate(options), PLACE)


def sent(node: Simulator, station: Station) -> Counter[int]:
    health = node.health(station.now)
    return Counter(
        {device >> 16: int(counts[0]) for device, counts in zip(health["devices"], health["counts"], strict=True)}
    )


def received(station: Station) -> Counter[int]:
    return Counter(stream_id(frame) for frame in station.frames)


def test_what_is_sent_is_received() -> None:
    with Station() as station:
        node = simulator(station, devices=5, stations=2)
        loop = Loop(node, station)
        loop.until(lambda: len(station.frames) >= 100)
        loop.stop()
        assert received(station) == sent(node, station)
        assert node.health(station.now)["counters"]["sent_rows"] == 2 * len(station.frames)


def test_frames_stand_on_the_grid_without_gaps() -> None:
    with Station() as station:
        loop = Loop(simulator(station, devices=1, rate="60/s", nominal=60), station)
        loop.until(lambda: len(station.frames) >= 130)
        loop.stop()
        (talk,) = station.talks
        batch = compile_codec(talk.told[-1]).decode(talk.frames)
        assert set(np.diff(batch.time)) == {16_666_666, 16_666_667}
        assert int(batch.time[0]) % SECOND == 0
        assert np.abs(batch.stations[0].values[:, 0] - 60).max() < 0.1


def test_nothing_comes_before_it_is_asked_for() -> None:
    with Station(MasterSettings(spontaneous=True)) as station:
        node = simulator(station)
        Loop(node, station).turns(1500)
        assert len(station.talks) == 3
        assert all(not talk.raw for talk in station.talks)
        node.stop(station.now)


def test_a_seed_gives_the_same_signals() -> None:
    values = []
    for seed in (4, 4, 5):
        with Station() as station:
            loop = Loop(simulator(station, devices=1, seed=seed), station)
            loop.until(lambda station=station: len(station.frames) >= 20)  # type: ignore[misc]
            loop.stop()
            values.append(compile_codec(station.talks[0].told[-1]).decode(station.frames[:20]).stations[0].values)
    np.testing.assert_array_equal(values[0], values[1])
    assert not np.array_equal(values[0], values[2])


@pytest.mark.parametrize("form", range(16))
def test_every_format_says_the_same_values(form: int) -> None:
    with Station() as station:
        loop = Loop(simulator(station, devices=1, format=form, analogs=1), station)
        loop.until(lambda: len(station.frames) >= 3)
        loop.stop()
        row = compile_codec(station.talks[0].told[-1]).decode(station.frames[:1]).stations[0].values[0]
        assert row[2] == pytest.approx(127_000, rel=2e-3)
        assert row[8] == pytest.approx(400, rel=2e-3)
        assert (row[3] - row[5]) % 360 == pytest.approx(120, abs=0.2)
        assert row[-1] == pytest.approx(100, abs=1)


def trouble(kind: str, **more: Any) -> list[dict[str, Any]]:
    return [{"kind": kind, "device": 1, "every": "200 ms", **more}]


@pytest.mark.parametrize(
    ("kind", "damaged", "extra"),
    [("bad_crc", True, 0), ("garbage", False, 0), ("duplicate", False, 1), ("stale", False, 1)],
)
def test_faults_that_are_counted(kind: str, damaged: bool, extra: int) -> None:
    with Station() as station:
        node = simulator(station, devices=2, faults=trouble(kind))
        loop = Loop(node, station)
        loop.until(lambda: len(station.frames) >= 200)
        loop.stop()
        first = next(talk for talk in station.talks if stream_id(talk.frames[0]) == 1)
        assert sent(node, station) == received(station) + Counter({1: first.splitter.corrupt_data})
        assert bool(first.splitter.corrupt_data) is damaged
        assert node.health(station.now)["counters"]["damaged"] == first.splitter.corrupt_data
        assert bool(first.splitter.skipped) is (kind in ("bad_crc", "garbage"))
        assert (received(station)[1] > received(station)[2]) is bool(extra)


def test_a_gap_is_silence() -> None:
    with Station() as station:
        node = simulator(station, devices=2, faults=trouble("gap", every="1 s", length="500 ms"))
        loop = Loop(node, station)
        loop.until(lambda: received(station)[2] >= 100)
        loop.stop()
        assert 20 <= received(station)[2] - received(station)[1] <= 30
        assert sent(node, station) == received(station)


def test_a_wrong_clock_is_off_by_what_was_told() -> None:
    with Station() as station:
        loop = Loop(simulator(station, devices=2, faults=trouble("wrong_clock", offset="-3 s")), station)
        loop.until(lambda: len(station.frames) >= 20)
        loop.stop()
        times = {
            talk.told[-1].stream: int(compile_codec(talk.told[-1]).decode(talk.frames).time[0])
            for talk in station.talks
        }
        assert times[2] - times[1] == pytest.approx(3 * SECOND, abs=SECOND // 10)


def test_a_reconnecting_device_comes_back() -> None:
    with Station() as station:
        node = simulator(station, devices=1, faults=trouble("reconnect", every="1 s", length="100 ms"))
        loop = Loop(node, station)
        loop.until(lambda: len(station.talks) >= 3 and len(station.talks[2].frames) > 5)
        loop.stop()
        assert sent(node, station) == received(station)


def test_a_device_that_is_hung_up_on_says_so() -> None:
    with Station() as station:
        node = simulator(station, devices=1)
        loop = Loop(node, station)
        loop.until(lambda: len(station.talks) == 1)
        station.talks[0].end.shutdown(socket.SHUT_RDWR)
        station.talks[0].open = False
        loop.until(lambda: bool(node.health(station.now)["alarms"]))
        assert node.health(station.now)["alarms"] == ["1 of 1 devices are not connected (the station hung up)"]
        loop.stop()


def test_a_changed_configuration_is_announced_and_told() -> None:
    with Station() as station:
        loop = Loop(simulator(station, devices=1, faults=trouble("reconfigure", every="1 s")), station)
        loop.until(lambda: len(station.frames) >= 60)
        (talk,) = station.talks
        before = talk.told[-1]
        status = compile_codec(before).decode(talk.frames).stations[0].status
        assert set(status.tolist()) == {0, 0x0400}
        talk.act(talk.master.note_status(True, True, station.now))
        loop.until(lambda: len(talk.told) > 1)
        loop.stop()
        assert talk.told[-1].stations[0].name == before.stations[0].name + " v2"


def test_a_device_that_is_dialled() -> None:
    with Station() as station:
        node = simulator(station, devices=2, listen="127.0.0.1:0", mode="listens")
        loop = Loop(node, station)
        for each in node.devices:
            station.dial(each.link.port)  # type: ignore[attr-defined]
        loop.until(lambda: len(station.frames) >= 20)
        loop.stop()
        assert received(station) == sent(node, station)


def test_addresses_count_up_where_ports_do_not() -> None:
    with Station() as station:
        place = Place(name="d.2", node="d", copy=2, readers_of={}, sources={}, run="", site={}, pipeline="")
        settings = {"devices": 2, "listen": f"127.0.7.250:{station.port}", "mode": "listens", "step": "address"}
        loop = Loop(Simulator(Settings.model_validate(settings), place), station)
        for end in (252, 253):  # the first copy has the two before
            socket.create_connection((f"127.0.7.{end}", station.port), timeout=5).close()
        loop.stop()
        node = simulator(station, devices=2, source="127.0.8.1", step="address")
        loop = Loop(node, station)
        loop.until(lambda: len(station.talks) == 2)
        loop.stop()
        assert sorted(talk.peer[0] for talk in station.talks) == ["127.0.8.1", "127.0.8.2"]


def test_data_over_udp_commands_over_tcp() -> None:
    with Station() as station, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.bind(("127.0.0.1", 0))
        end.setblocking(False)
        port = end.getsockname()[1]
        node = simulator(station, devices=1, listen="127.0.0.1:0", mode="tcp_udp", data_port=port)
        loop = Loop(node, station)
        talk = station.dial(node.devices[0].link.port)  # type: ignore[attr-defined]
        loop.turns(2000)
        loop.stop()
        came = datagrams(end)
        assert len(came) == sent(node, station)[1] >= 40
        assert all(talk.master.accepts(frame) for frame in came)
        assert not talk.frames


def test_the_work_is_over_after_the_duration() -> None:
    with Station() as station:
        node = simulator(station, duration="2 s")
        loop = Loop(node, station)
        loop.until(lambda: False)
        assert loop.done
        loop.stop()
        assert received(station) == sent(node, station)
        assert max(received(station).values()) <= 100


@pytest.mark.slow
def test_frames_that_a_slow_station_leaves_are_dropped_whole() -> None:
    with Station() as station:
        node = simulator(station, devices=1, phasors=100)
        loop = Loop(node, station, step=20_000_000)
        loop.until(lambda: len(station.frames) >= 5)
        station.reading = False
        for fd in loop.watched:  # else the kernel takes megabytes
            with socket.socket(fileno=os.dup(fd)) as end:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        loop.until(lambda: node.health(station.now)["counters"]["dropped"] > 10)
        station.reading = True
        # The kernel tells the device late that there is room again: what is half sent then must not have to hurry.
        loop.until(lambda: node.devices[0].link.idle)
        loop.stop()
        assert sent(node, station) == received(station)
        assert station.talks[0].splitter.skipped == 0


def datagrams(end: socket.socket) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(end.recv(65536))
        except BlockingIOError:
            return found


def test_spontaneous_devices_tell_what_they_send() -> None:
    with Station() as station, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.bind(("127.0.0.1", 0))
        end.setblocking(False)
        node = Simulator(
            Settings.model_validate({"mode": "spontaneous", "to": f"127.0.0.1:{end.getsockname()[1]}", "devices": 1}),
            PLACE,
        )
        loop = Loop(node, station)
        loop.turns(2000)
        loop.stop()
        first, *others = datagrams(end)
        assert parse(first).stations[0].name == "SIM 00001"  # type: ignore[union-attr]
        assert len(others) == sum(sent(node, station).values()) >= 50


def test_a_device_over_udp_answers_and_streams() -> None:
    with Station() as station, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.setblocking(False)
        node = simulator(station, devices=1, listen="127.0.0.1:0", mode="udp")
        loop = Loop(node, station)
        place = ("127.0.0.1", node.devices[0].link.port)  # type: ignore[attr-defined]
        end.sendto(command(1, 5), place)
        end.sendto(command(1, 2), place)
        loop.turns(1500)
        end.sendto(command(1, 1), place)
        loop.turns(50)
        count = len(datagrams(end))
        assert count == 1 + sent(node, station)[1]
        loop.turns(500)
        assert datagrams(end) == []
        loop.stop()


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({}, "needs the station's address"),
        ({"mode": "listens"}, "needs a port to listen on"),
        ({"mode": "tcp_udp", "listen": "127.0.0.1:4712"}, "UDP port"),
        ({"to": "127.0.0.1:1", "first": 65_000, "devices": 1000}, "beyond 65534"),
        ({"to": "127.0.0.1:1", "faults": [{"kind": "gup"}]}, "gap"),
    ],
)
def test_faulty_settings(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        Settings.model_validate(options)


def test_splitter_of_the_station_saw_whole_frames_only() -> None:
    with Station() as station:
        loop = Loop(simulator(station), station)
        loop.until(lambda: len(station.frames) >= 50)
        loop.stop()
        for talk in station.talks:
            splitter = Splitter()
            splitter.feed(bytes(talk.raw))
            assert (splitter.pending, splitter.skipped) == (0, 0)
