"""balancer: gives every new device connection to the receiver that has the fewest, by handing over its socket.

No byte of a device passes through it. It keeps a duplicate of each socket, so that no connection ends with its
receiver: the receiver's successor is handed all of them again. It also dials the devices that are to be dialled,
opens the ports that datagrams come to, and says who a device is: the site file's entry, or a number from its
registry if the site admits unknown devices.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from functools import partial
from typing import Any

import structlog

from nodes import _handover
from nodes._complaints import Complaints
from nodes._connections import Connection, Connections, deserted
from nodes._door import Door, Doors
from nodes._frontsettings import Settings as Settings
from nodes._frontsettings import Unfit, check_site
from nodes._identity import Identities, Unknown
from nodes._limits import Limits
from nodes._node import Action, Actions, Node, Place, StartError, Unwatch, Watch
from nodes._reach import Reach
from nodes._receivers import Receiver, Receivers
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
        self.counts: Counter[str] = Counter()
        self.complaints = Complaints(self.log)
        self.admitted: list[tuple[Receiver, dict[str, Any]]] = []
        """Questions about devices whose number is not saved yet."""
        self.certificates = CertificateWatch(settings.tls)
        self.look_at = self.gathered_at = 0

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
        self.receivers.close()
        self.reach.close()
        self.connections.close()
        self.doors.close()
        self.hatch.close()
        os.unlink(_handover.path(self.place.run, self.place.name))
        return ()

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
            yield from self._notes(fd, now)

    def _answer(self, door: Door, now: Now) -> Actions:
        try:
            for connection in door.answer(now):
                self._offer(connection, now)
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

    def _refuse(self, why: str, now: Now) -> None:
        self.counts["refused"] += 1
        self.complaints.add("refused", why, now)

    # ── receivers ───────────────────────────────────────────────────────────────────────────────────────────

    def _notes(self, fd: int, now: Now) -> Actions:
        receiver = self.receivers[fd]
        for note, descriptors in receiver.channel.notes():
            ends = [socket.socket(fileno=each) for each in descriptors]
            if note["say"] == "holds":
                ends = self._holds(receiver, note, ends, now)
            for spare in ends:
                spare.close()
            if note["say"] == "hello" and not receiver.name:
                for former in self.receivers.namesakes(receiver, note["receiver"]):
                    yield from self._left(former, now)
                receiver.name, receiver.owes = note["receiver"], note.get("holds", 0)
                receiver.leaving = bool(note.get("leaving"))
            elif note["say"] == "identify":
                self._identify(receiver, note, now)
            elif note["say"] == "open":
                self._want_data(receiver, note["connection"])
            elif note["say"] == "insecure":
                self._insecure(receiver, note, now)
            elif note["say"] == "ended":
                self._told_end(receiver, note, now)
            elif note["say"] == "passes":
                self._passes(receiver, note["connection"])
            elif note["say"] == "took" and (taken := self._read_by(receiver, note["connection"])):
                self.receivers.took(taken)
            if receiver.name and not receiver.joined and receiver.owes == 0:
                self._welcome(receiver, now)
        self._answer_admitted(now)
        if not receiver.channel.alive:
            yield from self._left(fd, now)

    def _holds(
        self, receiver: Receiver, note: dict[str, Any], ends: list[socket.socket], now: Now
    ) -> list[socket.socket]:
        """It reads this connection: one that we know, or one of a former life. Returns descriptors not needed."""
        id_, receiver.owes = note["connection"], receiver.owes - 1
        receiver.told.add(id_)
        known = self.connections.get(id_)
        if known is None:
            self._adopt(receiver, note, ends, now)
            return []
        if receiver.leaving and known.receiver != receiver.name:  # it was passed on
            receiver.channel.say("passed", connection=id_)
        elif known.receiver != receiver.name and self.receivers.leaves(known.receiver):
            known.passed = known.passed or known.receiver
            self.connections.move(known, receiver.name)
            self.receivers.took(known)
        elif known.receiver != receiver.name:  # our clock was set back, and the number was given a second time
            receiver.channel.say("drop", connection=id_, number=0, reason="its number is another connection's")
        return ends

    def _passes(self, receiver: Receiver, id_: int) -> None:
        """One that leaves wants somebody else to go on with a connection."""
        connection = self.connections.get(id_)
        if connection is None:
            receiver.channel.say("end", connection=id_, reason="it is over")
        elif connection.receiver == receiver.name:
            connection.passed = receiver.name
            self.receivers.pass_on()
        elif not connection.passed:
            receiver.channel.say("passed", connection=id_)

    def _adopt(self, receiver: Receiver, note: dict[str, Any], ends: list[socket.socket], now: Now) -> None:
        how, peer, numbers = note["how"], (str(note["peer"][0]), int(note["peer"][1])), note["numbers"]
        protocol, pipe = str(note.get("protocol", "c37118")), str(note.get("pipe", ""))
        connection = None if how == "dials_in" else self.reach.brought(how, peer, numbers, pipe)
        connection = connection or Connection(how, peer, None if how == "dials_in" else [])
        connection.protocol, connection.pipe = protocol, pipe
        connection.ends, connection.tls = ends, note.get("tls")
        self.connections.bring(connection, note["connection"], receiver.name)
        if how == "dials_in":
            self.limits.count(peer[0])
        self.counts["brought_back"] += 1
        receiver.channel.say("adopted", connection=connection.id)
        if not note["cfg3"]:
            self.whois.cannot_cfg3(connection)
        for number in numbers:
            try:
                leaves = self.whois.own_again(connection, number, _certificate(note), now)
                self._drop(leaves, number, "the device has connected anew")
            except Unknown as why:
                self._drop(connection.id, number, str(why))
        if not numbers and pipe != "data" and not self.whois.may_stay(connection):
            self._drop(connection.id, 0, "the site file knows it no more")

    def _welcome(self, receiver: Receiver, now: Now) -> None:
        again = 0
        for again, connection in enumerate(self.receivers.welcome(receiver), 1):  # noqa: B007
            for number in self.whois.outdated(connection):
                self._drop(connection.id, number, "the device has connected anew")
        for connection in self.connections.of(receiver.name):
            if connection.candidates == []:
                self.receivers.tell(connection, "end", reason=_NOT_THERE)
        self.log.info("receiver joined", receiver=receiver.name, told=len(receiver.told), again=again)
        self.receivers.hand_waiting()
        self.receivers.pass_on()

    def _left(self, fd: int, now: Now) -> Actions:
        """A receiver is gone: what it has read waits for its successor, what it never got goes to others."""
        name = self.receivers[fd].name
        yield Unwatch(fd)
        for connection in self.receivers.leave(fd, now.monotonic + self.settings.reclaim):
            self._offer(connection, now)
        for connection in [each for each in self.connections.of(name) if each.tls]:
            self._ended(connection.id, f"under TLS it ends with its receiver, {name}", now)
        self.log.warning("receiver left", receiver=name, connections=self.connections.load(name))

    def _give_up(self, receiver: str, now: Now) -> None:
        """It has not come back in time."""
        for connection in self.connections.of(receiver):
            self.counts["given_up"] += 1
            self.complaints.add("gave up", f"a connection of {receiver}, which has not come back", now)
            self._ended(connection.id, f"{receiver} has not come back", now)

    def _offer(self, connection: Connection, now: Now) -> None:
        if not self.receivers.offer(connection):
            self._refuse("no receiver has joined: connections beyond the limit are closed", now)
            self._over(connection, "no receiver has joined", now)

    # ── who is who ──────────────────────────────────────────────────────────────────────────────────────────

    def _identify(self, receiver: Receiver, note: dict[str, Any], now: Now) -> None:
        """Answer a receiver's question."""
        connection = self._read_by(receiver, note["connection"])
        if connection is None:
            return
        address, stream = note["address"], note["stream"]
        try:
            device = self.whois.device(connection, address, stream, _certificate(note))
            if not self.registry.is_saved(device["number"]):
                self.admitted.append((receiver, note))
                return
            leaves = self.whois.own(connection, device["number"], device["name"], address, now)
        except Unknown as why:
            self._turn_down(receiver, note, str(why), now)
            return
        self.receivers.tell(connection, "identity", address=address, stream=stream, device=device)
        self._drop(leaves, device["number"], f"{device['name']} has connected anew from {address}")

    def _answer_admitted(self, now: Now) -> None:
        """Questions about devices that were admitted just now, when their numbers are on the disk."""
        admitted, self.admitted = self.admitted, []
        try:
            self.registry.save()
        except RegistryError as fault:
            for receiver, note in admitted:
                self._turn_down(receiver, note, f"a device that is not listed: {fault}", now)
            return
        for receiver, note in admitted:
            self._identify(receiver, note, now)

    def _want_data(self, receiver: Receiver, id_: int) -> None:
        """A substation is configured: its data pipe is dialled, if it is ours to dial."""
        connection = self._read_by(receiver, id_)
        if connection:
            self.reach.want_data(connection)

    def _turn_down(self, receiver: Receiver, note: dict[str, Any], why: str, now: Now) -> None:
        self._refuse(why, now)
        key = {name: note[name] for name in ("connection", "address", "stream")}
        receiver.channel.say("refused", **key, reason=why)

    def _read_by(self, receiver: Receiver, id_: int) -> Connection | None:
        """The connection, if this receiver has it."""
        connection = self.connections.get(id_)
        return connection if connection and connection.receiver == receiver.name else None

    def _drop(self, id_: int, number: int, reason: str) -> None:
        """Have a connection give a device up; a receiver that is gone is told when it has it again."""
        leaving = self.connections.get(id_)
        if leaving:
            self.receivers.tell(leaving, "drop", number=number, reason=reason)

    # ── ends ────────────────────────────────────────────────────────────────────────────────────────────────

    def _insecure(self, receiver: Receiver, note: dict[str, Any], now: Now) -> None:
        """TLS did not come about, or broke; its end is told next."""
        connection = self._read_by(receiver, note["connection"])
        if connection:
            self.counts["tls_refused"] += 1
            self._refuse(f"{connection.place}: {note['reason']}", now)

    def _told_end(self, receiver: Receiver, note: dict[str, Any], now: Now) -> None:
        connection = self._read_by(receiver, note["connection"])
        if connection:
            if not note["cfg3"]:
                self.whois.cannot_cfg3(connection)
            self._ended(connection.id, note["reason"], now)

    def _ended(self, id_: int, reason: str, now: Now) -> None:
        connection = self.connections.take(id_)
        if connection is None:
            return
        self.counts["ended"] += 1
        self.receivers.over(connection, reason)
        self.whois.over(connection)
        self._over(connection, reason, now)
        self._open_ports(now)

    def _over(self, connection: Connection, reason: str, now: Now) -> None:
        connection.close()
        self.doors.left(connection)
        self.reach.ended(connection, reason, now)

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
        for connection in deserted([*self.connections, *self.receivers.waiting], site.devices):
            if connection.id:
                self.receivers.tell(connection, "end", reason=_NOT_THERE)
            else:
                self.receivers.waiting.remove(connection)
                self._over(connection, _NOT_THERE, now)
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
            self._give_up(receiver, now)
        if self.doors.open_at is not None and now.monotonic >= self.doors.open_at:
            yield from self.doors.watch(self.hatch.fileno())
        if self.receivers.absent and now.monotonic >= self.gathered_at:
            self.log.warning("devices wait no longer for receivers", absent=self.receivers.wait_no_longer())
            self.receivers.hand_waiting()
        self._open_ports(now)
        self.receivers.pass_on()
        if self.receivers.ready:
            for fd in self.reach.begin(now):
                yield Watch(fd, write=True)

    def _open_ports(self, now: Now) -> None:
        """UDP ports, as soon as we know which ones the receivers have kept."""
        if not self.receivers.absent:
            for connection in self.reach.open(now):
                self._offer(connection, now)

    def _decided(self, fd: int, now: Now) -> list[Action]:
        reached = self.reach.decided(fd, now)
        if reached:
            self._offer(reached, now)
        return [Unwatch(fd)]

    # ── how it is ───────────────────────────────────────────────────────────────────────────────────────────

    def health(self, now: Now) -> dict[str, Any]:
        """Connections by receiver, devices connected, and who was refused or does not answer."""
        labels, owners = self.whois.labels, self.whois.owners
        numbers = sorted(labels)
        counts = Counter(replaced=owners.replaced)
        for each in (self.counts, self.doors.counts, self.receivers.counts):
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


def _certificate(note: dict[str, Any]) -> list[str]:
    """Names of the certificate that a connection came with."""
    return [name for name in note.get("certificate") or () if isinstance(name, str)]


_NOT_THERE = "the site file says no more that a device is there"

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
