"""balancer: gives every new device connection to the receiver that has the fewest, by handing over its socket.

No byte of a device passes through it. It keeps a duplicate of each socket, so that no connection ends with its
receiver: the receiver's successor is handed all of them again. It also dials the devices that are to be dialled,
opens the ports that datagrams come to, and says who a device is: the site file's entry, or a number from its
registry if the site admits unknown devices.
"""

from __future__ import annotations

import os
from collections import Counter
from functools import partial
from typing import Any

import structlog

from nodes import _handover, _safekeeping
from nodes._answering import Answering
from nodes._complaints import Complaints
from nodes._connections import Connections
from nodes._custody import Custody
from nodes._door import Door, Doors
from nodes._frontsettings import Settings as Settings
from nodes._frontsettings import Unfit, check_site
from nodes._identity import Identities
from nodes._limits import Limits
from nodes._node import Action, Actions, Node, Place, StartError, Unwatch, Watch
from nodes._reach import Reach
from nodes._receivers import Receivers
from nodes._registry import Registry, RegistryError
from nodes._site import Site
from nodes._sitechange import difference
from nodes._sitewatch import SiteWatch
from nodes._tls import CertificateWatch
from nodes._whois import Whois
from protocol.clock import MILLISECOND, Now
from protocol.messages import device_number

LOOK_AROUND = 100 * MILLISECOND
"""How often dials and receivers that are gone are looked at."""
FLUSH = 5 * MILLISECOND
"""How often notes are sent that had no room."""


