"""SIGKILL of a real balancer, and of receivers, under devices that send: no connection ends, no byte is lost.

The receivers are played by the test, so that every byte of a socket is accounted for.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.fronts import PATIENCE, Front, Receiver, closed, running, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

RECORD = struct.Struct(">II")
"""Device, number of the record."""
RESTART = 2.0
"""Seconds from the first sign of life of the next balancer until a new device is read."""


class Scene:
    """Devices that count, two receivers, and what came to them."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.receivers = [Receiver(front.run, f"receivers.{k}") for k in (1, 2, 3)]
        self.devices: list[socket.socket] = []
        self.sent: list[int] = []
        self.came: dict[int, list[int]] = {}
        self.rest: dict[int, bytes] = {}
        """Connection -> what is there of its next record."""

    def add(self, device: socket.socket) -> None:
        device.setblocking(False)
        self.devices.append(device)
        self.sent.append(0)

    def send(self) -> None:
        """The next record of every device, in two pieces over TCP."""
        for k, device in enumerate(self.devices):
            record = RECORD.pack(k, self.sent[k])
            if device.type == socket.SOCK_DGRAM:
                device.send(record)
            else:
                device.send(record[:3])
                device.send(record[3:])
            self.sent[k] += 1

    def read(self) -> None:
        """What lies in the receivers' sockets."""
        for receiver in self.receivers:
            receiver.hear()
            for id_, ends in receiver.ends.items():
                self.rest[id_] = self.rest.get(id_, b"") + b"".join(map(take, ends))
                whole = len(self.rest[id_]) // RECORD.size * RECORD.size
                for k, number in RECORD.iter_unpack(self.rest[id_][:whole]):
                    self.came.setdefault(k, []).append(number)
                self.rest[id_] = self.rest[id_][whole:]

    def turn(self) -> bool:
        self.send()
        self.read()
        return self.connected() and all(self.came.get(k) for k in range(len(self.devices)))

    def connected(self) -> bool:
        return not any(closed(device) for device in self.devices if device.type == socket.SOCK_STREAM)

    def complete(self) -> bool:
        """Whether each record came once, in order."""
        self.read()
        return [self.came.get(k, []) for k in range(len(self.sent))] == [list(range(sent)) for sent in self.sent]

    def close(self) -> None:
        for each in [*self.receivers, *self.devices]:
            each.close()


def take(end: socket.socket) -> bytes:
    """All that lies there."""
    pieces = []
    while True:
        try:
            piece = end.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return b"".join(pieces)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)


@pytest.fixture
def scene(run_folder) -> Iterator[Scene]:
    """Two devices that dial in, one that is dialled, one that sends datagrams; all are identified and send."""
    with ExitStack() as stack:
        door = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        door.settimeout(PATIENCE)
        told = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        told.bind(("127.0.0.1", 0))
        port = told.getsockname()[1]
        told.close()
        devices = [
            {"name": "Dialled", "number": 3, "stream": 3, "link": {"tcp": f"127.0.0.1:{door.getsockname()[1]}"}},
            {"name": "Told", "number": 4, "stream": 4, "link": {"spontaneous": f"127.0.0.1:{port}"}},
        ]
        front = stack.enter_context(running(run_folder, {"unknown": "admit", "devices": devices}))
        made = Scene(front)
        stack.callback(made.close)
        for _ in range(2):
            made.add(front.dial())
        made.add(door.accept()[0])
        datagrams = socket.socket(type=socket.SOCK_DGRAM)
        until(lambda: sum(receiver.hear() for receiver in made.receivers) == 4)
        datagrams.connect(("127.0.0.1", port))
        made.add(datagrams)
        for receiver in made.receivers:
            for id_, link in list(receiver.links.items()):
                stream = {"dials_in": id_ % 1000 + 10, "tcp": 3, "spontaneous": 4}[link["how"]]
                assert receiver.identify(id_, stream)["say"] == "identity"
        until(made.turn)
        made.door = door
        yield made


def test_a_killed_balancer_disconnects_nobody_and_loses_nothing(scene):
    held = {id_ for receiver in scene.receivers for id_ in receiver.links}
    for _ in range(2):
        scene.front.kill()
        for _ in range(200):
            assert scene.turn()
        scene.front.start()
        until(lambda: scene.turn() and (scene.front.run / "front.handover").exists())
        alive = time.monotonic()
        newcomer = scene.front.dial()
        for receiver in scene.receivers:
            receiver.join()
        scene.add(newcomer)
        until(scene.turn)
        assert time.monotonic() - alive < RESTART
        assert [receiver.coming for receiver in scene.receivers] == [[], [], []]
    for _ in range(200):
        assert scene.turn()
    until(scene.complete)
    now = {id_ for receiver in scene.receivers for id_ in receiver.links}
    assert held < now
    assert len(now) == len(held) + 2  # the newcomers, and nobody was dialled or opened twice
    scene.door.setblocking(False)
    with pytest.raises(BlockingIOError):
        scene.door.accept()


def test_receivers_killed_one_after_another_disconnect_nobody_and_lose_nothing(scene):
    for turn in range(12):
        victim = scene.receivers[turn % 3]
        scene.read()
        victim.close()
        for _ in range(20):
            scene.send()
        scene.receivers[turn % 3] = successor = Receiver(scene.front.run, victim.name)
        assert sorted(successor.links) == sorted(successor.again) == sorted(victim.links)
        assert scene.turn()
    until(scene.complete)
    for receiver in scene.receivers:  # in the end each may still say so itself
        for id_ in list(receiver.links):
            receiver.leave(id_)
    streams = [device for device in scene.devices if device.type == socket.SOCK_STREAM]
    until(lambda: all(map(closed, streams)))
