"""What an output stream tells: which devices and channels, and where they stand in its frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nodes._outrates import LONGEST, RESELECT, Way, fits_grid, ratio_of, way_of
from nodes._outstations import IDCODE, STATION, Chosen, Format, OwnNames, station_of
from nodes._patterns import matches
from protocol.c37118 import ConfigurationFrame, Station
from protocol.messages import FIXED_CHANNELS, Configuration, Table

MAX_FRAME, MAX_DATAGRAM = 65_535, 65_507
"""Bytes of a frame, and of one that goes over UDP."""


@dataclass(frozen=True)
class Choice:
    """What of all that comes is told; patterns as of file names, `*` and `?`."""

    devices: list[str]
    """By the name in the site file or their own."""
    channels: list[str]
    """Of phasors, analogs, and digital words (any of their labels)."""
    rate: int | None
    """DATA_RATE told; None: that of most devices."""

    def takes(self, known: Configuration) -> bool:
        """Whether a device is told: C37.118 has no frames for spectra."""
        return not Table(*known.table).spectrum and matches((known.link, known.name), self.devices)

    def of(self, known: Configuration) -> Chosen:
        """Which channels of a device are told."""

        def those(names: Iterable[Iterable[str]]) -> tuple[int, ...]:
            return tuple(k for k, each in enumerate(names) if matches(each, self.channels))

        return Chosen(
            those([name] for name in known.phasors), those([name] for name in known.analogs), those(known.digitals)
        )

    def vain(self, known: Iterable[Configuration]) -> list[str]:
        """Patterns that no device, or no channel of a device that is told, answers to."""
        words = list(known)
        told = [word for word in words if self.takes(word)]
        names = {name for word in words for name in (word.link, word.name)}
        labels = {label for word in told for label in labels_of(word)}
        found = [each for each in self.devices if not matches(names, [each])]
        return found + [each for each in self.channels if told and not matches(labels, [each]) and each != "*"]


def labels_of(word: Configuration) -> Iterator[str]:
    """Names of all channels of a device."""
    yield from (*word.phasors, *word.analogs, *(each for digital in word.digitals for each in digital))


@dataclass(frozen=True)
class Part:
    """Devices of one table, from which the same channels are told."""

    table: Table
    devices: NDArray[np.uint32]
    """[m] in the order of the stream."""
    channels: NDArray[np.intp]
    """[c] which of the table's value channels."""
    digitals: NDArray[np.intp]
    """[d] which of its digital words."""
    way: Way = RESELECT
    """How its rows come to the instants of the stream."""
    rate: int = 0
    """DATA_RATE that they have then; 0: the table's own."""

    @property
    def pace(self) -> int:
        """DATA_RATE of the rows that are told."""
        return self.rate or self.table.rate

    def same_as(self, other: Part) -> bool:
        """Whether the same is read from the same rows."""
        mine, theirs = (
            [each.table, *(array.tolist() for array in (each.devices, each.channels, each.digitals))]
            for each in (self, other)
        )
        return mine == theirs


@dataclass(frozen=True)
class Layout:
    """An output stream as it is told at a time."""

    cfg: ConfigurationFrame
    parts: list[Part]
    """Their stations stand in `cfg` in this order; parts with the same shape stand together only by chance."""
    left_out: list[str]
    """Devices that there is no room for, by name."""
    off_grid: list[str]
    """Devices whose instants are not on the stream's grid, by name: some of their rows, or most, are not told."""

    unfiltered: list[str] = field(default_factory=list)
    """Devices that are too fast for a filter, by name."""

    def same_as(self, other: Layout) -> bool:
        """Whether nothing differs for a client, and all is read from the same rows."""
        pairs = zip(self.parts, other.parts, strict=False)
        alike = len(self.parts) == len(other.parts) and all(mine.same_as(theirs) for mine, theirs in pairs)
        return self.cfg == other.cfg and alike

    @property
    def devices(self) -> set[int]:
        """All that are told."""
        return {device for part in self.parts for device in part.devices.tolist()}