class Balancer(Node):
    """See the module."""

    def __init__(self, settings: Settings, place: Place) -> None:
        self.settings, self.place = settings, place
        self.watch = SiteWatch(place, Site.model_validate(place.site))
        self.log = structlog.get_logger().bind(node=place.name)
        self.limits = Limits(settings.connections, settings.per_address, settings.calls)
        self.reach = Reach(self.watch.site.devices, settings.keepalive, settings.tls)
        self.complaints = Complaints(self.log)
        self.certificates = CertificateWatch(settings.tls)
        self.look_at = self.gathered_at = 0
        self.met = False
        """Our receivers have brought what they hold of our predecessor's connections."""

    # ── start and stop ──────────────────────────────────────────────────────────────────────────────────────

    def start(self, now: Now) -> Actions:
        """Open the doors. Raises StartError if a port is taken, or the registry or a certificate is unusable."""
        try:
            check_site(self.settings, self.watch.site)
            self.registry = Registry(self.settings.registry)
            self.whois = Whois(Identities(self.watch.site, self.registry))
            self._open_doors()
            self.hatch = _handover.listen(_handover.path(self.place.run, self.place.name))
        except (RegistryError, Unfit) as fault:
            raise StartError(str(fault)) from fault
        except OSError as fault:
            raise StartError(f"{self.place.run}: {fault.strerror}; is the folder ours?") from fault
        # Microseconds: no life gives a million numbers a second, so the next one's are above them.
        self.connections = Connections(now.utc // 1000)
        names = self.place.readers_of.get("receiver", [])
        self.receivers = Receivers(self.connections, names, self.settings.held, self.whois.fields)
        self.receivers.site = self.watch.site.version
        self.custody = Custody(self.connections, self.receivers, self.whois, self.doors, self.reach, self.complaints)
        self.answering = Answering(self.custody, self.registry, self.limits, self.settings.reclaim, self.place.name)
        self.watch.start(now)
        self.look_at = now.monotonic
        self.gathered_at = now.monotonic + self.settings.gather
        yield from self.doors.watch(self.hatch.fileno())

    def _open_doors(self) -> None:
        settings, may_call = self.settings, self.whois.identities.may_call
        self.doors = Doors(
            self.limits, settings.keepalive, self.complaints, "no device of the site dials in from there"
        )
        self.doors.open("listen", settings.listen, may_call)
        if settings.listen_gbt26865:
            chinese = partial(may_call, family="gbt26865")
            self.doors.open("listen_gbt26865", settings.listen_gbt26865, chinese, protocol="smd")
        if settings.listen_tls and settings.tls:
            may_call_secure = partial(may_call, secure=True)
            self.doors.open("listen_tls", settings.listen_tls, may_call_secure, settings.tls.terms(dialled=False))

    def stop(self, now: Now) -> Actions:
        """Close the doors; the receivers keep what they have."""
        self.custody.close()
        self.hatch.close()
        os.unlink(_handover.path(self.place.run, self.place.name))
        return ()

    def give_way(self, now: Now) -> Actions:
        """A receiver may be killed before our successor has what it holds."""
        run, name = self.place.run, self.place.name
        _safekeeping.leave(run, name, (
            _safekeeping.Left(each.receiver, name, each.id, [end.dup() for end in each.ends])
            for each in self.connections
            if each.ends and each.tls is None
        ))  # fmt: skip
        return self.stop(now)

    # ── who calls ───────────────────────────────────────────────────────────────────────────────────────────

    def ready(self, fd: int, now: Now) -> Actions:
        """Somebody dials us, a receiver joins or says something, or a dial is decided."""
        if fd in self.doors.fds:
            yield from self._answer(self.doors[fd], now)
        elif fd == self.hatch.fileno():
            yield from self._admit_receiver(now)
        elif fd in self.reach:
            yield from self._decided(fd, now)
        elif fd in self.receivers:
            yield from self.answering.hear(fd, now)

    def _answer(self, door: Door, now: Now) -> Actions:
        try:
            for connection in door.answer(now):
                self.custody.offer(connection, now)
        except OSError as fault:
            yield from self.doors.shut(fault, now, self.hatch.fileno())

    def _admit_receiver(self, now: Now) -> Actions:
        try:
            end, _ = self.hatch.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as fault:
            yield from self.doors.shut(fault, now, self.hatch.fileno())
            return
        self.receivers.dialled(end)
        yield Watch(end.fileno())

    # ── a changed site file ─────────────────────────────────────────────────────────────────────────────────────

    def _take_site(self, site: Site, now: Now) -> Actions:
        """Who is not where it says now is ended, who is new is reached; receivers ask anew who all the others are."""
        try:
            check_site(self.settings, site)
        except Unfit as fault:
            self.watch.refuse([str(fault)])
            return
        change = difference(self.watch.site, site)
        self.log.info("the site file has changed", what=str(change), version=site.version)
        self.watch.take(site, now)
        self.whois.take(site)
        for fd in self.reach.take(site.devices, now):
            yield Unwatch(fd)
        self.custody.take(site, now)
        self.receivers.take_site(site.version)

    # ── devices that we reach ───────────────────────────────────────────────────────────────────────────────

    def wake_at(self) -> int:
        return self.look_at

    def wake(self, now: Now) -> Actions:
        """Dial who is due, give up who does not answer, send notes that had no room, look at the site file."""
        self.receivers.flush(now)
        self.look_at = now.monotonic + (FLUSH if self.receivers.unsent else LOOK_AROUND)
        site = self.watch.look(now)
        if site:
            yield from self._take_site(site, now)
        for fd in self.reach.overdue(now):
            yield from self._decided(fd, now)
        for receiver in self.connections.overdue(now.monotonic):
            self.custody.give_up(receiver, now)
        if self.doors.open_at is not None and now.monotonic >= self.doors.open_at:
            yield from self.doors.watch(self.hatch.fileno())
        if self.receivers.absent and now.monotonic >= self.gathered_at:
            self.log.warning("devices wait no longer for receivers", absent=self.receivers.wait_no_longer())
            self.receivers.hand_waiting()
        if not self.met and not self.receivers.absent:
            self.met = True
            _safekeeping.met(self.place.run, self.place.name)
        self.custody.open_ports(now)
        self.receivers.pass_on()
        if self.receivers.ready:
            for fd in self.reach.begin(now):
                yield Watch(fd, write=True)

    def _decided(self, fd: int, now: Now) -> list[Action]:
        reached = self.reach.decided(fd, now)
        if reached:
            self.custody.offer(reached, now)
        return [Unwatch(fd)]

    # ── how it is ───────────────────────────────────────────────────────────────────────────────────────────

    def health(self, now: Now) -> dict[str, Any]:
        """Connections by receiver, devices connected, and who was refused or does not answer."""
        labels, owners = self.whois.labels, self.whois.owners
        numbers = sorted(labels)
        counts = Counter(replaced=owners.replaced)
        for each in (self.custody.counts, self.doors.counts, self.receivers.counts):
            counts.update(each)
        readers = [each.name for each in self.receivers.joined]
        awaited = self.connections.waiting
        return {
            "counters": {name: counts[name] for name in _COUNTERS}
            | {f"connections.{name}": self.connections.load(name) for name in [*readers, *awaited]},
            "queues": {
                "waiting for a receiver": len(self.receivers.waiting),
                "waiting for their receiver's return": sum(awaited.values()),
            },
            "columns": ["connected"],
            "devices": [device_number(number, 0) for number in numbers],
            "labels": [labels[number] for number in numbers],
            "counts": [[float(number in owners)] for number in numbers],
            **self.watch.health(),
            "alarms": [
                *self.watch.alarms,
                *(f"{name} is gone: {count} connections wait for it" for name, count in awaited.items()),
                *(f"{name} does nothing: new devices go to others" for name in self.receivers.stuck),
                *self.reach.alarms(owners.numbers),
                *self.certificates.alarms(now),
                *self.complaints.alarms(now),
                *owners.alarms(labels, now),
            ],
        }


_COUNTERS = (
    "accepted",
    "turned_away",
    "refused",
    "tls_refused",
    "handed_over",
    "handed_again",
    "brought_back",
    "ended",
    "replaced",
    "given_up",
)
