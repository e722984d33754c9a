"""ZeroMQ sockets as this station opens them: bounded queues, bounded messages, and CURVE between hosts.

Only the post office opens sockets: this file, `nodes/_post.py` and `nodes/_abroad.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import zmq
from zmq.utils import z85

from nodes import _keys
from nodes._curve import DOMAIN, Allowed
from nodes._network import Host, Network
from nodes._node import StartError
from protocol import wire
from protocol.messages import REGISTRY, Announce, Health, Numbered

Socket = Any
"""A zmq.Socket."""

INBOX_LIMIT = 10_000
"""Messages waiting in an inbox; more are dropped at the sender, counted, and fetched again. Many, since they are
small, or answers that were asked for: those are bounded in bytes (`nodes/_streamwriter.py`)."""
NEWS_LIMIT = 256
"""Messages waiting for one reader, at either end. A word may have hundreds of kilobytes: this is some seconds' worth
and tens of megabytes while a reader stands still; it fetches what was dropped."""
WATCHED: set[bytes] = {Health.TAG}  # type: ignore[attr-defined]
"""Tags of what is heard of processes that are only watched."""
BATCH = 200
"""Messages taken from one socket before the others have their turn."""
LINGER = 2_000
"""Milliseconds that a stopping process gives its last messages."""
TCP: dict[int, int] = {
    zmq.HANDSHAKE_IVL: 3_000,  # who does not say who it is within so long is cut off
    zmq.HEARTBEAT_IVL: 1_000,
    zmq.HEARTBEAT_TIMEOUT: 3_000,  # a host that is dead, or behind a cut cable, is noticed
    zmq.HEARTBEAT_TTL: 4_000,
    zmq.CONNECT_TIMEOUT: 3_000,
    zmq.RECONNECT_IVL: 100,
    zmq.RECONNECT_IVL_MAX: 1_000,
}
"""Milliseconds, of what goes between hosts."""


def inbox(run: str, process: str) -> str:
    return f"ipc://{run}/{process}.inbox"


def news(run: str, process: str) -> str:
    return f"ipc://{run}/{process}.news"


def subscriptions(tags: Sequence[bytes]) -> set[bytes]:
    """What to subscribe to for a node that reads these tags: who reads one word of a numbered stream gets all
    of them, or every word that it leaves out would be a gap to be fetched.
    """
    numbered = {tag for tag, message in REGISTRY.items() if issubclass(message, Numbered)}
    stream = numbered | {Announce.TAG} if numbered & set(tags) else set()  # type: ignore[attr-defined]
    return stream | set(tags)


def new_pair() -> tuple[bytes, bytes]:
    """A new key pair (public, secret), 32 bytes each."""
    public, secret = zmq.curve_keypair()
    return z85.decode(public), z85.decode(secret)


def read_pair(network: Network) -> tuple[bytes, bytes]:
    """This host's key pair. Raises StartError."""
    try:
        public, secret = _keys.read_pair(network.keys, network.here)
    except _keys.KeyFault as fault:
        raise StartError(str(fault)) from fault
    if z85.decode(zmq.curve_public(z85.encode(secret))) != public:
        raise StartError(f"{_keys.secret_file(network.keys, network.here)}: its two keys do not belong together")
    return public, secret


def open_socket(context: Any, kind: int, limit: int) -> Socket:
    """A socket whose queues hold so many messages, and that takes none larger than a message may be."""
    opened = context.socket(kind)
    for option, value in (
        (zmq.SNDHWM, limit),
        (zmq.RCVHWM, limit),
        (zmq.LINGER, 0 if kind == zmq.SUB else LINGER),  # a subscription to a source that is gone would hold up our end
        (zmq.MAXMSGSIZE, wire.MAX_MESSAGE),
    ):
        opened.setsockopt(option, value)
    return opened


def subscribe(context: Any, tags: set[bytes]) -> Socket:
    """A socket for news with these tags."""
    reading = open_socket(context, zmq.SUB, NEWS_LIMIT)
    for tag in tags:
        reading.subscribe(tag)
    return reading


