"""A receiver's connections that have ended: until it is known whose their last DATA are, and everybody was told.

None is hung up, and no end is told, before `settle`: then what was read of it is in the journal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from nodes._handover import Balancers
from nodes._link import Link
from nodes._links import Links
from nodes._notes import Notebook
from nodes._peek import DatagramEnd, StreamEnd
from nodes._ways import Way
from nodes._waystate import Handed
from protocol.c37118.session import Master
from protocol.clock import SECOND, Now

LEAVE_AFTER = 10 * SECOND
"""How long an ended connection may wait for the balancer's word on whose its frames are."""


@dataclass(eq=False)
class Leaving:
    """A connection that ended before the balancer said whose it was; it is told of the end after its answer."""

    slot: int
    handed: Handed
    reason: str
    cfg3: bool
    every: list[Link]
    links: list[Link]
    """Those of them with DATA, which wait for an answer."""
    until: int
    """Monotonic ns."""


class Ended:
    """See the module."""

    def __init__(self, links: Links, balancers: Balancers, notebook: Notebook | None) -> None:
        self._links, self._balancers, self._notebook = links, balancers, notebook
        self.leaving: list[Leaving] = []
        """Those that wait for the balancer's answer."""
        self._closing: list[Way] = []
        self._told: list[list[Any]] = []
        self._log = structlog.get_logger()

    def add(self, ways: Sequence[Way], links: list[Link], reason: str, now: Now) -> None:
        """A connection of these ways and all their links."""
        self._closing += ways
        way, first = ways[0], links[0] if links else None
        name = first.identity.get("name", first.address) if first else way.handed.peer[0]
        self._log.info("link ended", device=name, reason=reason)
        self._links.book.counts["ended"] += 1
        if first:
            first.over = first.over or reason
        cfg3 = not (first and isinstance(first.master, Master) and first.master.unanswered_3)
        waiting = [link for link in links if link.expects_answer]
        gone = Leaving(way.slot, way.handed, reason, cfg3, links, waiting, now.monotonic + LEAVE_AFTER)
        self.leaving.append(gone)
        if not waiting:
            self.left(gone)

    def left(self, gone: Leaving) -> None:
        """Nothing of it is waited for any more."""
        self.leaving.remove(gone)
        for link in gone.links:
            self._links.book.settle(link)
        ended = [gone.handed.connection, gone.handed.balancer, gone.reason, gone.cfg3]
        self._told.append(ended)
        if self._notebook:
            self._notebook.over(gone.slot, gone.every, ended)

    def expire(self, now: Now) -> None:
        """Those that waited long enough."""
        for gone in [each for each in self.leaving if each.until <= now.monotonic]:
            self.left(gone)

    def settle(self) -> None:
        """What was read is in the journal: hang up, and say so."""
        for way in self._closing:
            way.end.hang_up()
            way.end.close()
        self._closing.clear()
        told, self._told = self._told, []
        for ended in told:
            self._tell(ended)

    def again(self, ends: Sequence[StreamEnd | DatagramEnd], ended: Sequence[Any]) -> None:
        """One that our predecessor had ended and not hung up any more."""
        for end in ends:
            end.hang_up()
            end.close()
        self._tell(ended)

    def _tell(self, ended: Sequence[Any]) -> None:
        """To the balancer."""
        connection, balancer, reason, cfg3 = ended
        self._balancers.say(balancer, "ended", connection=connection, reason=reason, cfg3=cfg3)
