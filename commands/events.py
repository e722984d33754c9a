"""`syms events`: the events of an archive."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import typer
from rich.table import Table

from commands._archive import ArchiveFolder, refusals
from commands._output import AsJson, console, print_json

SHOWN = 6
"""Stations named in the table; the others are counted."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(events)


def events(directory: ArchiveFolder, as_json: AsJson = False) -> None:
    """List the events: when, where, how strong, and the files with their raw data."""
    from archive.events import list_events

    with refusals():
        found = list_events(directory)
        if as_json:
            print_json([asdict(event) for event in found])
            return
        if not found:
            console.print("no events")
            return
        table = Table("onset (UTC)", "score", "algorithm", "stations", "file in events/")
        table.columns[0].no_wrap = True
        for event in found:
            more = len(event.devices) - SHOWN
            stations = ", ".join(event.devices[:SHOWN]) + (f" and {more} more" if more > 0 else "")
            names = "\n".join(Path(name).name for name in event.files)
            table.add_row(event.time, f"{event.score:.1f}", event.algorithm, stations, names)
        console.print(table)
