"""All that a report tells of a day (or of any other time), as plain figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from pathlib import Path

from algorithms.frequencyquality import FrequencyQuality, quality
from archive import folder, layout
from archive.completeness import Completeness, completeness
from archive.events import Event, list_events
from archive.folder import ArchiveError
from archive.groups import labels
from archive.reading import open_archive
from archive.reports.alarms import Alarms, alarms
from archive.reports.asked import Asked
from archive.reports.frequencies import Frequencies, frequencies
from archive.reports.health import Health, health
from archive.reports.station import Station, station
from archive.reports.voltages import Voltage, voltages
from archive.sitetexts import SiteTexts
from protocol.clock import SECOND
from protocol.messages import Configuration


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
    alarms: Alarms | None = None
    """None: the archive keeps none of that time."""
    names: dict[int, str] = field(default_factory=dict)
    """Of devices by number, no two the same."""


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
    whole: bool = True,
) -> Day:
    """Gathers it hour by hour. Raises ArchiveError, OSError.

    Nothing is expected after `now`. `title` is the station's name if it is not that of its site file, `free` [bytes]
    what is left on the disk. Without `whole`, unbalance and distortion are of one minute of each hour.
    """
    folder.check(root)
    start, end = span
    until = min(end, now) // SECOND * SECOND
    if until <= start:
        raise ArchiveError(f"{layout.moment(start):%Y-%m-%d %H:%M} UTC is still to come; ask for a day that has begun")
    asked = Asked.of(root, start, until)
    found = completeness(root, start, until, now)
    known = _known(root, found, start, until)
    seconds = frequencies(asked, list(known.values()))
    qualities = {name: quality(each.mean, each.lowest, each.highest, each.nominal) for name, each in seconds.items()}
    events = list_events(root, (), start, until, rejected=None)
    return Day(
        title=title or SiteTexts(root).of_hour(layout.hour_of(until - 1)).station,
        start=start, end=end, until=until, zone=zone,
        completeness=found, frequencies=seconds, qualities=qualities, voltages=voltages(asked, whole),
        health=health(asked, found), events=[each for each in events if not each.rejected],
        rejected=sum(each.rejected for each in events), station=station(asked, free),
        alarms=alarms(asked), names=dict(zip(known, labels(list(known.values())), strict=True)),
    )  # fmt: skip


def _known(root: Path, found: Completeness, start: int, until: int) -> dict[int, Configuration]:
    """The devices by number: those of which rows are expected, and those of which there is an overview alone."""
    known = {each.device: each for each in found.configurations}
    if found.removed:
        with open_archive(root, start, until) as held:
            known = {each.device: each for _, each in held.stations.known} | known
    return known
