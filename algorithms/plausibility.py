"""Which times fit a stream: judged against the stream's own recent times, never the wall clock.

A row is plausible if its time lies within `limit` of the last plausible one of its stream, or later by no more
than the time that has passed since that one arrived. So a capture of 2008 passes, at any speed; a link may be
silent for a day; a stale frame of two months ago, or a jump of hours, does not pass.

A stream whose clock was set goes on at the new time: `confirm` rows in a row that don't fit the stream but
follow one another (strictly forward, by no more than the same bound) move the stream there; the last of them
is plausible, those before it were not. A plausible row in between starts the count anew, so injected frames
among live ones never add up; a row of the same time as the one before it does not count. The first row of a stream
is believed.

The judgement of a row depends on the rows before it and on their times of arrival only, not on how they were
cut into batches.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms.grouping import together

I8 = NDArray[np.int64]

SECOND = 1_000_000_000
PLAUSIBLE = 0
IMPLAUSIBLE = 1
"""The same numbers as `Aside.NO` and `Aside.IMPLAUSIBLE_TIME`."""


_kernels: Any = None
"""`algorithms.kernels.times`, if it is to be used."""


def use_kernels(yes: bool = True) -> None:
    """Whether this process judges with compiled loops, which take some 0.4 s to load, or with numpy: the same."""
    global _kernels
    _kernels = import_module("algorithms.kernels.times") if yes else None
    if yes:
        _kernels.warm()


def kernels() -> Any:
    """The compiled loops, None if they are not used."""
    return _kernels


class Plausible:
    """Recent times of any number of streams, which the caller numbers 0, 1, 2, … (links: 1..65535)."""

    def __init__(self, limit: int = 60 * SECOND, confirm: int = 10) -> None:
        """`limit` [ns] a time may lie off; `confirm` rows (2 or more) move a stream to a new time."""
        if limit <= 0 or confirm < 2:
            raise ValueError(f"limit {limit} ns, confirm {confirm}: want a limit above 0 and 2 or more rows")
        self._limit = limit
        self._confirm = confirm
        self._known = np.zeros(0, dtype=bool)
        self._time = np.zeros(0, dtype=np.int64)
        self._arrival = np.zeros(0, dtype=np.int64)
        self._astray: dict[int, tuple[int, int, int]] = {}
        """Stream -> (time, arrival, length) of the run of implausible rows that it is in."""

    def judge(self, time: I8, arrival: I8, stream: I8 | NDArray[np.uint32] | int = 0) -> NDArray[np.uint8]:
        """Judge rows in order of arrival: `PLAUSIBLE` or `IMPLAUSIBLE` each.

        time: [n] ns, any epoch; arrival: [n] ns of a monotonic clock; stream: [n], or one for all.
        """
        streams = np.asarray(stream, dtype=np.int64)
        if streams.shape != time.shape:
            streams = np.broadcast_to(streams, time.shape)
        if not time.size:
            return np.zeros(0, dtype=np.uint8)
        self._grow(int(streams.max()) + 1)
        begin = self._fitting(time, arrival, streams) if _kernels and not self._astray else 0
        verdict = np.zeros(time.shape, dtype=np.uint8)
        if begin < time.size:
            verdict[begin:] = self._judge(time[begin:], arrival[begin:], streams[begin:])
        return verdict

    def _fitting(self, time: I8, arrival: I8, stream: I8) -> int:
        """How many rows are plausible before the first that is not; they are judged."""
        rows = (np.ascontiguousarray(each) for each in (time, arrival, stream))
        return int(_kernels.fitting(*rows, self._limit, self._known, self._time, self._arrival))

    def _judge(self, time: I8, arrival: I8, stream: I8) -> NDArray[np.uint8]:
        order = together(stream)
        if order is None:
            return self._judge_runs(time, arrival, stream)
        verdict = np.empty(time.shape, dtype=np.uint8)
        verdict[order] = self._judge_runs(time[order], arrival[order], stream[order])
        return verdict

    def forget(self, stream: int) -> None:
        """The stream ended for good; what comes next under its number is another one."""
        if stream < self._known.size:
            self._known[stream] = False
        self._astray.pop(stream, None)

    def remember(self) -> tuple[I8, I8, I8]:
        """(streams, time of the last plausible row of each, its arrival)."""
        streams = np.flatnonzero(self._known)
        return streams, self._time[streams], self._arrival[streams]

    def recall(self, streams: I8, time: I8, arrival: I8, astray: dict[int, tuple[int, int, int]]) -> None:
        """Go on with what another one remembered, and with its runs of implausible rows (`astray`)."""
        if streams.size:
            self._grow(int(streams.max()) + 1)
            self._known[streams], self._time[streams], self._arrival[streams] = True, time, arrival
        self._astray = dict(astray)

    @property
    def astray(self) -> dict[int, tuple[int, int, int]]:
        """Stream -> (time, arrival, length) of the run of implausible rows that it is in."""
        return self._astray

    def _grow(self, size: int) -> None:
        more = size - self._known.size
        if more > 0:
            self._known = np.concatenate([self._known, np.zeros(more, dtype=bool)])
            self._time = np.concatenate([self._time, np.zeros(more, dtype=np.int64)])
            self._arrival = np.concatenate([self._arrival, np.zeros(more, dtype=np.int64)])

    def _judge_runs(self, time: I8, arrival: I8, stream: I8) -> NDArray[np.uint8]:
        """Rows of each stream in one run: all at once where every row fits the one before it, one by one elsewhere."""
        verdict = np.zeros(time.size, dtype=np.uint8)
        first = np.flatnonzero(np.diff(stream, prepend=-1))
        ends = np.append(first[1:], time.size)
        heads = stream[first]
        fits = self._fit(time, arrival, first, heads)
        if not fits.all():
            clean = np.logical_and.reduceat(fits, first)
            for at in np.flatnonzero(~clean).tolist():
                rows = slice(int(first[at]), int(ends[at]))
                verdict[rows] = self._one_by_one(time[rows].tolist(), arrival[rows].tolist(), int(heads[at]))
            heads, ends = heads[clean], ends[clean]
        if self._astray:
            for head in heads.tolist():
                self._astray.pop(head, None)
        last = ends - 1
        self._known[heads], self._time[heads], self._arrival[heads] = True, time[last], arrival[last]
        return verdict

    def _fit(self, time: I8, arrival: I8, first: NDArray[np.intp], heads: I8) -> NDArray[np.bool_]:
        """[n] whether each row fits the one before it; the runs of the streams `heads` begin at `first`."""
        before, arrived = np.empty_like(time), np.empty_like(arrival)
        before[1:], arrived[1:] = time[:-1], arrival[:-1]
        known = self._known[heads]
        before[first] = np.where(known, self._time[heads], time[first])
        arrived[first] = np.where(known, self._arrival[heads], arrival[first])
        step = time - before
        return np.asarray((step >= -self._limit) & (step <= self._limit + np.maximum(arrival - arrived, 0)))

    def _one_by_one(self, times: list[int], arrivals: list[int], stream: int) -> list[int]:
        return [self._row(time, arrival, stream) for time, arrival in zip(times, arrivals, strict=True)]

    def _row(self, time: int, arrival: int, stream: int) -> int:
        if not self._known[stream] or self._fits(time, arrival, int(self._time[stream]), int(self._arrival[stream])):
            return self._believe(time, arrival, stream)
        before, arrived, length = self._astray.get(stream, (time, arrival, 0))
        if length and time == before:
            return IMPLAUSIBLE  # sent twice, as UDP may: it neither adds to the run nor breaks it
        follows = time > before and self._fits(time, arrival, before, arrived)
        length = length + 1 if follows else 1
        if length >= self._confirm:
            return self._believe(time, arrival, stream)
        self._astray[stream] = (time, arrival, length)
        return IMPLAUSIBLE

    def _fits(self, time: int, arrival: int, before: int, arrived: int) -> bool:
        return -self._limit <= time - before <= self._limit + max(arrival - arrived, 0)

    def _believe(self, time: int, arrival: int, stream: int) -> int:
        self._known[stream], self._time[stream], self._arrival[stream] = True, time, arrival
        self._astray.pop(stream, None)
        return PLAUSIBLE
