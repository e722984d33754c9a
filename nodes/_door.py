"""Doors: where devices dial a balancer, and clients a publisher, and where most strangers are turned away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from nodes import _dialing
from nodes._complaints import Complaints
from nodes._connections import Connection
from nodes._limits import Limits
from nodes._node import Action, StartError, Unwatch, Watch
from nodes._settings import Address
from protocol.clock import SECOND, Now

SHUT_FOR = SECOND
"""How long the doors stay shut when no descriptor is left."""
ACCEPT_AT_MOST = 64
"""Connections accepted before others have their turn."""


class Door:
    """Who calls too often, or from where no device dials in, is turned away at once."""

    def __init__(
        self,
        address: Address,
        limits: Limits,
        keepalive: int,
        may_call: Callable[[str], bool],
        complaints: Complaints,
        counts: Counter[str],
        tls: dict[str, Any] | None = None,
        stranger: str = "",
        protocol: str = "c37118",
    ) -> None:
        """`may_call`: whether anybody could dial in from an address; `tls`: how who does is secured; `stranger`: why
        others may not.

        Raises OSError if the port is taken.
        """
        self._listener = _dialing.open_listener(address)
        self._limits, self._keepalive, self._may_call = limits, keepalive, may_call
        self._complaints, self.counts, self._tls, self._stranger = complaints, counts, tls, stranger
        self._protocol = protocol

    @property
    def fd(self) -> int:
        return self._listener.fileno()

    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._listener.getsockname()[:2]
        return host, port

    def answer(self, now: Now) -> Iterator[Connection]:
        """Who calls and may come in. Raises OSError if no descriptor is left."""
        for _ in range(ACCEPT_AT_MOST):
            try:
                end, peer = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            self.counts["accepted"] += 1
            if self._may_enter(peer[0], now):
                with suppress(OSError):  # it has hung up already: the receiver will read that
                    _dialing.keep_alive(end, self._keepalive)
                yield Connection("dials_in", peer[:2], tls=self._tls, protocol=self._protocol, ends=[end])
            else:
                end.close()

    def _may_enter(self, address: str, now: Now) -> bool:
        too_many = self._limits.call(address, now)
        if too_many:
            self.counts["turned_away"] += 1
            self._complaints.add("turned away", too_many, now)
        elif not self._may_call(address):
            self._limits.hang_up(address)
            self.counts["refused"] += 1
            self._complaints.add("refused", f"{address}: {self._stranger}", now)
        else:
            return True
        return False

    def close(self) -> None:
        self._listener.close()


class Doors:
    """All of a node's, which share the limits."""

    def __init__(self, limits: Limits, keepalive: int, complaints: Complaints, stranger: str) -> None:
        """`stranger`: why whoever may not call is refused."""
        self._limits, self._keepalive, self._complaints, self._stranger = limits, keepalive, complaints, stranger
        self.counts: Counter[str] = Counter()
        self._doors: dict[int, Door] = {}
        self.open_at: int | None = None
        """While shut: monotonic ns of the next try."""

    def open(
        self,
        setting: str,
        address: Address,
        may_call: Callable[[str], bool],
        tls: dict[str, Any] | None = None,
        protocol: str = "c37118",
    ) -> None:
        """One more, which `setting` names. Raises StartError."""
        try:
            given = self._limits, self._keepalive, may_call, self._complaints, self.counts, tls, self._stranger
            door = Door(address, *given, protocol)
        except OSError as fault:
            self.close()
            raise StartError(f"{address}: {fault.strerror}; free the port or change `{setting}`") from fault
        self._doors[door.fd] = door

    @property
    def fds(self) -> list[int]:
        return list(self._doors)

    def __getitem__(self, fd: int) -> Door:
        return self._doors[fd]

    def watch(self, *beside: int) -> Iterator[Action]:
        """All doors, and other descriptors that calls come to."""
        self.open_at = None
        for fd in (*self._doors, *beside):
            yield Watch(fd)

    def shut(self, fault: OSError, now: Now, *beside: int) -> Iterator[Action]:
        """No descriptor is left: a call that can't be taken would go on ringing, and keep us busy. It waits in the
        kernel's queue until `open_at`, when the doors are to be watched again."""
        if self.open_at is not None:
            return
        self._complaints.add("kept waiting", f"whoever calls: {fault.strerror}; raise the limit of open files", now)
        self.open_at = now.monotonic + SHUT_FOR
        for fd in (*self._doors, *beside):
            yield Unwatch(fd)

    def left(self, connection: Connection) -> None:
        """One that came in by a door is over."""
        if connection.how == "dials_in":
            self._limits.hang_up(connection.peer[0])

    def close(self) -> None:
        for door in self._doors.values():
            door.close()
