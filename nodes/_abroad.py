"""The sockets of a process to other hosts: tcp with CURVE, keys from the list, and who is in reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import count
from typing import Any

import zmq
from zmq.utils.monitor import parse_monitor_message

from nodes._curve import Allowed, Guard
from nodes._network import Network
from nodes._node import Place, StartError
from nodes._sockets import (
    BATCH,
    INBOX_LIMIT,
    NEWS_LIMIT,
    WATCHED,
    Door,
    Poll,
    Socket,
    open_socket,
    read_pair,
    secure,
    subscribe,
)
from protocol.clock import SECOND, Now

EVENTS_LIMIT = 100_000
"""Handshakes gone wrong that wait to be counted."""
GRACE = 5 * SECOND
"""So long another host may be out of reach before it is an alarm."""
FATAL = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
"""After these ZeroMQ does not try again by itself."""
FAILED = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
REACHED = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED


class Abroad:
    """The sockets between hosts. When the list of keys changes, all are opened anew: whoever left it is out."""

    def __init__(self, context: Any, place: Place, network: Network, tags: set[bytes], poll: Poll) -> None:
        self.context, self.place, self.network, self.tags = context, place, network, tags
        self._poll = poll
        self.pair = read_pair(network)
        self.allowed = Allowed(network.keys)
        self.guard = Guard(self.allowed)
        self.failed = 0
        """Handshakes that ended in nothing: no ZeroMQ, no CURVE, or a wrong key of ours."""
        self.doors: dict[Socket, Door] = {}
        self.outlet: Socket | None = None
        self._letters: dict[str, Socket] = {}
        self._monitors: dict[Socket, Socket] = {}
        self._reached: set[str] = set()
        """Endpoints of sources that are in reach."""
        self._broken: set[tuple[Socket, str]] = set()
        """(socket, endpoint) to be connected anew."""
        self._opened_at: int | None = None
        self._names = count()
        self._zap = context.socket(zmq.REP)
        self._zap.setsockopt(zmq.LINGER, 0)
        self._zap.bind("inproc://zeromq.zap.01")
        if fault := self._open():
            self.close()
            raise StartError(fault)

    @property
    def sockets(self) -> list[Socket]:
        """Those to be polled."""
        return [self._zap, *self._monitors, *self.doors]

    def _open(self) -> str:
        """Open all; "" or why it can't be done now."""
        process = self.place.name
        here = self.network.hosts[self.network.here]
        taking = secure(open_socket(self.context, zmq.PULL, INBOX_LIMIT), here, self.pair)
        telling = secure(open_socket(self.context, zmq.PUB, NEWS_LIMIT), here, self.pair)
        self.outlet = telling
        self.doors[taking] = Door(taking, None)
        for opened, endpoint in ((taking, self.network.inbox(process)), (telling, self.network.news(process))):
            self._monitor(opened, FAILED)
            try:
                opened.bind(endpoint)
            except zmq.ZMQError as error:
                self._shut()
                return f"{endpoint}: {error.strerror}; is {self.network.here} this machine, and are its ports free?"
        for tags, names in ((self.tags, self._sources()), (WATCHED, self._abroad(self.place.watched))):
            for host in sorted({self.network.host_of[name] for name in names}):
                if key := self.allowed.by_name.get(host):
                    self._read(host, key, tags, names)
        self._opened_at = None
        return ""

    def _sources(self) -> list[str]:
        """Processes on other hosts whose news we read."""
        return self._abroad(name for names in self.place.sources.values() for name in names)

    def _abroad(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if not self.network.is_here(name)]

    def _read(self, host: str, key: bytes, tags: set[bytes], names: list[str]) -> None:
        reading = secure(subscribe(self.context, tags), self.network.hosts[host], self.pair, key)
        self._monitor(reading, REACHED | FAILED | FATAL)
        self.doors[reading] = Door(reading, host)
        for source in names:
            if self.network.host_of[source] == host:
                reading.connect(self.network.news(source))

    def _monitor(self, opened: Socket, events: int) -> Socket:
        endpoint = (
            f"inproc://monitor.{next(self._names)}"  # the name of one that was closed is free only some time later
        )
        opened.monitor(endpoint, events)
        told = self.context.socket(zmq.PAIR)
        told.setsockopt(zmq.RCVHWM, EVENTS_LIMIT)
        told.setsockopt(zmq.LINGER, 0)
        told.connect(endpoint)
        self._monitors[told] = opened
        return told

    def target(self, process: str) -> Socket | None:
        """Where letters to a process on another host go; None while that host's key is not known."""
        key = self.allowed.by_name.get(self.network.host_of[process])
        if key is None or self.outlet is None:
            return None
        if process not in self._letters:
            host = self.network.hosts[self.network.host_of[process]]
            opened = secure(open_socket(self.context, zmq.PUSH, INBOX_LIMIT), host, self.pair, key)
            self._poll.watch(self._monitor(opened, FAILED | FATAL))
            opened.connect(self.network.inbox(process))
            self._letters[process] = opened
        return self._letters[process]

    def serve(self, opened: Socket, now: Now) -> None:
        """Something came on a socket that is no door: a request to let somebody in, or news of a handshake."""
        for _ in range(BATCH):
            try:
                frames = opened.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            if opened is self._zap:
                opened.send_multipart(self.guard.answer(frames, now))
            else:
                self._note(self._monitors[opened], parse_monitor_message(frames))

    def _note(self, opened: Socket, event: Any) -> None:
        endpoint = event["endpoint"].decode(errors="replace")
        if event["event"] & FAILED:
            self.failed += 1
        if event["event"] & FATAL and opened.type in (zmq.SUB, zmq.PUSH):
            self._broken.add((opened, endpoint))
        if event["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self._reached.add(endpoint)
        elif event["event"] == zmq.EVENT_DISCONNECTED:
            self._reached.discard(endpoint)

    def _mend(self) -> None:
        for opened, endpoint in self._broken:
            with suppress(zmq.ZMQError):  # it may be gone already
                opened.disconnect(endpoint)
            opened.connect(endpoint)
        self._broken.clear()

    def refresh(self, now: Now) -> bool:
        """Whether the sockets are others than before: after a change of the list, or where they could not be opened."""
        self._opened_at = now.monotonic if self._opened_at is None else self._opened_at
        if not self.allowed.refresh() and self.outlet is not None:
            self._mend()
            return False
        self._shut()
        self._open()
        return True

    def alarms(self, now: Now) -> Iterator[str]:
        """Sentences for a person."""
        yield from self.guard.alarms(now)
        if self.outlet is None:
            yield f"the ports on {self.network.here} can't be opened again; trying each second"
        sources = self._sources()
        for host in sorted({self.network.host_of[source] for source in sources}):
            if host not in self.allowed.by_name:
                yield f"host {host} has no key here: syms keys allow {host} KEY --keys {self.network.keys}"
        if self._opened_at is None or now.monotonic < self._opened_at + GRACE:
            return
        for source in sources:
            host, endpoint = self.network.host_of[source], self.network.news(source)
            if host in self.allowed.by_name and endpoint not in self._reached:
                yield f"{source} on host {host} is not in reach: down, cut off, or one of us lacks the other's key"

    def _shut(self) -> None:
        for told, opened in self._monitors.items():
            opened.disable_monitor()
            told.close()
        for opened in (*self.doors, self.outlet, *self._letters.values()):
            if opened is not None:
                opened.close()
        self.outlet = None
        for kept in (self.doors, self._letters, self._monitors, self._reached, self._broken):
            kept.clear()

    def close(self) -> None:
        self._shut()
        self._zap.close()
