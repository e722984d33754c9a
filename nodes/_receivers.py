"""A balancer's receivers: who is there, who gets which connection, and who is waited for.

A receiver joins when it has told what it holds already. Then it is handed again what its predecessor of the same
name held, and new connections whenever it has the fewest.
"""

from __future__ import annotations

import socket
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from nodes._connections import Connection, Connections
from nodes._handover import Channel
from protocol.clock import SECOND, Now

STUCK_AFTER = 3 * SECOND
"""A receiver that has not read what we said for so long gets no new connections."""
Fields = Callable[[Connection], dict[str, Any]]
"""What else a `link` note says of a connection."""


@dataclass(eq=False)
class Receiver:
    """A receiver process that has dialled us."""

    channel: Channel
    order: int
    """Who came first."""
    name: str = ""
    owes: int = 0
    """`holds` notes still to come."""
    leaving: bool = False
    """It wants no connections, and passes on those that it has."""
    told: set[int] = field(default_factory=set)
    """Connections that it says it has."""
    joined: bool = False
    read_at: int = 0
    """Monotonic ns when it had last read all that we said."""
    stuck: bool = False
    """That is a while ago."""


class Receivers:
    """See the module."""

    def __init__(self, connections: Connections, names: list[str], held: int, fields: Fields) -> None:
        """`names`: who is waited for before anybody is given anything; `held`: connections kept meanwhile."""
        self.connections, self._held, self._fields = connections, held, fields
        self.absent = set(names)
        self.waiting: deque[Connection] = deque()
        """Nobody is there to read them."""
        self.site = ""
        """Version of the site file in force."""
        self.counts: Counter[str] = Counter()
        self._here: dict[int, Receiver] = {}
        self._joins = 0

    def __contains__(self, fd: int) -> bool:
        return fd in self._here

    def __getitem__(self, fd: int) -> Receiver:
        return self._here[fd]

    @property
    def joined(self) -> list[Receiver]:
        return [receiver for receiver in self._here.values() if receiver.joined]

    @property
    def ready(self) -> bool:
        """Connections find a reader: somebody is there, and nobody is waited for."""
        return not self.absent and any(not receiver.leaving for receiver in self.joined)

    @property
    def unsent(self) -> int:
        """Notes that had no room."""
        return sum(receiver.channel.waiting for receiver in self._here.values())

    # ── come and go ─────────────────────────────────────────────────────────────────────────────────────────

    def dialled(self, end: socket.socket) -> None:
        """One has dialled us, and has said nothing yet."""
        self._joins += 1
        self._here[end.fileno()] = Receiver(Channel(end), self._joins)

    def namesakes(self, receiver: Receiver, name: str) -> list[int]:
        """Descriptors of predecessors whose end is still on its way to us."""
        return [fd for fd, each in self._here.items() if each.name == name and each is not receiver]

    def welcome(self, receiver: Receiver) -> Iterator[Connection]:
        """It has told all that it has: it is handed what its predecessor had, each of which is returned."""
        coming = [each for each in self.connections.of(receiver.name) if each.id not in receiver.told]
        coming_ids = [each.id for each in coming]
        receiver.channel.say("welcome", life=self.connections.life, coming=coming_ids, site=self.site)
        receiver.joined = True
        self.absent.discard(receiver.name)
        self.connections.returned(receiver.name)
        for connection in coming:
            self._hand(receiver, connection)
            yield connection

    def leave(self, fd: int, until: int) -> list[Connection]:
        """It is gone: what it has read waits for its successor `until` then; returns what it never got."""
        receiver = self._here.pop(fd)
        unsent = [note["connection"] for note, _ in receiver.channel.unsent() if note["say"] == "link"]
        receiver.channel.close()
        return self.connections.bereave(receiver.name, unsent, until)

    def wait_no_longer(self) -> list[str]:
        """For those who have not come yet; who they are."""
        late = sorted(self.absent)
        self.absent.clear()
        return late

    def leaves(self, name: str) -> bool:
        """Whether this receiver is there, and leaves."""
        return any(receiver.name == name and receiver.leaving for receiver in self._here.values())

    def flush(self, now: Now) -> None:
        """Send notes that had no room; see who reads none."""
        for receiver in self._here.values():
            receiver.channel.flush()
            if not receiver.channel.unread or not receiver.read_at:
                receiver.read_at = now.monotonic
            receiver.stuck = now.monotonic - receiver.read_at > STUCK_AFTER

    @property
    def stuck(self) -> list[str]:
        """Who reads nothing of what we say: stopped, or far too busy."""
        return [receiver.name for receiver in self.joined if receiver.stuck]

    def close(self) -> None:
        """Hang up, and close what nobody reads."""
        for receiver in self._here.values():
            receiver.channel.close()
        for connection in self.waiting:
            connection.close()

    # ── who gets what ───────────────────────────────────────────────────────────────────────────────────────

    def offer(self, connection: Connection) -> bool:
        """To the receiver with the fewest connections; of equals, to the one that joined first; not to a stuck one.
        What belongs to one device goes to one receiver, be that gone for a moment.

        False if there is none and too many wait already.
        """
        if not self.ready:
            if len(self.waiting) >= self._held:
                return False
            self.waiting.append(connection)
            return True
        kin = self._kin(connection)
        if kin:
            self.connections.give(connection, kin)
            for receiver in self.joined:
                if receiver.name == kin:
                    self._hand(receiver, connection)
            return True
        chosen = self._freest()
        self.connections.give(connection, chosen.name)
        self._hand(chosen, connection)
        return True

    def _freest(self) -> Receiver:
        staying = (receiver for receiver in self.joined if not receiver.leaving)
        return min(staying, key=lambda each: (each.stuck, self.connections.load(each.name), each.order))

    def pass_on(self) -> None:
        """What those that leave have told us to give to others, as soon as there is somebody."""
        leaving = [receiver.name for receiver in self.joined if receiver.leaving]
        for connection in [each for name in leaving for each in self.connections.of(name) if each.passed]:
            if not self.ready:
                return
            kin = self._kin(connection)
            here = next((receiver for receiver in self.joined if receiver.name == kin), None)
            if kin and here is None:
                continue
            chosen = here or self._freest()
            self.connections.move(connection, chosen.name)
            self._hand(chosen, connection)

    def took(self, connection: Connection) -> None:
        """Its new reader has it in its journal: the former one may forget it."""
        self._tell_former(connection, "passed")
        connection.passed = ""

    def over(self, connection: Connection, reason: str) -> None:
        """It has ended: who passes it on does not wait until another one has it."""
        self._tell_former(connection, "end", reason=reason)

    def _tell_former(self, connection: Connection, what: str, **fields: Any) -> None:
        for receiver in self._here.values():
            if receiver.name == connection.passed:
                receiver.channel.say(what, connection=connection.id, **fields)

    def _kin(self, connection: Connection) -> str:
        """Who reads the other pipes of this device: those of one address, since only bytes would tell more."""
        if connection.family == "c37118":
            return ""
        beside = self.connections.get(connection.beside)
        leaving = {receiver.name for receiver in self.joined if receiver.leaving}
        every = [beside] if beside else [each for each in self.connections if each.family == connection.family]
        near = (each for each in every if each.address == connection.address or each is beside)
        return next((each.receiver for each in near if each.receiver not in leaving), "")

    def hand_waiting(self) -> None:
        """Those who waited, if there is somebody now."""
        while self.waiting and self.ready:
            self.offer(self.waiting.popleft())

    def _hand(self, receiver: Receiver, connection: Connection) -> None:
        self.counts["handed_again" if connection.again else "handed_over"] += 1
        receiver.channel.say(
            "link",
            connection.ends,
            keep=connection.tls is None,
            connection=connection.id,
            how=connection.how,
            peer=connection.peer,
            target=connection.target,
            again=connection.again,
            numbers=sorted(connection.numbers),
            passed=connection.passed,
            **self._fields(connection),
        )

    def take_site(self, version: str) -> None:
        """The site file has changed."""
        self.site = version
        for receiver in self.joined:
            receiver.channel.say("site", version=version)

    def tell(self, connection: Connection, what: str, **fields: Any) -> None:
        """Its reader, if that is there."""
        for receiver in self._here.values():
            if receiver.name == connection.receiver:
                receiver.channel.say(what, connection=connection.id, **fields)
