"""A receiver's rows: DATA frames of one tick in, columns per table out; and its books, per device, in rows.

What comes in one sequence with one codec is a *link* here: a link of the site by its number, or one of its spectra,
`SOURCES` beyond that or twice as much.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms.columns import Columns
from algorithms.plausibility import Plausible
from nodes._state import SOURCES
from protocol.c37118 import Batch, Codec
from protocol.clock import Now
from protocol.messages import STATIONS_PER_LINK, STATIONS_PER_SPECTRUM, Measurements, Table, Tally, device_number

I8 = NDArray[np.int64]
U1 = NDArray[np.uint8]

RECEIVED, CORRUPT, REFUSED, LOST = range(4)
COLUMNS = ("received", "corrupt", "refused", "lost")
COUNT_AT_ONCE = 100
"""Words whose rows are counted together."""


class _Layout:
    """Links whose frames can be decoded together, and their frames of this tick."""

    def __init__(self, first: Codec) -> None:
        self.frames: list[bytes] = []
        self.origin: list[int] = []
        """Link of each frame."""
        self.blocks: list[tuple[U1, I8]] = []
        """Frames [n, size] that came together, and their links [n]."""
        self._bank = first.bank()
        self._free = [0]
        """Places in the bank that no link has."""
        self._place = np.full(1, -1, np.intp)
        """Link -> place in the bank; -1: it is not of this layout."""

    def enter(self, link: int, codec: Codec) -> None:
        if self._free:
            place = self._free.pop()
            self._bank.replace(place, codec)
        else:
            place = self._bank.add(codec)
        if link >= self._place.size:
            self._place = np.append(self._place, np.full(link + 1, -1, np.intp))
        self._place[link] = place

    def leave(self, link: int) -> None:
        self._free.append(int(self._place[link]))
        self._place[link] = -1

    @property
    def deserted(self) -> bool:
        """No link is of this layout any more."""
        return len(self._free) == len(self._bank.codecs)

    def decode(self) -> tuple[Batch, I8, list[Table]]:
        """This tick's frames: (batch, link of each row, tables of the stations). The frames are gone afterwards."""
        origin = [np.array(self.origin, np.int64)] if self.frames else []
        links = _joined([*origin, *(links for _, links in self.blocks)])
        blocks: list[Any] = [frames.reshape(-1).data for frames, _ in self.blocks]
        joined = b"".join([*self.frames, *blocks]) if self.frames or len(blocks) > 1 else blocks[0]
        batch = self._bank.decode(joined, self._place[links])
        self.frames, self.origin, self.blocks = [], [], []
        return batch, links, self._bank.codecs[0].tables

    @property
    def waiting(self) -> bool:
        """Whether there are frames."""
        return bool(self.frames or self.blocks)


class Rows:
    """Collects the DATA frames of a tick and turns them into `Measurements`, one per table."""

    def __init__(self, books: Books, plausible: Plausible) -> None:
        self._books, self._plausible = books, plausible
        self._layouts: dict[Hashable, _Layout] = {}
        self._layout_of: dict[int, _Layout] = {}

    def configure(self, link: int, codec: Codec) -> None:
        """From now on frames of this link are of this codec. Take what was collected before (`columns`) first."""
        self.forget(link)
        layout = self._layouts.get(codec.layout)
        if layout is None:
            layout = self._layouts[codec.layout] = _Layout(codec)
        layout.enter(link, codec)
        self._layout_of[link] = layout

    def forget(self, link: int) -> None:
        """The link has no configuration any more; its frames must have been taken."""
        layout = self._layout_of.pop(link, None)
        if layout is None:
            return
        layout.leave(link)
        if layout.deserted:
            self._layouts = {key: each for key, each in self._layouts.items() if each is not layout}

    def add(self, link: int, frames: list[bytes]) -> None:
        """DATA frames of a configured link, each of its codec's size, in order of arrival."""
        layout = self._layout_of[link]
        layout.frames += frames
        layout.origin += [link] * len(frames)

    def add_block(self, layout: Hashable, frames: U1, links: I8) -> None:
        """DATA frames [n, size] of configured links [n] whose codecs are of one layout; copied by `columns`."""
        if links.size:
            self._layouts[layout].blocks.append((frames, links))

    @property
    def waiting(self) -> bool:
        """Whether there are frames to take."""
        return any(layout.waiting for layout in self._layouts.values())

    def columns(self, now: Now) -> Iterator[tuple[Measurements, I8]]:
        """What was collected, decoded: (rows of one table, STAT bits seen per row's link as [n] links)."""
        tables: dict[Table, list[tuple[I8, Batch, int, NDArray[np.uint8]]]] = {}
        for layout in [each for each in self._layouts.values() if each.waiting]:
            batch, links, shapes = layout.decode()
            arrival = np.full(links.size, now.monotonic, np.int64)
            aside = self._plausible.judge(batch.time, arrival, links)
            for station, table in enumerate(shapes):
                tables.setdefault(table, []).append((links, batch, station, aside))
        for table, pieces in tables.items():
            yield self._measurements(table, pieces, now)

    def _measurements(
        self, table: Table, pieces: list[tuple[I8, Batch, int, NDArray[np.uint8]]], now: Now
    ) -> tuple[Measurements, I8]:
        links = _joined([piece[0] for piece in pieces])
        device = _joined([_first_device(piece[0]) + piece[2] for piece in pieces]).astype(np.uint32)
        rows = [piece[1].stations[piece[2]] for piece in pieces]
        self._books.receive(device)
        message = Measurements(
            table=table.key,
            device=device,
            time=_joined([piece[1].time for piece in pieces]),
            arrival=np.full(device.size, now.utc, np.int64),
            snapped=_joined([piece[1].snapped for piece in pieces]),
            quality=_joined([piece[1].quality for piece in pieces]),
            status=_joined([row.status for row in rows]),
            aside=_joined([piece[3] for piece in pieces]),
            values=_joined([row.values for row in rows]),
            digital=_joined([row.digital for row in rows]),
        )
        return message, links


def _first_device(links: I8) -> I8:
    """[n] device number of the first station of links [n]."""
    if links.max(initial=0) < SOURCES:
        return links * STATIONS_PER_LINK
    return links % SOURCES * STATIONS_PER_LINK + links // SOURCES * STATIONS_PER_SPECTRUM


def _joined(pieces: list[NDArray[Any]]) -> NDArray[Any]:
    """One array; it is not copied where there is but one."""
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


class Books:
    """Counts per device since the receiver started, in rows; see `messages.Tally`."""

    def __init__(self) -> None:
        self._columns = Columns()
        """Of devices: their rows in the counts."""
        self._counts = np.zeros((0, len(COLUMNS)), np.int64)
        self._told = self._counts.copy()
        self._bad: set[int] = set()
        """Devices with frames that never became rows, since `take_bad`."""
        self._rows: list[NDArray[np.uint32]] = []
        """Devices of rows that are not counted yet: that is done for many ticks at once."""

    def receive(self, device: NDArray[np.uint32]) -> None:
        """One row more for each entry of `device` [n] (a device may stand in it many times)."""
        self._rows.append(device)
        if len(self._rows) >= COUNT_AT_ONCE:
            self._count()

    def _count(self) -> None:
        if self._rows:
            rows, self._rows = self._rows, []
            unique, times = np.unique(np.concatenate(rows), return_counts=True)
            places = self._places(unique)  # before self._counts is looked at: it may grow
            self._counts[places, RECEIVED] += times

    def add(self, link: int, stations: int, column: int, frames: int) -> None:
        """Frames of a link that never became rows: as many rows of each station, of station 0 if there is none."""
        if frames:
            devices = np.array([device_number(link, k) for k in range(max(stations, 1))], np.uint32)
            places = self._places(devices)
            self._counts[places, column] += frames
            self._counts[places, RECEIVED] += frames
            self._bad.update(devices.tolist())

    def take_bad(self) -> list[list[int]]:
        """[device, corrupt, refused, lost] of those for which `add` was called since the last time."""
        if not self._bad:
            return []
        bad, self._bad = self._bad, set()
        counts = self._counts[self._places(np.array(sorted(bad), np.uint32)), CORRUPT:].tolist()
        return [[device, *bad_of] for device, bad_of in zip(sorted(bad), counts, strict=True)]

    def _places(self, devices: NDArray[np.uint32]) -> I8:
        """[n] rows of `devices` [n] in the counts."""
        places = self._columns.of(devices)
        if more := len(self._columns) - len(self._counts):
            self._counts, self._told = (np.pad(each, ((0, more), (0, 0))) for each in (self._counts, self._told))
        return places

    def changed(self) -> Tally | None:
        """The counts of devices whose counts have changed since the last call; None if none has."""
        self._count()
        rows = np.flatnonzero((self._counts != self._told).any(axis=1))
        if not rows.size:
            return None
        self._told = self._counts.copy()
        received, corrupt, refused, lost = self._counts[rows].T.copy()
        return Tally(self._columns.numbers[rows], received, corrupt, refused, lost)

    @property
    def devices(self) -> NDArray[np.uint32]:
        """[n]"""
        self._count()
        return self._columns.numbers

    @property
    def counts(self) -> I8:
        """[n, 4] in the order of `COLUMNS`."""
        self._count()
        return self._counts
