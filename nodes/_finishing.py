"""Hours of an archive that have become quiet: sealed, and merged into finished files by a niced child process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from archive import layout
from archive.writer import Archive
from nodes._diskfault import fault_of
from protocol.clock import SECOND, Now

TIDY_EVERY = 5 * SECOND
MEASURE_EVERY = 60 * SECOND
ROOT = Path(__file__).parents[1]
Commit = Callable[[Now], bool]
"""Brings all that came to the disk; whether it takes that."""


class Finishing:
    """Of the archive that is given to `begin` and `wake`."""

    def __init__(self, patience: int, log: Any) -> None:
        """An hour is sealed when no row came for it for `patience` ns after its end."""
        self._patience, self._log = patience, log
        self.counters: dict[str, float] = {"files": 0, "bytes": 0}
        self.untidy = ""
        """Why hours can't be sealed or their merging not be begun, "" if they can."""
        self.unmerged = ""
        """Why the last merging of sealed hours failed, "" if it did not."""
        self.child: subprocess.Popen[str] | None = None
        self.sealed: set[int] = set()
        self.wake_at = 0
        """Monotonic ns."""
        self._measure_at = 0

    @property
    def alarms(self) -> tuple[str, str]:
        """ "" where there is none."""
        return self.untidy, self.unmerged

    def begin(self, archive: Archive, now: Now) -> None:
        """What an earlier life left: hours that are not sealed, sealed ones that are not merged."""
        hours = layout.live_hours(archive.root)
        archive.touched = dict.fromkeys(hours, now.monotonic)
        self.sealed = {hour for hour, path in hours.items() if any(path.glob(f"*{layout.SEALED}"))}
        self.wake_at = now.monotonic

    def end(self) -> None:
        """What the child had not finished it begins anew at the next start."""
        if self.child is not None:
            self.child.kill()
            self.child.communicate()

    def wake(self, archive: Archive, now: Now, commit: Commit, takes: bool) -> None:
        """Every few seconds: seal and begin to merge, if the disk `takes` what comes, or see what became of that."""
        if now.monotonic < self.wake_at:
            return
        self.wake_at = now.monotonic + TIDY_EVERY
        try:
            self._finish(archive, now, commit, takes)
            self.untidy = ""
        except OSError as problem:
            if not self.untidy:
                self._log.error("cannot finish", why=str(problem))
            self.untidy = f"hours are not finished: {fault_of(problem, archive.root)}"

    def _finish(self, archive: Archive, now: Now, commit: Commit, takes: bool) -> None:
        if self.child is not None and self.child.poll() is not None:
            self._finished(archive, self.child)
        if self.child is None and takes:
            self._seal(archive, now, commit)
            if self.sealed:
                self.child = _spawn(archive.root)
        if now.monotonic >= self._measure_at:
            self._measure_at = now.monotonic + MEASURE_EVERY
            self._measure(archive.root)

    def _seal(self, archive: Archive, now: Now, commit: Commit) -> None:
        """Seal the hours that are over and quiet; one whose end is in the future is over after a quiet hour."""
        for hour, touched in list(archive.touched.items()):
            quiet = now.monotonic - touched
            over = now.utc >= hour + layout.SPAN + self._patience or quiet >= layout.SPAN
            if over and quiet >= self._patience:
                if not commit(now):
                    return
                archive.seal(hour)
                self.sealed.add(hour)

    def _finished(self, archive: Archive, child: subprocess.Popen[str]) -> None:
        """The child ended: the files it made hold what the sealed parts held."""
        files, problem = child.communicate()
        self.child = None
        if child.returncode:
            self._log.error("finishing failed", why=problem.strip())
            why = (problem.strip().splitlines() or [f"it ended with {child.returncode}"])[-1]
            self.unmerged = f"hours are not finished: {why}; nothing is lost, it is tried again"
            return
        self.unmerged = ""
        self._log.info("finished", files=files.split())
        for hour in self.sealed:
            archive.forget(hour)
        self.sealed.clear()

    def _measure(self, root: Path) -> None:
        self.counters["files"] = self.counters["bytes"] = 0
        for path in root.rglob("*.h5"):
            with suppress(FileNotFoundError):  # the finishing child deletes what it merged
                self.counters["bytes"] += path.stat().st_blocks * 512
                self.counters["files"] += 1


def _spawn(root: Path) -> subprocess.Popen[str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, "-m", "archive.finish", str(root), str(os.getpid())]
    return subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": path}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
