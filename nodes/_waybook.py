"""Which connections a receiver has, by whose numbers, and how each is read: by itself, or in bulk with others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from nodes._bulk import Bulks
from nodes._handover import holds
from nodes._link import Link
from nodes._peek import Machine
from nodes._pipes import Pipes
from nodes._ways import StreamWay, Way
from protocol.clock import Now

SLOTS_AT_MOST = 500
"""Connections whose timers are looked at in one step."""
UNKNOWN_AT_MOST = 50
"""Connections looked into in one tick for whose pipe they are."""
WASTEFUL_AT_MOST = 4
"""Connections read in one tick that brought mostly what is of no use; the others wait for the next."""


class WayBook:
    """See the module."""

    def __init__(self, machine: Machine, pipes: Pipes) -> None:
        self.machine, self.pipes = machine, pipes
        self.ways: dict[int, Way] = {}
        """By descriptor, those that are read by themselves."""
        self.slots: dict[int, list[Way]] = {}
        """The one or two of each connection."""
        self._slot_of: dict[tuple[str, int], int] = {}
        """(balancer, connection) -> slot"""
        self.bulks = Bulks()
        self.read_now: dict[Way, None] = {}
        """Read in this tick."""
        self._round: list[int] = []
        """Slots that are to be looked around at."""

    def watch(self, ways: list[Way]) -> None:
        """A connection that is read from now on."""
        self.enter(ways)
        for way in ways:
            self.ways[way.end.fileno()] = way
            self.machine.watch(way.end.fileno())

    def enter(self, ways: list[Way]) -> None:
        """A connection."""
        slot, handed = ways[0].slot, ways[0].handed
        self.slots[slot] = ways
        self._slot_of[handed.balancer, handed.connection] = slot
        self.pipes.entered(ways[0])

    def forget(self, ways: list[Way]) -> None:
        """A connection that has ended, taken out of `slots`."""
        for way in ways[:1]:
            self._slot_of.pop((way.handed.balancer, way.handed.connection), None)
        for way in ways:
            self.part(way)
            if self.ways.pop(way.end.fileno(), None):
                self.machine.forget(way.end.fileno())

    def slot_of(self, balancer: str, connection: int) -> int:
        """-1: it is not ours any more."""
        return self._slot_of.get((balancer, connection), -1)

    def links_of(self, balancer: str, connection: int) -> list[Link]:
        """All that a connection carries; none if it is not ours any more."""
        ways = self.slots.get(self.slot_of(balancer, connection), [])
        return ways[0].links if ways else []

    def unknown(self) -> list[Link]:
        """Links of nobody we know."""
        alone = {way.slot for way in self.ways.values()}  # who is read with others is known
        return [link for slot in alone for link in self.slots[slot][0].links if not link.number]

    def holding(self, balancer: str) -> list[tuple[dict[str, Any], list[Any]]]:
        """(fields, sockets) of the `holds` notes for a balancer: duplicates of what we read for it."""
        return [
            (_fields(ways), [] if ways[0].handed.tls else [way.end.copy() for way in ways])
            for ways in self.slots.values()
            if ways[0].handed.balancer == balancer
        ]

    # ── by itself, or with others ───────────────────────────────────────────────────────────────────────────

    def join(self, way: StreamWay, now: Now) -> None:
        """It is read with others from now on."""
        self.machine.forget(way.end.fileno())
        del self.ways[way.end.fileno()]
        self.bulks.join(way, now)

    def part(self, way: Way) -> None:
        """It is read by itself from now on."""
        if isinstance(way, StreamWay) and way.bulk is not None:
            self.bulks.leave(way)
            self.read_now[way] = None  # the notes know its position from now on
            self.ways[way.end.fileno()] = way
            self.machine.watch(way.end.fileno())

    def in_turn(self, ready: Iterable[int]) -> list[Way]:
        """Who is read now: of those that waste our time, or may be anybody's pipe, a few, who waited longest."""
        ways = [self.ways[fd] for fd in ready if fd in self.ways]
        wasteful: list[Way] = []
        unknown: list[Way] = []
        others: list[Way] = []
        for way in ways:
            waits = isinstance(way, StreamWay) and self.pipes.waits(way)
            (unknown if waits else wasteful if way.manners.wasteful else others).append(way)
        for some in (wasteful, unknown):
            some.sort(key=lambda way: way.manners.seen)
        return [*others, *wasteful[:WASTEFUL_AT_MOST], *unknown[:UNKNOWN_AT_MOST]]

    def some_slots(self) -> list[int]:
        """All that are not read in bulk, or so many of thousands; the others next time."""
        if not self._round:
            self._round = list({way.slot: None for way in self.ways.values()})
        some, self._round = self._round[:SLOTS_AT_MOST], self._round[SLOTS_AT_MOST:]
        return some


def _fields(ways: Sequence[Way]) -> dict[str, Any]:
    handed, numbers = ways[0].handed, [link.number for link in ways[0].links if link.number]
    certificate = {"certificate": ways[0].links[0].certificate} if handed.tls else {}
    return {**holds(handed._asdict(), numbers), **certificate}
