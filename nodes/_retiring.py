"""A receiver that leaves the pipeline: its connections go to others as they are, its rows to its readers; then it ends.

It reads no device. What its journal says of a connection (`nodes/_state.py`) it puts into a file of the runtime folder,
from which another receiver goes on as a successor of ours would: at the byte where we stopped, with the session and the
unfinished frames. It holds the sockets until that one has all this in its own journal. Killed at any moment it begins
again, and passes on what is still its own.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import msgpack
import structlog

from archive.journal import JournalError
from nodes import _handover, _safekeeping
from nodes._keeper import Keeper
from nodes._node import Actions, Done, Node, Place, StartError
from nodes._state import StateError, replay
from nodes._stream import Writer
from nodes._waystate import Handed, LinkState, WayState
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Durable, Fetch

LOOK_EVERY = 20 * MILLISECOND
NOTES_AT_MOST = 100
"""Heard from one balancer at a time."""


GONE = 60 * SECOND
"""A balancer that is not there for so long has no connections any more."""


class Bounds(Protocol):
    """Of the settings of a receiver, those of its journal."""

    @property
    def keep(self) -> int: ...

    @property
    def age(self) -> int: ...

    @property
    def memory(self) -> int: ...


def passed_file(run: str, receiver: str, connection: int) -> Path:
    """Where a receiver leaves what it knows of a connection."""
    return Path(run, f"{receiver}.{connection}.passed")


def leave_state(path: Path, way: WayState) -> None:
    """Write what is known of a connection; who reads it sees all of it or nothing."""
    links = [[*key, *link.told()] for key, link in way.links.items()]
    plain = [way.handed, way.position, way.base, way.tail, way.splitter, way.last, links]
    fresh = path.with_name(f".{path.name}")
    fresh.write_bytes(msgpack.packb(plain))
    fresh.replace(path)


def take_state(path: Path) -> WayState | None:
    """What was left of a connection; None: nothing was."""
    try:
        plain = msgpack.unpackb(path.read_bytes(), strict_map_key=False)
    except FileNotFoundError:
        return None
    handed, position, base, tail, splitter, last, links = plain
    way = WayState(Handed.of(handed), position, base, tail, splitter, last)
    for address, stream, *told in links:
        way.links[address, stream] = LinkState()
        way.links[address, stream].apply(*told)
    return way


class Retiring(Node):
    """See the module."""

    def __init__(self, settings: Bounds, place: Place, needed: list[str]) -> None:
        """`needed`: readers that must have all rows."""
        self.settings, self.place, self.needed = settings, place, needed
        self.log = structlog.get_logger().bind(node=place.name)
        names = place.sources.get("balancer", [])
        self.balancers = _handover.Balancers(place.run, place.name, names, leaving=True)
        self.balancers.holding = self._holding
        self.ends: dict[int, list[socket.socket]] = {}
        """Connection -> its sockets, which nobody reads meanwhile."""
        self.hung_up: dict[int, list[Any]] = {}
        """Connections that our predecessor had ended last, and may not have hung up."""
        self.awaited = set(names)
        """Balancers that have not told what they will hand us."""
        self.unheard: set[tuple[str, int]] = set()
        """(balancer, connection) that our predecessor had not heard of, and nobody else has yet."""
        self.missing: dict[str, int] = {}
        """Balancer that is not there -> since when [monotonic ns]."""
        self.passed = self.lost = 0
        self.look_at = 0

    def start(self, now: Now) -> Actions:
        """A new epoch of our stream, so that readers can fetch what they lack. Raises StartError."""
        if self.place.journal is None:
            raise StartError("without a journal there is nothing to pass on")
        try:
            keeper = Keeper(self.place.journal, keep=self.settings.keep, age=self.settings.age)
            self.state = replay(keeper.records())
            self.hung_up = {ended[0]: ended for ended in self.state.ended}
        except (JournalError, StateError) as fault:
            raise StartError(str(fault)) from fault
        self._fetch()
        self.writer = Writer(self.place.name, 0, self.settings.memory, keeper, self.needed)

        def head() -> list[bytes]:
            self.state.live_on(self.writer.epoch, now.utc, now.monotonic)
            return self.state.dump()

        self.writer.open(now, head)
        return self.writer.commit(self._begin(), now)

    def _fetch(self) -> None:
        """What our predecessor left for us: no balancer is needed to keep it open."""
        for (balancer, connection), descriptors in _safekeeping.fetch(self.place.run, self.place.name).items():
            ends = [socket.socket(fileno=each) for each in descriptors]
            if self._slot(balancer, connection) is not None:
                self.ends[connection] = ends
                continue
            for spare in ends:
                spare.close()

    def _begin(self) -> Actions:
        for tally in self.state.tallies():
            yield self.writer.say(tally)
        self.state.owed.clear()

    def receive(self, message: Any, now: Now) -> Actions:
        """A reader fetches, or tells what is safe."""
        return self.writer.receive(message, now) if isinstance(message, Fetch | Durable) else ()

    def wake_at(self) -> int:
        return self.look_at

    def wake(self, now: Now) -> Actions:
        """Hear the balancers; raises Done when nothing is left to do."""
        self.look_at = now.monotonic + LOOK_EVERY
        self._hear(now)
        self._give_up(now)
        self.balancers.flush()
        actions = self.writer.commit(self.writer.wake(now), now)
        if not (self.state.ways or self.unheard or self.awaited) and self.writer.drained:
            raise Done(f"{self.passed} connections went to others, and all rows to their readers")
        return actions

    def _hear(self, now: Now) -> None:
        for balancer, note, descriptors in self.balancers.hear(now, NOTES_AT_MOST):
            ends = [socket.socket(fileno=each) for each in descriptors]
            if note["say"] == "link":
                ends = self._linked(balancer, note, ends)
            elif note["say"] == "welcome":
                self._welcomed(balancer, note.get("coming", []), now)
            elif note["say"] in ("passed", "end"):
                self._over(balancer, note["connection"], note["say"], now)
            for spare in ends:
                spare.close()
        self.awaited -= set(self.balancers.missing)  # one that is not there has nothing for us
        self.unheard = {each for each in self.unheard if each[0] not in self.balancers.missing}

    def _linked(self, balancer: str, note: dict[str, Any], ends: list[socket.socket]) -> list[socket.socket]:
        """It comes again, to be passed on; returns sockets that are not needed. One that our predecessor had not heard
        of yet goes on as it came: nothing was taken from it."""
        connection = note["connection"]
        if self._slot(balancer, connection) is not None:
            self.ends[connection] = ends
            self._pass(balancer, connection)
            return []
        if (ended := self.hung_up.get(connection)) or note.get("tls"):
            reason = ended[2] if ended else "its receiver leaves"
            self.balancers.say(balancer, "ended", connection=connection, reason=reason, cfg3=True)
            self.unheard.discard((balancer, connection))
        else:
            self.balancers.say(balancer, "passes", connection=connection)
        return ends

    def _give_up(self, now: Now) -> None:
        """Connections of balancers that are gone for good."""
        known = self.place.sources.get("balancer", [])
        gone = {way.handed.balancer for way in self.state.ways.values()} - set(known)
        self.missing = {name: self.missing.get(name, now.monotonic) for name in {*self.balancers.missing, *gone}}
        for way in list(self.state.ways.values()):
            if now.monotonic - self.missing.get(way.handed.balancer, now.monotonic) >= GONE:
                self._over(way.handed.balancer, way.handed.connection, "end", now)

    def _slot(self, balancer: str, connection: int) -> int | None:
        found = (balancer, connection)
        ours = (slot for slot, way in self.state.ways.items() if (way.handed.balancer, way.handed.connection) == found)
        return next(ours, None)

    def _welcomed(self, balancer: str, coming: list[int], now: Now) -> None:
        """Those whose sockets do not come are passed on already, or over: it is asked."""
        self.awaited.discard(balancer)
        self.unheard |= {(balancer, each) for each in coming if self._slot(balancer, each) is None}
        for way in list(self.state.ways.values()):
            if way.handed.balancer == balancer and way.handed.connection not in coming:
                self._pass(balancer, way.handed.connection)

    def _pass(self, balancer: str, connection: int) -> None:
        slot = self._slot(balancer, connection)
        if slot is not None:
            leave_state(passed_file(self.place.run, self.place.name, connection), self.state.ways[slot])
            self.balancers.say(balancer, "passes", connection=connection)

    def _over(self, balancer: str, connection: int, how: str, now: Now) -> None:
        """Another one has it in its journal, or it has ended: it is ours no more."""
        self.unheard.discard((balancer, connection))
        slot = self._slot(balancer, connection)
        if slot is None:
            return
        if how == "end":
            self._count_lost(self.state.ways[slot])
        note = {"n": self.state.tick + 1, "t": [now.utc, now.monotonic], "x": [slot]}
        self.writer.note(msgpack.packb(note))
        self.state.apply(note)
        for end in self.ends.pop(connection, []):
            end.close()
        with suppress(FileNotFoundError):
            os.unlink(passed_file(self.place.run, self.place.name, connection))
        if how == "passed":
            self.passed += 1
        else:
            self.balancers.say(balancer, "ended", connection=connection, reason="it is over", cfg3=True)

    def _count_lost(self, way: WayState) -> None:
        """Frames that waited for a configuration or a name end with their connection."""
        runs = (frames for link in way.links.values() for frames in (link.held, *(each for _, each in link.early)))
        if lost := sum(map(len, runs)):
            self.lost += lost
            self.log.warning("frames that waited for their configuration end with it", peer=way.handed.peer, lost=lost)

    def _holding(self, balancer: str) -> Iterator[tuple[dict[str, Any], list[socket.socket]]]:
        for way in self.state.ways.values():
            if way.handed.balancer == balancer and way.handed.connection in self.ends:
                numbers = [link.plain[0] for link in way.links.values() if link.plain and link.plain[0]]
                ends = [end.dup() for end in self.ends[way.handed.connection]]
                yield _handover.holds(way.handed._asdict(), numbers), ends

    def give_way(self, now: Now) -> Actions:
        """Asked to, by who has it leave once more."""
        name = self.place.name
        held = [way.handed for way in self.state.ways.values() if way.handed.connection in self.ends]
        _safekeeping.leave(self.place.run, name, (
            _safekeeping.Left(name, each.balancer, each.connection, self.ends.pop(each.connection)) for each in held
        ))  # fmt: skip
        return self.stop(now)

    def stop(self, now: Now) -> Actions:
        """Asked to, before it is done."""
        self.balancers.close()
        for end in (end for ends in self.ends.values() for end in ends):
            end.close()
        if self.writer.keeper:
            self.writer.keeper.close()
        return ()

    def health(self, now: Now) -> dict[str, Any]:
        ours = len(self.state.ways)
        return {
            "counters": {
                "links_passed": self.passed,
                "frames_lost": self.lost,
                "said": self.writer.next,
                **self.writer.counters,
            },
            "queues": {"connections": ours},
            "alarms": [
                *(f"balancer {each} is not there" for each in self.balancers.missing if ours),
                *self.writer.alarms,
            ],
        }