@dataclass(frozen=True)
class Stream:
    """What the settings say of a stream, whoever is in it."""

    idcode: int
    version: int
    time_base: int
    choice: Choice
    format: Format
    limit: int = MAX_FRAME
    """Bytes of a frame."""
    convert: tuple[str, ...] = ()
    """How rows of other rates are brought to this stream's, besides leaving some out: `filter`, `interpolate`."""
    rename: Mapping[str, OwnNames] = field(default_factory=dict)
    """Names that devices, by the one in the site file or their own, are told by."""

    @property
    def empty(self) -> ConfigurationFrame:
        """Before anybody is known."""
        return self._frame([], 1)

    def layout(self, known: Mapping[int, Configuration], former: set[int] | None = None) -> Layout | None:
        """The stream of these devices, ascending by table and number; None if there is none.

        What a CFG-2 or a DATA frame can't tell is left out: devices that were not in it before (`former`), and of
        these the last.
        """
        told = [each for _, each in sorted(known.items()) if self.choice.takes(each)]
        if not told:
            return None
        rate = self.choice.rate or _usual(each.table[0] for each in told)
        ways = {each.device: way_of(each.table[0], rate, self.convert) for each in told}
        stations = {
            each.device: station_of(
                each, self.choice.of(each), self.format, ways[each.device].flags, self.own_names(each)
            )
            for each in told
        }
        stays = self._fitting(stations, former or set(), rate)
        staying = [each for each in told if each.device in stays]
        parts: dict[tuple[Table, Chosen], list[Configuration]] = {}
        for each in staying:
            parts.setdefault((Table(*each.table), self.choice.of(each)), []).append(each)
        ordered = sorted(parts.items(), key=lambda item: item[0])
        if not ordered:
            return None
        cfg = self._frame([stations[each.device] for _, group in ordered for each in group], rate)
        return Layout(
            cfg,
            [_part(table, chosen, group, rate, ways[group[0].device]) for (table, chosen), group in ordered],
            [each.link for each in told if each.device not in stays],
            [each.link for each in staying if not _told_whole(each.table[0], rate, ways[each.device])],
            [each.link for each in staying if "filter" in self.convert and ratio_of(each.table[0], rate) > LONGEST],
        )

    def own_names(self, known: Configuration) -> OwnNames:
        """What a device is called in this stream, where it has another name."""
        return {**self.rename.get(known.name, {}), **self.rename.get(known.link, {})}

    def vain(self, known: Iterable[Configuration]) -> list[str]:
        """What nothing answers to: patterns of the choice, devices and channels to be renamed."""
        words = list(known)
        found = self.choice.vain(words)
        for device, own in self.rename.items():
            named = [word for word in words if device in (word.link, word.name)]
            labels = {label for word in named for label in labels_of(word)}
            found += [each for each in own if named and each not in labels and each not in (STATION, IDCODE)]
            found += [] if named else [device]
        return found

    def _frame(self, stations: list[Station], rate: int) -> ConfigurationFrame:
        return ConfigurationFrame(
            stream=self.idcode,
            version=self.version,
            kind=2,
            time_base=self.time_base,
            rate=rate,
            stations=tuple(stations),
        )

    def _fitting(self, stations: Mapping[int, Station], former: set[int], rate: int) -> set[int]:
        """Devices that there is room for."""
        none = self._frame([], rate)
        told, data, stays = none.told_size, none.data_size, set()
        for device in sorted(stations, key=lambda device: (device not in former, device)):
            station = stations[device]
            if max(told + station.told_size, data + station.data_size) <= self.limit:
                told, data = told + station.told_size, data + station.data_size
                stays.add(device)
        return stays


def _part(table: Table, chosen: Chosen, group: list[Configuration], rate: int, way: Way) -> Part:
    ends = [FIXED_CHANNELS + 2 * k + part for k in chosen.phasors for part in (0, 1)]
    first_analog = FIXED_CHANNELS + 2 * table.phasors
    channels = [*range(FIXED_CHANNELS), *ends, *(first_analog + k for k in chosen.analogs)]
    return Part(
        table,
        np.array([each.device for each in group], np.uint32),
        np.array(channels, np.intp),
        np.array(chosen.digitals, np.intp),
        way,
        rate if way.converts else 0,
    )


def _usual(rates: Iterable[int]) -> int:
    """The rate of most, of equals the fastest."""
    counts = Counter(rates)
    return max(counts, key=lambda rate: (counts[rate], rate))


def _told_whole(rate: int, told: int, way: Way) -> bool:
    """Whether no rows are left out but those between the instants of a slower stream."""
    return way.converts or fits_grid(rate, told)
