"""Dials a device and tries one protocol after the other: sockets and a clock around `commands/_asking.py`."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from commands._asking import Asked, Attempt, Heard, Tongue
from nodes._settings import Address
from protocol.clock import SECOND, Now
from protocol.gbt26865 import Pipe, probe

DIAL = 5.0
"""Seconds to be connected."""
FAREWELL = 0.5
"""Seconds that a device has to close its end."""
READ = 1 << 16


@dataclass
class Found:
    """What became of it."""

    place: Address
    udp: bool = False
    unreached: OSError | None = None
    """Nobody could be spoken to."""
    heard: list[Heard] = field(default_factory=list)
    """One for each protocol that was tried."""
    hung_up: bool = False
    """It closed the last connection."""
    no_data_pipe: str = ""
    """Why the connection for DATA did not come about."""

    @property
    def best(self) -> Heard | None:
        """The attempt that told most; None if nothing came."""
        told = [each for each in self.heard if each.size]
        return max(told, key=lambda each: (each.codec is not None, each.sound, each.size), default=None)


@dataclass(frozen=True)
class Way:
    """How it is reached."""

    place: Address
    udp: bool = False
    data: int | None = None
    """Port of the connection for DATA, of the Chinese protocols."""

    def dial(self, port: int | None = None) -> socket.socket:
        """Raises OSError."""
        place = (self.place.host, port or self.place.port)
        if not self.udp:
            return socket.create_connection(place, DIAL)
        family, *_, address = socket.getaddrinfo(*place, type=socket.SOCK_DGRAM)[0]
        end = socket.socket(family, socket.SOCK_DGRAM)
        try:
            end.connect(address)
        except OSError:
            end.close()
            raise
        return end


def ask(way: Way, tongues: Sequence[Tongue], asked: Asked) -> Found:
    """Try these protocols in turn, each on a connection of its own, until one is answered."""
    found = Found(way.place, way.udp)
    waiting = list(tongues)
    while waiting:
        tongue = waiting.pop(0)
        heard = _try(way, tongue, asked, found)
        if heard is None:
            break
        if heard.unanswered_3 and found.hung_up and not heard.codec:  # some old devices break off when asked for it
            heard = _try(way, tongue, replace(asked, cfg3=False), found) or heard
        if heard.codec:
            break
        whose = probe(heard.start)
        if whose:
            waiting = [each for each in waiting if each.crc == whose]
    return found


def _try(way: Way, tongue: Tongue, asked: Asked, found: Found) -> Heard | None:
    attempt = Attempt(tongue, replace(asked, data_pipe=way.data is not None and tongue.protocol != "c37118"))
    try:
        end = way.dial()
    except OSError as fault:
        found.unreached = None if found.heard else fault
        found.hung_up = bool(found.heard)
        return None
    with end:
        try:
            found.hung_up = _converse(end, attempt, way, found)
        except OSError as fault:
            if way.udp and not attempt.heard.size:
                found.unreached = fault
                return None
            found.hung_up = True
    found.heard.append(attempt.heard)
    return attempt.heard


def _now() -> Now:
    return Now(time.monotonic_ns(), time.time_ns())


def _converse(end: socket.socket, attempt: Attempt, way: Way, found: Found) -> bool:
    """Ask and listen until the attempt is over; returns whether the device hung up. Raises OSError."""
    pipes = {end: Pipe.MANAGEMENT}
    _say(end, attempt.begin(_now()))
    hung_up = False
    try:
        while not (attempt.over or hung_up):
            if attempt.wants_data_pipe:
                _open_data(end, attempt, way, pipes, found)
            patience = max(0, attempt.wake_at(_now()) - time.monotonic_ns()) / SECOND
            ready, _, _ = select.select(list(pipes), [], [], patience)
            for each in ready:
                data = each.recv(READ)
                hung_up = hung_up or (not data and not way.udp)
                _say(end, attempt.take(data, _now(), pipes[each]))
            _say(end, attempt.wake(_now()))
        _leave(end, attempt, hung_up, way.udp)
    finally:
        for each in list(pipes)[1:]:
            each.close()
    return hung_up


def _open_data(end: socket.socket, attempt: Attempt, way: Way, pipes: dict[socket.socket, Pipe], found: Found) -> None:
    try:
        pipes[way.dial(way.data)] = Pipe.DATA
    except OSError as fault:
        found.no_data_pipe, attempt.over = fault.strerror or str(fault), True
        return
    _say(end, attempt.data_pipe(_now()))


def _say(end: socket.socket, said: list[bytes]) -> None:
    for each in said:
        end.sendall(each)


def _leave(end: socket.socket, attempt: Attempt, hung_up: bool, udp: bool) -> None:
    """Tell it to send no more, and let it read that."""
    farewell = attempt.end(_now())
    if hung_up:
        return
    with suppress(OSError):
        _say(end, farewell)
        if udp:
            return
        end.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + FAREWELL
        while (left := deadline - time.monotonic()) > 0 and select.select([end], [], [], left)[0]:
            if not end.recv(READ):
                return
