"""A concentrator's look at the rows as they came: whose are bad, of what kind, from when to when.

Each table has its `Inspector` (`algorithms/quality/stream.py`); a clock that is steadily off is the `ClockWatch`'s to
tell. What they find becomes spans (`nodes/_flagging.py`). Tables slower than ten rows a second, and those of harmonics
and inter-harmonics, are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from algorithms.alignment import Released
from algorithms.clockwatch import ClockWatch
from algorithms.quality import Fault
from algorithms.quality.stream import Bad, Inspector, Rows
from nodes._flagging import Flagging, Found
from protocol import clock
from protocol.clock import SECOND
from protocol.messages import FIXED_CHANNELS, Configuration, Flags, Table

SLOWEST = 10
"""Rows a second."""
UNITS = {Fault.GAP: "missing", Fault.PACKET_LOSS: "missing"}
"""What a flag's figure of samples is called, if not `samples`."""
PLANS = 64
"""Sets of devices of which it is kept what is looked at."""


class _Who(NamedTuple):
    """What is looked at of m of the devices of some slots."""

    at: NDArray[np.intp]
    device: NDArray[np.uint32]
    nominal: NDArray[np.float64]
    volts: NDArray[np.intp]
    """Channel of the first voltage's magnitude."""
    blind: NDArray[np.bool_]
    """It has none."""


class Inspecting:
    """Of all tables of a concentrator."""

    def __init__(self) -> None:
        self.flagging = Flagging()
        self._inspectors: dict[Table, Inspector] = {}
        self._found: list[Found] = []
        self._voltage: dict[int, int] = {}
        """Device -> channel of its first voltage's magnitude; -1: it has none."""
        self._nominal: dict[int, float] = {}
        self._who: dict[bytes, _Who] = {}
        """Devices of some slots -> what is looked at of them."""
        self._off_since: dict[int, int] = {}
        """Device whose clock is off -> since when [ns UTC]."""
        self._looked = 0
        """Up to here all tables were looked at [ns UTC]."""

    def configure(self, known: Configuration, former: Table | None) -> None:
        """What a device's rows mean from now on; `former`: the table that it leaves."""
        volts = [at for at, unit in enumerate(known.phasor_units) if unit == "V"]
        self._voltage[known.device] = FIXED_CHANNELS + 2 * volts[0] if volts else -1
        self._nominal[known.device] = float(known.nominal)
        self._who.clear()
        if former in self._inspectors:
            self._inspectors[former].dismiss(known.device)

    def push(self, table: Table, part: Released, marked: Iterable[int], late: bool = False) -> None:
        """Slots as they were released, or rows that came `late` for them; `marked` devices are kept away from them."""
        if table.rate < SLOWEST or table.spectrum:
            return
        inspector = self._inspectors.setdefault(table, Inspector(table.rate))
        self._note(table, inspector.push(self._rows(part), late))
        inspector.excuse(np.array(sorted(marked), np.uint32))
        if late:
            return
        time = int(clock.slot_time(int(part.slot[-1]), table.rate))
        for other, each in self._inspectors.items():
            if other != table:
                self._note(other, each.advance(int(clock.slot_of(time, other.rate))))

    def _rows(self, part: Released) -> Rows:
        key = part.device.tobytes()
        if key not in self._who:
            if len(self._who) >= PLANS:
                self._who.clear()
            self._who[key] = self._looked_at(part.device)
        at, device, nominal, volts, blind = self._who[key]
        values = np.where(part.present[:, at, None] == 1, part.values[:, at], np.float32(np.nan))
        columns = np.arange(at.size)
        magnitude, angle = (np.where(blind, np.float32(np.nan), values[:, columns, volts + more]) for more in (0, 1))
        return Rows(part.slot, device, nominal, values[..., 0], magnitude, angle)

    def _looked_at(self, device: NDArray[np.uint32]) -> _Who:
        """Shadows are nobody's rows."""
        at = np.flatnonzero([number in self._nominal for number in device.tolist()])
        numbers = device[at].tolist()
        volts = np.array([self._voltage[number] for number in numbers], np.intp)
        nominal = np.array([self._nominal[number] for number in numbers])
        return _Who(at, device[at], nominal, np.maximum(volts, 0), volts < 0)

    def _note(self, table: Table, bad: Iterator[Bad]) -> None:
        for each in bad:
            start, stop = (int(clock.slot_time(slot, table.rate)) for slot in (each.start, each.stop))
            detail = {UNITS.get(each.kind, "samples"): each.samples}
            self._found.append(Found(each.device, each.kind, start, stop, each.score, detail))

    def take(self, utc: int, watch: ClockWatch, devices: Iterable[int]) -> Flags | None:
        """What is to be said, if anything: once for each second of the data. `devices` are all that are known."""
        looked = min((int(clock.slot_time(each.looked, table.rate)) for table, each in self._inspectors.items()
                      if each.looked is not None), default=0)  # fmt: skip
        if looked == self._looked:
            return None
        since, self._looked = self._looked, looked
        found, self._found = [*self._found, *self._clocks(utc, watch)], []
        return self.flagging.take(found, devices, since, looked)

    def _clocks(self, utc: int, watch: ClockWatch) -> Iterator[Found]:
        """Devices whose clock is off. Times are those of the median device's rows."""
        columns = np.flatnonzero(watch.marked)
        off = watch.off(columns, watch.delay[columns])
        now = utc - (watch.middle or 0)
        marked = dict(zip(watch.devices[columns].tolist(), off.tolist(), strict=True))
        self._off_since = {device: self._off_since.get(device, now - watch.steady) for device in marked}
        for device, since in self._off_since.items():
            detail = {"offset_s": round(marked[device] / SECOND, 3)}
            yield Found(device, Fault.CLOCK_OFFSET, since, now, abs(marked[device]) / watch.limit, detail)

    def columns(self, devices: NDArray[np.uint32]) -> NDArray[np.float64]:
        """[n, 2] counts of devices [n], in the order of `_flagging.COLUMNS`."""
        return self.flagging.columns(devices.tolist())

    def alarms(self, known: Mapping[int, Configuration]) -> list[str]:
        """What a person should look at; a wrong clock is told by the alignment already."""
        return self.flagging.alarms({device: each.name for device, each in known.items()}, but=[Fault.CLOCK_OFFSET])
