"""All events of a station: what triggers say now, and what the archive has; read once for all pages.

Event files are read in a thread of their own when the archive has others than before, the newest first, so that pages
have what they show first soon, also of ten thousand events.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from archive.answers import plain
from archive.events import Event, Remembered, event_of, list_events
from archive.folder import ArchiveError
from archive.layout import instant_from
from console.model import Station
from protocol.clock import SECOND

EVERY = 3.0
"""Seconds between two looks at the archive."""
ANEW = 60.0
"""Seconds after which it is read even if it seems to be as it was: answers of open events are in no file."""
RECENT = 2 * 86400 * SECOND
"""The files of the last days are read before all others."""
NICE = 5
"""Of the thread that reads, beyond that of the console."""
PATIENCE = 5.0
"""Seconds that a file has to be read when the console ends."""


@dataclass(frozen=True)
class Entry:
    """An event as lists show it."""

    name: str
    """What pages and `syms events show` know it by."""
    event: Event
    regions: frozenset[str]
    """Of its devices, as far as they are known."""

    @property
    def state(self) -> str:
        """`open`, `final`, `failed` (nobody could judge it), `rejected`, `suspected` (verdicts alone made it)."""
        event = self.event
        if not event.id:
            return "suspected"
        if event.outcome != "ok":
            return "failed"
        if event.rejected:
            return "rejected"
        return "final" if event.final else "open"


@dataclass(frozen=True)
class Known:
    """All events, the newest first."""

    revision: int
    """Another one if anything changed."""
    entries: tuple[Entry, ...]
    reading: bool
    """Older ones are still being read."""
    fault: str = ""
    """Why the archive can't be read."""

    def find(self, name: str) -> Entry | None:
        """One of them by its name."""
        return next((each for each in self.entries if each.name == name), None)


class Catalogue:
    """See the module."""

    def __init__(self, station: Station, archive: Path | None) -> None:
        self._station, self._archive = station, archive
        self._read = Remembered()
        self._lock = threading.Lock()
        self._kept: list[Event] = []
        self._live: dict[str, int] = {}
        self._places: dict[str, str] = {}
        self._known = Known(0, (), archive is not None)
        self._looked = -EVERY
        self._anew = 0.0
        self._stamp: tuple[int, ...] = ()
        self._at_work: threading.Thread | None = None
        self._closed = False

    def close(self) -> None:
        """The console ends; a process that ends in the midst of an HDF5 file hangs."""
        self._closed = True
        if (thread := self._at_work) is not None:
            thread.join(PATIENCE)

    def _one(self, path: Path) -> Event:
        if self._closed:
            raise ArchiveError("the console ends")
        return self._read(path)

    def known(self, now: float) -> Known:
        """All of them; `now` is monotonic seconds."""
        with self._lock:
            live = self._station.events()
            said = {each.id: each.answer for each in live}
            if said != self._live:
                self._live = said
                self._arrange()
            if now - self._looked >= EVERY and self._at_work is None:
                self._looked = now
                places = {each.name: each.region for each in self._station.configurations().values()}
                if places != self._places:
                    self._places = places
                    self._arrange()
                if self._is_other(now):
                    self._anew = now + ANEW
                    self._at_work = threading.Thread(target=self._bring, name="events", daemon=True)
                    self._at_work.start()
            return self._known

    def _is_other(self, now: float) -> bool:
        """Whether the archive has to be read."""
        if self._archive is None or not self._archive.is_dir():
            self._known = replace(self._known, reading=False)
            return False
        try:
            told = (self._archive / "events").stat()
            stamp: tuple[int, ...] = (told.st_mtime_ns, told.st_ino)
        except OSError:
            stamp = ()
        other, self._stamp = stamp != self._stamp, stamp
        return other or now >= self._anew

    def _bring(self) -> None:
        """Read the archive. In a thread, which goes last."""
        os.nice(NICE)  # of this thread
        root, fault = self._archive, ""
        try:
            if root is not None:
                if not self._kept:
                    newest = list_events(root, since=_last(root), rejected=None, read=self._one)
                    self._take(newest, True, "")
                self._take(list_events(root, rejected=None, read=self._one), False, "")
        except (ArchiveError, OSError) as trouble:
            fault = str(trouble)
            if not self._closed:
                structlog.get_logger().warning("events of the archive can't be listed", why=fault)
        finally:
            with self._lock:
                self._at_work = None
                if fault:
                    self._known = replace(self._known, reading=False, fault=fault)

    def _take(self, kept: list[Event], reading: bool, fault: str) -> None:
        with self._lock:
            if kept != self._kept or self._known.reading != reading or self._known.fault != fault:
                self._kept = kept
                self._known = replace(self._known, reading=reading, fault=fault)
                self._arrange()

    def _arrange(self) -> None:
        """Put both together. Of an event that both have the later answer counts."""
        known = self._station.configurations()
        alone = [each for each in self._kept if not each.id]
        found = {each.id: each for each in self._kept if each.id}
        for told in self._station.events():
            held = found.get(told.id)
            if held is None or held.answer < told.answer:
                found[told.id] = replace(event_of(plain(told, known.get)), files=held.files if held else [])
        events = sorted([*alone, *found.values()], key=lambda each: each.onset, reverse=True)
        entries = tuple(Entry(name_of(each), each, self._regions(each)) for each in events)
        self._known = replace(self._known, revision=self._known.revision + 1, entries=entries)

    def _regions(self, event: Event) -> frozenset[str]:
        return frozenset(region for region in map(self._places.get, event.devices) if region is not None)


def name_of(event: Event) -> str:
    """An event's id; where verdicts alone made it the name of its file."""
    return event.id or Path(event.files[0]).stem


def _last(root: Path) -> int:
    """Two days before the newest event file [ns UTC]; 0 without any."""
    newest = max((each.stem for each in (root / "events").glob("*.h5")), default="")
    return max(0, (instant_from(newest) or 0) - RECENT)


def visible(entries: Iterable[Entry], regions: list[str] | None) -> list[Entry]:
    """Those with a device in one of the regions that a reader may see; None: all.

    They are in no region besides, for him: by looking for others he learns nothing of them.
    """
    if regions is None:
        return list(entries)
    return [replace(each, regions=own) for each in entries if (own := each.regions.intersection(regions))]
