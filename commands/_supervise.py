"""supervisord and our processes: the files it reads, the ways to start it, to ask it and to end it.

supervisord is started with a short configuration that never lists a node: `supervisord.conf` of the checkout, or
the like in a pipeline's runtime folder. Its one program, `wiring`, runs `syms up --inside`: that checks the
pipeline, writes one program per process to the included file and has supervisord start them. So the YAML stays
the only source of wiring, however supervisord was started.
"""

from __future__ import annotations

import fcntl
import http.client
import os
import re
import shlex
import sys
import time
import xmlrpc.client
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

import commands
from commands import _wirings
from nodes._node import StartError
from nodes._pipeline import Pipeline

WIRING = "wiring"
"""Program that runs `syms up --inside`."""
PULSE = "pulse"
"""Program that has supervisord look at its children more often (`_pulse.py`)."""
OWN = frozenset((WIRING, PULSE))
"""Programs that are no process of a pipeline."""
SERVER = "server"
"""File in the runtime folder with the URL of the supervisord that runs the pipeline."""
INCLUDED = "included"
"""File there that says where the file with the programs lies."""
POLL = 0.05
"""Seconds between two questions to supervisord."""
STOP_PATIENCE = 30
"""Seconds that a process has from SIGTERM to SIGKILL: an archiver commits what it holds."""

CONFIGURATION = """\
[unix_http_server]
file = {folder}/supervisor.sock
chmod = 0700

[supervisord]
logfile = {folder}/supervisord.log
logfile_maxbytes = 4MB
logfile_backups = 2
pidfile = {folder}/supervisord.pid
umask = 077

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl = unix://{folder}/supervisor.sock

[program:wiring]
command = {command}
directory = {root}
startsecs = 0
autorestart = unexpected
exitcodes = 0,2
redirect_stderr = true
stdout_logfile = {folder}/wiring.log
stdout_logfile_maxbytes = 1MB
stdout_logfile_backups = 1

[program:pulse]
command = {pulse}
startsecs = 0
stdout_logfile = NONE
stderr_logfile = NONE

[include]
files = {folder}/programs.conf
"""

PROGRAM = """\
[program:{name}]
command = {command}
directory = {root}
environment = {environment}
priority = {priority}
autostart = false
autorestart = unexpected
exitcodes = 0,2
startsecs = {startsecs}
startretries = 100
stopsignal = TERM
stopwaitsecs = {patience}
killasgroup = true
redirect_stderr = true
stdout_logfile = {logs}/{name}.log
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 3
"""

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""A process is one core's work: a numpy call takes no others."""


def root() -> Path:
    """Where our packages are importable from."""
    return Path(commands.__file__).resolve().parents[1]


def _escape(text: str) -> str:
    """supervisord expands %(…)s in every value."""
    return text.replace("%", "%%")


def _command(*words: str) -> str:
    return _escape(shlex.join([sys.executable, "-m", "commands", *words]))


def configuration(pipeline: Pipeline) -> str:
    """The short supervisord.conf for a pipeline's runtime folder."""
    run = pipeline.run
    host = ("--host", pipeline.here) if pipeline.here else ()
    command = _command("up", str(pipeline.path), *host, "--inside", f"{run}/programs.conf")
    pulse = _escape(shlex.join([sys.executable, "-IS", str(root() / "commands" / "_pulse.py")]))
    return CONFIGURATION.format(folder=_escape(run), command=command, pulse=pulse, root=_escape(str(root())))


def log_folder(pipeline: Pipeline) -> Path:
    """Where the processes' logs go."""
    return Path(pipeline.run, "logs")


def programs(pipeline: Pipeline) -> dict[str, str]:
    """One supervisord program per process, by its name. Priorities stop those who feed before those who read."""
    wiring = _wirings.name_of(pipeline.text)
    return {process: program(pipeline, process, wiring) for process in pipeline.starting_order}


def program(pipeline: Pipeline, process: str, wiring: str, leave: bool = False, stand_in: str = "") -> str:
    """The program of a process, of one that leaves, or of one that stands in beside it under another name.

    `wiring` names the text of the pipeline file that it runs by: an edit of the file changes nothing that runs.
    """
    environment = {"SYMS_RUN": pipeline.run, "PYTHONUNBUFFERED": "1", **ONE_THREAD}
    options = [*(["--leave"] if leave else []), *(["--as", stand_in] if stand_in else [])]
    return PROGRAM.format(
        name=stand_in or process,
        command=_command("run", "--wiring", wiring, *options, str(pipeline.path), process),
        priority=pipeline.order(process),
        startsecs=0 if leave else 2,  # it may be done at once
        environment=_escape(",".join(f"{name}={_quoted(value)}" for name, value in environment.items())),
        root=_escape(str(root())),
        logs=_escape(str(log_folder(pipeline))),
        patience=STOP_PATIENCE,
    )


def included(path: Path) -> dict[str, str]:
    """The programs in the included file, by name."""
    parts = re.split(r"(?m)^(?=\[program:)", path.read_text())
    return {part.partition(":")[2].partition("]")[0]: part for part in parts if part.strip()}


