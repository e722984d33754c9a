"""Heartbeats of one management pipe: about every 30 s each way, the substation repeats the master's with its SOC.

Any heartbeat of the other side is a sign of life. Three times without one between two of ours, and the link is lost.
"""

from __future__ import annotations

from protocol.clock import SECOND

EVERY = 30 * SECOND
MISSES = 3


class Heartbeats:
    """Of one side; times are monotonic [ns]."""

    def __init__(self, every: int = EVERY, misses: int = MISSES) -> None:
        self.due: int | None = None
        """When to beat next; None = not begun."""
        self.missed = 0
        self._every, self._misses = every, misses
        self._heard = True

    def begin(self, now: int, expecting: bool) -> None:
        """The pipe is up. expecting: the other side beats first."""
        self.due, self.missed, self._heard = now + self._every, 0, not expecting

    def heard(self) -> None:
        """The other side's came."""
        self.missed, self._heard = 0, True

    def beat(self, now: int) -> bool:
        """At `due`: whether to beat; False = the link is lost."""
        self.missed = 0 if self._heard else self.missed + 1
        self.due, self._heard = now + self._every, False
        return self.missed < self._misses

    def end(self) -> None:
        """No more."""
        self.due = None

    def state(self) -> list[int]:
        """As plain values."""
        return [-1 if self.due is None else self.due, self.missed, int(self._heard)]

    def restore(self, state: list[int]) -> None:
        """Go on where another one was."""
        self.due, self.missed, self._heard = None if state[0] < 0 else state[0], state[1], bool(state[2])
