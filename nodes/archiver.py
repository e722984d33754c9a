"""Archiver: keeps rows of receivers, verdicts and events of triggers, statistics of concentrators, flags of both,
alarms.

Reads the numbered streams in order (`nodes/_stream.py` fetches what was missed), commits them about once a
second, and tells their writers with Durable how far they may forget. Suspicious verdicts, or what an event trigger says
of them, become events, cut with their raw data. Hours that have become quiet are sealed and merged into finished files
by a niced child process. A full disk is an alarm, not an end: nothing more is taken until there is room, and fetched
then.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import structlog
from pydantic import model_validator

from archive import layout
from archive.books import COLUMNS
from archive.folder import ArchiveError
from archive.watermark import WatermarkError
from archive.writer import RESERVE, Archive
from nodes._diskfault import fault_of
from nodes._finishing import Finishing
from nodes._node import Action, Node, Place, StartError
from nodes._settings import Duration, FilePath, Offset, Size, fault
from nodes._settings import Settings as Base
from nodes._site import Site
from nodes._sitewatch import SiteWatch
from nodes._stream import Reader, size_in_memory
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import (
    Alarm,
    Announce,
    Configuration,
    Event,
    Flags,
    Gone,
    Measurements,
    Numbered,
    Tally,
    Verdict,
)  # fmt: skip

SLOW = 3 * SECOND
"""A commit that takes longer is an alarm."""
SLOW_FOR = 60 * SECOND
"""So long after the last slow one."""
RECENT = 60
"""Commits of which the worst is told."""


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
    """An event is written when no verdict joined it, or nothing came after its final answer, for so long."""
    clip: tuple[Offset, Offset] = (-10 * SECOND, 20 * SECOND)
    """Raw data kept with an event, from before to after its onset; longer if more was judged after it."""

    @model_validator(mode="after")
    def _check(self) -> Settings:
        if not self.clip[0] <= 0 < self.clip[1]:
            raise fault("clip does not lie around the onset", "write it as [-10 s, +20 s]")
        return self


def judged(place: Place) -> set[str]:
    """Triggers whose suspicious verdicts become events by what an event trigger says, and those event triggers."""
    return set(place.triggers_of).union(*place.triggers_of.values())


class Archiver(Node):
    """See the module."""

    TAGS = (
        Configuration.TAG, Measurements.TAG, Tally.TAG, Verdict.TAG, Event.TAG, Flags.TAG, Alarm.TAG,  # type: ignore[attr-defined]
    )  # fmt: skip
    NICE = 5

    def __init__(self, settings: Settings, place: Place, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """`clock` [ns] tells how long the disk takes."""
        self.settings, self.place = settings, place
        self._clock = clock
        self.log = structlog.get_logger().bind(node=place.name)
        self.reader = Reader(place.name)
        self.watch = SiteWatch(place, Site.model_validate({"station": "", **place.site}))
        self.changed: Site | None = None
        """A changed site file that the disk has not taken yet."""
        self._snapshots = set(place.sources.get("concentrator", ()))
        """Streams that say nothing to us: those of concentrators but for their statistics and flags."""
        self.archive: Archive | None = None
        self.counters: dict[str, float] = {"commits": 0}
        self.trouble = ""
        """Why the disk takes nothing, "" if it does."""
        self.unkept = ""
        """Why a changed site file can't be kept, "" if it can."""
        self.finishing = Finishing(settings.finish, self.log)
        self._commit_at = 0
        self._took: deque[int] = deque([0], RECENT)
        """How long the last commits took [ns]."""
        self._slow = (0, 0)
        """(how long the last slow commit took, when that was)"""
        self._bytes_held = 0

    @property
    def opened(self) -> Archive:
        """The archive; there is one from start to stop."""
        if self.archive is None:
            raise RuntimeError("archiver is not started")
        return self.archive

    def start(self, now: Now) -> Iterator[Action]:
        """Open the archive where its last commit left it."""
        try:
            site = self.watch.site.text
            self.archive = Archive(self.settings.path, site, limit=self.settings.part, reserve=self.settings.reserve,
                                   judged=judged(self.place))  # fmt: skip
        except (ArchiveError, WatermarkError, OSError) as problem:
            raise StartError(str(problem)) from problem
        self.reader = Reader(self.place.name, self._standing())
        self.finishing.begin(self.archive, now)
        self._commit_at = now.monotonic + self.settings.commit
        self.watch.start(now)
        yield from ()

    def receive(self, message: Any, now: Now) -> Iterator[Action]:
        """A word of a stream, or what a writer says of its stream."""
        if not isinstance(message, Numbered | Announce | Gone) or message.node in self._snapshots:
            return
        if self._full:
            if self.trouble or not self._commit(now):
                return  # the reader will find it missing, and fetch it when there is room
            yield from self._durable(now)
        words, actions = self.reader.receive(message, now)
        yield from actions
        for word in words:
            if self.opened.take(word):
                self._bytes_held += size_in_memory(word)

    @property
    def _full(self) -> bool:
        return self._bytes_held > self.settings.hold

    def wake_at(self) -> int | None:
        due = [self._commit_at, self.finishing.wake_at, None if self._full else self.reader.wake_at()]
        return min(at for at in due if at is not None)

    def wake(self, now: Now) -> Iterator[Action]:
        """Commit, write events, start or wait for the finishing child; fetch again what did not come."""
        self._keep_site(now)
        if now.monotonic >= self._commit_at:
            self._commit_at = now.monotonic + self.settings.commit
            self._commit(now)
            yield from self._durable(now)
        self.finishing.wake(self.opened, now, self._committed, not self.trouble)
        if not self._full:  # what is fetched now would be dropped
            yield from self.reader.wake(now)

    def stop(self, now: Now) -> Iterator[Action]:
        """Commit all that came, write the open events; what is sealed is merged at the next start."""
        yield from self._end(now, everything=True)

    def give_way(self, now: Now) -> Iterator[Action]:
        """Commit all that came; events stay open."""
        yield from self._end(now, everything=False)

    def _end(self, now: Now, everything: bool) -> Iterator[Action]:
        self.finishing.end()
        if self._commit(now, everything):
            yield from self._durable(now)
        self.opened.close()

    def _commit(self, now: Now, everything: bool = False) -> bool:
        """Bring what came to the disk; a disk that takes nothing is an alarm, and tried again."""
        archive, (start, end) = self.opened, self.settings.clip
        begun = self._clock()
        try:
            committed = archive.commit(now)
            files = archive.write_events(now, self.settings.settle, -start, end, everything)
            if files:
                archive.commit(now)
        except (OSError, ArchiveError) as problem:
            if not self.trouble:
                self.log.error("cannot write", why=str(problem))
            self.trouble = f"archive takes nothing: {fault_of(problem, archive.root)}"
            return False
        self.trouble, self._bytes_held = "", 0
        self.counters["commits"] += committed
        if committed:
            self._note_pace(self._clock() - begun, now)
        return committed

    def _committed(self, now: Now) -> bool:
        """Commit; whether the disk takes all."""
        self._commit(now)
        return not self.trouble

    def _keep_site(self, now: Now) -> None:
        """A changed site file goes into the files made from now on."""
        self.changed = self.watch.look(now) or self.changed
        if self.changed is None:
            return
        try:
            self.opened.keep_site(self.changed.text)
        except OSError as problem:
            self.unkept = f"the site file is not kept: {fault_of(problem, self.opened.root)}"
            return
        self.watch.take(self.changed, now)
        self.changed, self.unkept = None, ""

    def _note_pace(self, took: int, now: Now) -> None:
        self._took.append(took)
        if took > SLOW:
            self._slow = took, now.monotonic + took

    def _alarms(self, now: Now) -> Iterator[str]:
        yield from filter(None, (self.trouble, *self.finishing.alarms, self.unkept, *self.watch.alarms))
        took, at = self._slow
        if took and now.monotonic < at + SLOW_FOR:
            yield (f"a commit took {took / SECOND:.0f} s: {self.opened.root} is slow; find what else keeps this disk "
                   "busy, or use another one")  # fmt: skip

    def _standing(self) -> dict[str, tuple[int, int]]:
        """Writer -> (newest epoch, next): all below is on the disk, or nobody has it."""
        standing: dict[str, tuple[int, int]] = {}
        for (node, epoch), number in self.opened.standing().items():
            standing[node] = max(standing.get(node, (0, 0)), (epoch, number))
        return standing

    def _durable(self, now: Now) -> Iterator[Action]:
        """Tell the writers what is on the disk, if they don't know yet or may have forgotten."""
        yield from self.reader.durable(now, self._standing())

    def health(self, now: Now) -> dict[str, Any]:
        """The books, in all and per device."""
        archive = self.opened
        counts = archive.books.standing()
        devices = archive.books.devices
        totals = dict(zip(COLUMNS, counts.sum(axis=0).tolist(), strict=True))
        return {
            "counters": {**self.counters, **self.finishing.counters, "commit_ms": self._took[-1] / MILLISECOND,
                         "commit_worst_ms": max(self._took) / MILLISECOND, **archive.verdicts.counters,
                         **archive.statistics.counters, **archive.answers.counters, **archive.open_events.counters,
                         **archive.flags.counters, **archive.alarms.counters, **totals,
                         "messages_fetched": self.reader.fetched, "messages_lost": self.reader.lost},
            "queues": {"rows": archive.held, "messages_behind": self.reader.behind,
                       "verdicts": len(archive.open_events.pending.verdicts),
                       "events": len(archive.open_events.waiting.events)},
            "columns": list(COLUMNS), "devices": np.array(devices, dtype=np.uint32),
            "labels": [archive.register.name(device) for device in devices], "counts": counts.astype(np.float64),
            "alarms": list(self._alarms(now)), **self.watch.health(),
        }  # fmt: skip
