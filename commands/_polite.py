"""Long work beside a station that measures: it goes last, and no faster than it may."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from types import FrameType


def give_way() -> None:
    """This process is served when nobody else wants a core or a disk."""
    from archive.priorities import give_way

    give_way()


def end_with(parent: int) -> None:
    """Have the kernel end this process when its parent ends, also one that is killed."""
    from archive.finish import end_with

    end_with(parent)


def leave_cleanly() -> None:
    """Have SIGTERM end this process as an exit does, so that what was begun is cleared away."""

    def leave(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)


class Limit:
    """So many of something a second at most, on average."""

    def __init__(self, rate: int | None, clock: Callable[[], float] = time.monotonic,
                 sleep: Callable[[float], None] = time.sleep) -> None:  # fmt: skip
        self._rate, self._clock, self._sleep = rate, clock, sleep
        self._start, self._done = clock(), 0

    def done(self, count: int) -> None:
        """Some were done: returns when more may be."""
        self._done += count
        if self._rate:
            ahead = self._start + self._done / self._rate - self._clock()
            if ahead > 0:
                self._sleep(ahead)
