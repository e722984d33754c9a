"""Early windows: what a pre-screen makes of the words that a trigger takes, besides the schedule.

A device that alarms has its latest window cut when `after` more of it came, so that its detector sees what follows.
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
        self._after = round(watch.after / clock.period(rate))
        self._prescreen = Prescreen(rate, watch.limits)
        self._owed: list[tuple[int, float, int]] = []
        """(end, -score, device) of windows to be cut."""

    def push(
        self,
        samples: Samples,
        slot: NDArray[np.int64],
        device: NDArray[np.uint32],
        values: NDArray[np.float32],
        room: Callable[[], bool] | None,
    ) -> Iterator[Cut]:
        """After these slots [k] of devices [m] were given to `samples`: the early windows that are complete now.

        `room` is asked for each, those that alarmed most first; what there is no room for is left to the schedule.
        """
        if samples.top < self._prescreen.top:  # slots went back: a wrong clock had led the way
            self._prescreen, self._owed = Prescreen(self._rate, self._watch.limits), []
        columns = samples.columns(device)
        self._prescreen.widen(samples.devices.size)
        for alarm in self._prescreen.push(slot, columns, values):
            number = int(samples.devices[alarm.column])
            end = samples.unscheduled(number, alarm.slot + 1 + self._after)
            if end is not None:
                self._owed.append((end, -alarm.score, number))
        due = sorted(each for each in self._owed if each[0] <= samples.top + 1)
        if due:
            self._owed = [each for each in self._owed if each[0] > samples.top + 1]
        for end, _, number in due:
            if room is not None and room():
                yield samples.cut(number, end - samples.length)

    def hold(self, samples: Samples, device: int, first: int) -> None:
        """A window that begins there was cut: what owes it, if anything does, owes it no more."""
        column = samples.columns(np.array([device], np.uint32))
        self._prescreen.widen(samples.devices.size)
        self._prescreen.hold(int(column[0]), first + samples.length - 1 - self._after)
        self._owed = [each for each in self._owed if each[2] != device]
