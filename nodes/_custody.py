"""A balancer's connections on their way: offered to a receiver, kept while one reads them, ended.

Whatever ends one, door, dial, device numbers and the receiver that passes it on hear of it here.
"""

from __future__ import annotations

from collections import Counter

from nodes._complaints import Complaints
from nodes._connections import Connection, Connections, deserted
from nodes._door import Doors
from nodes._reach import Reach
from nodes._receivers import Receiver, Receivers
from nodes._site import Site
from nodes._whois import Whois
from protocol.clock import Now

NOT_THERE = "the site file says no more that a device is there"


class Custody:
    """See the module."""

    def __init__(
        self,
        connections: Connections,
        receivers: Receivers,
        whois: Whois,
        doors: Doors,
        reach: Reach,
        complaints: Complaints,
    ) -> None:
        self.connections, self.receivers, self.whois = connections, receivers, whois
        self.doors, self.reach, self._complaints = doors, reach, complaints
        self.counts: Counter[str] = Counter()

    def offer(self, connection: Connection, now: Now) -> None:
        """Give a new one to a receiver, or have it wait for one."""
        if not self.receivers.offer(connection):
            self.refuse("no receiver has joined: connections beyond the limit are closed", now)
            self._close(connection, "no receiver has joined", now)

    def open_ports(self, now: Now) -> None:
        """UDP ports, as soon as we know which ones the receivers have kept."""
        if not self.receivers.absent:
            for connection in self.reach.open(now):
                self.offer(connection, now)

    def read_by(self, receiver: Receiver, id_: int) -> Connection | None:
        """The connection, if this receiver has it."""
        connection = self.connections.get(id_)
        return connection if connection and connection.receiver == receiver.name else None

    def drop(self, id_: int, number: int, reason: str) -> None:
        """Have a connection give a device up; a receiver that is gone is told when it has it again."""
        leaving = self.connections.get(id_)
        if leaving:
            self.receivers.tell(leaving, "drop", number=number, reason=reason)

    def refuse(self, why: str, now: Now) -> None:
        """Count who is turned down, and say why."""
        self.counts["refused"] += 1
        self._complaints.add("refused", why, now)

    # ── ends ────────────────────────────────────────────────────────────────────────────────────────────────

    def ended(self, id_: int, reason: str, now: Now) -> None:
        """One that a receiver has read is over."""
        connection = self.connections.take(id_)
        if connection is None:
            return
        self.counts["ended"] += 1
        self.receivers.over(connection, reason)
        self.whois.over(connection)
        self._close(connection, reason, now)
        self.open_ports(now)

    def give_up(self, receiver: str, now: Now) -> None:
        """A receiver has not come back in time."""
        for connection in self.connections.of(receiver):
            self.counts["given_up"] += 1
            self._complaints.add("gave up", f"a connection of {receiver}, which has not come back", now)
            self.ended(connection.id, f"{receiver} has not come back", now)

    def take(self, site: Site, now: Now) -> None:
        """A changed site file: who is not where it says now is ended."""
        for connection in deserted([*self.connections, *self.receivers.waiting], site.devices):
            if connection.id:
                self.receivers.tell(connection, "end", reason=NOT_THERE)
            else:
                self.receivers.waiting.remove(connection)
                self._close(connection, NOT_THERE, now)

    def _close(self, connection: Connection, reason: str, now: Now) -> None:
        connection.close()
        self.doors.left(connection)
        self.reach.ended(connection, reason, now)

    def close(self) -> None:
        """The process ends; the receivers keep what they have."""
        self.receivers.close()
        self.reach.close()
        self.connections.close()
        self.doors.close()
