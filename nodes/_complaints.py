"""What went wrong outside of us, counted by its words: bounded, and forgotten when it has not happened for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from protocol.clock import SECOND, Now

SHOWN = 20
KEPT = 200
"""Different ones; of more, the one that has not happened for longest is forgotten."""
FORGOTTEN_AFTER = 600 * SECOND


@dataclass
class _Complaint:
    count: int
    last: int
    """Monotonic ns."""


class Complaints:
    """By (kind, words)."""

    def __init__(self, log: Any = None) -> None:
        """`log`: where the first of each is told."""
        self._log = log
        self._all: dict[tuple[str, str], _Complaint] = {}

    def add(self, kind: str, why: str, now: Now) -> bool:
        """It happened; returns whether it is the first time."""
        former = self._all.pop((kind, why), None)
        self._all[kind, why] = _Complaint(former.count + 1 if former else 1, now.monotonic)
        if len(self._all) > KEPT:
            del self._all[next(iter(self._all))]
        if former is None and self._log:
            self._log.warning(kind, why=why)
        return former is None

    def alarms(self, now: Now) -> list[str]:
        """The most frequent ones: `refused 3x: why`."""
        while self._all:
            oldest = next(iter(self._all))
            if now.monotonic - self._all[oldest].last < FORGOTTEN_AFTER:
                break
            del self._all[oldest]
        often = sorted(self._all.items(), key=lambda item: item[1].count, reverse=True)
        return [f"{kind} {each.count}x: {why}" for (kind, why), each in often[:SHOWN]]
