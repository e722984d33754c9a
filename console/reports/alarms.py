"""The section of alarms of a daily report."""

from __future__ import annotations

from algorithms.alarmfloods import BEGIN, END
from archive.reports.alarms import Standing
from archive.reports.day import Day
from console.reports.content import DURATION, LISTED, TIME, Cell, Section, Table, number
from console.texts import Texts

LONGEST = 20
"""Alarms that stood longest, on the page."""


def alarms(day: Day, text: Texts) -> Section | None:
    """None if the archive keeps none."""
    told = day.alarms
    if told is None:
        return None

    def table(key: str, names: tuple[str, ...], rows: list[list[Cell]], listed: int = LISTED) -> Table:
        return Table(key, [text(f"report.column.{name}") for name in names], rows, text(f"report.alarms.{key}"), listed)

    def row(each: Standing) -> list[Cell]:
        return [Cell(each.subject), Cell(each.kind), Cell(text.of("alarms", each.severity)), Cell(each.text),
                Cell(each.start, TIME), Cell(each.stop, TIME), Cell(each.seconds, DURATION)]  # fmt: skip

    long = ("subject", "limit", "severity", "text", "from", "to", "how_long")
    tables = [
        table("alarms", ("subject", "limit", "severity", "raised", "silent_raised", "stood"),
              [[Cell(each.subject), Cell(each.kind), Cell(text.of("alarms", each.severity)),
                number(each.raised), number(each.silent), Cell(each.seconds, DURATION)] for each in told.limits]),
        table("standing", (*long, "acknowledged"),
              [[*row(each), Cell(each.user or None)] for each in told.standing], LONGEST),
        table("floods", ("from", "to", "raised", "most", "worst"),
              [[Cell(each.start, TIME), Cell(each.stop, TIME), number(each.raised), number(each.most),
                Cell(each.worst)] for each in told.floods]),
        table("unacknowledged", long, [row(each) for each in told.unacknowledged], LONGEST),
    ]  # fmt: skip
    lead = text("report.alarms.lead", count=told.raised, floods=len(told.floods), waiting=len(told.unacknowledged))
    return Section("alarms", text("report.alarms.title"), lead, tables=[each for each in tables if each.rows],
                   notes=[text("report.alarms.note", begin=BEGIN, end=END)])  # fmt: skip
