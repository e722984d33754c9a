"""`syms export`: an archive's rows as text, as `syms decode` prints a capture; its verdicts, statistics, answers."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archive import longrows
from archive.layout import VERDICT_FIELDS
from commands._archive import ArchiveFolder, refusals

if TYPE_CHECKING:
    from archive.repaired import Repaired


class Format(StrEnum):
    """What is printed."""

    CSV = "csv"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(export)


def export(
    directory: ArchiveFolder,
    start: Annotated[str | None, typer.Option("--from", help="First instant, as 2026-05-06T07:00:00Z.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Instant after the last.")] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(help="Station: NAME (all that have it), LINK/NAME or number; may be given several times."),
    ] = None,
    verdicts: Annotated[
        bool, typer.Option("--verdicts", help="What became of the windows that end in that time, instead of rows.")
    ] = False,
    statistics: Annotated[
        bool, typer.Option("--statistics", help="How devices were in each minute that begins in that time.")
    ] = False,
    events: Annotated[
        bool, typer.Option("--events", help="Every answer of event triggers with an onset in that time.")
    ] = False,
    repaired: Annotated[
        Path | None,
        typer.Option(
            "--repaired",
            metavar="FILE",
            help="Write frequencies and voltages to this HDF5 file instead, as "
            "measured, and beside them without bad data.",
        ),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="csv: one line per quantity of a row.")] = Format.CSV,
) -> None:
    """Print the rows of an archive: by hour, table and minute. Also of a live one.

    Rows that were set aside are printed too; if there are any, a column `aside` has the reason. Of verdicts,
    statistics and events all columns of docs/open-an-archive.md are printed, of the first two one line for each device;
    times are ns UTC.
    """
    from archive.answers import FIELDS as EVENT_FIELDS
    from archive.reading import open_archive
    from archive.statistics import FIELDS

    tables = {"--verdicts": verdicts, "--statistics": statistics, "--events": events,
              "--repaired": repaired is not None}  # fmt: skip
    wanted = [option for option, asked in tables.items() if asked]
    if len(wanted) > 1:
        raise typer.BadParameter(f"{' and '.join(wanted)} are two tables: ask for one", param_hint=wanted[-1])
    with refusals(), open_archive(directory, start, end) as found:
        if verdicts:
            return _write(VERDICT_FIELDS, found.each_verdicts(device))
        if statistics:
            return _write(FIELDS, found.each_statistics(device))
        if events:
            return _write(EVENT_FIELDS, found.each_answers())
        if repaired is not None:
            return _write_repaired(found.repaired(device), repaired)
        found.check_devices(device or [])
        aside = found.has_aside(device)
        longrows.write_header(sys.stdout, aside)
        longrows.write_rows(sys.stdout, found.rows(device), aside)


def _write_repaired(found: Repaired, path: Path) -> None:
    """A new file, never one that is there: an archive's files are not to be written over."""
    data = found.to_xarray()
    with path.open("xb"):
        data.to_netcdf(path, mode="w", engine="h5netcdf")


def _write(fields: Iterable[str], found: Iterable[dict[str, Any]]) -> None:
    """Rows as CSV."""
    names = list(fields)
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(names)
    for rows in found:
        out.writerows(zip(*(rows[name].tolist() for name in names), strict=True))
