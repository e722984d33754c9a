"""Does what a plan says to a running station, one process after another, by supervisord.

Each step leaves a station that works, and the included file says what supervisord is to run: whoever is killed in the
middle, the next `syms up` finds out what is left to do.
"""

from __future__ import annotations

import shutil
import time
import xmlrpc.client
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands import _orphans, _supervise, _wirings
from commands._plan import Do, Plan, Running, Step
from nodes import _sockets
from nodes._node import StartError
from nodes._pipeline import Pipeline
from nodes._safekeeping import Safe
from protocol.messages import Health, Shift, Worker

PATIENCE = 120.0
"""Seconds for one process to be at work: it may have to compile first."""
LEAVING = 180.0
"""Seconds for one to hand on what it has."""
POLL = 0.1
TAKEN = 5.0
"""Seconds for a successor to have taken what its predecessor left open."""
AGAIN = 3
"""So often one that supervisord has started anew meanwhile is asked to give way."""


@dataclass(frozen=True)
class Program:
    """How a process is run."""

    wiring: Pipeline
    of: str
    """Its name in the wiring."""


class Changing:
    """A running station, while it is changed: a context, in which sockets of processes that give way are kept open."""

    def __init__(self, pipeline: Pipeline, server: _supervise.Supervisor, running: Iterable[Running]) -> None:
        self.pipeline, self.server = pipeline, server
        self.programs = {each.name: Program(each.wiring, each.of) for each in running}
        self._include = Path(Path(pipeline.run, _supervise.INCLUDED).read_text())

    def __enter__(self) -> Changing:
        """Raises StartError."""
        try:
            self.safe = Safe(self.pipeline.run)
        except OSError as fault:
            raise StartError(f"{self.pipeline.run}: {fault.strerror}; is the folder ours?") from fault
        return self

    def __exit__(self, *_: object) -> None:
        self.safe.close()

    def carry_out(self, plan: Plan, tell: Callable[[Step], None]) -> None:
        """Do all of it. Raises StartError where a step fails; what was done stays done."""
        _wirings.keep(self.pipeline)
        for step in plan.steps:
            tell(step)
            try:
                self.do(step)
            except xmlrpc.client.Fault as fault:
                raise StartError(f"supervisord: {fault.faultString}; {self._remedy}") from fault
        wiring = _wirings.name_of(self.pipeline.text)
        for process in plan.kept:
            if _wirings.name_of(self.programs[process].wiring.text) != wiring:
                _wirings.follow(self.pipeline.run, process, wiring)

    def do(self, step: Step) -> None:
        """One step, to the end."""
        if step.do == Do.START:
            self.program(step.process, Program(self.pipeline, step.process))
            self.start(step.process)
        elif step.do == Do.STAND_IN:
            self.program(step.process, Program(self.pipeline, step.of))
            self.start(step.process)
        elif step.do == Do.RESTART:
            self.give_way(step.process)
            self.program(step.process, Program(self.pipeline, step.process))
            self.start(step.process)
        elif step.do == Do.LEAVE:
            journal = self.programs[step.process].wiring.journal / step.process
            self.leave(step.process)
            self.forget(step.process)
            shutil.rmtree(journal, ignore_errors=True)  # all of it is with its readers
        else:
            self.stop(step.process)
            self.forget(step.process)

    # ── single acts ─────────────────────────────────────────────────────────────────────────────────────────

    def program(self, process: str, program: Program, leave: bool = False) -> None:
        """Say what supervisord is to run under a name; what ran under it has ended."""
        self.programs[process] = program
        _wirings.follow_no_more(self.pipeline.run, process)
        wiring, stand_in = _wirings.name_of(program.wiring.text), process if process != program.of else ""
        text = _supervise.program(program.wiring, program.of, wiring, leave, stand_in)
        _supervise.include(self._include, {**_supervise.included(self._include), process: text})
        self.server.renew(process)

    def forget(self, process: str) -> None:
        """Of one that has ended."""
        programs = _supervise.included(self._include)
        programs.pop(process, None)
        _supervise.include(self._include, programs)
        self.server.renew(process)
        self.programs.pop(process, None)

    def start(self, process: str) -> None:
        """Start it, and wait until it is at work."""
        self.server.start(process)
        deadline = time.monotonic() + PATIENCE
        spoken = 0
        for health in _sockets.listen(self.pipeline.run, [process], [Health.TAG], POLL):  # type: ignore[attr-defined]
            spoken = health.pid if health else spoken
            info = self._info(process)
            over = info["statename"] == "EXITED" and info["exitstatus"] == 0
            if over or (info["statename"] == "RUNNING" and info["pid"] == spoken):
                break
            if info["statename"] == "FATAL" or time.monotonic() > deadline:
                self._fail(process, "does not start")
        self._taken(process)

    def _taken(self, process: str) -> None:
        """What was kept for its successor is closed when that has it, or has had it from others."""
        deadline = time.monotonic() + TAKEN
        while self.safe.of(process) and time.monotonic() < deadline:
            time.sleep(POLL)
        self.safe.forget(process)

    def give_way(self, process: str) -> None:
        """End it so that a successor can go on at once."""
        for _ in range(AGAIN):
            self._wait(process, lambda info: info["statename"] != "STARTING", PATIENCE)
            pid = self._info(process)["pid"]
            if not pid:
                break
            _orphans.wake([pid])
            self.server.signal(process, "USR1")
            self._wait(process, lambda info: info["pid"] != pid, _supervise.STOP_PATIENCE)  # noqa: B023
        self.server.stop(process)  # one that is waited for to be started anew, too

    def leave(self, process: str) -> None:
        """Have it hand on what it has, and end."""
        program = self.programs[process]
        kind = program.wiring.processes[program.of].kind
        balancers = program.wiring.place(program.of).sources.get("balancer", [])
        if kind == "receiver" and any(self._info(name)["pid"] for name in balancers):
            self.give_way(process)
        else:
            self.server.stop(process)
        self.program(process, program, leave=True)
        self.server.start(process)
        done = self._wait(
            process,
            lambda info: info["statename"] == "EXITED" and info["exitstatus"] == 0 and info["start"] > 0,
            LEAVING,
        )
        self.safe.forget(process)
        if not done:
            self._fail(process, "has not handed on what it has; see its alarms (syms status)")

    def stop(self, process: str) -> None:
        """End it. Triggers are told of a detector that is gone, also of one that could not say so."""
        _orphans.wake([pid] if (pid := self._info(process)["pid"]) else [])
        self.server.stop(process)
        program = self.programs[process]
        if program.wiring.processes[program.of].kind == "detector":
            for trigger in program.wiring.place(program.of).sources.get("trigger", []):
                if trigger in program.wiring.local:
                    _sockets.put(self.pipeline.run, trigger, Worker(process, trigger, Shift.GONE))

    def _info(self, process: str) -> dict[str, Any]:
        nothing = {"statename": "STOPPED", "pid": 0, "exitstatus": 0, "start": 0}
        return self.server.states().get(process, nothing)

    def _wait(self, process: str, condition: Callable[[dict[str, Any]], bool], patience: float) -> bool:
        """Whether what supervisord says of it became so within `patience` [s]."""
        deadline = time.monotonic() + patience
        while not condition(self._info(process)):
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL)
        return True

    def _fail(self, process: str, what: str) -> None:
        log = _supervise.log_folder(self.pipeline) / f"{process}.log"
        said = _supervise.last_line(log)
        raise StartError(f"{process} {what}: {said} ({log}); {self._remedy}")

    @property
    def _remedy(self) -> str:
        return f"the change stops here; syms up {self.pipeline.path} goes on with it"
