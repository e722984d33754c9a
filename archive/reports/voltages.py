"""Voltages of a day: range, unbalance, harmonic distortion.

The range is that of all seconds, as the overviews tell it. Angles and harmonics have no overview: unbalance and
distortion are made from all rows, an hour of one device at a time, or, where a glance is enough, from one minute of
each hour. Of an hour whose rows retention has deleted there is the range alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from algorithms.sequences import unbalance
from archive import layout
from archive.glances import Chosen, Glances
from archive.hours import opened_hour
from archive.picking import Pick
from archive.reports.asked import Asked
from archive.reports.tens import Tens
from archive.sources import Joined
from archive.spectra import all_components
from archive.stations import key_of
from protocol.clock import SECOND, slot_time
from protocol.messages import Configuration, Spectrum, Table
from protocol.threephase import sets_of

F4 = NDArray[np.float32]
Values = Callable[[Pick], F4]
"""[n, …] of a channel, or of all components of a phasor."""
MINUTE = 60 * SECOND


@dataclass
class Voltage:
    """Of one station; NaN = not known."""

    channel: str = ""
    """Its first voltage."""
    lowest: float = np.nan
    """V"""
    mean: float = np.nan
    highest: float = np.nan
    seconds: int = 0
    """That the mean is of."""
    unbalance: Tens = field(default_factory=Tens)
    """% of the first three-phase voltage"""
    distortions: dict[str, Tens] = field(default_factory=dict)
    """%, THD of each voltage that has harmonics"""

    @property
    def distortion(self) -> Tens:
        """Of the worst of them."""
        return max(self.distortions.values(), key=lambda each: each.mean, default=Tens())


def voltages(asked: Asked, whole: bool = True) -> dict[int, Voltage]:
    """Device number of a station -> its voltages. Raises ArchiveError, OSError.

    Without `whole` unbalance and distortion are of the first minute of each hour that has rows.
    """
    found: dict[int, Voltage] = {}
    glances = Glances()
    for hour, (low, stop) in asked.parts():
        _ranges(glances, asked.root, hour, low, stop, found)
        with opened_hour(asked.root, hour) as (tables, _):
            for rows in tables:
                _of_rows(rows, low, stop, asked.start, whole, found)
    return {device: voltage for device, voltage in sorted(found.items()) if voltage.channel or voltage.distortions}


def _ranges(glances: Glances, root: Path, hour: int, start: int, stop: int, found: dict[int, Voltage]) -> None:
    told: list[Configuration] = []

    def choose(configurations: Sequence[Configuration]) -> Chosen:
        mine = [(column, each) for column, each in enumerate(configurations)
                if not key_of(each).spectrum and "V" in each.phasor_units]  # fmt: skip
        told.extend(each for _, each in mine)
        return [(column, _first(each)) for column, each in mine]

    pieces = list(glances.seconds(root, hour, choose))
    for each, piece in zip(told[len(told) - len(pieces) :], pieces, strict=True):
        here = (piece.time >= start) & (piece.time < stop)
        if here.any():
            voltage = found.setdefault(each.device, Voltage())
            voltage.channel = each.phasors[each.phasor_units.index("V")]
            voltage.lowest = float(np.fmin(voltage.lowest, piece.minimum[here].min()))
            voltage.highest = float(np.fmax(voltage.highest, piece.maximum[here].max()))
            seconds = int(here.sum())
            total = piece.mean[here].sum(dtype=np.float64) + (voltage.mean * voltage.seconds if voltage.seconds else 0)
            voltage.seconds += seconds
            voltage.mean = float(total / voltage.seconds)


def _first(each: Configuration) -> Pick:
    """Magnitude of the first voltage."""
    return Pick("values", layout.channel_of(Table(*each.table), "magnitude", each.phasor_units.index("V")))


def _of_rows(rows: Joined, start: int, stop: int, since: int, whole: bool, found: dict[int, Voltage]) -> None:
    """Unbalance and distortion of a part of an hour, of the devices of a table; ten minutes begin at `since`."""
    table, span = rows.table, rows.crop()
    if span is None or table.spectrum not in (Spectrum.NONE, Spectrum.HARMONICS):
        return
    first = max(span[0], layout.first_slot(start, table.rate))
    if not whole:
        stop = min(stop, int(slot_time(first, table.rate)) + MINUTE)
    last = min(span[1], layout.first_slot(stop, table.rate))
    if first >= last:
        return
    time = slot_time(np.arange(first, last, dtype=np.int64), table.rate) - since
    for column, each in enumerate(rows.configurations):
        values = partial(_values, rows, column, first, last)
        if table.spectrum:
            for phasor, percent in _distortions(values, table, each).items():
                voltage = found.setdefault(key_of(each).station, Voltage())
                voltage.distortions.setdefault(phasor, Tens()).add(time, percent, table.rate)
        elif three := next((each.phasors for each in sets_of(each) if each.unit == "V"), ()):
            voltage = found.setdefault(key_of(each).station, Voltage())
            voltage.unbalance.add(time, _unbalance(values, table, three), table.rate)


def _unbalance(values: Values, table: Table, three: Sequence[int]) -> NDArray[np.floating]:
    """[n] % of three phasors."""
    phasors = []
    for phasor in three:
        size, angle = (values(Pick("values", layout.channel_of(table, quantity, phasor)))
                       for quantity in ("magnitude", "angle"))  # fmt: skip
        angle = np.radians(angle)
        phasors.append(size * (np.cos(angle) + np.complex64(1j) * np.sin(angle)))
    return unbalance(np.stack(phasors, axis=-1))


def _distortions(values: Values, table: Table, each: Configuration) -> dict[str, F4]:
    """Voltage -> [n] %: all components above the fundamental over it."""
    order, found = np.array(each.components), {}
    for phasor, unit in enumerate(each.phasor_units):
        if unit == "V" and 1.0 in each.components:
            size = values(Pick("values", *all_components(table, "magnitude", phasor)))
            fundamental = size[:, order == 1.0][:, 0]
            above = np.sqrt(np.nansum(size[:, order > 1.0] ** 2, axis=1))
            found[each.phasors[phasor]] = 100 * above / np.where(fundamental > 0, fundamental, np.float32(np.nan))
    return found


def _values(rows: Joined, column: int, first: int, stop: int, pick: Pick) -> F4:
    """What a device told, NaN where it did not."""
    block = rows.block([column], first, stop, pick)
    values: F4 = block["values"][0]
    values[block["present"][0] == 0] = np.nan
    return values
