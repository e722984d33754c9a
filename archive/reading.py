"""Reading an archive: finished files, live parts and rows set aside, as one.

    with archive.open("data", "2026-05-06T07:00Z", "2026-05-06T08:00Z") as found:
        found.devices                                   # names of the stations
        time, hertz = found.get("Blue PMU", "frequency")
        time, volts = found.get("Blue PMU", "magnitude", "VA")
        seconds = found.overview("Blue PMU", "frequency")  # minimum, mean, maximum, count of each second
        found.at("1 s", {"f": ("Blue PMU", "frequency"), "u5": ("SMD L1", "magnitude", "VA h5")})
        found.spectrum("SMD L1 harmonics")              # times, orders, values [time, phasor, order]
        found.to_xarray("rate50_ph4_an0_dg1")           # values [device, channel, time]

Times are ns UTC since 1970 (int), datetimes, or ISO 8601 text; the interval is half-open; None = no limit.
A live archive may be read while it is written: what was committed is seen, what is being written may be.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archive import alarms, flags, folder, layout
from archive.answers import EVENTS
from archive.answers import between as answers_between
from archive.asking import Asked, Picker, Piece, asked, picks
from archive.folder import ArchiveError
from archive.glances import Choose, Chosen, joined
from archive.holdings import Holdings
from archive.ledgers import Columns, some
from archive.longrows import Rows as LongRows
from archive.overviews import Overview
from archive.picking import Pick, picked, spectrum_picked
from archive.sources import Joined
from archive.spans import FIRST, LAST, Moment, instant, steps
from archive.spectrograms import Spectrogram, spectrogram
from archive.stations import Key, chosen, is_called, key_of
from archive.statistics import STATISTICS, minutes
from archive.together import Quantities, Times, Together, together
from archive.verdicts import VERDICTS, between
from protocol import clock
from protocol.messages import Configuration

if TYPE_CHECKING:
    from archive.events import Event
    from archive.repaired import Repaired

MINUTE = 60
HOUR = 3600


def open_archive(path: str | os.PathLike[str], start: Moment = None, end: Moment = None) -> Extract:
    """The rows of an archive in [start, end). Raises ArchiveError."""
    root = Path(path)
    folder.check(root)
    first, stop = instant(start, FIRST), instant(end, LAST)
    if stop < first:
        raise ArchiveError(f"the interval ends ({end}) before it begins ({start}); exchange them")
    return Extract(root, first, stop)


class Extract(Holdings):
    """The rows and verdicts of an archive between two moments."""

    def between(self, start: int, end: int) -> Extract:
        """The same archive between two other moments [ns]."""
        return Extract(self.root, start, end)

    # arrays

    def get(self, device: str, quantity: str, name: str | None = None) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """(times [n] ns UTC, values [n]) of one quantity of a station, in order of time.

        `device` is one of `devices`, or a name, `link/name` or number that one station alone has.
        `quantity` is frequency [Hz], rocof [Hz/s], magnitude [V or A], angle [degrees], analog, status, quality, or
        digital; `name` is the channel's (`word 1` for digital; `VA (2)` for the second one that is called VA), and may
        be left out if there is one only. Rows that were set aside are not in it. Raises ArchiveError.
        """
        [pieces] = self.samples([self.asked(device, quantity, name)])
        if not pieces:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        time, value = (np.concatenate(each) for each in ([p.time for p in pieces], [p.values for p in pieces]))
        order = np.argsort(time, kind="stable")
        return time[order], value[order]

    def spectrum(self, device: str, quantity: str = "magnitude", name: str | None = None) -> Spectrogram:
        """(times [n] ns UTC, components [k], values [n, k]): all harmonics or inter-harmonics of a phasor at once.

        `quantity` is magnitude or angle, `name` the phasor's; without one, values are [n, phasor, k]. Components are
        orders, or frequencies [Hz], ascending; NaN where a station had others at that time. A station that has both
        is named as `SMD harmonics` or `SMD inter-harmonics`. Raises ArchiveError.
        """
        wanted = self.asked(device, quantity, name, spectrum_picked)
        if len({key.spectrum for key in wanted.keys}) > 1:
            which = ", ".join(sorted({key.name for key in wanted.keys}))
            raise ArchiveError(f"{device} has harmonics and inter-harmonics; name one of: {which}")
        return spectrogram(self.samples([wanted])[0], name)

    def at(self, times: Times, quantities: Quantities, *, method: str = "linear", gap: int | str | None = None
           ) -> Together:  # fmt: skip
        """Quantities of any stations and tables on one time axis: `found.at("1 s", {"f": ("Hub A", "frequency")})`.

        `times` are instants (an array of ns UTC, or Moments), or a step ("20 ms", "1 s", "50/s") over the interval;
        `quantities` are (device, quantity[, name]) as for `get`, by the names that they are to have, or in a list.
        `method` is `linear` (angles along the shorter arc), `previous`, `nearest`, or `mean` of each step [t, next t).
        Status, quality and digital words are always the previous ones. NaN where samples are more than `gap` apart
        (ns, or as "3 s"; else 1.5 periods of the table), and outside of what there is. Raises ArchiveError.
        """
        return together(self, times, quantities, method, gap)

    def asked(self, device: str, quantity: str, name: str | None = None, pick: Picker = picked) -> Asked:
        """What is asked, by whom it is told. Raises ArchiveError."""
        return asked(self.stations, device, quantity, name, pick)

    def samples(self, wanted: Sequence[Asked]) -> list[list[Piece]]:
        """What is asked, in one pass over the files: the rows of each, some at a time."""
        found: list[list[Piece]] = [[] for _ in wanted]
        for rows in (rows for _, tables, _ in self._each_hour() for rows in tables):
            for pieces, each in zip(found, wanted, strict=True):
                for column, pick in each.picks(rows.configurations):
                    for time, block in self._blocks(rows, [column], pick):
                        pieces.append(Piece(rows.configurations[column], time[0], block[pick.field][0]))
        return found

    def repaired(self, devices: Sequence[str] | None = None) -> Repaired:
        """Frequency and first voltage of some devices of one rate (all, if none is named), as measured and without bad
        data, with what was found bad. `devices` are called as for `get`. Raises ArchiveError.
        """
        from archive.repaired import repaired

        return repaired(self, devices)

    def overview(self, device: str, quantity: str, name: str | None = None) -> Overview:
        """Minimum, mean and maximum of every second that begins in the interval and has valid values.

        Called as `get`, for frequency, rocof, magnitude, angle and analog. The mean of an angle says nothing in a
        second in which it turns over at 180 degrees. Finished files keep it, but not of angles; else it is made from
        the rows, which takes longer. Of `overview_hours` there is nothing else. Raises ArchiveError.
        """
        if quantity in ("status", "quality", "digital"):
            raise ArchiveError(f"there is no overview of {quantity}: use get()")
        told: set[Key] = set()
        seen: dict[int, tuple[Sequence[Configuration], Chosen]] = {}

        def may_tell(key: Key) -> bool:
            return is_called(key, device) and (name is not None or not key.spectrum)

        def choose(configurations: Sequence[Configuration]) -> Chosen:
            if id(configurations) not in seen:  # most files hold the same ones
                seen[id(configurations)] = configurations, picks(configurations, may_tell, quantity, name)
            found = seen[id(configurations)][1]
            told.update(key_of(configurations[column]) for column, _ in found)
            return found

        pieces = self._seconds(choose)
        wanted = self.asked(device, quantity, name)
        if told != wanted.keys:  # as rarely as a name that two stations have
            pieces = self._seconds(wanted.picks)
        return joined(pieces, self.start, self.end)

    def overviews(self, span: int, device: str, quantity: str, name: str | None = None) -> Iterator[Overview]:
        """The same, so many ns (whole seconds) at a time: years of seconds are more than memory holds."""
        wanted, hours = self.asked(device, quantity, name), self._with_seconds or [0]
        low, high = max(self.start, hours[0] - span), min(self.end, hours[-1] + layout.SPAN + span)
        for first in range(low // span * span, high, span):
            piece = self.between(max(self.start, first), min(self.end, first + span))
            yield joined(piece._seconds(wanted.picks), piece.start, piece.end)

    def _seconds(self, choose: Choose) -> list[Overview]:
        """Seconds of what is chosen, looking at every file once."""
        return [piece for hour in self._with_seconds for piece in self._glances.seconds(self.root, hour, choose)]

    @property
    def _with_seconds(self) -> list[int]:
        return sorted({*self.hours, *self.overview_hours})

    def _blocks(self, rows: Joined, columns: Sequence[int], pick: Pick | None = None
                ) -> Iterator[tuple[list[Any], dict[str, list[Any]]]]:  # fmt: skip
        """Rows present in the interval: (per column [n] own times, field -> per column [n, …])."""
        limit = MINUTE if pick is None else HOUR
        for first, stop in steps(rows, len(columns), self.start, self.end, limit):
            block = rows.block(columns, first, stop, pick)
            slot_time = clock.slot_time(np.arange(first, stop, dtype=np.int64), rows.table.rate)
            time = slot_time + block["offset"]
            here = (block["present"] != 0) & (time >= self.start) & (time < self.end)
            if here.any():
                taken = {name: [array[at][here[at]] for at in range(len(columns))] for name, array in block.items()}
                yield [time[at][here[at]] for at in range(len(columns))], taken

    # rows, as `syms export` prints them

    def rows(self, devices: Sequence[str] | None = None) -> Iterator[LongRows]:
        """All rows, or those of some stations: by hour, table and minute; then those that were set aside."""
        wanted = self._wanted(devices)
        for _, tables, aside in self._each_hour():
            for rows in tables:
                columns = chosen(rows.configurations, wanted)
                for times, block in self._blocks(rows, columns) if columns else ():
                    for at, column in enumerate(columns):
                        if len(times[at]):
                            words = block["digital"][at] if "digital" in block else np.zeros((len(times[at]), 0), "<u2")
                            yield LongRows(rows.configurations[column], times[at], block["status"][at],
                                           block["values"][at], words)  # fmt: skip
            for _, found in aside:
                yield from self._aside(found, wanted)

    def has_aside(self, devices: Sequence[str] | None = None) -> bool:
        """Whether any of the rows was set aside."""
        wanted = self._wanted(devices)
        return any(True for _, _, aside in self._each_hour() for _, found in aside for _ in self._aside(found, wanted))

    def verdicts(self, devices: Sequence[str] | None = None) -> Columns:
        """What became of the windows that end in (start, end]: column of `layout.VERDICT_FIELDS` to [n], in order.

        `devices` are called as for `get`, or by the name or number that stands with the verdict. Raises ArchiveError.
        """
        found = [VERDICTS.empty(), *self.each_verdicts(devices)]
        return {name: np.concatenate([each[name] for each in found]) for name in found[0]}

    def each_verdicts(self, devices: Sequence[str] | None = None) -> Iterator[Columns]:
        """The same, hour by hour."""
        yield from self._of(between(self.root, self.start, self.end), devices)

    def statistics(self, devices: Sequence[str] | None = None) -> Columns:
        """How the devices were in each minute that begins in [start, end), as concentrators with `statistics` say:
        column of `archive.statistics.FIELDS` to [n], in order. `devices` as for `verdicts`. Raises ArchiveError.
        """
        found = [STATISTICS.empty(), *self.each_statistics(devices)]
        return {name: np.concatenate([each[name] for each in found]) for name in found[0]}

    def each_statistics(self, devices: Sequence[str] | None = None) -> Iterator[Columns]:
        """The same, hour by hour."""
        yield from self._of(minutes(self.root, self.start, self.end), devices)

    def events(self, kinds: Collection[str] = (), rejected: bool = False) -> list[Event]:
        """The events with an onset in [start, end), in order; `kinds`, `rejected` as for `archive.events.list_events`.

        Raises ArchiveError.
        """
        from archive.events import list_events

        return list_events(self.root, kinds, self.start, self.end, rejected)

    def answers(self) -> Columns:
        """What event triggers said, answer by answer, of events with an onset in [start, end): column of
        `archive.answers.FIELDS` to [n], in order. Raises ArchiveError.
        """
        found = [EVENTS.empty(), *self.each_answers()]
        return {name: np.concatenate([each[name] for each in found]) for name in found[0]}

    def each_answers(self) -> Iterator[Columns]:
        """The same, hour by hour."""
        yield from answers_between(self.root, self.start, self.end)

    def flags(self, devices: Sequence[str] | None = None) -> Columns:
        """Spans of bad data that touch [start, end), as concentrators and triggers found them: column of
        `archive.flags.FIELDS` to [n], in order of their begin. `devices` as for `verdicts`. Raises ArchiveError.
        """
        [found] = self._of(iter([flags.spans(self.root, self.start, self.end)]), devices)
        return found

    def alarms(self) -> Columns:
        """Changes of alarms that were told in [start, end): column of `archive.alarms.FIELDS` to [n], in order.
        Raises ArchiveError.
        """
        return alarms.changes(self.root, self.start, self.end)

    def _of(self, found: Iterator[Columns], devices: Sequence[str] | None) -> Iterator[Columns]:
        """The rows of some devices."""
        wanted = {device: self._numbers(device) for device in devices or ()}
        for rows in found:
            for device, numbers in wanted.items():
                called = (rows["name"] == device) | (rows["device"].astype("U10") == device)
                numbers.update(rows["device"][called].tolist())
            if devices is not None:
                rows = some(rows, np.isin(rows["device"], sorted(set().union(*wanted.values()))))
            yield rows
        self.check_devices([device for device, numbers in wanted.items() if not numbers])

    def _numbers(self, device: str) -> set[int]:
        try:
            return {key.device for key in self.stations.called(device)}
        except ArchiveError:
            return set()

    # xarray

    def to_xarray(self, table: str | None = None) -> Any:
        """One table as an `xarray.Dataset` of the shape that finished files have. Raises ArchiveError."""
        from archive.datasets import dataset

        name = table or (self.tables[0] if len(self.tables) == 1 else "")
        if name not in self.tables:
            raise ArchiveError(f"name one of the tables: {', '.join(self.tables) or 'there is none in that time'}")
        with self.joined(name) as rows:
            return dataset(rows, self.start, self.end)
