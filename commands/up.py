"""`syms up`: start a pipeline under supervisord, or make the one that runs what its file says now."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from commands import _orphans, _root, _supervise, _wirings
from commands._agreeing import Change, DryRun, Yes, agreed
from commands._coming import PATIENCE, Coming
from commands._firstlink import pages
from commands._output import AsJson, HostName, PipelineFile, notes, print_json, progress
from nodes import _sitewatch, _sockets
from nodes._kinds import KINDS
from nodes._node import StartError
from nodes._pipeline import Pipeline, load
from nodes._runfolder import make_run_folder
from protocol.messages import Health

POLL = 0.1
FIRST = ("archiver", "receiver", "balancer")
"""Kinds that the way from a device to the archive needs: they are not held up by the start of the others."""
HEAD_START = 5.0
"""Seconds that they are given at most until each is at work."""
FIRST_ROWS = 2.0
"""Seconds that they are then given at most until rows are archived: there may be no device yet."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(up)


def up(
    pipeline: PipelineFile,
    host: HostName = "",
    as_json: AsJson = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_root: _root.AsRoot = False,
    inside: Annotated[
        Path | None, typer.Option(hidden=True, help="Write the programs here; supervisord itself asks for it.")
    ] = None,
) -> None:
    """Start a pipeline under supervisord, and wait until every process runs; `syms down` ends it. Of one that runs,
    only what its edited file changes is restarted, after it was shown and agreed to.
    """
    checked = load(pipeline, here=host)
    _root.check(as_root)
    make_run_folder(Path(checked.run))
    if inside is not None:
        wire(checked, inside)
        return
    states: dict[str, Any] = {}
    with _supervise.starting(checked.run):
        server = _supervise.supervisor_of(checked.run)
        if server is None and not dry_run:
            start(checked)
            states = wait_until_up(checked)
    change = Change(checked, server) if server else None
    if change:
        if change.plan.steps and not agreed(change, as_json, yes, dry_run):
            return
        if not dry_run:
            change.carry_out()
            states = wait_until_up(checked)
    if as_json:
        plan = {"plan": change.plan.told()} if change else {}
        print_json({"started": change is None and not dry_run, "run": checked.run, "processes": states, **plan})
    elif dry_run:
        print(f"{pipeline} {'is up, and as its file says' if change else 'is not up: all of it would be started'}")
    elif change is None:
        print(f"{pipeline}: {len(states)} processes run; syms status {pipeline}, syms down {pipeline}")
        print(f"logs in {_supervise.log_folder(checked)}; supervisorctl -c {checked.run}/supervisord.conf")
        for link, once in pages(checked):
            print(f"pages: {link}" + "  (once, within an hour: makes you the administrator)" * once)
    else:
        how = "is as its file says now" if change.plan.steps else "is up already"
        print(f"{pipeline} {how}: {len(states)} processes run; syms status {pipeline}, syms down {pipeline}")


def start(pipeline: Pipeline) -> None:
    """Start supervisord for a pipeline, in the background. Ends what a supervisord that was killed has left."""
    tell_ended(end_orphans(pipeline))
    _orphans.sweep(pipeline.run)
    _tell_left_journals(pipeline)
    result = subprocess.run(supervisord(prepare(pipeline)), capture_output=True, text=True)
    if result.returncode:
        raise StartError(f"supervisord did not start: {(result.stderr or result.stdout).strip()}")


def end_orphans(pipeline: Pipeline, supervisord: int | None = None) -> list[str]:
    """End the processes of a pipeline that are not this (living) supervisord's, those who feed first; returns their
    names."""
    holders = _orphans.lock_holders(pipeline.run)
    left = {name: pid for name, pid in holders.items() if not supervisord or _orphans.parent(pid) != supervisord}
    order = [left[name] for name in reversed(pipeline.starting_order) if name in left]
    strangers = [pid for name, pid in left.items() if name not in pipeline.local]
    _orphans.end([*order, *strangers], _supervise.STOP_PATIENCE)
    return sorted(left)


def _tell_left_journals(pipeline: Pipeline) -> None:
    """Of processes that the file has no more: what their readers have not got yet stays there."""
    found = sorted(each.name for each in pipeline.journal.glob("*") if each.is_dir())
    left = [name for name in found if name not in pipeline.processes]
    if left:
        what = f"{pipeline.journal} has journals of no process of this file: {', '.join(left)}"
        remedy = "what of them was not archived comes when a node has that name again; else delete them"
        notes.print(f"{what}; {remedy}", soft_wrap=True, highlight=False)


def tell_ended(names: list[str]) -> None:
    if names:
        notes.print(f"ended what an earlier start had left: {', '.join(names)}", soft_wrap=True)


def prepare(pipeline: Pipeline) -> Path:
    """Write supervisord's configuration and the log folder; returns the configuration."""
    _supervise.log_folder(pipeline).mkdir(mode=0o700, parents=True, exist_ok=True)
    path = Path(pipeline.run, "supervisord.conf")
    path.write_text(_supervise.configuration(pipeline))
    return path


