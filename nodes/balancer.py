"""balancer: gives every new device connection to the receiver that has the fewest, by handing over its socket.

No byte of a device passes through it. It also dials the devices that are to be dialled, opens the ports that
datagrams come to, and says who a device is: the site file's entry, or a number from its registry if the site
admits unknown devices.
"""

from __future__ import annotations

import itertools
import os
import socket
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import structlog
from pydantic import Field

from nodes import _dialing, _handover, _settings
from nodes._identity import Identities, Unknown
from nodes._node import Action, Actions, Node, Place, StartError, Unwatch, Watch
from nodes._reach import Connection, Reach
from nodes._registry import Registry, RegistryError
from nodes._settings import Address, Duration, FilePath
from nodes._site import Site
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import device_number

LOOK_AROUND = 100 * MILLISECOND
"""How often dials and held notes are looked at."""
ACCEPT_AT_MOST = 64
"""Connections accepted before others have their turn."""
NAMES_AT_MOST = 20
"""Refused devices named in the alarms."""
MANY_RIVALS = 5
"""Replaced connections of one device that are no mere reconnects."""


class Settings(_settings.Settings):
    """Where devices find us."""

    listen: Address
    """Where devices dial in."""
    registry: Annotated[FilePath, Field(validate_default=True)] = Path("../data/registry.json")
    """Numbers given to devices that the site admits without listing them."""
    held: Annotated[int, Field(ge=0, le=60000)] = 1000
    """Connections kept while no receiver is there; more are closed."""
    gather: Duration = 10 * SECOND
    """After a start, devices wait so long for every receiver to join: the first one there would get them all."""


@dataclass
class Receiver:
    """A receiver that has joined."""

    channel: _handover.Channel
    joined: int
    name: str = ""
    connections: set[int] = field(default_factory=set)

    @property
    def rank(self) -> tuple[int, int]:
        return len(self.connections), self.joined


class Balancer(Node):
    """See the module."""

    def __init__(self, settings: Settings, place: Place) -> None:
        self.settings, self.place = settings, place
        self.site = Site.model_validate(place.site)
        self.log = structlog.get_logger().bind(node=place.name)
        self.receivers: dict[int, Receiver] = {}
        self.connections: dict[int, Connection] = {}
        self.owner: dict[int, int] = {}
        """Link number -> connection that carries it."""
        self.labels = {device.number: device.name for device in self.site.devices}
        self.waiting: list[tuple[Connection, list[socket.socket]]] = []
        self.counts: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        """Why and whom -> how often."""
        self.rivals: Counter[int] = Counter()
        """Link number -> how often a newer connection took the place of a living one."""
        self.without_cfg3: set[str] = set()
        """Devices that broke off when asked for CFG-3: HOST:PORT where we dial, else the address."""
        self.serial = itertools.count(1)
        self.reach = Reach(self.site.devices, self.serial)
        self.look_at = self.gathered_at = 0
        self.absent = set(place.readers_of.get("receiver", []))
        """Receivers that devices still wait for."""

    # ── start and stop ──────────────────────────────────────────────────────────────────────────────────────

    def start(self, now: Now) -> Actions:
        """Open the ports. Raises StartError if one is taken or the registry is unreadable."""
        try:
            self.identities = Identities(self.site, Registry(self.settings.registry))
            self.door = _dialing.open_listener(self.settings.listen)
            self.hatch = _handover.listen(_handover.path(self.place.run, self.place.name))
        except RegistryError as fault:
            raise StartError(str(fault)) from fault
        except OSError as fault:
            raise StartError(f"{self.settings.listen}: {fault.strerror}; free the port or change `listen`") from fault
        self.look_at = now.monotonic
        self.gathered_at = now.monotonic + self.settings.gather
        yield Watch(self.door.fileno())
        yield Watch(self.hatch.fileno())
        for connection, sockets in self.reach.open():
            self._offer(connection, sockets)

    def stop(self, now: Now) -> Actions:
        """Close the doors; the receivers keep what they have."""
        for receiver in self.receivers.values():
            receiver.channel.close()
        self.reach.close()
        for _, sockets in self.waiting:
            _close(sockets)
        self.door.close()
        self.hatch.close()
        os.unlink(_handover.path(self.place.run, self.place.name))
        return ()

    # ── what comes ──────────────────────────────────────────────────────────────────────────────────────────

    def ready(self, fd: int, now: Now) -> Actions:
        """Somebody dials us, a receiver joins or says something, or a dial is decided."""
        if fd == self.door.fileno():
            self._accept()
        elif fd == self.hatch.fileno():
            yield from self._join()
        elif fd in self.reach:
            yield from self._decided(fd, now)
        elif fd in self.receivers:
            yield from self._notes(fd, now)

    def _accept(self) -> None:
        for _ in range(ACCEPT_AT_MOST):
            try:
                end, peer = self.door.accept()
            except BlockingIOError:
                return
            except OSError as fault:
                self.log.warning("accept failed", why=str(fault))
                return
            self._arrived(end, peer[:2])

    def _arrived(self, end: socket.socket, peer: tuple[str, int]) -> None:
        self.counts["accepted"] += 1
        address = peer[0]
        if not self.identities.may_call(address):
            self._refuse(f"{address}: no device of the site dials in from there")
            end.close()
            return
        self._offer(Connection(next(self.serial), "dials_in", peer), [end])

    def _refuse(self, why: str) -> None:
        self.counts["refused"] += 1
        self.refused[why] += 1
        if self.refused[why] == 1:
            self.log.warning("refused", why=why)
        while len(self.refused) > 10 * NAMES_AT_MOST:
            del self.refused[min(self.refused, key=lambda each: self.refused[each])]

    def _join(self) -> Actions:
        try:
            end, _ = self.hatch.accept()
        except BlockingIOError:
            return
        receiver = Receiver(_handover.Channel(end), next(self.serial))
        self.receivers[end.fileno()] = receiver
        yield Watch(end.fileno())

    def _notes(self, fd: int, now: Now) -> Actions:
        receiver = self.receivers[fd]
        for note, descriptors in receiver.channel.notes():
            for stray in descriptors:
                os.close(stray)
            if note["say"] == "hello":
                receiver.name = note["receiver"]
                receiver.channel.say("welcome")
                self.log.info("receiver joined", receiver=receiver.name)
                self.absent.discard(receiver.name)
                self._hand_waiting()
            elif note["say"] == "identify":
                self._identify(receiver, note)
            elif note["say"] == "ended":
                if not note["cfg3"]:
                    self._cannot_cfg3(note["connection"])
                self._ended(note["connection"], note["reason"], now)
        if not receiver.channel.alive:
            yield from self._left(fd, receiver, now)

    def _left(self, fd: int, receiver: Receiver, now: Now) -> Actions:
        """A receiver is gone: what it held is closed with it, what it never got goes to others."""
        self.log.warning("receiver left", receiver=receiver.name, connections=len(receiver.connections))
        del self.receivers[fd]
        yield Unwatch(fd)
        unsent = {note["connection"]: sockets for note, sockets in receiver.channel.unsent() if sockets}
        receiver.channel.close()
        for id_ in sorted(receiver.connections):
            if id_ in unsent:
                self._offer(self.connections.pop(id_), unsent[id_])
            else:
                self._ended(id_, f"{receiver.name} left", now)

    # ── who gets what ───────────────────────────────────────────────────────────────────────────────────────

    def _offer(self, connection: Connection, sockets: list[socket.socket]) -> None:
        """To the receiver with the fewest connections; of equals, to the one that joined first."""
        joined = [receiver for receiver in self.receivers.values() if receiver.name]
        if not joined or self.absent:
            self.waiting.append((connection, sockets))
            if len(self.waiting) > self.settings.held:
                self._refuse("no receiver has joined: connections beyond the limit are closed")
                _close(self.waiting.pop()[1])
            return
        chosen = min(joined, key=lambda receiver: receiver.rank)
        chosen.connections.add(connection.id)
        connection.receiver = chosen.name
        self.connections[connection.id] = connection
        self.counts["handed_over"] += 1
        chosen.channel.say(
            "link",
            sockets,
            connection=connection.id,
            how=connection.how,
            peer=connection.peer,
            target=connection.target,
            cfg3=connection.place not in self.without_cfg3,
            stream=self._expected_stream(connection),
        )

    def _expected_stream(self, connection: Connection) -> int | None:
        """IDCODE to address commands to, if the site file leaves no doubt: many devices ignore any other."""
        if connection.candidates is None:
            return self.identities.only_stream(connection.peer[0])
        return connection.candidates[0].stream if connection.how != "spontaneous" else None

    def _hand_waiting(self) -> None:
        waiting, self.waiting = self.waiting, []
        for connection, sockets in waiting:
            self._offer(connection, sockets)

    # ── who is who ──────────────────────────────────────────────────────────────────────────────────────────

    def _identify(self, receiver: Receiver, note: dict[str, Any]) -> None:
        """Answer a receiver's question; the newest connection of a device replaces an older one."""
        connection = self.connections.get(note["connection"])
        if connection is None:
            return
        key = {name: note[name] for name in ("connection", "address", "stream")}
        try:
            device = self._who(connection, note["address"], note["stream"])
        except Unknown as why:
            self._refuse(str(why))
            receiver.channel.say("refused", **key, reason=str(why))
            return
        number = device["number"]
        former = self.owner.get(number)
        if former is not None and former != connection.id and former in self.connections:
            self.counts["replaced"] += 1
            self.rivals[number] += 1
            reason = f"{device['name']} has connected anew from {note['address']}"
            if former > connection.id:  # the newer one asked first: this one's rows are the device's, but not its place
                receiver.channel.say("identity", **key, device=device)
                self._tell(connection.id, "drop", number=number, reason=reason)
                return
            self._tell(former, "drop", number=number, reason=reason)
        self.owner[number] = connection.id
        connection.numbers.add(number)
        if connection.dial:
            connection.dial.proved()
        self.labels[number] = device["name"]
        receiver.channel.say("identity", **key, device=device)

    def _tell(self, id_: int, what: str, **fields: Any) -> None:
        for receiver in self.receivers.values():
            if id_ in receiver.connections:
                receiver.channel.say(what, connection=id_, **fields)

    def _who(self, connection: Connection, address: str, stream: int) -> dict[str, Any]:
        if connection.candidates is None:
            return self.identities.of_caller(address, stream)
        if connection.how == "spontaneous":
            return self.identities.of_sender(connection.candidates, address, stream)
        return self.identities.of_dialled(connection.candidates[0], address, stream)

    def _cannot_cfg3(self, id_: int) -> None:
        """The device broke off when asked for CFG-3: next time it is asked for CFG-2 only."""
        connection = self.connections.get(id_)
        if connection:
            self.without_cfg3.add(connection.place)

    def _ended(self, id_: int, reason: str, now: Now) -> None:
        connection = self.connections.pop(id_, None)
        if connection is None:
            return
        self.counts["ended"] += 1
        for receiver in self.receivers.values():
            receiver.connections.discard(id_)
        for number in connection.numbers:
            if self.owner.get(number) == id_:
                del self.owner[number]
        anew = self.reach.again(connection, reason, now)
        if anew:
            self._offer(*anew)

    # ── devices that we dial ────────────────────────────────────────────────────────────────────────────────

    def wake_at(self) -> int:
        return self.look_at

    def wake(self, now: Now) -> Actions:
        """Dial who is due, give up who does not answer, send notes that had no room."""
        self.look_at = now.monotonic + LOOK_AROUND
        for receiver in list(self.receivers.values()):
            receiver.channel.flush()
        for fd in self.reach.overdue(now):
            yield from self._decided(fd, now)
        if self.absent and now.monotonic >= self.gathered_at:
            self.log.warning("devices wait no longer for receivers", absent=sorted(self.absent))
            self.absent.clear()
            self._hand_waiting()
        if self.absent or not any(receiver.name for receiver in self.receivers.values()):
            return
        for fd in self.reach.begin(now):
            yield Watch(fd, write=True)

    def _decided(self, fd: int, now: Now) -> list[Action]:
        reached = self.reach.decided(fd, now)
        if reached:
            self._offer(*reached)
        return [Unwatch(fd)]

    # ── how it is ───────────────────────────────────────────────────────────────────────────────────────────

    def health(self, now: Now) -> dict[str, Any]:
        """Connections by receiver, devices connected, and who was refused or does not answer."""
        refused = [f"refused {count}x: {why}" for why, count in self.refused.most_common(NAMES_AT_MOST)]
        numbers = sorted(self.labels)
        return {
            "counters": {name: self.counts[name] for name in _COUNTERS}
            | {f"connections.{each.name}": len(each.connections) for each in self.receivers.values() if each.name},
            "queues": {"waiting for a receiver": len(self.waiting)},
            "columns": ["connected"],
            "devices": [device_number(number, 0) for number in numbers],
            "labels": [self.labels[number] for number in numbers],
            "counts": [[float(number in self.owner)] for number in numbers],
            "alarms": [*self.reach.alarms(self.owner), *refused, *self._contested()],
        }

    def _contested(self) -> list[str]:
        """Devices whose connection is replaced again and again."""
        return [
            f"{self.labels[number]}: {count} connections were replaced by newer ones; do two devices send its IDCODE?"
            for number, count in self.rivals.most_common(NAMES_AT_MOST)
            if count >= MANY_RIVALS
        ]


_COUNTERS = ("accepted", "handed_over", "refused", "ended", "replaced")


def _close(sockets: list[socket.socket]) -> None:
    for end in sockets:
        end.close()
