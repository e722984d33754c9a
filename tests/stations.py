"""A station by hand, for tests of simulated devices: loopback sockets, a clock moved by the test, no sleep."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from nodes._node import Actions, Done, Node, Place, Unwatch, Watch
from protocol.c37118 import ConfigurationFrame, Splitter
from protocol.c37118.events import Configured, Data, Event, Send
from protocol.c37118.session import Master, MasterSettings
from protocol.clock import MILLISECOND, SECOND, Now

PLACE = Place(name="devices", node="devices", copy=1, readers_of={}, sources={}, run="", site={}, pipeline="")
PATIENT = 5.0
"""Seconds in which the kernel is to deliver what it holds."""
PATIENCE = 30_000
"""Turns of the loop after which a test has failed."""


@dataclass
class Conversation:
    """What came on one connection."""

    end: socket.socket
    peer: tuple[str, int]
    master: Master
    splitter: Splitter = field(default_factory=Splitter)
    raw: bytearray = field(default_factory=bytearray)
    frames: list[bytes] = field(default_factory=list)
    """DATA of the configuration in force."""
    told: list[ConfigurationFrame] = field(default_factory=list)
    open: bool = True

    def read(self, now: Now) -> None:
        try:
            data = self.end.recv(65536)
        except BlockingIOError:
            data = None
        except ConnectionError:
            data = b""
        if data == b"":
            self.open = False
            self.take(self.splitter.close(), now)
            self.end.close()
        elif data:
            self.raw += data
            self.take(self.splitter.feed(data), now)
        if self.open and (due := self.master.wake_at()) is not None and due <= now.monotonic:
            self.act(self.master.wake(now))

    def take(self, frames: list[bytes], now: Now) -> None:
        for frame in frames:
            if self.master.accepts(frame):
                self.frames.append(frame)
            else:
                self.act(self.master.receive(frame, now))

    def act(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Send) and self.open:
                self.end.send(event.data)
            elif isinstance(event, Configured):
                self.told.append(event.cfg)
            elif isinstance(event, Data):
                self.frames.append(event.frame)


class Station:
    """Listens, talks to every device that dials; or talks to devices that it dialled (`dial`)."""

    def __init__(self, settings: MasterSettings | None = None) -> None:
        self.settings = settings or MasterSettings(pause=0)
        self.door = socket.socket()
        self.door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)  # else as large as the kernel likes
        self.door.bind(("127.0.0.1", 0))
        self.door.listen()
        self.door.setblocking(False)
        self.port = int(self.door.getsockname()[1])
        self.talks: list[Conversation] = []
        self.now = Now(10**15, 1_700_000_000 * SECOND)
        self.reading = True

    def __enter__(self) -> Station:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.door.close()
        for talk in self.talks:
            talk.end.close()

    @property
    def frames(self) -> list[bytes]:
        """DATA of all conversations."""
        return [frame for talk in self.talks for frame in talk.frames]

    def dial(self, port: int) -> Conversation:
        """Begin a conversation with a device that listens."""
        end = socket.create_connection(("127.0.0.1", port))
        return self._talk(end, ("127.0.0.1", port))

    def _talk(self, end: socket.socket, peer: tuple[str, int]) -> Conversation:
        end.setblocking(False)
        talk = Conversation(end, peer, Master(self.settings))
        self.talks.append(talk)
        talk.act(talk.master.begin(self.now))
        return talk

    def turn(self) -> None:
        """Take what came."""
        while self.reading:
            try:
                end, peer = self.door.accept()
            except BlockingIOError:
                break
            self._talk(end, peer)
        for talk in self.talks:
            if talk.open and self.reading:
                talk.read(self.now)


class Loop:
    """The runtime's loop around a node, turned by hand, together with the station's."""

    def __init__(self, node: Node, station: Station, step: int = MILLISECOND) -> None:
        self.node, self.station, self.step = node, station, step
        self.watched: dict[int, bool] = {}
        self.done = False
        self.act(node.start(station.now))

    def act(self, actions: Actions) -> None:
        for action in actions:
            if isinstance(action, Watch):
                self.watched[action.fd] = action.write
            elif isinstance(action, Unwatch):
                del self.watched[action.fd]

    def turn(self) -> None:
        """One step of time: the station, then what is ready, then what is due."""
        station = self.station
        station.now = Now(station.now.monotonic + self.step, station.now.utc + self.step)
        station.turn()
        poll = select.poll()
        for fd, write in self.watched.items():
            poll.register(fd, select.POLLIN | (select.POLLOUT if write else 0))
        for fd, _ in poll.poll(0):
            self.act(self.node.ready(fd, station.now))
        due = self.node.wake_at()
        if due is not None and due <= station.now.monotonic:
            self.act(self.node.wake(station.now))

    def until(self, reached: Callable[[], bool]) -> None:
        """Turn until it is so, or the node says that its work is over."""
        for _ in range(PATIENCE):
            if reached():
                return
            try:
                self.turn()
            except Done:
                self.done = True
                return
        raise AssertionError("it never came to that")

    def turns(self, count: int) -> None:
        """So many steps."""
        for _ in range(count):
            self.turn()

    def stop(self) -> None:
        """Stop the node, and let the station take what was on its way."""
        self.act(self.node.stop(self.station.now))
        for _ in range(20):
            self.station.turn()
        patience = time.monotonic() + PATIENT
        while time.monotonic() < patience:
            ends = [talk.end for talk in self.station.talks if talk.open]
            if not ends or not select.select(ends, [], [], PATIENT)[0]:  # the kernel may hold megabytes, and probe late
                break
            self.station.turn()
