"""A device's connection under TLS, read like any other: deciphered bytes stand in the place of the kernel's queue.

Other than there, they do not outlive this process, and no successor could go on deciphering: such a connection ends
with its receiver, and the device connects anew.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

from nodes._certificates import TlsFault
from nodes._link import Link
from nodes._peek import CHUNK, MOST, StreamEnd
from nodes._tls import Contexts, Session
from nodes._ways import StreamWay
from nodes._waystate import Handed
from protocol.c37118.session import MasterSettings
from protocol.clock import Now

WAITING_AT_MOST = 64 * 1024
"""Enciphered bytes that wait for a device which does not read; then it is given up."""
STEPS = 4
"""Steps of handshakes in one tick: each costs a millisecond or two, and the devices that are in must not wait."""


class Handshakes:
    """How many steps of handshakes may still be done in this tick; and the contexts of all."""

    def __init__(self) -> None:
        self.contexts = Contexts()
        self.left = STEPS

    def renew(self) -> None:
        """A tick begins."""
        self.left = STEPS

    def step(self) -> bool:
        """Whether one may be done now."""
        self.left -= 1
        return self.left >= 0


class TlsEnd(StreamEnd):
    """Over the TCP connection `under`. Raises OSError where either is broken."""

    def __init__(self, under: StreamEnd, terms: dict[str, Any], handshakes: Handshakes, now: Now) -> None:
        self.under, self._handshakes = under, handshakes
        self._plain = bytearray()
        """Deciphered, and not taken yet."""
        self._waiting = b""
        """Enciphered, for the device."""
        self.until = now.monotonic + terms["handshake"]
        """When the handshake must be done, monotonic ns."""
        self.session: Session | None = None
        self.fault = ""
        """Why the device is not let in, or not any more."""
        self.broken = ""
        """What the network says."""
        try:
            self.session = Session(handshakes.contexts.get(terms), terms["dialled"], terms["name"])
        except (TlsFault, OSError, ValueError) as fault:
            self.fault = f"TLS: {fault}"
        self.push()

    @property
    def ready(self) -> bool:
        """The handshake is done."""
        return self.session is not None and self.session.ready

    @property
    def names(self) -> tuple[str, ...]:
        """Whom the device's certificate is issued to."""
        return self.session.names if self.session else ()

    @property
    def ended(self) -> bool:
        """The device has said that nothing more comes."""
        return self.session is not None and self.session.ended

    def fileno(self) -> int:
        return self.under.fileno()

    def look(self, skip: int, room: int = CHUNK) -> bytes | None:
        """As of a plain connection; empty also when the device has said that nothing more comes."""
        ended = self._receive(room)
        if len(self._plain) > skip:
            return bytes(self._plain[skip:])
        if self.fault or self.broken:
            raise OSError(self.fault or self.broken)
        return b"" if ended or self.ended else None

    def _receive(self, room: int) -> bool:
        """Decipher what has come; returns whether the device has hung up."""
        session = self.session
        if session is None or self.fault or session.ended or len(self._plain) >= MOST:
            return False
        if not session.ready and not self._handshakes.step():
            return False
        came = self.under.look(0, room)
        if not came:
            return came is not None
        self.under.take(len(came))
        self._plain += session.feed(came)
        self.fault = self.fault or session.fault
        self.push()
        return False

    def push(self) -> None:
        """Send what waits, as far as there is room."""
        if self.session:
            self._waiting += self.session.outgoing()
        try:
            while self._waiting:
                self._waiting = self._waiting[self.under.send(self._waiting) :]
        except BlockingIOError:
            if len(self._waiting) > WAITING_AT_MOST:
                self.fault = self.fault or "TLS: the device does not read what we say"
        except OSError as fault:
            self._waiting, self.broken = b"", fault.strerror or str(fault)

    def wake(self, now: Now) -> None:
        """A handshake that is not done in time is given up."""
        if not self.ready and not self.fault and now.monotonic >= self.until:
            self.fault = "TLS: no handshake in time"

    def take(self, size: int) -> None:
        del self._plain[:size]

    def queued(self) -> int:
        return len(self._plain)

    def send(self, data: bytes) -> int:
        self.push()
        if not self.session or not self.session.ready or self._waiting:
            raise BlockingIOError
        self.session.say(data)
        self.push()
        return len(data)

    def copy(self) -> socket.socket:
        return self.under.copy()

    def hang_up(self) -> None:
        if self.session:
            self.session.end()
            self.push()
        self.under.hang_up()

    def close(self) -> None:
        self.under.close()


class TlsWay(StreamWay):
    """A TCP connection of one device, under TLS."""

    end: TlsEnd

    def __init__(self, slot: int, handed: Handed, end: TlsEnd, settings: MasterSettings) -> None:
        super().__init__(slot, handed, end, settings)

    def read(self) -> Iterator[tuple[Link, list[bytes]]]:
        for link, frames in super().read():
            self.link.certificate = self.end.names
            yield link, frames

    @property
    def over(self) -> str:
        closed = "the device closed the connection" if self.end.ended else ""
        return self.ended or self.end.fault or self.end.broken or closed or self.link.over

    def flush(self) -> None:
        self.end.push()
        super().flush()