def supervisord(configuration: Path, *options: str) -> list[str]:
    """The command that runs supervisord."""
    return [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration), *options]


def wire(pipeline: Pipeline, include: Path) -> None:
    """As a program of supervisord: write one program per process, have them taken up and started in order."""
    url = os.environ.get("SUPERVISOR_SERVER_URL")
    if not url:
        raise StartError("--inside is for supervisord only; leave it out")
    logs = _supervise.log_folder(pipeline)
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    include.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    server = _supervise.Supervisor(url)
    with _supervise.starting(str(logs)):  # two supervisords that wire at once
        _refuse_second(pipeline, server)
        tell_ended(end_orphans(pipeline, server.pid()))
        _wirings.keep(pipeline)
        _supervise.include(include, _supervise.programs(pipeline))
        _supervise.replace_text(Path(pipeline.run, _supervise.INCLUDED), str(include.resolve()))
        _supervise.replace_text(Path(pipeline.run, _supervise.SERVER), url)
        _sitewatch.keep(pipeline.run, pipeline.site.text, "up")
    server.update()
    first = _first(pipeline)
    for process in first:
        server.start(process)
    _let_begin(pipeline.run, first, HEAD_START)
    kinds = {name: node.kind for name, node in pipeline.local.items()}
    if not any(KINDS[kind].source for kind in kinds.values()):  # whose devices begin with the others
        _let_archive(pipeline.run, [name for name in first if kinds[name] == "archiver"], FIRST_ROWS)
    for process in pipeline.starting_order:
        if process not in first:
            server.start(process)
    print(f"{len(pipeline.local)} processes of {pipeline.path} started")


def _first(pipeline: Pipeline) -> list[str]:
    """The processes on the way to the archive, in the order of starting. What the others miss meanwhile they fetch."""
    kinds = {process: pipeline.local[process].kind for process in pipeline.starting_order}
    return [process for process, kind in kinds.items() if kind in FIRST and "archiver" in kinds.values()]


def _let_begin(run: str, processes: list[str], patience: float) -> None:
    """Until each of them has all that it imports, and so its lock, or patience [s] ends: then others may begin."""
    deadline = time.monotonic() + patience
    while not set(processes) <= _orphans.lock_holders(run).keys() and time.monotonic() < deadline:
        time.sleep(POLL / 2)


def _let_archive(run: str, archivers: list[str], patience: float) -> None:
    """Until one of them tells that it has archived rows, or patience [s] ends."""
    deadline = time.monotonic() + patience
    for health in _sockets.listen(run, archivers, [Health.TAG], POLL) if archivers else ():  # type: ignore[attr-defined]
        if (health is not None and health.counters.get("archived")) or time.monotonic() > deadline:
            return


def _refuse_second(pipeline: Pipeline, server: _supervise.Supervisor) -> None:
    """A pipeline runs once. Leaves with exit code 2, after which supervisord does not try again."""
    running = _supervise.supervisor_of(pipeline.run)
    if running and running.pid() != server.pid():
        print(f"syms: {pipeline.path} is up already, under {running.url}; syms down {pipeline.path} first",
              file=sys.stderr)  # fmt: skip
        raise typer.Exit(2)


def wait_until_up(pipeline: Pipeline, patience: float = PATIENCE) -> dict[str, Any]:
    """Process -> state, once every process has spoken (or, its work over, has ended well), however long that takes
    while they get on: `patience` [s] is for a standstill. Raises StartError.
    """
    coming = Coming(list(pipeline.local), time.monotonic(), patience)
    with progress("starting") as tell:
        for health in _sockets.listen(pipeline.run, list(pipeline.local), [Health.TAG], POLL):  # type: ignore[attr-defined]
            if health is not None:
                coming.spoken.add(health.node)
                continue
            coming.look(_states(pipeline), _orphans.lock_holders(pipeline.run), time.monotonic())
            if len(coming.up) == len(pipeline.local):
                return coming.states
            if coming.in_vain(time.monotonic()):
                break
            tell(f"{len(coming.up)} of {len(pipeline.local)} processes run")
    raise StartError(_why(pipeline, coming))


def _why(pipeline: Pipeline, coming: Coming) -> str:
    """Of what failed, the last line of its log."""
    logs = _supervise.log_folder(pipeline)
    if not coming.states:
        wiring = _supervise.last_line(Path(pipeline.run, "wiring.log"))
        return f"no process runs:\n  {wiring}\nsupervisord keeps trying; syms down {pipeline.path} ends it"
    return coming.told(lambda name: f"{_supervise.last_line(logs / f'{name}.log')} ({logs / name}.log)", pipeline.path)


def _states(pipeline: Pipeline) -> dict[str, Any]:
    """What supervisord says of our processes; none while it is still being wired."""
    server = _supervise.supervisor_of(pipeline.run)
    if server is None:
        _supervise.own(pipeline.run).pid()  # it begins with the wiring when it is asked something, or after a second
        return {}
    return {
        name: {
            "state": info["statename"],
            "exitstatus": info["exitstatus"],
            "pid": info["pid"],
            "description": info["description"],
        }
        for name, info in server.states().items()
        if name in pipeline.local
    }
