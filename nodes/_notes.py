"""What a tick changed, told to the journal: from the live objects of a receiver to the notes of `nodes/_state.py`.

Frames that wait (for a configuration, or for the balancer's word on whose they are) and bytes of unfinished frames may
be many: a note has only those that are new.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from nodes._link import Link
from nodes._links import Links
from nodes._state import Counts, State, packed
from nodes._ways import StreamWay, Way
from nodes._waystate import Handed, LinkState, WayState
from protocol.c37118 import ConfigurationFrame
from protocol.clock import Now

I8 = NDArray[np.int64]
NONE: tuple[I8, I8] = np.zeros(0, np.int64), np.zeros(0, np.int64)


@dataclass
class _Told:
    """What the journal has of a link, as far as it only grows."""

    cfg: ConfigurationFrame | None = None
    held: int = 0
    early: list[tuple[ConfigurationFrame, list[bytes]]] = field(default_factory=list)
    runs: int = 0
    frames: int = 0
    """Of the last run."""


class Notebook:
    """Collects what a tick changed."""

    def __init__(self, state: State, links: Links) -> None:
        """`state`: what the journal has; it follows what is noted."""
        self.state, self._links = state, links
        self._came: list[list[Any]] = []
        self._adopted: list[tuple[int, WayState]] = []
        self._over: list[int] = []
        self._ended: list[list[Any]] = []
        self._tails: dict[int, int] = {}
        """Slot -> up to where in the stream its unfinished bytes are noted."""
        self._told: dict[Link, _Told] = {}
        self._slot = max(state.ways, default=0)

    def came(self, handed: Handed) -> int:
        """A connection; returns its slot."""
        self._slot += 1
        self._came.append([self._slot, *handed])
        return self._slot

    def adopt(self, way: WayState) -> int:
        """A connection that another receiver passes on, with all that it knew of it; returns its slot."""
        slot = self.came(way.handed)
        self._adopted.append((slot, way))
        self.state.ways[slot] = way
        return slot

    def known_as(self, slot: int, handed: Handed, link: Link) -> None:
        """A connection of which nothing was taken yet is what `handed` says, and no link of its own as we thought."""
        self._came.append([slot, *handed])
        self._told.pop(link, None)
        self._links.book.changed.pop(link, None)

    def over(self, slot: int, links: Iterable[Link], ended: list[Any]) -> None:
        """It is over; `ended` [connection, balancer, reason, cfg3] tells how, should we die before all know."""
        self._over.append(slot)
        self._ended.append(ended)
        self._tails.pop(slot, None)
        for link in links:
            self._told.pop(link, None)
            self._links.book.changed.pop(link, None)

    def resumed(self, slot: int, links: Iterable[Link]) -> None:
        """What the journal has of a connection goes on as it is."""
        way = self.state.ways[slot]
        if way.splitter:
            self._tails[slot] = way.base + len(way.tail)
        for link in links:
            frames = len(link.early[-1][1]) if link.early else 0
            self._told[link] = _Told(link.master.cfg, link.master.ever_held, link.early, len(link.early), frames)

    def take(self, read: Iterable[Way], next: int, now: Now, bulk: tuple[I8, I8] = NONE) -> bytes | None:
        """The note of this tick; None if nothing happened. `read`: connections that were read by themselves; `bulk`:
        (slots, positions) of others; `next`: number of the stream's next word."""
        note: dict[str, Any] = {"n": self.state.tick + 1, "t": [now.utc, now.monotonic]}
        self._connections(note)
        self._bytes(note, read)
        self._streams(note)
        self._passed_on(note)
        self._books(note, now)
        slots, positions = bulk
        if len(note) == len(("n", "t")) and not slots.size:
            return None
        told: bytes = msgpack.packb(note | {"g": packed(slots, positions)} if slots.size else note)
        self.state.next = next
        self.state.apply(note)  # thousands of positions are known where they are, see `head`
        return told

    def _connections(self, note: dict[str, Any]) -> None:
        for key, waiting in (("w", self._came), ("x", self._over), ("e", self._ended)):
            if waiting:
                note[key] = list(waiting)
                waiting.clear()

    def _passed_on(self, note: dict[str, Any]) -> None:
        """Connections that were others', before what came of them since."""
        adopted, self._adopted = self._adopted, []
        found: dict[str, list[Any]] = {
            "p": [slot for slot, _ in adopted],
            "q": [way.position for _, way in adopted],
            "s": [[slot, way.base, way.tail, way.splitter] for slot, way in adopted if way.splitter],
            "d": [[slot, way.last] for slot, way in adopted if way.last],
            "l": [[slot, *key, *link.told()] for slot, way in adopted for key, link in way.links.items()],
        }
        note.update({key: [*told, *note.get(key, ())] for key, told in found.items() if told})

    def _bytes(self, note: dict[str, Any], read: Iterable[Way]) -> None:
        slots: list[int] = []
        positions, splitters, datagrams = [], [], []
        for way in read:
            if not isinstance(way, StreamWay):
                datagrams.append([way.slot, way.last])
                continue
            slots.append(way.slot)
            positions.append(way.position)
            if not way.splitter.plain:
                base, known = way.splitter.base, self._tails.get(way.slot, 0)
                splitters.append([way.slot, base, way.splitter.tail(known), way.splitter.state()])
                self._tails[way.slot] = base + way.splitter.pending
            elif self._tails.pop(way.slot, None) is not None:
                splitters.append([way.slot, 0, b"", None])
        found = {"p": slots, "q": positions, "s": splitters, "d": datagrams}
        note.update({key: told for key, told in found.items() if told})

    def _streams(self, note: dict[str, Any]) -> None:
        if self._links.book.changed:
            note["l"] = [self._link(link) for link in self._links.book.changed]
            self._links.book.changed.clear()

    def _link(self, link: Link) -> list[Any]:
        told = self._told.setdefault(link, _Told())
        master = link.master
        cfg = link.tongue.remembered(master.cfg) if master.cfg and master.cfg is not told.cfg else None
        first, held = master.limbo(told.held)
        early = _early(link, told)
        told.cfg, told.held = master.cfg, master.ever_held
        return [link.slot, *link.key, _plain(link), cfg, first, held, early]

    def _books(self, note: dict[str, Any], now: Now) -> None:
        links = self._links
        bad = links.book.books.take_bad()
        if bad:
            note["b"] = bad
        if links.book.unknown != self.state.unknown:
            note["u"] = list(links.book.unknown)
        astray = links.plausible.astray
        if astray or self.state.astray:
            note["a"] = [[link, time, arrival + now.utc - now.monotonic, run]
                         for link, (time, arrival, run) in astray.items()]  # fmt: skip

    def head(self, positions: Mapping[int, int]) -> list[bytes]:
        """The whole state, for the head of a file of the journal; `positions` by slot, of connections read in bulk."""
        offset = self.state.utc - self.state.monotonic
        columns = [column.tolist() for column in self._links.plausible.remember()]
        known = {link: [time, arrival + offset] for link, time, arrival in zip(*columns, strict=True)}
        return self.state.dump(self._counts(), known, positions)

    def _counts(self) -> Counts:
        books = self._links.book.books
        return dict(zip(books.devices.tolist(), books.counts.tolist(), strict=True))


