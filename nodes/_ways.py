"""Ways that a receiver reads devices by: a TCP connection, or a UDP socket. Bytes in, whole frames out.

What is read stays queued in the kernel until `done` (`nodes/_peek.py`).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nodes._link import Link
from nodes._manners import DATAGRAM_BITE, Manners
from nodes._peek import CHUNK, DATAGRAMS, DatagramEnd, StreamEnd
from nodes._tongues import Tongue
from nodes._waystate import Handed
from protocol import gbt26865
from protocol.c37118 import Splitter, stream_id
from protocol.c37118.common import MIN_FRAME, SYNC
from protocol.c37118.session import MasterSettings
from protocol.c37118.splitter import LOOK

if TYPE_CHECKING:
    from nodes._bulk import Bulk

UNSENT_AT_MOST = 4096
"""Bytes of commands that wait for a device which does not read; then the link is given up."""
DEFAULT = Tongue()
"""Of all that is spoken over UDP, and under TLS."""
SENDERS_AT_MOST = 2048
"""Devices heard on one UDP port; frames of more are refused."""


class StreamWay:
    """A TCP connection of one device."""

    def __init__(
        self, slot: int, handed: Handed, end: StreamEnd, settings: MasterSettings, spoken: Tongue = DEFAULT
    ) -> None:
        self.slot, self.handed, self.end = slot, handed, end
        self.tongue = spoken
        self.splitter = self.tongue.splitter()
        master = self.tongue.master(settings, handed.download)
        self.link = Link(slot, handed.balancer, handed.connection, handed.peer[0], self.tongue, master, self._send)
        self.manners = Manners()
        self.unsent = b""
        self.ended: str = ""
        """Why it is over; "" while it is not."""
        self.position = 0
        """Bytes of the stream that were worked on."""
        self.looked = 0
        """Those of them that are still queued."""
        self.bulk: Bulk | None = None
        """Where it is read with others; None: by itself."""
        self.seat = 0
        """Its place there."""

    @property
    def links(self) -> list[Link]:
        return [self.link, *self.link.beside.values()]

    @property
    def carrier(self) -> Link | None:
        """Whose frames come."""
        return self.link

    def read(self) -> Iterator[tuple[Link, list[bytes]]]:
        """What came: (link, whole frames)."""
        try:
            chunk = self.end.look(self.looked, self.manners.room)
        except OSError as fault:
            self.ended = fault.strerror or str(fault)
            return
        if chunk is None:
            return
        if not chunk:
            self.ended = "the device closed the connection"
            return
        self.looked += len(chunk)
        self.position += len(chunk)
        yield self.link, self.splitter.feed(chunk)

    def first_frame(self) -> bytes | None:
        """The frame that the connection begins with, which stays queued: empty while it is not whole; None: it begins
        with something else, or is over."""
        try:
            lead = self.end.look(0, LOOK)
            if lead is None or 0 < len(lead) < LOOK:
                return b""
            if not lead or lead[0] != SYNC or lead[1] not in self.splitter.heads:
                return None
            size = lead[2] << 8 | lead[3]
            if size < self.splitter.smallest:
                return None
            if self.end.queued() < size:
                return b""
            frame = self.end.look(0, size) or b""
        except OSError:
            return None  # `read` will say why
        return frame if gbt26865.sound(frame) else None

    @property
    def came(self) -> int:
        """Bytes that were looked at so far."""
        return self.position

    def done(self) -> None:
        """What was read is safe: out of the kernel with it."""
        looked, self.looked = self.looked, 0
        self.end.take(looked)

    def link_of(self, key: tuple[str, int]) -> Link:
        """One of its links, made if there is none."""
        return self.link if key[1] < 0 else self.link.beside.get(key[1]) or self.link.next_to(key[1])

    def resume(self, position: int, splitter: Splitter) -> int:
        """Go on where the journal is: what it has is taken from the kernel. Returns how many bytes are in neither."""
        there = self.end.position(position)
        if there > position:
            self.position = there
            return there - position
        self.splitter, self.position = splitter, position
        self.end.take(min(position - there, self.end.queued()))
        return 0

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
        slot: int,
        handed: Handed,
        end: DatagramEnd,
        settings: MasterSettings,
        target: tuple[str, int] | None = None,
    ) -> None:
        """`target`: where commands go, and whose datagrams count; None: any device may send, unasked."""
        self.slot, self.handed, self.end, self.settings = slot, handed, end, settings
        self.target = target
        self.manners = Manners(CHUNK, DATAGRAM_BITE)
        self.came = 0
        """Bytes that were looked at so far."""
        self.looked = 0
        """Datagrams that were worked on and are still queued."""
        self.last: list[list[int]] = []
        """[CRC-32, size] of them, or of the last that were."""
        self.splitter = Splitter()
        self.strangers = 0
        """Datagrams from an address that is not the device's, or of one device too many."""
        self.unclaimed = 0
        """Damaged DATA frames of nobody that was heard before."""
        self.unreachable = 0
        """Commands answered by the network instead of the device; the session asks again by itself."""
        self._heard: dict[tuple[str, int], Link] = {}
        self._only = self._new_link(self.target[0], ("", -1)) if self.target else None

    def share(self, link: Link, address: str) -> None:
        """Its datagrams from `address` are DATA of a link whose commands go another way (TCP)."""
        self._only, self.target = link, (address, 0)

    @property
    def links(self) -> list[Link]:
        return [self._only, *self._only.beside.values()] if self._only else list(self._heard.values())

    @property
    def carrier(self) -> Link | None:
        """Whose frames come, if there is one device."""
        return self._only

    def read(self) -> Iterator[tuple[Link, list[bytes]]]:
        """What came: (link, whole frames)."""
        if not self.looked:
            self.last = []
        full = self.came + self.manners.room
        for _ in range(DATAGRAMS):
            if self.came >= full:
                return
            try:
                found = self.end.look()
            except OSError:
                self.unreachable += 1
                return
            if not found:
                return
            self.looked += 1
            self.came += len(found[0])
            self.last.append([zlib.crc32(found[0]), len(found[0])])
            yield from self._whose(*found)

    def done(self) -> None:
        """What was read is safe: out of the kernel with it."""
        looked, self.looked = self.looked, 0
        self.end.take(looked)

    def resume(self, last: list[list[int]]) -> None:
        """Go on behind the datagrams that a former life worked on last: those still queued are taken."""
        self.last = last
        queued: list[list[int]] = []
        while len(queued) < len(last) and (found := self.end.look()):
            queued.append([zlib.crc32(found[0]), len(found[0])])
        self.end.again()
        for at in range(len(last)):
            if last[at:] == queued[: len(last) - at]:
                self.end.take(len(last) - at)
                return

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
            link = self.link_of((address, stream))
        return link

    def link_of(self, key: tuple[str, int]) -> Link:
        """One of its links, made if there is none."""
        if self._only:
            return self._only if key[1] < 0 else self._only.beside.get(key[1]) or self._only.next_to(key[1])
        link = self._heard.get(key)
        if link is None:
            link = self._heard[key] = self._new_link(key[0], key)
        return link

    def _new_link(self, address: str, key: tuple[str, int]) -> Link:
        ours = self.slot, self.handed.balancer, self.handed.connection, address, DEFAULT
        return Link(*ours, DEFAULT.master(self.settings), self._send, key)

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
                self.end.send(data, self.target)
            except OSError:
                self.unreachable += 1

    def flush(self) -> None:
        """Datagrams don't wait."""


Way = StreamWay | DatagramWay
