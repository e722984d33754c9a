"""Archiver: keeps the rows of the receivers and the verdicts of the triggers in HDF5, and counts what became of them.

Reads the numbered streams in order (`nodes/_stream.py` fetches what was missed), commits them about once a
second, and tells their writers with Durable how far they may forget. Suspicious verdicts become events, cut
with their raw data. Hours that have become quiet are sealed and merged into finished files by a niced child process.
A full disk is an alarm, not an end: nothing more is taken until there is room, and fetched then.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from pydantic import model_validator

from archive import layout
from archive.books import COLUMNS
from archive.folder import ArchiveError
from archive.watermark import WatermarkError
from archive.writer import RESERVE, Archive
from nodes._node import Action, Letter, Node, Place, StartError
from nodes._settings import Duration, FilePath, Offset, Size, fault
from nodes._settings import Settings as Base
from nodes._stream import Reader
from protocol.clock import SECOND, Now
from protocol.messages import Announce, Configuration, Durable, Gone, Measurements, Numbered, Tally, Verdict

TIDY_EVERY = 5 * SECOND
MEASURE_EVERY = 60 * SECOND
ROOT = Path(__file__).parents[1]


class Settings(Base):
    """Archiver: where the archive lies, and its rhythm."""

    path: FilePath
    """Folder of the archive; made if it is not there."""
    part: Size = layout.PART_LIMIT
    """A part covers the longest of 60, 30, 20, 10, 5, 1 minutes that keeps it under this size."""
    reserve: Size = RESERVE
    """So much of the disk stays free."""
    commit: Duration = SECOND
    """Rows are brought to the disk so often."""
    hold: Size = 256 << 20
    """Rows held in memory while the disk takes none."""
    finish: Duration = 600 * SECOND
    """An hour is merged into its finished file when no row came for it for so long after its end."""
    settle: Duration = 15 * SECOND
    """An event is written when no verdict joined it for so long."""
    clip: tuple[Offset, Offset] = (-10 * SECOND, 20 * SECOND)
    """Raw data kept with an event, from before to after its onset."""

    @model_validator(mode="after")
    def _check(self) -> Settings:
        if not self.clip[0] <= 0 < self.clip[1]:
            raise fault("clip does not lie around the onset", "write it as [-10 s, +20 s]")
        return self


class Archiver(Node):
    """See the module."""

    TAGS = (Configuration.TAG, Measurements.TAG, Tally.TAG, Verdict.TAG)  # type: ignore[attr-defined]

    def __init__(self, settings: Settings, place: Place) -> None:
        self.settings, self.place = settings, place
        self.log = structlog.get_logger().bind(node=place.name)
        self.reader = Reader(place.name)
        self.archive: Archive | None = None
        self.counters: dict[str, float] = {"commits": 0, "files": 0, "bytes": 0, "events": 0}
        self.trouble = ""
        """Why the disk takes nothing, "" if it does."""
        self.child: subprocess.Popen[str] | None = None
        self.sealed: set[int] = set()
        self._told: dict[str, tuple[int, int]] = {}
        self._commit_at = self._tidy_at = self._measure_at = 0
        self._bytes_held = 0

    @property
    def opened(self) -> Archive:
        """The archive; there is one from start to stop."""
        if self.archive is None:
            raise RuntimeError("archiver is not started")
        return self.archive

    def start(self, now: Now) -> Iterator[Action]:
        """Open the archive where its last commit left it."""
        site = str(self.place.site.get("text", ""))
        try:
            self.archive = Archive(self.settings.path, site, limit=self.settings.part, reserve=self.settings.reserve)
        except (ArchiveError, WatermarkError, OSError) as problem:
            raise StartError(str(problem)) from problem
        standing: dict[str, tuple[int, int]] = {}
        for (node, epoch), number in self.archive.standing().items():
            standing[node] = max(standing.get(node, (0, 0)), (epoch, number))
        self.reader = Reader(self.place.name, standing)
        hours = layout.live_hours(self.archive.root)
        self.archive.touched = dict.fromkeys(hours, now.monotonic)
        self.sealed = {hour for hour, path in hours.items() if any(path.glob(f"*{layout.SEALED}"))}
        self._commit_at = now.monotonic + self.settings.commit
        self._tidy_at = now.monotonic
        yield from ()

    def receive(self, message: Any, now: Now) -> Iterator[Action]:
        """A word of a stream, or what a writer says of its stream."""
        if not isinstance(message, Numbered | Announce | Gone):
            return
        if self._bytes_held > self.settings.hold:
            if self.trouble or not self._commit(now):
                return  # the reader will find it missing, and fetch it when there is room
            yield from self._durable()
        words, actions = self.reader.receive(message, now)
        yield from actions
        for word in words:
            if self.opened.take(word) and isinstance(word, Measurements):
                self._bytes_held += word.values.nbytes + 32 * len(word.device)

    def wake_at(self) -> int | None:
        due = [self._commit_at, self._tidy_at, self.reader.wake_at()]
        return min(at for at in due if at is not None)

    def wake(self, now: Now) -> Iterator[Action]:
        """Commit, write events, start or wait for the finishing child; fetch again what did not come."""
        if now.monotonic >= self._commit_at:
            self._commit_at = now.monotonic + self.settings.commit
            if self._commit(now):
                yield from self._durable()
        if now.monotonic >= self._tidy_at:
            self._tidy_at = now.monotonic + TIDY_EVERY
            self._tidy(now)
        yield from self.reader.wake(now)

    def stop(self, now: Now) -> Iterator[Action]:
        """Commit all that came, write the open events; what is sealed is merged at the next start."""
        if self.child is not None:
            self.child.terminate()
            self.child.wait()
        if self._commit(now, everything=True):
            yield from self._durable()
        self.opened.close()

    def _commit(self, now: Now, everything: bool = False) -> bool:
        """Bring what came to the disk; a disk that takes nothing is an alarm, and tried again."""
        archive, (start, end) = self.opened, self.settings.clip
        try:
            committed = archive.commit(now)
            files = archive.write_events(now, self.settings.settle, -start, end, everything)
            if files:
                archive.commit(now)
        except (OSError, ArchiveError) as problem:
            if not self.trouble:
                self.log.error("cannot write", why=str(problem))
            self.trouble = f"archive takes nothing: {problem}"
            return False
        self.trouble, self._bytes_held = "", 0
        self.counters["commits"] += committed
        self.counters["events"] += len(files)
        return committed

    def _durable(self) -> Iterator[Action]:
        """Tell the writers what is on the disk, if they don't know yet."""
        standing = self.opened.standing()
        for node, (epoch, _) in self.reader.standing().items():
            number = standing.get((node, epoch), 0)
            if number and self._told.get(node) != (epoch, number):
                self._told[node] = (epoch, number)
                yield Letter(node, Durable(self.place.name, epoch, number))

    # finishing

    def _tidy(self, now: Now) -> None:
        if self.child is not None and self.child.poll() is not None:
            self._finished(self.child)
        if self.child is None and not self.trouble:
            self._seal(now)
            if self.sealed:
                self.child = self._spawn()
        if now.monotonic >= self._measure_at:
            self._measure_at = now.monotonic + MEASURE_EVERY
            self._measure()

    def _seal(self, now: Now) -> None:
        """Seal the hours that are over and quiet; one whose end is in the future is over after a quiet hour."""
        archive = self.opened
        for hour, touched in list(archive.touched.items()):
            quiet = now.monotonic - touched
            over = now.utc >= hour + layout.SPAN + self.settings.finish or quiet >= layout.SPAN
            if over and quiet >= self.settings.finish:
                self._commit(now)
                if self.trouble:
                    return
                archive.seal(hour)
                self.sealed.add(hour)

    def _spawn(self) -> subprocess.Popen[str]:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        command = [sys.executable, "-m", "archive.finish", str(self.opened.root)]
        return subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": path}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def _finished(self, child: subprocess.Popen[str]) -> None:
        """The child ended: the files it made hold what the sealed parts held."""
        files, problem = child.communicate()
        self.child = None
        if child.returncode:
            self.log.error("finishing failed", why=problem.strip())
            return
        self.log.info("finished", files=files.split())
        for hour in self.sealed:
            self.opened.forget(hour)
        self.sealed.clear()

    def _measure(self) -> None:
        files = [path.stat() for path in self.opened.root.rglob("*.h5")]
        self.counters["files"] = len(files)
        self.counters["bytes"] = sum(stat.st_blocks * 512 for stat in files)

    def health(self, now: Now) -> dict[str, Any]:
        """The books, in all and per device."""
        archive = self.opened
        counts = archive.books.standing()
        devices = archive.books.devices
        totals = dict(zip(COLUMNS, counts.sum(axis=0).tolist(), strict=True))
        return {
            "counters": {**self.counters, **archive.verdicts.counters, **totals,
                         "messages_fetched": self.reader.fetched, "messages_lost": self.reader.lost},
            "queues": {"rows": archive.held, "messages_behind": self.reader.behind,
                       "verdicts": len(archive.pending.verdicts)},
            "columns": list(COLUMNS), "devices": np.array(devices, dtype=np.uint32),
            "labels": [archive.register.name(device) for device in devices], "counts": counts.astype(np.float64),
            "alarms": [self.trouble] if self.trouble else [],
        }  # fmt: skip
