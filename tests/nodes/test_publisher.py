"""A publisher by hand: clients over loopback, time moved by the test."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from nodes._node import Letter, Place
from nodes.publisher import Publisher, Settings
from protocol.c37118 import ConfigurationFrame, Splitter, compile_codec, parse
from protocol.c37118.session import MasterSettings
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Announce, Configuration, Fetch, Numbered, Table
from tests.outputs import NARROW, START, WIDE, configuration, number, snapshots, values_of
from tests.scenes import command
from tests.stations import Conversation, Loop, Station

IP_RECVTTL = 12
PLACE = Place("upstream", "upstream", 1, {}, {"concentrator": ["align"]}, "", {"station": "North Hub"}, "")


class Bench:
    """A publisher, who dials it, and the concentrator that it reads."""

    def __init__(self, station: Station, **settings: Any) -> None:
        options = {
            "idcode": 700,
            "gather": "1 s",
            "per_address": 32,
            "calls": "100/s",
            "listen": "127.0.0.1:0",
            **settings,
        }
        self.node = Publisher(Settings.model_validate(options), PLACE)
        self.station, self.said = station, 0
        self.loop = Loop(self.node, station)
        self.say(Announce("align", 1, 0, 0))

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.stop()

    def say(self, word: Any) -> list[Any]:
        if isinstance(word, Numbered):
            word = replace(word, node="align", epoch=1, number=self.said)
            self.said += 1
        actions = list(self.node.receive(word, self.station.now))
        self.loop.act(actions)
        return [action.message for action in actions if isinstance(action, Letter)]

    def configure(self, *words: Configuration) -> None:
        for word in words:
            self.say(word)
        self.loop.turns(1005)

    def slots(self, devices: list[int], table: Table = WIDE, first: int = 0, count: int = 10) -> None:
        """Slots from the present on; `first` is later by so many."""
        at = (self.station.now.utc - START) // (20 * MILLISECOND) + 1 + first
        self.say(snapshots(devices, list(range(at, at + count)), table))
        self.loop.turns(1)

    @property
    def port(self) -> int:
        (fd,) = self.node.outlet.clients.doors.fds
        return self.node.outlet.clients.doors[fd].address()[1]

    def count(self, name: str) -> Any:
        return self.node.health(self.station.now)["counters"][name]

    def alarms(self) -> str:
        return "\n".join(self.node.health(self.station.now)["alarms"])


def told(talk: Conversation) -> tuple[list[str], np.ndarray[Any, Any]]:
    """(names of the stations, times of the DATA since the last configuration)."""
    batch = compile_codec(talk.told[-1]).decode(talk.frames)
    return [station.name for station in talk.told[-1].stations], batch.time


def test_a_client_gets_what_the_devices_measured() -> None:
    devices = [number(1), number(2)]
    with Station() as station, Bench(station) as bench:
        bench.configure(*map(configuration, devices))
        talk = station.dial(bench.port)
        bench.loop.until(lambda: bool(talk.told) and bench.node.outlet.clients.all[0].device.on)
        at = (station.now.utc - START) // (20 * MILLISECOND) + 1
        bench.slots(devices)
        bench.loop.until(lambda: len(talk.frames) == 10)
        batch = compile_codec(talk.told[-1]).decode(talk.frames)
        assert (batch.time - START).tolist() == [slot * 20 * MILLISECOND for slot in range(at, at + 10)]
        sent = values_of(WIDE, devices, list(range(at, at + 10)))
        for place, rows in enumerate(batch.stations):
            np.testing.assert_allclose(rows.values, sent[:, place], rtol=1e-6)
            assert rows.digital.tolist() == [[5]] * 10
        assert (bench.count("frames"), bench.count("client_frames"), bench.count("stations")) == (10, 10, 2)


def test_it_is_told_the_header_and_the_configurations() -> None:
    with Station() as station, Bench(station) as bench:
        bench.configure(configuration(number(1)))
        end = socket.create_connection(("127.0.0.1", bench.port))
        end.sendall(b"".join(command(700, code) for code in (3, 4, 5, 6)))
        end.setblocking(False)
        splitter, frames = Splitter(), list[bytes]()

        def all_there() -> bool:
            try:
                frames.extend(splitter.feed(end.recv(65536)))
            except BlockingIOError:
                return False
            return len(frames) == 4

        bench.loop.until(all_there)
        assert b"North Hub: upstream" in frames[0]
        assert [parse(frame).kind for frame in frames[1:]] == [1, 2, 3]  # type: ignore[union-attr]
        end.close()


def test_data_only_while_they_are_wanted_unless_it_is_spontaneous() -> None:
    for spontaneous in (False, True):
        with Station() as station, Bench(station, spontaneous=spontaneous) as bench:
            bench.configure(configuration(number(1)))
            with socket.create_connection(("127.0.0.1", bench.port)) as end:
                bench.loop.until(lambda bench=bench: len(bench.node.outlet.clients) == 1)  # type: ignore[misc]
                bench.slots([number(1)])
                assert bench.count("client_frames") == (10 if spontaneous else 0)
                end.sendall(command(700, 2))
                bench.loop.until(lambda bench=bench: bench.node.outlet.clients.all[0].device.on)  # type: ignore[misc]
                end.sendall(command(700, 1))
                bench.loop.until(lambda bench=bench: not bench.node.outlet.clients.all[0].device.on)  # type: ignore[misc]
                before = bench.count("client_frames")
                bench.slots([number(1)], first=10)
                assert bench.count("client_frames") == before


def test_a_new_device_changes_the_stream_once_and_says_so() -> None:
    with Station(MasterSettings(pause=0)) as station, Bench(station) as bench:
        bench.configure(configuration(number(1)))
        talk = station.dial(bench.port)
        bench.loop.until(lambda: bool(talk.told) and bench.node.outlet.clients.all[0].device.on)
        bench.slots([number(1)])
        bench.loop.until(lambda: len(talk.frames) == 10)
        before = told(talk)
        bench.say(configuration(number(2)))
        bench.say(configuration(number(3), NARROW))
        assert bench.count("changes") == 0
        bench.loop.turns(1005)
        assert bench.count("changes") == 1
        talk.frames.clear()
        bench.slots([number(1), number(2)], first=10)
        bench.slots([number(3)], NARROW, first=10)
        bench.loop.until(lambda: len(talk.told) > 1 and bool(talk.frames))
        after = told(talk)
        assert before[0] == ["PMU 1"]
        assert after[0] == ["PMU 3", "PMU 1", "PMU 2"]
        status = compile_codec(talk.told[-1]).decode(talk.frames).stations[1].status
        assert set(status.tolist()) == {0x0400}
        station.now = Now(station.now.monotonic + 61 * SECOND, station.now.utc + 61 * SECOND)
        talk.frames.clear()
        bench.slots([number(1), number(2)])
        bench.slots([number(3)], NARROW)
        bench.loop.until(lambda: len(talk.frames) >= 10)
        assert compile_codec(talk.told[-1]).decode(talk.frames).stations[1].status[-1] == 0


def test_the_same_again_is_no_change() -> None:
    with Station() as station, Bench(station, devices=["PMU 1"]) as bench:
        bench.configure(configuration(number(1)))
        bench.configure(configuration(number(1)), configuration(number(2)), configuration(number(1), version=2))
        assert bench.count("changes") == 0


def test_a_slow_client_is_cut_off_and_the_others_are_not() -> None:
    devices = [number(n) for n in range(1, 101)]
    with Station() as station, Bench(station, queue="128 KiB", spontaneous=True) as bench:
        bench.configure(*map(configuration, devices))
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", bench.port))
        talk = station.dial(bench.port)
        bench.loop.until(lambda: len(bench.node.outlet.clients) == 2 and bool(talk.told))
        for _ in range(200):
            bench.slots(devices)
            station.now = Now(station.now.monotonic + SECOND // 5, station.now.utc + SECOND // 5)
        bench.loop.until(lambda: bench.count("cut") == 1 and len(talk.frames) == 2000)
        assert "it reads too slowly: more than 131072 bytes wait for it (`queue`)" in bench.alarms()
        assert len(bench.node.outlet.clients) == 1
        slow.close()


def test_what_is_too_old_is_not_told() -> None:
    with Station() as station, Bench(station, spontaneous=True, oldest="1 s") as bench:
        bench.configure(configuration(number(1)))
        talk = station.dial(bench.port)
        bench.loop.until(lambda: bool(talk.told))
        at = (station.now.utc - START) // (20 * MILLISECOND) + 1
        station.now = Now(station.now.monotonic + 2 * SECOND, station.now.utc + 2 * SECOND)
        bench.say(snapshots([number(1)], list(range(at, at + 101))))
        bench.loop.until(lambda: bool(talk.frames))
        bench.loop.turns(5)
        assert bench.count("stale") + bench.count("frames") == 101
        assert told(talk)[1].min() >= station.now.utc - SECOND - 50 * MILLISECOND


def test_who_may_not_call_is_turned_away() -> None:
    with Station() as station, Bench(station, admit_from=["10.0.0.0/8"]) as bench:
        bench.configure(configuration(number(1)))
        talk = station.dial(bench.port)
        bench.loop.until(lambda: not talk.open)
        assert bench.count("refused") == 1
        assert "127.0.0.1: `admit_from` has no network that it is in" in bench.alarms()


def test_more_clients_than_allowed_are_turned_away() -> None:
    with Station() as station, Bench(station, clients=2) as bench:
        bench.configure(configuration(number(1)))
        talks = [station.dial(bench.port) for _ in range(3)]
        bench.loop.until(lambda: [talk.open for talk in talks] == [True, True, False])
        assert bench.count("turned_away") == 1


def test_a_client_that_asks_too_much_and_reads_nothing_is_cut_off() -> None:
    with Station() as station, Bench(station, queue="128 KiB") as bench:
        bench.configure(*(configuration(number(n)) for n in range(1, 101)))
        with socket.socket() as end:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            end.connect(("127.0.0.1", bench.port))
            end.sendall(command(700, 5) * 40)
            bench.loop.until(lambda: bench.count("cut") == 1)
        assert bench.count("clients") == 0
        assert "it reads too slowly" in bench.alarms()


def test_a_client_that_asks_without_end_is_cut_off() -> None:
    with Station() as station, Bench(station) as bench:
        bench.configure(configuration(number(1)))
        with socket.create_connection(("127.0.0.1", bench.port)) as end:
            end.sendall(command(700, 1) * 51)
            bench.loop.until(lambda: len(bench.node.outlet.clients) == 0 and bench.count("welcomed") == 1)
        assert "more than 50 commands in a second" in bench.alarms()


def test_a_client_that_what_is_too_old_waits_for_is_cut_off() -> None:
    devices = [number(n) for n in range(1, 101)]
    with Station() as station, Bench(station, spontaneous=True, oldest="1 s") as bench:
        bench.configure(*map(configuration, devices))
        with socket.socket() as end:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            end.connect(("127.0.0.1", bench.port))
            bench.loop.until(lambda: len(bench.node.outlet.clients) == 1)
            bench.slots(devices, count=100)
            bench.loop.until(lambda: bench.node.health(station.now)["queues"]["client_bytes"] > 0)
            bench.loop.turns(1100)
            bench.slots(devices, first=100)
            bench.loop.until(lambda: bench.count("cut") == 1)
        assert "what waits for it is older than 1 s (`oldest`)" in bench.alarms()


def test_rows_that_mean_something_else_are_absent_until_the_stream_says_so() -> None:
    """A device that reorders its channels, and does not count its changes."""
    with Station(MasterSettings(pause=0)) as station, Bench(station, spontaneous=True) as bench:
        bench.configure(configuration(number(1)), configuration(number(2)))
        talk = station.dial(bench.port)
        bench.loop.until(lambda: bool(talk.told) and bool(talk.told[-1].stations))
        changed = configuration(number(1), version=2, phasors=["I1", "V0", "V2"], phasor_units=["A", "V", "V"])
        bench.say(changed)
        bench.slots([number(1), number(2)])
        bench.loop.until(lambda: len(talk.frames) == 10)
        batch = compile_codec(talk.told[-1]).decode(talk.frames)
        assert [set(rows.status.tolist()) for rows in batch.stations] == [{0x8000}, {0}]
        bench.loop.turns(1005)
        talk.end.send(command(700, 6))  # as who reads STAT bit 10 does
        bench.loop.until(lambda: [each.name for each in talk.told[-1].stations[0].phasors] == ["I1", "V0", "V2"])
        talk.frames.clear()
        bench.slots([number(1), number(2)])
        bench.loop.until(lambda: len(talk.frames) == 10)
        batch = compile_codec(talk.told[-1]).decode(talk.frames)
        assert [set(rows.status.tolist()) for rows in batch.stations] == [{0x0400}, {0x0400}]


def test_a_device_that_answers_to_no_pattern_any_more_leaves_the_stream() -> None:
    with Station() as station, Bench(station, devices=["PMU 1", "PMU 2"]) as bench:
        bench.configure(configuration(number(1)), configuration(number(2)))
        bench.configure(configuration(number(1), version=2, name="other"))
        assert bench.count("stations") == 1
        assert "nothing is called 'PMU 1'" in bench.alarms()


def test_a_stream_that_changes_again_and_again_does_so_less_often() -> None:
    with Station() as station, Bench(station) as bench:
        bench.configure(configuration(number(1)))
        for version in range(2, 12):
            bench.configure(configuration(number(1), version=version, name=f"name {version}"))
        assert bench.count("changes") == 4, "after 1, 1, 2 and 4 s"


def test_no_descriptor_is_left_for_who_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    with Station() as station, Bench(station) as bench:
        bench.configure(configuration(number(1)))
        (fd,) = bench.node.outlet.clients.doors.fds

        def none_left(now: object) -> Iterator[Any]:
            raise OSError(24, "Too many open files")
            yield

        with monkeypatch.context() as patched:
            patched.setattr(bench.node.outlet.clients.doors[fd], "answer", none_left)
            talk = station.dial(bench.port)
            bench.loop.until(lambda: "Too many open files" in bench.alarms())
            assert fd not in bench.loop.watched
        bench.loop.until(lambda: bool(talk.told))
        assert fd in bench.loop.watched


def test_a_place_for_datagrams_that_cannot_be_found_is_an_alarm() -> None:
    with Station() as station, Bench(station, udp=["a..b:4713"]) as bench:
        assert "nothing is sent to a..b:4713: 'a..b' can't be a host's name" in bench.alarms()
        bench.configure(configuration(number(1)))
        assert bench.count("stations") == 1


def test_nobody_is_let_in_before_there_is_something_to_tell() -> None:
    with Station() as station, Bench(station) as bench:
        talk = station.dial(bench.port)
        bench.loop.until(lambda: not talk.open)
        assert bench.count("too_early") == 1


def test_garbage_of_a_client_harms_nobody() -> None:
    with Station() as station, Bench(station, spontaneous=True) as bench:
        bench.configure(configuration(number(1)))
        with socket.create_connection(("127.0.0.1", bench.port)) as end:
            end.sendall(b"GET / HTTP/1.1\r\n\r\n" + bytes(range(256)) * 20)
            bench.loop.until(lambda: len(bench.node.outlet.clients) == 1)
            bench.slots([number(1)])
            assert bench.count("client_frames") == 10
        bench.loop.until(lambda: len(bench.node.outlet.clients) == 0)


def test_over_udp_unasked_with_a_configuration_now_and_then() -> None:
    end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    end.bind(("127.0.0.1", 0))
    end.setblocking(False)
    udp = [f"127.0.0.1:{end.getsockname()[1]}"]
    with end, Station() as station, Bench(station, listen=None, udp=udp, announce="1 s") as bench:
        bench.configure(configuration(number(1)))
        bench.slots([number(1)])
        bench.loop.turns(1000)
        came = []
        while True:
            try:
                came.append(end.recv(65536))
            except BlockingIOError:
                break
        cfgs = [frame for frame in came if isinstance(parse(frame), ConfigurationFrame)]
        assert len(came) - len(cfgs) == 10 == bench.count("datagrams")
        assert len(cfgs) == 2
        assert isinstance(parse(came[0]), ConfigurationFrame)


@pytest.mark.parametrize("interface", ["127.0.0.1", "lo"])
def test_to_a_multicast_group_by_one_interface_and_so_many_routers(interface: str) -> None:
    end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    end.bind(("239.18.7.3", 0))
    end.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("239.18.7.3") + bytes([127, 0, 0, 1]))
    end.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
    end.setblocking(False)
    options = {"listen": None, "udp": [f"239.18.7.3:{end.getsockname()[1]}"], "ttl": 7, "interface": interface}
    with end, Station() as station, Bench(station, **options) as bench:
        bench.configure(configuration(number(1)))
        bench.slots([number(1)])
        for frame in range(11):
            data, extra, _, _ = end.recvmsg(65536, 64)
            assert isinstance(parse(data), ConfigurationFrame) == (frame == 0)
            assert [int.from_bytes(each[2], sys.byteorder) for each in extra] == [7]


def test_an_interface_that_is_not_there_is_an_alarm() -> None:
    options = {"udp": ["239.18.7.3:4713"], "interface": "no-such-one"}
    with Station() as station, Bench(station, **options) as bench:
        assert "nothing is sent to 239.18.7.3:4713" in bench.alarms()


def test_it_fetches_what_it_missed() -> None:
    with Station() as station, Bench(station) as bench:
        bench.configure(configuration(number(1)))
        bench.said += 1
        at = (station.now.utc - START) // (20 * MILLISECOND) + 1
        letters = bench.say(snapshots([number(1)], [at]))
        assert [type(letter) for letter in letters] == [Fetch]


@pytest.mark.parametrize(("settings", "words"), [
    ({"listen": None}, "nobody can get this stream"),
    ({"listen_tls": "127.0.0.1:1"}, "listen_tls without certificates"),
    ({"names": ["upper.example"]}, "names without listen_tls"),
    ({"announce": "0 s"}, "greater than or equal"),
    ({"time_base": 1}, "greater than or equal to 1000"),
    ({"idcode": 0}, "greater than or equal to 1"),
    ({"format": {"phasors": "double"}}, "match pattern"),
    ({"devices": []}, "at least 1 item"),
    ({"convert": "linear"}, "'linear' is no way to convert rates; reselect, or of filter, interpolate one or both"),
    ({"convert": ["filter", "filter"]}, "no way to convert rates"),
    ({"ttl": 4, "udp": ["10.2.0.5:4713"]}, "ttl and interface are of multicast groups, and there is none"),
    ({"interface": "lo", "udp": ["pdc.example:4713"]}, "there is none"),
    ({"ttl": 256}, "less than or equal to 255"),
    ({"forget": "0 s", "listen_udp": "127.0.0.1:0"}, "greater than or equal"),
])  # fmt: skip
def test_settings_that_cannot_be(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Settings.model_validate({"idcode": 1, "listen": "127.0.0.1:0", **settings})


def test_converted_rows_say_so() -> None:
    """25/s as 50/s: every second row is reckoned; CFG-3 says how."""
    slow, device = Table(25, 3, 1, 1), number(1)
    with Station() as station, Bench(station, rate="50/s", convert="interpolate") as bench:
        bench.configure(configuration(device, slow))
        talk = station.dial(bench.port)
        bench.loop.until(lambda: bool(talk.told) and bench.node.outlet.clients.all[0].device.on)
        at = (station.now.utc - START) // (40 * MILLISECOND) + 1
        bench.say(snapshots([device], list(range(at, at + 5)), slow))
        bench.loop.until(lambda: len(talk.frames) == 9)
        cfg = talk.told[-1]
        assert (cfg.kind, cfg.rate) == (3, 50)
        assert {phasor.modified for phasor in cfg.stations[0].phasors} == {1 << 1}
        batch = compile_codec(cfg).decode(talk.frames)
        assert np.diff(batch.time).tolist() == [20 * MILLISECOND] * 8
        (rows,) = batch.stations
        assert rows.status.tolist() == [0, 0x0200] * 4 + [0]
        rising = values_of(slow, [device], list(range(at, at + 5)))[:, 0]
        np.testing.assert_allclose(rows.values[1::2], (rising[1:] + rising[:-1]) / 2, rtol=1e-6)
