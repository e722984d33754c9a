"""What went wrong outside of us, counted by its words: bounded, and forgotten when it has not happened for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from protocol.clock import SECOND, Now

SHOWN = 20
KEPT = 200
"""Different ones; of more, the one that has not happened for longest is forgotten."""
FORGOTTEN_AFTER = 600 * SECOND
OTHER = "other faults, too many kinds of them to tell"


@dataclass
class _Complaint:
    count: int
    last: int
    """Monotonic ns."""
    least: int
    """It is no alarm before it has happened so often."""


class Complaints:
    """By (kind, words)."""

    def __init__(self, log: Any = None, each: int = KEPT) -> None:
        """`log`: where the first of each is told; `each`: so many words of one kind are kept apart, so that no kind
        crowds out the others."""
        self._log, self._each = log, each
        self._all: dict[tuple[str, str], _Complaint] = {}

    def add(self, kind: str, why: str, now: Now, count: int = 1, least: int = 1) -> bool:
        """It happened, `count` times; returns whether it is the first time. It is no alarm before `least` times."""
        if (kind, why) not in self._all and self._many(kind):
            why = OTHER
        former = self._all.pop((kind, why), None)
        self._all[kind, why] = _Complaint(former.count + count if former else count, now.monotonic, least)
        if len(self._all) > KEPT:
            del self._all[next(iter(self._all))]
        if former is None and self._log:
            self._log.warning(kind, why=why)
        return former is None

    def _many(self, kind: str) -> bool:
        return self._each < KEPT and sum(kind == each for each, _ in self._all) >= self._each

    def alarms(self, now: Now) -> list[str]:
        """The most frequent ones: `refused 3x: why`."""
        return [f"{kind} {count}x: {why}" for kind, why, count in self.told(now)]

    def told(self, now: Now) -> list[tuple[str, str, int]]:
        """(kind, words, how often) of the most frequent ones."""
        while self._all:
            oldest = next(iter(self._all))
            if now.monotonic - self._all[oldest].last < FORGOTTEN_AFTER:
                break
            del self._all[oldest]
        often = sorted(self._all.items(), key=lambda item: item[1].count, reverse=True)
        often = [item for item in often if item[1].count >= item[1].least]
        return [(kind, why, each.count) for (kind, why), each in often[:SHOWN]]
