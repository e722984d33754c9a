"""Catching up: after a start, what several writers still hold is brought into the order in which it once came.

A reader that starts late fetches each writer's recent words as fast as that one answers; taken as they come, one
device's minute would stand before the other's second. Here they wait until every writer that is behind has
handed over as much, and go on together, in order of arrival at the station.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Sequence, Set
from typing import Any

import numpy as np

from nodes._stream import FETCH_AT_MOST, Reader
from protocol.clock import SECOND, Now
from protocol.messages import Configuration, Measurements, Numbered, Table

HEAR_ALL = 2 * SECOND
"""So long a start waits for the first word of every writer; each announces itself more often than every 500 ms."""
GIVE_UP = 5 * SECOND
"""A writer that is behind and brings nothing for so long is waited for no more."""
ROWS_AT_ONCE = 1 << 14
"""Rows of many words that are worked on as one."""


class CatchUp:
    """What was fetched and waits for its turn. `active` turns False for good when everybody has caught up."""

    def __init__(self, writers: Sequence[str], now: Now) -> None:
        self.active = bool(writers)
        self._waiting: dict[str, deque[tuple[int, int, Numbered]]] = {name: deque() for name in writers}
        self._arrival: dict[str, int] = {}
        self._serial = 0
        self._hear_until = now.monotonic + HEAR_ALL
        self._until = now.monotonic + GIVE_UP

    def add(self, word: Numbered, now: Now) -> None:
        """A word that the reader handed on. One without a time of arrival belongs behind the one before it."""
        if isinstance(word, Measurements) and word.arrival.size:
            self._arrival[word.node] = max(int(word.arrival[-1]), self._arrival.get(word.node, 0))
        entry = (self._arrival.get(word.node, 0), self._serial, word)
        self._waiting.setdefault(word.node, deque()).append(entry)
        self._serial += 1
        self._until = now.monotonic + GIVE_UP

    def take(self, reader: Reader, now: Now) -> list[Numbered]:
        """The words whose turn it is, in order of arrival."""
        if now.monotonic >= self._hear_until:
            self._hear_until = 0
        missing = self._missing(reader.behind_at, reader.heard, now)
        short = [name for name in missing if len(self._waiting[name]) < FETCH_AT_MOST]
        if short:
            return []
        horizon = min((self._waiting[name][-1][0] for name in missing), default=None)
        self.active = horizon is not None
        return [word for *_, word in heapq.merge(*(_until(queue, horizon) for queue in self._waiting.values()))]

    def _missing(self, behind: Set[str], heard: Set[str], now: Now) -> set[str]:
        """Writers of whom more is to come before the others may go on."""
        silent = self._waiting.keys() - heard if self._hear_until else set()
        return (behind if now.monotonic < self._until else set()) & self._waiting.keys() | silent

    def wake_at(self) -> int:
        """Monotonic ns when patience with a writer may end."""
        return min(self._hear_until or self._until, self._until)


def _until(queue: deque[tuple[int, int, Numbered]], horizon: int | None) -> list[tuple[int, int, Numbered]]:
    """What stands in a queue up to an arrival (None: all), taken out of it."""
    taken = []
    while queue and (horizon is None or queue[0][0] <= horizon):
        taken.append(queue.popleft())
    return taken


def together(words: Iterable[Numbered]) -> Iterator[Configuration | Measurements]:
    """The words in their order, Measurements of one table in one, as long as no other word stands between."""
    run: dict[Table, list[Measurements]] = {}
    rows = 0
    for word in words:
        if isinstance(word, Measurements) and word.device.size:
            run.setdefault(Table(*word.table), []).append(word)
            rows += word.device.size
        if isinstance(word, Configuration) or rows >= ROWS_AT_ONCE:
            yield from map(_joined, run.values())
            run, rows = {}, 0
        if isinstance(word, Configuration):
            yield word
    yield from map(_joined, run.values())


def _joined(words: list[Measurements]) -> Measurements:
    names = {spec.name for spec in dataclasses.fields(Measurements)} - {"table", "node", "epoch", "number"}
    fields: dict[str, Any] = {name: np.concatenate([getattr(word, name) for word in words]) for name in names}
    return Measurements(table=words[0].table, **fields)
