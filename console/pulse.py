"""How the grid is this second: where each device stands, how far frequencies lie apart. Made once for all readers."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from console.model import Latest, Station
from protocol.c37118.status import TRIGGERED, UNSYNCHRONISED, usable
from protocol.clock import SECOND
from protocol.messages import Configuration, Event, Table, split_device

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
U1 = NDArray[np.uint8]
Bools = NDArray[np.bool_]

SILENT = 3 * SECOND
"""A device of which nothing came for so long (or for three of its rows) has no data."""
CLOCK_OFFSET = "clock_offset"
"""The kind of bad data that is the clock's."""
NEVER = 1 << 60
"""ns; how old what is held is where nothing comes any more."""
EVERY = 0.95
"""Seconds for which what was made holds."""
REMEMBERED = 300
"""Seconds of centres and spreads that are kept for small trends."""
RECENT = 900 * SECOND
"""Events of so long ago are among those of a pulse."""
UNSURE = 11
"""Time quality (bits 3-0) from which a clock counts as off: 1 s and worse, or failed."""


class State(IntEnum):
    """Of a device, the worst that holds. The numbers are known to the browser."""

    OK = 0
    SILENT = 1
    CLOCK = 2
    BAD = 3
    ALARM = 4


@dataclass(frozen=True)
class Roster:
    """Devices that may be shown: m, by number."""

    device: I8
    names: list[str]
    regions: list[str]
    place: F8
    """[m, 2] latitude, longitude; NaN = not known"""
    nominal: F8
    """[m] Hz"""
    weight: F8
    """[m] kinetic energy of what turns there [any unit]; 1 where the site does not say it of all."""
    weighted: bool
    """Whether the site says it."""
    known: tuple[Configuration, ...]


@dataclass(frozen=True)
class Spread:
    """Frequencies of the devices of a region, Hz; NaN where none tells one."""

    region: str
    """"" for the whole site"""
    devices: int
    """That tell one"""
    centre: float
    """Of inertia, if weights are known; else the mean."""
    least: float
    low: float
    """5 %"""
    high: float
    """95 %"""
    greatest: float
    rocof: float
    """Of the centre: mean of what devices say, with the same weights."""


@dataclass(frozen=True)
class Pulse:
    """See the module."""

    roster: Roster
    newest: int
    """ns UTC of the newest slot; 0: there is none."""
    frequency: F8
    """[m] Hz; NaN for devices without data"""
    rocof: F8
    state: U1
    """[m] `State`"""
    spreads: tuple[Spread, ...]
    """Of the site, then of its regions by name."""
    alarms: tuple[str, ...]
    events: tuple[Event, ...] = ()
    """Of the last minutes, the newest first."""

    def among(self, places: NDArray[np.intp]) -> Spread:
        """Of some devices alone."""
        here = np.zeros(self.state.size, bool)
        here[places] = counted(self.state, self.frequency)[places]
        return spread("", self.frequency, self.rocof, self.roster.weight, here)

    @property
    def deviation(self) -> F8:
        """[m] mHz from nominal"""
        return (self.frequency - self.roster.nominal) * 1000


class Pulses:
    """Makes them, and remembers the spreads of the last minutes."""

    def __init__(
        self, station: Station, site: Mapping[str, Any], places: Mapping[int, tuple[float, float]] | None = None
    ) -> None:
        """`places`: latitude, longitude of links (by number) whose devices say none."""
        self._station, self._places = station, places or {}
        self._inertia = {each["number"]: each.get("inertia") for each in site.get("devices", ())}
        self._roster: Roster | None = None
        self._held: Pulse | None = None
        self._made = -np.inf
        self._lock = threading.Lock()
        self._advance = _Advance()
        self.past: deque[tuple[int, tuple[Spread, ...]]] = deque(maxlen=REMEMBERED)
        """(ns UTC, spreads), a second each."""

    def now(self, monotonic: float) -> Pulse:
        """That of this second."""
        with self._lock:
            if self._held is None or monotonic - self._made >= EVERY:
                self._held, self._made = self._make(monotonic), monotonic
                if self._held.newest:
                    self.past.append((self._held.newest, self._held.spreads))
            return self._held

    def _make(self, monotonic: float) -> Pulse:
        station = self._station
        known = station.configurations()
        if self._roster is None or not _same(self._roster.known, known):
            self._roster = roster(known, self._inertia, self._places)
        newest = station.newest()
        alive = self._advance.goes_on(newest, monotonic)
        alarms = tuple(station.board.alarms(monotonic)) if station.board.processes else ()
        events = tuple(each for each in station.events() if newest - each.onset <= RECENT)
        now = newest if alive else newest + NEVER
        found = pulse(self._roster, station.latest(), now, station.flagged())
        return replace(found, newest=newest, alarms=alarms, events=events)