def _early(link: Link, told: _Told) -> list[Any] | None:
    """DATA of a link that nobody knows yet, as far as the journal does not have it."""
    anew = link.early is not told.early
    if anew and not link.early and not told.runs:
        told.early = link.early
        return None
    runs: list[list[Any]] = []
    begin, frames_told = (0, 0) if anew or not told.runs else (told.runs - 1, told.frames)
    for at, (cfg, frames) in enumerate(link.early[begin:], begin):
        if not anew and at == told.runs - 1:
            if frames[frames_told:]:
                runs.append([None, frames[frames_told:]])
        else:
            runs.append([link.tongue.remembered(cfg), list(frames)])
    told.early, told.runs = link.early, len(link.early)
    told.frames = len(link.early[-1][1]) if link.early else 0
    return [anew, runs] if anew or runs else None


def _plain(link: Link) -> list[Any]:
    return [getattr(link, name) for name in _PLAIN] + [list(link.unbooked), link.master.remember()]


_PLAIN = ("number", "stream", "identity", "asked", "refused", "muted", "kept", "over", "secondary")
"""What a link is besides its frames and its session. Append only."""


def recall(link: Link, state: LinkState) -> None:
    """Make a new link what a journal says of it."""
    *plain, unbooked, session = state.plain
    for name, value in zip(_PLAIN, plain, strict=True):
        setattr(link, name, value)
    link.unbooked = list(unbooked)
    recalled = link.tongue.recalled
    cfg: Any = recalled(state.configuration) if state.configuration else None
    link.master.recall(session, cfg, state.first, list(state.held))
    link.early = [(recalled(cfg), list(frames)) for cfg, frames in state.early]
    if cfg:
        link.compile(cfg)
