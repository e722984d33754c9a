"""A balancer driven by hand: real descriptors on loopback, receivers played by the test, a clock moved by the test."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nodes._door import Door
from nodes._handover import Channel, path
from nodes._node import Actions, Place, Unwatch, Watch
from nodes.balancer import Balancer, Settings
from protocol.clock import SECOND, Now

UTC = 1_700_000_000 * SECOND
PATIENCE = 10.0


class Bench:
    """One balancer, and who talks to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = Now(SECOND, UTC)
        self.watched: set[int] = set()
        self.open: list[socket.socket] = []

    def start(
        self,
        site: dict[str, Any] | None = None,
        names: tuple[str, ...] = (),
        site_file: Path | None = None,
        **settings: Any,
    ) -> Balancer:
        """A new life."""
        given = {"listen": "127.0.0.1:0", "registry": str(self.folder / "registry.json")} | settings
        place = Place(
            name="front",
            node="front",
            copy=1,
            readers_of={"receiver": list(names)},
            sources={},
            run=str(self.folder),
            site={"station": "test", "unknown": "admit"} | (site or {}),
            pipeline="p.yaml",
            site_file=site_file,
        )
        self.now = Now(self.now.monotonic + SECOND, self.now.utc + SECOND)
        self.node = Balancer(Settings.model_validate(given), place)
        self.act(self.node.start(self.now))
        return self.node

    def kill(self) -> None:
        """Nothing is said, the kernel closes all."""
        node = self.node
        node.receivers.close()
        node.connections.close()
        node.reach.close()
        for each in (node.doors, node.hatch):
            each.close()
        self.watched.clear()

    def act(self, actions: Actions) -> None:
        for action in actions:
            if isinstance(action, Watch):
                self.watched.add(action.fd)
            else:
                assert isinstance(action, Unwatch)
                self.watched.discard(action.fd)

    def turn(self, seconds: float = 0.0) -> None:
        """Let it look at everything that it watches, and wake."""
        self.now = Now(self.now.monotonic + int(seconds * SECOND), self.now.utc + int(seconds * SECOND))
        for _ in range(3):  # a receiver that dials us is watched, then heard
            for fd in list(self.watched):
                self.act(self.node.ready(fd, self.now))
        self.act(self.node.wake(self.now))

    def door(self, which: int = 0) -> Door:
        """Where devices dial: the plain one, or that under TLS."""
        return self.node.doors[self.node.doors.fds[which]]

    def dial(self, source: str = "127.0.0.1", door: int = 0) -> socket.socket:
        """A device that connects."""
        device = socket.create_connection(self.door(door).address(), PATIENCE, source_address=(source, 0))
        device.setblocking(False)
        self.open.append(device)
        self.turn()
        return device

    def join(self, name: str, keeps: Receiver | None = None, leaving: bool = False) -> Receiver:
        receiver = Receiver(self, name, keeps, leaving)
        self.turn()
        receiver.hear()
        return receiver

    def alarms(self) -> list[str]:
        alarms: list[str] = self.node.health(self.now)["alarms"]
        return alarms

    def counter(self, name: str) -> int:
        return int(self.node.health(self.now)["counters"][name])


class Receiver:
    """A receiver's end."""

    def __init__(self, bench: Bench, name: str, keeps: Receiver | None = None, leaving: bool = False) -> None:
        """`keeps`: the same process, which has lost its balancer and dials the next one."""
        self.bench, self.name = bench, name
        self.links: dict[int, dict[str, Any]] = keeps.links if keeps else {}
        self.ends: dict[int, list[socket.socket]] = keeps.ends if keeps else {}
        self.said: list[dict[str, Any]] = []
        self.channel = Channel.dial(path(str(bench.folder), "front"))
        self.channel.say("hello", receiver=name, holds=len(self.links), leaving=leaving)
        for id_ in list(self.links):
            self.hold(id_)

    def hold(self, id_: int) -> None:
        fields = {key: self.links[id_][key] for key in ("how", "peer", "target", "cfg3", "stream", "numbers")}
        fields |= {key: self.links[id_][key] for key in ("protocol", "pipe", "beside") if key in self.links[id_]}
        tls = {key: self.links[id_][key] for key in ("tls", "certificate") if key in self.links[id_]}
        copies = [] if tls else [end.dup() for end in self.ends[id_]]
        self.channel.say("holds", copies, connection=id_, **fields, **tls)

    def hear(self) -> list[dict[str, Any]]:
        """What came since the last time, link notes too."""
        for note, descriptors in self.channel.notes():
            self.said.append(note)
            if note["say"] == "link":
                self.links[note["connection"]] = note
                self.ends[note["connection"]] = [socket.socket(fileno=each) for each in descriptors]
        said, self.said = self.said, []
        return said

    def identify(
        self, id_: int, stream: int, address: str = "127.0.0.1", certificate: tuple[str, ...] = ()
    ) -> list[dict[str, Any]]:
        if certificate:
            self.links[id_]["certificate"] = certificate
        self.channel.say("identify", connection=id_, address=address, stream=stream, certificate=certificate)
        self.bench.turn()
        said = [note for note in self.hear() if note["say"] != "link"]  # another connection may come meanwhile
        if said[0]["say"] == "identity":
            self.links[id_]["numbers"].append(said[0]["device"]["number"])
        return said

    def say(self, what: str, id_: int) -> None:
        """One note about a connection, and the balancer looks at it."""
        self.channel.say(what, connection=id_)
        self.bench.turn()

    def end(self, id_: int, cfg3: bool = True) -> None:
        self.links.pop(id_)
        for end in self.ends.pop(id_):
            if end.type == socket.SOCK_STREAM:
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self.channel.say("ended", connection=id_, reason="test", cfg3=cfg3)
        self.bench.turn()

    def die(self, quietly: bool = False) -> None:
        """The kernel closes its descriptors. `quietly`: the balancer has not looked yet."""
        for ends in self.ends.values():
            for end in ends:
                end.close()
        self.channel.end.close()
        if not quietly:
            self.bench.turn()


@pytest.fixture
def bench(run_folder: Path) -> Iterator[Bench]:
    made = Bench(run_folder)
    yield made
    for each in made.open:
        each.close()
    made.kill()


@pytest.fixture
def receive(bench: Bench) -> Iterator[Callable[..., Receiver]]:
    made: list[Receiver] = []

    def join(name: str, keeps: Receiver | None = None, leaving: bool = False) -> Receiver:
        made.append(bench.join(name, keeps, leaving))
        return made[-1]

    yield join
    for each in made:
        each.channel.close()
        for ends in each.ends.values():
            for end in ends:
                end.close()


def is_open(device: socket.socket) -> bool:
    try:
        return device.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
