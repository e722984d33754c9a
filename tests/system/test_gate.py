"""Between hosts only the keys of the list get in: real sockets on 127.0.0.1 and 127.0.0.2, hostile peers included."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import zmq
from zmq.utils import z85

from nodes import _keys, _sockets
from nodes._network import Host, Network, assign
from nodes._node import Letter, News, Place, StartError
from nodes._post import Post
from nodes._runtime import read_clock
from nodes._sockets import Poll
from protocol import wire
from protocol.messages import Announce, Durable

pytestmark = [pytest.mark.system, pytest.mark.timeout(60)]

WITHIN = 15.0
PROCESSES = {"writer": "a", "reader": "b"}


@dataclass
class End:
    """One process's sockets, turned by hand."""

    post: Post
    poll: Poll
    heard: list[tuple[Any, str]]

    def turn(self) -> None:
        for source in self.poll.wait(10):
            if door := self.post.door(source):
                self.heard += [(wire.unpack([bytes(p) for p in parts]), host) for parts, host in self.post.take(door)]
            else:
                self.post.serve(source, read_clock())

    def numbers(self) -> set[int]:
        return {message.next for message, _ in self.heard}

    def origins(self) -> set[str]:
        return {host for _, host in self.heard}


def free_ports(address: str) -> tuple[int, int]:
    """Two neighbouring ports."""
    while True:
        first = random.randrange(20_000, 30_000)
        try:
            for port in (first, first + 1):
                with socket.socket() as probe:
                    probe.bind((address, port))
        except OSError:
            continue
        return first, first + 1


