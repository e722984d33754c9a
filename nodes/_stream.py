"""Numbered streams: who writes numbers its words and keeps the recent ones, who reads notices a gap and fetches.

One path serves late joiners, drops, slow readers and partitions: a reader that sees number 7 after 4 holds it,
asks the writer for [5, 7) and goes on in order. Both halves are pure: messages in, actions out, time an argument.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from nodes._node import Action, Letter, News
from protocol import wire
from protocol.clock import MILLISECOND, Now
from protocol.messages import Announce, Configuration, Durable, Fetch, Gone, Numbered

ANNOUNCE_EVERY = 400 * MILLISECOND
FETCH_AGAIN_AFTER = 1000 * MILLISECOND
FETCH_AT_MOST = 256
"""Words asked for at once, so that an answer fits an inbox."""
HOLD_AT_MOST = 4096
"""Words held beyond a gap; more are dropped and fetched later."""


def size_of(parts: list[Any]) -> int:
    return sum(memoryview(part).nbytes for part in parts)


class Writer:
    """The writing half. `say` every word that must not be lost; hand Fetch and Durable to `receive`."""

    def __init__(self, node: str, epoch: int, keep: int = 64 << 20) -> None:
        """`epoch` is UTC [ns] of this opening; `keep` bounds the words kept for fetching [bytes]."""
        self.node, self.epoch, self.keep = node, epoch, keep
        self.next = 0
        self.first = 0
        self.held = 0
        self.durable: dict[str, int] = {}
        """Archive -> all below this number is on its disk."""
        self._ring: deque[tuple[int, list[Any], Any]] = deque()
        self._in_force: dict[int, tuple[int, list[Any], Any]] = {}
        self._announce_at = 0

    def say(self, message: Numbered) -> News:
        """Number a word, keep it, and return it as news."""
        message = replace(message, node=self.node, epoch=self.epoch, number=self.next)
        parts = wire.pack(message)
        self._ring.append((self.next, parts, message))
        self.held += size_of(parts)
        self.next += 1
        self._trim()
        return News(message, parts)

    def _trim(self) -> None:
        while self.held > self.keep and len(self._ring) > 1:
            number, parts, message = self._ring.popleft()
            self.held -= size_of(parts)
            self.first = number + 1
            if isinstance(message, Configuration):
                self._in_force[message.device] = (number, parts, message)

    def receive(self, message: Fetch | Durable, now: Now) -> Iterator[Action]:
        """Answer a Fetch (to the reader's inbox), note a Durable."""
        if message.epoch != self.epoch:
            return
        if isinstance(message, Durable):
            self.durable[message.archive] = message.next
            return
        start = message.first
        if start < self.first:
            for number, parts, word in sorted(self._in_force.values(), key=lambda item: item[0]):
                if number >= start:
                    yield Letter(message.reader, word, parts)
            yield Letter(message.reader, Gone(self.node, self.epoch, start, self.first))
            start = self.first
        skip = start - self.first
        for number, parts, word in list(self._ring)[skip : skip + FETCH_AT_MOST]:
            if number >= message.last:
                break
            yield Letter(message.reader, word, parts)

    def wake_at(self) -> int:
        return self._announce_at

    def wake(self, now: Now) -> Iterator[Action]:
        """Announce where the stream stands, when it is time to."""
        if now.monotonic >= self._announce_at:
            self._announce_at = now.monotonic + ANNOUNCE_EVERY
            yield self.announce()

    def announce(self) -> News:
        return News(Announce(self.node, self.epoch, self.next, self.first))


@dataclass
class _Source:
    """What a reader knows of one writer."""

    epoch: int
    next: int
    announced: int = 0
    asked_at: int | None = None
    asked_to: int = 0
    held: dict[int, Numbered] = field(default_factory=dict)

    @property
    def known(self) -> int:
        """The writer has said everything below this."""
        return max(self.announced, max(self.held) + 1 if self.held else 0)

    @property
    def gap_end(self) -> int:
        return min(self.held) if self.held else self.announced


class Reader:
    """The reading half: every word of every writer once and in order, or counted in `lost`."""

    def __init__(self, name: str, standing: dict[str, tuple[int, int]] | None = None) -> None:
        """`name` is the process whose inbox takes the answers; `standing` is writer -> (epoch, next) kept
        from an earlier life: what is below was taken already."""
        self.name = name
        self.lost = 0
        self.fetched = 0
        self._standing = dict(standing or {})
        self._sources: dict[str, _Source] = {}

    def receive(self, message: Any, now: Now) -> tuple[list[Numbered], list[Action]]:
        """Take Numbered words, Announce and Gone; returns (words now in order, actions)."""
        source, ready = self._source(message.node, message.epoch)
        if source is None:
            return [], []
        if isinstance(message, Announce | Gone):
            ready += self._bookkeeping(source, message)
        elif message.number >= source.next and self._room(source, message.number):
            source.held[message.number] = message
        ready += self._in_order(source)
        return ready, self._ask(message.node, source, now)

    def _source(self, node: str, epoch: int) -> tuple[_Source | None, list[Numbered]]:
        """(the writer's state, None for an old epoch; words that were held for others which nobody has any more).

        A newer epoch replaces an older one: what is missing of that can't be fetched, what came beyond is handed on.
        """
        source = self._sources.get(node)
        left: list[Numbered] = []
        if source is None or epoch > source.epoch:
            if source is not None:
                left = [source.held[number] for number in sorted(source.held)]
                self.lost += max(0, source.known - source.next) - len(left)
            kept_epoch, kept_next = self._standing.get(node, (0, 0))
            if epoch < kept_epoch:
                return None, left
            source = _Source(epoch, kept_next if epoch == kept_epoch else 0)
            self._sources[node] = source
        return (source if epoch == source.epoch else None), left

    def _room(self, source: _Source, number: int) -> bool:
        """Whether a word may be held: what fills a gap always may, or a long wait for it would never end."""
        return len(source.held) < HOLD_AT_MOST or number < source.gap_end

    def _bookkeeping(self, source: _Source, message: Announce | Gone) -> list[Numbered]:
        if isinstance(message, Announce):
            source.announced = max(source.announced, message.next)
            return []
        kept = [source.held.pop(number) for number in sorted(source.held) if number < message.last]
        if message.last > source.next:
            self.lost += message.last - source.next - len(kept)
            source.next = message.last
            source.asked_at = None
        return kept

    def _in_order(self, source: _Source) -> list[Numbered]:
        ready = []
        while source.next in source.held:
            ready.append(source.held.pop(source.next))
            source.next += 1
        if ready and source.asked_at is not None:
            self.fetched += len(ready)
        if source.next >= min(source.asked_to, source.gap_end):
            source.asked_at = None
        return ready

    def _ask(self, node: str, source: _Source, now: Now) -> list[Action]:
        if source.next >= source.known:
            return []
        waiting = source.asked_at is not None and now.monotonic < source.asked_at + FETCH_AGAIN_AFTER
        if waiting:
            return []
        source.asked_at = now.monotonic
        source.asked_to = min(max(source.gap_end, source.next + 1), source.next + FETCH_AT_MOST)
        return [Letter(node, Fetch(self.name, source.epoch, source.next, source.asked_to))]

    def wake_at(self) -> int | None:
        """When an unanswered Fetch is due again."""
        due = [s.asked_at + FETCH_AGAIN_AFTER for s in self._sources.values() if s.asked_at is not None]
        return min(due, default=None)

    def wake(self, now: Now) -> list[Action]:
        return [action for node, source in self._sources.items() for action in self._ask(node, source, now)]

    def standing(self) -> dict[str, tuple[int, int]]:
        """Writer -> (epoch, next): what was handed on so far."""
        return {**self._standing, **{node: (s.epoch, s.next) for node, s in self._sources.items()}}

    @property
    def heard(self) -> set[str]:
        """Writers that have said anything."""
        return set(self._sources)

    @property
    def behind_at(self) -> set[str]:
        """Writers that have said words which we have not handed on."""
        return {node for node, source in self._sources.items() if source.known > source.next}

    @property
    def behind(self) -> int:
        """Words that writers have said and we have not handed on."""
        return sum(max(0, source.known - source.next) for source in self._sources.values())
