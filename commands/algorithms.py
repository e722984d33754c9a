"""`syms algorithms`: what a detector can run, with settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from algorithms import registry
from algorithms.documented import documentation
from algorithms.registry import Algorithm
from commands._output import AsJson, console, print_json

OwnFiles = Annotated[
    list[Path] | None, typer.Argument(metavar="[FILE]...", help="Files of your own that hold an algorithm each.")
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(algorithms)


def algorithms(files: OwnFiles = None, as_json: AsJson = False) -> None:
    """List the algorithms a detector can run, with their settings, types and defaults."""
    try:
        own = [registry.find(str(path)) for path in files or []]
    except registry.UnknownAlgorithmError as error:
        typer.echo(f"{error}; see docs/write-an-algorithm.md", err=True)
        raise typer.Exit(2) from None
    known = [*registry.available(), *own]
    if as_json:
        print_json([describe(one) for one in known])
        return
    for one in known:
        console.print(table(one) if one.settings.model_fields else f"[bold]{title(one)}[/]\nno settings")


def title(one: Algorithm) -> str:
    """Name, version, what it is."""
    return f"{one.name} (version {one.version}): {one.summary}"


def describe(one: Algorithm) -> dict[str, Any]:
    """An algorithm as plain data."""
    schema = one.settings.model_json_schema()["properties"] if one.settings.model_fields else {}
    said = documentation(one.settings)
    return {
        "name": one.name,
        "version": one.version,
        "summary": one.summary,
        "where": one.where,
        "of": list(one.of),
        "together": one.together,
        "settings": [
            {
                "name": name,
                "type": registry.unit_of(one.settings, name) or schema[name].get("type", "any"),
                "default": registry.shown(one.settings, name),
                "description": said.get(name, ""),
            }
            for name in one.settings.model_fields
        ],
    }


def table(one: Algorithm) -> Table:
    """An algorithm for people."""
    shown = describe(one)
    made = Table(title=title(one), title_justify="left", title_style="bold")
    for column in ("setting", "in", "default", "what it is"):
        made.add_column(column)
    for setting in shown["settings"]:
        made.add_row(setting["name"], setting["type"], str(setting["default"]), setting["description"])
    return made
