"""What is known of the station now: the thread of the node tells it, the threads of pages ask.

Whoever asks gets copies, or messages, which never change.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from algorithms.recent import NO_SLOT, Recent
from console.alarms import Desk
from console.board import Board
from protocol import clock
from protocol.clock import SECOND
from protocol.messages import FIXED_CHANNELS, Alarm, Configuration, Event, Flags, Health, Snapshots, Table

F4 = NDArray[np.float32]
I8 = NDArray[np.int64]
U2 = NDArray[np.uint16]
T = TypeVar("T")

EVENTS_AT_MOST = 1000
"""Events that are remembered; the archive has all of them."""


@dataclass(frozen=True)
class Series:
    """Some channels of one device over the same instants."""

    device: int
    time: I8
    """[n] ns UTC, ascending"""
    values: F4
    """[c, n] in the order asked for; NaN where nothing is held."""


@dataclass
class _Last:
    """The newest slot of a table."""

    slot: int
    device: list[int]
    present: NDArray[np.uint8]
    status: U2
    quality: NDArray[np.uint8]
    values: F4
    """[m, c]"""
    digital: U2
    """[m, d]"""


@dataclass(frozen=True)
class Reading:
    """The newest row of a device."""

    time: int
    """ns UTC"""
    present: bool
    status: int
    """STAT"""
    quality: int
    values: F4
    """[c] as its table says."""


@dataclass(frozen=True)
class Latest:
    """What m devices of one table said last."""

    device: I8
    """[m]"""
    heard: I8
    """[m] ns UTC of the newest row with any value; 0 if there is none."""
    values: F4
    """[m, 2] frequency [Hz] and ROCOF [Hz/s] of that row"""
    status: U2
    """[m] STAT in the newest slot"""
    quality: NDArray[np.uint8]
    """[m] time quality there"""


@dataclass
class _Held:
    """All of one table."""

    ring: Recent
    last: _Last | None = None


@dataclass
class Station:
    """See the module."""

    name: str
    """Of the site."""
    board: Board
    keep: int
    """ns of slots that are held, where `memory` lets us."""
    memory: int
    """Bytes of samples of one table."""
    alarms: Desk = field(default_factory=Desk)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _known: dict[int, Configuration] = field(default_factory=dict)
    _tables: dict[Table, _Held] = field(default_factory=dict)
    _events: dict[str, Event] = field(default_factory=dict)
    _flags: dict[tuple[str, int, str, int], tuple[int, bool, float]] = field(default_factory=dict)

    # ── what the node tells ─────────────────────────────────────────────────────────────────────────────────

    def take(self, message: object, now: float) -> None:
        """A message of the station; `now` is monotonic seconds. Others than those that are shown are passed over."""
        if isinstance(message, Alarm):
            self.alarms.take(message)
            return
        with self._lock:
            match message:
                case Snapshots():
                    self._take_slots(message)
                case Health():
                    self.board.hear(message, now)
                case Configuration():
                    self._known[message.device] = message
                case Event():
                    self._take_event(message)
                case Flags():
                    self._take_flags(message)

    def _take_slots(self, told: Snapshots) -> None:
        table = Table(*told.table)
        held = self._tables.get(table)
        if held is None:
            length = max(1, self.keep * table.rate // SECOND) if table.rate > 0 else 1
            held = self._tables[table] = _Held(Recent(length, table.channels, self.memory))
        if not told.slot.size:
            return
        if told.late:
            held.ring.add(told.slot, told.device, told.values)
            return
        held.ring.push(told.slot, told.device, told.values)
        held.last = _Last(
            int(told.slot[-1]), told.device.tolist(), told.present[-1], told.status[-1], told.quality[-1],
            told.values[-1], told.digital[-1],
        )  # fmt: skip

    def _take_event(self, event: Event) -> None:
        before = self._events.get(event.id)
        if before is None or event.answer >= before.answer:
            self._events[event.id] = event
        while len(self._events) > EVENTS_AT_MOST:
            del self._events[min(self._events, key=lambda each: self._events[each].onset)]

    def _take_flags(self, told: Flags) -> None:
        columns = (told.device, told.kind, told.start, told.stop, told.going, told.score)
        for device, kind, start, stop, going, score in zip(*columns, strict=True):
            key = (told.node, int(device), kind, int(start))
            self._flags.pop(key, None)
            if going:
                self._flags[key] = (int(stop), True, float(score))

    def ask(self, about: Callable[[Board], T]) -> T:
        """What `about` finds on the board, which nobody changes meanwhile."""
        with self._lock:
            return about(self.board)

    # ── what pages ask ──────────────────────────────────────────────────────────────────────────────────────

    def configurations(self) -> dict[int, Configuration]:
        """Of each device that was heard of, by number."""
        with self._lock:
            return dict(self._known)

    def events(self) -> list[Event]:
        """The last answer of each event, the newest event first."""
        with self._lock:
            return sorted(self._events.values(), key=lambda each: each.onset, reverse=True)

    def flagged(self) -> dict[int, list[str]]:
        """Device -> kinds of bad data that it has now."""
        with self._lock:
            found: dict[int, list[str]] = {}
            for _, device, kind, _ in self._flags:
                found.setdefault(device, []).append(kind)
            return found

    def newest(self, rate: int | None = None) -> int:
        """ns UTC of the newest slot of any table (of this rate); 0 if there is none yet."""
        with self._lock:
            times = [
                clock.slot_time(held.last.slot, table.rate)
                for table, held in self._tables.items()
                if held.last and (rate is None or table.rate == rate)
            ]
        return max(times, default=0)

    def latest(self) -> list[tuple[Table, Latest]]:
        """Of all devices at once, table by table; spectra, which are the same devices again, are left out."""
        found = []
        with self._lock:
            for table, held in self._tables.items():
                if held.last is None or table.spectrum:
                    continue
                ring, last = held.ring, held.last
                heard = np.where(ring.heard > NO_SLOT, clock.slot_time(np.maximum(ring.heard, 0), table.rate), 0)
                place = ring.columns(np.array(last.device, np.uint32))
                status, quality = np.zeros(heard.size, np.uint16), np.zeros(heard.size, np.uint8)
                status[place], quality[place] = last.status, last.quality
                found.append(
                    (table, Latest(ring.devices.astype(np.int64), heard, ring.last(FIXED_CHANNELS), status, quality))
                )
        return found

    def reading(self, device: int) -> tuple[Reading, U2, int] | None:
        """The newest row of one device, its digital words, and when it was last heard [ns UTC; 0: never]; None if
        nothing is known of it."""
        with self._lock:
            known = self._known.get(device)
            held = self._tables.get(Table(*known.table)) if known else None
            last = held.last if held else None
            if known is None or last is None or device not in last.device:
                return None
            at, rate = last.device.index(device), Table(*known.table).rate
            time = clock.slot_time(last.slot, rate)
            row = Reading(
                time, bool(last.present[at] == 1), int(last.status[at]), int(last.quality[at]), last.values[at]
            )  # fmt: skip
            heard = held.ring.heard_at(device) if held else NO_SLOT
            return row, last.digital[at], clock.slot_time(heard, rate) if heard > NO_SLOT else 0

    def readings(self) -> dict[int, Reading]:
        """The newest row of each device."""
        found: dict[int, Reading] = {}
        with self._lock:
            for table, held in self._tables.items():
                last = held.last
                if last is None:
                    continue
                time = clock.slot_time(last.slot, table.rate)
                columns = (last.device, last.present.tolist(), last.status.tolist(), last.quality.tolist(), last.values)
                for device, present, status, quality, values in zip(*columns, strict=True):
                    before = found.get(device)
                    if before is None or before.time < time:
                        found[device] = Reading(time, present == 1, status, quality, values)
        return found

    def series(self, device: int, channels: list[int], since: int, stop: int | None = None) -> Series:
        """Value channels (numbers as in its table) of a device from `since` [ns UTC] to the newest slot, or before
        `stop`. Of a device that is not known, nothing.
        """
        empty = Series(device, np.zeros(0, np.int64), np.zeros((len(channels), 0), np.float32))
        with self._lock:
            known = self._known.get(device)
            held = self._tables.get(Table(*known.table)) if known else None
            if known is None or held is None or held.last is None or device not in held.ring:
                return empty
            rate = Table(*known.table).rate
            first = max(_at_or_after(since, rate), held.ring.oldest)
            end = held.last.slot + 1 if stop is None else min(held.last.slot + 1, _at_or_after(stop, rate))
            if end <= first:
                return empty
            values = held.ring.cut(first, end, [device])[0]
        return Series(device, clock.slot_time(np.arange(first, end), rate), values[channels])


def _at_or_after(time: int, rate: int) -> int:
    """The first slot that is not before an instant."""
    slot = int(clock.slot_of(time, rate))
    return slot if clock.slot_time(slot, rate) >= time else slot + 1
