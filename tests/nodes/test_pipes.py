"""Management and data pipes: which belong together, and what becomes of one when the other ends."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from nodes._manners import BURST
from nodes._pipes import PATIENCE
from nodes._waybook import UNKNOWN_AT_MOST
from protocol import gbt26865, smd
from protocol.clock import SECOND
from protocol.gbt26865.frames import CommandCode, parse
from protocol.gbt26865.heartbeats import EVERY, MISSES
from protocol.messages import Spectrum, device_number
from protocol.smd.session import NO_SPECTRA
from tests.pipestations import Substation, configuration, frames
from tests.receivers import TICK, Socket, Steps, World, plain_keeper

__all__ = ["plain_keeper"]
pytestmark = pytest.mark.usefixtures("plain_keeper")

WHO = b"0GX00GP1"
NUMBER = int.from_bytes(WHO, "big")
A_SECOND = SECOND // TICK


class Bench:
    """A receiver, its balancer, and one substation with a management pipe (descriptor 1) and a data pipe (2)."""

    def __init__(self, folder: Path, version: int = 3, period: int = 100) -> None:
        self.world = World(folder, Steps(), {NUMBER: 7})
        self.sockets = self.world.kernel.sockets = {fd: Socket() for fd in range(1, 8)}
        device = gbt26865.Device(configuration(WHO, version=version, period=period))
        self.station = Substation(device, self.sockets[1], {Spectrum.NONE: self.sockets[2]}, piped=False)
        self.tick = 0

    def call(self, fd: int, how: str = "tcp", address: str = "10.0.0.1", **more: Any) -> None:
        self.world.balancer.connect(100 + fd, how, (address, 8000 + fd), [fd], **more)

    def turn(self, count: int = 1) -> None:
        for _ in range(count):
            self.station.turn(self.tick, self.world.now)
            self.world.turn()
            self.tick += 1

    def codec(self) -> Any:
        return gbt26865.compile_codec(self.station.device.cfg)

    def commands(self) -> Counter[CommandCode]:
        """What the substation was told."""
        said = (parse(frame) for data in self.sockets[1].sent for frame in gbt26865.Splitter().feed(data))
        return Counter(CommandCode(each.command) for each in said if isinstance(each, gbt26865.Command))

    def rows(self) -> int:
        self.world.stop()
        return sum(self.world.outcome([]).rows.values())

    @property
    def alarms(self) -> str:
        receiver = self.world.receiver
        assert receiver
        return "; ".join(receiver.health(self.world.now)["alarms"])


def management(bench: Bench) -> None:
    bench.call(1, protocol="gbt26865", pipe="management", stream=NUMBER)


def test_data_are_asked_for_when_there_is_a_pipe_for_them(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    management(bench)
    bench.turn(20)
    assert bench.world.balancer.wanted == [101]
    assert not bench.station.device.on
    bench.call(2, protocol="gbt26865", pipe="data", beside=101)
    bench.station.piped = True
    bench.turn(10)
    assert bench.station.device.on
    assert bench.commands()[CommandCode.DATA_ON] == 1


def test_a_data_pipe_that_ends_is_wanted_again_and_the_rest_goes_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    management(bench)
    bench.call(2, protocol="gbt26865", pipe="data", beside=101)
    bench.station.piped = True
    bench.turn(30)
    bench.station.piped = False
    bench.sockets[2].finished = True
    bench.turn(5)
    assert 102 not in bench.world.balancer.links
    assert 101 in bench.world.balancer.links
    assert bench.world.balancer.wanted == [101]
    bench.station.data[Spectrum.NONE] = bench.sockets[3]
    bench.call(3, protocol="gbt26865", pipe="data", beside=101)
    bench.station.piped = True
    bench.turn(20)
    bench.station.piped = False
    bench.turn(3)
    assert bench.rows() == bench.station.sent[Spectrum.NONE]


def test_a_management_pipe_takes_its_data_pipe_with_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    management(bench)
    bench.call(2, protocol="gbt26865", pipe="data", beside=101)
    bench.station.piped = True
    bench.turn(20)
    bench.station.piped = False
    bench.sockets[2].queue += b"".join(frames(bench.codec(), 50, bench.station.sent[Spectrum.NONE], 4))
    bench.sockets[1].finished = True
    bench.turn(3)
    assert bench.world.balancer.links == {}
    assert bench.sockets[2].hung_up
    assert bench.rows() == bench.station.sent[Spectrum.NONE] + 4, "what the kernel still had is not lost"


def test_a_data_pipe_without_its_management_pipe_is_closed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.call(2, protocol="gbt26865", pipe="data", beside=101)
    bench.turn(PATIENCE // TICK - 10)
    assert 102 in bench.world.balancer.links
    bench.turn(20)
    assert 102 not in bench.world.balancer.links


def test_of_data_that_are_nobodys_nothing_is_taken_until_they_are_somebodys(tmp_path: Path) -> None:
    """The data pipe came first: the management pipe is known a second later."""
    bench = Bench(tmp_path)
    bench.sockets[2].queue += b"".join(frames(bench.codec(), 50, 0, 5))
    bench.call(2, "dials_in", protocol="smd")
    bench.turn(A_SECOND)
    assert bench.sockets[2].taken == 0
    management(bench)
    bench.turn(A_SECOND)
    assert bench.sockets[2].queue == b""
    assert bench.rows() == 5


def test_data_of_nobody_are_asked_who_they_are_and_refused_in_the_end(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.sockets[2].queue += b"".join(frames(bench.codec(), 50, 0, 5))
    bench.call(2, "dials_in", protocol="smd")
    bench.turn(PATIENCE // TICK + 70 * A_SECOND)
    assert 102 not in bench.world.balancer.links
    assert "no answer after 5 questions" in bench.alarms
    bench.world.stop()
    assert bench.world.receiver
    assert bench.world.receiver.links.book.unknown[2] == 5


def test_v2_data_are_known_by_their_address(tmp_path: Path) -> None:
    bench = Bench(tmp_path, version=2)
    bench.call(1, protocol="qgdw131", pipe="management")
    bench.turn(2 * A_SECOND)
    assert bench.station.device.on
    bench.call(2, "dials_in", protocol="smd")
    bench.sockets[4].queue += b"".join(frames(bench.codec(), 50, 1000, 5))
    bench.call(4, "dials_in", address="10.0.0.9", protocol="smd")
    bench.station.piped = True
    bench.turn(20)
    assert bench.sockets[4].taken == 0
    bench.station.piped = False
    bench.turn(3)
    assert bench.rows() == bench.station.sent[Spectrum.NONE]


def test_heartbeats_keep_a_link_and_their_want_ends_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, period=5000)  # a frame a second
    management(bench)
    bench.call(2, protocol="gbt26865", pipe="data", beside=101)
    bench.station.piped = True
    bench.turn(2 * EVERY // TICK)
    assert bench.commands()[CommandCode.HEARTBEAT] >= 1
    assert 101 in bench.world.balancer.links
    bench.station.deaf = True
    bench.turn((MISSES + 2) * EVERY // TICK)
    assert 101 not in bench.world.balancer.links
    assert f"no heartbeat came back, {MISSES} times" in bench.alarms


def test_a_smd_whose_table_does_not_fit_is_a_device_with_fundamentals(tmp_path: Path) -> None:
    """Its harmonics are refused and named; nothing else is harmed."""
    bench = Bench(tmp_path)
    bench.station.data = {}
    bench.station.piped = True
    bench.world.balancer.more = {7: {"kind": "C"}}  # an SMD-C has no spectra
    bench.call(1, "dials_in", protocol="smd")
    bench.turn(20)
    codec = smd.compile_codecs(bench.station.device.cfg, smd.Kind.L, smd.load())[Spectrum.HARMONICS]
    bench.sockets[1].queue += b"".join(frames(codec, 1, 0, 2))
    bench.turn(20)
    bench.station.piped = False
    bench.turn(3)
    assert bench.alarms == f"2x device 7: {NO_SPECTRA}"
    bench.world.stop()
    seen = bench.world.outcome([])
    assert sum(seen.rows.values()) == bench.station.sent[Spectrum.NONE]
    assert seen.books[device_number(7, 0)] == [bench.station.sent[Spectrum.NONE] + 2, 0, 2, 0]


def test_an_smd_that_says_it_is_another_device_has_the_spectra_of_neither(tmp_path: Path) -> None:
    """Spectra that come before it is known who it is now are refused: what the former one is says nothing of them."""
    bench = Bench(tmp_path)
    other = configuration(b"0GX00GP2")
    bench.world.balancer.known[int.from_bytes(b"0GX00GP2", "big")] = 8
    bench.world.balancer.more = {7: {"kind": "L"}}
    bench.station.data, bench.station.piped = {}, True
    bench.call(1, "dials_in", protocol="smd")
    bench.turn(30)
    bench.station.piped = False
    bench.station.device = gbt26865.Device(other)
    codecs = smd.compile_codecs(other, smd.Kind.L, smd.load())
    bench.sockets[1].queue += gbt26865.encode_configuration(other, 2)
    bench.sockets[1].queue += b"".join(frames(codecs[Spectrum.NONE], 50, 100, 2))
    bench.sockets[1].queue += b"".join(frames(codecs[Spectrum.HARMONICS], 1, 0, 2))
    bench.turn(20)
    bench.world.stop()
    seen = bench.world.outcome([])
    assert seen.books[device_number(8, 0)] == [4, 0, 2, 0]


def test_a_configuration_that_fits_the_kind_again_brings_the_spectra_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.world.balancer.more = {7: {"kind": "L"}}
    bench.station.kind = smd.Kind.L
    bench.station.data, bench.station.piped = {}, True
    bench.call(1, "dials_in", protocol="smd")
    bench.turn(60)
    bench.station.piped = False
    without = configuration(WHO, phasors=100)  # its inter-harmonics would be longer than a frame
    bench.sockets[1].queue += gbt26865.encode_configuration(without, 2)
    bench.turn(3)
    bench.sockets[1].queue += gbt26865.encode_configuration(bench.station.device.cfg, 2)
    bench.turn(3)
    before = dict(bench.station.sent)
    bench.station.piped = True
    bench.turn(60)
    bench.station.piped = False
    bench.turn(3)
    bench.world.stop()
    assert bench.station.sent[Spectrum.HARMONICS] > before[Spectrum.HARMONICS]
    assert sum(bench.world.outcome([]).rows.values()) == sum(bench.station.sent.values())


def test_nobody_feeds_a_device_from_elsewhere_by_naming_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    management(bench)
    bench.turn(2 * A_SECOND)
    bench.sockets[4].queue += b"".join(frames(bench.codec(), 50, 1000, 5))
    bench.call(4, "dials_in", address="10.0.0.9", protocol="smd")
    bench.turn(A_SECOND)
    assert bench.sockets[4].taken == 0
    bench.turn(PATIENCE // TICK)
    assert "10.0.0.9: DATA of no device whose commands go to the same address" in bench.alarms
    assert bench.rows() == 0


def test_ipv4_is_the_same_address_where_ipv6_is_listened_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path, version=2)
    bench.call(1, protocol="qgdw131", pipe="management")
    bench.call(2, "dials_in", address="::ffff:10.0.0.1", protocol="smd")
    bench.station.piped = True
    bench.turn(2 * A_SECOND)
    bench.station.piped = False
    bench.turn(3)
    assert bench.rows() == bench.station.sent[Spectrum.NONE] > 0


def test_a_newer_balancer_is_asked_for_the_pipe_that_is_still_wanted(tmp_path: Path) -> None:
    """The device says yes to DATA, and has no data pipe yet."""
    bench = Bench(tmp_path)
    management(bench)
    bench.turn(3 * A_SECOND)
    assert bench.station.device.on
    bench.world.balancer.wanted.clear()
    bench.world.balancer.anew()
    bench.turn(2)
    assert bench.world.balancer.wanted == [101]
    bench.world.balancer.wanted.clear()
    bench.world.kill()
    bench.turn(2)
    assert bench.world.balancer.wanted == [101]


@pytest.mark.parametrize("begin", [bytes(6000), b"\xaa\x03\x00\x03" * 1500, b"\xaa\x03\x00\x40" * 1500])
def test_what_begins_with_something_else_than_data_is_no_data_pipe(tmp_path: Path, begin: bytes) -> None:
    bench = Bench(tmp_path)
    bench.sockets[2].queue += begin
    bench.call(2, "dials_in", protocol="smd")
    bench.turn(5)
    assert bench.sockets[2].taken > 0


def test_a_pipe_whose_first_frame_is_not_whole_yet_waits(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    management(bench)
    bench.turn(A_SECOND)
    data = b"".join(frames(bench.codec(), 50, 0, 5))
    bench.call(2, "dials_in", protocol="smd")
    for at in range(0, 100, 10):
        bench.sockets[2].queue += data[at : at + 10]
        bench.turn()
        assert at > 50 or bench.sockets[2].taken == 0
    bench.sockets[2].queue += data[100:]
    bench.turn(5)
    assert bench.rows() == 5


def test_few_of_those_that_nobody_knows_are_looked_into_in_a_tick(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    many = range(100, 100 + 3 * UNKNOWN_AT_MOST)
    for fd in many:
        bench.sockets[fd] = Socket(bytearray(bytes(2000)))
        bench.call(fd, "dials_in", address="10.0.0.9", protocol="smd")
    taken = 0
    for _ in range(60):
        bench.turn()
        before, taken = taken, sum(bench.sockets[fd].taken > 0 for fd in many)
        assert taken - before <= UNKNOWN_AT_MOST
    assert taken == len(many)


@pytest.mark.parametrize("killed", [False, True])
def test_of_two_behind_one_address_the_one_without_its_pipe_gets_it(tmp_path: Path, killed: bool) -> None:
    """V2: one has a pipe that we dialled, the other one dials its own, again and again."""
    bench = Bench(tmp_path, version=2)
    other = Bench(tmp_path / "other", version=2)
    other.sockets = {1: bench.sockets[3], 2: bench.sockets[4]}
    other.station.management, other.station.data = bench.sockets[3], {Spectrum.NONE: bench.sockets[4]}
    bench.world.balancer.known = {NUMBER: 7}
    bench.call(1, protocol="qgdw131", pipe="management", stream=NUMBER)
    bench.call(2, protocol="qgdw131", pipe="data", beside=101)
    bench.call(3, protocol="qgdw131", pipe="management", stream=NUMBER + 1)
    bench.world.balancer.known[NUMBER + 1] = 8

    def turn(count: int) -> None:
        for _ in range(count):
            other.station.turn(bench.tick, bench.world.now)
            bench.turn()

    turn(2 * A_SECOND)
    if killed:
        bench.world.kill()
    for pipe in (5, 6):
        other.station.data[Spectrum.NONE] = bench.sockets[pipe]
        bench.call(pipe, "dials_in", protocol="smd")
        other.station.piped = True
        turn(20)
        other.station.piped = False
        turn(3)
        assert bench.sockets[pipe].queue == b""
        bench.sockets[pipe].finished = True
        turn(3)
    bench.world.stop()
    rows = Counter(row[0] for row in bench.world.outcome([]).rows)
    assert rows[device_number(8, 0)] == other.station.sent[Spectrum.NONE] > 20


def test_many_of_v2_behind_one_address_tell_their_configurations(tmp_path: Path) -> None:
    """Each has its own allowance, though their configuration frames have no IDCODE."""
    bench = Bench(tmp_path)
    count = 2 * BURST
    bench.world.balancer.known = {NUMBER + k: k + 1 for k in range(count)}
    stations = []
    for k in range(count):
        socket = bench.sockets[10 + k] = Socket()
        who = (NUMBER + k).to_bytes(8, "big")
        stations.append(Substation(gbt26865.Device(configuration(who, version=2)), socket))
        bench.call(10 + k, protocol="qgdw131", pipe="whole")
    for tick in range(40):
        for each in stations:
            each.turn(tick, bench.world.now)
        bench.world.turn()
    assert len(bench.world.balancer.links) == count
    assert all(each.device.on for each in stations)
    assert bench.alarms == ""


def test_a_v2_gateway_is_who_it_was_addressed_as_whatever_its_blocks_say(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.world.balancer.known = {NUMBER: 7}
    bench.station.device = gbt26865.Device(configuration(b"A LABEL.", version=2))
    bench.station.data, bench.station.piped = {}, True
    bench.call(1, "dials_in", protocol="smd", stream=NUMBER)
    bench.turn(30)
    assert bench.station.device.on
    assert bench.world.receiver
    assert 7 in bench.world.receiver.links.book.carriers


def test_what_is_no_data_does_nothing_on_a_data_pipe(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    management(bench)
    bench.call(2, protocol="gbt26865", pipe="data", beside=101)
    bench.station.piped = True
    bench.turn(20)
    bench.sockets[2].queue += gbt26865.encode_configuration(configuration(WHO, phasors=1), 2)
    bench.turn(20)
    bench.station.piped = False
    bench.turn(3)
    assert bench.alarms == "1x device 7: frames on its data pipe that are no DATA"
    assert bench.rows() == bench.station.sent[Spectrum.NONE]


def test_spectra_of_a_device_that_is_listed_as_none_with_spectra_are_named_and_no_noise(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    cfg = configuration(WHO, phasors=40)
    bench.station.device = gbt26865.Device(cfg)
    bench.station.data, bench.station.piped = {}, True
    bench.call(1, protocol="gbt26865", pipe="whole", stream=NUMBER)
    bench.turn(20)
    codec = smd.compile_codecs(cfg, smd.Kind.L, smd.load())[Spectrum.INTERHARMONICS]
    for second in range(20):
        bench.sockets[1].queue += b"".join(frames(codec, 1, 3 * second, 3))
        bench.turn(A_SECOND)
    assert bench.station.piped
    assert bench.alarms == f"60x device 7: {NO_SPECTRA}"
    assert 101 in bench.world.balancer.links
    bench.station.piped = False
    bench.turn(3)
    bench.world.stop()
    seen = bench.world.outcome([])
    assert sum(seen.rows.values()) == bench.station.sent[Spectrum.NONE]
    assert seen.books[device_number(7, 0)] == [bench.station.sent[Spectrum.NONE] + 60, 0, 60, 0]


def test_who_dials_us_and_is_of_v2_is_asked_in_v2(tmp_path: Path) -> None:
    bench = Bench(tmp_path, version=2)
    bench.station.data, bench.station.piped = {}, True
    bench.call(1, "dials_in", protocol="qgdw131")
    bench.turn(20)
    bench.station.piped = False
    bench.turn(3)
    said = [frame for data in bench.sockets[1].sent for frame in gbt26865.Splitter().feed(data)]
    assert {frame[1] & 15 for frame in said} == {2}
    assert bench.rows() == bench.station.sent[Spectrum.NONE] > 0
