"""Clients of an output stream over TCP, each with a bounded queue: a slow one is cut off, the others are not harmed."""

from __future__ import annotations

import socket
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from nodes._asked import COMMANDS, Asked, Told
from nodes._certificates import TlsFault
from nodes._complaints import Complaints
from nodes._connections import Connection
from nodes._door import Doors
from nodes._node import Action, Unwatch, Watch
from nodes._tls import Contexts, Session
from protocol.c37118 import Splitter
from protocol.c37118.events import Send
from protocol.clock import SECOND, Now

RECEIVE = 4096
"""Bytes of commands that a client is listened to at a time."""
UNSENT = 1 << 17
"""Bytes that the kernel takes of a client's before it has sent them: what waits is to wait with us, and be bounded."""
TCP_NOTSENT_LOWAT = 25
HUNG_UP = "hung up"


@dataclass(frozen=True)
class Bounds:
    """What a client may."""

    queue: int
    """Bytes that may wait for it."""
    oldest: int
    """ns that they may wait."""
    names: tuple[str, ...]
    """Whom its certificate must be issued to; none: anybody."""


class Client:
    """One connection. It says what it wants by commands, and is told DATA while it wants them."""

    def __init__(self, end: socket.socket, device: Asked, session: Session | None, until: int) -> None:
        """`until`: monotonic ns by which a handshake must be done."""
        self.end, self.device, self.session, self.until = end, device, session, until
        self.waiting = bytearray()
        """For the kernel."""
        self.watched = False
        """We wait until the kernel takes more."""
        self.over = ""
        """Why it is over."""
        self._splitter = Splitter()
        self._put = self._sent = 0
        self._marks: deque[tuple[int, int]] = deque()
        """(bytes that had been put by then, monotonic ns)"""
        end.setblocking(False)
        with suppress(OSError):  # it has hung up already, which reading it will show
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT)

    @property
    def ready(self) -> bool:
        """It may be told something."""
        return not self.over and (self.session is None or self.session.ready)

    @property
    def wants_data(self) -> bool:
        return self.ready and self.device.on

    def read(self, bounds: Bounds, now: Now) -> None:
        """Commands, and answers to them."""
        try:
            data = self.end.recv(RECEIVE)
        except BlockingIOError:
            return
        except OSError:
            self.over = HUNG_UP
            return
        if not data:
            self.over = HUNG_UP
        elif self.session is not None:
            data = self.session.feed(data)
            self.over = self.session.fault or _stranger(self.session, bounds.names)
            if self.over:
                self.push(now)  # the other end is told what is wrong with it
                return
            self.over = HUNG_UP if self.session.ended else ""
        for frame in self._splitter.feed(data):
            self._obey(frame, bounds, now)
        self.push(now)

    def _obey(self, frame: bytes, bounds: Bounds, now: Now) -> None:
        if self.device.too_many(now):
            self.over = self.over or f"more than {COMMANDS} commands in a second"
        self.over = self.over or self.too_slow(bounds, now)
        if self.over:
            return
        for said in self.device.receive(frame, now.utc):
            if isinstance(said, Send):
                self.put(said.data, now)

    def put(self, data: bytes, now: Now) -> None:
        """Whole frames, to be sent with the next `push`."""
        if self.session is None:
            self.waiting += data
        else:
            self.session.say(data)
            self.waiting += self.session.outgoing()
        self._put = self._sent + len(self.waiting)
        self._marks.append((self._put, now.monotonic))

    def push(self, now: Now) -> None:
        """Give the kernel what it takes."""
        if self.session is not None:
            self.waiting += self.session.outgoing()
        try:
            while self.waiting:
                taken = self.end.send(self.waiting)
                del self.waiting[:taken]
                self._sent += taken
        except BlockingIOError:
            return
        except OSError:
            self.over = self.over or HUNG_UP
        finally:
            while self._marks and self._marks[0][0] <= self._sent:
                self._marks.popleft()

    def too_slow(self, bounds: Bounds, now: Now) -> str:
        """Why it can't be told any more, if so."""
        if len(self.waiting) > bounds.queue:
            return f"it reads too slowly: more than {bounds.queue} bytes wait for it (`queue`)"
        if self._marks and self._marks[0][1] < now.monotonic - bounds.oldest:
            return f"it reads too slowly: what waits for it is older than {bounds.oldest / SECOND:g} s (`oldest`)"
        return ""

    def close(self, now: Now) -> None:
        if self.session is not None and not self.over:
            self.session.end()
            self.push(now)
        self.end.close()


def _stranger(session: Session, names: tuple[str, ...]) -> str:
    """Why the other end may not be told anything, once it has shown its certificate."""
    if not session.ready or not names or set(names) & set(session.names):
        return ""
    return f"its certificate is issued to {', '.join(session.names) or 'nobody'}, which is not in `names`"


