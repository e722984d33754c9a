"""A writer over a journal and its reader, both with lives, and a bad network between them; on one thread."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from archive.disk import Disk
from archive.journal import Journal
from nodes._node import Letter, News
from nodes._stream import Reader, Writer
from protocol.clock import SECOND, Now
from protocol.messages import Numbered, Tally

SEGMENT = 2000


def at(second: float) -> Now:
    return Now(int(second * SECOND), int(second * SECOND))


def tally(value: int) -> Tally:
    return Tally(np.ones(1, np.uint32), *(np.full(1, value, np.int64) for _ in range(4)))


class Unsynced(Disk):
    """Without the waits; what is tested here are kills, not power cuts."""

    def sync(self, fd: int) -> None:
        """Nothing."""

    def sync_names(self, folder: Path) -> None:
        """Nothing."""


class Threadless:
    """A journal as a keeper would keep it, on the thread of the test."""

    hangs = False
    trouble = ""

    def __init__(self, folder: Path, keep: int = 1 << 40) -> None:
        self.journal = Journal(folder, segment=SEGMENT, disk=Unsynced())
        self.keep = keep
        self.last_epoch = self.journal.last_epoch
        self.fetch, self.counters = self.journal.fetch, {"dropped_words": 0}
        self.failing = False

    @property
    def epochs(self) -> list[tuple[int, int, int]]:
        return self.journal.epochs

    def open(self, epoch: int, now: Now, head: Any) -> None:
        self.journal.open(epoch, now.utc, head())

    def commit(self, first: int, words: Any, notes: Any, now: Now) -> None:
        if not self.failing:
            self.journal.append(first, words, notes)
        if self.journal.full:
            self.journal.roll(now.utc, [b"state"])
            self.journal.bound(self.keep, 0)

    def trim(self, epoch: int, next: int, now: Now) -> None:
        self.journal.trim(epoch, next, now.utc)


class Bench:
    """A writer with lives, and a reader with lives, which a bad network lies between."""

    def __init__(self, folder: Path, keep: int = 1 << 40, memory: int = 600) -> None:
        self.folder, self.keep, self.memory = folder, keep, memory
        self.now = at(1)
        self.said: list[tuple[int, int]] = []
        self.taken: list[Numbered] = []
        self.saved: tuple[dict[str, tuple[int, int]], int] = ({}, 0)
        self.value = 0
        self.lost = 0
        self.reader = Reader("r")
        self.keeper: Threadless | None = None
        self.born()

    def born(self) -> None:
        if self.keeper:
            self.keeper.journal.close()
        self.keeper = Threadless(self.folder, self.keep)
        self.writer = Writer("w", 0, self.memory, self.keeper, ["r"])  # type: ignore[arg-type]
        self.writer.open(self.now, lambda: [b"state"])

    def say(self, count: int) -> list[Any]:
        """One tick."""

        def work() -> Iterable[News]:
            for _ in range(count):
                self.value += 1
                yield self.writer.say(tally(self.value))

        news = [each.message for each in self.writer.commit(work(), self.now) if isinstance(each, News)]
        self.said += [(word.epoch, word.number) for word in news]
        return news

    def hear(self, message: Any, drop: Any = lambda: False) -> None:
        """The reader hears something, and everybody answers, as long as letters arrive."""
        waiting = [message]
        while waiting:
            words, actions = self.reader.receive(waiting.pop(0), self.now)
            self.taken += words
            for letter in actions:
                assert isinstance(letter, Letter)
                if not drop():
                    answers = list(self.writer.receive(letter.message, self.now))
                    waiting += [each.message for each in answers if isinstance(each, Letter) and not drop()]

    def save(self) -> None:
        """The reader brings to its disk what it took, and says so."""
        self.saved = self.reader.standing(), len(self.taken)
        for letter in self.reader.durable(self.now):
            assert isinstance(letter, Letter)
            list(self.writer.receive(letter.message, self.now))

    def reborn(self) -> None:
        """The reader was killed."""
        standing, taken = self.saved
        self.lost += self.reader.lost
        self.reader = Reader("r", dict(standing))
        del self.taken[taken:]

    def pass_time(self, seconds: float) -> None:
        self.now = Now(self.now.monotonic + int(seconds * SECOND), self.now.utc + int(seconds * SECOND))
        for action in self.writer.wake(self.now):
            assert isinstance(action, News)
            self.hear(action.message)

    def settle(self) -> None:
        for _ in range(3):
            self.pass_time(2)
