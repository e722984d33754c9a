"""The site file of a station that runs: looked at each second, taken up when it has changed and has no fault.

A faulty one is an alarm, and the former stays in force. What is in force lies in the runtime folder too: a process that
is started again meanwhile goes on with that.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import structlog

from archive.inodes import Stamp, stamp
from nodes import _site
from nodes._faults import Faulty
from nodes._node import Place
from nodes._site import Site
from protocol.clock import SECOND, Now

LOOK_EVERY = SECOND
FAULTS_TOLD = 5
KEPT = "site.yaml"
"""In the runtime folder: the one in force."""


class SiteWatch:
    """Of one process. `look` tells of a changed file; what comes of it the process decides: `take` or `refuse`."""

    def __init__(self, place: Place, site: Site) -> None:
        """`site` is in force at the start."""
        self.place, self.site = place, site
        self.since = 0
        """UTC [ns] when it came into force here."""
        self._log = structlog.get_logger().bind(node=place.name)
        self._look_at = 0
        self._seen: Stamp = None
        self._looked_into: Stamp = None
        self._alarms: list[str] = []

    def start(self, now: Now) -> None:
        """The process begins."""
        self.since, self._look_at = now.utc, now.monotonic + LOOK_EVERY
        self._keep()

    @property
    def look_at(self) -> int | None:
        """Monotonic time [ns] of the next look; None: there is nothing to look at."""
        return None if self.place.site_file is None else self._look_at

    def look(self, now: Now) -> Site | None:
        """A changed file without faults. One that is just being written is looked into when it stays as it is."""
        path = self.place.site_file
        if path is None or now.monotonic < self._look_at:
            return None
        self._look_at = now.monotonic + LOOK_EVERY
        there, before = stamp(path), self._seen
        self._seen = there
        if there != before or (there is not None and there == self._looked_into):
            return None
        self._looked_into = there
        try:
            if path.read_bytes() == self.site.text.encode():
                self._alarms = []
                return None
            return _site.load(path)
        except OSError as fault:
            self.refuse([f"{path}: {fault.strerror}; put it back"])
        except Faulty as faulty:
            self.refuse([str(fault) for fault in faulty.faults])
        return None

    def refuse(self, faults: list[str]) -> None:
        """The file can't be taken up: an alarm until it is another."""
        more = [f"… {len(faults) - FAULTS_TOLD} more faults; syms check tells all"] if len(faults) > FAULTS_TOLD else []
        alarms = [f"the changed site file is not taken up: {fault}" for fault in [*faults[:FAULTS_TOLD], *more]]
        if alarms != self._alarms:
            self._log.warning("the changed site file is not taken up", faults=faults[:FAULTS_TOLD])
        self._alarms = alarms

    def take(self, site: Site, now: Now) -> None:
        """It is in force from now on."""
        self.site, self.since, self._alarms = site, now.utc, []
        self._keep()

    def _keep(self) -> None:
        if self.place.site_file is not None:
            try:
                keep(self.place.run, self.site.text, self.place.name)
            except OSError as fault:
                self._log.warning("the site file in force is not kept", why=str(fault))

    def health(self) -> dict[str, Any]:
        """Of a Health message: which file is in force."""
        return {"site": self.site.version, "site_since": self.since}

    @property
    def alarms(self) -> list[str]:
        return self._alarms


def keep(run: str, text: str, by: str) -> None:
    """Keep the text of the site file in force in the runtime folder; `by` names this process. Raises OSError."""
    fresh = Path(run, f"{KEPT}.{by}")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, Path(run, KEPT))


def kept(run: str, file: Path) -> Site | None:
    """The site that was in force here last, None if there is none; `file` is where the site file lies."""
    try:
        return _site.check(Path(run, KEPT).read_text(encoding="utf-8"), str(file), tables=False)
    except (OSError, ValueError, Faulty):
        return None
