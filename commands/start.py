"""`syms start`: start processes of a pipeline that runs, which were stopped."""

from __future__ import annotations

import typer

from commands._acts import Names, act
from commands._output import AsJson, HostName, PipelineFile
from commands._plan import Do


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(start)


def start(
    pipeline: PipelineFile,
    names: Names,
    host: HostName = "",
    as_json: AsJson = False,
) -> None:
    """Start processes that were stopped, as they were when the pipeline was started or changed last."""
    act(Do.START, pipeline, names, host, as_json, True)
