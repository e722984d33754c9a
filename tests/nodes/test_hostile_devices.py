"""A receiver and devices that mean harm, driven by hand: what it reads of them, counts, says, and when it hangs up."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from nodes import _reading
from nodes._manners import BITE, BURST
from nodes._peek import StreamEnd
from nodes._waybook import WASTEFUL_AT_MOST
from nodes._ways import UNSENT_AT_MOST, StreamWay
from nodes._waystate import Handed
from protocol.c37118.session import MasterSettings
from protocol.clock import SECOND, Now
from tests.receivers import Datagrams, Socket, Steps, World, plain_keeper
from tests.scenes import command, configuration, data, told

pytestmark = pytest.mark.usefixtures("plain_keeper")
__all__ = ["plain_keeper"]

KNOWN = {7: 7, 8: 8}
GARBAGE = b"\xaa\x01\x0f\xff" * 500_000


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, Steps(), KNOWN)


def connect(world: World, fd: int, queue: bytes = b"", how: str = "dials_in", **fields: Any) -> Socket:
    """A connection from 10.0.0.FD; its number is FD too."""
    socket = world.kernel.sockets[fd] = Socket(bytearray(queue))
    world.balancer.connect(fd, how, (f"10.0.0.{fd}", 4712), [fd], **fields)
    return socket


def turns(world: World, count: int) -> None:
    for _ in range(count):
        world.turn()


def later(world: World, seconds: float) -> None:
    """Time passes in large steps."""
    for _ in range(int(seconds * 2)):
        world.now = Now(world.now.monotonic + SECOND // 2, world.now.utc + SECOND // 2)
        world.turn()


def health(world: World) -> tuple[dict[str, int], list[str]]:
    """(counters, alarms)"""
    assert world.receiver
    said = world.receiver.health(world.now)
    return said["counters"], said["alarms"]


def test_garbage_is_read_in_small_bites_and_hung_up_on(world: World) -> None:
    foe = connect(world, 1, GARBAGE)
    world.turn()
    for _ in range(50):
        before = foe.taken
        world.turn()
        assert foe.taken - before <= BITE
    turns(world, 400)
    assert 1 not in world.balancer.links
    assert foe.hung_up
    counters, alarms = health(world)
    assert counters["skipped_bytes"] > 1 << 20
    assert "1x 10.0.0.1: more than 1048576 bytes of no use came (`noise`)" in alarms


def test_many_that_send_garbage_share_what_one_may_cost(world: World) -> None:
    foes = [connect(world, fd, GARBAGE) for fd in range(1, 31)]
    turns(world, 5)  # a few begin in a tick, and the first bite of each is a look
    before = sum(foe.taken for foe in foes)
    turns(world, 30)
    assert sum(foe.taken for foe in foes) - before <= 30 * WASTEFUL_AT_MOST * BITE
    assert min(foe.taken for foe in foes) > BITE, "each has its turn"


def test_a_sound_device_beside_garbage_is_read_at_once(world: World) -> None:
    cfg = configuration(7)
    foes = [connect(world, fd, GARBAGE) for fd in range(1, 21)]
    sound = connect(world, 30, told(cfg))
    turns(world, 20)
    for frame in data(cfg, 50):
        sound.queue += frame
        world.turn()
        assert not sound.queue
    assert foes[0].queue
    assert health(world)[0]["received"] == 50


@pytest.mark.parametrize("begun", [b"", data(configuration(7), 1)[0][:9]], ids=["silent", "half a frame"])
def test_who_never_tells_a_configuration_is_hung_up_on(world: World, begun: bytes) -> None:
    foe = connect(world, 1, begun)
    later(world, 100)
    assert foe.hung_up
    assert "1x 10.0.0.1: no configuration after 5 questions" in health(world)[1]


def test_a_device_that_does_not_read_is_given_up() -> None:
    class Deaf(StreamEnd):
        def __init__(self) -> None:
            """No socket."""

        def send(self, data: bytes) -> int:
            raise BlockingIOError

    handed = Handed.of([1, "front", "dials_in", ("10.0.0.1", 1), None, True, None, None])
    way = StreamWay(1, handed, Deaf(), MasterSettings())
    for _ in range(UNSENT_AT_MOST // len(command(7, 2))):
        way.link.command(command(7, 2))
        assert not way.over
    way.link.command(command(7, 2))
    assert way.over == "the device does not read our commands"


def test_a_storm_of_configurations_ends_the_link_and_its_data_are_refused(world: World) -> None:
    storm = b"".join(
        told(configuration(7, name=f"S{number}")) + data(configuration(7), 1, first=number)[0] for number in range(100)
    )
    foe = connect(world, 1, told(configuration(7, name="S0")))
    turns(world, 10)
    foe.queue += storm
    turns(world, 20)
    assert foe.hung_up
    counters, alarms = health(world)
    assert counters["configurations_refused"] == 100 - BURST
    assert counters["received"] == BURST + counters["refused"]
    assert any("device 7: tells other configurations too often (`configurations`)" in each for each in alarms)
    foe = connect(world, 1, told(configuration(7, name="again")))
    foe.queue += b"".join(data(configuration(7), 5))
    turns(world, 5)
    assert foe.hung_up, "a new connection is no way around it"


def test_a_stranger_on_a_port_of_many_is_refused_and_named(world: World) -> None:
    port = connect(world, 1, how="spontaneous")
    cfg, strange = configuration(8), configuration(99)
    port.datagrams.append((told(cfg), "10.0.0.8"))
    for turn in range(50):
        port.datagrams.append((data(strange, 1, first=turn)[0], "10.9.9.9"))
        port.datagrams.append((data(cfg, 1, first=turn)[0], "10.0.0.8"))
        world.turn()
    turns(world, 5)
    counters, alarms = health(world)
    assert counters["received"] == 50
    assert counters["strange_frames"] == 50 - 2  # those before the balancer's answer wait
    assert "48x 10.9.9.9: DATA of stream 99: no device of the site sends them from there" in alarms


def test_commands_that_the_network_refuses_are_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

    monkeypatch.setattr(Datagrams, "send", refused)
    connect(world, 8, how="udp", target=("10.0.0.8", 4712))
    later(world, 3)
    assert health(world)[0]["unreachable"] >= 2, "it asks again"


def test_data_without_a_configuration_do_not_fill_the_memory(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_reading, "HELD_AT_MOST", 100_000)
    frames = data(configuration(7), 3000)
    most = connect(world, 1, b"".join(frames))
    least = connect(world, 2, b"".join(frames[:500]))
    turns(world, 120)
    assert (most.hung_up, least.hung_up) == (True, False)
    assert any("10.0.0.1: too much DATA without a configuration" in each for each in health(world)[1])


def test_a_connection_that_came_without_its_socket_is_given_back(world: World) -> None:
    sound = connect(world, 2, told(configuration(8)) + b"".join(data(configuration(8), 5)))
    world.balancer.connect(1, "dials_in", ("10.0.0.1", 4712), [])
    turns(world, 20)
    assert list(world.balancer.links) == [2]
    counters, _ = health(world)
    assert (counters["incomplete"], counters["received"], sound.hung_up) == (1, 5, False)


def test_one_device_does_not_crowd_out_the_alarms_of_others(world: World) -> None:
    cfg = configuration(7)
    wild = b"".join(data(configuration(stream), 1)[0] for stream in range(100, 400))
    foe, fool = connect(world, 1, told(cfg)), connect(world, 2, told(configuration(8)))
    turns(world, 10)
    foe.queue += data(cfg, 1)[0] + wild
    fool.queue += command(8, 2)
    turns(world, 20)
    alarms = health(world)[1]
    assert len([each for each in alarms if "device 7" in each]) <= 6
    assert any("device 8: a frame of type 4 is not for us" in each for each in alarms)


def test_values_and_times_that_no_sound_device_tells(world: World) -> None:
    cfg = configuration(7)
    standing = data(cfg, 1)[0]
    connect(world, 1, told(cfg) + standing * 30)
    turns(world, 10)
    assert "29x device 7: a time that does not move" in health(world)[1]
