"""What lies on disk: names, types and versions, in one place.

    DIR/archive.json                         format version
    DIR/site.yaml                            the site file, as last given
    DIR/writer.lock  finish.lock             who writes, who finishes
    DIR/watermark  undo                      see archive/watermark.py
    DIR/strays.json                          hours that hold rows set aside of other times, if any
    DIR/configurations.jsonl                 every configuration ever taken, append-only
    DIR/checksums.jsonl                      SHA-256 of finished files and events, and what was removed, append-only
    DIR/protected.jsonl                      spans that retention leaves alone, see archive/retention.py
    DIR/live/20260506T07Z/                   the parts of one hour, see archive/parts.py
        rate50_ph4_an0_dg1.20260506T0700Z_60min.<serial>.part.h5
        rate50_ph4_an0_dg1.aside.<serial>.part.h5
        verdicts.<serial>.part.h5        see archive/verdicts.py
        statistics.<serial>.part.h5      see archive/statistics.py
        events.<serial>.part.h5          see archive/answers.py
        flags.<serial>.part.h5           see archive/flags.py
        alarms.<serial>.part.h5          see archive/alarms.py
    DIR/2026/05/06/syms_20260506T07Z.h5      one finished hour of the whole station
    DIR/2026/05/06/overview_20260506T07Z.h5  what is left of one whose rows are gone, see archive/remains.py
    DIR/events/20260506T071422.340Z_….h5     one event with its clip, see archive/events.py and archive/records.py

A part named `….sealed.h5` is never written again and waits to be merged into its finished file.
A finished file always covers one hour: parts are shorter where an hour would be too large.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

from protocol import clock
from protocol.messages import FIXED_CHANNELS, Table

FORMAT = 7
"""Of the whole folder; a newer release reads an older one's. 1: no verdicts; 2: no overviews; 3: of angles as well;
4: no statistics, no tables of harmonics or inter-harmonics, which a release of then would leave out of its files;
5: no answers of event triggers, no flags; 6: no alarms."""
SPAN = 3600 * clock.SECOND
"""Of a finished file [ns]."""
PART_SPANS = tuple(minutes * 60 * clock.SECOND for minutes in (60, 30, 20, 10, 5, 1))
"""Of a part [ns], longest first; each divides an hour, so none crosses a finished file's border."""
PART_LIMIT = 2 << 30
"""Bytes a part may come to when full."""
ASIDE_ROWS = 16384
"""Capacity of one aside part."""
VERDICT_ROWS = 8192
"""Capacity of one part of verdicts."""
FLAG_REPEAT = 600 * clock.SECOND
"""A span of bad data that goes on is said again so often, and none is told later than so long after its `stop` [ns]."""
PART, SEALED = ".part.h5", ".sealed.h5"
FINISHED, OVERVIEW = "syms_", "overview_"
"""What the names of the files of an hour begin with."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_DAY = 253_402_300_799 * clock.SECOND
"""Of the years that have four digits [ns]."""


class Field(NamedTuple):
    """One dataset of a part: what one cell of it holds."""

    dtype: str
    tail: tuple[int, ...] = ()
    about: str = ""


def row_fields(table: Table) -> dict[str, Field]:
    """What is kept of a row at its place. A hole reads as zeros: ask `present`."""
    fields = {
        "values": Field("<f4", (table.channels,), "by channel; NaN = marked invalid by the device"),
        "status": Field("<u2", (), "STAT"),
        "quality": Field("|u1", (), "time quality byte of FRACSEC"),
        "offset": Field(offset_type(table.rate), (), "time of the row minus time of its slot [ns]"),
        "digital": Field("<u2", (table.digitals,), "digital words as received"),
    }
    if not table.digitals:
        del fields["digital"]
    return fields


def offset_type(rate: int) -> str:
    """int32 holds half a period of up to 4 s; slower tables need more."""
    return "<i4" if clock.period(rate) <= 4 * clock.SECOND else "<i8"


def aside_fields(table: Table) -> dict[str, Field]:
    """What is kept of a row that does not stand at a place."""
    fields = row_fields(table)
    del fields["offset"]
    return fields | {
        "time": Field("<i8", (), "own time of the row, nanoseconds since 1970-01-01"),
        "reason": Field("|u1", (), "protocol.messages.Aside"),
        "column": Field("<u4", (), "row of `columns`: the configuration it was decoded by"),
        "digest": Field("|u1", (16,), "BLAKE2b of configuration, time and content: tells a copy"),
    }


TIME_TEXT = "nanoseconds since 1970-01-01"
VERDICT_FIELDS = {
    "device": Field("<u4", (), "device number: link * 65536 + position of the station in its stream"),
    "name": Field("S64", (), "name of the station"),
    "start": Field("<i8", (), f"of the window: its first sample, {TIME_TEXT}"),
    "stop": Field("<i8", (), f"of the window: after its last sample, {TIME_TEXT}"),
    "outcome": Field("S16", (), "ok, incomplete (not judged: too much is missing), failed (given up)"),
    "suspicious": Field("|u1", (), "1 = the algorithm found something"),
    "onset": Field("<i8", (), f"of what it found, {TIME_TEXT}; 0 = nothing found"),
    "score": Field("<f8", (), "how far beyond the algorithm's limit, 1.0 = at the limit"),
    "completeness": Field("<f8", (), "share of the window's samples that were measured, 0 to 1"),
    "algorithm": Field("S64", (), "name of the algorithm; empty = the window was not judged"),
    "version": Field("<i8", (), "version of the algorithm"),
    "trigger": Field("S64", (), "process that cut the window"),
    "worker": Field("S64", (), "process that judged it"),
    "lease": Field("<i8", (), "the trigger's number of the window"),
    "attempt": Field("<i8", (), "how often the window had been sent to a detector"),
    "took": Field("<i8", (), "time of work in ns"),
    "epoch": Field("<i8", (), "of the trigger's stream of verdicts"),
    "number": Field("<i8", (), "of the verdict in that epoch"),
    "kept": Field("<i8", (), f"when the archive took it, {TIME_TEXT}"),
    "error": Field("S256", (), "why it was not judged, cut to length"),
    "detail": Field("S2048", (), "the algorithm's own figures (JSON)"),
}
"""What is kept of a verdict, one row for each device of its window. Texts are UTF-8, padded with zero bytes."""
STATISTIC_ROWS = 16384
"""Capacity of one part of statistics."""
FLAG_ROWS = 8192
"""Capacity of one part of flags."""
ALARM_ROWS = 2048
"""Capacity of one part of alarms."""
LEDGERS = ("verdicts", "statistics", "events", "flags", "alarms")
COLUMN = np.dtype([("device", "<u4"), ("version", "<u4"), ("length", "<u4"), ("crc", "<u4")])
"""Record of `columns`; `length` and `crc` are of the JSON in `configuration`; length 0 = column free."""


def row_bytes(table: Table) -> int:
    """Bytes of one cell over all fields, presence included."""
    sizes = (np.dtype(field.dtype).itemsize * int(np.prod(field.tail)) for field in row_fields(table).values())
    return 1 + sum(sizes)


def channels(table: Table) -> list[str]:
    """Labels of the value channels, the same for every device of a table."""
    if table.spectrum:
        numbers = [
            f"{phasor}.{part}" for phasor in range(1, table.phasors + 1) for part in range(1, table.components + 1)
        ]
    else:
        numbers = [f"{phasor}" for phasor in range(1, table.phasors + 1)]
    phasors = [f"{quantity} {number}" for number in numbers for quantity in ("magnitude", "angle")]
    return ["frequency", "rocof", *phasors, *(f"analog {number}" for number in range(1, table.analogs + 1))]


def quantities(table: Table) -> list[str]:
    """Quantity of each value channel."""
    return [
        "frequency",
        "rocof",
        *["magnitude", "angle"] * (table.phasors * table.components),
        *["analog"] * table.analogs,
    ]


TABLE_NAME = re.compile(r"(?:rate(\d+)|every(\d+)s)_ph(\d+)_an(\d+)_dg(\d+)(?:_h(\d+)|_i(\d+))?$")


def table_of(name: str) -> Table | None:
    """The table of that name, None if it is none."""
    match = TABLE_NAME.match(name)
    if match is None:
        return None
    rate, every, *sizes = (int(text or 0) for text in match.groups())
    return Table(rate or -every, *sizes)


def first_slot(time: int, rate: int) -> int:
    """Number of the first slot at or after an instant [ns]."""
    slot = int(clock.slot_of(time, rate))
    while clock.slot_time(slot, rate) < time:
        slot += 1
    while clock.slot_time(slot - 1, rate) >= time:
        slot -= 1
    return slot


def channel_of(table: Table, quantity: str, index: int) -> int:
    """Value channel of the index-th (0-based) channel of a quantity; of spectra, each component counts."""
    first = {"frequency": 0, "rocof": 1, "magnitude": FIXED_CHANNELS, "angle": FIXED_CHANNELS + 1}
    if quantity == "analog":
        return FIXED_CHANNELS + 2 * table.phasors * table.components + index
    return first[quantity] + 2 * index


def hour_of(time: int) -> int:
    """Start [ns] of the finished file that an instant belongs to."""
    return time // SPAN * SPAN


def moment(time: int) -> datetime:
    """UTC of an instant [ns], to the microsecond below."""
    return EPOCH + timedelta(microseconds=time // 1000)


def hour_name(hour: int) -> str:
    """As `20260506T07Z`."""
    return f"{moment(hour):%Y%m%dT%HZ}"


def hour_from(name: str) -> int | None:
    """Start [ns] of the hour of that name, None if it is none."""
    try:
        found = datetime.strptime(name, "%Y%m%dT%HZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return (found - EPOCH) // timedelta(microseconds=1) * 1000


def instant_from(name: str) -> int | None:
    """Instant [ns] that the name of an event, as `20260506T071422.340Z_…`, begins with, None if there is none."""
    try:
        found = datetime.strptime(name.partition("Z_")[0] + "+0000", "%Y%m%dT%H%M%S.%f%z")
    except ValueError:
        return None
    return (found - EPOCH) // timedelta(microseconds=1) * 1000


def event_name(onset: int, mark: str) -> str:
    """Such a name."""
    at = moment(onset)
    return f"{at:%Y%m%dT%H%M%S}.{at.microsecond // 1000:03d}Z_{mark}"


def live_folder(root: Path, hour: int) -> Path:
    """Where the parts of an hour lie."""
    return root / "live" / hour_name(hour)


def has_parts(root: Path, hour: int) -> bool:
    """Whether there are parts of an hour."""
    return any(live_folder(root, hour).glob("*.h5"))


def finished_path(root: Path, hour: int) -> Path:
    """The finished file of an hour."""
    return root / f"{moment(hour):%Y/%m/%d}" / f"{FINISHED}{hour_name(hour)}.h5"


def overview_path(root: Path, hour: int) -> Path:
    """What is left of an hour whose rows are gone."""
    return root / f"{moment(hour):%Y/%m/%d}" / f"{OVERVIEW}{hour_name(hour)}.h5"


def part_name(table: Table, start: int, span: int, serial: str) -> str:
    """File name of a part; the serial makes it unique for ever."""
    return f"{table.name}.{moment(start):%Y%m%dT%H%MZ}_{span // (60 * clock.SECOND)}min.{serial}{PART}"


def aside_name(table: Table, serial: str) -> str:
    """File name of an aside part."""
    return f"{table.name}.aside.{serial}{PART}"


def ledger_of(path: Path) -> str:
    """Name of the ledger that a part is of (`archive/ledgers.py`); "" if it holds rows of devices."""
    name = path.name.split(".")[0]
    return name if name in LEDGERS else ""


def finished_hours(root: Path, start: int | None = None, end: int | None = None) -> dict[int, Path]:
    """Hour [ns] to path of every finished file, in order of time; of days that touch [start, end) ns if given."""
    return _hours(root, FINISHED, start, end)


def overview_hours(root: Path, start: int | None = None, end: int | None = None) -> dict[int, Path]:
    """The same of the files that are left of hours whose rows are gone."""
    return _hours(root, OVERVIEW, start, end)


def _hours(root: Path, prefix: str, start: int | None, end: int | None) -> dict[int, Path]:
    low = () if start is None else _day(start)
    high = () if end is None else _day(end)
    paths = (path for day in _days(root, low, high, 3) for path in day.glob(f"{prefix}*.h5"))
    hours = ((hour_from(path.stem.removeprefix(prefix)), path) for path in paths)
    return dict(sorted((hour, path) for hour, path in hours if hour is not None))


def _day(time: int) -> tuple[str, ...]:
    """Year, month and day as folders are called; of an instant before or after all years, the first or last one."""
    inside = min(max(time, 0), LAST_DAY)
    return tuple(f"{moment(inside):%Y %m %d}".split())


def _days(folder: Path, low: tuple[str, ...], high: tuple[str, ...], depth: int) -> Iterator[Path]:
    """Folders `depth` below one, whose names lie between two; low and high are empty where there is no limit."""
    if not depth:
        yield folder
        return
    for path in folder.glob("[0-9]*"):
        if (not low or low[0] <= path.name) and (not high or path.name <= high[0]):
            below_low = low[1:] if low and path.name == low[0] else ()
            below_high = high[1:] if high and path.name == high[0] else ()
            yield from _days(path, below_low, below_high, depth - 1)


def live_hours(root: Path) -> dict[int, Path]:
    """Hour [ns] to folder of every hour that has parts, in order of time."""
    folders = ((hour_from(path.name), path) for path in (root / "live").glob("*") if any(path.glob("*.h5")))
    return dict(sorted((hour, path) for hour, path in folders if hour is not None))
