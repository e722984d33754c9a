"""`syms export`: rows of an archive as text, the same that `syms decode` prints of a capture."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from archive import longrows
from commands._archive import ArchiveFolder, refusals


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
    form: Annotated[Format, typer.Option("--format", help="csv: one line per quantity of a row.")] = Format.CSV,
) -> None:
    """Print the rows of an archive: by hour, table and minute. Also of a live one.

    Rows that were set aside are printed too; if there are any, a column `aside` has the reason.
    """
    from archive.reading import open_archive

    with refusals(), open_archive(directory, start, end) as found:
        found.check_devices(device or [])
        aside = found.has_aside(device)
        longrows.write_header(sys.stdout, aside)
        longrows.write_rows(sys.stdout, found.rows(device), aside)
