"""Clients of an output stream over TCP, each with a bounded queue: a slow one is cut off, the others are not harmed."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from nodes._certificates import TlsFault
from nodes._complaints import Complaints
from nodes._connections import Connection
from nodes._door import Doors
from nodes._node import Action, Unwatch, Watch
from nodes._tls import Contexts, Session
from protocol.c37118 import ConfigurationFrame, Splitter
from protocol.c37118.device import Device
from protocol.c37118.events import Send
from protocol.clock import Now

RECEIVE = 4096
"""Bytes of commands that a client is listened to at a time."""


class Client:
    """One connection. It says what it wants by commands, and is told DATA while it wants them."""

    def __init__(self, end: socket.socket, name: str, device: Device, session: Session | None, until: int) -> None:
        """`until`: monotonic ns by which a handshake must be done."""
        self.end, self.name, self.device, self.session, self.until = end, name, device, session, until
        self.waiting = bytearray()
        """For the kernel."""
        self.watched = False
        """We wait until the kernel takes more."""
        self.over = ""
        """Why it is over."""
        self.frames = 0
        """DATA frames that it was told."""
        self._splitter = Splitter()
        end.setblocking(False)
        with suppress(OSError):  # it has hung up already, which reading it will show
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def ready(self) -> bool:
        """It may be told something."""
        return not self.over and (self.session is None or self.session.ready)

    def read(self, queue: int, names: list[str], now: Now) -> None:
        """Commands, and answers to them, unless more than `queue` bytes wait for it, or it is none of `names`."""
        try:
            data = self.end.recv(RECEIVE)
        except BlockingIOError:
            return
        except OSError as fault:
            self.over = fault.strerror or str(fault)
            return
        if not data:
            self.over = "hung up"
        elif self.session is not None:
            data = self.session.feed(data)
            self.over = self.session.fault or _stranger(self.session, names)
            if self.over:
                self.push()  # the other end is told what is wrong with it
                return
            self.over = "hung up" if self.session.ended else ""
        for frame in self._splitter.feed(data):
            for said in self.device.receive(frame, now.utc) if len(self.waiting) <= queue else ():
                if isinstance(said, Send):
                    self.put(said.data)
            self.push()
        self.push()

    def put(self, data: bytes) -> None:
        """Whole frames, to be sent with the next `push`."""
        if self.session is None:
            self.waiting += data
        else:
            self.session.say(data)

    def push(self) -> None:
        """Give the kernel what it takes."""
        if self.session is not None:
            self.waiting += self.session.outgoing()
        try:
            while self.waiting:
                del self.waiting[: self.end.send(self.waiting)]
        except BlockingIOError:
            return
        except OSError as fault:
            self.over = self.over or fault.strerror or str(fault)

    def close(self) -> None:
        if self.session is not None and not self.over:
            self.session.end()
            self.push()
        self.end.close()


def _stranger(session: Session, names: list[str]) -> str:
    """Why the other end may not be told anything, once it has shown its certificate."""
    if not session.ready or not names or set(names) & set(session.names):
        return ""
    return f"its certificate is issued to {', '.join(session.names) or 'nobody'}, which is not in `names`"


class Clients:
    """All of a stream."""

    def __init__(self, doors: Doors, queue: int, spontaneous: bool, names: list[str], complaints: Complaints) -> None:
        """`queue`: bytes that may wait for one; `spontaneous`: DATA are told without a command; `names`: whom
        certificates must be issued to, none: anybody."""
        self.doors, self.queue, self.spontaneous, self.names = doors, queue, spontaneous, names
        self.counts = Counter(welcomed=0, too_early=0, cut=0, frames=0)
        self.cfg: ConfigurationFrame | None = None
        self.header = ""
        self._complaints = complaints
        self._contexts = Contexts()
        self._by_fd: dict[int, tuple[Client, Connection]] = {}

    def __len__(self) -> int:
        return len(self._by_fd)

    @property
    def all(self) -> list[Client]:
        return [client for client, _ in self._by_fd.values()]

    def configure(self, cfg: ConfigurationFrame) -> None:
        """What is told from now on."""
        self.cfg = cfg
        for client in self.all:
            client.device.cfg = cfg

    def accept(self, fd: int, now: Now) -> Iterator[Action]:
        """Somebody is at a door."""
        for connection in self.doors[fd].answer(now):
            if self.cfg is None:  # nothing to tell yet: it dials again, and then there is
                self.counts["too_early"] += 1
                self._leave(connection)
            else:
                yield from self._welcome(connection, self.cfg, now)

    def _welcome(self, connection: Connection, cfg: ConfigurationFrame, now: Now) -> Iterator[Action]:
        device = Device(cfg, self.header, cfg3=cfg.version > 1)
        device.on = self.spontaneous
        session, until = None, 0
        if connection.tls:
            try:
                session = Session(self._contexts.get(connection.tls), dialled=False)
            except TlsFault as fault:
                self._complaints.add("not let in", f"{connection.place}: {fault}", now)
                self._leave(connection)
                return
            until = now.monotonic + connection.tls["handshake"]
        end = connection.ends[0]
        client = Client(end, f"{connection.peer[0]}:{connection.peer[1]}", device, session, until)
        self._by_fd[end.fileno()] = client, connection
        self.counts["welcomed"] += 1
        yield Watch(end.fileno())

    def read(self, fd: int, now: Now) -> Iterator[Action]:
        """A client's connection is ready."""
        if fd in self._by_fd:
            client, _ = self._by_fd[fd]
            client.push()
            client.read(self.queue, self.names, now)
            yield from self._settle(fd, now)

    def tell(self, frames: list[bytes], now: Now) -> Iterator[Action]:
        """DATA, to all who want them."""
        block = b"".join(frames)
        for fd, (client, _) in list(self._by_fd.items()):
            if client.ready and client.device.on:
                client.put(block)
                client.push()
                client.frames += len(frames)
                self.counts["frames"] += len(frames)
                yield from self._settle(fd, now)

    def wake_at(self) -> int | None:
        """When a handshake has taken too long."""
        return min((each.until for each in self.all if each.session and not each.session.ready), default=None)

    def wake(self, now: Now) -> Iterator[Action]:
        for fd, (client, _) in list(self._by_fd.items()):
            if client.session and not client.session.ready and now.monotonic >= client.until:
                client.over = "TLS: no handshake in time"
                yield from self._settle(fd, now)

    def _settle(self, fd: int, now: Now) -> Iterator[Action]:
        """Cut off who is too slow, let go who is over, watch for room."""
        client, connection = self._by_fd[fd]
        if len(client.waiting) > self.queue:
            self.counts["cut"] += 1
            client.over = client.over or f"{len(client.waiting)} bytes wait for it, `queue` is {self.queue}"
        if client.over:
            if client.over != "hung up":
                self._complaints.add("a client was cut off", f"{connection.peer[0]}: {client.over}", now)
            del self._by_fd[fd]
            yield Unwatch(fd)
            client.close()
            self._leave(connection)
        elif bool(client.waiting) != client.watched:
            client.watched = bool(client.waiting)
            yield Watch(fd, write=client.watched)

    def _leave(self, connection: Connection) -> None:
        connection.close()
        self.doors.left(connection)

    def close(self) -> None:
        """The work is over."""
        for client, connection in self._by_fd.values():
            client.close()
            self._leave(connection)
        self._by_fd.clear()
        self.doors.close()

    def health(self) -> dict[str, Any]:
        """Counters and queues."""
        counts = {name: count for name, count in self.counts.items() if name != "frames"}
        longest = max((len(each.waiting) for each in self.all), default=0)
        return {
            "counters": {"clients": len(self), **self.doors.counts, **counts},
            "queues": {"client_bytes": longest},
        }
