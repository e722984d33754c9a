"""Ways that a receiver reads devices by: a TCP connection, or a UDP socket. Bytes in, whole frames out."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from protocol.c37118 import Codec, FrameType, Splitter, frame_type, stream_id
from protocol.c37118.common import MIN_FRAME
from protocol.c37118.session import Master, MasterSettings

CHUNK = 64 * 1024
"""Bytes asked of the kernel at once."""
CHUNKS_AT_MOST = 8
"""Reads of one socket in one tick, so that a flood on one does not hold up the others."""
UNSENT_AT_MOST = 4096
"""Bytes of commands that wait for a device which does not read; then the link is given up."""
SENDERS_AT_MOST = 2048
"""Devices heard on one UDP port; frames of more are refused."""
BESIDE_AT_MOST = 64
"""Further streams on one connection."""
STREAMED = frozenset((FrameType.DATA, FrameType.CONFIGURATION_2, FrameType.CONFIGURATION_3))
"""What says that there is a stream."""


@dataclass(eq=False)
class Link:
    """One device stream, as far as its receiver knows it."""

    balancer: str
    """Who handed it over."""
    connection: int
    """The balancer's number for it."""
    address: str
    master: Master
    send: Callable[[bytes], None]
    """Puts a command on its way."""
    number: int = 0
    """Link number; 0 until the balancer has said who it is."""
    stream: int = 0
    """IDCODE that it was identified by."""
    identity: dict[str, Any] = field(default_factory=dict)
    codec: Codec | None = None
    early: list[tuple[Codec, list[bytes]]] = field(default_factory=list)
    """DATA that came before we knew who it is, with the configuration in force."""
    unbooked: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    """Frames counted before we knew who it is, by column of the books."""
    asked: int = 0
    """IDCODE that the balancer was last asked about."""
    refused: bool = False
    """The balancer does not know it; what it still sends is counted."""
    muted: bool = False
    """Commands wait until the balancer has said who it is: an unknown device is never told to send."""
    kept: bytes = b""
    """The last of them."""
    over: str = ""
    """Why its session gave up; "" while it has not."""
    came: bool = False
    """Whether DATA came in this tick."""
    beside: dict[int, Link] = field(default_factory=dict)
    """Further streams on the same connection, by IDCODE."""
    secondary: bool = False
    """It is one of those."""

    @property
    def stations(self) -> int:
        return len(self.codec.tables) if self.codec else 0

    @property
    def expects_answer(self) -> bool:
        """There is DATA, and the balancer was asked whose it is."""
        return not self.number and not self.refused and self.asked > 0 and any(frames for _, frames in self.early)

    def owner_of(self, frame: bytes) -> Link:
        """Whose frame on this connection it is: ours, or that of another stream once we know our own."""
        cfg = self.master.cfg
        if cfg is None or frame_type(frame) not in STREAMED or stream_id(frame) == cfg.stream:
            return self
        other = self.beside.get(stream_id(frame))
        if other is None and len(self.beside) < BESIDE_AT_MOST:
            master = self.master.beside(stream_id(frame))
            other = Link(self.balancer, self.connection, self.address, master, self.send, secondary=True)
            self.beside[stream_id(frame)] = other
        return other or self

    def command(self, data: bytes) -> None:
        """Send a command, or keep it."""
        if self.muted:
            self.kept = data
        else:
            self.send(data)

    def unmute(self) -> None:
        """Send what was kept."""
        self.muted, kept, self.kept = False, self.kept, b""
        if kept:
            self.send(kept)


@dataclass(eq=False)
class Leaving:
    """A connection that ended before the balancer said whose it was; it is told of the end after its answer."""

    balancer: str
    connection: int
    reason: str
    cfg3: bool
    links: list[Link]
    """Those with DATA, which wait for an answer."""
    until: int
    """Monotonic ns."""


