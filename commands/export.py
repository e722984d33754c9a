"""`syms export`: an archive's rows as HDF5, CSV, Excel, COMTRADE, MAT or Parquet; as text; what else it has, as CSV."""

from __future__ import annotations

from pathlib import Path

import typer

from archive.exports.forms import Comtrade, Form, form_of
from commands import _exportoptions as options
from commands._archive import ArchiveFolder, refusals
from commands._output import AsJson, notes


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(export)


def export(
    directory: ArchiveFolder,
    start: options.Start = None,
    end: options.End = None,
    device: options.Device = None,
    out: options.Out = None,
    form: options.FormOption = None,
    quantity: options.Quantity = None,
    event: options.Event = None,
    comtrade: options.ComtradeOption = Comtrade.ASCII,
    rate_limit: options.RateLimit = None,
    as_json: AsJson = False,
    progress: options.Progress = False,
    verdicts: options.Verdicts = False,
    statistics: options.Statistics = False,
    events: options.Events = False,
    repaired: options.Repaired = None,
) -> None:
    """Write the rows of an archive to files, or print them: by hour, table and minute. Also of a live one.

    Without --out rows are printed as CSV, one line per quantity of a row. Rows that were set aside are printed too; if
    there are any, a column `aside` has the reason. Of verdicts, statistics and events all columns of
    docs/open-an-archive.md are printed, of the first two one line for each device; times are ns UTC.
    """
    others = {"--verdicts": verdicts, "--statistics": statistics, "--events": events,
              "--repaired": repaired is not None}  # fmt: skip
    wanted = [option for option, asked in others.items() if asked]
    if len(wanted) > 1:
        raise typer.BadParameter(f"{' and '.join(wanted)} are two tables: ask for one", param_hint=wanted[-1])
    if out is None:
        if form not in (None, Form.CSV) or event or quantity or rate_limit or as_json or progress:
            raise typer.BadParameter("without --out rows are printed, as csv and with all quantities: say where to",
                                     param_hint="--out")  # fmt: skip
        _without_out(directory, start, end, device, wanted, repaired)
        return
    if wanted:
        raise typer.BadParameter(f"{wanted[0]} is not of the rows that --out has: leave --out away", param_hint="--out")
    form = form or form_of(out)
    if form is None:
        raise typer.BadParameter(f"{out} tells no format: say --format {'|'.join(Form)}", param_hint="--format")
    from archive.exports.wishes import wish
    from commands._export import write

    with refusals():
        write(directory, wish(directory, start, end, device, quantity or (), event), form, out, comtrade, rate_limit,
              as_json, progress)  # fmt: skip


def _without_out(directory: Path, start: str | None, end: str | None, device: list[str] | None, wanted: list[str],
                 repaired: Path | None) -> None:  # fmt: skip
    """What is printed, and the repaired file."""
    from archive.checksums import told
    from archive.reading import open_archive
    from commands import _extracts

    with refusals(), open_archive(directory, start, end) as found:
        if gone := told(found.removed):
            notes.print(gone, style="yellow", highlight=False, markup=False, soft_wrap=True)
        if repaired is not None:
            _extracts.write_repaired(found, device, repaired)
        elif wanted:
            _extracts.print_table(found, device, wanted[0])
        else:
            _extracts.print_rows(found, device)