class Pair:
    """A writer on host a, its reader on host b, each with a folder of keys and a runtime folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hosts = {
            name: Host(name, address, *free_ports(address))
            for name, address in (("a", "127.0.0.1"), ("b", "127.0.0.2"))
        }
        self.public: dict[str, bytes] = {}
        self.ends: list[Post] = []
        for name in ("a", "b", "stranger"):
            pair = _sockets.new_pair()
            _keys.create(self.keys(name), name, pair)
            self.public[name] = pair[0]
        _keys.allow(self.keys("a"), "b", self.public["b"])
        _keys.allow(self.keys("b"), "a", self.public["a"])

    def keys(self, host: str) -> Path:
        return self.folder / f"keys-{host}"

    def place(self, process: str) -> Place:
        here = PROCESSES[process]
        run = self.folder / f"run-{here}"
        run.mkdir(exist_ok=True)
        wired = {"readers_of": {"archiver": ["reader"]}, "sources": {}}
        if process == "reader":
            wired = {"readers_of": {}, "sources": {"receiver": ["writer"]}}
        network = Network(here, self.hosts, PROCESSES, self.keys(here), assign(self.hosts, PROCESSES))
        return Place(process, process, 1, run=str(run), site={}, pipeline="", network=network, **wired)

    def open(self, process: str) -> End:
        poll = Poll()
        post = Post(self.place(process), (Announce.TAG,), poll)
        self.ends.append(post)
        return End(post, poll, [])


@pytest.fixture
def pair(run_folder: Path) -> Iterator[Pair]:
    made = Pair(run_folder)
    yield made
    for post in made.ends:
        post.close()


def until(reached: Callable[[], bool], *ends: End, each: Callable[[], None] = lambda: None) -> bool:
    """Turn the ends until it is so."""
    deadline = time.monotonic() + WITHIN
    while not reached():
        if time.monotonic() > deadline:
            return False
        each()
        for end in ends:
            end.turn()
    return True


def say(end: End, number: int) -> Callable[[], None]:
    return lambda: end.post.tell(News(Announce("writer", 1, number, 0)))


def refresh(*ends: End) -> None:
    for end in ends:
        end.post.refresh(read_clock())


def test_both_ways_and_everybody_is_known_by_the_name_of_its_key(pair: Pair) -> None:
    writer, reader = pair.open("writer"), pair.open("reader")
    assert until(lambda: reader.numbers() == {5}, writer, reader, each=say(writer, 5))
    reader.post.put(Letter("writer", Durable("reader", 1, 7)))
    assert until(lambda: bool(writer.heard), writer, reader)
    assert writer.heard == [(Durable("reader", 1, 7), "b")]
    assert reader.origins() == {"a"}
    assert list(reader.post.alarms(read_clock())) == []


def test_whoever_is_revoked_is_cut_off_and_may_come_back(pair: Pair) -> None:
    writer, reader = pair.open("writer"), pair.open("reader")
    assert until(lambda: 1 in reader.numbers(), writer, reader, each=say(writer, 1))
    _keys.revoke(pair.keys("a"), "b")
    guard = writer.post.counters
    refused = lambda: guard()["keys_refused"] > 0  # noqa: E731
    assert until(refused, writer, reader, each=lambda: (say(writer, 2)(), refresh(writer))[0])
    assert "127.0.0.1" in writer.post.alarms(read_clock())[0]
    reader.heard.clear()
    assert until(lambda: guard()["keys_refused"] > 2, writer, reader, each=say(writer, 3))
    assert reader.numbers() == set()
    _keys.allow(pair.keys("a"), "b", pair.public["b"])
    # Each second in a process: a port that its former connections still hold is opened at a later try.
    assert until(lambda: 4 in reader.numbers(), writer, reader, each=lambda: (say(writer, 4)(), refresh(writer))[0])
    assert 3 not in reader.numbers()


def test_a_reader_whose_key_is_not_on_the_list_gets_nothing(pair: Pair) -> None:
    _keys.allow(pair.keys("a"), "b", pair.public["stranger"])
    writer, reader = pair.open("writer"), pair.open("reader")
    counters = writer.post.counters
    assert until(lambda: counters()["keys_refused"] >= 3, writer, reader, each=say(writer, 1))
    assert reader.heard == []


def test_a_writer_with_another_key_than_the_list_says_is_not_heard(pair: Pair) -> None:
    _keys.allow(pair.keys("b"), "a", pair.public["stranger"])
    writer, reader = pair.open("writer"), pair.open("reader")

    def tell() -> None:
        say(writer, 1)()
        refresh(reader)

    counters = writer.post.counters
    assert until(lambda: counters()["handshakes_failed"] >= 2, writer, reader, each=tell)
    assert reader.heard == []
    _keys.allow(pair.keys("b"), "a", pair.public["a"])
    assert until(lambda: 2 in reader.numbers(), writer, reader, each=lambda: (say(writer, 2)(), refresh(reader))[0])


def foreign(context: Any, kind: int, **options: Any) -> Any:
    opened = context.socket(kind)
    opened.linger = 0
    for name, value in options.items():
        setattr(opened, name, value)
    return opened


def test_who_speaks_without_a_key_gets_nothing_and_is_not_heard(pair: Pair) -> None:
    writer, reader = pair.open("writer"), pair.open("reader")
    network = pair.place("writer").network
    assert network
    with zmq.Context() as context:
        plain = foreign(context, zmq.SUB)
        plain.subscribe(b"")
        plain.connect(network.news("writer"))
        letters = foreign(context, zmq.PUSH)
        letters.connect(network.inbox("writer"))
        letters.send_multipart(wire.pack(Durable("reader", 1, 9)))
        public, secret = zmq.curve_keypair()  # a key of its own, and even the right key of the server
        other = foreign(
            context,
            zmq.PUSH,
            curve_publickey=public,
            curve_secretkey=secret,
            curve_serverkey=z85.encode(pair.public["a"]),
        )
        other.connect(network.inbox("writer"))
        other.send_multipart(wire.pack(Durable("reader", 1, 10)))
        counters = writer.post.counters
        seen = lambda: counters()["keys_refused"] > 0 and counters()["handshakes_failed"] > 0  # noqa: E731
        assert until(seen, writer, reader, each=say(writer, 1))
        assert until(lambda: 1 in reader.numbers(), writer, reader, each=say(writer, 1))
        assert plain.poll(0) == 0
        assert writer.heard == []
        for opened in (plain, letters, other):
            opened.close()


def test_garbage_does_no_harm_and_who_says_nothing_is_cut_off(pair: Pair) -> None:
    writer, reader = pair.open("writer"), pair.open("reader")
    chance = random.Random(3)
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x01CURVE" + bytes(15) + b"\0" + bytes(31)
    rubbish = [b"", b"\xff" * 70_000, b"GET / HTTP/1.1\r\n\r\n", greeting, greeting + b"\x04\xff" + b"\xff" * 8]
    rubbish += [bytes(chance.randrange(256) for _ in range(chance.randrange(200))) for _ in range(40)]
    rubbish += [greeting + chance.randbytes(chance.randrange(300)) for _ in range(40)]
    host = pair.hosts["a"]
    calls = []
    for number, data in enumerate(rubbish):
        call = socket.create_connection((host.address, host.first + number % 2))
        call.sendall(data)
        call.setblocking(False)
        calls.append(call)
    assert until(lambda: 1 in reader.numbers(), writer, reader, each=say(writer, 1))
    assert until(lambda: all(is_closed(call) for call in calls), writer, reader)
    for call in calls:
        call.close()
    assert until(lambda: 2 in reader.numbers(), writer, reader, each=say(writer, 2))
    assert writer.heard == []


def is_closed(call: socket.socket) -> bool:
    """Whether the other end hung up; what it said before is of no interest."""
    try:
        return call.recv(4096) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_a_host_that_is_gone_is_an_alarm_and_comes_back(pair: Pair) -> None:
    writer, reader = pair.open("writer"), pair.open("reader")
    assert until(lambda: 1 in reader.numbers(), writer, reader, each=say(writer, 1))
    pair.ends.remove(writer.post)
    writer.post.close()
    said = lambda: [text for text in reader.post.alarms(read_clock()) if "not in reach" in text]  # noqa: E731
    assert until(lambda: bool(said()), reader, each=lambda: refresh(reader))
    again = pair.open("writer")
    assert until(lambda: 2 in reader.numbers(), again, reader, each=say(again, 2))
    assert said() == []


class Cable:
    """What goes from one address to another; cut, it swallows everything and tells nobody. Turned by hand."""

    def __init__(self, address: str, host: Host) -> None:
        self.host = host
        self.doors = [socket.create_server((address, port)) for port in (host.first, host.last)]
        self.pairs: list[tuple[socket.socket, socket.socket]] = []
        self.dead: list[tuple[socket.socket, socket.socket]] = []
        for door in self.doors:
            door.setblocking(False)

    def cut(self) -> None:
        """All that is connected now is dead; what is connected later lives."""
        self.dead += self.pairs
        self.pairs = []

    def turn(self) -> None:
        for door in self.doors:
            with suppress(BlockingIOError):
                call, _ = door.accept()
                there = socket.create_connection((self.host.address, door.getsockname()[1]))
                for end in (call, there):
                    end.setblocking(False)
                self.pairs.append((call, there))
        for one, other in list(self.pairs):
            if not (self._carry(one, other) and self._carry(other, one)):
                self.pairs.remove((one, other))
                one.close()
                other.close()

    def _carry(self, source: socket.socket, target: socket.socket) -> bool:
        try:
            data = source.recv(65536)
            target.sendall(data)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return bool(data)

    def close(self) -> None:
        for end in (*self.doors, *(end for pair in (*self.pairs, *self.dead) for end in pair)):
            end.close()


def test_a_host_behind_a_cut_cable_is_noticed_and_reached_again(pair: Pair) -> None:
    writer = pair.open("writer")
    there = pair.hosts["a"]
    cable = Cable("127.0.0.3", there)
    pair.hosts["a"] = replace(there, address="127.0.0.3")  # as the reader sees it
    reader = pair.open("reader")

    def turn(number: int, through: bool = True) -> Callable[[], None]:
        def once() -> None:
            say(writer, number)()
            refresh(reader)
            if through:
                cable.turn()

        return once

    def out_of_reach() -> bool:
        return any("not in reach" in text for text in reader.post.alarms(read_clock()))

    try:
        assert until(lambda: 1 in reader.numbers(), writer, reader, each=turn(1))
        cable.cut()
        assert until(out_of_reach, writer, reader, each=turn(2, through=False))
        assert 2 not in reader.numbers()
        assert until(lambda: 3 in reader.numbers(), writer, reader, each=turn(3))
        assert not out_of_reach()
    finally:
        cable.close()


def test_a_port_that_is_taken_or_an_address_that_is_not_ours_is_told(pair: Pair) -> None:
    pair.open("writer")
    (pair.folder / "run-b2").mkdir()
    with pytest.raises(StartError, match="Address already in use"):
        Post(replace(pair.place("writer"), run=str(pair.folder / "run-b2")), (), Poll())
    with pytest.raises(StartError, match="No such file"):
        Post(replace(pair.place("reader"), run=str(pair.folder / "none")), (), Poll())
    pair.hosts["b"] = replace(pair.hosts["b"], address="192.0.2.1")
    with pytest.raises(StartError, match="is b this machine"):
        pair.open("reader")


def test_two_keys_that_do_not_belong_together_are_told(pair: Pair) -> None:
    _keys.secret_file(pair.keys("a"), "a").unlink()
    _keys.create(pair.keys("a"), "a", (pair.public["b"], _sockets.new_pair()[1]))
    with pytest.raises(StartError, match="do not belong together"):
        pair.open("writer")
