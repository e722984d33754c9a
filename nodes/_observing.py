"""What a concentrator says besides slots: how devices were in each minute, and which of their data were bad.

Both go by one stream to the archivers; flags of bad data go to who raises alarms, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from algorithms.alignment import Released
from algorithms.clockwatch import ClockWatch
from nodes._alignsettings import Settings
from nodes._archivestream import ArchiveStream, reader_of
from nodes._inspecting import Inspecting
from nodes._minutes import Statistics
from nodes._node import Actions, Place
from protocol.clock import Now
from protocol.messages import I8, Configuration, Durable, Fetch, Numbered, Table


class Observing:
    """See the module."""

    def __init__(self, settings: Settings) -> None:
        self.statistics = Statistics() if settings.statistics else None
        self.inspecting = Inspecting() if settings.flags else None
        self.stream: ArchiveStream | None = None

    def open(self, place: Place, now: Now) -> None:
        """Begin to say it, if there is anything. Raises JournalError."""
        if self.statistics or self.inspecting:
            readers, folder = place.readers_of, place.journal
            told = [*readers.get("archiver", ()), *map(reader_of, readers.get("alarms", ()))]
            self.stream = ArchiveStream(place.name, told, folder and folder / "minutes")
            self.stream.open(now)

    @property
    def drained(self) -> bool:
        """Whether its readers have all of it."""
        return self.stream is None or self.stream.writer.drained

    def asks(self, message: Fetch | Durable) -> bool:
        """Whether a reader's word is of this stream."""
        return self.stream is not None and self.stream.asks(message)

    def receive(self, message: Fetch | Durable, now: Now) -> Actions:
        """A reader's word that is of this stream."""
        return self.stream.receive(message, now) if self.stream else ()

    def wake_at(self) -> int | None:
        return self.stream.wake_at() if self.stream else None

    def wake(self, now: Now) -> Actions:
        return self.stream.wake(now) if self.stream else ()

    def close(self) -> None:
        if self.stream:
            self.stream.close()

    def alarms(self, known: Mapping[int, Configuration]) -> list[str]:
        """What a person should look at."""
        return [
            *(self.inspecting.alarms(known) if self.inspecting else ()),
            *(self.stream.writer.alarms if self.stream else ()),
        ]

    # ── rows ────────────────────────────────────────────────────────────────────────────────────────────────

    def arrived(self, device: NDArray[np.uint32], latency: I8, now: Now) -> None:
        """Rows [n] came, so late [ns]."""
        if self.statistics:
            self.statistics.arrived(device, latency, now)

    def inspect(self, table: Table, part: Released, marked: Iterable[int], late: bool = False) -> None:
        """Bad data are told by the rows as they came, before anything is done with them."""
        if self.inspecting:
            self.inspecting.push(table, part, marked, late)

    def released(self, told: Released) -> None:
        """Slots as they are told."""
        if self.statistics:
            self.statistics.released(told)

    # ── what is said ────────────────────────────────────────────────────────────────────────────────────────

    def say_minute(
        self, then: Now, known: Mapping[int, Configuration], counts: Mapping[str, Mapping[int, int]]
    ) -> None:
        """Statistics of a minute that is over; `counts` by name and device, since the start."""
        if self.statistics:
            self._put(self.statistics.turn(then, known, counts))

    def say_flags(self, utc: int, watch: ClockWatch, devices: Iterable[int]) -> None:
        """Bad data, if there is anything new."""
        if self.inspecting:
            self._put(self.inspecting.take(utc, watch, devices))

    def end(self) -> None:
        """No more rows come: what was bad has ended."""
        if self.inspecting:
            self._put(self.inspecting.flagging.end())

    def _put(self, word: Numbered | None) -> None:
        if self.stream and word:
            self.stream.put(word)
