"""The clients' side of an output stream: doors, clients over TCP, TLS and UDP, and places that are told unasked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nodes._asked import Told
from nodes._callers import Callers
from nodes._certificates import TlsFault
from nodes._clients import Bounds, Clients
from nodes._complaints import Complaints
from nodes._devicelink import Multicast
from nodes._door import Doors
from nodes._limits import Limits
from nodes._node import Action, StartError
from nodes._outsettings import Settings
from nodes._siteforms import plain
from nodes._tls import CertificateWatch
from nodes._unasked import Unasked
from protocol.c37118.device import Device
from protocol.clock import Now

STRANGER = "`admit_from` has no network that it is in"


class Outlet:
    """See the module. It tells nothing before it is first configured."""

    def __init__(self, settings: Settings, device: Device, complaints: Complaints) -> None:
        """`device`: as it will answer; its header names the stream."""
        self.settings = s = settings
        self.complaints = complaints
        limits = Limits(s.clients, s.per_address, s.calls, "clients")
        doors = Doors(limits, s.keepalive, complaints, STRANGER)
        self.clients = Clients(
            doors, Bounds(s.queue, s.oldest, tuple(s.names)), s.spontaneous, device.header, complaints
        )
        self.callers = Callers(limits, self._may_call, s.forget, complaints, STRANGER)
        self.unasked = Unasked(s.udp, device, Multicast(s.ttl, s.interface))
        self.told: Told | None = None
        self._certificates = CertificateWatch(s.tls)
        self._announce_at = 0

    def open(self, now: Now) -> Iterator[Action]:
        """Open the doors. Raises StartError."""
        s, doors = self.settings, self.clients.doors
        try:
            s.check()
        except TlsFault as problem:
            raise StartError(str(problem)) from problem
        if s.listen:
            doors.open("listen", s.listen, self._may_call)
        if s.listen_tls and s.tls:
            doors.open("listen_tls", s.listen_tls, self._may_call, s.tls.terms(dialled=False))
        if s.listen_udp:
            yield from self.callers.open(s.listen_udp)
        yield from doors.watch()
        yield from self.unasked.search(now)

    def _may_call(self, address: str) -> bool:
        return not self.settings.admit_from or any(plain(address) in network for network in self.settings.admit_from)

    def ready(self, fd: int, now: Now) -> Iterator[Action]:
        """A door, or a client."""
        if fd in self.clients.doors.fds:
            yield from self.clients.accept(fd, now)
        elif fd == self.callers.fd:
            self.callers.read(now)
        else:
            yield from self.clients.read(fd, now)

    def configure(self, device: Device, now: Now) -> Iterator[Action]:
        """What is told from now on: it answers commands as this device. Those who never ask are told."""
        self.told = Told(device)
        self.clients.configure(self.told)
        self.callers.configure(self.told)
        yield from self._announce(self.told, now)

    def _announce(self, told: Told, now: Now) -> Iterator[Action]:
        """The configuration, unasked."""
        self._announce_at = now.monotonic + self.settings.announce
        if self.unasked:
            self.unasked.tell(told.configuration(2, now.utc), 0)
        yield from self.clients.announce(now)

    def tell(self, frames: list[bytes], now: Now) -> Iterator[Action]:
        """DATA, to all who want them."""
        yield from self.clients.tell(frames, now)
        self.callers.tell(frames)
        self.unasked.tell(frames, 1)

    def wake_at(self) -> int | None:
        """Monotonic ns of the next `wake`."""
        waits = [self.clients.wake_at(), self.callers.wake_at(), self.unasked.due]
        waits.append(self._announce_at if self.told else None)
        return min((at for at in waits if at is not None), default=None)

    def wake(self, now: Now) -> Iterator[Action]:
        yield from self.clients.wake(now)
        self.callers.wake(now)
        yield from self.unasked.search(now)
        if self.told and now.monotonic >= self._announce_at:
            yield from self._announce(self.told, now)

    def close(self, now: Now) -> None:
        """Clients are hung up on; what they had not taken is not told any more."""
        self.clients.close(now)
        self.callers.close()
        self.unasked.stop(now)

    def health(self, now: Now) -> dict[str, Any]:
        """Counters, queues and alarms."""
        theirs = self.clients.health()
        counters = {
            **theirs["counters"],
            "udp_clients": len(self.callers),
            **self.callers.counts,
            "datagrams": self.unasked.sent,
            "datagrams_dropped": self.unasked.dropped,
        }
        alarms = [*self.unasked.alarms(), *self._certificates.alarms(now), *self.complaints.alarms(now)]
        return {"counters": counters, "queues": theirs["queues"], "alarms": alarms}
