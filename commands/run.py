"""`syms run`: one process of a pipeline, in the foreground. supervisord starts every process so."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import structlog
import typer

from commands import _root
from commands._logs import configure_logs
from commands._output import PipelineFile
from nodes import _compiled, _runtime
from nodes._kinds import node_of
from nodes._pipeline import load
from nodes._runfolder import make_run_folder


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(run)


def run(
    pipeline: PipelineFile,
    process: Annotated[str, typer.Argument(help="Name of a process, as receivers.1.")],
    as_root: _root.AsRoot = False,
) -> None:
    """Run one process of a pipeline. Exit codes: 0 stopped or done, 1 a bug or no start, 2 faulty settings."""
    checked = load(pipeline, only=process)
    if process not in checked.processes:
        message = f"{pipeline} has no process {process!r}; its processes: {', '.join(checked.processes)}"
        raise typer.BadParameter(message, param_hint="PROCESS")
    _root.check(as_root)
    os.umask(0o077)
    spec = checked.processes[process]
    make_run_folder(Path(checked.run))
    configure_logs()
    if _compiled.keep(Path(checked.run)):
        where = f"in the runtime folder, until that is gone; {_compiled.SET_BY_HAND} names another"
        structlog.get_logger().warning("compiled code has no folder of its own", node=process, kept=where)
    place = checked.place(process)
    raise typer.Exit(_runtime.run(node_of(spec.kind)(spec.settings, place), spec.kind, place))
