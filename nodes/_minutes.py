"""Statistics of a concentrator: what every device did in every minute.

A minute is counted by arrival, also where rows are fetched after a start. Who has it says it to the archivers
(`nodes/_archivestream.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms.alignment import Released
from algorithms.columns import Columns
from algorithms.latencies import FIGURES, Latencies
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Configuration, Minutes, Table

I8 = NDArray[np.int64]
F8 = NDArray[np.float64]

MINUTE = 60 * SECOND
INVALID, UNSYNCHRONISED, MODIFIED = 0xC000, 0x2000, 0x0200
TOLD = {"invalid": INVALID, "unsynchronised": UNSYNCHRONISED, "modified": MODIFIED}
"""Count -> bits of STAT, any of which is set."""
JUMP = SECOND
"""Who is called so late after the end of a minute was not there when the next one began."""


def slots_between(start: int, end: int, rate: int) -> int:
    """How many slots of a rate begin in [start, end) ns."""

    def before(time: int) -> int:
        return -(-time * rate // SECOND) if rate > 0 else -(-time // (-rate * SECOND))

    return before(end) - before(start)


@dataclass
class _Told:
    """What was told in a minute, by column."""

    columns: Columns = field(default_factory=Columns)
    counts: I8 = field(default_factory=lambda: np.zeros((0, len(TOLD)), np.int64))
    """[m, k]"""
    hertz: F8 = field(default_factory=lambda: np.zeros((0, 4)))
    """[m, 4] least, sum, greatest, how many"""

    def add(self, released: Released) -> None:
        """Slots as they are told."""
        column = self.columns.of(released.device)
        more = len(self.columns) - len(self.counts)
        if more:
            self.counts = np.pad(self.counts, ((0, more), (0, 0)))
            self.hertz = np.concatenate([self.hertz, np.tile([np.inf, 0, -np.inf, 0], (more, 1))])
        there = released.present == 1
        for k, bits in enumerate(TOLD.values()):
            self.counts[column, k] += (there & ((released.status & bits) != 0)).sum(axis=0)
        hertz = released.values[..., 0].astype(np.float64)
        good = there & ~np.isnan(hertz)
        self.hertz[column, 0] = np.minimum(self.hertz[column, 0], np.where(good, hertz, np.inf).min(axis=0))
        self.hertz[column, 1] += np.where(good, hertz, 0).sum(axis=0)
        self.hertz[column, 2] = np.maximum(self.hertz[column, 2], np.where(good, hertz, -np.inf).max(axis=0))
        self.hertz[column, 3] += good.sum(axis=0)

    def of(self, device: NDArray[np.uint32]) -> tuple[I8, F8]:
        """([n, k] counts, [n, 3] frequency: min, mean, max) of devices [n]."""
        column = self.columns.of(device)
        missing = len(self.columns) - len(self.counts)
        counts, hertz = np.pad(self.counts, ((0, missing), (0, 0))), np.pad(self.hertz, ((0, missing), (0, 0)))
        least, total, greatest, count = hertz[column].T
        mean = total / np.maximum(count, 1)
        figures = np.where(count[:, None] > 0, np.stack([least, mean, greatest], axis=1), np.nan)
        return counts[column], figures


class Statistics:
    """Of one concentrator."""

    def __init__(self) -> None:
        self._begin: int | None = None
        """UTC [ns] from which on this minute is counted."""
        self._latencies = Latencies(2 * MINUTE, 1)
        self._told = _Told()
        self._before: dict[str, dict[int, int]] = {}
        """Count -> device -> what it was when the minute began."""

    def arrived(self, device: NDArray[np.uint32], latency: I8, now: Now) -> None:
        """Rows [n] that came."""
        self._latencies.push(device, latency, now.monotonic)

    def released(self, told: Released) -> None:
        """Slots that are told."""
        self._told.add(told)

    def is_due(self, now: Now) -> bool:
        """Whether a minute is over; then `turn` is to be called, before anything of the next one is counted."""
        if self._begin is None:
            self._begin = now.utc
        return now.utc >= (self._begin // MINUTE + 1) * MINUTE

    def turn(self, now: Now, known: Mapping[int, Configuration], counts: Mapping[str, Mapping[int, int]]) -> Minutes:
        """A minute is over, and what it was. `counts` of devices since the start, by what is counted."""
        assert self._begin is not None
        begin, start = self._begin, self._begin // MINUTE * MINUTE
        end = start + MINUTE
        device = np.array(sorted(known), np.uint32)
        expected = [slots_between(begin, end, Table(*known[each].table).rate) for each in device.tolist()]
        told, hertz = self._told.of(device)
        said: dict[str, Any] = dict(zip(TOLD, told.T, strict=True))
        said |= {f"latency_{name}": of for name, of in zip(FIGURES, self._figures(device, now).T, strict=True)}
        said |= {f"frequency_{name}": of for name, of in zip(("min", "mean", "max"), hertz.T, strict=True)}
        for name, total in counts.items():
            before = self._before.get(name, {})
            said[name] = np.array([total.get(each, 0) - before.get(each, 0) for each in device.tolist()], np.int64)
        minutes = Minutes(
            start=start, covered=(end - begin) / SECOND, device=device, expected=np.array(expected, np.int64), **said
        )
        self._before = {name: dict(total) for name, total in counts.items()}
        self._begin = end if now.utc < end + JUMP else now.utc
        self._latencies, self._told = Latencies(2 * MINUTE, 1), _Told()
        return minutes

    def _figures(self, device: NDArray[np.uint32], now: Now) -> F8:
        each, _ = self._latencies.figures(now.monotonic)
        figures = np.full((device.size, len(FIGURES)), np.nan)
        at = np.searchsorted(device, self._latencies.devices)
        have = at < device.size
        have[have] = device[at[have]] == self._latencies.devices[have]
        figures[at[have]] = each[have] / MILLISECOND
        return figures
