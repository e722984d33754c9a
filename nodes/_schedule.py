"""Jobs and their times: what is due, what is overdue, and what of that outlives a restart.

A job is due at times that follow from the clock alone, so that no restart moves them. It is run once for all times that
were missed. One that was running when its process ended is run again: jobs go on where they were, or change nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from protocol.clock import SECOND

DAY = 86_400 * SECOND
RETRY = 600 * SECOND
"""One that failed is tried again after so long, or at its next time."""


@dataclass(frozen=True)
class Job:
    """A verb of the command line, with its arguments, at its times."""

    name: str
    verb: str
    arguments: tuple[str, ...]
    every: int = DAY
    """ns; at multiples of it since 1970."""
    at: int = 0
    """ns after each of these: with a day, the time of day (UTC)."""

    def after(self, utc: int) -> int:
        """The first time after an instant."""
        return ((utc - self.at) // self.every + 1) * self.every + self.at


@dataclass
class Record:
    """What became of a job."""

    due: int = 0
    """UTC ns, as are all."""
    begun: int = 0
    """When it was begun; 0 = it is not running."""
    ended: int = 0
    good: int = 0
    """When it last ended well; at first, when it was first heard of."""
    fault: str = ""
    """Why it last failed; "" if it did not."""
    alarms: list[str] = field(default_factory=list)
    """What it had to say at its last good end."""


class Schedule:
    """Of some jobs, kept in a file."""

    def __init__(self, jobs: Sequence[Job], path: Path | None, now: int) -> None:
        self.jobs = {job.name: job for job in jobs}
        self._path = path
        known = _read(path)
        self.records: dict[str, Record] = {}
        for job in jobs:
            record = known.get(job.name) or Record(due=job.after(now), good=now)
            if record.begun:
                record.due = now
            elif record.due > job.after(now):  # the clock was put back, or the job has other times now
                record.due = job.after(now)
            self.records[job.name] = record

    def due(self, now: int) -> Job | None:
        """The one that has waited longest, if one is due."""
        waiting = [(record.due, name) for name, record in self.records.items() if record.due <= now]
        return self.jobs[min(waiting)[1]] if waiting else None

    def next(self) -> int | None:
        """When the next one is due."""
        return min((record.due for record in self.records.values()), default=None)

    def begin(self, job: Job, now: int) -> None:
        """It runs. Raises OSError if that can't be written down."""
        self.records[job.name].begun = now
        self.save()

    def end(self, job: Job, now: int, fault: str, alarms: Sequence[str] = ()) -> None:
        """It ended. Raises OSError."""
        record = self.records[job.name]
        record.begun, record.ended, record.fault = 0, now, fault
        record.due = job.after(now)
        if fault:
            record.due = min(record.due, now + RETRY)
        else:
            record.good, record.alarms = now, list(alarms)
        self.save()

    def alarms(self, now: int) -> list[str]:
        """What people ought to know."""
        found = []
        for name, record in self.records.items():
            limit = 2 * self.jobs[name].every
            if record.fault:
                found.append(f"{name} failed: {record.fault}")
            elif now - record.good > limit:
                found.append(f"{name} is overdue: it last ended well {(now - record.good) / DAY:.1f} days ago")
            found += [f"{name}: {alarm}" for alarm in record.alarms]
        return found

    def save(self) -> None:
        """To the disk, as a whole. Raises OSError."""
        if self._path is None:
            return
        fresh = self._path.with_name(f"{self._path.name}.new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump({name: asdict(record) for name, record in self.records.items()}, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, self._path)


def _read(path: Path | None) -> dict[str, Record]:
    """What an earlier life knew; nothing if that can't be read: the jobs then begin at their next times."""
    try:
        said: Any = json.loads(path.read_text(encoding="utf-8")) if path is not None and path.exists() else {}
        return {name: Record(**record) for name, record in said.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
