"""`syms restart`: restart processes of a pipeline that runs, one after another; nothing is lost."""

from __future__ import annotations

import typer

from commands._acts import Names, act
from commands._agreeing import Yes
from commands._output import AsJson, HostName, PipelineFile
from commands._plan import Do


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(restart)


def restart(
    pipeline: PipelineFile,
    names: Names,
    host: HostName = "",
    as_json: AsJson = False,
    yes: Yes = False,
) -> None:
    """Restart processes one after another: each goes on where it was. An edit of the pipeline file is for `syms up`."""
    act(Do.RESTART, pipeline, names, host, as_json, yes)
