"""Rows that a device says twice: datagrams doubled on the way, a frame injected again.

The archive keeps such a row once and counts the others as `duplicate`; decoding a capture means the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archive.configurations import identity
from protocol.c37118 import Batch, StationRows
from protocol.c37118.offline import Part
from protocol.messages import Configuration


class Repeats:
    """Tells rows that a device has said before, to the byte: same station, configuration, time, quality, content."""

    def __init__(self) -> None:
        self.count = 0
        """Of rows."""
        self._described: dict[int, list[Configuration]] = {}
        self._seen: dict[tuple[int, str], set[bytes]] = {}
        self._sets: dict[tuple[int, int], list[set[bytes]]] = {}

    def described(self, part: Part) -> list[Configuration]:
        """The stations of a part's configuration."""
        stations = self._described.get(id(part.configuration))
        if stations is None:
            stations = self._described[id(part.configuration)] = part.sender.dialect.configurations(
                part.configuration, 0, "", 0
            )
        return stations

    def fresh(self, part: Part) -> list[NDArray[np.bool_]]:
        """[n] per station: whether the row is said for the first time."""
        key = part.device, id(part.configuration)
        if key not in self._sets:
            names = [identity(station) for station in self.described(part)]
            self._sets[key] = [self._seen.setdefault((part.device, name), set()) for name in names]
        pairs = zip(self._sets[key], part.batch.stations, strict=True)
        found = [_first(seen, _content(part.batch, told)) for seen, told in pairs]
        self.count += sum(int((~new).sum()) for new in found)
        return found


def _content(batch: Batch, told: StationRows) -> list[bytes]:
    """All that is archived of each row."""
    columns = (batch.time, batch.quality, told.status, told.values, told.digital)
    flat = [column.reshape(len(batch.time), -1) for column in columns]
    block = np.concatenate([np.ascontiguousarray(each).view(np.uint8) for each in flat], axis=1)
    return [row.tobytes() for row in block]


def _first(seen: set[bytes], content: list[bytes]) -> NDArray[np.bool_]:
    new = np.empty(len(content), bool)
    for place, row in enumerate(content):
        before = len(seen)
        seen.add(row)
        new[place] = len(seen) > before
    return new
