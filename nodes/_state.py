"""What a receiver must know to go on after a kill: its state, as its journal's notes and words make it up.

Each tick that changed anything leaves one note, a map with short keys; `State.apply` takes it. A file of the journal
begins with the whole state as notes of the same form (`State.dump`). So the live process, which applies its own
notes, and a restart, which replays them, hold the same. What a head has already is passed over when it comes again:
ticks are numbered (`n`), and so are words.

    n  number of the tick            t  [UTC, monotonic] ns
    w  [[slot, *Handed]]             a connection came; a slot is its short name in the notes
    p  [slot …]   q  [position …]    bytes of TCP streams worked on so far, unfinished frames included
    g  [slots, positions]            the same of many: little-endian u4 and i8, as bytes
    s  [[slot, base, bytes, state]]  splitter between frames: bytes held from stream position `base` on, as far as
                                     they are new; state None: as a new one
    d  [[slot, [[CRC-32, size] …]]]  datagrams that the last tick worked on
    l  [[slot, address, stream, plain, configuration, first, held, early]]   a link, as `nodes/_notes.py` tells it
    x  [slot …]                      connections that are over
    e  [[connection, balancer, reason, cfg3]]   those that are to be hung up now
    b  [[device, corrupt, refused, lost]]       books of frames that never became rows
    u  [received, corrupt, refused, lost]       those of nobody we know
    a  [[link, time, arrival UTC, length]]      runs of implausible rows

and at the head of a file: epoch, next (word), k [[device, received, corrupt, refused, lost]], y the same of all
earlier epochs together, o [[epoch, k]] of those whose last counts are not told yet, z [[link, time, arrival UTC]] of
the last plausible rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from archive.journal import Note, Record, Word
from nodes._waystate import Handed, LinkState, WayState
from protocol import wire
from protocol.messages import STATIONS_PER_LINK, STATIONS_PER_SPECTRUM, Measurements, Tally

FORMAT = 3
"""Of notes; a newer one than ours is refused. 1 had no `g`; 2 knew C37.118 only."""
MEA_DEVICE, MEA_TIME, MEA_ARRIVAL, MEA_ASIDE = 2, 3, 4, 8
"""Parts of a packed `Measurements`: its arrays in the order of its fields, which never changes."""

SOURCES = 1 << 16
"""Numbers of links; that of a link's spectrum is so much higher, or twice."""

Counts = dict[int, list[int]]
"""Device -> [received, corrupt, refused, lost]"""


class StateError(Exception):
    """The journal was written by a newer release."""


NOBODY = Handed(0, "", "", ("", 0), None, False, None)


