"""The device's end of a link: how simulated and replayed devices reach a station.

A `Link` moves bytes and nothing else. What is sent are items, each of whole frames, in order: an answer never
lands within a frame. What came from the station is cut into frames and given to the link's `Answers`, which says
what to send back and whether DATA are wanted. Sockets never block; methods yield what the runtime is to watch.

    Dialled, Listening   over TCP: `_devicestream`
    Datagrams            commands, answers and DATA over UDP
    Spontaneous          DATA over UDP unasked, unicast or multicast
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

from nodes._node import Action, Watch
from protocol.c37118 import Splitter
from protocol.c37118.device import Device
from protocol.c37118.events import Send
from protocol.clock import Now
from protocol.messages import Spectrum

RECEIVE = 65536
RECEIVE_AT_MOST = 100
"""Datagrams read before others have their turn."""

STOP_PATIENCE = 1.0
"""Seconds that all the links of a node may block in the end, together."""

SocketAddress = tuple[str, int]


class Answers:
    """Who is behind a link. This one has nothing to say: a pipe that only DATA go on."""

    splitter = Splitter
    """Cuts what the station sends."""

    @property
    def streaming(self) -> bool:
        """DATA are wanted."""
        return False

    def begin(self, now: Now) -> None:
        """A connection is up: nothing is wanted until it is asked for."""
        self.reset()

    def receive(self, frame: bytes, now: Now) -> list[bytes]:
        """A frame of the station; returns the frames to send back."""
        return []

    def reset(self) -> None:
        """The connection is gone."""


class DeviceAnswers(Answers):
    """A device of C37.118."""

    def __init__(self, device: Device) -> None:
        self.device = device

    @property
    def streaming(self) -> bool:
        return self.device.on

    def receive(self, frame: bytes, now: Now) -> list[bytes]:
        return [said.data for said in self.device.receive(frame, now.utc) if isinstance(said, Send)]

    def reset(self) -> None:
        self.device.on = False


class Link:
    """Base of the ways. Times are monotonic ns."""

    due: int | None = None
    """When `wake` is to be called."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.sent = 0
        """What counts among the items completely handed to the kernel; DATA frames, usually."""
        self.dropped = 0
        """The same of those that a full buffer had no room for."""
        self.connects = 0
        self.fault = ""
        """Why it is not connected."""

    @property
    def connected(self) -> bool:
        """The station can be reached, as far as one can know."""
        return True

    @property
    def wants_data(self) -> bool:
        """DATA may be sent now."""
        return self.connected and self.answers.streaming

    def way(self, spectrum: Spectrum = Spectrum.NONE) -> Link:
        """The link that such DATA go on."""
        return self

    @property
    def room(self) -> bool:
        """An item sent now would not be dropped."""
        return True

    @property
    def idle(self) -> bool:
        """The kernel has taken everything."""
        return True

    def fds(self) -> list[int]:
        """Descriptors that are watched."""
        return []

    def start(self, now: Now) -> Iterator[Action]:
        """Open what it needs. May raise OSError."""
        return iter(())

    def ready(self, fd: int, now: Now) -> Iterator[Action]:
        """One of its descriptors is ready."""
        return iter(())

    def wake(self, now: Now) -> Iterator[Action]:
        """`due` has come."""
        return iter(())

    def put(self, item: bytes, count: int) -> None:
        """Send whole frames that count for so many; over TCP, with the next `flush`."""

    def flush(self, now: Now) -> Iterator[Action]:
        """Give the kernel what it takes of what was put."""
        return iter(())

    def reconnect(self, now: Now, pause: int) -> Iterator[Action]:
        """Close the connection in good order; who dials, dials again after a pause [ns]."""
        return iter(())

    def stop(self, now: Now, patience: float = STOP_PATIENCE) -> None:
        """Finish the frame that is half sent, for which it may block so many seconds; close."""


def send_datagram(link: Link, end: socket.socket, item: bytes, count: int, to: SocketAddress) -> None:
    """Send one datagram; what does not go is counted as dropped."""
    try:
        end.sendto(item, to)
        link.sent += count
    except OSError as fault:
        link.fault = str(fault)
        link.dropped += count


def family(address: SocketAddress) -> int:
    """AF_INET or AF_INET6."""
    return socket.AF_INET6 if ":" in address[0] else socket.AF_INET


