"""Simulated substations of Q/GDW 131 and GB/T 26865.2 against a main station by hand, over real sockets."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from algorithms.simulation import Scenario, Simulation
from nodes import _simulated
from nodes._substation import Substation
from nodes.simulator import Settings, Simulator
from protocol.clock import MILLISECOND, SECOND
from protocol.gbt26865 import (
    Batch,
    ConfigurationFrame,
    MasterSettings,
    Phasor,
    choose,
    compile_codec,
    encode_configuration,
    identity_of,
)
from protocol.gbt26865.settings import Select
from tests.stations import PLACE, Loop
from tests.substations import MainStation, Session

V2, V3 = 2, 3
WAYS = ["v2", "v3 listens", "v3 dials", "v3 data dialled", "v3 one connection"]


def free_ports(count: int) -> int:
    """The first of so many ports in a row that were free a moment ago."""
    for first in range(20_000, 60_000, 97):
        doors: list[socket.socket] = []
        try:
            doors.extend(socket.create_server(("127.0.0.1", port)) for port in range(first, first + count))
        except OSError:
            continue
        finally:
            for door in doors:
                door.close()
        return first
    raise AssertionError("no free ports")


class Scene:
    """Simulated substations and their main station."""

    def __init__(self, way: str, select: Select | None = None, heartbeat: int = 30 * SECOND, **options: Any) -> None:
        version = V2 if way == "v2" else V3
        settings = MasterSettings(
            version=version, select=select, wait=SECOND // 4, attempts=3, pairing=SECOND // 4, heartbeat=heartbeat
        )
        self.station = MainStation(settings, alone=way == "v3 dials")
        to = f"127.0.0.1:{self.station.port}"
        ways: dict[str, dict[str, Any]] = {
            "v2": {"protocol": "qgdw131", "mode": "listens", "step": "address", "listen": "127.0.1.1:0", "to": to},
            "v3 listens": {"mode": "listens", "listen": "127.0.0.1:0", "data_listen": "127.0.0.1:0"},
            "v3 dials": {"mode": "dials", "to": to},
            "v3 data dialled": {"mode": "listens", "listen": "127.0.0.1:0", "to": to},
            "v3 one connection": {"mode": "listens", "listen": "127.0.0.1:0"},
        }
        options = {"protocol": "gbt26865", "devices": 2, **ways[way], **options}
        self.node = Simulator(Settings.model_validate(options), PLACE)
        self.way = way
        self.loop = Loop(self.node, self.station)  # type: ignore[arg-type]
        if way != "v3 dials":
            for each in self.links:
                self.manage(each)

    def __enter__(self) -> Scene:
        return self

    def __exit__(self, *error: object) -> None:
        self.station.__exit__(None, None, None)

    @property
    def links(self) -> list[Substation]:
        return [each.link for each in self.node.devices if isinstance(each.link, Substation)]

    def manage(self, link: Substation) -> Session:
        data = link.way() if self.way == "v3 listens" else None
        return self.station.manage(place(link.management), place(data) if data else None, "one" in self.way)

    def until(self, reached: Callable[[], bool]) -> None:
        self.loop.until(reached)

    def until_frames(self, count: int) -> None:
        """Until every session has so many DATA frames."""
        self.until(lambda: len(self.sessions) >= 2 and all(len(each.frames) >= count for each in self.sessions))

    @property
    def sessions(self) -> list[Session]:
        return self.station.sessions

    @property
    def counters(self) -> dict[str, int]:
        counters: dict[str, int] = self.node.health(self.station.now)["counters"]
        return counters

    def stop(self) -> None:
        self.loop.stop()


def place(link: Any) -> tuple[str, int]:
    """Where a link listens."""
    door = link._door.getsockname()
    return str(door[0]), int(door[1])


def decoded(session: Session) -> Batch:
    return compile_codec(session.told[-1]).decode(session.frames)


def simulated(settings: Settings, count: int) -> np.ndarray[Any, Any]:
    """[count, devices, c] what the simulation says, sample by sample."""
    grid = Simulation(settings.devices, 1 / settings.rate, float(settings.nominal), settings.seed, Scenario())
    zero = np.zeros(settings.devices, np.uint16)
    return np.stack(
        [_simulated.rows(settings.shape, grid.next(1), 0, k, zero)[0].values for k in range(count)], dtype=np.float32
    )


@pytest.mark.parametrize("way", WAYS)
def test_frames_decode_to_what_the_simulation_said(way: str) -> None:
    with Scene(way) as scene:
        scene.until_frames(60)
        scene.stop()
        assert sum(len(each.frames) for each in scene.sessions) == scene.counters["sent"] == scene.counters["sent_rows"]
        assert [each.refused for each in scene.sessions] == [[], []]
        frames = max(len(each.frames) for each in scene.sessions)
        said = simulated(scene.node.settings, frames + 50)
        for session in scene.sessions:
            batch = decoded(session)
            device = int(session.master.identity[3:]) - 1  # type: ignore[index]
            assert set(np.diff(batch.time)) == {20 * MILLISECOND}
            first = int((batch.time[0] - (1_700_000_000 + 1) * SECOND) // (20 * MILLISECOND))
            want = said[first : first + len(batch.time), device]
            np.testing.assert_allclose(batch.stations[0].values, want, rtol=1e-6, atol=2e-5)


@pytest.mark.parametrize("way", WAYS)
def test_what_was_downloaded_is_streamed(way: str) -> None:
    def voltages(cfg: ConfigurationFrame) -> ConfigurationFrame | None:
        return choose(cfg, lambda _, channel: isinstance(channel, Phasor) and channel.unit == "V", period=200)

    with Scene(way, voltages, analogs=2, digitals=2) as scene:
        scene.until_frames(30)
        scene.stop()
        for session in scene.sessions:
            (told,) = session.told
            assert [phasor.name for phasor in told.stations[0].phasors] == ["VA", "VB", "VC"]
            assert (told.stations[0].analogs, told.stations[0].digitals, told.rate) == ((), (), 25)
            batch = decoded(session)
            assert set(np.diff(batch.time)) == {40 * MILLISECOND}
            np.testing.assert_allclose(batch.stations[0].values[:, 2::2], 127_000, rtol=2e-3)
            assert batch.stations[0].values.shape[1] == 8
        assert sum(len(each.frames) for each in scene.sessions) == scene.counters["sent"]


def test_stations_that_were_not_chosen_are_not_streamed_nor_counted() -> None:
    def second(cfg: ConfigurationFrame) -> ConfigurationFrame | None:
        return choose(cfg, lambda station, channel: station.name.endswith(" 2") and channel.name in ("IB", "AN2", ""))

    with Scene("v3 listens", second, stations=3, analogs=2, digitals=0) as scene:
        scene.until_frames(5)
        scene.stop()
        session = scene.sessions[0]
        assert [station.identity for station in session.told[-1].stations] == [b"01M00001"]
        assert decoded(session).stations[0].values[0, [2, 4]] == pytest.approx([400, 200], rel=2e-3)
        assert scene.counters["sent_rows"] == scene.counters["sent"]


@pytest.mark.parametrize("way", ["v2", "v3 listens"])
def test_a_period_between_the_instants_is_refused(way: str) -> None:
    with Scene(way, lambda cfg: choose(cfg, period=150)) as scene:
        scene.until_frames(5)
        scene.stop()
        for session in scene.sessions:
            assert session.told[-1].stations[0].period == 100
            refusals = ["the substation refused the CFG-2 that was downloaded"]
            assert session.refused == ([] if way == "v2" else refusals)  # V2 has no NACK


@pytest.mark.parametrize("form", range(16))
def test_every_format_says_the_same_values(form: int) -> None:
    with Scene("v3 one connection", format=form, analogs=1) as scene:
        scene.until_frames(3)
        scene.stop()
        row = decoded(scene.sessions[0]).stations[0].values[0]
        assert row[2] == pytest.approx(127_000, rel=2e-3)
        assert (row[3] - row[5]) % 360 == pytest.approx(120, abs=0.2)
        assert row[-1] == pytest.approx(100, abs=1)


def test_substations_of_v2_have_their_own_addresses() -> None:
    with Scene("v2", devices=3, first=7, identity="0GX##GP1") as scene:
        scene.until(lambda: len(scene.sessions) == 3 and all(each.frames for each in scene.sessions))
        scene.stop()
        found = {each.master.identity: (each.management.peer[0], each.data.peer[0]) for each in scene.sessions}  # type: ignore[union-attr]
        assert found == {f"0GX{7 + n:02d}GP1".encode(): (f"127.0.1.{1 + n}",) * 2 for n in range(3)}


def test_ports_count_up_where_addresses_do_not() -> None:
    first = free_ports(4)
    scene = Scene("v3 listens", listen=f"127.0.0.1:{first}", data_listen=f"127.0.0.1:{first + 2}")
    with scene:
        scene.until_frames(5)
        places = [(place(link.management)[1], place(link.way())[1]) for link in scene.links]
        scene.stop()
        assert places == [(first, first + 2), (first + 1, first + 3)]
        assert [identity_of(each.frames[0]) for each in scene.sessions] == [b"SIM00001", b"SIM00002"]


def test_names_may_be_chinese() -> None:
    with Scene("v3 dials", names="gbk", stations=2) as scene:
        scene.until_frames(1)
        scene.stop()
        cfg = scene.sessions[0].told[-1]
        assert [station.name for station in cfg.stations] == ["仿真站 00001 1", "仿真站 00001 2"]
        assert "仿真站".encode("gbk") in encode_configuration(cfg)


def test_nothing_comes_before_it_is_asked_for_nor_after_it_is_stopped() -> None:
    with Scene("v2") as scene:
        scene.loop.turns(60)
        assert [each.connects for each in scene.links] == [1, 1]  # its data pipe waits, too
        scene.until_frames(10)
        for session in scene.sessions:
            scene.station.act(session, session.master.end(scene.station.now))
        scene.loop.turns(200)
        count = scene.counters["sent"]
        scene.loop.turns(200)
        assert (
            scene.counters["sent"]
            == count
            == len(scene.station.frames) + sum(len(each.refused) for each in scene.sessions)
        )
        assert not any(each.data.open for each in scene.sessions if each.data)
        scene.stop()


def trouble(kind: str, **more: Any) -> list[dict[str, Any]]:
    return [{"kind": kind, "device": 1, "every": "200 ms", **more}]


@pytest.mark.parametrize("way", ["v2", "v3 dials"])
@pytest.mark.parametrize("kind", ["bad_crc", "garbage", "duplicate", "stale", "gap"])
def test_faults_happen_and_are_counted(way: str, kind: str) -> None:
    more = {"every": "1 s", "length": "500 ms"} if kind == "gap" else {}
    with Scene(way, faults=trouble(kind, **more)) as scene:
        scene.until(lambda: len(scene.station.frames) >= 200)
        scene.stop()
        one, other = sorted(scene.sessions, key=lambda each: each.master.identity or b"")
        pipe = one.data or one.management
        assert len(scene.station.frames) + pipe.splitter.corrupt_data == scene.counters["sent"]
        assert scene.counters["damaged"] == pipe.splitter.corrupt_data
        assert bool(pipe.splitter.corrupt_data) is (kind == "bad_crc")
        assert bool(pipe.splitter.skipped) is (kind in ("bad_crc", "garbage"))
        more_frames = len(one.frames) - len(other.frames)
        assert (more_frames > 5) is (kind in ("duplicate", "stale"))
        assert (more_frames < -15) is (kind == "gap")


def test_a_wrong_clock_is_off_by_what_was_told() -> None:
    with Scene("v3 listens", faults=trouble("wrong_clock", offset="-3 s")) as scene:
        scene.until_frames(20)
        scene.stop()
        wrong, right = (int(decoded(each).time[0]) for each in scene.sessions)
        assert right - wrong == pytest.approx(3 * SECOND, abs=SECOND // 10)


@pytest.mark.parametrize("way", ["v3 dials", "v3 listens", "v2"])
def test_a_reconnecting_substation_goes_on(way: str) -> None:
    with Scene(way, faults=trouble("reconnect", every="1 s", length="100 ms")) as scene:
        scene.until_frames(20)
        first = scene.sessions[0]
        scene.until(lambda: not first.management.open)
        if way != "v3 dials":
            scene.manage(scene.links[0])
        scene.until(lambda: len(scene.sessions[-1].frames) > 5 and first is not scene.sessions[-1])
        scene.stop()
        assert len(scene.station.frames) == scene.counters["sent"]


def test_a_renamed_station_is_announced_and_told_anew() -> None:
    with Scene("v3 listens", faults=trouble("reconfigure", every="1 s")) as scene:
        scene.until_frames(60)
        session = scene.sessions[0]
        status = decoded(session).stations[0].status
        assert set(status.tolist()) == {0, 0x0400}
        scene.station.act(session, session.master.note_status(True, True, scene.station.now))
        scene.until(lambda: len(session.told) > 1)
        scene.stop()
        assert [cfg.stations[0].name for cfg in session.told] == ["SIM 00001", "SIM 00001 v2"]


def test_a_data_pipe_that_is_lost_is_dialled_again() -> None:
    with Scene("v2") as scene:
        scene.until_frames(5)
        session = scene.sessions[0]
        lost = session.data
        assert lost is not None
        lost.end.shutdown(socket.SHUT_RDWR)
        scene.until(lambda: session.data is not lost)
        before = len(session.frames)
        scene.until(lambda: len(session.frames) > before + 5)
        scene.stop()


@pytest.mark.slow
def test_heartbeats_keep_a_link_and_their_end_ends_it() -> None:
    with Scene("v3 dials", heartbeat=20 * SECOND) as scene:
        scene.until_frames(5)
        first = list(scene.sessions)
        scene.loop.step = 100 * MILLISECOND
        scene.loop.turns(1500)
        assert scene.sessions == first
        assert all(each.management.open for each in first)
        scene.station.mute = True
        scene.until(lambda: not any(each.management.open for each in first))
        scene.until(lambda: len(scene.sessions) > 2)
        scene.stop()


def test_a_substation_nobody_calls_says_so() -> None:
    with Scene("v2") as scene:
        scene.until_frames(5)
        assert scene.node.health(scene.station.now)["alarms"] == []
        scene.station.door.close()
        for session in scene.sessions:
            assert session.data is not None
            session.data.end.shutdown(socket.SHUT_RDWR)
        scene.until(lambda: bool(scene.node.health(scene.station.now)["alarms"]))
        (alarm,) = scene.node.health(scene.station.now)["alarms"]
        assert "devices are not connected" in alarm
        scene.node.stop(scene.station.now)


V2_PLACES = {"protocol": "qgdw131", "mode": "listens", "listen": "127.0.1.1:7000", "to": "127.0.0.1:7001"}
V3_PLACES = {"protocol": "gbt26865", "to": "127.0.0.1:1"}


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"protocol": "qgdw131", "to": "127.0.0.1:1"}, "set mode: listens"),
        (V2_PLACES | {"devices": 2}, "step: address"),
        (V2_PLACES | {"data_listen": "127.0.1.1:1"}, "leave out data_listen"),
        (V2_PLACES | {"step": "address", "listen": "0.0.0.0:7000"}, "set listen: to one"),
        (V3_PLACES | {"step": "address"}, "set source: to one"),
        (V3_PLACES | {"mode": "spontaneous"}, "no mode spontaneous"),
        (V3_PLACES | {"data_listen": "127.0.0.1:1"}, "leave out to: or data_listen:"),
        (
            {"protocol": "gbt26865", "mode": "listens", "listen": "127.0.0.1:8000", "data_listen": "127.0.0.1:8001"},
            "ports 8000 and 8001, counted up for 20 devices, meet",
        ),
        (V3_PLACES | {"rate": "30/s"}, "no PERIOD"),
        (V3_PLACES | {"rate": "every 60 s"}, "no PERIOD"),
        (V3_PLACES | {"identity": "SIM####"}, "8 ASCII"),
        (V3_PLACES | {"identity": "SIM#00##"}, "no place for the number, or several"),
        (V3_PLACES | {"identity": "SUBSTA##", "first": 90}, "no room for device 109"),
        (V3_PLACES | {"identity": "#####SIM", "stations": 2}, "no room for device 20, station 2"),
        ({"to": "127.0.0.1:1", "names": "gbk"}, "names is not of c37118"),
        ({"to": "127.0.0.1:1", "identity": "SIM#####"}, "identity is not of c37118"),
    ],
)
def test_faulty_settings(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        Settings.model_validate(options)
