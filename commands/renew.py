"""`syms renew`: have every process of a running pipeline begin anew as this release, one after the other."""

from __future__ import annotations

import time
from pathlib import Path

import typer

from commands import _supervise, _wirings
from commands._output import AsJson, HostName, PipelineFile, notes, print_json
from commands.up import prepare
from nodes import _sockets
from nodes._kinds import KINDS
from nodes._node import StartError
from nodes._pipeline import Pipeline, load
from protocol.messages import Health

PATIENCE = 60.0
"""Seconds that a process has to speak after it was started anew."""
POLL = 0.1


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(renew)


def renew(pipeline: PipelineFile, host: HostName = "", as_json: AsJson = False) -> None:
    """Go on as this release, process by process, while the station runs: devices stay connected, and no row is lost.

    It can be repeated where it was broken off. Clients of output streams connect anew.
    """
    checked = load(pipeline, here=host)
    begun = time.monotonic()
    server = _supervise.supervisor_of(checked.run)
    renewed = renew_all(checked, server) if server else []
    seconds = time.monotonic() - begun
    if as_json:
        print_json({"up": server is not None, "renewed": renewed, "seconds": round(seconds, 1)})
    elif server is None:
        print(f"{pipeline} is not up")
    else:
        print(f"{pipeline}: {len(renewed)} processes begun anew, one after the other, in {seconds:.0f} s")


def renew_all(pipeline: Pipeline, server: _supervise.Supervisor) -> list[str]:
    """The names of those that were begun anew, in this order. Raises StartError."""
    with _supervise.starting(pipeline.run):
        if not _is_wired(pipeline, server):
            raise StartError(f"{pipeline.path} has changed since it was started; syms up shows what, and takes it up")
        prepare(pipeline)
        included = Path(Path(pipeline.run, _supervise.INCLUDED).read_text())
        _supervise.include(included, _supervise.programs(pipeline))
        changed = server.differences()[1]
        renewed = [process for process in order(pipeline) if process in changed]
        for process in renewed:
            _renew(pipeline, server, process)
        for program in _supervise.OWN & set(changed):
            server.forget(program)
            server.learn(program)
    return renewed


def _is_wired(pipeline: Pipeline, server: _supervise.Supervisor) -> bool:
    """Whether what runs are the processes of the file, each by its text or begun before without harm by another."""
    run = {process: command for process, command in server.commands().items() if process not in _supervise.OWN}
    wiring = _wirings.name_of(pipeline.text)
    by = (_wirings.followed(pipeline.run, process) or command for process, command in run.items())
    return set(run) == set(pipeline.local) and all(wiring in each for each in by)


def order(pipeline: Pipeline) -> list[str]:
    """Balancers first and receivers last: what one of them holds of a connection, the other has not to have yet."""
    kinds = {process: pipeline.local[process].kind for process in pipeline.starting_order}
    rank = {"balancer": 0, "receiver": 2}
    return sorted(kinds, key=lambda process: 3 if KINDS[kinds[process]].source else rank.get(kinds[process], 1))


def _renew(pipeline: Pipeline, server: _supervise.Supervisor, process: str) -> None:
    """One that is stopped is not started. A receiver that is told to stop ends its connections; one that is killed does
    not, and its successor goes on from its journal (docs/reliability.md)."""
    was = server.states()[process]
    if was["pid"] and pipeline.local[process].kind == "receiver":
        server.kill(process)
    server.forget(process)
    server.learn(process)
    if not was["pid"]:
        return
    server.start(process)
    deadline = time.monotonic() + PATIENCE
    with notes.status(f"{process} begins anew"):
        for health in _sockets.listen(pipeline.run, [process], [Health.TAG], POLL):  # type: ignore[attr-defined]
            if health is not None and health.pid != was["pid"]:
                return
            if time.monotonic() > deadline:
                break
    raise StartError(
        f"{process} does not speak: {_supervise.last_line(_supervise.log_folder(pipeline) / f'{process}.log')}"
    )
