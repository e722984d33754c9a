"""Verbs that start, stop or restart processes of a pipeline that runs, each as it was started."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from commands import _supervise
from commands._agreeing import asked, tell_step
from commands._changing import Changing
from commands._output import print_json
from commands._plan import RESTART, Do, Running, Step
from commands._running import running
from nodes._faults import suggestion
from nodes._node import StartError
from nodes._pipeline import load

Names = Annotated[list[str], typer.Argument(metavar="NODE[.N] …", help="A node, or one process of it.")]
STOP = {
    "alarms": "no alarm is raised, and nobody is told of one, until it is started",
    "archiver": "nothing is archived until it is started; the journals keep rows for it, within their bounds",
    "balancer": "no device can dial in, and none is dialled, until it is started; those connected notice nothing",
    "caretaker": "no backup, no retention, no check of the archive until it is started",
    "concentrator": "no slots, and so no windows, until it is started; then it goes on where it stopped",
    "console": "there are no pages until it is started on the command line",
    "detector": "it judges what it has first; others take the windows, or they wait",
    "monitor": "clock and disks are not looked at until it is started",
    "publisher": "its clients are hung up on",
    "receiver": "its connections go to the other receivers, its rows to their readers; those under TLS dial again",
    "replayer": "its recording ends",
    "simulator": "its devices hang up",
    "trigger": "no windows until it is started; it then cuts those that fell due, as far as the slots are kept",
}
"""What it costs to stop one, by kind."""
LAST = "no other receiver is there: its devices are not read, and are hung up on if it is not back within `reclaim`"


def act(do: Do, path: Path, names: Sequence[str], host: str, as_json: bool, yes: bool) -> None:
    """One of the verbs. Raises StartError, Faulty, typer.BadParameter."""
    pipeline = load(path, here=host, standing=True)
    server = _supervise.supervisor_of(pipeline.run)
    if server is None:
        raise StartError(f"{path} is not up; syms up {path}")
    found = running(pipeline, server)
    steps = plan(do, found, names, {name for name, info in server.states().items() if info["pid"]})
    if not as_json:
        for step in steps:
            print(f"{step.do} {step.process}: {step.cost}" if step.cost else f"{step.do} {step.process}")
    if steps and do != Do.START and not yes:
        asked(as_json)
    with (
        _supervise.starting(pipeline.run),
        Changing(pipeline, server, running(pipeline, server)) as changing,
    ):
        for step in steps:
            tell_step(step)
            _carry_out(changing, step)
    states = {name: server.states()[name]["statename"] for name in _matching(found, names)}
    if as_json:
        print_json({"run": pipeline.run, "steps": [vars(step) for step in steps], "states": states})
    elif not steps:
        print("nothing is to be done: " + ", ".join(f"{name} {state.lower()}" for name, state in states.items()))


def plan(do: Do, found: Sequence[Running], names: Sequence[str], alive: set[str]) -> list[Step]:
    """What is to be done, in order; nothing with those that are so already. `alive`: names of processes that run."""
    here = {each.name: each for each in found}
    wanted = [here[name] for name in _matching(found, names)]
    feeding = sorted(wanted, key=lambda each: (-each.wiring.order(each.of), each.name))
    if do == Do.START:
        return [Step(do, each.name, "", "") for each in reversed(feeding) if each.name not in alive]
    going = [each for each in feeding if each.name in alive]
    if do == Do.RESTART:
        return [Step(do, each.name, "", RESTART[each.spec.kind]) for each in reversed(going)]
    steps = []
    for each in going:
        others = [one for one in found if one.spec.kind == "receiver" and one.name in alive and one not in going]
        passes = each.spec.kind == "receiver" and bool(others)
        cost = LAST if each.spec.kind == "receiver" and not passes else STOP[each.spec.kind]
        steps.append(Step(Do.LEAVE if passes else Do.STOP, each.name, "", cost))
    return steps


def _matching(found: Sequence[Running], names: Sequence[str]) -> list[str]:
    """Processes that are named, or whose node is."""
    matching: dict[str, None] = {}
    for name in names:
        mine = [each.name for each in found if name in (each.name, each.spec.name)]
        if not mine:
            every = {*(each.name for each in found), *(each.spec.name for each in found)}
            raise typer.BadParameter(f"no process or node {name!r} runs: {suggestion(name, every)}", param_hint="NODE")
        matching |= dict.fromkeys(mine)
    return list(matching)


def _carry_out(changing: Changing, step: Step) -> None:
    """As it was started: an edit of the file is for `syms up`."""
    program = changing.programs[step.process]
    if step.do == Do.LEAVE:
        changing.leave(step.process)
    elif step.do == Do.STOP and program.wiring.processes[program.of].kind == "receiver":
        changing.give_way(step.process)
    elif step.do == Do.STOP:
        changing.stop(step.process)
    else:
        if step.do == Do.RESTART:
            changing.give_way(step.process)
        changing.program(step.process, program)
        changing.start(step.process)
