"""What a concentrator says to archivers, and to who raises alarms, in a numbered stream of its own beside its slots:
minutes, flags.

The stream has a journal, so that no word is lost with the process, and goes as letters: others need not know of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nodes._keeper import Keeper
from nodes._node import Action, Letter, News
from nodes._stream import Writer
from protocol.clock import SECOND, Now
from protocol.messages import Durable, Fetch, Numbered

KEEP, AGE, MEMORY = 64 << 20, 7 * 24 * 3600 * SECOND, 4 << 20
"""Bytes and ns that the journal holds at most, bytes in memory."""


def reader_of(process: str) -> str:
    """By what name a process that reads the slots as well reads this stream: so its requests are told apart."""
    return f"{process}/minutes"


class ArchiveStream:
    """Of one concentrator; its writer is `<concentrator>/minutes`."""

    def __init__(self, node: str, archivers: Sequence[str], journal: Path | None) -> None:
        """`journal`: folder of what has been said; None: it is kept in memory alone. Raises JournalError."""
        self._archivers = list(archivers)
        keeper = Keeper(journal, keep=KEEP, age=AGE) if journal else None
        self.writer = Writer(f"{node}/minutes", 0, MEMORY, keeper, archivers)
        self._due: list[Numbered] = []

    def open(self, now: Now) -> None:
        """A new life of the stream."""
        self.writer.open(now, list)

    def close(self) -> None:
        if self.writer.keeper:
            self.writer.keeper.close()

    def put(self, word: Numbered) -> None:
        """To be said at the next `wake`, which is due at once."""
        self._due.append(word)

    def asks(self, message: Any) -> bool:
        """Whether a Fetch or Durable is about this stream: archivers read no other of ours, others by `reader_of`."""
        who = message.reader if isinstance(message, Fetch) else message.archive if isinstance(message, Durable) else ""
        return who in self._archivers

    def receive(self, message: Fetch | Durable, now: Now) -> list[Action]:
        """Answer it."""
        return self.writer.commit(self.writer.receive(message, now), now)

    def wake_at(self) -> int | None:
        """At once when there is a word: until it is said nobody else has it."""
        return 0 if self._due else self.writer.wake_at()

    def wake(self, now: Now) -> list[Action]:
        """Say what is due, and where the stream stands."""
        return self.writer.commit(self._say(now), now)

    def _say(self, now: Now) -> Iterator[Action]:
        due, self._due = self._due, []
        for each in [*map(self.writer.say, due), *self.writer.wake(now)]:
            if isinstance(each, News):
                yield from (Letter(archiver, each.message, each.parts) for archiver in self._archivers)
