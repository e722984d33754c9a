"""The sections of a daily report."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from algorithms.frequencyquality import BANDS, EN_SHARE, EN_USUAL, GB_NORMAL, PERCENTILES, FrequencyQuality, time_error
from archive.completeness import GOAL
from archive.events import Event
from archive.layout import moment
from archive.reports.day import Day
from archive.reports.frequencies import WHOLE
from archive.reports.health import COUNTED, LOST, Health
from console.reports.alarms import alarms
from console.reports.content import (
    BYTES,
    CLOCK,
    DURATION,
    LISTED,
    TIME,
    Bars,
    Cell,
    Content,
    Section,
    Table,
    Tile,
    Trend,
    number,
    share,
    shown,
)
from console.reports.voltages import voltages
from console.texts import Texts
from protocol.clock import SECOND
from protocol.messages import Outcome

WORST = 6
"""Hours that are named."""
STEP = 60
"""Seconds of a step of a trend."""


def content(day: Day, text: Texts) -> Content:
    """All of it, in one language."""
    at = moment(day.start).astimezone(day.zone)
    made = [_completeness, _events, _frequency, voltages, _devices, alarms, _station]
    remarks = []
    if day.until < day.end:
        remarks.append(text("report.unfinished", time=shown(Cell(day.until, TIME), day.zone)))
    if day.completeness.removed:
        remarks.append(text("report.removed", files=len(day.completeness.removed)))
    return Content(
        title=day.title or text("report.nameless"),
        day=f"{at:%Y-%m-%d}", zone=day.zone, remarks=remarks, tiles=_tiles(day, text),
        sections=[section for make in made if (section := make(day, text)) is not None],
    )  # fmt: skip


def _tiles(day: Day, text: Texts) -> list[Tile]:
    whole = day.qualities[WHOLE]
    below, above = whole.outside[50]
    silent = sum(bool(each.silent) for each in day.health)
    figures: list[tuple[str, Cell, str]] = [
        ("completeness", share(day.completeness.whole()), ""),
        ("devices", number(len(day.completeness.devices)), ""),
        ("silent", number(silent), ""),
        ("events", number(len(day.events)), ""),
        ("mean", number(whole.mean, 4), "Hz"),
        ("outside", number(below + above, 1), "min"),
        ("time_error", number(whole.time_error, 2), "s"),
    ]
    if day.alarms is not None:
        figures.insert(4, ("alarms", number(day.alarms.raised), ""))
    return [Tile(text(f"report.tile.{name}"), cell, unit) for name, cell, unit in figures]


def _completeness(day: Day, text: Texts) -> Section:
    found = day.completeness
    of_devices, of_cells = found.of_devices(), found.share
    starts = [moment(at).astimezone(day.zone) for at in found.start.tolist()]
    rows = []
    for row in np.argsort(np.where(np.isfinite(of_devices), of_devices, 2.0), kind="stable").tolist():
        sums = {name: int(getattr(found, name)[row].sum()) for name in ("expected", "archived", "invalid", "aside")}
        rows.append([Cell(found.devices[row]), share(of_devices[row]),
                     number(max(0, sums["expected"] - sums["archived"])), number(sums["invalid"]),
                     number(sums["aside"]), *(share(each) for each in of_cells[row].tolist())])  # fmt: skip
    columns = [text(f"report.column.{name}") for name in ("device", "complete", "missing", "invalid", "aside")]
    table = Table(
        "completeness",
        [*columns, *(f"{at:%H}" if at.hour % 3 == 0 else "" for at in starts)],
        rows,
        listed=LISTED,
        strips=len(starts),
    )
    reached = int(np.sum(of_devices >= GOAL))
    lead = text("report.completeness.lead", whole=shown(share(found.whole()), day.zone), goal=f"{GOAL:.0%}",
                reached=reached, devices=len(found.devices))  # fmt: skip
    notes = [text("report.completeness.note")]
    if found.unheard:
        notes.append(text("report.completeness.unheard", names=", ".join(found.unheard)))
    return Section("completeness", text("report.completeness.title"), lead, tables=[table], notes=notes)


def _events(day: Day, text: Texts) -> Section:
    names = ("time", "kind", "confidence", "size_mhz", "size_mw", "place", "stations", "id")
    rows = [
        [Cell(event.onset, CLOCK), Cell(_kind(event, text)), Cell(event.confidence if event.kind else None, "0%"),
         number(event.size_mhz, 0), number(event.size_mw, 0), Cell(_place(event)), number(len(event.devices)),
         Cell(event.id or event.files[0].rpartition("/")[2].removesuffix(".h5"))]
        for event in day.events
    ]  # fmt: skip
    lead = text("report.events.lead", count=len(day.events), rejected=day.rejected)
    table = Table("events", [text(f"report.column.{name}") for name in names], rows)
    return Section("events", text("report.events.title"), lead, tables=[table] if rows else [],
                   notes=[text("report.events.note")] if rows else [])  # fmt: skip


def _kind(event: Event, text: Texts) -> str:
    if event.id and event.outcome != Outcome.OK:
        return text("report.not_judged")
    return text.of("report.kind", event.kind) if event.kind else event.algorithm


def _place(event: Event) -> str:
    told = [event.nearest[0]] if event.nearest else []
    if event.latitude == event.latitude:
        within = f" ± {event.ellipse[0]:.0f} km" if event.ellipse else ""
        told.append(f"{event.latitude:.2f}, {event.longitude:.2f}{within}")
    return "; ".join(told) or ", ".join(event.devices[:2])


def _frequency(day: Day, text: Texts) -> Section:
    whole, seconds = day.qualities[WHOLE], day.frequencies[WHOLE]
    names = {name: name or text("report.whole") for name in day.qualities}
    marks = [(event.onset, _kind(event, text)) for event in day.events]
    lines = [(whole.nominal, ""), *((whole.nominal + mhz / 1000, f"{mhz:+d} mHz") for mhz in (-200, -50, 50, 200))]
    means = {names[name]: _stepped(each.mean, np.nanmean) for name, each in day.frequencies.items()}
    drawings: list[Trend | Bars] = []
    if whole.known:
        drawings = [
            Trend(text("report.frequency.trend"), "Hz", day.start, STEP * SECOND, means,
                  _stepped(seconds.lowest, np.nanmin), _stepped(seconds.highest, np.nanmax), marks, lines),
            Bars(text("report.frequency.histogram"), "Hz", whole.edges, whole.bars / 60, lines),
            Trend(text("report.frequency.time_error"), "s", day.start, STEP * SECOND,
                  {names[WHOLE]: time_error(seconds.mean, whole.nominal)[::STEP]}),
        ]  # fmt: skip
    figures = Table("frequency", [text("report.column.figure"), *names.values()],
                    _figures(list(day.qualities.values()), (day.until - day.start) / SECOND, text),
                    text("report.frequency.figures"))  # fmt: skip
    hours = Table("hours", [text(f"report.column.{name}") for name in ("hour", "mean", "sigma", "lowest", "highest")],
                  _hours(day, whole), text("report.frequency.worst"), listed=WORST)  # fmt: skip
    return Section("frequency", text("report.frequency.title"), text("report.frequency.lead"), drawings,
                   [figures, hours], [text("report.frequency.limits"), text("report.frequency.note")])  # fmt: skip


def _stepped(values: np.ndarray, what: Callable[..., np.ndarray]) -> np.ndarray:
    """A figure of each step; NaN where nothing is known."""
    padded = np.concatenate([values, np.full(-len(values) % STEP, np.nan)]).reshape(-1, STEP)
    known = np.isfinite(padded).any(axis=1)
    found = np.full(len(padded), np.nan)
    found[known] = what(padded[known], axis=1)
    return found


def _figures(found: list[FrequencyQuality], seconds: float, text: Texts) -> list[list[Cell]]:
    rows: list[list[Cell]] = []

    def row(name: str, values: list[Cell], **fields: object) -> None:
        rows.append([Cell(text(f"report.figure.{name}", **fields)), *values])

    row("mean", [number(each.mean, 4) for each in found])
    row("sigma", [number(1e3 * each.sigma, 1) for each in found])
    row("lowest", [number(each.lowest, 3) for each in found])
    row("highest", [number(each.highest, 3) for each in found])
    for percent in PERCENTILES:
        row("percentile", [number(each.percentiles[percent], 3) for each in found], percent=f"{percent:g}")
    for mhz in BANDS:
        row("below", [number(each.outside[mhz][0], 1) for each in found], mhz=mhz)
        row("above", [number(each.outside[mhz][1], 1) for each in found], mhz=mhz)
    row("time_error", [number(each.time_error, 2) for each in found])
    row("en_usual", [_within(each.en_usual, EN_SHARE) for each in found], percent=f"{EN_USUAL:.0%}")
    row("en_always", [_answer(each.en_always if each.known else None, text) for each in found])
    row("gb_normal", [_within(each.gb_normal, 1.0) for each in found], hz=f"{GB_NORMAL:g}")
    row("known", [number(each.known / 60, 1) for each in found])
    row("looked", [share(each.known / seconds) for each in found])
    return rows


def _answer(value: bool | None, text: Texts) -> Cell:
    """Yes, which is good, or no; in a column of numbers."""
    return Cell(None) if value is None else Cell(text("report.yes" if value else "report.no"), "0",
                                                 "good" if value else "bad")  # fmt: skip


def _within(value: float, limit: float) -> Cell:
    """A share of a limit that is cited."""
    return share(value)._replace(level="" if value != value else "good" if value >= limit else "bad")


def _hours(day: Day, whole: FrequencyQuality) -> list[list[Cell]]:
    rows = []
    for at in whole.worst(len(whole.hours)):
        mean, sigma, lowest, highest = whole.hours[at].tolist()
        rows.append([Cell(day.start + at * 3600 * SECOND, CLOCK), number(mean, 4), number(1e3 * sigma, 1),
                     number(lowest, 3), number(highest, 3)])  # fmt: skip
    return rows


def _devices(day: Day, text: Texts) -> Section:
    told = sorted(zip(day.completeness.devices, day.health, strict=True), key=lambda pair: -_trouble(pair[1]))
    silences = sorted(((name, *span) for name, each in told for span in each.silent),
                      key=lambda silence: silence[1] - silence[2])  # fmt: skip

    def table(key: str, names: Sequence[str], rows: list[list[Cell]], listed: int = LISTED) -> Table:
        columns = [text(f"report.column.{name}") for name in ("device", *names)]
        return Table(key, columns, rows, text(f"report.devices.{key}"), listed=listed)

    tables = [
        table("devices", ("silences", "silent", "longest", "clock", "bad_data"),
              [[Cell(name), *_health(each, text)] for name, each in told]),
        table("ways", ("latency", "latency_p99", "latency_max", *COUNTED[:-1], *LOST),
              [[Cell(name), *_way(each)] for name, each in told]),
        table("silences", ("from", "to", "how_long"),
              [[Cell(name), Cell(start, TIME), Cell(stop, TIME), Cell((stop - start) / SECOND, DURATION)]
               for name, start, stop in silences], 20),
    ]  # fmt: skip
    return Section("devices", text("report.devices.title"), text("report.devices.lead"),
                   tables=[each for each in tables if each.rows], notes=[text("report.devices.note")])  # fmt: skip


def _trouble(each: Health) -> float:
    """Seconds without good data."""
    return _seconds(each) + sum(seconds for _, seconds in each.flags.values())


def _seconds(each: Health) -> float:
    return sum(stop - start for start, stop in each.silent) / SECOND


def _health(each: Health, text: Texts) -> list[Cell]:
    longest = max((stop - start for start, stop in each.silent), default=0) / SECOND
    some = bool(each.silent)
    flags = {kind: told for kind, told in sorted(each.flags.items()) if kind != "clock_offset"}
    bad = ", ".join(f"{text.of('report.fault', kind)} ×{count}" for kind, (count, _) in flags.items())
    clock = each.flags.get("clock_offset", (0, 0.0))[1]
    return [
        number(len(each.silent), level="bad" if some else ""),
        Cell(_seconds(each) if some else None, DURATION), Cell(longest if some else None, DURATION),
        Cell(clock or None, DURATION), Cell(bad or None),
    ]  # fmt: skip


def _way(each: Health) -> list[Cell]:
    return [
        *(number(value, 1) for value in (each.latency_mean, each.latency_p99, each.latency_max)),
        *(Cell(each.counts.get(name), "0") for name in COUNTED[:-1]),
        *(Cell(each.lost.get(name), "0") for name in LOST),
    ]


def _station(day: Day, text: Texts) -> Section:
    told = day.station
    room = [("day_bytes", told.day_bytes), ("archive_bytes", told.archive_bytes)]
    if told.free_bytes is not None:
        room.append(("free_bytes", told.free_bytes))
    disk = Table("disk", [text("report.column.figure"), text("report.column.size")],
                 [[Cell(text(f"report.figure.{name}")), Cell(count, BYTES)] for name, count in room])  # fmt: skip
    rows = [[Cell(at, CLOCK), Cell(name)] for at, name in told.restarts]
    restarts = Table("restarts", [text("report.column.time"), text("report.column.process")], rows,
                     text("report.station.restarts"))  # fmt: skip
    return Section("station", text("report.station.title"), text("report.station.lead", count=len(rows)),
                   tables=[disk, *([restarts] if rows else [])], notes=[text("report.station.note")])  # fmt: skip