@dataclass
class State:
    """See the module."""

    epoch: int = 0
    next: int = 0
    """Number of the next word of the epoch."""
    tick: int = 0
    utc: int = 0
    monotonic: int = 0
    ways: dict[int, WayState] = field(default_factory=dict)
    """By slot."""
    ended: list[list[Any]] = field(default_factory=list)
    unknown: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    astray: dict[int, list[int]] = field(default_factory=dict)
    counts: Counts = field(default_factory=dict)
    before: Counts = field(default_factory=dict)
    """Of all earlier epochs together."""
    owed: dict[int, Counts] = field(default_factory=dict)
    known: dict[int, list[int]] = field(default_factory=dict)
    """Link, or one of its spectra (`source_of`) -> [time, arrival UTC] of its last plausible row."""
    _rows: list[tuple[NDArray[Any], ...]] = field(default_factory=list)
    """Words whose rows are not counted yet."""

    # ── notes ───────────────────────────────────────────────────────────────────────────────────────────────

    def apply(self, note: dict[str, Any]) -> None:
        """Take the note of a tick, or the head of a file."""
        if "head" in note:
            self._begin(note)
        elif note["n"] <= self.tick:
            return
        self.tick = note["n"]
        self.utc, self.monotonic = note["t"]
        for slot, *handed in note.get("w", ()):
            self.ways[slot] = WayState(Handed.of(handed))
        slots, positions = unpacked(*note.get("g", (b"", b"")))
        for slot, position in zip([*note.get("p", ()), *slots], [*note.get("q", ()), *positions], strict=True):
            self._way(slot).position = position
        for slot, base, fresh, splitter in note.get("s", ()):
            self._way(slot).split(base, fresh, splitter)
        for slot, last in note.get("d", ()):
            self._way(slot).last = last
        for slot, address, stream, *link in note.get("l", ()):
            self._way(slot).links.setdefault((address, stream), LinkState()).apply(*link)
        for slot in note.get("x", ()):
            self.ways.pop(slot, None)
        self._booked(note)

    def _way(self, slot: int) -> WayState:
        """Of a connection; of one whose coming was lost with a group that no disk took, nothing is kept."""
        return self.ways.get(slot) or WayState(NOBODY)

    def _booked(self, note: dict[str, Any]) -> None:
        self.ended = note.get("e", [])
        self.unknown = list(note.get("u", self.unknown))
        if "a" in note:
            self.astray = {link: run for link, *run in note["a"]}
        for device, *bad in note.get("b", ()):
            counts = self.counts.setdefault(device, [0, 0, 0, 0])
            counts[:] = [counts[0] + sum(bad) - sum(counts[1:]), *bad]

    def _begin(self, note: dict[str, Any]) -> None:
        if note["head"] > FORMAT:
            raise StateError(
                f"its notes are of format {note['head']}, this release knows up to {FORMAT}; use a newer one"
            )
        self.__init__()  # type: ignore[misc]
        self.epoch, self.next = note["epoch"], note["next"]
        self.counts = {device: counts for device, *counts in note["k"]}
        self.before = {device: counts for device, *counts in note["y"]}
        self.owed = {epoch: {device: counts for device, *counts in told} for epoch, told in note["o"]}
        self.known = {link: last for link, *last in note["z"]}

    def dump(
        self,
        counts: Counts | None = None,
        known: dict[int, list[int]] | None = None,
        positions: Mapping[int, int] = MappingProxyType({}),
    ) -> list[bytes]:
        """The notes that make up this state; `counts`, `known`, `positions` by slot: in the place of ours, if given."""
        self.settle()
        ways = self.ways.items()
        last = [[slot, way.last] for slot, way in ways if way.last]
        tails = [[slot, way.base, way.tail, way.splitter] for slot, way in ways if way.splitter]
        note = {
            "head": FORMAT,
            "epoch": self.epoch,
            "next": self.next,
            "n": self.tick,
            "t": [self.utc, self.monotonic],
            "w": [[slot, *way.handed] for slot, way in ways],
            "p": list(self.ways),
            "q": [positions.get(slot, way.position) for slot, way in ways],
            "s": tails,
            "d": last,
            "l": [[slot, *key, *link.told()] for slot, way in ways for key, link in way.links.items()],
            "e": self.ended,
            "u": self.unknown,
            "a": [[link, *run] for link, run in self.astray.items()],
            "k": _listed(self.counts if counts is None else counts),
            "y": _listed(self.before),
            "o": [[epoch, _listed(owed)] for epoch, owed in self.owed.items()],
            "z": _listed(self.known if known is None else known),
        }
        return [msgpack.packb(note)]

    # ── words ───────────────────────────────────────────────────────────────────────────────────────────────

    def word(self, epoch: int, number: int, parts: Sequence[Any]) -> None:
        """Take a word that was said: its rows are counted, its counts are the last ones."""
        if epoch != self.epoch or number < self.next:
            return
        self.next = number + 1
        tag = bytes(parts[0])
        if tag == Measurements.TAG:  # type: ignore[attr-defined]
            self._rows.append(
                (
                    np.frombuffer(parts[MEA_DEVICE], "<u4"),
                    np.frombuffer(parts[MEA_TIME], "<i8"),
                    np.frombuffer(parts[MEA_ARRIVAL], "<i8"),
                    np.frombuffer(parts[MEA_ASIDE], "|u1"),
                )
            )
        elif tag == Tally.TAG:  # type: ignore[attr-defined]
            self._tallied(wire.unpack(parts))

    def _tallied(self, tally: Tally) -> None:
        self.settle()
        if tally.of:
            self.owed.pop(tally.of, None)
            return
        columns = (tally.received, tally.corrupt, tally.refused, tally.lost)
        counts = np.column_stack(columns).tolist()
        self.counts.update(zip(tally.device.tolist(), counts, strict=True))

    def settle(self) -> None:
        """Count the rows of words since the last time."""
        if not self._rows:
            return
        device, time, arrival, aside = (np.concatenate(column) for column in zip(*self._rows, strict=True))
        self._rows = []
        for each, rows in zip(*(column.tolist() for column in np.unique(device, return_counts=True)), strict=True):
            self.counts.setdefault(each, [0, 0, 0, 0])[0] += rows
        good = aside == 0
        links, time, arrival = source_of(device[good])[::-1], time[good][::-1], arrival[good][::-1]
        links, last = np.unique(links, return_index=True)
        for link, at, came in zip(links.tolist(), time[last].tolist(), arrival[last].tolist(), strict=True):
            self.known[link] = [at, came]

    # ── lives ───────────────────────────────────────────────────────────────────────────────────────────────

    def live_on(self, epoch: int, utc: int, monotonic: int) -> None:
        """A new epoch begins: the counts of the one before are to be told, ours begin at zero."""
        if epoch == self.epoch:
            return
        self.settle()
        self.utc, self.monotonic = utc, monotonic
        if any(any(counts) for counts in self.counts.values()):
            self.owed[self.epoch] = self.counts
        for device, counts in self.counts.items():
            former = self.before.get(device, [0, 0, 0, 0])
            self.before[device] = [a + b for a, b in zip(former, counts, strict=True)]
        self.epoch, self.next, self.counts = epoch, 0, {}

    def tallies(self) -> Iterator[Tally]:
        """The last counts of earlier epochs that were not told."""
        for epoch, counts in self.owed.items():
            table = np.array(list(counts.values()), np.int64).reshape(len(counts), 4)
            received, corrupt, refused, lost = table.T.copy()
            yield Tally(np.array(list(counts), np.uint32), received, corrupt, refused, lost, of=epoch)


