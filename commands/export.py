"""`syms export`: an archive's rows as HDF5, CSV, Excel, COMTRADE, MAT or Parquet, or as text; verdicts; statistics."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from archive import longrows
from archive.exports.forms import Comtrade, Form, form_of
from archive.layout import VERDICT_FIELDS
from commands._archive import ArchiveFolder, refusals
from commands._output import AsJson


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(export)


def export(
    directory: ArchiveFolder,
    start: Annotated[str | None, typer.Option("--from", help="First instant, as 2026-05-06T07:00:00Z.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Instant after the last.")] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            "--device", "--devices",
            help="Station: NAME (all that have it), LINK/NAME or number; may be given several times.",
        ),
    ] = None,
    verdicts: Annotated[
        bool, typer.Option("--verdicts", help="What became of the windows that end in that time, instead of rows.")
    ] = False,
    statistics: Annotated[
        bool, typer.Option("--statistics", help="How devices were in each minute that begins in that time.")
    ] = False,
    form: Annotated[
        Form | None, typer.Option("--format", help="Of --out; else what its name ends with. Without --out: csv.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="File or folder to write; it appears as a whole or not at all.")
    ] = None,
    quantity: Annotated[
        list[str] | None,
        typer.Option(
            "--quantity", "--quantities",
            help="frequency, rocof, magnitude, angle, analog, digital, status, quality; of one channel magnitude:VA.",
        ),
    ] = None,
    event: Annotated[
        str | None, typer.Option(help="Time and stations of an event: its onset or file, as `syms events` shows it.")
    ] = None,
    comtrade: Annotated[
        Comtrade, typer.Option(help="Data of COMTRADE files; cff: one file with everything, as text.")
    ] = Comtrade.ASCII,
    rate_limit: Annotated[int | None, typer.Option(min=1, help="Rows a second at most.")] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Write the rows of an archive to files, or print them: by hour, table and minute. Also of a live one.

    Without --out rows are printed as CSV, one line per quantity of a row. Rows that were set aside are printed too; if
    there are any, a column `aside` has the reason. Of verdicts and statistics all columns of docs/open-an-archive.md
    are printed, one line for each device; times are ns UTC.
    """
    if verdicts and statistics:
        raise typer.BadParameter("--verdicts and --statistics are two tables: ask for one", param_hint="--statistics")
    if out is None:
        if form not in (None, Form.CSV) or event or quantity or as_json:
            raise typer.BadParameter("without --out rows are printed, as csv and with all quantities: say where to",
                                     param_hint="--out")  # fmt: skip
        _print(directory, start, end, device, verdicts, statistics)
        return
    if verdicts or statistics:
        raise typer.BadParameter("verdicts and statistics are printed: leave --out away", param_hint="--out")
    form = form or form_of(out)
    if form is None:
        raise typer.BadParameter(f"{out} tells no format: say --format {'|'.join(Form)}", param_hint="--format")
    from archive.exports.wishes import wish
    from commands._export import write

    with refusals():
        write(directory, wish(directory, start, end, device, quantity or (), event), form, out, comtrade, rate_limit,
              as_json)  # fmt: skip


def _print(directory: Path, start: str | None, end: str | None, device: list[str] | None, verdicts: bool,
           statistics: bool) -> None:  # fmt: skip
    """To standard output, as CSV."""
    from archive.reading import open_archive
    from archive.statistics import FIELDS

    with refusals(), open_archive(directory, start, end) as found:
        if verdicts:
            return _write(VERDICT_FIELDS, found.each_verdicts(device))
        if statistics:
            return _write(FIELDS, found.each_statistics(device))
        found.check_devices(device or [])
        aside = found.has_aside(device)
        longrows.write_header(sys.stdout, aside)
        longrows.write_rows(sys.stdout, found.rows(device), aside)


def _write(fields: Iterable[str], found: Iterable[dict[str, Any]]) -> None:
    """Rows as CSV."""
    names = list(fields)
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(names)
    for rows in found:
        out.writerows(zip(*(rows[name].tolist() for name in names), strict=True))
