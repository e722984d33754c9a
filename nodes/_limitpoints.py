"""What limits watch in the rows of one table: which values of which devices, and how they follow from the channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from algorithms.derived import taken
from algorithms.limits import Bounds
from algorithms.sequences import power, unbalance
from nodes._limitsettings import Limit
from nodes._patterns import matches
from nodes._sources import sources_of
from protocol.messages import FIXED_CHANNELS, Configuration, Snapshots, Spectrum, Table, spectrum_number
from protocol.threephase import ThreePhase, pairs, sets_of

F8 = NDArray[np.float64]
INVALID = np.uint16(0x8000)
"""STAT bit 15: the values are not to be used."""
PRESENT = 1
"""Of `Snapshots.present`: the device's own row of this slot."""
MEGA = 1e6
POWERS: dict[str, Callable[[NDArray[np.complex128]], F8]] = {
    "active power": lambda each: each.real,
    "reactive power": lambda each: each.imag,
    "apparent power": np.abs,
}
UNITS = {"voltage": "V", "current": "A"}


class Key(NamedTuple):
    """Of a point, whatever table and column it stands in."""

    limit: str
    device: int
    channel: str
    """"" where the device has but one."""


class Point(NamedTuple):
    """One value that is watched."""

    key: Key
    place: int
    """Of the device in the table's rows."""
    how: str
    """`copy`, `power`, `unbalance`, `thd`"""
    what: tuple[Any, ...]
    """The channels."""


def points_of(known: Configuration, place: int, limits: Sequence[Limit]) -> Iterator[Point]:
    """The points of one device."""
    spectrum = Table(*known.table).spectrum
    for limit in limits:
        if (limit.quantity == "thd") != (spectrum == Spectrum.HARMONICS) or spectrum == Spectrum.INTERHARMONICS:
            continue
        if limit.concerns([known.name, known.link], known.region):
            for channel, how, what in _of(known, limit):
                yield Point(Key(limit.name, known.device, channel), place, how, what)


def _of(known: Configuration, limit: Limit) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """(channel, how, what) of a device's values."""
    quantity = limit.quantity
    if quantity in ("frequency", "rocof"):
        yield "", "copy", (("frequency", "rocof").index(quantity),)
    elif quantity in UNITS:
        for phasor in _phasors(known, UNITS[quantity]):
            if matches([known.phasors[phasor]], limit.channels):
                yield known.phasors[phasor], "copy", (FIXED_CHANNELS + 2 * phasor,)
    elif quantity in POWERS:
        found = pairs(sets_of(known))
        for _, current in [each for each in found if matches([each[1].name], limit.channels)]:
            volts = next(volts for volts, amperes in found if amperes == current)
            name = current.name if len(found) > 1 else ""
            yield name, "power", (_channels(volts), _channels(current), quantity)
    elif quantity == "unbalance":
        volts_ = [each for each in sets_of(known) if each.unit == "V" and matches([each.name], limit.channels)]
        for each in volts_:
            yield each.name if len(volts_) > 1 else "", "unbalance", (_channels(each),)
    elif quantity == "analog":
        first = Table(*known.table).channels - len(known.analogs)
        for at, name in enumerate(known.analogs):
            if matches([name], limit.channels):
                yield name, "copy", (first + at,)
    elif quantity == "thd":
        yield from _distorted(known, limit)


