"""Least, mean, 99th percentile and greatest latency of every device, without keeping the rows.

Latencies are counted in bins whose edges grow by 5 %, from 0.1 ms to 100 s: a percentile is right within that, and
never outside what was least and greatest. Counts of some seconds each are added up, so that old ones can be let go.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from algorithms.columns import Columns

I8 = NDArray[np.int64]
F8 = NDArray[np.float64]

LEAST, GREATEST, GROWTH = 100_000, 100_000_000_000, 1.05
"""ns of the first and the last edge, and from one to the next."""
BINS = math.ceil(math.log(GREATEST / LEAST) / math.log(GROWTH)) + 2
"""With one below the first edge (negative ones, too: a clock that is ahead) and one above the last."""
UPPER = LEAST * GROWTH ** np.arange(BINS)
"""[b] ns, upper edge of each bin"""
FIGURES = ("min", "mean", "p99", "max")
NONE_YET = np.iinfo(np.int64).max


@dataclass
class Span:
    """What was counted since `begin`, by column."""

    begin: int
    count: I8
    """[m, b]"""
    total: I8
    """[m] ns"""
    least: I8
    greatest: I8

    @classmethod
    def empty(cls, begin: int, columns: int) -> Span:
        """Nothing yet."""
        zeros = np.zeros(columns, np.int64)
        return cls(begin, np.zeros((columns, BINS), np.int64), zeros, zeros + NONE_YET, zeros - NONE_YET)

    def widen(self, columns: int) -> None:
        """Room for so many."""
        if columns > self.total.size:
            more = Span.empty(self.begin, columns - self.total.size)
            for name in ("count", "total", "least", "greatest"):
                setattr(self, name, np.concatenate([getattr(self, name), getattr(more, name)]))


class Latencies:
    """Counts of all devices in the latest spans of time."""

    def __init__(self, span: int, spans: int) -> None:
        """`span` ns of one of so many `spans` that are kept."""
        self._span = span
        self._spans: deque[Span] = deque(maxlen=spans)
        self._columns = Columns()

    @property
    def devices(self) -> NDArray[np.uint32]:
        """[m] numbers, by column"""
        return self._columns.numbers

    def push(self, device: NDArray[np.uint32], latency: I8, now: int) -> None:
        """Latencies [n] ns of rows of devices [n], at `now` ns."""
        column = self._columns.of(device)
        self._turn(now)
        span = self._spans[-1]
        span.widen(len(self._columns))
        place = np.ceil(np.log(np.maximum(latency, LEAST) / LEAST) / math.log(GROWTH)).astype(np.int64)
        np.add.at(span.count.reshape(-1), column * BINS + np.minimum(place, BINS - 1), 1)
        np.add.at(span.total, column, latency)
        np.minimum.at(span.least, column, latency)
        np.maximum.at(span.greatest, column, latency)

    def _turn(self, now: int) -> None:
        if not self._spans or now >= self._spans[-1].begin + self._span:
            self._spans.append(Span.empty(now, len(self._columns)))

    def figures(self, now: int) -> tuple[F8, F8]:
        """([m, 4] `FIGURES` in ns of each device in the spans that reach into the last `span * spans` ns; [4] of all
        devices); NaN where no row came."""
        alive = [span for span in self._spans if span.begin > now - self._span * (self._spans.maxlen or 1)]
        if not alive:
            return np.full((len(self._columns), 4), np.nan), np.full(4, np.nan)
        for span in alive:
            span.widen(len(self._columns))
        count = np.sum([span.count for span in alive], axis=0)
        total = np.sum([span.total for span in alive], axis=0)
        least = np.min([span.least for span in alive], axis=0)
        greatest = np.max([span.greatest for span in alive], axis=0)
        whole = count.sum(axis=0), total.sum(), least.min(initial=NONE_YET), greatest.max(initial=-NONE_YET)
        return _figures(count, total, least, greatest), _figures(*(np.asarray(each)[None] for each in whole))[0]


def _figures(count: I8, total: I8, least: I8, greatest: I8) -> F8:
    """[m, 4] of counts [m, b]."""
    rows = count.sum(axis=1)
    upto = np.cumsum(count, axis=1)
    place = (upto < np.ceil(0.99 * rows)[:, None]).sum(axis=1)
    near = np.clip(UPPER[np.minimum(place, BINS - 1)], least, greatest)
    told = np.stack([least, total / np.maximum(rows, 1), near, greatest], axis=1).astype(np.float64)
    told[rows == 0] = np.nan
    return told
