"""Who a balancer's connections are: which device each carries, and what is known of the device before it speaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nodes._connections import Connection
from nodes._identity import Identities, Unknown, named
from nodes._owners import Owners
from nodes._site import Site
from protocol.clock import Now

PLACES_AT_MOST = 10_000
"""Devices remembered that break off when asked for CFG-3."""


class Whois:
    """See the module."""

    def __init__(self, identities: Identities) -> None:
        self.identities = identities
        self.owners = Owners()
        self.labels = dict(identities.names)
        """Names by number, of the site's devices and of those admitted so far."""
        self._without_cfg3: dict[str, None] = {}
        """Places of devices that broke off when asked for CFG-3."""

    def take(self, site: Site) -> None:
        """A changed site file."""
        gone = self.identities.names.keys() - {device.number for device in site.devices}
        self.identities.take(site)
        self.labels = {number: name for number, name in self.labels.items() if number not in gone}
        self.labels |= self.identities.names

    def device(
        self, connection: Connection, address: str, stream: int, certificate: Sequence[str] = ()
    ) -> dict[str, Any]:
        """What a receiver is told of the device that sends this stream from there. Raises Unknown."""
        if connection.candidates is None:
            return self.identities.of_caller(address, stream, certificate, connection.family)
        if not connection.candidates:
            raise Unknown(f"{named(stream)} from {address}: the site file knows it no more")
        if connection.how == "spontaneous":
            return self.identities.of_sender(connection.candidates, address, stream)
        return self.identities.of_dialled(connection.candidates[0], address, stream)

    def own(self, connection: Connection, number: int, name: str, address: str, now: Now) -> int:
        """The connection carries this device now; returns the one that is to give it up, or 0. Raises Unknown."""
        claim = self.owners.claim(number, connection.id, address, now)
        if claim.why:
            raise Unknown(f"{name}: {claim.why}")
        self.labels[number] = name
        if claim.leaves != connection.id:
            connection.numbers.add(number)
            if connection.dial:
                connection.dial.proved()
        return claim.leaves

    def own_again(self, connection: Connection, number: int, certificate: Sequence[str], now: Now) -> int:
        """The same of a connection of a former life. Raises Unknown."""
        name = self.identities.name(number)
        entitled = connection.candidates is not None or self.identities.entitled(number, certificate)
        if name is None or not entitled or not self.may_stay(connection):
            raise Unknown("the site file knows it no more")
        return self.own(connection, number, name, "" if connection.how == "spontaneous" else connection.peer[0], now)

    def may_stay(self, connection: Connection) -> bool:
        """Whether a connection of a former life is one that the site file still knows."""
        if connection.candidates is None:
            return self.identities.may_call(connection.peer[0], connection.tls is not None, connection.family)
        return any((each.link.tls is None) == (connection.tls is None) for each in connection.candidates)

    def outdated(self, connection: Connection) -> list[int]:
        """Devices that it carried, and another one carries now."""
        return [number for number in connection.numbers if self.owners.of(number) != connection.id]

    def over(self, connection: Connection) -> None:
        """It carries nothing any more."""
        for number in connection.numbers:
            self.owners.release(number, connection.id)

    def cannot_cfg3(self, connection: Connection) -> None:
        """The device broke off when asked for CFG-3: next time it is asked for CFG-2 only."""
        self._without_cfg3[connection.place] = None
        if len(self._without_cfg3) > PLACES_AT_MOST:
            del self._without_cfg3[next(iter(self._without_cfg3))]

    def fields(self, connection: Connection) -> dict[str, Any]:
        """For a `link` note: `stream` is the IDCODE to address commands to, if the site file leaves no doubt, since
        many devices ignore any other.
        """
        stream = None
        if connection.candidates is None:
            stream = self.identities.only_stream(connection.peer[0], connection.tls is not None, connection.family)
        elif connection.how != "spontaneous" and connection.candidates:
            stream = connection.candidates[0].code
        told: dict[str, Any] = {"tls": connection.tls} if connection.tls else {}
        if connection.protocol != "c37118":
            dialled = connection.candidates is not None
            protocol = connection.protocol if dialled else self.identities.spoken(connection.peer[0])
            told |= {"protocol": protocol, "pipe": connection.pipe, "beside": connection.beside}
            chosen = connection.candidates[0].download if connection.candidates else None
            told |= {"download": chosen.model_dump()} if chosen else {}
        return {"stream": stream, "cfg3": connection.place not in self._without_cfg3, **told}
