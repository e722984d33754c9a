"""`syms completeness`: which share of the rows expected of each device the archive holds, by hours or days."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from archive.checksums import told
from archive.layout import moment
from commands._archive import ArchiveFolder, refusals
from commands._output import AsJson, console, notes, print_json

if TYPE_CHECKING:
    from archive.completeness import Completeness


class By(StrEnum):
    """How long a cell is."""

    HOUR = "hour"
    DAY = "day"


STEPS = ((0.99, "█", "green"), (0.95, "▓", "yellow"), (0.8, "▒", "dark_orange"), (0.0, "░", "red"))
"""Least share, mark and colour; the first is the goal."""
NONE, NOT_EXPECTED = ("·", "bold red"), (" ", "")
NAMES = 24
"""Columns for the name of a device beside its cells."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(completeness)


def completeness(
    directory: ArchiveFolder,
    start: Annotated[str | None, typer.Option("--from", help="First instant, as 2026-05-06T07:00:00Z.")] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="Instant after the last; else the archive's last row ends it.")
    ] = None,
    by: Annotated[By, typer.Option(help="How long a cell is: an hour or a day (UTC).")] = By.HOUR,
    device: Annotated[
        list[str] | None, typer.Option(help="Station, by its name as listed; may be given several times.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="A line for each device and cell; times in ns UTC.")] = False,
    as_json: AsJson = False,
) -> None:
    """Tell which share of the rows that were expected of each device the archive holds: the goal is 99 %.

    A device is expected from its first row on, at its own rate, also while it is silent; not any more when it has left
    the site file.
    """
    from archive.completeness import completeness as of_archive

    with refusals():
        found = of_archive(directory, start, end, time.time_ns())
        found = found.by_day() if by is By.DAY else found
        if device:
            found = found.only(_called(found, device))
        if as_json:
            print_json(_plain(found))
        elif as_csv:
            _print_csv(found)
        else:
            _tell(found)
        if gone := told(found.removed):
            notes.print(gone, style="yellow", highlight=False, markup=False, soft_wrap=True)


def _called(found: Completeness, wanted: list[str]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    from archive.folder import ArchiveError
    from archive.nearest import known

    for name in wanted:
        if name not in found.devices:
            raise ArchiveError(f"no station {name!r} in that time; there are: {known(name, found.devices)}")
    return np.array([name in wanted for name in found.devices], bool)


def _plain(found: Completeness) -> dict[str, Any]:
    from archive.completeness import COUNTS, GOAL

    devices = []
    for row, (name, share, each) in enumerate(
        zip(found.devices, found.of_devices().tolist(), found.configurations, strict=True)
    ):
        counts = {count: getattr(found, count)[row].tolist() for count in COUNTS}
        devices.append({"name": name, "device": each.device, "share": share, "shares": found.share[row].tolist()}
                       | counts)  # fmt: skip
    return {"goal": GOAL, "share": found.whole(), "start": found.start.tolist(), "stop": found.stop.tolist(),
            "devices": devices, "unheard": found.unheard}  # fmt: skip


def _print_csv(found: Completeness) -> None:
    from archive.completeness import COUNTS

    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["device", "name", "start", "stop", "share", *COUNTS])
    share = found.share
    for row, (name, each) in enumerate(zip(found.devices, found.configurations, strict=True)):
        for cell, (start, stop) in enumerate(zip(found.start.tolist(), found.stop.tolist(), strict=True)):
            counts = [getattr(found, count)[row, cell].item() for count in COUNTS]
            told = ["" if value != value else value for value in (share[row, cell].item(), *counts)]
            out.writerow([each.device, name, start, stop, *told])


def _tell(found: Completeness) -> None:
    if not found.devices:
        console.print("no device is expected in that time")
        return
    first, last = (f"{moment(int(at)):%Y-%m-%d %H:%M}" for at in (found.start[0], found.stop[-1]))
    console.print(f"{first} to {last} UTC: {_percent(found.whole())} of what was expected", highlight=False)
    console.print(_table(found))
    for lines in _maps(found):
        console.print(lines, no_wrap=True, highlight=False)
    marks = [Text.assemble((mark, style), f" ≥ {least:.0%}  ") for least, mark, style in STEPS[:-1]]
    marks += [Text.assemble((STEPS[-1][1:]), " less  "), Text.assemble(NONE, " nothing")]
    console.print(Text.assemble(*marks))
    if found.unheard:
        console.print(escape(f"never heard: {', '.join(found.unheard)}"), highlight=False, style="yellow")


def _percent(share: float) -> str:
    """Never rounded up to 100 %."""
    return "" if share != share else f"{np.floor(share * 1e4) / 1e2:.2f} %"


def _table(found: Completeness) -> Table:
    table = Table("device", "complete")
    for column in ("expected", "missing", "invalid", "unsync.", "aside", "late"):
        table.add_column(column, justify="right")
    share = found.of_devices()
    for row in np.argsort(np.where(np.isfinite(share), share, 2.0), kind="stable").tolist():
        expected, archived, invalid, unsynchronised, aside = (
            int(getattr(found, name)[row].sum())
            for name in ("expected", "archived", "invalid", "unsynchronised", "aside")
        )
        late = found.late[row]
        table.add_row(
            escape(found.devices[row]), Text(_percent(share[row]), style=_mark(share[row])[1]), str(expected),
            str(max(0, expected - archived)), str(invalid), str(unsynchronised), str(aside),
            f"{np.nansum(late):.0f}" if np.isfinite(late).any() else "",
        )  # fmt: skip
    return table


def _mark(share: float) -> tuple[str, str]:
    if share != share:
        return NOT_EXPECTED
    if share == 0.0:
        return NONE
    return next((mark, style) for least, mark, style in STEPS if share >= least)


def _maps(found: Completeness) -> Iterator[Text]:
    """A mark for each device and cell, as many cells beside each other as there is room for."""
    share, room = found.share, max(24, (console.width - NAMES - 1) // 24 * 24)
    for low in range(0, share.shape[1], room):
        yield Text(f"{'':{NAMES}} {moment(int(found.start[low])):%Y-%m-%d %H:%M} UTC →")
        for row, name in enumerate(found.devices):
            line = Text(name)
            line.truncate(NAMES, overflow="ellipsis", pad=True)
            line.append(" ")
            for each in share[row, low : low + room].tolist():
                line.append(*_mark(each))
            yield line
