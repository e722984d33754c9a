"""The books: what became of every row, per device.

    received = archived + aside + duplicate + corrupt + refused + lost + pending

`received`, `corrupt`, `refused` and `lost` come from the receivers' Tally, which is cumulative over one epoch of one
writer; `archived`, `aside` and `duplicate` are counted here as rows are committed. Whatever a receiver counted and
nobody accounted for yet is `pending`. Where a receiver could no longer hand over part of its stream (Gone), what
is missing between its Tally and the rows that came is `lost`. A reader takes all of an epoch that can be had before it
begins the next: with a word of the next it is over. The last counts of one whose receiver was killed come in the next.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms.columns import Columns
from protocol.messages import U4, Tally

Counts = NDArray[np.int64]
COLUMNS = ("received", "archived", "aside", "duplicate", "corrupt", "refused", "lost", "pending")
OWN = ("archived", "aside", "duplicate")
SAID = ("received", "corrupt", "refused", "lost")
EPOCHS = 4
"""Epochs of one writer that are kept apart; older ones, which are over, are summed up."""


@dataclass
class Stream:
    """One epoch of one writer."""

    next: int = 0
    """All below this number have been taken."""
    gaps: bool = False
    """Part of it can no longer be fetched, or it is over: what did not come will not."""
    said: Counts = field(default_factory=lambda: np.zeros((0, len(SAID)), np.int64))
    """[device, SAID] from the last Tally."""
    seen: Counts = field(default_factory=lambda: np.zeros(0, np.int64))
    """[device] rows that came."""

    def fit(self, devices: int) -> None:
        """Make room for so many devices."""
        missing = devices - len(self.seen)
        if missing > 0:
            self.said = np.pad(self.said, ((0, missing), (0, 0)))
            self.seen = np.pad(self.seen, (0, missing))

    def account(self) -> Counts:
        """[device, SAID]: received is at least what came, and what a gap swallowed is lost."""
        received, corrupt, refused, lost = self.said.T
        handed = received - corrupt - refused - lost
        if self.gaps:
            lost = lost + np.maximum(handed - self.seen, 0)
        received = np.maximum(received, self.seen + corrupt + refused + lost)
        return np.stack([received, corrupt, refused, lost], axis=1)


@dataclass
class Books:
    """All counts of an archive; copied, changed and swapped in by a commit."""

    columns: Columns = field(default_factory=Columns)
    """Which row of the counts a device has."""
    own: Counts = field(default_factory=lambda: np.zeros((0, len(OWN)), np.int64))
    """[device, OWN]"""
    closed: Counts = field(default_factory=lambda: np.zeros((0, len(SAID)), np.int64))
    """[device, SAID] of the epochs that are closed."""
    streams: dict[tuple[str, int], Stream] = field(default_factory=dict)

    @property
    def devices(self) -> list[int]:
        """In the order of the counts."""
        return self.columns.numbers.tolist()

    def copy(self) -> Books:
        return deepcopy(self)

    def stream(self, node: str, epoch: int) -> Stream:
        """The books of one epoch of a writer, opened if new."""
        stream = self.streams.get((node, epoch))
        if stream is None:
            for name, earlier in self.streams:
                self.streams[name, earlier].gaps |= name == node
            stream = self.streams[node, epoch] = Stream()
        stream.fit(len(self.columns))
        return stream

    def came(self, node: str, epoch: int, device: U4) -> None:
        """Rows [n] of these devices came in a stream."""
        counts = self._counted(device)
        self.stream(node, epoch).seen += counts

    def count(self, what: str, device: U4) -> None:
        """Rows [n] of these devices ended as one of `OWN`."""
        counts = self._counted(device)
        self.own[:, OWN.index(what)] += counts

    def tally(self, node: str, epoch: int, tally: Tally) -> None:
        """A writer's own counts. They only grow."""
        rows = self._rows(tally.device)
        stream = self.stream(node, epoch)
        said = np.stack([getattr(tally, name) for name in SAID], axis=1)
        np.maximum.at(stream.said, rows, said)

    def close(self, node: str, epoch: int, tally: Tally) -> None:
        """The last counts of an epoch that is over. One that was summed up is known; so is what was before our time."""
        earlier = [each for name, each in self.streams if name == node and each < tally.epoch]
        if not earlier or (epoch < max(earlier) and (node, epoch) not in self.streams):
            return
        rows = self._rows(tally.device)
        stream = self.streams.setdefault((node, epoch), Stream(gaps=True))
        stream.fit(len(self.columns))
        stream.said[rows] = np.stack([getattr(tally, name) for name in SAID], axis=1)

    def standing(self) -> Counts:
        """[device, COLUMNS], in the order of `devices`; the law holds in every row."""
        said = self.closed.copy()
        for stream in self.streams.values():
            stream.fit(len(self.columns))
            said += stream.account()
        received, corrupt, refused, lost = said.T
        archived, aside, duplicate = self.own.T
        pending = received - archived - aside - duplicate - corrupt - refused - lost
        columns = [received, archived, aside, duplicate, corrupt, refused, lost, pending]
        return np.stack(columns, axis=1).astype(np.int64).reshape(len(self.columns), len(COLUMNS))

    def totals(self) -> dict[str, int]:
        """Sums over all devices, by name."""
        return dict(zip(COLUMNS, self.standing().sum(axis=0).tolist(), strict=True))

    def _counted(self, device: NDArray[Any]) -> Counts:
        """[m] How often each device of the books stands among [n]; new ones are added."""
        return np.bincount(self._rows(device), minlength=len(self.columns))

    def _rows(self, device: NDArray[Any]) -> Counts:
        """[n] index of each device; new ones are added."""
        rows = self.columns.of(device)
        if missing := len(self.columns) - len(self.own):
            self.own = np.pad(self.own, ((0, missing), (0, 0)))
            self.closed = np.pad(self.closed, ((0, missing), (0, 0)))
        return rows

    def sum_up(self) -> None:
        """All but the last few epochs of each writer into one sum."""
        for node in {node for node, _ in self.streams}:
            epochs = sorted(epoch for name, epoch in self.streams if name == node)
            for epoch in epochs[:-EPOCHS]:
                stream = self.streams.pop((node, epoch))
                stream.fit(len(self.columns))
                self.closed += stream.account()

    def to_json(self) -> dict[str, Any]:
        """For the watermark."""
        return {
            "devices": self.devices, "own": self.own.tolist(), "closed": self.closed.tolist(),
            "streams": [
                [node, epoch, stream.next, stream.gaps, stream.said.tolist(), stream.seen.tolist()]
                for (node, epoch), stream in self.streams.items()
            ],
        }  # fmt: skip

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> Books:
        """Inverse of `to_json`; an empty dict gives empty books."""
        if not state:
            return cls()
        streams = {
            (node, epoch): Stream(number, gaps, _table(said, len(SAID)), np.array(seen, dtype=np.int64))
            for node, epoch, number, gaps, said, seen in state["streams"]
        }
        own, closed = _table(state["own"], len(OWN)), _table(state["closed"], len(SAID))
        columns = Columns()
        columns.add(np.array(state["devices"], dtype=np.uint32))
        return cls(columns, own, closed, streams)


def _table(rows: Iterable[Any], columns: int) -> Counts:
    table = np.array(list(rows), dtype=np.int64)
    return table.reshape(math.prod(table.shape) // columns, columns)
