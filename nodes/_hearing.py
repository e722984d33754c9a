"""What a receiver's balancers say to it: connections that it is to read, who sends them, which of them are to end."""

from __future__ import annotations

import os
from typing import Any

import structlog

from nodes._confirming import Confirming, readmit
from nodes._ended import Leaving
from nodes._handover import Balancers
from nodes._link import Link
from nodes._links import Links
from nodes._node import Actions
from nodes._notes import Notebook
from nodes._reading import Reading
from nodes._retiring import passed_file, take_state
from nodes._state import State
from nodes._ways import StreamWay
from nodes._waystate import Handed
from protocol.clock import MICROSECOND, Now

NOTES_AT_MOST = 100
"""Notes heard from one balancer in a tick; so many connections, too, while those of a predecessor are awaited, whose
data wait."""
LINK_EVERY, IDENTITY_EVERY = 2500 * MICROSECOND, 6500 * MICROSECOND
"""Otherwise one connection in so much of a tick, and one device that begins to send; one of them alone in a tick that
began late. Thousands may call at once: those that send already are not to wait for them."""


class Hearing:
    """See the module."""

    def __init__(
        self, links: Links, reading: Reading, balancers: Balancers, notebook: Notebook | None, run: str, node: str
    ) -> None:
        """`run`: the runtime folder, where receivers that leave put what they know of a connection."""
        self.links, self.reading, self.balancers, self.notebook = links, reading, balancers, notebook
        self.confirming = Confirming(links, reading)
        self.log = structlog.get_logger().bind(node=node)
        self._run = run
        self.awaited: dict[int, int] = {}
        """Connection of our predecessor that its balancer may hand us again -> slot."""
        self.taken: list[tuple[str, int]] = []
        """(balancer, connection) that were passed on to us, and may not be in our journal yet."""
        self.hung_up: dict[int, list[Any]] = {}
        """Connections that our predecessor had ended last, and may not have hung up."""

    def remember(self, state: State) -> None:
        """Connections of our predecessor."""
        self.awaited = {way.handed.connection: slot for slot, way in state.ways.items()}
        self.hung_up = {ended[0]: ended for ended in state.ended}

    def go_on(self, kept: dict[tuple[str, int], list[int]], now: Now) -> Actions:
        """With connections whose sockets our predecessor left for us, by (balancer, connection): no balancer is needed
        for them."""
        for (balancer, connection), descriptors in sorted(kept.items()):
            slot = self.awaited.get(connection, -1)
            way = self.notebook.state.ways.get(slot) if self.notebook else None
            if way and way.handed.balancer == balancer:
                del self.awaited[connection]
                yield from self.reading.resume(slot, way, descriptors, None, now)
                continue
            for each in descriptors:
                os.close(each)

    def hear(self, left: int, now: Now) -> Actions:
        """What they have said. `left`: ns of this tick that are there for who is new."""
        links, identities = self._patience(left)
        for balancer, note, descriptors in self.balancers.hear(now, NOTES_AT_MOST):
            if note["say"] == "link":
                yield from self._linked(balancer, note, descriptors, now)
                links -= 1
            else:
                for stray in descriptors:
                    os.close(stray)
                confirmed = self.confirming.answers(balancer, note)
                yield from self._note(balancer, note, now)
                identities -= note["say"] == "identity" and not confirmed
            if not links or not identities:
                break  # the others stay queued

    def _patience(self, left: int) -> tuple[int, int]:
        """How many connections and identities are heard of in this tick."""
        if self.awaited:
            return NOTES_AT_MOST, NOTES_AT_MOST
        return max(1, left // LINK_EVERY), max(1, left // IDENTITY_EVERY)

    def _note(self, balancer: str, note: dict[str, Any], now: Now) -> Actions:
        if note["say"] == "welcome":
            self.log.info("joined", balancer=balancer)
            yield from self.welcomed(balancer, note.get("coming", []), now)
            self.confirming.begin(balancer, note.get("site", ""))
        elif note["say"] == "site":
            self.confirming.begin(balancer, note["version"])
        elif note["say"] == "end":
            yield from self.reading.end_of(balancer, note["connection"], note["reason"], now)
        elif note["say"] == "gone":
            for gone in [each for each in self.reading.ended.leaving if each.handed.balancer == balancer]:
                self.reading.ended.left(gone)
        elif note["say"] in ("identity", "refused", "drop"):
            yield from self._answered(balancer, note, now)
            for gone in [each for each in self.reading.ended.leaving if _of(each.handed, balancer, note)]:
                yield from self._answered_late(gone, note, now)

    def welcomed(self, balancer: str, coming: list[int], now: Now) -> Actions:
        """What it will not hand us again is over; what it was asked and did not answer is asked again."""
        for ways in self.reading.book.slots.values():
            for link in ways[0].links if ways[0].handed.balancer == balancer else ():
                self.links.questions.ask_again(link)
                self.links.questions.want_data_again(link)
        for connection, slot in list(self.awaited.items()):
            state = self.notebook.state.ways[slot] if self.notebook else None
            if state and state.handed.balancer == balancer and connection not in coming:
                del self.awaited[connection]
                yield from self.reading.abandon(slot, state, now)

    def _linked(self, balancer: str, note: dict[str, Any], descriptors: list[int], now: Now) -> Actions:
        connection = note["connection"]
        if len(descriptors) != (2 if note["how"] == "tcp_udp" else 1):
            self._incomplete(balancer, connection, descriptors)
            return
        slot = self.awaited.pop(connection, None)
        if former := note.get("passed"):
            self.taken.append((balancer, connection))
            left = take_state(passed_file(self._run, former, connection)) if slot is None else None
            slot = self.notebook.adopt(left) if left and self.notebook else slot
        unsaid = {"cfg3": True, "stream": None, "target": None, **Handed._field_defaults}
        note = {**unsaid, **note, "balancer": balancer}
        handed = Handed.of([note[name] for name in Handed._fields])
        if slot is not None and self.notebook:
            way = self.notebook.state.ways[slot]
            yield from self.reading.resume(slot, way, descriptors, note.get("numbers"), now)
            self.confirming.review(slot)
        elif connection in self.hung_up:
            self.reading.hang_up(handed, descriptors, self.hung_up[connection])
        else:
            yield from self.reading.open(handed, descriptors, now)

    def _incomplete(self, balancer: str, connection: int, descriptors: list[int]) -> None:
        """A connection that came without its sockets (no descriptor was left here): the balancer is to end it."""
        self.log.warning("a connection came without its sockets", balancer=balancer, sockets=len(descriptors))
        self.links.book.counts["incomplete"] += 1
        for each in descriptors:
            os.close(each)
        self.balancers.say(balancer, "ended", connection=connection, reason="its sockets did not arrive", cfg3=True)

    def _answered(self, balancer: str, note: dict[str, Any], now: Now) -> Actions:
        for link in self.reading.book.links_of(balancer, note["connection"]):
            if note["say"] == "drop":
                if link.number == note["number"]:
                    yield from self.reading.end_link(link, note["reason"], now)
                    return
            elif link.slot in self.reading.book.slots and (link.address, link.asked) == (
                note["address"],
                note["stream"],
            ):
                yield from self._identified(link, note, now)

    def _identified(self, link: Link, note: dict[str, Any], now: Now) -> Actions:
        """The balancer's answer: who the link is, or that it is refused."""
        ways = self.reading.book.slots[link.slot]
        if link.number:
            yield from self.confirming.answered(link, note, now)
            return
        if note["say"] == "refused":
            self.links.refuse(link)
            if isinstance(ways[0], StreamWay) and not link.secondary:
                yield from self.reading.end(link.slot, note["reason"], now)
            return
        if link.refused:
            readmit(link)
        if link.unasked:
            link.asked = -1  # it may send; who it is, is asked again when it tells its configuration
            return
        number = note["device"]["number"]
        former = self.links.book.carriers.get(number)
        if former is not None and former in ways[0].links and former is not link:
            yield from self.links.drop(
                former, f"it sends stream {note['stream']} now, stream {former.stream} before", now
            )
        elif former is not None and former is not link:
            yield from self.reading.end_link(former, "the device has connected anew", now)
        self.links.book.carriers[number] = link
        yield from self.links.introduce(link, note, now)
        link.unmute()

    def _answered_late(self, gone: Leaving, note: dict[str, Any], now: Now) -> Actions:
        """Whose frames of an ended connection are, after all."""
        if note["say"] == "drop":
            return
        for link in [each for each in gone.links if (each.address, each.asked) == (note["address"], note["stream"])]:
            gone.links.remove(link)
            if note["say"] == "identity":
                yield from self._bequeath(link, note, now)
            self.links.book.settle(link)
        if not gone.links:
            self.reading.ended.left(gone)

    def _bequeath(self, link: Link, note: dict[str, Any], now: Now) -> Actions:
        """Rows of a link that has ended; a newer one of the same device goes on undisturbed."""
        newer = self.links.book.carriers.get(note["device"]["number"])
        yield from self.links.introduce(link, note, now)
        yield from self.links.flush(now)
        self.links.forget_rows(link)
        if newer:
            yield from self.links.say_configuration(newer, now)

    def tell_taken(self) -> None:
        """All of this tick is in our journal: who passed connections on may forget them."""
        for balancer, connection in self.taken:
            self.balancers.say(balancer, "took", connection=connection)
        self.taken.clear()


def _of(handed: Handed, balancer: str, note: dict[str, Any]) -> bool:
    return (handed.balancer, handed.connection) == (balancer, note["connection"])
