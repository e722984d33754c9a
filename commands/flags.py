"""`syms flags`: bad data of devices, as the archive keeps it."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.table import Table

from archive.layout import moment
from commands._archive import ArchiveFolder, refusals
from commands._output import AsJson, console, print_json


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(flags)


def flags(
    directory: ArchiveFolder,
    start: Annotated[str | None, typer.Option("--from", help="First instant, as 2026-05-06T07:00:00Z.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Instant after the last.")] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(help="Station: NAME (all that have it), LINK/NAME or number; may be given several times."),
    ] = None,
    kind: Annotated[list[str] | None, typer.Option(help="As frozen, clock_offset; may be given several times.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="All columns as CSV; times in ns UTC.")] = False,
    as_json: AsJson = False,
) -> None:
    """List bad data that were found: of which device and kind, from when to when, how bad, by whom."""
    from algorithms.quality import Fault
    from archive.flags import FIELDS
    from archive.reading import open_archive

    for each in kind or ():
        if each not in set(Fault):
            raise typer.BadParameter(f"{each!r} is no kind of bad data: {', '.join(Fault)}", param_hint="--kind")
    with refusals(), open_archive(directory, start, end) as found:
        rows = found.flags(device)
        columns = (rows[name].tolist() for name in FIELDS)
        told = [dict(zip(FIELDS, row, strict=True)) for row in zip(*columns, strict=True)]
        told = [row for row in told if not kind or row["kind"] in kind]
        if as_json:
            print_json([row | {"going": bool(row["going"]), "detail": json.loads(row["detail"])} for row in told])
        elif as_csv:
            out = csv.DictWriter(sys.stdout, list(FIELDS), lineterminator="\n")
            out.writeheader()
            out.writerows(told)
        elif not told:
            console.print("no bad data")
        else:
            console.print(_table(told))


def _table(told: list[dict[str, Any]]) -> Table:
    table = Table("station", "kind", "from (UTC), how long", "score", "figures", "by")
    for column in table.columns[:4]:
        column.no_wrap = True
    for row in told:
        begin = f"{moment(row['start']):%Y-%m-%d %H:%M:%S.%f}"[:-3]
        long = f"{(row['stop'] - row['start']) / 1e9:.2f} s{', goes on' if row['going'] else ''}"
        table.add_row(row["name"] or str(row["device"]), row["kind"], f"{begin}\n{long}",
                      f"{row['score']:.1f}", ", ".join(_figures(json.loads(row["detail"]))), row["by"])  # fmt: skip
    return table


def _figures(detail: dict[str, Any]) -> Iterator[str]:
    for name, value in detail.items():
        yield f"{name} {value:.4g}" if isinstance(value, int | float) else f"{name} {value}"
