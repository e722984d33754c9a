"""Statistics of an endless stream, sample by sample: what a sample brings follows from those before it.

All have `push(x)`: samples [m, k] of m devices, the next k of each, never NaN; back comes [m, j], the values of the
last j <= k of them (the first samples of a stream only fill the memory). However a stream is cut into calls, the
values are the same bit for bit: windows are sums over lags, order statistics, or recursions, and never sums whose
order numpy chooses. The memory is bounded by the longest window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.signal import lfilter

F8 = NDArray[np.float64]

CALM = 3
"""Samples of a median that takes single spikes out."""


class Stream(Protocol):
    """See the module."""

    @property
    def reach(self) -> int:
        """Samples that a value follows from; what recursions remember faintly does not count."""
        ...

    def push(self, x: F8, /) -> F8:
        """The next samples; the values there are by now."""
        ...


class Sliding:
    """A function of the last `reach` samples: `of` makes of [m, n] the values [m, n - reach + 1]."""

    def __init__(self, reach: int, of: Callable[[F8], F8]) -> None:
        self.reach, self._of = reach, of
        self._last: F8 | None = None

    def push(self, x: F8, /) -> F8:
        joined = x if self._last is None else np.concatenate([self._last, x], axis=1)
        self._last = joined[:, max(0, joined.shape[1] - self.reach + 1) :].copy()
        return self._of(joined) if joined.shape[1] >= self.reach else joined[:, :0]


class Recursive:
    """Mean that forgets with a time constant of so many samples; from the first sample on, and without bias."""

    reach = 1

    def __init__(self, samples: float) -> None:
        self._share = 1.0 / max(samples, 1.0)
        self._state: tuple[F8, F8] | None = None

    def push(self, x: F8, /) -> F8:
        if self._state is None:
            self._state = np.zeros((x.shape[0], 1)), np.zeros((1, 1))
        if not x.shape[1]:
            return x
        b, a = [self._share, 0.0], [1.0, self._share - 1.0]
        total, one = lfilter(b, a, x, axis=1, zi=self._state[0])
        weight, two = lfilter(b, a, np.ones((1, x.shape[1])), axis=1, zi=self._state[1])
        self._state = one, two
        return np.asarray(total / weight)


class Chain:
    """One after the other."""

    def __init__(self, *stages: Stream) -> None:
        self._stages = stages
        self.reach = 1 + sum(stage.reach - 1 for stage in stages)

    def push(self, x: F8, /) -> F8:
        for stage in self._stages:
            x = stage.push(x)
        return x


def each(of: Callable[[F8], F8]) -> Sliding:
    """A function of each sample by itself."""
    return Sliding(1, of)


def lagged(weights: Sequence[float] | F8) -> Sliding:
    """Sum of the last samples with weights [w], that of the oldest first."""
    some = np.asarray(weights, dtype=np.float64)

    def of(x: F8) -> F8:
        count = x.shape[1] - some.size + 1
        total = np.zeros((x.shape[0], count))
        for lag in np.flatnonzero(some):
            total += some[lag] * x[:, lag : lag + count]
        return total

    return Sliding(some.size, of)


def mean(samples: int) -> Sliding:
    """Mean of the last so many."""
    return lagged(np.full(samples, 1.0 / samples))


def median(samples: int) -> Sliding:
    """Median of the last so many."""

    def of(x: F8) -> F8:
        return np.asarray(np.median(sliding_window_view(x, samples, axis=1), axis=2))

    return Sliding(samples, of)


def difference(lag: int) -> Sliding:
    """From the sample so many before."""
    return Sliding(lag + 1, lambda x: x[:, lag:] - x[:, :-lag])


def size() -> Sliding:
    """Absolute value."""
    return each(lambda x: np.asarray(np.abs(x)))
