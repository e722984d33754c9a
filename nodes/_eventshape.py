"""Which windows an event trigger cuts, as its book needs to know it."""

from __future__ import annotations

from typing import NamedTuple

from protocol.clock import SECOND

GRACE = SECOND
"""So long an answer waits for a table whose slots are released later than those of another one of its rate."""


class EventShape(NamedTuple):
    """Times in ns."""

    before: int
    """Where a window begins, from the onset; negative."""
    after: int
    """Where the last one ends."""
    answers: tuple[int, ...]
    neighbours: str | float
    """`region`, `all`, or km"""
    most: int
    """Devices in a window."""
    sweep: int
    """0: none"""
    join: int
    late: int
    samples: int
    """Bytes of the samples that are held of one rate."""

    @property
    def held(self) -> int:
        """For so long samples are needed."""
        return max(self.after, self.late) - self.before + 2 * GRACE