class Clients:
    """All of a stream."""

    def __init__(self, doors: Doors, bounds: Bounds, spontaneous: bool, stream: str, complaints: Complaints) -> None:
        """`spontaneous`: configurations and DATA are told without a command. `stream`: its name, for the log."""
        self.doors, self.bounds, self.spontaneous = doors, bounds, spontaneous
        self.counts = Counter(welcomed=0, too_early=0, cut=0, frames=0)
        self.told: Told | None = None
        self._complaints = complaints
        self._log = structlog.get_logger().bind(stream=stream)
        self._contexts = Contexts()
        self._by_fd: dict[int, tuple[Client, Connection]] = {}

    def __len__(self) -> int:
        return len(self._by_fd)

    @property
    def all(self) -> list[Client]:
        return [client for client, _ in self._by_fd.values()]

    def configure(self, told: Told) -> None:
        """What is told from now on."""
        self.told = told
        for client in self.all:
            client.device.follow(told)

    def accept(self, fd: int, now: Now) -> Iterator[Action]:
        """Somebody is at a door."""
        try:
            for connection in self.doors[fd].answer(now):
                if self.told is None:  # nothing to tell yet: it dials again, and then there is
                    self.counts["too_early"] += 1
                    self._leave(connection)
                else:
                    yield from self._welcome(connection, self.told, now)
        except OSError as fault:
            yield from self.doors.shut(fault, now)

    def _welcome(self, connection: Connection, told: Told, now: Now) -> Iterator[Action]:
        device = Asked(told)
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
        client = Client(end, device, session, until)
        self._by_fd[end.fileno()] = client, connection
        self.counts["welcomed"] += 1
        self._log.info("client connected", peer="{}:{}".format(*connection.peer), tls=bool(session))
        yield Watch(end.fileno())
        yield from self._announce(end.fileno(), now)

    def read(self, fd: int, now: Now) -> Iterator[Action]:
        """A client's connection is ready."""
        if fd in self._by_fd:
            client, _ = self._by_fd[fd]
            before = client.ready
            client.push(now)
            client.read(self.bounds, now)
            if client.ready and not before:
                yield from self._announce(fd, now)
            yield from self._settle(fd, now)

    def announce(self, now: Now) -> Iterator[Action]:
        """The configuration, unasked, to those who never ask."""
        for fd in list(self._by_fd):
            yield from self._announce(fd, now)

    def _announce(self, fd: int, now: Now) -> Iterator[Action]:
        if fd not in self._by_fd:
            return
        client, _ = self._by_fd[fd]
        if self.spontaneous and self.told and client.wants_data:
            client.put(b"".join(self.told.configuration(2, now.utc)), now)
            client.push(now)
            yield from self._settle(fd, now)

    def tell(self, frames: list[bytes], now: Now) -> Iterator[Action]:
        """DATA, to all who want them."""
        block = b"".join(frames)
        for fd, (client, _) in list(self._by_fd.items()):
            if client.wants_data:
                client.put(block, now)
                client.push(now)
                self.counts["frames"] += len(frames)
                yield from self._settle(fd, now)

    def wake_at(self) -> int | None:
        """When a handshake has taken too long, or calls are taken again."""
        due = [each.until for each in self.all if each.session and not each.session.ready]
        return min([*due, *([] if self.doors.open_at is None else [self.doors.open_at])], default=None)

    def wake(self, now: Now) -> Iterator[Action]:
        if self.doors.open_at is not None and now.monotonic >= self.doors.open_at:
            yield from self.doors.watch()
        for fd, (client, _) in list(self._by_fd.items()):
            if client.session and not client.session.ready and now.monotonic >= client.until:
                client.over = "TLS: no handshake in time"
                yield from self._settle(fd, now)

    def _settle(self, fd: int, now: Now) -> Iterator[Action]:
        """Cut off who is too slow, let go who is over, watch for room."""
        client, connection = self._by_fd[fd]
        client.over = client.over or client.too_slow(self.bounds, now)
        if client.over:
            if client.over != HUNG_UP:
                self.counts["cut"] += 1
                self._complaints.add("a client was cut off", f"{connection.peer[0]}: {client.over}", now)
            self._log.info("client left", peer="{}:{}".format(*connection.peer), why=client.over)
            del self._by_fd[fd]
            yield Unwatch(fd)
            client.close(now)
            self._leave(connection)
        elif bool(client.waiting) != client.watched:
            client.watched = bool(client.waiting)
            yield Watch(fd, write=client.watched)

    def _leave(self, connection: Connection) -> None:
        connection.close()
        self.doors.left(connection)

    def close(self, now: Now) -> None:
        """The work is over."""
        for client, connection in self._by_fd.values():
            client.close(now)
            self._leave(connection)
        self._by_fd.clear()
        self.doors.close()

    def health(self) -> dict[str, Any]:
        """Counters and queues."""
        longest = max((len(each.waiting) for each in self.all), default=0)
        counts = {name: count for name, count in self.counts.items() if name != "frames"}
        return {
            "counters": {"clients": len(self), **self.doors.counts, **counts, "client_frames": self.counts["frames"]},
            "queues": {"client_bytes": longest},
        }
