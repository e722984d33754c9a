"""All that a report tells of a day (or of any other time), as plain figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Any

from algorithms.frequencyquality import FrequencyQuality, quality
from archive import folder, layout
from archive.completeness import Completeness, completeness
from archive.events import Event, list_events
from archive.folder import ArchiveError
from archive.reports.asked import Asked
from archive.reports.frequencies import Frequencies, frequencies
from archive.reports.health import Health, health
from archive.reports.station import Station, station
from archive.reports.voltages import Voltage, voltages
from archive.sitetexts import SiteTexts
from protocol.clock import SECOND

Alarm = dict[str, Any]
"""As JSON has it: `time` [ns UTC], `severity`, `source`, `device`, `text`, `state`."""
Alarms = Callable[[Asked], list[Alarm]]


@dataclass(frozen=True)
class Day:
    """Times are ns UTC."""

    title: str
    """Name of the station; "" if it is not known."""
    start: int
    end: int
    """As asked for."""
    until: int
    """As far as it had come when the report was made."""
    zone: tzinfo
    completeness: Completeness
    frequencies: dict[str, Frequencies]
    """By region; "" is all together."""
    qualities: dict[str, FrequencyQuality]
    """The same."""
    voltages: dict[int, Voltage]
    """By device number."""
    health: list[Health]
    """Of each device of `completeness`."""
    events: list[Event]
    rejected: int
    """What was suspected and was no disturbance."""
    station: Station
    alarms: list[Alarm] | None = field(default=None)
    """None: the archive keeps none."""


def span_of(day: date, zone: tzinfo) -> tuple[int, int]:
    """[start, end) ns of a day; one on which clocks are set has 23 or 25 hours."""
    begin, end = (datetime.combine(each, time(), zone) for each in (day, day + timedelta(days=1)))
    first, stop = ((each - layout.EPOCH) // timedelta(seconds=1) * SECOND for each in (begin, end))
    return first, stop


def day(
    root: Path,
    span: tuple[int, int],
    *,
    now: int,
    zone: tzinfo,
    title: str = "",
    free: int | None = None,
    alarms: Alarms | None = None,
) -> Day:
    """Gathers it hour by hour. Raises ArchiveError, OSError.

    Nothing is expected after `now`. `title` is the station's name if it is not that of its site file, `free` [bytes]
    what is left on the disk.
    """
    folder.check(root)
    start, end = span
    until = min(end, now) // SECOND * SECOND
    if until <= start:
        raise ArchiveError(f"{layout.moment(start):%Y-%m-%d %H:%M} UTC is still to come; ask for a day that has begun")
    asked = Asked.of(root, start, until)
    found = completeness(root, start, until, now)
    seconds = frequencies(asked, found.configurations)
    qualities = {name: quality(each.mean, each.lowest, each.highest, each.nominal) for name, each in seconds.items()}
    events = list_events(root, (), start, until, rejected=None)
    return Day(
        title=title or SiteTexts(root).of_hour(layout.hour_of(until - 1)).station,
        start=start, end=end, until=until, zone=zone,
        completeness=found, frequencies=seconds, qualities=qualities, voltages=voltages(asked),
        health=health(asked, found), events=[each for each in events if not each.rejected],
        rejected=sum(each.rejected for each in events), station=station(asked, free),
        alarms=None if alarms is None else alarms(asked),
    )  # fmt: skip
