"""DATA frames of all simulated devices: those of one layout are encoded in one call."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocol.c37118 import Bank, Codec, StationRows, fractions
from protocol.clock import slot_time

I8 = NDArray[np.int64]


@dataclass(frozen=True)
class Pick:
    """What is sent of one station."""

    place: int
    """Its place among those that are simulated."""
    columns: tuple[int, ...]
    """Of its values."""
    words: tuple[int, ...]
    """Of its digital words."""

    def of(self, rows: StationRows) -> StationRows:
        """The rows, as far as they are sent."""
        return StationRows(rows.status, rows.values[:, list(self.columns)], rows.digital[:, list(self.words)])


@dataclass(frozen=True)
class Stream:
    """What one device sends."""

    codec: Codec
    picks: tuple[Pick, ...] | None = None
    """Of each of its stations; None: all that is simulated."""
    every: int = 1
    """Every which reporting instant since 1970."""

    @property
    def group(self) -> Hashable:
        """Streams of one group are encoded together."""
        return self.codec.layout, self.picks, self.every

    def of(self, rows: Sequence[StationRows]) -> Sequence[StationRows]:
        """The rows of each station, as far as they are sent."""
        return rows if self.picks is None else [pick.of(rows[pick.place]) for pick in self.picks]


@dataclass
class _Group:
    like: Stream
    bank: Bank
    members: I8
    """Devices in the bank, in its order."""


class Streams:
    """The streams of all devices, which are counted from 0."""

    def __init__(self, rate: int, streams: Sequence[Stream]) -> None:
        """rate: of the reporting instants."""
        self._rate = rate
        self._streams = list(streams)
        self._groups: list[_Group] | None = None

    def replace(self, number: int, stream: Stream) -> None:
        """A device sends something else from now on."""
        before, self._streams[number] = self._streams[number], stream
        if self._groups is None or before.group != stream.group:
            self._groups = None
            return
        group = next(group for group in self._groups if group.like.group == stream.group)
        group.bank.replace(int(np.searchsorted(group.members, number)), stream.codec)

    def encode(self, rows: Sequence[StationRows], slot: int, shift: I8, only: int | None = None) -> list[bytes]:
        """The frame of every device (of one only) for a slot; empty where it sends none.

        rows: of each simulated station, one row a device. shift: [n] ns that the devices' clocks are wrong by.
        """
        frames = [b""] * len(self._streams)
        for group in self._grouped():
            if slot % group.like.every:
                continue
            which = np.arange(len(group.members))
            if only is not None:
                which = which[group.members == only]
            members = group.members[which]
            if len(members):
                for number, frame in zip(members.tolist(), self._frames(group, rows, slot, shift, which), strict=True):
                    frames[number] = frame
        return frames

    def _frames(self, group: _Group, rows: Sequence[StationRows], slot: int, shift: I8, which: I8) -> list[bytes]:
        members = group.members[which]
        if len(members) < len(self._streams):
            rows = [StationRows(each.status[members], each.values[members], each.digital[members]) for each in rows]
        time = int(slot_time(slot, self._rate)) + shift[members]
        soc, fraction = fractions(time, group.bank.codecs[0].cfg.time_base)
        return group.bank.encode(group.like.of(rows), soc, fraction, 0, which)

    def _grouped(self) -> list[_Group]:
        if self._groups is None:
            numbers: dict[Hashable, list[int]] = {}
            for number, stream in enumerate(self._streams):
                numbers.setdefault(stream.group, []).append(number)
            self._groups = [self._group(each) for each in numbers.values()]
        return self._groups

    def _group(self, numbers: list[int]) -> _Group:
        first, *others = (self._streams[number] for number in numbers)
        bank = first.codec.bank()
        for each in others:
            bank.add(each.codec)
        return _Group(first, bank, np.array(numbers, np.int64))
