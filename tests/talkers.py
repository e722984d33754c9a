"""One process says big numbered words, one reads them: `python -m tests.talkers talk|listen <run folder>`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nodes._keeper import Keeper
from nodes._node import Action, Node, Place
from nodes._runtime import run
from nodes._stream import Reader, Writer
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Announce, Durable, Fetch, Gone, Measurements, Numbered
from tests import archives as makers

ROWS = 1000
WORDS = 600
EVERY = 10 * MILLISECOND


class Talker(Node):
    """Says a word every 10 ms, `WORDS` in all."""

    def __init__(self, place: Place) -> None:
        assert place.journal
        self.keeper = Keeper(place.journal, keep=1 << 30, age=3600 * SECOND)
        self.writer = Writer(place.name, 0, 4 << 20, self.keeper, ["listener"])
        self.word = makers.measurements([1] * ROWS, makers.grid(0, ROWS))
        self.slowest = self.at = 0

    def start(self, now: Now) -> Iterator[Action]:
        self.writer.open(now, lambda: [b""])
        self.at = now.monotonic
        yield from ()

    def receive(self, message: Any, now: Now) -> Iterator[Action]:
        assert isinstance(message, Fetch | Durable)
        yield from self.writer.receive(message, now)

    def wake_at(self) -> int:
        return self.at

    def wake(self, now: Now) -> list[Action]:
        self.slowest = max(self.slowest, now.monotonic - self.at)
        self.at = now.monotonic + EVERY
        return self.writer.commit(self._tick(now), now)

    def _tick(self, now: Now) -> Iterator[Action]:
        if self.writer.next < WORDS:
            yield self.writer.say(self.word)
        yield from self.writer.wake(now)

    def stop(self, now: Now) -> Iterator[Action]:
        self.keeper.close()
        yield from ()

    def health(self, now: Now) -> dict[str, Any]:
        return {"counters": {"words": self.writer.next, "slowest_ms": self.slowest / MILLISECOND}}


class Listener(Node):
    """Reads the talker."""

    TAGS = (Measurements.TAG,)  # type: ignore[attr-defined]

    def __init__(self, place: Place) -> None:
        self.reader = Reader(place.name)
        self.words = self.disorder = 0

    def receive(self, message: Any, now: Now) -> Iterator[Action]:
        assert isinstance(message, Numbered | Announce | Gone)
        words, actions = self.reader.receive(message, now)
        for word in words:
            self.disorder += word.number != self.words
            self.words += 1
        yield from actions

    def wake_at(self) -> int | None:
        return self.reader.wake_at()

    def wake(self, now: Now) -> Iterator[Action]:
        yield from self.reader.wake(now)
        yield from self.reader.durable(now)

    def health(self, now: Now) -> dict[str, Any]:
        return {"counters": {"words": self.words, "disorder": self.disorder, "lost": self.reader.lost,
                             "fetched": self.reader.fetched}}  # fmt: skip


def main(role: str, folder: str) -> int:
    """One of the two, until SIGTERM."""
    if role == "talk":
        place = Place("talker", "talker", 1, {"archiver": ["listener"]}, {}, folder, {}, "p.yaml",
                      Path(folder) / "journal")  # fmt: skip
        return run(Talker(place), "receiver", place)
    place = Place("listener", "listener", 1, {}, {"receiver": ["talker"]}, folder, {}, "p.yaml")
    return run(Listener(place), "archiver", place)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
