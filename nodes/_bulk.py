"""Streams in step, read all at once: what costs is a call, and here none is made for each device.

A connection is in step when its session runs and it brings nothing but whole, good DATA frames of its configuration.
Such connections of one frame size are looked at in one call, their frames stand behind one another in one block, and
are taken from the kernel in one call when the journal has them. Where anything else is found, all of that tick stays
in the kernel, and the connection is read by itself (`nodes/_ways.py`) in the same tick.

A call costs more than a frame, and an acknowledgement as much again: what is safe stays queued for a tick or two more,
and is taken with what came since. A look passes over it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import numpy as np

from nodes._bulkplain import DUE, FD, FRESH, HELD, I8, LAST, LINK, POSITION, SEAT, SLOT, STREAM, U1, Loops, Terms
from nodes._link import Link
from nodes._manners import Rates
from nodes._peek import StreamEnd
from nodes._ways import StreamWay
from protocol.clock import MILLISECOND, SECOND, Now, period

ROOM = 4096
"""Bytes of one connection looked at in one tick, or `FRAMES` frames if that is more."""
FRAMES = 8
IDLE = SECOND
"""A connection that brought nothing for so long is read by itself."""
SLOWEST = 100 * MILLISECOND
"""Devices that send less often are read by themselves: a look in vain costs as much as a frame."""
STAY = 30 * MILLISECOND
"""What is safe is taken from the kernel this often, in the first tick after. The kernel acknowledges after 40 ms at
latest, whoever takes it."""


@dataclass(frozen=True)
class Taken:
    """What connections of one layout brought in a tick."""

    layout: Hashable
    frames: U1
    """[n, size], in order of connections and arrival; only until the next look"""
    links: I8
    """[n] link number of each"""


class Bulk:
    """Connections in step, whose frames are of one layout."""

    def __init__(self, layout: Hashable, size: int, period: int) -> None:
        """Frames of `size` bytes, one every `period` [ns]."""
        self.layout, self.size, self.period = layout, size, period
        self.room = max(ROOM // size, FRAMES) * size
        self.ways: list[StreamWay] = []
        self.ends: list[StreamEnd] = []
        self._table = np.zeros((len(SEAT), 0), np.int64)
        self._block = np.zeros(0, np.uint8)
        self._take_at = 0
        """Monotonic ns from when on all that is safe is taken."""

    @property
    def _seats(self) -> I8:
        """[what, n]"""
        return self._table[:, : len(self.ways)]

    def join(self, way: StreamWay, now: Now) -> None:
        """From the next look on."""
        seat, link = len(self.ways), way.link
        room = self._table.shape[1]
        if seat == room:
            self._table = np.concatenate([self._table, np.zeros((len(SEAT), max(16, room)), np.int64)], axis=1)
            self._block = np.zeros((self._table.shape[1] + 1) * self.room, np.uint8)
        assert link.master.cfg
        known = {LINK: link.number, SLOT: way.slot, POSITION: way.position, FD: way.end.fileno(), LAST: now.monotonic}
        known[STREAM] = link.master.cfg.stream
        self._table[:, seat] = [known.get(what, 0) for what in SEAT]
        self.ways.append(way)
        self.ends.append(way.end)
        way.bulk, way.seat = self, seat

    def leave(self, way: StreamWay) -> None:
        """It goes on by itself where it is."""
        seat, last = way.seat, len(self.ways) - 1
        way.position = int(self._table[POSITION, seat])
        way.looked += int(self._table[HELD, seat])
        heard = int(self._table[LAST, seat])
        way.manners.seen = max(way.manners.seen, heard)
        way.link.master.note_status(True, way.link.master.changing, Now(heard, 0))
        self._table[:, seat] = self._table[:, last]
        self.ways[seat], self.ends[seat] = self.ways[last], self.ends[last]
        self.ways[seat].seat = seat
        self.ways.pop()
        self.ends.pop()
        way.bulk = None

    def look(self, loops: Loops, rates: Rates, now: Now) -> tuple[Taken, list[StreamWay]]:
        """(frames, connections that are to be read by themselves)"""
        seats, size = self._seats, self.size
        got = loops.look(self.ends, seats[FD], seats[HELD], size, self.room, self._block)
        owner = np.repeat(np.arange(got.size), np.maximum(got, 0) // size)
        frames = self._block[: owner.size * size].reshape(-1, size)
        due = now.monotonic >= self._take_at
        if due:
            self._take_at = now.monotonic + STAY
        fits = loops.good(frames, seats[STREAM][owner])
        odd = loops.sift(seats, got, fits, Terms(size, self.period, self.room, due, now.monotonic), rates)
        if not odd.any():
            return Taken(self.layout, frames, seats[LINK][owner]), []
        stays = ~odd[owner]
        taken = Taken(self.layout, frames[stays], seats[LINK][owner[stays]])
        return taken, [self.ways[k] for k in np.flatnonzero(odd)]

    def silent(self, now: Now) -> list[StreamWay]:
        """Connections that brought nothing for a while."""
        return [self.ways[k] for k in np.flatnonzero(self._seats[LAST] < now.monotonic - IDLE)]

    def read_now(self) -> tuple[I8, I8]:
        """(slots, positions) of the connections that brought something at the last look."""
        seats = self._seats
        came = seats[FRESH] > 0
        return seats[SLOT, came], seats[POSITION, came]

    def positions(self) -> list[tuple[int, int]]:
        """(slot, bytes of the stream that were worked on)"""
        seats = self._seats
        return list(zip(seats[SLOT].tolist(), seats[POSITION].tolist(), strict=True))

    def done(self, loops: Loops) -> None:
        """What was looked at is safe: out of the kernel with what is due."""
        seats = self._seats
        if seats[DUE].any():
            loops.take(self.ends, seats[FD], seats[DUE])
            seats[HELD] -= seats[DUE]
            seats[DUE] = 0


class Bulks:
    """All connections in step, by layout."""

    def __init__(self) -> None:
        self._of: dict[Hashable, Bulk] = {}

    @property
    def count(self) -> int:
        """How many."""
        return sum(len(bulk.ways) for bulk in self._of.values())

    def join(self, way: StreamWay, now: Now) -> None:
        """It has a configuration, and was just read."""
        codec = way.link.codec
        assert codec
        bulk = self._of.get(codec.layout)
        if bulk is None:
            bulk = self._of[codec.layout] = Bulk(codec.layout, codec.frame_size, period(codec.cfg.rate))
        bulk.join(way, now)

    def leave(self, way: StreamWay) -> None:
        """It is read by itself from now on."""
        bulk = way.bulk
        if bulk is not None:
            bulk.leave(way)
            if not bulk.ways:
                del self._of[bulk.layout]

    def look(self, loops: Loops, rates: Rates, now: Now) -> Iterator[tuple[Taken, list[StreamWay]]]:
        """What came, by layout; and the connections that are to `leave` and to be read by themselves."""
        for bulk in list(self._of.values()):
            yield bulk.look(loops, rates, now)

    def silent(self, now: Now) -> list[StreamWay]:
        """Connections that brought nothing for a while."""
        return [way for bulk in self._of.values() for way in bulk.silent(now)]

    def read_now(self) -> tuple[I8, I8]:
        """(slots, positions) of the connections that brought something in this tick."""
        found = [bulk.read_now() for bulk in self._of.values()]
        if len(found) == 1:
            return found[0]
        nothing = np.zeros(0, np.int64)
        slots, positions = (np.concatenate(column) for column in zip((nothing, nothing), *found, strict=True))
        return slots, positions

    def positions(self) -> dict[int, int]:
        """Slot -> bytes of the stream that were worked on."""
        return {slot: at for bulk in self._of.values() for slot, at in bulk.positions()}

    def done(self, loops: Loops) -> None:
        """What was looked at is safe."""
        for bulk in self._of.values():
            bulk.done(loops)


def in_step(way: StreamWay) -> bool:
    """Whether a connection that was just read may be read in bulk."""
    link = way.link
    return (
        type(way) is StreamWay
        and not (way.over or way.unsent or link.beside or link.early)
        and way.handed.how != "tcp_udp"
        and not way.tongue.edition
        and _running(link)
        and way.splitter.plain
        and not way.manners.wasteful
    )


def _running(link: Link) -> bool:
    codec, master = link.codec, link.master
    if codec is None or not link.number or not master.steady or master.data_size != codec.frame_size:
        return False
    return period(codec.cfg.rate) <= SLOWEST
