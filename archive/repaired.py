"""Recorded rows without their bad data: what was measured, what it most probably was, and what is bad about it.

    with archive.open("data", "2026-05-06T07:10Z", "2026-05-06T07:20Z") as found:
        better = found.repaired(["Blue PMU", "Red PMU"])     # neighbours help to tell clocks and voltages
        better.repaired["frequency"], better.how             # [device, time]
        better.to_xarray().to_netcdf("repaired.h5", engine="h5netcdf")

The archive is never changed: it holds what devices sent, and this is made anew of that whenever it is asked for
(`algorithms.quality.assess`, docs/algorithms/quality.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from algorithms.observations import Observations
from algorithms.quality import Flag, assess
from archive import layout
from archive.datasets import check_memory, repaired_dataset
from archive.folder import ArchiveError
from archive.spans import FIRST, LAST
from protocol import clock
from protocol.messages import Configuration, Spectrum, Table

if TYPE_CHECKING:
    from archive.asking import Asked, Piece
    from archive.reading import Extract

I8 = NDArray[np.int64]
F8 = NDArray[np.float64]

UNITS = {"frequency": "Hz", "magnitude": "V", "angle": "degrees"}
"""What is repaired of each device: its frequency, and its first voltage."""
SAMPLE = 400
"""Bytes that a sample of a device takes while it is looked at."""


class How(IntEnum):
    """What stands behind a repaired sample."""

    MEASURED = 0
    """It is as it was measured."""
    REPAIRED = 1
    """It was measured otherwise, and put right."""
    MISSING = 2
    """Nothing: it was bridged, or is NaN."""


@dataclass(frozen=True)
class Repaired:
    """Some devices of one rate; m devices, n samples."""

    time: I8
    """[n] ns UTC, all slots of the interval"""
    devices: list[str]
    phasors: list[str]
    """[m] name of each device's voltage; "" = it has none"""
    measured: dict[str, F8]
    """`frequency` [Hz], `magnitude` [V], `angle` [degrees] -> [m, n]; NaN where no row came or nothing valid"""
    repaired: dict[str, F8]
    """The same without what is bad; NaN where nobody can know"""
    how: NDArray[np.uint8]
    """[m, n] `How`"""
    flags: list[Flag]
    """What was found bad; `start` and `stop` are samples."""

    def to_xarray(self) -> Any:
        """As `xarray.Dataset`: each series as measured, and beside it `…_repaired`, which says so in its attributes.
        Raises ArchiveError if xarray is missing.
        """
        return repaired_dataset(self, UNITS)


def repaired(extract: Extract, devices: Sequence[str] | None) -> Repaired:
    """See `Extract.repaired`."""
    names = list(extract.devices if devices is None else devices)
    told = [_configuration(extract, name) for name in names]
    rates = {Table(*each.table).rate for each in told}
    if len(rates) != 1 or min(rates, default=0) < 1:
        there = ", ".join(map(str, sorted(rates))) or "no rows in that time"
        raise ArchiveError(f"rows are repaired of devices of one rate, of 1/s or more; there are: {there}")
    [rate] = rates
    phasors = [next((name for name, unit in zip(each.phasors, each.phasor_units, strict=True) if unit == "V"), "")
               for each in told]  # fmt: skip
    asked: list[tuple[int, str, Asked]] = []
    for at, (name, phasor) in enumerate(zip(names, phasors, strict=True)):
        asked.append((at, "frequency", extract.asked(name, "frequency")))
        asked += [(at, what, extract.asked(name, what, phasor)) for what in ("magnitude", "angle") if phasor]
    first, stop = _limits(extract, rate, len(names))
    pieces = extract.samples([each for _, _, each in asked])
    measured = {name: np.full((len(names), stop - first), np.nan) for name in UNITS}
    for (at, what, _), some in zip(asked, pieces, strict=True):
        _fill(measured[what][at], some, first, rate)
    time = np.asarray(clock.slot_time(np.arange(first, stop, dtype=np.int64), rate))
    return Repaired(time, names, phasors, measured, *_assessed(measured, rate, float(told[0].nominal)))


def _configuration(extract: Extract, name: str) -> Configuration:
    """The last one of a station. Raises ArchiveError."""
    keys = extract.stations.only(name)
    own = [each for key, each in extract.stations.known if key in keys and key.spectrum is Spectrum.NONE]
    if not own:
        raise ArchiveError(f"{name} has spectra only; name a device with a fundamental")
    return own[-1]


def _limits(extract: Extract, rate: int, devices: int) -> tuple[int, int]:
    """The slots of the interval. Raises ArchiveError if it has no limits, or they are too far apart."""
    if extract.start == FIRST or extract.end == LAST:
        raise ArchiveError("rows are repaired between two moments: open the archive with a start and an end")
    first, stop = layout.first_slot(extract.start, rate), layout.first_slot(extract.end, rate)
    check_memory((stop - first) * devices * SAMPLE)
    return first, stop


def _fill(series: F8, pieces: Sequence[Piece], first: int, rate: int) -> None:
    """Rows at their slots."""
    for each in pieces:
        slot = np.asarray(clock.slot_of(each.time, rate)) - first
        inside = (slot >= 0) & (slot < series.size)
        series[slot[inside]] = each.values[inside]


def _assessed(measured: dict[str, F8], rate: int, nominal: float
              ) -> tuple[dict[str, F8], NDArray[np.uint8], list[Flag]]:  # fmt: skip
    frequency, volts, degrees = (measured[name] for name in UNITS)
    devices = len(frequency)
    none, place = np.full(frequency.shape, np.nan), np.full(devices, np.nan)
    level = np.array([[np.median(some) if (some := row[row > 0.0]).size else 1.0] for row in volts]).reshape(-1, 1)
    seen = Observations(float(rate), frequency, volts / level, np.radians(degrees), none, none, place, place, nominal)
    found = assess(seen)
    angle = (np.degrees(found.repaired.angle) + 180.0) % 360.0 - 180.0
    better = {"frequency": found.repaired.frequency, "magnitude": found.repaired.magnitude * level, "angle": angle}
    changed = np.zeros(frequency.shape, dtype=bool)
    for name, own in (("frequency", frequency), ("magnitude", volts / level), ("angle", np.radians(degrees))):
        theirs = getattr(found.repaired, name)
        same = (theirs == own) | (np.isnan(theirs) & np.isnan(own))
        better[name] = np.where(same, measured[name], better[name])
        changed |= ~same
    gone = np.asarray(found.bad | np.isnan(found.repaired.frequency))
    how = np.where(gone, How.MISSING, np.where(changed, How.REPAIRED, How.MEASURED))
    return better, how.astype(np.uint8), found.flags
