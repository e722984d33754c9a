"""The rows of an export, some megabytes at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archive import layout
from archive.exports.plan import Sheet, Track, present
from archive.exports.wishes import Wish
from archive.parts import Rows
from archive.picking import Pick
from archive.spans import BLOCK
from protocol import clock

WIDE = 4 * BLOCK
"""Bytes read at a time where all tracks are read together: a block of many tracks is short, and every chunk of a file,
which has some minutes, is unpacked anew for each block that has a part of it."""
SPARSE = 3
"""Channels are read one by one where no more than one in so many is wanted."""


class Part(NamedTuple):
    """What a block has of one track."""

    track: Track
    present: NDArray[np.bool_]
    """[n]"""
    offset: NDArray[np.int64]
    """[n] own time of a row minus that of its slot, ns"""
    values: NDArray[np.float32]
    """[n, v] of its channels in the field `values`; NaN where there is no row, or the device said invalid"""
    status: NDArray[np.uint16]
    quality: NDArray[np.uint8]
    """[n] each, only where present"""
    digital: NDArray[np.uint16]
    """[n, d] of its channels in the field `digital`"""


class Block(NamedTuple):
    """Some instants of one table."""

    time: NDArray[np.int64]
    """[n] ns UTC of the slots; at each of them a track has a row"""
    parts: list[Part]

    @property
    def rows(self) -> int:
        return sum(int(part.present.sum()) for part in self.parts)


class Order(Enum):
    """What comes after what; of each track the rows come in order of time."""

    TOGETHER = 1
    """All tracks of a table at once, in order of time."""
    BY_HOUR = 2
    """Hour by hour, some tracks after the others."""
    BY_TRACK = 3
    """Some tracks from beginning to end, then the next ones; every hour is opened again for them."""


def read(sheet: Sheet, wish: Wish, order: Order) -> Iterator[Block]:
    """The rows of a table."""
    for window, tracks in _turns(sheet, order):
        columns = sum(len(track.columns) for track in tracks)
        limit = WIDE if order is Order.TOGETHER else BLOCK
        step = max(1, min(sheet.hour, limit // (layout.row_bytes(sheet.table) * columns)))
        for low in range(*window, step):
            block = _block(sheet, tracks, low, min(low + step, window[1]), wish)
            if len(block.time):
                yield block


def _turns(sheet: Sheet, order: Order) -> Iterator[tuple[tuple[int, int], list[Track]]]:
    """(slots, tracks) that are read in one turn."""
    many = max(1, BLOCK // (layout.row_bytes(sheet.table) * sheet.hour))  # so many that an hour of them is a block
    some = [sheet.tracks[at : at + many] for at in range(0, len(sheet.tracks), many)]
    if order is Order.BY_TRACK:
        yield from ((window, tracks) for tracks in some for window in sheet.windows)
    else:
        batches = [sheet.tracks] if order is Order.TOGETHER else some
        yield from ((window, tracks) for window in sheet.windows for tracks in batches)


def _block(sheet: Sheet, tracks: Sequence[Track], low: int, high: int, wish: Wish) -> Block:
    """What there is at the slots [low, high)."""
    columns = [column for track in tracks for column in track.columns]
    wanted = sum(1 for track in tracks for channel in track.channels if channel.field == "values")
    if wanted * SPARSE <= sheet.table.channels * len(tracks):
        fields = _few(sheet, tracks, low, high)
    else:
        fields = sheet.rows.block(columns, low, high)
    here = present(fields, sheet.table.rate, low, wish)
    slots = np.flatnonzero(here.any(axis=0))
    time: NDArray[np.int64] = clock.slot_time(low + slots, sheet.table.rate)
    starts = np.cumsum([0, *(len(track.columns) for track in tracks)]).tolist()
    return Block(time, [_part(track, fields, here, slots, first) for track, first in zip(tracks, starts, strict=False)])


def _few(sheet: Sheet, tracks: Sequence[Track], low: int, high: int) -> Rows:
    """As a whole block, with only those channels and words filled that are wanted."""
    columns = [column for track in tracks for column in track.columns]
    found = sheet.rows.block(columns, low, high, Pick("status"))
    found |= sheet.rows.block(columns, low, high, Pick("quality"))
    shape, table = (len(columns), high - low), sheet.table
    found["values"] = np.full((*shape, table.channels), np.nan, np.float32)
    found["digital"] = np.zeros((*shape, table.digitals), np.uint16)
    wanted = [(column, track.channels) for track in tracks for column in track.columns]
    for row, (column, channels) in enumerate(wanted):
        for channel in channels:
            if channel.field in ("values", "digital"):
                block = sheet.rows.block([column], low, high, Pick(channel.field, channel.at))
                found[channel.field][row, :, channel.at] = block[channel.field][0]
    return found


def _part(track: Track, fields: Rows, here: NDArray[np.bool_], slots: NDArray[np.int64], first: int) -> Part:
    """Rows of a track, whose columns stand in the block from `first` on; where two have one, the earlier speaks."""
    mine = here[first : first + len(track.columns)][:, slots]
    speaks = mine.argmax(axis=0) + first
    there = np.asarray(mine.any(axis=0))

    def taken(name: str, fill: float) -> NDArray[Any]:
        wanted = [channel.at for channel in track.channels if channel.field == name]
        if name not in fields:  # a table without words
            return np.zeros((len(slots), 0), np.uint16)
        rows: NDArray[Any] = fields[name][speaks, slots]
        rows = rows[:, wanted] if name in ("values", "digital") else rows
        rows[~there] = fill
        return rows

    return Part(track, there, taken("offset", 0).astype(np.int64), taken("values", np.nan), taken("status", 0),
                taken("quality", 0), taken("digital", 0))  # fmt: skip