def source_of(device: NDArray[np.uint32]) -> NDArray[np.int64]:
    """[n] which rows of devices [n] come in one sequence: the number of their link, and beyond 65535 that of a
    spectrum of it."""
    spectrum = device % STATIONS_PER_LINK // STATIONS_PER_SPECTRUM
    return np.asarray(device // STATIONS_PER_LINK + spectrum * SOURCES, np.int64)


def packed(slots: NDArray[np.int64], positions: NDArray[np.int64]) -> list[bytes]:
    """Positions [n] of streams by slot [n], as a note has many."""
    return [slots.astype("<u4").tobytes(), positions.astype("<i8").tobytes()]


def unpacked(slots: bytes, positions: bytes) -> tuple[list[int], list[int]]:
    """(slots, positions) of `packed`."""
    return np.frombuffer(slots, "<u4").tolist(), np.frombuffer(positions, "<i8").tolist()


def _listed(table: dict[int, list[int]]) -> list[list[int]]:
    return [[key, *values] for key, values in table.items()]


def replay(records: Iterable[Record]) -> State:
    """The state that a journal's records make up. Raises StateError."""
    state = State()
    for record in records:
        if isinstance(record, Note):
            state.apply(msgpack.unpackb(record.data, strict_map_key=False))
        elif isinstance(record, Word):
            state.word(record.epoch, record.number, record.parts)
    state.settle()
    return state
