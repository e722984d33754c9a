"""Reading a device's socket in two steps: look at what is queued, and take it when it is safe in the journal.

What was looked at stays in the kernel, and outlives this process as long as somebody holds the socket. A successor
asks the kernel how much of a TCP stream was taken, and knows from the journal how much was safe.
"""

from __future__ import annotations

import fcntl
import select
import socket
import struct
import termios
from collections.abc import Collection, Iterable
from contextlib import suppress

CHUNK = 64 * 1024
"""Bytes of one connection looked at in one step, so that a flood on one does not hold up the others."""
DATAGRAMS = 512
"""Datagrams of one socket looked at in one step."""
MOST = 16 * CHUNK
"""Bytes of one connection looked at and not taken yet."""
SO_PEEK_OFF = 42
"""From Linux's headers: a look begins behind what earlier looks have seen."""
TCP_INFO_SIZE = 136
BYTES_RECEIVED = 128
"""Where `tcpi_bytes_received` (u64) stands; the end of a stream, once it came, counts as one more."""
END_CAME = frozenset((6, 8, 9, 11))
"""TIME_WAIT, CLOSE_WAIT, LAST_ACK, CLOSING: the states (byte 0) in which the peer has closed."""
CLOSED = 7

_ROOM = bytearray(MOST)
_VIEW = memoryview(_ROOM)


class StreamEnd:
    """A TCP connection. Raises OSError where it is broken."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)  # an urgent byte would be counted and not seen
        self.end = end

    def fileno(self) -> int:
        return self.end.fileno()

    def look(self, skip: int, room: int = CHUNK) -> bytes | None:
        """What is queued behind the first `skip` bytes, up to `room`; None: nothing new; empty: the peer has closed."""
        try:
            size = self.end.recv_into(_ROOM, min(skip + room, MOST), socket.MSG_PEEK)
        except BlockingIOError:
            return None
        if size == skip and size:
            return None
        return bytes(_VIEW[skip:size])

    def take(self, size: int) -> None:
        """So many bytes are done with. They are not copied out of the kernel."""
        while size > 0:
            taken = self.end.recv_into(_ROOM, min(size, MOST), socket.MSG_TRUNC)
            if not taken:
                return
            size -= taken

    def queued(self) -> int:
        """Bytes that were not taken yet."""
        return int(struct.unpack("i", fcntl.ioctl(self.end, termios.FIONREAD, bytes(4)))[0])

    def position(self, expected: int) -> int:
        """Bytes of the stream that were taken so far, by whomever; `expected`: at most so many.

        A connection that was reset does not tell whether its end had come before; then what is expected decides.
        """
        while True:
            info = self._info()
            queued = self.queued()
            if info == self._info():
                break
        state, received = info
        position = received - queued
        if state in END_CAME or (state == CLOSED and position == expected + 1):
            position -= 1
        return position

    def _info(self) -> tuple[int, int]:
        info = self.end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_SIZE)
        return info[0], int.from_bytes(info[BYTES_RECEIVED:TCP_INFO_SIZE], "little")

    def send(self, data: bytes) -> int:
        """How many bytes went out."""
        return self.end.send(data)

    def copy(self) -> socket.socket:
        """A duplicate of the socket, to give away."""
        return self.end.dup()

    def hang_up(self) -> None:
        """End the connection for everybody who holds it."""
        with suppress(OSError):  # the peer was faster
            self.end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.end.close()


class DatagramEnd:
    """A UDP socket. Raises OSError for what the network says of datagrams sent.

    Empty datagrams are passed over: a look sees them once at most, also the first one of a successor.
    """

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, SO_PEEK_OFF, 0)
        self.end = end
        self._looked = self._empty = 0

    def fileno(self) -> int:
        return self.end.fileno()

    def look(self) -> tuple[bytes, str] | None:
        """The next datagram that was not looked at, and who sent it; None: no more."""
        while True:
            try:
                size, sender = self.end.recvfrom_into(_ROOM, 0, socket.MSG_PEEK)
            except BlockingIOError:
                self._pass_over()
                return None
            if size:
                self._looked += 1
                return bytes(_VIEW[:size]), sender[0]
            self._empty += 1

    def _pass_over(self) -> None:
        """Empty ones with nothing among them would stay for ever."""
        empty, self._empty = self._empty, 0
        if not self._looked:
            for _ in range(empty):
                self._take_one()

    def take(self, count: int) -> None:
        """So many datagrams are done with."""
        self._looked -= count
        while count > 0 and (size := self._take_one()) is not None:
            count -= size > 0

    def _take_one(self) -> int | None:
        while True:
            try:
                return self.end.recv_into(_ROOM, 1, socket.MSG_TRUNC)
            except BlockingIOError:
                return None
            except OSError:
                continue  # what the network says of a datagram that we sent: said once

    def again(self) -> None:
        """The next look begins with the first datagram that was not taken."""
        self.end.setsockopt(socket.SOL_SOCKET, SO_PEEK_OFF, 0)
        self._looked = self._empty = 0

    def send(self, data: bytes, target: tuple[str, int]) -> None:
        self.end.sendto(data, target)

    def copy(self) -> socket.socket:
        """A duplicate of the socket, to give away."""
        return self.end.dup()

    def hang_up(self) -> None:
        """Nobody is to be told."""

    def close(self) -> None:
        self.end.close()


class NoEnd:
    """In the place of a connection that did not outlive its receiver: nothing comes, nothing goes."""

    def fileno(self) -> int:
        return -1

    def take(self, size: int) -> None:
        """There is nothing."""

    def hang_up(self) -> None:
        """It is over."""

    def close(self) -> None:
        """There is nothing."""


class NoStream(NoEnd, StreamEnd):
    """Of TCP."""

    def __init__(self) -> None:
        """No socket."""

    def look(self, skip: int, room: int = CHUNK) -> bytes | None:
        return None

    def send(self, data: bytes) -> int:
        return len(data)


class NoDatagrams(NoEnd, DatagramEnd):
    """Of UDP."""

    def __init__(self) -> None:
        """No socket."""

    def look(self) -> tuple[bytes, str] | None:
        return None

    def send(self, data: bytes, target: tuple[str, int]) -> None:
        """Nobody is there."""


class Machine:
    """What a receiver asks of the system; tests put another one in its place."""

    def __init__(self) -> None:
        self._epoll = select.epoll()

    def stream(self, descriptor: int) -> StreamEnd:
        return StreamEnd(socket.socket(fileno=descriptor))

    def datagrams(self, descriptor: int) -> DatagramEnd:
        return DatagramEnd(socket.socket(fileno=descriptor))

    def watch(self, fd: int) -> None:
        self._epoll.register(fd, select.EPOLLIN)

    def forget(self, fd: int) -> None:
        self._epoll.unregister(fd)

    def ready(self, watched: Collection[int]) -> Iterable[int]:
        """Those that have something."""
        return [fd for fd, _ in self._epoll.poll(0, max(1, len(watched)))]

    def close(self) -> None:
        self._epoll.close()
