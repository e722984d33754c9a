"""Which links a receiver has, what became of their frames, and what is to be said of them.

Counts are kept per device: of this life in `Books`, of former ones beside them, and of links that ended before anybody
knew whose they were in one sum.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nodes._complaints import Complaints
from nodes._link import Link
from nodes._rows import COLUMNS, CORRUPT, REFUSED, Books
from protocol.c37118 import Splitter
from protocol.clock import Now
from protocol.messages import STATIONS_PER_LINK

MANY_DAMAGED, MANY_SKIPPED, MANY_ROWS = 20, 10_000, 10
"""Of one device within ten minutes; fewer are no alarm."""
REASONS_AT_MOST = 5
"""Faults of one device told apart."""
NOTHING = [0] * len(COLUMNS)


class LinkBook:
    """See the module."""

    def __init__(self) -> None:
        self.carriers: dict[int, Link] = {}
        """Link number -> the link that carries it now."""
        self.names: dict[int, str] = {}
        """Of every link number ever carried here."""
        self.changed: dict[Link, None] = {}
        """Links whose state is another than the journal knows, besides rows and stream positions."""
        self.stirred: set[Link] = set()
        """Links that something else than DATA happened to, since they were looked at last."""
        self.books = Books()
        self.before: dict[int, list[int]] = {}
        """Device -> its counts in former lives."""
        self.unknown = [0] * len(COLUMNS)
        """Frames of links that ended before anybody knew whose they were, by column of the books."""
        self.counts: Counter[str] = Counter()
        self.complaints = Complaints(each=REASONS_AT_MOST)

    def touch(self, link: Link) -> None:
        """It is another than before."""
        self.changed[link] = None
        self.stirred.add(link)

    # ── what became of frames ───────────────────────────────────────────────────────────────────────────────

    def count(self, link: Link, column: int, frames: int) -> None:
        """Frames that never became rows."""
        if link.number:
            self.books.add(link.number, link.stations, column, frames)
        elif frames:
            self.touch(link)
            link.unbooked[column] += frames

    def damage(self, link: Link, splitter: Splitter, now: Now) -> None:
        """Book what the splitter found to be damaged since the last look."""
        if splitter.corrupt:
            self.complain(link, "damaged frames", now, splitter.corrupt, MANY_DAMAGED)
            self.count(link, CORRUPT, splitter.corrupt_data)
            self.counts["corrupt_other"] += splitter.corrupt - splitter.corrupt_data
            splitter.corrupt = splitter.corrupt_data = 0
        if splitter.skipped:
            self.counts["skipped_bytes"] += splitter.skipped
            self.complain(link, "bytes that are of no frame", now, splitter.skipped, MANY_SKIPPED)
            splitter.skipped = 0

    def settle(self, link: Link) -> None:
        """A link that ends unknown leaves its frames to the counts of nobody."""
        if link.number:
            return
        self.touch(link)
        link.unbooked[REFUSED] += sum(len(frames) for _, frames in link.early)
        self.unknown = [total + owed for total, owed in zip(self.unknown, link.unbooked, strict=True)]
        link.early, link.unbooked = [], [0, 0, 0, 0]

    # ── what is to be said ──────────────────────────────────────────────────────────────────────────────────

    def complain(self, link: Link, reason: str, now: Now, count: int = 1, least: int = 1) -> None:
        """It is an alarm from `least` times on."""
        self.complaints.add(link.identity.get("name", link.address), reason, now, count, least)

    def remark(self, number: int, what: str, now: Now, rows: int) -> None:
        """Rows of a link that no sound device tells."""
        self.complaints.add(self.names.get(number, ""), what, now, rows, MANY_ROWS)

    def alarms(self, now: Now) -> list[str]:
        """What was refused, and why."""
        return [f"{count}x {name}: {why}" for name, why, count in self.complaints.told(now)]

    def table(self) -> dict[str, Any]:
        """The books per device, as in Health: of all lives that the journal knows."""
        devices, counts = self._all_counts()
        numbers = (np.array(devices, np.int64) // STATIONS_PER_LINK).tolist()
        connected = np.array([number in self.carriers for number in numbers], np.float64)
        return {
            "columns": [*COLUMNS, "connected"],
            "devices": np.array(devices, np.uint32),
            "labels": [self.names.get(number, "") for number in numbers],
            "counts": np.column_stack([counts.astype(np.float64), connected]),
        }

    def totals(self) -> dict[str, int]:
        """Sums over all devices."""
        return dict(zip(COLUMNS, self._all_counts()[1].sum(axis=0).tolist(), strict=True))

    def _all_counts(self) -> tuple[list[int], NDArray[np.int64]]:
        """(devices, [n, 4] their counts)"""
        devices, counts = self.books.devices.tolist(), self.books.counts
        if not self.before:
            return devices, counts
        before = np.array([self.before.get(device, NOTHING) for device in devices], np.int64).reshape(-1, len(COLUMNS))
        gone = [device for device in self.before if device not in set(devices)]
        former = np.array([self.before[device] for device in gone], np.int64).reshape(-1, len(COLUMNS))
        return [*devices, *gone], np.concatenate([counts + before, former])