def include(path: Path, programs: Mapping[str, str]) -> None:
    """Write the included file."""
    replace_text(path, "\n".join(part.rstrip("\n") + "\n" for part in programs.values()))


def replace_text(path: Path, text: str) -> None:
    """Write a file as a whole: a reader sees the old one or the new one."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.replace(path)


def _quoted(value: str) -> str:
    if '"' in value:
        raise StartError(f"{value} has a quote in it, which supervisord can't take; set SYMS_RUN to another folder")
    return f'"{value}"'


def last_line(log: Path) -> str:
    """Last line of a log file, if there is one."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return "no log yet"
    return lines[-1] if lines else "nothing logged"


class Supervisor:
    """A running supervisord, asked over its unix socket."""

    def __init__(self, url: str) -> None:
        self.url = url

    def _ask(self, method: str, *arguments: Any) -> Any:
        return self._call(lambda server: getattr(server.supervisor, method)(*arguments))

    def _call(self, what: Callable[[xmlrpc.client.ServerProxy], Any]) -> Any:
        transport = SupervisorTransport(None, None, self.url)
        try:
            return what(xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport))
        finally:
            transport.close()

    def pid(self) -> int | None:
        """Its process id, None if nobody answers."""
        try:
            return int(self._ask("getPID"))
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return None

    def states(self) -> dict[str, dict[str, Any]]:
        """Process name -> supervisord's info (statename, pid, description, exitstatus …)."""
        return {info["name"]: info for info in self._ask("getAllProcessInfo")}

    def update(self) -> None:
        """Take up the included file: stop and forget what left it or changed, learn what is new."""
        added, changed, removed = self.differences()
        for group in (*removed, *changed):
            self._ask("stopProcessGroup", group)
            self._ask("removeProcessGroup", group)
        for group in (*changed, *added):
            self.learn(group)

    def differences(self) -> tuple[list[str], list[str], list[str]]:
        """Programs of its files that are added, changed, removed since it took them up; it goes on as before."""
        [[added, changed, removed]] = self._ask("reloadConfig")
        return added, changed, removed

    def learn(self, process: str) -> None:
        """Take up a program of its files, which it must not have (any more)."""
        self._ask("addProcessGroup", process)

    def commands(self) -> dict[str, str]:
        """Process name -> the command that its program has."""
        return {info["name"]: info["command"] for info in self._ask("getAllConfigInfo")}

    def renew(self, process: str) -> None:
        """Take up what the included file says of one process that does not run: its program, or that there is none."""
        self._ask("reloadConfig")
        with _ignoring("BAD_NAME"):
            self._ask("removeProcessGroup", process)
        with _ignoring("BAD_NAME", "ALREADY_ADDED"):
            self._ask("addProcessGroup", process)

    def signal(self, process: str, name: str) -> None:
        """Send a signal; to one that does not run there is none to send."""
        with _ignoring("NOT_RUNNING", "BAD_NAME"):
            self._ask("signalProcess", process, name)

    def start(self, process: str) -> None:
        """Start a process; one that runs already is left alone."""
        with _ignoring("ALREADY_STARTED"):
            self._ask("startProcess", process, False)

    def stop(self, *processes: str) -> None:
        """Stop processes at once and wait for the end of all; one that does not run is fine."""
        for process in processes:
            with _ignoring("NOT_RUNNING", "BAD_NAME"):
                self._ask("stopProcess", process, False)
        # supervisord itself waits for seconds between two looks at its children unless somebody asks.
        while any(self.states().get(process, {}).get("statename") == "STOPPING" for process in processes):
            time.sleep(POLL)

    def kill(self, process: str) -> None:
        """End a process by SIGKILL, and have it not started again: both before supervisord looks at its children."""
        calls = [
            {"methodName": "supervisor.signalProcess", "params": [process, "KILL"]},
            {"methodName": "supervisor.stopProcess", "params": [process, False]},
        ]
        self._call(lambda server: server.system.multicall(calls))
        self.stop(process)

    def forget(self, process: str) -> None:
        """Stop a process and take it out of supervisord."""
        self.stop(process)
        with _ignoring("BAD_NAME"):
            self._ask("removeProcessGroup", process)

    def shutdown(self) -> None:
        """Have it stop everything, in order, and end."""
        self._ask("shutdown")


@contextmanager
def _ignoring(*names: str) -> Iterator[None]:
    try:
        yield
    except xmlrpc.client.Fault as fault:
        if not fault.faultString.startswith(names):
            raise


@contextmanager
def starting(run: str) -> Iterator[None]:
    """Two that start (or end) the same pipeline at once wait for each other."""
    handle = os.open(run, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def own(run: str) -> Supervisor:
    """The supervisord that `configuration` is for, living or not."""
    return Supervisor(f"unix://{run}/supervisor.sock")


def supervisor_of(run: str) -> Supervisor | None:
    """The living supervisord of a runtime folder, None if there is none."""
    try:
        url = Path(run, SERVER).read_text().strip()
    except FileNotFoundError:
        return None
    found = Supervisor(url)
    return found if found.pid() else None
