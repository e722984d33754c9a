"""Voltages of a day: range, unbalance, harmonic distortion.

The range is that of all seconds. Unbalance and distortion are of one minute of each hour, the first that begins with a
row: angles and harmonics have no overview, and reading a day of them would take longer than the day is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from algorithms.sequences import unbalance
from archive import layout
from archive.glances import Chosen, Glances
from archive.hours import opened_hour
from archive.picking import Pick
from archive.reports.asked import Asked
from archive.sources import Joined
from archive.spectra import all_components
from archive.stations import key_of
from protocol.clock import SECOND, slot_time
from protocol.messages import Configuration, Spectrum, Table
from protocol.threephase import sets_of

F8 = NDArray[np.float64]
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
    unbalance: list[float] = field(default_factory=list)
    """%, mean of a minute of each hour"""
    distortion: list[float] = field(default_factory=list)
    """%, THD of the worst voltage, mean of a minute of each hour"""
    seconds: int = 0
    """That the mean is of."""


def voltages(asked: Asked) -> dict[int, Voltage]:
    """Device number of a station -> its voltages. Raises ArchiveError, OSError."""
    found: dict[int, Voltage] = {}
    glances = Glances()
    for hour, (low, stop) in asked.parts():
        _ranges(glances, asked.root, hour, low, stop, found)
        with opened_hour(asked.root, hour) as (tables, _):
            for rows in tables:
                _minute(rows, low, stop, found)
    return {device: voltage for device, voltage in sorted(found.items()) if voltage.channel or voltage.distortion}


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


def _minute(rows: Joined, start: int, stop: int, found: dict[int, Voltage]) -> None:
    """Unbalance and distortion of a minute of an hour, of the devices of a table."""
    table, span = rows.table, rows.crop()
    if span is None:
        return
    first = max(span[0], layout.first_slot(start, table.rate))
    last = min(span[1], layout.first_slot(min(stop, int(slot_time(first, table.rate)) + MINUTE), table.rate))
    for column, each in enumerate(rows.configurations) if first < last else ():
        if table.spectrum is Spectrum.NONE:
            three = _phases(each)
            values = _unbalance(rows, column, three, first, last) if three else np.nan
        else:
            values = _distortion(rows, column, each, first, last) if table.spectrum is Spectrum.HARMONICS else np.nan
        if np.isfinite(values):
            voltage = found.setdefault(key_of(each).station, Voltage())
            (voltage.distortion if table.spectrum else voltage.unbalance).append(float(values))


def _phases(known: Configuration) -> tuple[int, ...]:
    """Phasors of the first voltage of three phases; none if there is none."""
    return next((each.phasors for each in sets_of(known) if each.unit == "V"), ())


def _unbalance(rows: Joined, column: int, three: Sequence[int], first: int, stop: int) -> float:
    """Mean of the minute [%]."""
    phasors = []
    for phasor in three:
        magnitude, angle = (
            _values(rows, column, Pick("values", layout.channel_of(rows.table, quantity, phasor)), first, stop)
            for quantity in ("magnitude", "angle")
        )
        phasors.append(magnitude * np.exp(1j * np.radians(angle)))
    return _mean(unbalance(np.stack(phasors, axis=-1)))


def _distortion(rows: Joined, column: int, each: Configuration, first: int, stop: int) -> float:
    """Mean of the minute of the voltage that is worst [%]: all components above the fundamental over it."""
    order = np.array(each.components)
    found = []
    for phasor, unit in enumerate(each.phasor_units):
        if unit == "V" and 1.0 in each.components:
            at, many = all_components(rows.table, "magnitude", phasor)
            values = _values(rows, column, Pick("values", at, many), first, stop)
            fundamental = values[:, order == 1.0][:, 0]
            above = np.sqrt(np.nansum(values[:, order > 1.0] ** 2, axis=1))
            found.append(_mean(100 * above / np.where(fundamental > 0, fundamental, np.nan)))
    return max((value for value in found if np.isfinite(value)), default=np.nan)


def _values(rows: Joined, column: int, pick: Pick, first: int, stop: int) -> F8:
    """What a device told, NaN where it did not."""
    block = rows.block([column], first, stop, pick)
    there = block["present"][0] != 0
    values: F8 = block["values"][0].astype(np.float64)
    values[~there] = np.nan
    return values


def _mean(values: F8) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan
