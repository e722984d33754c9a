"""Substations with several connections: management pipes, and the data pipes that belong to them.

Commands and configurations go over one, DATA come over others (GB/T 26865.2, Q/GDW 131: one; SMDs may have three). A
pipe that we dialled is known by the connection that it stands beside. One that dialled us shows by its first frame
whose it is (`gbt26865.Pairing`); until then nothing of it is taken from the kernel. All pipes of an address come to one
receiver.
"""

from __future__ import annotations

from collections.abc import Iterator

from nodes._link import Link
from nodes._links import Links
from nodes._node import Actions
from nodes._peek import StreamEnd
from nodes._siteforms import plain
from nodes._tongues import Tongue
from nodes._ways import StreamWay, Way
from nodes._waystate import Handed
from protocol import gbt26865
from protocol.c37118.session import MasterSettings
from protocol.clock import SECOND, Now

PATIENCE = 10 * SECOND
"""A connection whose DATA are of nobody is taken for one that carries all after so long."""


class DataPipe(StreamWay):
    """A connection with nothing but DATA of a link whose commands go another way."""

    def __init__(self, slot: int, handed: Handed, end: StreamEnd, settings: MasterSettings, spoken: Tongue) -> None:
        super().__init__(slot, handed, end, settings, spoken)
        self.partner: Link | None = None
        """Whose DATA these are; None: its management pipe is not there yet."""
        self.until = 0
        """Monotonic ns; it is waited for so long."""
        self.misplaced = 0
        """Frames that were no DATA."""

    @property
    def links(self) -> list[Link]:
        return []

    @property
    def carrier(self) -> Link | None:
        return self.partner

    def read(self) -> Iterator[tuple[Link, list[bytes]]]:
        """What came, if it is known whose it is."""
        if self.partner is None:
            return
        for _, frames in super().read():
            data = [frame for frame in frames if self.tongue.is_data(frame)]
            self.misplaced += len(frames) - len(data)
            yield self.partner, data

    @property
    def over(self) -> str:
        return self.ended

    def rest(self) -> list[bytes]:
        return self.splitter.close() if self.partner else []


class Pipes:
    """All of a receiver's whose protocol has several for a device."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._data: dict[int, DataPipe] = {}
        """By slot."""
        self._undecided: dict[int, int | None] = {}
        """Slots of connections that may be a whole device or a data pipe -> monotonic ns when it is decided anyhow;
        None: no DATA came yet."""

    @property
    def data(self) -> list[DataPipe]:
        """All data pipes."""
        return list(self._data.values())

    def entered(self, way: Way) -> None:
        """There is a connection."""
        if isinstance(way, DataPipe):
            self._data[way.slot] = way
        elif isinstance(way, StreamWay) and way.handed.pipe == "whole":
            self._links.pairing.belongs(way.slot, way.link)

    def came(self, way: Way, now: Now) -> Actions:
        """A new connection. Whoever dialled us may be a whole device, or a data pipe; for now it is the former."""
        if not isinstance(way, StreamWay) or isinstance(way, DataPipe) or not way.tongue.edition:
            return
        assert isinstance(way.link.master, gbt26865.Master)
        if way.handed.pipe != "management":
            yield from self._links.events(way.link, way.link.master.data_pipe(True, now), now)
        if not way.handed.pipe:
            self._undecided[way.slot] = None

    def came_again(self, way: Way, position: int) -> None:
        """One of a former life, of which so many bytes were taken."""
        if isinstance(way, StreamWay) and way.tongue.edition and not (way.handed.pipe or position):
            self._undecided[way.slot] = None

    def waits(self, way: StreamWay) -> bool:
        """Whether nothing of a connection is to be taken yet, for it is not known what it is."""
        return way.slot in self._undecided

    def owner(self, way: StreamWay, now: Now) -> Link | None:
        """Whose data pipe a connection is that `waits`; None: it is none, or waits on. It is none if its first frame
        answers what it was asked; or if nobody's DATA came for a while."""
        frame = way.first_frame()
        if frame == b"":
            return None
        if frame is None or not way.tongue.is_data(frame):
            del self._undecided[way.slot]
            return None
        address = str(plain(way.handed.peer[0]))
        found = self._links.pairing.data(way.slot, address, frame)
        until = self._undecided[way.slot] or now.monotonic + PATIENCE
        self._undecided[way.slot] = until
        if not found and now.monotonic >= until:
            self.gone(way.slot)
            why = "DATA of no device whose commands go to the same address: both pipes must come from one"
            self._links.book.complain(way.link, why, now)
        return found if isinstance(found, Link) else None

    def join(self, pipe: DataPipe, link: Link, now: Now) -> Actions:
        """From now on its DATA are the link's."""
        self._undecided.pop(pipe.slot, None)
        self._links.pairing.belongs(pipe.slot, link)
        pipe.partner = link
        assert isinstance(link.master, gbt26865.Master)
        yield from self._links.events(link, link.master.data_pipe(True, now), now)

    def gone(self, slot: int) -> None:
        """A connection is over."""
        self._data.pop(slot, None)
        self._undecided.pop(slot, None)
        self._links.pairing.closed(slot)
