"""A window on its way to a verdict."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from algorithms.windows import fill
from nodes._windowbook import Due
from protocol import clock
from protocol.messages import Outcome, Verdict, Window


class Task(NamedTuple):
    """A window and what else its verdict needs."""

    window: Window
    """Without values if too long a gap is in it."""
    due: Due

    @property
    def key(self) -> tuple[int, int]:
        """What there is one verdict of."""
        return self.due.key


def make(due: Due, trigger: str, gap: int) -> Task:
    """The work on a window that is due; gaps up to `gap` [ns] are filled."""
    cut, rate = due.cut, due.table.rate
    filled = fill(cut.values, gap // clock.period(rate))
    values, mask = filled if filled else (np.zeros(0, np.float32), np.zeros(0, np.uint8))
    window = Window(
        trigger=trigger,
        lease=0,
        attempt=0,
        device=np.array([cut.device], dtype=np.uint32),
        start=due.start,
        rate=rate,
        quantities=[due.of],
        values=values[None, None],
        filled=mask[None],
        completeness=1.0 - float(np.isnan(cut.values).mean()),
    )
    return Task(window, due)


def unjudged(task: Task, lease: int, attempt: int, outcome: Outcome, error: str) -> Verdict:
    """The verdict of a window that no algorithm judged."""
    window = task.window
    return Verdict(
        trigger=window.trigger,
        lease=lease,
        attempt=attempt,
        worker="",
        algorithm="",
        version=0,
        device=window.device,
        start=window.start,
        stop=task.due.stop,
        outcome=outcome,
        suspicious=False,
        onset=0,
        score=0.0,
        detail={},
        completeness=window.completeness,
        error=error,
        cause=task.due.cause,
    )
