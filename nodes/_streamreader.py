"""The reading half of numbered streams (`nodes/_stream.py`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nodes._node import Action, Letter
from nodes._streamwriter import FETCH_AT_MOST
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Announce, Configuration, Durable, Fetch, Gone, Numbered

FETCH_AGAIN_AFTER = 1000 * MILLISECOND
TELL_AGAIN_AFTER = 3 * SECOND
"""Durable is repeated so often: a writer that was restarted has forgotten it."""
BELIEVE_AFTER = 3 * SECOND
"""A writer that announces only an older epoch than ours for so long has a clock that was set back."""
HOLD_AT_MOST = 4096
"""Words of one writer held beyond a gap; more are dropped and fetched later."""
HOLD_BYTES = 64 << 20
"""All words that a reader holds."""


@dataclass
class _Source:
    """What a reader knows of one writer. It stands at (epoch, next); (0, 0) is before all."""

    epoch: int
    next: int
    unconfigured: bool = False
    """It begins in mid-stream, and what rows mean was asked for and has not come."""
    announced: int = 0
    """The newest epoch that the writer has announced; of what is newer we don't know what lies before."""
    listed: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Epoch -> (first, next) of the announced one and of what the writer keeps of earlier ones."""
    known: dict[int, int] = field(default_factory=dict)
    """Epoch -> all below this number has been said."""
    held: dict[tuple[int, int], Numbered] = field(default_factory=dict)
    """(epoch, number) -> word that came before its turn."""
    asked_at: int | None = None
    asked_to: tuple[int, int] = (0, 0)
    astray_at: int | None = None
    """Since when the writer has announced only an older epoch than ours."""

    @property
    def stand(self) -> tuple[int, int]:
        return self.epoch, self.next

    @property
    def missing(self) -> bool:
        """Words of this epoch are to be fetched."""
        return self.next < self.known.get(self.epoch, 0)

    @property
    def behind(self) -> int:
        """Words that the writer has said and we have not handed on."""
        ahead = sum(max(0, end - self.listed.get(epoch, (0, 0))[0]) for epoch, end in self.known.items()
                    if epoch > self.epoch)  # fmt: skip
        return ahead + max(0, self.known.get(self.epoch, 0) - self.next)


class Reader:
    """The reading half: every word of every writer once and in order, or counted in `lost`."""

    def __init__(
        self, name: str, standing: dict[str, tuple[int, int]] | None = None, configurations: bool = False
    ) -> None:
        """`name` is the process whose inbox takes the answers; `standing` is writer -> (epoch, next) kept from an
        earlier life: what is below was taken already. A writer that has none is read from the oldest word it keeps.
        `configurations`: where we stand in mid-stream, the Configurations in force are handed on first.
        """
        self.name, self.configurations = name, configurations
        self.lost = 0
        self.fetched = 0
        self._standing = dict(standing or {})
        self._sources: dict[str, _Source] = {}
        self._bytes = 0
        """Of all words that are held."""
        self._told: dict[str, tuple[tuple[int, int], int]] = {}
        """Writer -> (what we told it is safe, when)."""

    # ── taking ──────────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, message: Any, now: Now) -> tuple[list[Numbered], list[Action]]:
        """Take Numbered words, Announce and Gone; returns (words now in order, actions)."""
        source = self._source(message.node)
        ready: list[Numbered] = []
        if isinstance(message, Announce):
            ready += self._astray(source, message, now)
            self._announced(source, message)
        elif isinstance(message, Gone):
            ready += self._gone(source, message)
        elif isinstance(message, Configuration) and message.again:
            ready += [message] if message.epoch == source.epoch else []
        else:
            self._hold(source, message)
        ready += self._go_on(source)
        return ready, self._ask(message.node, source, now)

    def _source(self, node: str) -> _Source:
        source = self._sources.get(node)
        if source is None:
            epoch, number = self._standing.get(node, (0, 0))
            source = self._sources[node] = _Source(epoch, number, self.configurations and number > 0)
        return source

    def _astray(self, source: _Source, message: Announce, now: Now) -> list[Numbered]:
        """A writer that keeps no journal, and whose clock was set back, begins an epoch below its last one."""
        if message.epoch >= source.epoch:
            source.astray_at = None
            return []
        source.astray_at = source.astray_at or now.monotonic
        if now.monotonic < source.astray_at + BELIEVE_AFTER:
            return []  # may be an old announcement that was still on its way
        left = self._take_held(source, (max(source.known, default=0) + 1, 0))
        self.lost += max(0, source.known.get(source.epoch, 0) - source.next - len(left))
        vars(source).update(vars(_Source(0, 0)))
        return left

    def _announced(self, source: _Source, message: Announce) -> None:
        for epoch, _, next in [*message.earlier, (message.epoch, message.first, message.next)]:
            if epoch >= source.epoch:
                source.known[epoch] = max(next, source.known.get(epoch, 0))
        if message.epoch >= source.announced:
            if message.epoch > source.announced:
                source.asked_at = None
            source.announced = message.epoch
            source.listed = {epoch: (first, next) for epoch, first, next in message.earlier}
            source.listed[message.epoch] = (message.first, message.next)

    def _gone(self, source: _Source, message: Gone) -> list[Numbered]:
        """[first, last) can't be had any more; an empty one ends an answer, or the Configurations in it."""
        if message.epoch != source.epoch or message.first > source.next:
            return []
        source.unconfigured = False
        if message.first == message.last == source.next:
            source.asked_at = None
        kept = []
        if message.last > source.next:
            kept = self._take_held(source, (message.epoch, message.last))
            self.lost += message.last - source.next - len(kept)
            source.next = message.last
        return kept

    def _hold(self, source: _Source, message: Numbered) -> None:
        key = (message.epoch, message.number)
        if key < source.stand:
            return
        if message.epoch > max(source.known, default=0):
            source.asked_at = None  # a new life, which was asked for nothing yet
        source.known[message.epoch] = max(message.number + 1, source.known.get(message.epoch, 0))
        if key not in source.held and self._room(source, key):
            source.held[key] = message
            self._bytes += size_in_memory(message)

    def _room(self, source: _Source, key: tuple[int, int]) -> bool:
        """Whether a word may be held: what fills a gap always may, or a long wait for it would never end."""
        if len(source.held) < HOLD_AT_MOST and self._bytes < HOLD_BYTES:
            return True
        return key == source.stand or not source.held or key < min(source.held)

    def _take_held(self, source: _Source, below: tuple[int, int]) -> list[Numbered]:
        taken = [source.held.pop(key) for key in sorted(source.held) if key < below]
        self._bytes -= sum(map(size_in_memory, taken))
        return taken

    # ── going on ────────────────────────────────────────────────────────────────────────────────────────────

    def _go_on(self, source: _Source) -> list[Numbered]:
        """Words whose turn it is, over the ends of epochs."""
        if source.unconfigured and source.epoch < source.announced:
            _, end = source.listed.get(source.epoch, (0, 0))
            source.unconfigured = source.next < end  # else no rows follow that would need them
        ready = self._in_order(source)
        while self._is_over(source):
            left = self._take_held(source, (source.epoch + 1, 0))
            self.lost += max(0, source.known.get(source.epoch, 0) - source.next) - len(left)
            source.epoch, source.next = min(epoch for epoch in source.known if epoch > source.epoch), 0
            source.known = {epoch: end for epoch, end in source.known.items() if epoch >= source.epoch}
            ready += left + self._in_order(source)
        if source.asked_at is not None:
            self.fetched += len(ready)
            if source.stand >= source.asked_to:
                source.asked_at = None
        return ready

    def _is_over(self, source: _Source) -> bool:
        """A later epoch was announced, and the writer has no more of this one."""
        if source.epoch >= source.announced or source.unconfigured:
            return False
        _, end = source.listed.get(source.epoch, (0, 0))
        return source.next >= end

    def _in_order(self, source: _Source) -> list[Numbered]:
        ready: list[Numbered] = []
        while not source.unconfigured and source.stand in source.held:
            ready.append(source.held.pop(source.stand))
            source.next += 1
        self._bytes -= sum(map(size_in_memory, ready))
        return ready

    # ── asking ──────────────────────────────────────────────────────────────────────────────────────────────

    def _ask(self, node: str, source: _Source, now: Now) -> list[Action]:
        unheard = max(source.known, default=0) > max(source.announced, source.epoch)
        if not (source.missing or source.unconfigured or unheard):
            return []
        if source.asked_at is not None and now.monotonic < source.asked_at + FETCH_AGAIN_AFTER:
            return []
        source.asked_at = now.monotonic
        first = last = source.next
        if source.missing:
            held = [number for epoch, number in source.held if epoch == source.epoch]
            last = min([source.known[source.epoch], first + FETCH_AT_MOST, *held])
        source.asked_to = (source.epoch, last) if last > first else (source.epoch + 1, 0)
        return [Letter(node, Fetch(self.name, source.epoch, first, last, source.unconfigured))]

    def wake_at(self) -> int | None:
        """When an unanswered Fetch is due again."""
        due = [s.asked_at + FETCH_AGAIN_AFTER for s in self._sources.values() if s.asked_at is not None]
        return min(due, default=None)

    def wake(self, now: Now) -> list[Action]:
        return [action for node, source in self._sources.items() for action in self._ask(node, source, now)]

    # ── standing ────────────────────────────────────────────────────────────────────────────────────────────

    def durable(self, now: Now, standing: Mapping[str, tuple[int, int]] | None = None) -> Iterator[Action]:
        """Tell the writers that all below `standing` (else: all that was handed on) is safe with us.

        Call it when that may have changed and now and then: it is said when it changed, and every few seconds.
        """
        for node, stand in (self.standing() if standing is None else standing).items():
            told, at = self._told.get(node, ((0, 0), 0))
            if node in self._sources and (stand != told or now.monotonic >= at + TELL_AGAIN_AFTER):
                self._told[node] = stand, now.monotonic
                yield Letter(node, Durable(self.name, *stand))

    def standing(self) -> dict[str, tuple[int, int]]:
        """Writer -> (epoch, next): what was handed on so far."""
        return {**self._standing, **{node: source.stand for node, source in self._sources.items() if source.epoch}}

    @property
    def heard(self) -> set[str]:
        """Writers that have said anything."""
        return set(self._sources)

    @property
    def behind_at(self) -> set[str]:
        """Writers that have said words which we have not handed on."""
        return {node for node, source in self._sources.items() if source.behind}

    @property
    def behind(self) -> int:
        """Words that writers have said and we have not handed on."""
        return sum(source.behind for source in self._sources.values())


def size_in_memory(message: Numbered) -> int:
    """Bytes that a word takes in memory, roughly."""
    return 500 + sum(getattr(value, "nbytes", 0) for value in vars(message).values())
