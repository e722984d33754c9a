"""Which configuration is in force for a DATA frame of a stream, among those whose frames of its kind have its size:

1. the last one before it in its own flow;
2. else the first one after it in its own flow (the capture began, or the device changed, before it was asked);
3. else the same two of the other flows from the same address (configuration over TCP, data over UDP);
4. CFG-1 says what a device could send, not what it sends: it is used only where a flow has no other kind;
5. where the protocol has downloads of configurations, what others told this address counts as told by it, and CFG-1
   is used where no configuration of another kind has the size.

A configuration that adds nothing to the one before it (the CFG-2 of a known CFG-3) does not take its place, as in
a live session. A frame for which there is none is counted as without configuration.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from protocol.c37118.configuration import ConfigurationFrame
from protocol.c37118.dialect import Dialect, Kind

if TYPE_CHECKING:
    from protocol.c37118.offline import Sender


class Shelf:
    """Configurations of one stream of one flow or address, in order of their positions."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._positions: list[int] = []
        self._held: list[ConfigurationFrame] = []
        self._by_kind: dict[Kind, tuple[list[int], list[ConfigurationFrame]]] = {}

    def put(self, position: int, configuration: ConfigurationFrame) -> None:
        """All are put before the first is looked for."""
        at = bisect_right(self._positions, position)
        if at and self._dialect.told_already(self._held[at - 1], configuration):
            configuration = self._held[at - 1]
        self._positions.insert(at, position)
        self._held.insert(at, configuration)

    def find(self, position: int, kind: Kind) -> ConfigurationFrame | None:
        """What such a frame is read with by the last one before the position that has any, else the first after it."""
        if not self._by_kind:
            for where, configuration in zip(self._positions, self._held, strict=True):
                for each, reading in self._dialect.readings(configuration).items():
                    positions, held = self._by_kind.setdefault(each, ([], []))
                    positions.append(where)
                    held.append(reading)
        positions, held = self._by_kind.get(kind, ([], []))
        return held[max(bisect_left(positions, position) - 1, 0)] if held else None


class Shelves:
    """Shelves by stream; CFG-1 apart, for want of better."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._binding: dict[int, Shelf] = {}
        self._capability: dict[int, Shelf] = {}

    def put(self, position: int, configuration: ConfigurationFrame) -> None:
        shelves = self._capability if configuration.kind == 1 else self._binding
        stream = self._dialect.stream_of(configuration)
        shelves.setdefault(stream, Shelf(self._dialect)).put(position, configuration)

    def find(self, stream: int, position: int, kind: Kind) -> ConfigurationFrame | None:
        shelf = self._binding.get(stream) or self._capability.get(stream)
        return shelf.find(position, kind) if shelf else None

    def binding(self, stream: int, position: int, kind: Kind) -> ConfigurationFrame | None:
        """Of no CFG-1."""
        return self._binding[stream].find(position, kind) if stream in self._binding else None

    def capability(self, stream: int, position: int, kind: Kind) -> ConfigurationFrame | None:
        """Of CFG-1 alone."""
        return self._capability[stream].find(position, kind) if stream in self._capability else None


def assign(senders: list[Sender]) -> None:
    """Fill in `in_force` of all senders."""
    by_address: dict[tuple[str, str], Shelves] = {}

    def of(address: str, dialect: Dialect) -> Shelves:
        return by_address.setdefault((address, dialect.name), Shelves(dialect))

    for sender in senders:
        for number, configuration in sender.configurations.items():
            time = sender.pieces[number].time
            of(sender.flow.source, sender.dialect).put(time, configuration)
            if sender.dialect.negotiated and sender.flow.destination:
                of(sender.flow.destination, sender.dialect).put(time, configuration)
    for sender in senders:
        own = Shelves(sender.dialect)
        for number, configuration in sender.configurations.items():
            own.put(number, configuration)
        _assign_own(sender, own, of(sender.flow.source, sender.dialect))


def _assign_own(sender: Sender, own: Shelves, others: Shelves) -> None:
    for number, piece in enumerate(sender.pieces):
        rows = sender.dialect.carries(piece.frame) if piece.frame else None
        if rows is None:
            continue
        stream, kind = sender.dialect.stream(piece.frame), (rows, len(piece.frame))
        here, there = (stream, number, kind), (stream, piece.time, kind)
        if sender.dialect.negotiated:
            found = own.binding(*here) or others.binding(*there) or own.capability(*here) or others.capability(*there)
        else:
            found = own.find(*here) or others.find(*there)
        if found is not None:
            sender.in_force[number] = found
