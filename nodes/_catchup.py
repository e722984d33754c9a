"""Catching up: after a start or a standstill, what several writers hold is brought into the order in which it came.

A reader that was away fetches each writer's words as fast as that one answers; taken as they come, one device's
minute would stand before the other's second. Here they wait until every writer that is behind has handed over as
much, and go on together, in order of arrival at the station. How much waits is bounded.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Sequence, Set
from typing import Any

import numpy as np

from nodes._node import Action, Letter
from nodes._stream import FETCH_AT_MOST, FETCH_BYTES, Reader, size_in_memory
from protocol.clock import SECOND, Now
from protocol.messages import Configuration, Fetch, Measurements, Numbered, Table

NEVER = 1 << 62
HEAR_ALL = 2 * SECOND
"""So long a start waits for the first word of every writer; each announces itself more often than every 500 ms."""
GIVE_UP = 5 * SECOND
"""A writer that is behind and brings nothing for so long is waited for no more."""
WAITING = 64 << 20
"""Bytes of one writer's words that wait for the others; more are not fetched yet."""
ROWS_AT_ONCE = 1 << 14
"""Rows of many words that are worked on as one."""


class CatchUp:
    """What was fetched and waits for its turn. `active` turns False for good when everybody has caught up."""

    def __init__(self, writers: Sequence[str], now: Now, until: int = 0, patience: int = HEAR_ALL) -> None:
        """`until`: UTC [ns] from which on words came of a writer that is heard again; 0: any word will do. A writer
        that brings none within `patience` [ns] is not waited for.
        """
        self.active = bool(writers)
        self._waiting: dict[str, deque[tuple[int, int, Numbered]]] = {name: deque() for name in writers}
        self._bytes: dict[str, int] = dict.fromkeys(writers, 0)
        self._arrival: dict[str, int] = {}
        self._serial = 0
        self._more = False
        self._hear_until = now.monotonic + patience
        self._current = until
        self._until = now.monotonic + GIVE_UP

    def add(self, word: Numbered, now: Now) -> None:
        """A word that the reader handed on. One without a time of arrival belongs behind the one before it."""
        if isinstance(word, Measurements) and word.arrival.size:
            self._arrival[word.node] = max(int(word.arrival[-1]), self._arrival.get(word.node, 0))
        entry = (self._arrival.get(word.node, 0), self._serial, word)
        self._waiting.setdefault(word.node, deque()).append(entry)
        self._bytes[word.node] = self._bytes.get(word.node, 0) + size_in_memory(word)
        self._serial += 1
        self._until = now.monotonic + GIVE_UP

    def asking(self, actions: Iterable[Action]) -> Iterator[Action]:
        """What the reader wants to be done; who has told us more than can wait is not asked for more yet."""
        for action in actions:
            if not (isinstance(action, Letter) and isinstance(action.message, Fetch) and self._is_full(action.to)):
                yield action

    def _is_full(self, name: str) -> bool:
        return self.active and self._bytes.get(name, 0) > WAITING

    def take(self, reader: Reader, now: Now, room: int) -> list[Numbered]:
        """The words whose turn it is, in order of arrival, until they are more than `room` bytes."""
        if now.monotonic >= self._hear_until:
            self._hear_until = 0
        self._more = False
        missing = self._missing(reader.behind_at, reader.heard, now)
        if any(self._short(name) for name in missing):
            return []
        horizon = min((self._waiting[name][-1][0] for name in missing), default=NEVER)
        taken = list(self._in_turn(horizon, room))
        self._more = any(queue and queue[0][0] <= horizon for queue in self._waiting.values())
        self.active = bool(missing) or self._more
        return taken

    def _short(self, name: str) -> bool:
        """Whether too little came of a writer for the others to go on."""
        return len(self._waiting[name]) < FETCH_AT_MOST and self._bytes[name] < FETCH_BYTES

    def _in_turn(self, horizon: int, room: int) -> Iterator[Numbered]:
        """Take what came up to the horizon, oldest first."""
        heads = [(queue[0], name) for name, queue in self._waiting.items() if queue]
        heapq.heapify(heads)
        while heads and room > 0 and heads[0][0][0] <= horizon:
            (*_, word), name = heads[0]
            queue, weight = self._waiting[name], size_in_memory(word)
            queue.popleft()
            self._bytes[name], room = self._bytes[name] - weight, room - weight
            if queue:
                heapq.heapreplace(heads, (queue[0], name))
            else:
                heapq.heappop(heads)
            yield word

    def _missing(self, behind: Set[str], heard: Set[str], now: Now) -> set[str]:
        """Writers of whom more is to come before the others may go on."""
        said = {name for name in heard if self._arrival.get(name, 0) >= self._current}
        silent = self._waiting.keys() - said if self._hear_until else set()
        return (behind if now.monotonic < self._until else set()) & self._waiting.keys() | silent

    def wake_at(self) -> int:
        """Monotonic ns when patience with a writer may end, or words are left whose turn it is."""
        if self._more:
            return 0
        return min(self._hear_until or self._until, self._until)


def spans(words: Sequence[Numbered], span: int) -> Iterator[Sequence[Numbered]]:
    """The words in their order, each list with rows that came in one span of time [ns]; 0: all at once."""
    begin, of = 0, None
    for at, word in enumerate(words if span else ()):
        if isinstance(word, Measurements) and word.arrival.size:
            mine = int(word.arrival[-1]) // span
            if of not in (None, mine):
                yield words[begin:at]
                begin = at
            of = mine
    yield words[begin:]


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
