"""The ZeroMQ sockets of one process.

Each process binds an inbox (PULL) for letters and a news outlet (PUB) on ipc in the runtime folder, and subscribes to
the news of its sources. Where a pipeline has several hosts it binds both a second time on tcp, with CURVE: only keys of
the list get in, and whoever speaks is known by the name that its key has there.

Sending never waits: a full pipe drops the message, counted; the numbered streams (`nodes/_stream.py`) fetch it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import zmq

from nodes._abroad import Abroad
from nodes._node import Letter, News, Place, StartError, process_of
from nodes._sockets import (
    BATCH,
    INBOX_LIMIT,
    NEWS_LIMIT,
    WATCHED,
    Door,
    Poll,
    Socket,
    inbox,
    news,
    open_socket,
    subscribe,
    subscriptions,
)
from protocol import wire
from protocol.clock import Now

NOBLOCK, MORE = int(zmq.NOBLOCK), int(zmq.NOBLOCK | zmq.SNDMORE)
"""Plain numbers, and part by part: pyzmq's calls for whole messages reckon with enumerations at each part, which took
half of their time."""


class Post:
    """All sockets of one process on its own host, and through `Abroad` those to other hosts."""

    def __init__(self, place: Place, tags: Sequence[bytes], poll: Poll) -> None:
        self.place, self.poll = place, poll
        self.dropped = 0
        self.context = zmq.Context()
        self.doors: dict[Socket, Door] = {}
        self.abroad: Abroad | None = None
        self.inbox = open_socket(self.context, zmq.PULL, INBOX_LIMIT)
        self.outlet = open_socket(self.context, zmq.PUB, NEWS_LIMIT)
        self.reading = subscribe(self.context, subscriptions(tags))
        self.watching = subscribe(self.context, WATCHED)
        self._letters: dict[str, Socket] = {}
        try:
            self._open(subscriptions(tags))
        except BaseException:
            self.close()
            raise
        for opened in (*self.doors, *(self.abroad.sockets if self.abroad else ())):
            self.poll.watch(opened)

    def _open(self, tags: set[bytes]) -> None:
        place = self.place
        for bound, endpoint in ((self.inbox, inbox), (self.outlet, news)):
            try:
                bound.bind(endpoint(place.run, place.name))
            except zmq.ZMQError as error:
                raise StartError(str(error)) from error
        sources = [name for names in place.sources.values() for name in names]
        for reading, names in ((self.reading, sources), (self.watching, place.watched)):
            for source in names:
                if place.network is None or place.network.is_here(source):
                    reading.connect(news(place.run, source))
        for opened in (self.inbox, self.reading, self.watching):
            self.doors[opened] = Door(opened, place.network.here if place.network else "")
        if place.network:
            self.abroad = Abroad(self.context, place, place.network, tags, self.poll)

    def door(self, source: Any) -> Door | None:
        """The door that something polled is; None for what only needs to be served."""
        return self.doors.get(source) or (self.abroad.doors.get(source) if self.abroad else None)

    def is_abroad(self, source: Any) -> bool:
        """Whether something polled is a socket that `abroad` serves."""
        return self.abroad is not None and source in self.abroad.sockets

    def refresh(self, now: Now) -> None:
        """Once a second: take up a list of keys that changed."""
        if self.abroad is None:
            return
        before = self.abroad.sockets
        if self.abroad.refresh(now):
            for gone in before:
                self.poll.unwatch(gone)
            for opened in self.abroad.sockets:
                self.poll.watch(opened)

    def serve(self, source: Any, now: Now) -> None:
        """Something came on a socket of `abroad` that is no door."""
        if self.abroad:
            self.abroad.serve(source, now)

    def alarms(self, now: Now) -> list[str]:
        """Sentences for a person."""
        return list(self.abroad.alarms(now)) if self.abroad else []

    def counters(self) -> dict[str, int]:
        """What the sockets count."""
        counted = {"messages_dropped": self.dropped}
        if self.abroad:
            counted |= {"keys_refused": self.abroad.guard.refused, "handshakes_failed": self.abroad.failed}
        return counted

    def tell(self, item: News) -> None:
        parts = item.parts or wire.pack(item.message)
        self._send(self.outlet, parts)
        if self.abroad and self.abroad.outlet:
            self._send(self.abroad.outlet, parts)

    def put(self, item: Letter) -> None:
        target = self._target(process_of(item.to))
        if target is None:
            self.dropped += 1
        else:
            self._send(target, item.parts or wire.pack(item.message))

    def _target(self, process: str) -> Socket | None:
        if self.abroad and not self.abroad.network.is_here(process):
            return self.abroad.target(process)
        target = self._letters.get(process)
        if target is None:
            target = self._letters[process] = open_socket(self.context, zmq.PUSH, INBOX_LIMIT)
            target.connect(inbox(self.place.run, process))
        return target

    def _send(self, target: Socket, parts: list[Any]) -> None:
        send = target.send
        try:
            for part in parts[:-1]:
                send(part, MORE)
            send(parts[-1], NOBLOCK)
        except zmq.Again:
            self.dropped += 1

    def take(self, door: Door) -> Iterator[tuple[list[Any], str]]:
        """What has come, up to a fair share: (parts, name of the host it came from)."""
        for _ in range(BATCH):
            try:
                frames = _received(door.socket)
            except zmq.Again:
                return
            yield [frame.buffer for frame in frames], self._host(frames[0]) if door.host is None else door.host

    def _host(self, frame: Any) -> str:
        """Whose key it came with, if that is still allowed; else a name that nobody has."""
        assert self.abroad
        try:
            name = str(frame.get("User-Id"))
        except zmq.ZMQError:
            return "?"
        return name if name in self.abroad.allowed.by_name else "?"

    def close(self) -> None:
        if self.abroad:
            self.abroad.close()
        for opened in (self.reading, self.watching, self.inbox, self.outlet, *self._letters.values()):
            opened.close()
        self.context.term()


def _received(source: Socket) -> list[Any]:
    """The frames of one message. Raises zmq.Again."""
    frames = [source.recv(NOBLOCK, False)]
    while frames[-1].more:  # the parts of a message come together
        frames.append(source.recv(NOBLOCK, False))
    return frames
