"""DATA frames that wait for a configuration that they fit: bounded, numbered as they come."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from protocol.c37118.events import Data, Lost, Refused
from protocol.clock import Now


class Waiting:
    """Frames in the order in which they came; the oldest are given up when there are too many."""

    def __init__(self, most_frames: int, most_bytes: int) -> None:
        self.size = 0
        """Bytes of all."""
        self.ever = 0
        """Frames that waited so far: the number of the next."""
        self._most_frames, self._most_bytes = most_frames, most_bytes
        self._frames: deque[bytes] = deque()

    @property
    def count(self) -> int:
        """Frames that wait."""
        return len(self._frames)

    def add(self, frame: bytes) -> list[Lost]:
        """One more; those that are given up for it."""
        self._frames.append(frame)
        self.ever += 1
        self.size += len(frame)
        lost: list[Lost] = []
        while len(self._frames) > self._most_frames or self.size > self._most_bytes:
            oldest = self._frames.popleft()
            self.size -= len(oldest)
            lost.append(Lost(oldest))
        return lost

    def take(self) -> list[bytes]:
        """All of them; none waits any more."""
        frames, self._frames, self.size = list(self._frames), deque(), 0
        return frames

    def since(self, number: int) -> tuple[int, list[bytes]]:
        """(number of the oldest frame that waits, those that wait from `number` on)."""
        fresh = min(len(self._frames), self.ever - number)
        return self.ever - len(self._frames), list(self._frames)[len(self._frames) - fresh :]

    def restore(self, first: int, frames: Iterable[bytes]) -> None:
        """Exactly these frames wait, the oldest of them number `first`."""
        self._frames = deque(frames)
        self.size, self.ever = sum(map(len, self._frames)), first + len(self._frames)


class Holder:
    """What sessions of all protocols have in common that let DATA wait for a configuration."""

    cfg: Any
    """The configuration in force."""
    data_size: int
    """Bytes of a DATA frame that fits it; -1 = none does."""
    _waiting: Waiting
    _last_data: int
    _changing: bool
    _doubted: bool

    def accepts(self, frame: bytes) -> bool:
        """Whether a frame is DATA of the configuration in force: decode it, don't `receive` it."""
        raise NotImplementedError

    @property
    def changing(self) -> bool:
        """Whether STAT bit 10 was set when `note_status` was last told of DATA."""
        return self._changing

    def doubt(self) -> None:
        """The device told another configuration, which was not looked into: no DATA fits until the next one comes."""
        self.cfg, self.data_size, self._doubted = None, -1, True

    def wait_anew(self, now: Now) -> None:
        """Silence is counted from now on."""
        self._last_data = now.monotonic

    @property
    def held(self) -> int:
        """DATA frames that wait for a configuration."""
        return self._waiting.count

    @property
    def held_bytes(self) -> int:
        """Their size."""
        return self._waiting.size

    def limbo(self, since: int) -> tuple[int, list[bytes]]:
        """(number of the oldest held DATA frame, held frames from number `since` on).

        Frames are numbered 0, 1, 2, … as they are held for the first time.
        """
        return self._waiting.since(since)

    @property
    def ever_held(self) -> int:
        """DATA frames that were held so far: the number of the next."""
        return self._waiting.ever

    def _release(self, reason: str) -> list[Any]:
        """Held frames: `Data` that fit the configuration in force, `Refused` that can't be used."""
        return [Data(frame) if self.accepts(frame) else Refused(frame, reason) for frame in self._waiting.take()]
