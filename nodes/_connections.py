"""A balancer's connections: who reads which, and a duplicate of every descriptor that was handed over.

A duplicate keeps a connection open when its receiver dies, in the middle of a frame too. What the receiver had stays
under its name until a process of that name is there again, or until nobody waits for it any more.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nodes._dialing import Dial
from nodes._sitechange import same_way
from nodes._sitedevice import Device
from nodes._siteforms import IP, family_of, plain


@dataclass(eq=False)
class Connection:
    """One device connection: a socket, or a pair of them."""

    how: str
    """dials_in, tcp, tcp_udp, udp or spontaneous."""
    peer: tuple[str, int]
    """The device's end; of a port that devices send to unasked, our own."""
    candidates: list[Device] | None = None
    """Who it can be, where the way says it already (dialled, own port); None: it dialled us."""
    target: tuple[str, int] | None = None
    """Where commands go, over UDP."""
    tls: dict[str, Any] | None = None
    """How it is secured (`nodes/_tls.py`). Such a one ends with its receiver: nobody else could decipher it."""
    protocol: str = "c37118"
    """What is spoken there, as the site file calls it; of a door where several may be, the one that has them all."""
    pipe: str = ""
    """Of protocols with several connections for a device: management, data, or whole (all in one); "": unknown yet."""
    beside: int = 0
    """Of a data pipe that we dialled: the connection that is its management pipe."""
    dial: Dial | None = None
    ends: list[socket.socket] = field(default_factory=list, repr=False)
    """Our duplicates; the receiver's own are read from."""
    id: int = 0
    """0 until it is given to a receiver."""
    receiver: str = ""
    """Process name of who reads it."""
    again: bool = False
    """A predecessor of its receiver has had it."""
    passed: str = ""
    """The receiver that leaves and passes it on, until another one has it in its journal; "": none does."""
    numbers: set[int] = field(default_factory=set)
    """Of the links that it carries, as far as they are identified."""

    @property
    def place(self) -> str:
        """Where the device is, as far as that stays the same."""
        return self.peer[0] if self.candidates is None else f"{self.peer[0]}:{self.peer[1]}"

    @cached_property
    def address(self) -> IP:
        """Of the device's end of a TCP connection, however we came by it."""
        return plain(self.peer[0])

    @property
    def family(self) -> str:
        """Of protocols whose devices may call at one port."""
        return family_of(self.protocol)

    def close(self) -> None:
        """Close our duplicates: the connection ends with them if nobody else has it."""
        for end in self.ends:
            end.close()
        self.ends = []


class Connections:
    """All that were given to a receiver and have not ended. Times are monotonic ns; `life` names ours."""

    def __init__(self, first: int) -> None:
        """`first`: number of the first one; above all of former lives, since receivers bring those back."""
        self.life = self._next = first
        self._held: dict[int, Connection] = {}
        self._of: dict[str, set[int]] = {}
        self._waits: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._held.values()))

    def get(self, id_: int) -> Connection | None:
        return self._held.get(id_)

    def of(self, receiver: str) -> list[Connection]:
        """Those of a receiver, the oldest first, whether it is there or not."""
        return [self._held[id_] for id_ in sorted(self._of.get(receiver, ()))]

    def load(self, receiver: str) -> int:
        """How many those are."""
        return len(self._of.get(receiver, ()))

    def give(self, connection: Connection, receiver: str) -> None:
        """A new one, or one that a receiver never got: it gets a number of its own."""
        connection.id, self._next = self._next, self._next + 1
        self._put(connection, receiver)

    def bring(self, connection: Connection, id_: int, receiver: str) -> None:
        """One of a former life, which a receiver has kept: it goes on under its number."""
        connection.id, self._next = id_, max(self._next, id_ + 1)
        self._put(connection, receiver)

    def move(self, connection: Connection, receiver: str) -> None:
        """Another receiver goes on with it."""
        self.take(connection.id)
        connection.again = True
        self._put(connection, receiver)

    def _put(self, connection: Connection, receiver: str) -> None:
        connection.receiver = receiver
        self._held[connection.id] = connection
        self._of.setdefault(receiver, set()).add(connection.id)

    def take(self, id_: int) -> Connection | None:
        """Take one out, open as it is; None if there is no such."""
        connection = self._held.pop(id_, None)
        if connection:
            ids = self._of[connection.receiver]
            ids.discard(id_)
            if not ids:
                del self._of[connection.receiver]
                self._waits.pop(connection.receiver, None)
        return connection

    # ── a receiver that is gone ─────────────────────────────────────────────────────────────────────────────

    def bereave(self, receiver: str, unsent: Iterable[int], until: int) -> list[Connection]:
        """The receiver is gone; what it has read stays its own `until` then.

        `unsent` are those whose note it never got. Returns, taken out, those of them that nobody has ever read:
        anybody may have them.
        """
        unread = {id_ for id_ in unsent if id_ in self._held and not self._held[id_].again}
        mine = self._of.get(receiver, set())
        fresh = [connection for id_ in sorted(unread & mine) if (connection := self.take(id_))]
        for connection in self.of(receiver):
            connection.again = True
        if self.load(receiver):
            self._waits[receiver] = until
        return fresh

    def returned(self, receiver: str) -> None:
        """A process of that name is there again."""
        self._waits.pop(receiver, None)

    @property
    def waiting(self) -> dict[str, int]:
        """Receiver that is gone -> connections that wait for it."""
        return {receiver: self.load(receiver) for receiver in self._waits}

    def overdue(self, now: int) -> list[str]:
        """Receivers that nobody waits for any more."""
        return [receiver for receiver, until in self._waits.items() if now >= until]

    def close(self) -> None:
        """Close all duplicates; who reads them reads on."""
        for connection in self:
            connection.close()


def deserted(connections: Iterable[Connection], devices: Iterable[Device]) -> list[Connection]:
    """Those that carry nobody of a changed site any more; the others learn who they can be now.

    A port that devices send to unasked has its new ones already, see `Reach.take`.
    """
    here = {device.number: device for device in devices}
    found = []
    for connection in connections:
        if connection.candidates is None:
            continue
        if connection.how != "spontaneous":
            known = [each for each in connection.candidates if each.number in here]
            connection.candidates[:] = [here[each.number] for each in known if same_way(each, here[each.number])]
        if not connection.candidates:
            found.append(connection)
    return found
