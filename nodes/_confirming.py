"""After a change of the site file, or of our balancer: is every link still who it was?

A few links a tick ask the balancer anew. Rows go on meanwhile. A link that is called or described otherwise says its
configuration anew; one that nobody knows any more, or that is another device now, ends; one that was refused may come
in.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from nodes._link import Link
from nodes._links import Links
from nodes._node import Actions
from nodes._reading import Reading
from nodes._ways import StreamWay
from protocol.clock import Now

AT_ONCE = 10
"""Links that ask in one tick: each may have to say its configuration."""

Asked = tuple[str, int, str, Any]
"""(balancer, connection, address, stream) of a question."""


class Confirming:
    """See the module."""

    def __init__(self, links: Links, reading: Reading) -> None:
        self.links, self.reading = links, reading
        self._versions: dict[str, str] = {}
        """Balancer -> version of its site file."""
        self._waiting: dict[Link, None] = {}
        self._asked: set[Asked] = set()

    def begin(self, balancer: str, version: str) -> None:
        """Its site file is of this `version` now ("": it does not say)."""
        self._versions[balancer] = version
        self._asked = {asked for asked in self._asked if asked[0] != balancer}
        for slot in self.reading.book.slots:
            self.review(slot)

    def review(self, slot: int) -> None:
        """A connection's links, as far as they are told by another version."""
        for link in self.reading.book.slots[slot][0].links:
            version = self._versions.get(link.balancer)
            if version and link.identity.get("site") != version:
                self._waiting[link] = None

    def step(self) -> None:
        """Once a tick: some of them ask."""
        for link in list(islice(self._waiting, AT_ONCE)):
            del self._waiting[link]
            if link.slot not in self.reading.book.slots or not _askable(link):
                continue
            if link.number:
                self._asked.add((link.balancer, link.connection, link.address, link.asked))
                self.links.questions.confirm(link)
            else:
                self.links.questions.ask(link, link.asked)

    def answers(self, balancer: str, note: dict[str, Any]) -> bool:
        """Whether a note answers such a question, of a link that was known; it is asked no more."""
        asked = balancer, note.get("connection", 0), note.get("address", ""), note.get("stream", 0)
        known = asked in self._asked
        self._asked.discard(asked)
        return known

    def answered(self, link: Link, note: dict[str, Any], now: Now) -> Actions:
        """The balancer's word on a link that was known."""
        device, own = note.get("device"), isinstance(self.reading.book.slots[link.slot][0], StreamWay)
        if device and device["number"] == link.number:
            yield from self.links.renew(link, device, now)
            return
        reason = f"the site file says now that it is {device['name']}" if device else note["reason"]
        if own:
            yield from self.reading.end_link(link, reason, now)
        else:
            yield from self.links.drop(link, reason, now)
        if device and link.slot in self.reading.book.slots:
            self._waiting[link] = None  # it goes on as who it is now


def _askable(link: Link) -> bool:
    """Whether there is something to ask: who was never asked about will be."""
    return link.asked not in (0, -1) and bool(link.number or link.refused)


def readmit(link: Link) -> None:
    """One that was refused is known now: its next frames are of the configuration that it has told."""
    link.refused = False
    if link.codec and not link.early:
        link.early = [(link.codec.cfg, [])]
