"""Caretaker: has the archives backed up, verified and cleared of what is old, each at its time.

Each job is a verb of the command line, run as a child process of low priority, one at a time, and never waited for.
What became of each stands in a file (`nodes/_schedule.py`), so that a restart neither leaves one out nor does it twice.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog

from nodes._caresettings import Settings, jobs_of
from nodes._node import Action, Node, Place
from nodes._schedule import Job, Schedule
from protocol.clock import MILLISECOND, SECOND, Now

__all__ = ["Caretaker", "Settings"]

LOOK_EVERY = 10 * SECOND
"""At what is due: the clock may be stepped."""
POLL = 200 * MILLISECOND
"""Whether a child has ended."""
PATIENCE = 2.0
"""Seconds that a child has to end when we do."""
ROOT = Path(__file__).parents[1]
LAST = 300
"""Characters of what a failed child said."""


class Caretaker(Node):
    """See the module."""

    NICE = 10

    def __init__(self, settings: Settings, place: Place) -> None:
        self.settings, self.place = settings, place
        self.log = structlog.get_logger().bind(node=place.name)
        self.schedule = Schedule([], None, 0)
        self.child: tuple[Job, subprocess.Popen[bytes]] | None = None
        self.counters: dict[str, float] = {"done": 0, "failed": 0}
        self.trouble = ""
        """Why what became of the jobs can't be written down, "" if it can."""
        self._folder: Path | None = None
        self._look_at = 0

    def start(self, now: Now) -> Iterator[Action]:
        """Find out what is due."""
        self._folder = self.place.journal
        if self._folder is not None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = None if self._folder is None else self._folder / "schedule.json"
        self.schedule = Schedule(jobs_of(self.settings, self.place), path, now.utc)
        self._save()
        self._look_at = now.monotonic
        yield from ()

    def wake_at(self) -> int | None:
        return self._look_at

    def wake(self, now: Now) -> Iterator[Action]:
        """See whether the child has ended; begin what is due."""
        if self.child is not None:
            self._look(*self.child, now)
        if self.child is None and (job := self.schedule.due(now.utc)) is not None:
            self._begin(job, now)
        self._look_at = now.monotonic + (POLL if self.child is not None else LOOK_EVERY)
        yield from ()

    def _begin(self, job: Job, now: Now) -> None:
        try:
            self.schedule.begin(job, now.utc)
            said, log = self._files(job)
            with said.open("wb") as out, log.open("wb") as errors:
                self.child = job, self._spawn(job, out, errors)
        except OSError as problem:
            self._ended(job, str(problem), [], now)
            return
        self.log.info("begun", job=job.name)

    def _files(self, job: Job) -> tuple[Path, Path]:
        """Where a job says its result, and what it complains of."""
        folder = self._folder or Path(self.place.run)
        name = "".join(each if each.isalnum() else "-" for each in job.name)
        return folder / f"{name}.json", folder / f"{name}.log"

    def _spawn(self, job: Job, out: Any, errors: Any) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        return subprocess.Popen(
            ["nice", "-n", "19", sys.executable, "-m", "commands", job.verb, *job.arguments, "--json"],
            env={**os.environ, "PYTHONPATH": path, "SYMS_PARENT": str(os.getpid())},
            stdin=subprocess.DEVNULL, stdout=out, stderr=errors,
        )  # fmt: skip

    def _look(self, job: Job, child: subprocess.Popen[bytes], now: Now) -> None:
        code = child.poll()
        if code is None:
            return
        self.child = None
        said, log = self._files(job)
        told = _told(said)
        if told is None and code:
            lines = _text(log).strip().splitlines()
            why = lines[-1][-LAST:] if lines else f"it ended with {code}"
            self._ended(job, f"{why} (more in {log})", [], now)
        else:  # it did its work, and may have found what is wrong: that it says itself
            alarms = [str(each) for each in (told or {}).get("alarms", [])]
            self._ended(job, "" if alarms or not code else f"it ended with {code} (more in {log})", alarms, now)

    def _ended(self, job: Job, fault: str, alarms: list[str], now: Now) -> None:
        self.counters["failed" if fault else "done"] += 1
        if fault:
            self.log.error("failed", job=job.name, why=fault)
        else:
            self.log.info("done", job=job.name, alarms=len(alarms))
        try:
            self.schedule.end(job, now.utc, fault, alarms)
            self.trouble = ""
        except OSError as problem:
            self.trouble = f"what became of {job.name} can't be written down: {problem}; make room"

    def _save(self) -> None:
        try:
            self.schedule.save()
        except OSError as problem:
            self.trouble = f"the schedule can't be written down: {problem}; make room"

    def stop(self, now: Now) -> Iterator[Action]:
        """What it has begun, the next life goes on with."""
        if self.child is not None:
            _, child = self.child
            child.terminate()
            try:
                child.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        yield from ()

    def health(self, now: Now) -> dict[str, Any]:
        """How long ago each job ended well, and what went wrong."""
        counters = dict(self.counters)
        for name, record in self.schedule.records.items():
            counters[f"{name.replace(' ', '_')}_hours_ago"] = (now.utc - record.good) / (3600 * SECOND)
        return {
            "counters": counters | {"running": int(self.child is not None)},
            "alarms": [*self.schedule.alarms(now.utc), *([self.trouble] if self.trouble else [])],
        }


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _told(path: Path) -> dict[str, Any] | None:
    """The JSON that a job has written; None if it has not come so far."""
    try:
        found = json.loads(_text(path))
    except ValueError:
        return None
    return found if isinstance(found, dict) else {}
