"""Times and values that no sound device tells, in the rows of a tick."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from algorithms import plausibility
from algorithms.grouping import together
from protocol.messages import I8, STATIONS_PER_LINK, U4, Measurements

NOT_GOOD = 0xC000
"""STAT: the values are not to be used."""


class Oddities:
    """Looks at all rows of a receiver, in order of arrival."""

    def __init__(self) -> None:
        self._times = Times()

    def of(self, message: Measurements) -> Iterator[tuple[int, str, int]]:
        """(link number, what, how many rows)"""
        for what, rows in (
            ("implausible times", message.aside != 0),
            ("a time that does not move", self._times.standing(message.device, message.time)),
            ("values that are no numbers, said to be good", _no_numbers(message)),
        ):
            if rows.any():
                links, counts = np.unique(message.device[rows] // STATIONS_PER_LINK, return_counts=True)
                for link, count in zip(links.tolist(), counts.tolist(), strict=True):
                    yield link, what, count


def _no_numbers(message: Measurements) -> NDArray[np.bool_]:
    """[n] rows with NaN or infinity whose STAT says that they are good."""
    numbers = np.isfinite(message.values)
    if numbers.all():
        return np.zeros(message.device.size, np.bool_)
    wild: NDArray[np.bool_] = np.logical_not(np.logical_and.reduce(numbers, axis=1))
    wild &= (message.status & NOT_GOOD) == 0
    return wild


class Times:
    """The last time of each device, to see that it moves."""

    def __init__(self) -> None:
        self._last = np.zeros(0, np.int64)

    def standing(self, device: U4, time: I8) -> NDArray[np.bool_]:
        """[n] rows of first stations, in order of arrival, with the same time as the row before."""
        more = int(device.max(initial=0)) // STATIONS_PER_LINK + 1 - self._last.size
        if more > 0:
            self._last = np.concatenate([self._last, np.zeros(more, np.int64)])
        if kernels := plausibility.kernels():
            rows = np.ascontiguousarray(device), STATIONS_PER_LINK, np.ascontiguousarray(time)
            return np.asarray(kernels.standing(*rows, self._last))
        link = np.where(device % STATIONS_PER_LINK == 0, device // STATIONS_PER_LINK, 0).astype(np.int64)
        order = together(link)
        if order is None:
            return self._standing(link, time)
        standing = np.empty(link.size, np.bool_)
        standing[order] = self._standing(link[order], time[order])
        return standing

    def _standing(self, link: I8, time: I8) -> NDArray[np.bool_]:
        """The same; rows of each link in one run."""
        first = np.flatnonzero(np.diff(link, prepend=-1))
        before = np.empty_like(time)
        before[1:] = time[:-1]
        before[first] = self._last[link[first]]
        self._last[link] = time  # of several rows of one, the last stays
        return np.asarray((time == before) & (link != 0))
