"""`syms protect`: a span of an archive that retention leaves alone."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

import typer

from archive.layout import moment
from commands._archive import ArchiveFolder, refusals
from commands._output import AsJson, console, print_json


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(protect)


def protect(
    directory: ArchiveFolder,
    start: Annotated[str | None, typer.Option("--from", help="First instant, as 2026-05-06T07:00:00Z.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Instant after the last.")] = None,
    reason: Annotated[str, typer.Option(help="Why, for whoever asks later.")] = "",
    release: Annotated[int | None, typer.Option(help="Number of a span that is protected no longer.")] = None,
    as_json: AsJson = False,
) -> None:
    """Protect a span, or release one; then list those that are protected."""
    from archive.folder import check
    from archive.retention import protect as add
    from archive.retention import protections
    from archive.retention import release as free
    from archive.spans import instant

    given = [start is not None, end is not None, bool(reason)]
    if any(given) and not all(given):
        raise typer.BadParameter("a span needs --from, --to and --reason")
    with refusals():
        check(directory)
        if all(given):
            add(directory, instant(start, 0), instant(end, 0), reason, time.time_ns())
        if release is not None:
            free(directory, release, time.time_ns())
        found = protections(directory)
    if as_json:
        print_json([asdict(each) for each in found])
        return
    for each in found:
        span = f"{moment(each.start):%Y-%m-%d %H:%M:%S} to {moment(each.end):%Y-%m-%d %H:%M:%S}"
        console.print(f"{each.number}: {span} UTC: {each.reason}", highlight=False, soft_wrap=True, markup=False)
    if not found:
        console.print("nothing is protected")
