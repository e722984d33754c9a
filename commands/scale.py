"""`syms scale`: as many copies of a node as you say, written into the pipeline file and taken up by what runs."""

from __future__ import annotations

from typing import Annotated

import typer

from commands._agreeing import DryRun, Yes
from commands._editing import take_up
from commands._output import AsJson, HostName, PipelineFile


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(scale)


def scale(
    pipeline: PipelineFile,
    node: Annotated[str, typer.Argument(help="Name of a node, as receivers.")],
    copies: Annotated[int, typer.Argument(help="Number of processes.")],
    host: HostName = "",
    as_json: AsJson = False,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Write the copies of a node into the pipeline file; if the pipeline runs, do what `syms up` does then."""
    take_up(pipeline, host, node, {"copies": copies}, as_json, yes, dry_run)