def secure(opened: Socket, host: Host, pair: tuple[bytes, bytes], server: bytes | None = None) -> Socket:
    """Make a socket speak tcp with this host: as a client of the server with this key, else as a server on it."""
    opened.setsockopt(zmq.IPV6, ":" in host.address)
    for option, value in TCP.items():
        opened.setsockopt(option, value)
    opened.curve_publickey, opened.curve_secretkey = pair
    if server is None:
        opened.curve_server = True
        opened.setsockopt(zmq.ZAP_DOMAIN, DOMAIN)
    else:
        opened.curve_serverkey = server
    return opened


class Poll:
    """What a process waits for: its sockets, and descriptors that its node watches."""

    def __init__(self) -> None:
        self._poller = zmq.Poller()

    def watch(self, source: Any, write: bool = False) -> None:
        """Wait for a socket or descriptor to be read (or written too)."""
        self._poller.register(source, zmq.POLLIN | zmq.POLLOUT if write else zmq.POLLIN)

    def unwatch(self, source: Any) -> None:
        self._poller.unregister(source)

    def wait(self, patience: int) -> list[Any]:
        """What is ready, after at most so many milliseconds."""
        return [source for source, _ in self._poller.poll(patience)]


@dataclass(frozen=True)
class Door:
    """A socket that messages come through."""

    socket: Socket
    host: str | None
    """Name of the host that they come from; None: of the one whose key each message came with."""


def listen(
    run: str,
    processes: Sequence[str],
    tags: Sequence[bytes],
    patience: float = 0.2,
    network: Network | None = None,
) -> Iterator[Any]:
    """Messages with these tags that the processes tell; None whenever `patience` [s] passed without one.

    With a network, those on other hosts are heard too, as far as their keys are known. What is no message is left out.
    """
    context = zmq.Context()
    try:
        poll = Poll()
        for reading in _readings(context, run, processes, set(tags), network):
            poll.watch(reading)
        while True:
            ready = poll.wait(int(patience * 1000))
            if not ready:
                yield None
            for reading in ready:
                parts = reading.recv_multipart()
                with suppress(wire.WireError):
                    yield wire.unpack(parts)
    finally:
        context.destroy(0)


def put(run: str, process: str, message: Any) -> None:
    """A letter to a process of this host; nothing happens if it is not there."""
    context = zmq.Context()
    try:
        target = open_socket(context, zmq.PUSH, INBOX_LIMIT)
        target.connect(inbox(run, process))
        target.send_multipart(wire.pack(message))
        target.close(LINGER)
    finally:
        context.term()


def ask(run: str, process: str, message: Any, tag: bytes, again: float = 0.5) -> Iterator[Any]:
    """Put a message into the inbox of a process of this host, again and again, and yield its news with this tag; None
    whenever a moment passed without one. The process must take what comes twice as once.
    """
    context = zmq.Context()
    try:
        reading, letters = subscribe(context, {tag}), open_socket(context, zmq.PUSH, 1)
        reading.connect(news(run, process))
        letters.connect(inbox(run, process))
        poll = Poll()
        poll.watch(reading)
        parts, quiet = wire.pack(message), again
        while True:
            if quiet >= again:
                with suppress(zmq.Again):
                    letters.send_multipart(parts, zmq.NOBLOCK)
                quiet = 0.0
            if not poll.wait(100):
                quiet += 0.1
                yield None
                continue
            with suppress(wire.WireError):
                yield wire.unpack(reading.recv_multipart())
    finally:
        context.destroy(0)


def _readings(
    context: Any, run: str, processes: Sequence[str], tags: set[bytes], network: Network | None
) -> Iterator[Socket]:
    """One socket for this host, one for each other whose key is known."""
    local = subscribe(context, tags)
    for process in processes:
        if network is None or network.is_here(process):
            local.connect(news(run, process))
    yield local
    keys = Allowed(network.keys).by_name if network else {}
    for host, key in keys.items():
        assert network
        there = [name for name in processes if not network.is_here(name) and network.host_of.get(name) == host]
        if there:
            reading = secure(subscribe(context, tags), network.hosts[host], read_pair(network), key)
            for process in there:
                reading.connect(network.news(process))
            yield reading
