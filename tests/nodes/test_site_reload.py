"""A changed site file, taken up by a balancer and by receivers that are driven by hand."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from archive.journal import Journal
from nodes._site import load
from nodes.balancer import Balancer
from protocol import wire
from protocol.messages import Configuration, Measurements
from tests.benches import Bench, Receiver, bench, is_open, receive
from tests.receivers import SEGMENT, Socket, Steps, World, plain_keeper
from tests.scenes import configuration, data, told

__all__ = ["bench", "plain_keeper", "receive"]

# ── the balancer ────────────────────────────────────────────────────────────────────────────────────────────


def entry(number: int, **settings: Any) -> dict[str, Any]:
    return {"name": f"D{number}", "number": number, "stream": number} | settings


class Edited:
    """A balancer that watches a site file."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.file = bench, bench.folder / "site.yaml"

    def write(self, *devices: dict[str, Any], **settings: Any) -> str:
        """Returns its version."""
        self.file.write_text(yaml.safe_dump({"station": "T", "devices": list(devices)} | settings))
        return load(self.file).version

    def start(self, *devices: dict[str, Any], **settings: Any) -> Balancer:
        self.write(*devices, **settings)
        site = load(self.file).model_dump(mode="json")
        node = self.bench.start(site, site_file=self.file)
        self.bench.turn(1)
        return node

    def edit(self, *devices: dict[str, Any], **settings: Any) -> str:
        version = self.write(*devices, **settings)
        for _ in range(3):
            self.bench.turn(1.1)
        return version


@pytest.fixture
def edited(bench: Bench) -> Edited:
    return Edited(bench)


def said(notes: list[dict[str, Any]], what: str) -> list[dict[str, Any]]:
    return [note for note in notes if note["say"] == what]


def test_receivers_are_told_the_version_and_answered_by_the_new_file(
    edited: Edited, receive: Callable[..., Any]
) -> None:
    node = edited.start(entry(7, region="north"))
    receiver = receive("r.1")
    device = edited.bench.dial()
    [link] = receiver.hear()
    [answer] = receiver.identify(link["connection"], 7)
    first = answer["device"]["site"]
    assert (answer["device"]["name"], first) == ("D7", node.watch.site.version)
    version = edited.edit(entry(7, region="south") | {"name": "Renamed"})
    assert said(receiver.hear(), "site") == [{"say": "site", "version": version}]
    [answer] = receiver.identify(link["connection"], 7)
    assert (answer["device"]["name"], answer["device"]["region"]) == ("Renamed", "south")
    assert answer["device"]["site"] == version != first
    assert node.health(edited.bench.now)["labels"] == ["Renamed"]
    assert is_open(device)
    assert node.health(edited.bench.now)["site"] == version


def test_a_welcome_tells_the_version(edited: Edited) -> None:
    edited.start(entry(7))
    version = edited.edit(entry(8))
    receiver = Receiver(edited.bench, "r.1")
    edited.bench.turn()
    [welcome] = receiver.hear()
    assert (welcome["say"], welcome["site"]) == ("welcome", version)
    receiver.die()


def test_who_may_call_follows_the_file(edited: Edited, receive: Callable[..., Any]) -> None:
    edited.start(entry(7, address="127.0.0.7"))
    receive("r.1")
    assert not is_open(edited.bench.dial())
    edited.edit(entry(7, address="127.0.0.1"))
    assert is_open(edited.bench.dial())


def test_who_is_not_in_the_file_any_more_is_refused_when_asked_about(
    edited: Edited, receive: Callable[..., Any]
) -> None:
    edited.start(entry(7), entry(8))
    receiver = receive("r.1")
    edited.bench.dial()
    [link] = receiver.hear()
    receiver.identify(link["connection"], 7)
    edited.edit(entry(8))
    receiver.hear()
    [answer] = receiver.identify(link["connection"], 7)
    assert answer["say"] == "refused"
    assert answer["reason"] == "stream 7 from 127.0.0.1: not in the site file"
    assert edited.bench.node.health(edited.bench.now)["labels"] == ["D8"]


def test_an_admitted_device_is_asked_to_leave_with_the_setting(edited: Edited, receive: Callable[..., Any]) -> None:
    edited.start(unknown="admit")
    receiver = receive("r.1")
    edited.bench.dial()
    [link] = receiver.hear()
    [answer] = receiver.identify(link["connection"], 7)
    assert answer["device"]["name"] == "127.0.0.1/7"
    edited.edit(entry(8))
    receiver.hear()
    assert receiver.identify(link["connection"], 7)[0]["say"] == "refused"


class Listener:
    """A device that is dialled."""

    def __init__(self) -> None:
        self.end = socket.create_server(("127.0.0.1", 0))
        self.end.setblocking(False)
        self.port = self.end.getsockname()[1]

    @property
    def link(self) -> dict[str, Any]:
        return {"tcp": f"127.0.0.1:{self.port}"}

    def calls(self) -> int:
        """How often it was called since."""
        count = 0
        while True:
            try:
                self.end.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1


