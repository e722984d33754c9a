"""`syms stop`: stop processes of a pipeline that runs; `syms start` or `syms up` starts them again."""

from __future__ import annotations

import typer

from commands._acts import Names, act
from commands._agreeing import Yes
from commands._output import AsJson, HostName, PipelineFile
from commands._plan import Do


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(stop)


def stop(
    pipeline: PipelineFile,
    names: Names,
    host: HostName = "",
    as_json: AsJson = False,
    yes: Yes = False,
) -> None:
    """Stop processes, after it was shown what that costs. A receiver gives its connections to the others first."""
    act(Do.STOP, pipeline, names, host, as_json, yes)