class StreamWay:
    """A TCP connection of one device."""

    def __init__(
        self,
        balancer: str,
        connection: int,
        end: socket.socket,
        peer: tuple[str, int],
        settings: MasterSettings,
        stays: bool = False,
    ) -> None:
        """`stays`: the device dialled us, the connection outlives its balancer."""
        self.balancer, self.connection, self.stays = balancer, connection, stays
        end.setblocking(False)
        self.end = end
        self.splitter = Splitter()
        self.link = Link(balancer, connection, peer[0], Master(settings), self._send)
        self.unsent = b""
        self.ended: str = ""
        """Why it is over; "" while it is not."""

    @property
    def links(self) -> list[Link]:
        return [self.link, *self.link.beside.values()]

    def read(self) -> Iterator[tuple[Link, list[bytes]]]:
        """What came: (link, whole frames)."""
        for _ in range(CHUNKS_AT_MOST):
            try:
                chunk = self.end.recv(CHUNK)
            except BlockingIOError:
                return
            except OSError as fault:
                self.ended = fault.strerror or str(fault)
                return
            if not chunk:
                self.ended = "the device closed the connection"
                return
            yield self.link, self.splitter.feed(chunk)
            if len(chunk) < CHUNK:
                return

    @property
    def over(self) -> str:
        """Why it is to be closed; "" while it is not."""
        return self.ended or self.link.over

    def rest(self) -> list[bytes]:
        """Frames in what is held, now that no more will come."""
        return self.splitter.close()

    def _send(self, data: bytes) -> None:
        self.unsent += data
        self.flush()

    def flush(self) -> None:
        """Send commands that wait."""
        if not self.unsent or self.ended:
            return
        try:
            self.unsent = self.unsent[self.end.send(self.unsent) :]
        except BlockingIOError:
            pass
        except OSError as fault:
            self.ended = fault.strerror or str(fault)
        if len(self.unsent) > UNSENT_AT_MOST:
            self.ended = "the device does not read our commands"


class DatagramWay:
    """A UDP socket. `links` has one device per (address, stream) if they send unasked, else just the one."""

    def __init__(
        self,
        balancer: str,
        connection: int,
        end: socket.socket,
        settings: MasterSettings,
        target: tuple[str, int] | None = None,
    ) -> None:
        """`target`: where commands go, and whose datagrams count; None: any device may send, unasked."""
        end.setblocking(False)
        self.balancer, self.connection, self.end, self.stays = balancer, connection, end, False
        self.target, self.settings = target, settings
        self.splitter = Splitter()
        self.strangers = 0
        """Datagrams from an address that is not the device's, or of one device too many."""
        self.unclaimed = 0
        """Damaged DATA frames of nobody that was heard before."""
        self.unreachable = 0
        """Commands answered by the network instead of the device; the session asks again by itself."""
        self._heard: dict[tuple[str, int], Link] = {}
        self._only = Link(balancer, connection, target[0], Master(settings), self._send) if target else None

    def share(self, link: Link, address: str) -> None:
        """Its datagrams from `address` are DATA of a link whose commands go another way (TCP)."""
        self._only, self.target = link, (address, 0)

    @property
    def links(self) -> list[Link]:
        return [self._only, *self._only.beside.values()] if self._only else list(self._heard.values())

    def read(self) -> Iterator[tuple[Link, list[bytes]]]:
        """What came: (link, whole frames)."""
        for _ in range(CHUNKS_AT_MOST * 64):
            try:
                datagram, sender = self.end.recvfrom(CHUNK)
            except BlockingIOError:
                return
            except OSError:
                self.unreachable += 1
                return
            yield from self._whose(datagram, sender[0])

    def _whose(self, datagram: bytes, address: str) -> Iterator[tuple[Link, list[bytes]]]:
        if self._only and self.target and address != self.target[0]:
            self.strangers += 1
            return
        frames = self.splitter.datagram(datagram)
        if self._only:
            yield self._only, frames
            return
        if not frames:
            yield from self._damaged(datagram, address)
        for frame in frames:
            link = self._sender(address, stream_id(frame))
            if link:
                yield link, [frame]

    def _damaged(self, datagram: bytes, address: str) -> Iterator[tuple[Link, list[bytes]]]:
        """A datagram without a good frame belongs to the link that its IDCODE names, if there is one."""
        link = self._heard.get((address, stream_id(datagram))) if len(datagram) >= MIN_FRAME else None
        if link:
            yield link, []
        else:
            self.unclaimed += self.splitter.corrupt_data
            self.splitter.corrupt = self.splitter.corrupt_data = 0

    def _sender(self, address: str, stream: int) -> Link | None:
        link = self._heard.get((address, stream))
        if link is None:
            if len(self._heard) >= SENDERS_AT_MOST:
                self.strangers += 1
                return None
            link = Link(self.balancer, self.connection, address, Master(self.settings), self._send)
            self._heard[address, stream] = link
        return link

    @property
    def over(self) -> str:
        """Why it is to be opened anew; "" while it is not."""
        return self._only.over if self._only else ""

    def rest(self) -> list[bytes]:
        """A datagram is whole, or nothing."""
        return []

    def _send(self, data: bytes) -> None:
        if self.target and self.target[1]:
            try:
                self.end.sendto(data, self.target)
            except OSError:
                self.unreachable += 1

    def flush(self) -> None:
        """Datagrams don't wait."""


Way = StreamWay | DatagramWay
