"""Early windows: what a pre-screen makes of the words that a trigger takes, besides the schedule.

A device that alarms has its latest window cut when `after` more of it came, so that its detector sees what follows.
Where there is no room for all, those go first that left their quiet ways furthest; the others wait for a little while.
An early window never ends where one of the schedule does: (device, start) tells which of the two a verdict is of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from algorithms.prescreen import Limits, Prescreen
from algorithms.windows import Cut, Samples
from protocol import clock
from protocol.clock import SECOND

PATIENCE = SECOND
"""So long after it is complete an early window is cut at the latest; then it has been left to the schedule."""


class Watch(NamedTuple):
    """What is watched for."""

    limits: Limits
    after: int
    """ns of an early window after its alarm"""


class Screen:
    """The pre-screen of one table of one writer, and the early windows that it owes."""

    def __init__(self, rate: int, watch: Watch) -> None:
        """`rate` of the table, in slots per second."""
        self._rate, self._watch = rate, watch
        self._after, self._patience = (round(span / clock.period(rate)) for span in (watch.after, PATIENCE))
        self._prescreen = Prescreen(rate, watch.limits)
        self._owed: dict[int, int] = {}
        """Column of a device -> end of its window that is to be cut."""
        self.passed = 0
        """Windows that were left to the schedule."""

    @property
    def watched(self) -> int:
        """Devices that would be seen to leave their quiet ways."""
        return self._prescreen.watched

    def push(
        self,
        samples: Samples,
        slot: NDArray[np.int64],
        device: NDArray[np.uint32],
        values: NDArray[np.float32],
        room: Callable[[], bool] | None,
    ) -> Iterator[Cut]:
        """After these slots [k] of devices [m] were given to `samples`: the early windows that are complete now.

        `room` is asked for each; without it none is cut, but they are owed.
        """
        if samples.top < self._prescreen.top:  # slots went back: a wrong clock had led the way
            self._prescreen, self._owed = Prescreen(self._rate, self._watch.limits), {}
        columns = samples.columns(device)
        self._prescreen.widen(samples.devices.size)
        for alarm in self._prescreen.push(slot, columns, values):
            end = samples.unscheduled(int(samples.devices[alarm.column]), alarm.slot + 1 + self._after)
            if end is not None:
                self._owed[alarm.column] = end
        if self._owed:
            yield from self._due(samples, room)

    def _due(self, samples: Samples, room: Callable[[], bool] | None) -> Iterator[Cut]:
        if room is not None and room():
            complete = np.array([column for column, end in self._owed.items() if end <= samples.top + 1], np.int64)
            for column in complete[np.argsort(-self._prescreen.far[complete], kind="stable")].tolist():
                if not room():
                    break
                end = self._owed.pop(column)
                yield samples.cut(int(samples.devices[column]), end - samples.length)
        over = [column for column, end in self._owed.items() if end + self._patience <= samples.top]
        for column in over:
            del self._owed[column]
        self.passed += len(over)

    def hold(self, samples: Samples, device: int, first: int) -> None:
        """A window that begins there was cut: what owes it, if anything does, owes it no more."""
        [column] = samples.columns(np.array([device], np.uint32)).tolist()
        self._prescreen.widen(samples.devices.size)
        self._prescreen.hold(column, first + samples.length - 1 - self._after)
        self._owed.pop(column, None)
