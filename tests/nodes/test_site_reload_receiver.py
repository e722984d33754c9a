"""A changed site file, taken up by receivers that are driven by hand."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from archive.journal import Journal
from protocol import wire
from protocol.messages import Configuration, Measurements
from tests import thorough
from tests.receivers import SEGMENT, Socket, Steps, World, plain_keeper
from tests.scenes import configuration, data, told

__all__ = ["plain_keeper"]


@pytest.fixture
def world(tmp_path: Path, plain_keeper: None) -> World:
    return World(tmp_path, Steps(), {7: 7, 8: 8})


def connect(world: World, fd: int, stream: int, how: str = "dials_in") -> Socket:
    """A device that tells its configuration and sends."""
    device = world.kernel.sockets[fd] = Socket()
    device.queue += told(configuration(stream, name=f"Device {stream}"))
    world.balancer.connect(100 + fd, how, (f"10.0.0.{fd}", 4712), [fd])
    turns(world, 12)
    device.queue += told(configuration(stream, name=f"Device {stream}"))  # by now it was asked
    world.turn()
    return device


def turns(world: World, count: int) -> None:
    for _ in range(count):
        world.turn()


def change(world: World, answers: dict[int, dict[str, Any] | None]) -> None:
    """Stream -> the device that it is by the changed site file, None: nobody."""
    world.balancer.site = {
        stream: {"site": "v2", "name": f"device {stream}", "number": stream} | told if told is not None else None
        for stream, told in answers.items()
    }
    world.balancer.version = "v2"


def tell(world: World) -> None:
    world.balancer.notes.append((0, {"say": "site", "version": "v2"}, []))


def words(world: World) -> list[Any]:
    """All that the receiver has said, in order."""
    assert world.receiver
    assert world.receiver.keeper
    epochs = world.receiver.keeper.epochs
    return [wire.unpack(p) for epoch, first, next in epochs for _, p in world.receiver.keeper.fetch(epoch, first, next)]


def frames(stream: int, first: int, count: int) -> bytes:
    return b"".join(data(configuration(stream, name=f"Device {stream}"), count, first))


def links(world: World) -> list[str]:
    return [word.link for word in words(world) if isinstance(word, Configuration)]


def test_a_renamed_device_says_its_configuration_anew_between_two_frames(world: World) -> None:
    device = connect(world, 1, 7)
    device.queue += frames(7, 0, 5)
    turns(world, 2)
    change(world, {7: {"name": "Renamed", "region": "north", "latitude": 47.5}})
    tell(world)
    for tick in range(5, 15):
        device.queue += frames(7, tick, 1)
        world.turn()
    assert links(world) == ["device 7", "Renamed"]
    assert not device.hung_up
    last = [word for word in words(world) if isinstance(word, Configuration)][-1]
    assert (last.region, last.latitude) == ("north", 47.5)
    rows = [word.device.size for word in words(world) if isinstance(word, Measurements)]
    assert sum(rows) == 15
    assert world.receiver
    assert world.receiver.links.book.table()["labels"] == ["Renamed"]


def test_an_analog_that_means_something_else_is_scaled_otherwise(world: World) -> None:
    device = connect(world, 1, 7)
    device.queue += frames(7, 0, 1)
    turns(world, 2)
    change(world, {7: {"analogs": {"AN": {"scale": 10.0, "offset": 0.0, "unit": "MW"}}}})
    tell(world)
    turns(world, 8)
    device.queue += frames(7, 1, 1)
    turns(world, 2)
    assert world.receiver
    [link] = world.receiver.links.book.carriers.values()
    assert link.codec
    assert link.codec.scales[0].analog.tolist() == [10.0]
    assert len(links(world)) == 2


def test_one_of_whom_nothing_changed_says_nothing_and_stays_in_step(world: World) -> None:
    device = connect(world, 1, 7)
    for tick in range(5):
        device.queue += frames(7, tick, 1)
        world.turn()
    assert world.receiver
    assert world.receiver.reading.book.bulks.count == 1
    change(world, {7: {}})
    tell(world)
    for tick in range(5, 15):
        device.queue += frames(7, tick, 1)
        world.turn()
        assert world.receiver.reading.book.bulks.count == 1
    assert links(world) == ["device 7"]
    [link] = world.receiver.links.book.carriers.values()
    assert link.identity["site"] == "v2"


def test_one_that_nobody_knows_any_more_is_ended(world: World) -> None:
    gone, stays = connect(world, 1, 7), connect(world, 2, 8)
    change(world, {7: None, 8: {}})
    tell(world)
    turns(world, 8)
    assert gone.hung_up
    assert not stays.hung_up
    assert 101 not in world.balancer.links


def test_one_that_is_another_device_now_ends_and_comes_anew(world: World) -> None:
    device = connect(world, 1, 7)
    change(world, {7: {"number": 9, "name": "Nine"}})
    tell(world)
    turns(world, 8)
    assert device.hung_up
    assert world.receiver
    assert world.receiver.links.book.counts["ended"] == 1


def test_the_balancers_word_ends_a_connection_whatever_it_carries(world: World) -> None:
    silent = world.kernel.sockets[3] = Socket()
    world.balancer.connect(103, "tcp", ("10.0.0.3", 4712), [3])
    device = connect(world, 1, 7)
    for connection in (101, 103):
        world.balancer.notes.append((0, {"say": "end", "connection": connection, "reason": "gone"}, []))
    turns(world, 3)
    assert device.hung_up
    assert silent.hung_up


def test_a_sender_that_was_refused_comes_in_and_one_that_is_known_no_more_is_refused(world: World) -> None:
    port = world.kernel.sockets[1] = Socket()
    world.balancer.connect(101, "spontaneous", ("0.0.0.0", 4715), [1])
    world.balancer.known = {7: 7}

    def send(first: int, count: int = 1) -> None:
        for stream in (7, 8):
            cfg = configuration(stream, name=f"Device {stream}")
            for frame in data(cfg, count, first):
                port.datagrams.append((frame, f"10.0.0.{stream}"))

    for stream in (7, 8):
        port.datagrams.append((told(configuration(stream, name=f"Device {stream}")), f"10.0.0.{stream}"))
    turns(world, 6)
    send(0, 3)
    turns(world, 6)
    assert world.receiver
    assert set(world.receiver.links.book.carriers) == {7}
    change(world, {7: None, 8: {}})
    tell(world)
    turns(world, 10)
    assert set(world.receiver.links.book.carriers) == {8}
    send(3, 3)
    turns(world, 3)
    rows = [word for word in words(world) if isinstance(word, Measurements)]
    assert [sorted(set((word.device // 65536).tolist())) for word in rows] == [[7], [8]]
    assert not port.hung_up


def test_many_ask_a_few_in_a_tick(world: World) -> None:
    world.balancer.known = {stream: stream for stream in range(1, 31)}
    for fd in range(1, 31):
        device = world.kernel.sockets[fd] = Socket()
        device.queue += told(configuration(fd, name=f"Device {fd}"))
        world.balancer.connect(100 + fd, "dials_in", (f"10.0.0.{fd}", 4712), [fd])
    turns(world, 40)
    assert world.receiver
    assert len(world.receiver.links.book.carriers) == 30
    change(world, {stream: {} for stream in range(1, 31)})
    tell(world)
    confirmed = []
    for _ in range(7):
        world.turn()
        known = world.receiver.links.book.carriers.values()
        confirmed.append(sum(link.identity.get("site") == "v2" for link in known))
    assert confirmed == [0, 0, 10, 20, 30, 30, 30]


def test_what_was_told_outlives_a_kill(world: World) -> None:
    device = connect(world, 1, 7)
    change(world, {7: {"name": "Renamed"}})
    tell(world)
    turns(world, 8)
    world.kill()
    device.queue += frames(7, 0, 3)
    turns(world, 6)
    assert links(world)[-1] == "Renamed"
    assert world.receiver
    assert world.receiver.links.book.carriers[7].identity["site"] == "v2"


@pytest.mark.parametrize("who", ["receiver", "balancer"])
def test_a_change_while_one_of_the_two_was_away_is_told(world: World, who: str) -> None:
    device = connect(world, 1, 7)
    change(world, {7: {"name": "Renamed"}})
    if who == "receiver":
        world.kill()
    else:
        world.balancer.anew()
    device.queue += frames(7, 0, 3)
    turns(world, 8)
    assert links(world)[-1] == "Renamed"
    assert not device.hung_up
    told = len(links(world))
    world.kill()
    turns(world, 8)
    assert len(links(world)) == told + 1  # by the new life, and not asked for again


def test_of_two_streams_on_one_connection_each_comes_and_goes_by_itself(world: World) -> None:
    device = connect(world, 1, 7)
    device.queue += told(configuration(8, name="Device 8")) + frames(8, 0, 4)
    turns(world, 8)
    device.queue += told(configuration(8, name="Device 8"))  # it was asked by now
    turns(world, 4)
    assert world.receiver
    carriers = world.receiver.links.book.carriers
    assert set(carriers) == {7, 8}
    for answers in ({7: None, 8: {}}, {7: {}, 8: None}, {7: {}, 8: {}}):
        change(world, answers)
        world.balancer.version = f"v{len(words(world))}"
        for each in world.balancer.site.values():
            if each:
                each["site"] = world.balancer.version
        world.balancer.notes.append((0, {"say": "site", "version": world.balancer.version}, []))
        device.queue += frames(7, 10, 1) + frames(8, 10, 1)
        turns(world, 10)
        assert set(carriers) == {stream for stream, known in answers.items() if known is not None}
    assert not device.hung_up
    before = len(words(world))
    device.queue += frames(7, 20, 1) + frames(8, 20, 1)
    turns(world, 2)
    rows = [word for word in words(world)[before:] if isinstance(word, Measurements)]
    assert sorted(number // 65536 for word in rows for number in word.device.tolist()) == [7, 8]


def edited_play(folder: Path, steps: Steps) -> tuple[World, list[tuple[Any, ...]]]:
    """Two devices send, the site file renames one and leaves the other as it is: (world, rows but their version)."""
    world = World(folder, steps, {7: 7, 8: 8})
    for fd, stream in ((1, 7), (2, 8)):
        world.kernel.sockets[fd] = Socket()
        world.kernel.sockets[fd].queue += told(configuration(stream, name=f"Device {stream}"))
        world.balancer.connect(100 + fd, "dials_in", (f"10.0.0.{fd}", 4712), [fd])
    for tick in range(40):
        for fd, stream in ((1, 7), (2, 8)):
            again = told(configuration(stream, name=f"Device {stream}")) if tick == 8 else b""
            world.kernel.sockets[fd].queue += again + (frames(stream, tick, 1) if tick > 8 else b"")
        if tick == 20:
            change(world, {7: {"name": "Renamed"}, 8: {}})
            tell(world)
        world.turn()
    world.stop()
    assert world.receiver
    rows = world.outcome(world.receiver.links.book.unknown).rows
    return world, sorted(row[:-1] for row in rows.elements())


def test_a_kill_at_any_step_of_it_loses_no_row_and_the_new_name_is_told(tmp_path: Path, plain_keeper: None) -> None:
    steps = Steps()
    _, wanted = edited_play(tmp_path / "whole", steps)
    assert len(wanted) == 2 * 31
    stride = thorough.of(9, 4)
    for at in range(1 + random.randrange(stride), steps.count + 1, stride):
        world, rows = edited_play(tmp_path / str(at), Steps({at}))
        assert rows == wanted, at
        assert world.deaths == 1
        journal = Journal(world.folder, segment=SEGMENT)
        said = [wire.unpack(parts) for each in journal.epochs for _, parts in journal.fetch(*each)]
        journal.close()
        named = [word.link for word in said if isinstance(word, Configuration) and word.device == 7 * 65536]
        assert named[-1] == "Renamed", at
