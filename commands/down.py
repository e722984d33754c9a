"""`syms down`: end a pipeline, those who feed first, and leave no process, lock or socket behind."""

from __future__ import annotations

from pathlib import Path

import typer

from commands import _orphans, _supervise
from commands._output import AsJson, HostName, PipelineFile, notes, print_json
from commands.up import end_orphans
from nodes._faults import Faulty
from nodes._node import StartError
from nodes._pipeline import Pipeline, load
from nodes._runfolder import run_folder

PATIENCE = 120.0
"""Seconds that supervisord has to stop everything, one process after the other."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(down)


def down(pipeline: PipelineFile, host: HostName = "", as_json: AsJson = False) -> None:
    """Stop every process of a pipeline, also those whose supervisord is gone."""
    try:
        checked = load(pipeline, here=host, standing=True)
    except Faulty:
        _tell_another_way(pipeline, host)
        raise
    stopped = end(checked) if Path(checked.run).is_dir() else []
    if as_json:
        print_json({"stopped": stopped})
    else:
        print(f"{pipeline}: {len(stopped)} processes stopped" if stopped else f"{pipeline} was not up")


def _tell_another_way(pipeline: Path, host: str) -> None:
    """A file that became faulty while its processes run does not say any more which these are."""
    if server := _supervise.supervisor_of(str(run_folder(pipeline, host))):
        notes.print(f"correct the file, or end all with: supervisorctl -s {server.url} shutdown", soft_wrap=True)


def end(pipeline: Pipeline) -> list[str]:
    """Stop a pipeline; returns the names of the processes that ran."""
    with _supervise.starting(pipeline.run), notes.status("stopping"):
        running = _orphans.lock_holders(pipeline.run)
        ran = set(running)
        _orphans.wake(running.values())
        if server := _supervise.supervisor_of(pipeline.run):
            ran |= {name for name, info in server.states().items() if info["pid"]}
            _end_supervised(pipeline, server)
        left = end_orphans(pipeline)
        _orphans.sweep(pipeline.run)
    return sorted((ran | set(left)) - _supervise.OWN)


def _end_supervised(pipeline: Pipeline, server: _supervise.Supervisor) -> None:
    """End supervisord with all it runs; one that runs other programs too goes on without ours."""
    pid = server.pid()
    for level in pipeline.stopping_order:
        server.stop(*level)
    ours = {*pipeline.local, *_orphans.lock_holders(pipeline.run), *_supervise.OWN}
    if set(server.states()) - ours:
        for process in reversed(pipeline.starting_order):
            server.forget(process)
        return
    server.shutdown()
    if pid and not _orphans.wait_for_end([pid], PATIENCE):
        raise StartError(f"supervisord ({pid}) did not end within {PATIENCE:.0f} s; see {pipeline.run}/supervisord.log")
