"""Values of what a reader chose: what comes live, and what was, from memory and from the archive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from console.decimation import PER_COLUMN, Points, joined, reduced
from console.model import Series, Station
from console.quantities import COMPUTED, DIFFERENCE, Source, Wanted, difference, source
from console.stepping import LONGEST, stepped
from protocol import clock
from protocol.clock import SECOND
from protocol.messages import Configuration, Table

if TYPE_CHECKING:
    from archive.reading import Extract

F4 = NDArray[np.float32]
I8 = NDArray[np.int64]
Block = tuple[str, int, int, F4]
"""Id, time of the first value [ns UTC], step [ns], values."""

ROWS_UP_TO = 900 * SECOND
"""Longer stretches of the archive are read as seconds, which it keeps."""
COMPUTED_UP_TO = 7200 * SECOND
"""What it keeps no seconds of is made from the rows, of a stretch up to this."""
BEHIND = 2 * SECOND
"""What memory has later than a stretch begins, by no more than this, is not asked of the archive."""


class TooLong(Exception):
    """A stretch is longer than what can be made from rows; the number is what it may be [s]."""


def sources(station: Station, wanted: Sequence[Wanted]) -> dict[Wanted, tuple[Configuration, Source]]:
    """Of those that the devices have."""
    known = station.configurations()
    found = {}
    for each in wanted:
        configuration = known.get(each.device)
        told = source(configuration, each.quantity, each.name) if configuration else None
        if configuration and told:
            found[each] = configuration, told
    return found


class Feed:
    """What comes of some quantities, each value once."""

    def __init__(self, station: Station, wanted: Sequence[Wanted], reference: Wanted | None, since: int) -> None:
        """From `since` [ns UTC] on; `reference` (an angle) is what differences are to."""
        self._station, self.wanted, self.reference = station, list(wanted), reference
        self._since = {each.device: since for each in wanted}

    def news(self) -> list[Block]:
        """What came since it was last asked."""
        found = sources(self._station, self.wanted)
        blocks = []
        for device, since in self._since.items():
            mine = {each: told for each, (_, told) in found.items() if each.device == device}
            if not mine:
                continue
            series = _series(self._station, device, mine.values(), since)
            if series.time.size == 0:
                continue
            self._since[device] = int(series.time[-1]) + 1
            step = _step(next(known for each, (known, _) in found.items() if each.device == device))
            reference = (
                self._reference(series.time, step) if any(each.quantity == DIFFERENCE for each in mine) else None
            )
            blocks += [
                (each.id, int(series.time[0]), step, values)
                for each, values in _computed(mine, series, reference).items()
            ]
        return blocks

    def _reference(self, time: I8, step: int) -> F4:
        if self.reference is None:
            return np.full(time.size, np.nan, np.float32)
        return at_times(*memory(self._station, self.reference, int(time[0]), int(time[-1]) + 1), time, step)


def _series(station: Station, device: int, told: Iterable[Source], since: int, stop: int | None = None) -> Series:
    return station.series(device, sorted({channel for each in told for channel in each.channels}), since, stop)


def _computed(told: dict[Wanted, Source], series: Series, reference: F4 | None) -> dict[Wanted, F4]:
    """Of each what follows from the channels that all of them need, in ascending order."""
    place = {channel: k for k, channel in enumerate(sorted({c for each in told.values() for c in each.channels}))}
    found = {}
    for each, how in told.items():
        values = how.compute(series.values[[place[channel] for channel in how.channels]])
        if each.quantity == DIFFERENCE and reference is not None:
            values = difference(values, reference)
        found[each] = np.ascontiguousarray(values)
    return found


def _step(known: Configuration) -> int:
    return clock.period(Table(*known.table).rate)


def at_times(time: I8, values: F4, wanted: I8, step: int) -> F4:
    """Values at other instants, each within half a step; NaN where there is none."""
    if time.size == 0:
        return np.full(wanted.size, np.nan, np.float32)
    place = np.clip(np.searchsorted(time, wanted - step // 2), 0, time.size - 1)
    return np.where(np.abs(time[place] - wanted) <= step // 2, values[place], np.float32(np.nan))


def memory(station: Station, wanted: Wanted, since: int, stop: int) -> tuple[I8, F4]:
    """(times, values) of a quantity that the model holds of [since, stop)."""
    found = sources(station, [wanted])
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    [(_, told)] = found.values()
    series = _series(station, wanted.device, [told], since, stop)
    return series.time, _computed({wanted: told}, series, None)[wanted]


def past(
    station: Station,
    archive: Path | None,
    wanted: Sequence[Wanted],
    reference: Wanted | None,
    since: int,
    stop: int,
    columns: int,
) -> dict[str, Points]:
    """What there was of [since, stop) ns, as many points as so many columns of pixels show, by id.

    What memory does not hold comes from the archive, which may take a while: call it in a thread. Raises TooLong,
    ArchiveError, OSError.
    """
    import archive as archives

    extract: Extract | None = archives.open(archive, since, stop) if archive and archive.exists() else None
    found = {}
    for each, (known, told) in sources(station, wanted).items():
        step = _step(known)
        time, values = memory(station, each, since, stop)
        if each.quantity == DIFFERENCE and reference is not None:
            values = difference(values, at_times(*memory(station, reference, since, stop), time, step))
        held = ~np.isnan(values)
        begin = int(held.argmax()) if held.any() else time.size
        points = Points(time[begin:], values[begin:])
        until = int(time[begin]) if begin < time.size else stop
        if extract is not None and until - since > BEHIND + step:
            there = extract.between(since, until)
            older, its_step = _archived(there, each, known, told, reference, station, columns)
            points, step = joined(older, points), max(step, its_step)
        found[each.id] = reduced(points, step, columns, stop - since, told.turns)
    return found


def seconds_only(archive: Path | None, since: int, stop: int) -> bool:
    """Whether of rows of [since, stop) ns there is an overview by seconds alone. Raises ArchiveError."""
    import archive as archives

    return bool(archive and archive.exists() and archives.open(archive, since, stop).overview_hours)


def _archived(
    extract: Extract, wanted: Wanted, known: Configuration, told: Source, reference: Wanted | None, station: Station,
    columns: int,
) -> tuple[Points, int]:  # fmt: skip
    """What the archive has, and how far its points are apart [ns]."""
    span = extract.end - extract.start
    if span > LONGEST:
        raise TooLong(str(LONGEST // SECOND))
    device, [part, *_] = str(wanted.device), told.parts
    if not _is_kept(extract, device):
        return Points(np.zeros(0, np.int64), np.zeros(0, np.float32)), _step(known)
    if wanted.quantity not in COMPUTED and (span > ROWS_UP_TO or extract.overview_hours):
        step = max(1, span // (columns * PER_COLUMN * SECOND))
        found = stepped(extract, device, part.quantity, part.name or None, step)
        low, mean, high = (told.compute(each[None]) for each in (found.low, found.mean, found.high))
        return Points(found.time, mean, low, high), max(step * SECOND, _step(known))
    if span > COMPUTED_UP_TO:
        raise TooLong(str(COMPUTED_UP_TO // SECOND))
    parts = [extract.get(device, part.quantity, part.name or None) for part in told.parts]
    time = parts[0][0]
    values = told.compute(np.stack([at_times(*each, time, _step(known)) for each in parts]))
    if wanted.quantity == DIFFERENCE and reference is not None and (other := sources(station, [reference])):
        [(_, its)] = other.values()
        angle = extract.get(str(reference.device), "angle", its.parts[0].name)
        values = difference(values, at_times(*angle, time, _step(known)))
    return Points(time, values), _step(known)


def _is_kept(extract: Extract, device: str) -> bool:
    from archive.folder import ArchiveError

    try:
        return bool(extract.stations.called(device))
    except ArchiveError:
        return False
