"""`syms report`: what a day came to, as a page and a workbook: completeness, events, frequency, devices."""

from __future__ import annotations

import os
import shutil
import time
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from rich.markup import escape

from archive.folder import ArchiveError
from commands import _polite
from commands._archive import ArchiveFolder, refusals
from commands._output import AsJson, console, print_json
from protocol.clock import SECOND

if TYPE_CHECKING:
    from archive.reports.day import Day


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(report)


def report(
    directory: ArchiveFolder,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder that the report is written to.")],
    day: Annotated[
        str | None, typer.Option("--day", metavar="YYYY-MM-DD", help="Which day; else the last one that is over.")
    ] = None,
    zone: Annotated[
        str, typer.Option("--zone", help="Time zone that days and times are of, as Asia/Shanghai.")
    ] = "UTC",
    site: Annotated[
        Path | None, typer.Option("--site", help="Site file that has the station's name; else that of the archive.")
    ] = None,
    language: Annotated[str, typer.Option("--language", help="en or zh.")] = "en",
    fast: Annotated[
        bool, typer.Option("--fast", help="Unbalance and harmonics of the first minute of each hour alone.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write the report of a day as one HTML file and one Excel workbook, at the lowest priority.

    What is there of that day's report is replaced when the new one is whole. Nothing in it is loaded from elsewhere.
    """
    from console.texts import LANGUAGES

    if language not in LANGUAGES:
        raise typer.BadParameter(f"{language!r} is none of {', '.join(LANGUAGES)}", param_hint="--language")
    named = _station(site)
    now, where = time.time_ns(), _zone(zone)
    chosen = _date(day) if day else datetime.fromtimestamp(now // SECOND, where).date() - timedelta(days=1)
    with refusals():
        _polite.give_way()
        _polite.leave_cleanly()
        found = _gathered(directory, chosen, where, now, named, not fast)
        files = _write(found, out, f"report_{chosen:%Y-%m-%d}", language)
        if as_json:
            print_json({"day": f"{chosen}", "complete": found.completeness.whole(), "events": len(found.events),
                        "alarms": None if found.alarms is None else found.alarms.raised,
                        "unfinished": found.until < found.end, "files": [str(path) for path in files]})  # fmt: skip
        else:
            console.print(escape("\n".join(map(str, files))), highlight=False, soft_wrap=True)


def _zone(name: str) -> tzinfo:
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise typer.BadParameter(f"no time zone {name!r}; write it as Asia/Shanghai", param_hint="--zone") from None


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day; write it as 2026-05-06", param_hint="--day") from None


def _station(site: Path | None) -> str:
    """Name in a site file. Raises Faulty."""
    if site is None:
        return ""
    from nodes._site import load

    return load(site).station


def _gathered(directory: Path, chosen: date, zone: tzinfo, now: int, title: str, whole: bool) -> Day:
    from archive.reports.day import day as gathered
    from archive.reports.day import span_of

    span = span_of(chosen, zone)
    recent = now < span[1] + (span[1] - span[0])
    free = shutil.disk_usage(directory).free if recent else None  # of a day long past it tells nothing
    return gathered(directory, span, now=now, zone=zone, title=title, free=free, whole=whole)


def _write(found: Day, out: Path, name: str, language: str) -> list[Path]:
    """Both files; each appears as a whole. Raises OSError, ArchiveError."""
    from console.reports.page import page
    from console.reports.sections import content
    from console.reports.workbook import write_workbook
    from console.texts import Texts

    text = Texts(language)
    told = content(found, text)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ArchiveError(f"{out} is no folder; name another one") from None
    made = {out / f"{name}.{suffix}": out / f".{name}.{os.getpid()}.{suffix}" for suffix in ("html", "xlsx")}
    html, workbook = made.values()
    try:
        html.write_text(page(told, text), encoding="utf-8")
        write_workbook(told, text, workbook)
        for target, temporary in made.items():
            temporary.replace(target)
    finally:
        for temporary in made.values():
            temporary.unlink(missing_ok=True)
    return list(made)
