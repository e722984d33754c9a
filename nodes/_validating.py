"""The tests of a concentrator: which values are taken out of its slots, and who has to be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from algorithms.alignment import Released
from algorithms.columns import Counters
from algorithms.lastvalues import FlatLines
from algorithms.validation import UNSYNCHRONISED, malformed, out_of_range, time_error
from nodes._merging import MODIFIED
from nodes._patterns import chosen
from nodes._telling import Telling
from nodes._treatsettings import Validation
from protocol.clock import SECOND
from protocol.messages import FIXED_CHANNELS, Configuration, Table

Bools = NDArray[np.bool_]

ABSENT = np.uint16(0x8000)
"""STAT bits 15-14 = 10: absent data, do not use the values (C37.118.2-2011)."""
ERROR = np.uint16(0xC000)
TESTS = {
    "format": "values that can't be; check its format, and its configuration",
    "range": "values out of range; check the channel, or `validate` of this concentrator",
    "flat": "values that do not change; does it send the same over and over?",
    "quality": "a time that is not good enough; check its time source",
}
SAID_FOR = 60 * SECOND
"""An alarm stays so long after the last row that failed."""
NAMED = 10
"""Alarms of single devices; beyond, only how many there are."""


@dataclass(frozen=True)
class Limits:
    """Of the devices of some slots."""

    nominal: NDArray[np.float64]
    """[m] Hz"""
    low: NDArray[np.float64]
    """[m, c], infinite where nothing is said"""
    high: NDArray[np.float64]


def limits(settings: Validation, tellings: Sequence[Telling | None], table: Table) -> Limits:
    """What the settings say of devices of one table, in the order of the columns."""
    bounds = np.full((2, len(tellings), table.channels), np.inf)
    bounds[0] = -np.inf
    for m, each in enumerate(tellings):
        if each is None:
            continue
        for channel, said in ((0, settings.frequency), (1, settings.rocof), *_named(settings, each)):
            if said is not None:
                bounds[:, m, channel] = said
    nominal = [float(each.known.nominal) if each else np.nan for each in tellings]
    return Limits(np.array(nominal), bounds[0], bounds[1])


def _named(settings: Validation, each: Telling) -> Iterator[tuple[int, tuple[float, float] | None]]:
    """(channel, limits) of magnitudes and analogs of the device's own."""
    pairs = each.source.phasors * each.source.components
    names = [*each.known.phasor_channels[:pairs], *each.known.analogs[: each.source.analogs]]
    at = [FIXED_CHANNELS + 2 * k for k in range(pairs)]
    at += [FIXED_CHANNELS + 2 * pairs + k for k in range(each.source.analogs)]
    for name, channel in zip(names, each.channels[at].tolist(), strict=True):
        yield channel, chosen(settings.channels, name)


class Validator:
    """Of one table."""

    def __init__(self, settings: Validation, pairs: int, counters: Counters, seen: Counters) -> None:
        """`pairs` of magnitude and angle; `counters` with `invalid`, `seen` with a name for each test."""
        self._settings, self._pairs = settings, pairs
        self._counters, self._seen = counters, seen
        self._frequency, self._phasors = FlatLines(1, 1), FlatLines(pairs, 2)

    def validate(self, released: Released, time: NDArray[np.int64], bounds: Limits, late: bool) -> None:
        """Take out what fails, in place: NaN, STAT bit 9; where nothing is left of frequency and phasors STAT says that
        data are absent. `time` [k] ns of the slots."""
        settings, values = self._settings, released.values
        measured = ~np.isnan(values)
        found: dict[str, Bools] = {}
        if settings.format:
            found["format"] = malformed(values, bounds.nominal, FIXED_CHANNELS, self._pairs)
        found["range"] = out_of_range(values, bounds.low, bounds.high)
        if settings.flat is not None and not late:
            found["flat"] = self._flat(released, time, settings.flat)
        for bad in found.values():
            self._whole_phasors(bad)
        if settings.quality is not None:
            unsure = time_error(released.status, released.quality) > settings.quality
            unsure &= released.present != 0
            found["quality"] = self._angles(unsure, values)
            released.status[unsure] |= UNSYNCHRONISED
        rejected = np.zeros(values.shape, np.bool_)
        for test, bad in found.items():
            bad &= measured
            self._seen.add(test, released.device, bad.any(axis=-1).sum(axis=0))
            rejected |= bad
        if not rejected.any():
            return
        values[rejected] = np.nan
        rows = rejected.any(axis=-1)
        self._counters.add("invalid", released.device, rows.sum(axis=0))
        released.status[rows] |= MODIFIED
        empty = rows & np.isnan(values[..., [0, *self._magnitudes]]).all(axis=-1)
        released.status[empty] = released.status[empty] & ~ERROR | ABSENT

    @property
    def _magnitudes(self) -> range:
        return range(FIXED_CHANNELS, FIXED_CHANNELS + 2 * self._pairs, 2)

    def _flat(self, released: Released, time: NDArray[np.int64], most: int) -> Bools:
        values = released.values
        k, m, _ = values.shape
        bad = np.zeros(values.shape, np.bool_)
        bad[..., 0] = self._frequency.push(released.device, time, values[..., None, :1])[..., 0] >= most
        end = FIXED_CHANNELS + 2 * self._pairs
        phasors = values[..., FIXED_CHANNELS:end].reshape(k, m, self._pairs, 2)
        phasors = np.where(phasors[..., :1] == 0, np.float32(np.nan), phasors)  # a dead line says nought, and may
        still = self._phasors.push(released.device, time, phasors) >= most
        bad[..., FIXED_CHANNELS:end] = np.repeat(still, 2, axis=-1)
        return bad

    def _whole_phasors(self, bad: Bools) -> None:
        """Without its magnitude an angle says nothing."""
        for magnitude in self._magnitudes:
            bad[..., magnitude + 1] |= bad[..., magnitude]

    def _angles(self, rows: Bools, values: NDArray[np.float32]) -> Bools:
        bad = np.zeros(values.shape, np.bool_)
        for magnitude in self._magnitudes:
            bad[..., magnitude + 1] = rows
        return bad


class Watch:
    """Whose rows failed lately."""

    def __init__(self, seen: Counters) -> None:
        self._seen = seen
        self._before: dict[tuple[int, str], tuple[int, int]] = {}
        """(device, test) -> (its count, when that last grew [monotonic ns])"""

    def alarms(self, known: Mapping[int, Configuration], monotonic: int) -> list[str]:
        """A sentence for each device and test, those of the last minute."""
        found = []
        for column, test in np.argwhere(self._seen.counts > 0).tolist():
            device, name = int(self._seen.devices[column]), self._seen.names[test]
            count = int(self._seen.counts[column, test])
            before, when = self._before.get((device, name), (0, 0))
            when = monotonic if count > before else when
            self._before[device, name] = count, when
            if monotonic < when + SAID_FOR:
                label = known[device].name if device in known else str(device)
                found.append(f"{label} (device {device}): {count} rows had {TESTS[name]}")
        more = len(found) - NAMED
        return [*found[:NAMED], f"{more} more devices had values taken out: see `invalid`"] if more > 0 else found
