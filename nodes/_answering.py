"""What receivers say to their balancer, and what it answers: who is there, who holds what, whose a stream is."""

from __future__ import annotations

import socket
from typing import Any

import structlog

from nodes._connections import Connection
from nodes._custody import NOT_THERE, Custody
from nodes._identity import Unknown
from nodes._limits import Limits
from nodes._node import Actions, Unwatch
from nodes._receivers import Receiver
from nodes._registry import Registry, RegistryError
from protocol.clock import Now


class Answering:
    """See the module."""

    def __init__(self, custody: Custody, registry: Registry, limits: Limits, reclaim: int, node: str) -> None:
        """`reclaim`: how long [ns] connections wait for a receiver that is gone."""
        self.custody, self.registry, self.limits, self.reclaim = custody, registry, limits, reclaim
        self.log = structlog.get_logger().bind(node=node)
        self.whois, self.reach = custody.whois, custody.reach
        self.connections, self.receivers = custody.connections, custody.receivers
        self.admitted: list[tuple[Receiver, dict[str, Any]]] = []
        """Questions about devices whose number is not saved yet."""

    def hear(self, fd: int, now: Now) -> Actions:
        """All that a receiver has said, or that it is gone."""
        receiver = self.receivers[fd]
        for note, descriptors in receiver.channel.notes():
            ends = [socket.socket(fileno=each) for each in descriptors]
            if note["say"] == "holds":
                ends = self._holds(receiver, note, ends, now)
            for spare in ends:
                spare.close()
            if note["say"] == "hello" and not receiver.name:
                yield from self._hello(receiver, note, now)
            else:
                self._note(receiver, note, now)
            if receiver.name and not receiver.joined and receiver.owes == 0:
                self._welcome(receiver)
        self._answer_admitted(now)
        if not receiver.channel.alive:
            yield from self._left(fd, now)

    def _note(self, receiver: Receiver, note: dict[str, Any], now: Now) -> None:
        if note["say"] == "identify":
            self._identify(receiver, note, now)
        elif note["say"] == "open":
            self._want_data(receiver, note["connection"])
        elif note["say"] == "insecure":
            self._insecure(receiver, note, now)
        elif note["say"] == "ended":
            self._told_end(receiver, note, now)
        elif note["say"] == "passes":
            self._passes(receiver, note["connection"])
        elif note["say"] == "took" and (taken := self.custody.read_by(receiver, note["connection"])):
            self.receivers.took(taken)

    # ── come and go ─────────────────────────────────────────────────────────────────────────────────────────

    def _hello(self, receiver: Receiver, note: dict[str, Any], now: Now) -> Actions:
        for former in self.receivers.namesakes(receiver, note["receiver"]):
            yield from self._left(former, now)
        receiver.name, receiver.owes = note["receiver"], note.get("holds", 0)
        receiver.leaving = bool(note.get("leaving"))

    def _welcome(self, receiver: Receiver) -> None:
        again = 0
        for again, connection in enumerate(self.receivers.welcome(receiver), 1):  # noqa: B007
            for number in self.whois.outdated(connection):
                self.custody.drop(connection.id, number, "the device has connected anew")
        for connection in self.connections.of(receiver.name):
            if connection.candidates == []:
                self.receivers.tell(connection, "end", reason=NOT_THERE)
        self.log.info("receiver joined", receiver=receiver.name, told=len(receiver.told), again=again)
        self.receivers.hand_waiting()
        self.receivers.pass_on()

    def _left(self, fd: int, now: Now) -> Actions:
        """A receiver is gone: what it has read waits for its successor, what it never got goes to others."""
        name = self.receivers[fd].name
        yield Unwatch(fd)
        for connection in self.receivers.leave(fd, now.monotonic + self.reclaim):
            self.custody.offer(connection, now)
        for connection in [each for each in self.connections.of(name) if each.tls]:
            self.custody.ended(connection.id, f"under TLS it ends with its receiver, {name}", now)
        self.log.warning("receiver left", receiver=name, connections=self.connections.load(name))

    # ── what it holds ───────────────────────────────────────────────────────────────────────────────────────

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
        for number in self.whois.outdated(known) if known.receiver == receiver.name else ():
            self.custody.drop(id_, number, "the device has connected anew")  # while its receiver was away
        if receiver.leaving and known.receiver != receiver.name:  # it was passed on
            receiver.channel.say("passed", connection=id_)
        elif known.receiver != receiver.name and self.receivers.leaves(known.receiver):
            known.passed = known.passed or known.receiver
            self.connections.move(known, receiver.name)
            self.receivers.took(known)
        elif known.receiver != receiver.name:  # our clock was set back, and the number was given a second time
            receiver.channel.say("drop", connection=id_, number=0, reason="its number is another connection's")
        return ends

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
        self.custody.counts["brought_back"] += 1
        receiver.channel.say("adopted", connection=connection.id)
        if not note["cfg3"]:
            self.whois.cannot_cfg3(connection)
        for number in numbers:
            try:
                leaves = self.whois.own_again(connection, number, _certificate(note), now)
                self.custody.drop(leaves, number, "the device has connected anew")
            except Unknown as why:
                self.custody.drop(connection.id, number, str(why))
        if not numbers and pipe != "data" and not self.whois.may_stay(connection):
            self.custody.drop(connection.id, 0, "the site file knows it no more")

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

    # ── who is who ──────────────────────────────────────────────────────────────────────────────────────────

    def _identify(self, receiver: Receiver, note: dict[str, Any], now: Now) -> None:
        """Answer a receiver's question."""
        connection = self.custody.read_by(receiver, note["connection"])
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
        self.custody.drop(leaves, device["number"], f"{device['name']} has connected anew from {address}")

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

    def _turn_down(self, receiver: Receiver, note: dict[str, Any], why: str, now: Now) -> None:
        self.custody.refuse(why, now)
        key = {name: note[name] for name in ("connection", "address", "stream")}
        receiver.channel.say("refused", **key, reason=why)

    # ── what becomes of a connection ────────────────────────────────────────────────────────────────────────

    def _want_data(self, receiver: Receiver, id_: int) -> None:
        """A substation is configured: its data pipe is dialled, if it is ours to dial."""
        connection = self.custody.read_by(receiver, id_)
        if connection:
            self.reach.want_data(connection)

    def _insecure(self, receiver: Receiver, note: dict[str, Any], now: Now) -> None:
        """TLS did not come about, or broke; its end is told next."""
        connection = self.custody.read_by(receiver, note["connection"])
        if connection:
            self.custody.counts["tls_refused"] += 1
            self.custody.refuse(f"{connection.place}: {note['reason']}", now)

    def _told_end(self, receiver: Receiver, note: dict[str, Any], now: Now) -> None:
        connection = self.custody.read_by(receiver, note["connection"])
        if connection:
            if not note["cfg3"]:
                self.whois.cannot_cfg3(connection)
            self.custody.ended(connection.id, note["reason"], now)


def _certificate(note: dict[str, Any]) -> list[str]:
    """Names of the certificate that a connection came with."""
    return [name for name in note.get("certificate") or () if isinstance(name, str)]