def _phasors(known: Configuration, unit: str) -> list[int]:
    """The phases of a unit; where none are found the positive sequence, or all."""
    phases = [phasor for each in sets_of(known) if each.unit == unit for phasor in each.phasors]
    if phases:
        return phases
    sources = sources_of(known) if unit == "V" else None
    if sources is not None and sources.phasor is not None:
        return [(sources.phasor - FIXED_CHANNELS) // 2]
    return [place for place, told in enumerate(known.phasor_units) if told == unit]


def _channels(of: ThreePhase) -> tuple[int, ...]:
    return tuple(FIXED_CHANNELS + 2 * phasor for phasor in of.phasors)


def _distorted(known: Configuration, limit: Limit) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """Phasors of a table of harmonics: (first channel, places of the orders above 1, name) are `what`."""
    count = len(known.components)
    orders = [round(each) for each in known.components]
    for place, name in enumerate(known.phasors):
        if matches([name], limit.channels):
            first = FIXED_CHANNELS + 2 * place * count
            yield name, "thd", (first, tuple(at for at, order in enumerate(orders) if order > 1), name)


def bounds_of(points: Sequence[Point], limits: Mapping[str, Limit]) -> Bounds:
    """What the points are compared with."""
    own = [limits[point.key.limit] for point in points]
    return Bounds(
        np.array([each.at for each in own], np.float64).reshape(-1, 4),
        np.array([each.deadband for each in own], np.float64),
        *(np.array([getattr(each, name) for each in own], np.int64) for name in ("delay", "hold", "stale")),
    )


@dataclass
class Fundamentals:
    """The last magnitude of each phasor of devices whose harmonics are compared with it."""

    wanted: set[int] = field(default_factory=set)
    """Devices."""
    last: dict[tuple[int, str], float] = field(default_factory=dict)
    """(device, name of the phasor) -> V or A"""

    def note(self, word: Snapshots, known: Mapping[int, Configuration]) -> None:
        """Rows of a table of fundamentals."""
        mine = [place for place, device in enumerate(word.device.tolist()) if device in self.wanted]
        for place in mine:
            good = np.flatnonzero(usable(word)[:, place])
            configured = known.get(int(word.device[place]))
            if good.size and configured is not None:
                row = word.values[good[-1], place]
                for at, name in enumerate(configured.phasors):
                    self.last[configured.device, name] = float(row[FIXED_CHANNELS + 2 * at])


def usable(word: Snapshots) -> NDArray[np.bool_]:
    """[k, m] Rows whose values say something."""
    good: NDArray[np.bool_] = (word.present == PRESENT) & (word.status & INVALID == 0)
    return good


class Reading:
    """Values of the points out of rows."""

    def __init__(self, points: Sequence[Point], fundamentals: Fundamentals) -> None:
        self._points, self._fundamentals = points, fundamentals
        self._place = np.array([point.place for point in points], np.intp)
        of = [np.array([at for at, each in enumerate(points) if each.how == how], np.intp) for how in ("copy", "thd")]
        self._copied, self._thd = of
        self._channel = np.array([points[at].what[0] for at in self._copied.tolist()], np.intp)
        self._powers = [self._group("power", size) for size in {len(each.what[0]) for each in self._each("power")}]
        self._unbalanced = self._group("unbalance", 3)
        fundamentals.wanted |= {_fundamental(each.key.device) for each in self._each("thd")}

    def _each(self, how: str) -> Iterator[Point]:
        return (each for each in self._points if each.how == how)

    def _group(self, how: str, size: int) -> NDArray[np.intp]:
        """Points of phasors of so many phases."""
        own = [at for at, each in enumerate(self._points) if each.how == how and len(each.what[0]) == size]
        return np.array(own, np.intp)

    def of(self, word: Snapshots) -> F8:
        """[k, n] of a word's rows; NaN where there is none."""
        values = np.full((word.slot.size, len(self._points)), np.nan)
        values[:, self._copied] = word.values[:, self._place[self._copied], self._channel]
        for group in self._powers:
            volts, amperes = (self._phasors(word, group, side) for side in (0, 1))
            told = power(volts, amperes) / MEGA
            for at, point in enumerate(group.tolist()):
                values[:, point] = POWERS[self._points[point].what[2]](told[:, at])
        if self._unbalanced.size:
            values[:, self._unbalanced] = unbalance(self._phasors(word, self._unbalanced, 0))
        for point in self._thd.tolist():
            values[:, point] = self._distortion(word, self._points[point])
        values[~usable(word)[:, self._place]] = np.nan
        return values

    def _phasors(self, word: Snapshots, group: NDArray[np.intp], side: int) -> NDArray[np.complex128]:
        channels = np.array([self._points[at].what[side] for at in group.tolist()], np.intp)
        return taken(word.values, self._place[group], channels)

    def _distortion(self, word: Snapshots, point: Point) -> F8:
        """[k] 100 sqrt(Σ Mh²) / M1, h > 1 [%] (IEC 61000-4-7:2002, 3.3.1), with the last M1 that there is."""
        first, orders, name = point.what
        own = self._fundamentals.last.get((_fundamental(point.key.device), name), np.nan)
        harmonics = word.values[:, point.place, first + 2 * np.array(orders, np.intp)].astype(np.float64)
        told: F8 = 100.0 * np.sqrt((harmonics**2).sum(axis=1)) / (own if own > 0 else np.nan)
        return told


def _fundamental(device: int) -> int:
    """The device whose harmonics these are."""
    return device - spectrum_number(0, Spectrum.HARMONICS)
