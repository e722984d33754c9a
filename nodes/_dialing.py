"""Ways to devices that do not dial us: connections that we dial, sockets that datagrams come to."""

from __future__ import annotations

import errno
import os
import socket
import struct
from dataclasses import dataclass, field

from nodes._names import LookingUp, Names
from nodes._settings import Address
from nodes._sitedevice import Device
from protocol.clock import MILLISECOND, SECOND, Now

RECEIVE_BUFFER = 4 << 20
"""Bytes asked of the kernel for datagrams: they are lost while nobody reads."""
FIRST_RETRY = SECOND
LAST_RETRY = 30 * SECOND
DIAL_PATIENCE = 10 * SECOND
_UNPROVED = "connected, but it has not told its configuration yet"


def open_listener(address: Address) -> socket.socket:
    """A TCP socket that devices dial. Raises OSError."""
    family, place = resolve(address)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        listener.bind(place)
        listener.listen(socket.SOMAXCONN)
    except OSError:
        listener.close()
        raise
    return listener


def resolve(address: Address) -> tuple[int, tuple[str, int]]:
    """(family, socket address) of a HOST:PORT. Raises OSError if there is no such host."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except UnicodeError as fault:
        raise OSError(f"{address.host!r} can't be a host's name") from fault
    family, _, _, _, place = found[0]
    return family, (str(place[0]), int(place[1]))


def open_datagrams(address: Address, group: str | None = None, sender: str | None = None) -> socket.socket:
    """A UDP socket that data come to. Raises OSError.

    `group` is joined on the interface that has the host of `address` (0.0.0.0: the one that the routes choose).
    With `sender` only its datagrams come here, so that several devices may send to one port.
    """
    family, place = resolve(address)
    end = socket.socket(family, socket.SOCK_DGRAM)
    try:
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Bound to the group itself: what is sent to the port otherwise is another socket's.
        end.bind((group, place[1]) if group else place)
        if group and family == socket.AF_INET6:
            membership = socket.inet_pton(family, group) + struct.pack("@I", 0)
            end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, membership)
        elif group:
            membership = socket.inet_aton(group) + socket.inet_aton(place[0])
            end.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        if sender:
            end.connect((sender, 0))  # Linux: only the address is compared, the sender's port is its own choice
    except OSError:
        end.close()
        raise
    return end


def keep_alive(end: socket.socket, patience: int) -> None:
    """Let the kernel end a TCP connection whose other end has been gone for `patience` [ns]; 0: never.

    It asks after half of it, four times. Raises OSError.
    """
    seconds = patience // SECOND
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, patience > 0)
    if patience > 0:
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, max(1, seconds // 2))
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, seconds // 8))
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience // MILLISECOND)


NAMES = Names(resolve)
"""Of devices: these are looked up while others wait for us."""
ASK_AGAIN = 100 * MILLISECOND
"""Pause until a name is asked for again that is being looked up."""


def any_port(target: Address) -> Address:
    """The local wildcard address, any port, of the family that reaches `target`."""
    family, _ = resolve(target)
    return Address("::" if family == socket.AF_INET6 else "0.0.0.0", 0)


@dataclass
class Dial:
    """One device that we dial: when next, and the attempt under way. Times are monotonic ns."""

    device: Device
    to: Address | None = None
    """Where; none: the place of the device's link."""
    due: int = 0
    """When to try next; ignored while connected or under way."""
    failures: int = 0
    connected: bool = False
    trying: socket.socket | None = None
    gives_up: int = 0
    fault: str = field(default="", compare=False)
    """Why the last attempt failed, or what the connection lacks."""

    @property
    def target(self) -> Address:
        target = self.to or self.device.link.tcp
        assert target is not None
        return target

    def place(self) -> tuple[str, int]:
        """Socket address of the device. Raises OSError if there is no such host, or its name is being looked up."""
        return NAMES.resolve(self.target, keep=True)[1]

    def begin(self, now: Now) -> socket.socket | None:
        """Start to connect; the socket becomes writable when it is decided. None if it failed at once."""
        try:
            family, place = NAMES.resolve(self.target)
            attempt = socket.socket(family, socket.SOCK_STREAM)
        except LookingUp as pending:
            self.fault, self.due = self.fault or str(pending), now.monotonic + ASK_AGAIN
            return None
        except OSError as fault:
            self.failed(str(fault), now)
            return None
        attempt.setblocking(False)
        outcome = attempt.connect_ex(place)
        if outcome not in (0, errno.EINPROGRESS):
            attempt.close()
            self.failed(os.strerror(outcome), now)
            return None
        self.trying, self.gives_up = attempt, now.monotonic + DIAL_PATIENCE
        return attempt

    def decided(self, now: Now) -> socket.socket | None:
        """The connected socket; None if the attempt failed (and is closed)."""
        attempt, self.trying = self.trying, None
        assert attempt is not None
        outcome = attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if outcome or now.monotonic >= self.gives_up:
            attempt.close()
            self.failed(os.strerror(outcome) if outcome else "no answer", now)
            return None
        self.connected, self.fault = True, _UNPROVED
        return attempt

    def brought(self, proved: bool) -> None:
        """A receiver has kept the connection while we were away."""
        self.connected, self.fault = True, _UNPROVED
        if proved:
            self.proved()

    def proved(self) -> None:
        """It is the device it should be: pauses begin anew."""
        self.failures, self.fault = 0, ""

    def failed(self, why: str, now: Now) -> None:
        """Try again after a pause that doubles, up to LAST_RETRY."""
        self.connected, self.fault = False, why
        self.due = now.monotonic + min(FIRST_RETRY << min(self.failures, 10), LAST_RETRY)
        self.failures += 1
