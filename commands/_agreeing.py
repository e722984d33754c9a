"""What verbs that change a running station share: the change is shown and agreed to, then carried out."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from commands import _supervise
from commands._changing import Changing
from commands._output import notes, print_json
from commands._plan import Plan, Step, lines, make
from commands._running import running
from nodes._kinds import KINDS
from nodes._node import StartError
from nodes._pipeline import Pipeline

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")]
DOWN = ("STOPPED", "FATAL")


class Change:
    """From what runs to what a pipeline says."""

    def __init__(self, pipeline: Pipeline, server: _supervise.Supervisor) -> None:
        """Raises StartError for what can't be changed while it runs."""
        self.pipeline, self.server = pipeline, server
        self.running = running(pipeline, server)
        self.plan: Plan = make(self.running, pipeline)

    def carry_out(self) -> None:
        """All steps; then whatever somebody stopped, or supervisord gave up, is started too. Raises StartError."""
        with _supervise.starting(self.pipeline.run):
            if Change(self.pipeline, self.server).plan != self.plan:
                raise StartError("the station has changed meanwhile, and nothing was done: say it again")
            with Changing(self.pipeline, self.server, self.running) as changing:
                changing.carry_out(self.plan, tell_step)
            states = self.server.states()
            for process in self.pipeline.starting_order:
                over = KINDS[self.pipeline.local[process].kind].source  # what plays devices may have ended
                if states.get(process, {}).get("statename") in (DOWN if over else (*DOWN, "EXITED")):
                    self.server.start(process)


def tell_step(step: Step) -> None:
    """While it is done."""
    notes.print(f"{step.do} {step.process}", soft_wrap=True, highlight=False)


def agreed(change: Change, as_json: bool, yes: bool, dry_run: bool) -> bool:
    """Show what a change does; whether it is to be done. Raises typer.BadParameter if there is nobody to ask."""
    if as_json and dry_run:
        print_json({"started": False, "run": change.pipeline.run, "processes": {}, "plan": change.plan.told()})
        return False
    if not as_json:
        print("\n".join(lines(change.plan)))
    return not dry_run and (yes or asked(as_json))


def asked(as_json: bool) -> bool:
    """Whether somebody says yes. Raises typer.BadParameter if there is nobody to ask."""
    if as_json or not sys.stdin.isatty():
        raise typer.BadParameter("the station runs, and would be changed: say --yes, or --dry-run to see how")
    if typer.confirm("do this?"):
        return True
    print("nothing was changed")
    raise typer.Exit(1)