@pytest.fixture
def listeners(bench: Bench) -> list[Listener]:
    made = [Listener(), Listener()]
    bench.open += [each.end for each in made]
    return made


def test_a_dialled_device_that_is_added_is_dialled(
    edited: Edited, receive: Callable[..., Any], listeners: list[Listener]
) -> None:
    edited.start()
    receive("r.1")
    edited.edit(entry(1, link=listeners[0].link))
    edited.bench.turn(1)
    assert listeners[0].calls() == 1


def test_a_dialled_device_that_is_renamed_stays(
    edited: Edited, receive: Callable[..., Any], listeners: list[Listener]
) -> None:
    edited.start(entry(1, link=listeners[0].link))
    receiver = receive("r.1")
    edited.bench.turn(0.1)
    edited.bench.turn(0.1)
    [link] = receiver.hear()
    receiver.identify(link["connection"], 1)
    edited.edit(entry(1, link=listeners[0].link) | {"name": "Renamed"})
    assert said(receiver.hear(), "end") == []
    assert listeners[0].calls() == 1
    [answer] = receiver.identify(link["connection"], 1)
    assert answer["device"]["name"] == "Renamed"


def test_a_dialled_device_that_is_moved_is_ended_and_reached_anew(
    edited: Edited, receive: Callable[..., Any], listeners: list[Listener]
) -> None:
    edited.start(entry(1, link=listeners[0].link))
    receiver = receive("r.1")
    edited.bench.turn(0.1)
    edited.bench.turn(0.1)
    [link] = receiver.hear()
    receiver.identify(link["connection"], 1)
    edited.edit(entry(1, link=listeners[1].link))
    [end] = said(receiver.hear(), "end")
    assert (end["connection"], end["reason"]) == (
        link["connection"],
        "the site file says no more that a device is there",
    )
    assert receiver.identify(link["connection"], 1)[0]["say"] == "refused"
    receiver.end(link["connection"])
    edited.bench.turn(1)
    edited.bench.turn(1)
    assert (listeners[0].calls(), listeners[1].calls()) == (1, 1)


def test_a_receiver_that_was_away_hears_of_the_end_when_it_is_back(
    edited: Edited, receive: Callable[..., Any], listeners: list[Listener]
) -> None:
    edited.start(entry(1, link=listeners[0].link))
    receiver = receive("r.1")
    edited.bench.turn(0.1)
    edited.bench.turn(0.1)
    [link] = receiver.hear()
    receiver.die()
    edited.edit()
    successor = Receiver(edited.bench, "r.1")
    edited.bench.turn()
    notes = successor.hear()
    assert [note["say"] for note in notes] == ["welcome", "link", "end"]
    assert notes[-1]["connection"] == link["connection"]
    successor.die()


def test_a_dial_under_way_is_given_up(edited: Edited, receive: Callable[..., Any]) -> None:
    node = edited.start(entry(1, link={"tcp": "192.0.2.1:4712"}))
    receive("r.1")
    edited.bench.turn(0.1)
    trying = [fd for fd in edited.bench.watched if fd in node.reach]
    edited.edit()
    assert not [fd for fd in trying if fd in edited.bench.watched]
    assert node.reach.alarms([]) == []


def test_a_port_that_stays_knows_its_new_devices(edited: Edited, receive: Callable[..., Any]) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    way = {"spontaneous": f"127.0.0.1:{port}"}
    edited.start(entry(1, link=way))
    receiver = receive("r.1")
    [link] = receiver.links.values()
    assert receiver.identify(link["connection"], 2)[0]["say"] == "refused"
    edited.edit(entry(1, link=way), entry(2, link=dict(way)))
    notes = receiver.hear()
    assert not said(notes, "end")
    assert not said(notes, "link")
    assert receiver.identify(link["connection"], 2)[0]["device"]["name"] == "D2"
    edited.edit()
    assert [note["connection"] for note in said(receiver.hear(), "end")] == [link["connection"]]


def test_a_file_that_wants_tls_which_we_lack_is_refused(edited: Edited, receive: Callable[..., Any]) -> None:
    node = edited.start(entry(1))
    receiver = receive("r.1")
    receiver.hear()
    edited.edit(entry(1, link={"tcp": "127.0.0.1:4712", "tls": {}}))
    assert said(receiver.hear(), "site") == []
    assert node.watch.site.devices[0].link.how == "dials_in"
    assert "the changed site file is not taken up: D1 is to be dialled under TLS; add tls: to the balancer" in (
        edited.bench.alarms()
    )


# ── a receiver ──────────────────────────────────────────────────────────────────────────────────────────────


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
    for at in range(1 + random.randrange(4), steps.count + 1, 4):
        world, rows = edited_play(tmp_path / str(at), Steps({at}))
        assert rows == wanted, at
        assert world.deaths == 1
        journal = Journal(world.folder, segment=SEGMENT)
        said = [wire.unpack(parts) for each in journal.epochs for _, parts in journal.fetch(*each)]
        journal.close()
        named = [word.link for word in said if isinstance(word, Configuration) and word.device == 7 * 65536]
        assert named[-1] == "Renamed", at