class Multicast(NamedTuple):
    """How datagrams to a multicast group leave this machine."""

    ttl: int = 1
    """Routers that they may pass, and one."""
    interface: str = ""
    """Name or IPv4 address of the network interface; none: as the routes say."""

    def apply(self, end: socket.socket, to: SocketAddress) -> None:
        """Of what this socket sends to a group. Raises OSError where there is no such interface."""
        ip = ipaddress.ip_address(to[0].partition("%")[0])
        if not ip.is_multicast:
            return
        level = socket.IPPROTO_IPV6 if ip.version == 6 else socket.IPPROTO_IP
        end.setsockopt(level, socket.IPV6_MULTICAST_HOPS if ip.version == 6 else socket.IP_MULTICAST_TTL, self.ttl)
        if self.interface and ip.version == 6:
            end.setsockopt(level, socket.IPV6_MULTICAST_IF, socket.if_nametoindex(self.interface))
        elif self.interface:
            end.setsockopt(level, socket.IP_MULTICAST_IF, self._mreqn())

    def _mreqn(self) -> bytes:
        """struct ip_mreqn of Linux: group, address, index of the interface."""
        try:
            address, index = socket.inet_aton(str(ipaddress.IPv4Address(self.interface))), 0
        except ipaddress.AddressValueError:
            address, index = bytes(4), socket.if_nametoindex(self.interface)
        return struct.pack("@4s4si", bytes(4), address, index)


class Datagrams(Link):
    """Commands over UDP, answers and DATA to where the last command came from."""

    def __init__(self, answers: Answers, at: SocketAddress) -> None:
        super().__init__(answers)
        self._at = at
        self._end: socket.socket | None = None
        self._caller: SocketAddress | None = None

    @property
    def connected(self) -> bool:
        return self._caller is not None

    @property
    def port(self) -> int:
        """Where we listen, once started."""
        assert self._end is not None
        return int(self._end.getsockname()[1])

    def fds(self) -> list[int]:
        return [self._end.fileno()] if self._end else []

    def start(self, now: Now) -> Iterator[Action]:
        self._end = socket.socket(family(self._at), socket.SOCK_DGRAM)
        self._end.setblocking(False)
        self._end.bind(self._at)
        yield Watch(self._end.fileno())

    def ready(self, fd: int, now: Now) -> Iterator[Action]:
        assert self._end is not None
        for _ in range(RECEIVE_AT_MOST):
            try:
                data, caller = self._end.recvfrom(RECEIVE)
            except BlockingIOError:
                break
            except OSError as fault:
                # The station's port is closed: ICMP said so to an earlier datagram of ours.
                self.fault = str(fault)
                continue
            self._answer(data, caller, now)
        return iter(())

    def _answer(self, data: bytes, caller: SocketAddress, now: Now) -> None:
        assert self._end is not None
        splitter = self.answers.splitter()
        for frame in splitter.feed(data) + splitter.close():
            if self._caller != caller:
                self._caller, self.connects = caller, self.connects + 1
            for answer in self.answers.receive(frame, now):
                send_datagram(self, self._end, answer, 0, caller)

    def put(self, item: bytes, count: int) -> None:
        if self._end is not None and self._caller is not None:
            send_datagram(self, self._end, item, count, self._caller)

    def stop(self, now: Now, patience: float = STOP_PATIENCE) -> None:
        if self._end is not None:
            self._end.close()


class Spontaneous(Link):
    """DATA over UDP to a fixed place, unasked."""

    def __init__(
        self, answers: Answers, to: SocketAddress, source: str = "", multicast: Multicast | None = None
    ) -> None:
        super().__init__(answers)
        self._to, self._source, self._multicast = to, source, multicast
        self._end: socket.socket | None = None

    @property
    def wants_data(self) -> bool:
        return self._end is not None

    def start(self, now: Now) -> Iterator[Action]:
        self._end = socket.socket(family(self._to), socket.SOCK_DGRAM)
        self._end.setblocking(False)
        try:
            if self._source:
                self._end.bind((self._source, 0))
            if self._multicast:
                self._multicast.apply(self._end, self._to)
        except OSError:
            self.stop(now)
            raise
        self.connects += 1
        return iter(())

    def put(self, item: bytes, count: int) -> None:
        if self._end is not None:
            send_datagram(self, self._end, item, count, self._to)

    def stop(self, now: Now, patience: float = STOP_PATIENCE) -> None:
        if self._end is not None:
            self._end.close()
            self._end = None
