"""`syms run`: one process of a pipeline, in the foreground. supervisord starts every process so."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import structlog
import typer

from commands import _root, _wirings
from commands._logs import configure_logs
from commands._output import PipelineFile
from nodes import _compiled, _runtime
from nodes._kinds import node_of
from nodes._pipeline import load
from nodes._runfolder import make_run_folder, run_folder


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(run)


def run(
    pipeline: PipelineFile,
    process: Annotated[str, typer.Argument(help="Name of a process, as receivers.1.")],
    wiring: Annotated[str, typer.Option(hidden=True, help="Name of a kept text of the pipeline file.")] = "",
    leave: Annotated[bool, typer.Option("--leave", hidden=True, help="Hand on what it has, and end.")] = False,
    name: Annotated[str, typer.Option("--as", hidden=True, help="Stand in beside it, under this name.")] = "",
    as_root: _root.AsRoot = False,
) -> None:
    """Run one process of a pipeline.

    Exit codes: 0 stopped or done, 1 a bug or no start, 2 faulty settings, 3 ended before it had handed on what it has.
    """
    run = run_folder(pipeline)
    kept = _wirings.place(run, _wirings.followed(run, name or process) or wiring) if wiring else None
    checked = load(pipeline, only=process, wired=kept)
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
    place = replace(checked.place(process), name=name or process, leaving=leave)
    raise typer.Exit(_runtime.run(node_of(spec.kind)(spec.settings, place), spec.kind, place))
