"""How far a concentrator has come, so that its successor goes on there.

A standing in the receivers' streams is *passed* when every slot that was open then was released and every reader
that must not miss one (the triggers) has said that it has them. The latest passed one is kept on disk; the receivers
may forget what is before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgpack

from algorithms.alignment import Aligner
from nodes._catchup import GIVE_UP
from nodes._keeper import Keeper
from nodes._stream import Writer
from protocol.clock import SECOND, Now
from protocol.messages import Table

FORMAT = 1
KEEP, SEGMENT = 1 << 20, 64 << 10
"""Bytes of all files and of one: a mark is small."""
AGE = 3600 * SECOND
PENDING = 120
"""Standings that wait to be passed; of more, every second one is let go."""
Standing = dict[str, tuple[int, int]]
"""Writer -> (epoch, next)"""


class MarkError(Exception):
    """A mark that this release can't use; says why and what to do."""


class Mark:
    """The latest passed standing, in a folder of its own. Raises JournalError, MarkError."""

    def __init__(self, folder: Path) -> None:
        self._keeper = Keeper(folder, keep=KEEP, age=AGE, segment=SEGMENT)
        self.standing: Standing = {}
        for record in self._keeper.records():
            note = getattr(record, "data", None)
            if note is not None:
                self.standing = _unpack(note)

    @property
    def last_epoch(self) -> int:
        """Of the stream of an earlier life, -1 if there was none."""
        return self._keeper.last_epoch

    @property
    def trouble(self) -> str:
        return self._keeper.trouble

    def open(self, epoch: int, now: Now) -> None:
        """A new life; its epoch is above the last one."""
        self._keeper.open(epoch, now, lambda: [_pack(self.standing)])

    def save(self, standing: Standing, now: Now) -> bool:
        """Whether it is written; if not, it will be, or the next one."""
        self.standing = standing
        return self._keeper.commit(0, [], [_pack(standing)], now)

    def close(self) -> None:
        self._keeper.close()


def _pack(standing: Standing) -> bytes:
    packed: bytes = msgpack.packb([FORMAT, {writer: list(at) for writer, at in standing.items()}])
    return packed


def _unpack(note: bytes) -> Standing:
    version, standing, *_ = msgpack.unpackb(note)
    if version > FORMAT:
        raise MarkError(f"a mark of format {version}, this release knows up to {FORMAT}; use a newer one")
    return {writer: (epoch, next_) for writer, (epoch, next_) in standing.items()}


@dataclass
class _Step:
    standing: Standing
    tops: dict[Table, int]
    """The newest slot that was open then."""
    said: int | None = None
    """The number of our next word when all of them were released."""


class Progress:
    """Standings that are not passed yet, oldest first."""

    def __init__(self) -> None:
        self._steps: list[_Step] = []

    def add(self, standing: Standing, aligners: dict[Table, Aligner]) -> None:
        """All below this standing was given to the aligners."""
        if self._steps and self._steps[-1].standing == standing:
            return
        if len(self._steps) >= PENDING:
            del self._steps[1::2]
        spans = {table: aligner.span for table, aligner in aligners.items()}
        self._steps.append(_Step(standing, {table: span[1] for table, span in spans.items() if span}))

    def released(self, aligners: dict[Table, Aligner], said: int) -> None:
        """Note what was released; `said`: number of our next word."""
        for step in self._steps:
            if step.said is None and not _any_open(step.tops, aligners):
                step.said = said

    def passed(self, acknowledged: int) -> Standing | None:
        """The latest standing of which all our words are below `acknowledged`, if there is a new one."""
        done = [step for step in self._steps if step.said is not None and step.said <= acknowledged]
        if not done:
            return None
        self._steps = self._steps[self._steps.index(done[-1]) + 1 :]
        return done[-1].standing


def _any_open(tops: dict[Table, int], aligners: dict[Table, Aligner]) -> bool:
    spans = ((aligners[table].span, top) for table, top in tops.items())
    return any(span is not None and span[0] <= top for span, top in spans)


class Followers:
    """The readers that must not miss what we say, as far as our memory can help it: the triggers."""

    def __init__(self, writer: Writer, readers: Sequence[str]) -> None:
        self._writer, self._readers = writer, readers
        self._had = 0
        self._until = 0
        self.waited_for = 0
        """Monotonic ns until which we say no more, 0 if we may."""

    def have(self) -> int:
        """All below this number is safe with all of them; without any, all that was said."""
        told = [self._writer.durable.get(reader, (0, 0)) for reader in self._readers]
        return min((number if epoch == self._writer.epoch else 0 for epoch, number in told), default=self._writer.next)

    def behind(self, now: Now) -> bool:
        """Whether they would lose what we said next: our memory is half full of what they have not. One that takes
        nothing for a while is not waited for.
        """
        writer, have = self._writer, self.have()
        mean = writer.held / max(1, writer.next - writer.first)
        full = (writer.next - have) * mean > writer.keep / 2
        if have != self._had or not full:
            self._had, self._until = have, now.monotonic + GIVE_UP
        behind = full and now.monotonic < self._until
        self.waited_for = self._until if behind else 0
        return behind