@dataclass
class _Advance:
    """Whether data still come: by our own clock, as theirs may be of another time (a replay)."""

    newest: int = 0
    since: float = 0.0

    def goes_on(self, newest: int, monotonic: float) -> bool:
        if newest != self.newest:
            self.newest, self.since = newest, monotonic
        return monotonic - self.since <= SILENT / SECOND


def _same(known: tuple[Configuration, ...], now: dict[int, Configuration]) -> bool:
    mine = [each for each in now.values() if not Table(*each.table).spectrum]
    return len(mine) == len(known) and all(a is b for a, b in zip(known, mine, strict=True))


def roster(
    known: Mapping[int, Configuration],
    inertia: Mapping[int, float | None],
    places: Mapping[int, tuple[float, float]],
) -> Roster:
    """Of what devices say of themselves; `inertia` and `places` by number of the link."""
    mine = tuple(each for each in known.values() if not Table(*each.table).spectrum)
    told = sorted(mine, key=lambda each: each.device)
    weights = [inertia.get(split_device(each.device)[0]) for each in told]
    weighted = bool(weights) and any(weight is not None for weight in weights)
    return Roster(
        np.array([each.device for each in told], np.int64),
        [each.name for each in told],
        [each.region for each in told],
        np.array([_place(each, places) for each in told], np.float64).reshape(-1, 2),
        np.array([each.nominal for each in told], np.float64),
        np.array([(weight or 0.0) if weighted else 1.0 for weight in weights], np.float64),
        weighted,
        mine,
    )


def _place(known: Configuration, places: Mapping[int, tuple[float, float]]) -> tuple[float, float]:
    """Latitude, longitude: its own, else of its bus."""
    own = known.latitude, known.longitude
    return places.get(split_device(known.device)[0], own) if np.isnan(own).any() else own


def pulse(of: Roster, latest: list[tuple[Table, Latest]], now: int, flagged: Mapping[int, list[str]]) -> Pulse:
    """`now` [ns UTC] is what ages are told by; `flagged`: kinds of bad data of devices that have some."""
    count = of.device.size
    frequency, rocof = np.full(count, np.nan), np.full(count, np.nan)
    state = np.full(count, State.SILENT, np.uint8)
    shape = {each.device: tuple(each.table) for each in of.known}
    for table, last in latest:
        mine = np.array([shape.get(device) == table.key for device in last.device.tolist()], bool)
        device = last.device[mine]
        at = np.searchsorted(of.device, device)
        alive = now - last.heard[mine] <= max(SILENT, 3 * SECOND * -table.rate)
        frequency[at] = np.where(alive, last.values[mine, 0], np.nan)
        rocof[at] = np.where(alive, last.values[mine, 1], np.nan)
        kinds = [set(flagged.get(each, ())) for each in device.tolist()]
        bad = ~usable(last.status[mine]) | np.array([bool(each - {CLOCK_OFFSET}) for each in kinds], bool)
        off = np.array([CLOCK_OFFSET in each for each in kinds], bool)
        state[at] = states(alive, last.status[mine], last.quality[mine], bad, off)
    counts = counted(state, frequency)
    regions = np.array(of.regions, dtype=object)
    where: list[tuple[str, Callable[[], Bools]]] = [("", lambda: np.ones(count, bool))]
    where += [(name, lambda name=name: regions == name) for name in sorted(set(of.regions)) if name]  # type: ignore[misc]
    spreads = tuple(spread(name, frequency, rocof, of.weight, counts & here()) for name, here in where)
    return Pulse(of, now, frequency, rocof, state, spreads, ())


def counted(state: U1, frequency: F8) -> Bools:
    """[m] Those whose frequency counts for that of the site."""
    return ~np.isin(state, (State.SILENT, State.BAD)) & ~np.isnan(frequency)


def states(alive: Bools, status: NDArray[np.uint16], quality: U1, bad: Bools, off: Bools) -> U1:
    """[m] The worst that holds of each: no data; a trigger of its own (STAT bit 11); bad data; its clock is off."""
    off = off | (status & UNSYNCHRONISED != 0) | (quality & 15 >= UNSURE)
    told = np.select(
        [~alive, status & TRIGGERED != 0, bad, off], [State.SILENT, State.ALARM, State.BAD, State.CLOCK], State.OK
    )
    return told.astype(np.uint8)


def spread(region: str, frequency: F8, rocof: F8, weight: F8, here: Bools) -> Spread:
    """How frequencies lie apart, among the devices that are `here`."""
    if not here.any() or not weight[here].sum() > 0:
        nothing = float("nan")
        return Spread(region, 0, nothing, nothing, nothing, nothing, nothing, nothing)
    mine, share = frequency[here], weight[here] / weight[here].sum()
    least, low, high, greatest = np.percentile(mine, [0, 5, 95, 100]).tolist()
    turning = rocof[here]
    told = ~np.isnan(turning) & (share > 0)
    rate = float(np.average(turning[told], weights=share[told])) if told.any() else float("nan")
    return Spread(region, int(here.sum()), float(share @ mine), least, low, high, greatest, rate)
