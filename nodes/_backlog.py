"""What a journal's writing thread has to do, in order, and how much of it memory may hold."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from archive.segments import Part

Words = Sequence[Sequence[Part]]


@dataclass(frozen=True, eq=False)
class Begin:
    """A file with a state: of a new epoch, or of the one that is open (None)."""

    epoch: int | None
    utc: int
    head: list[bytes]


@dataclass(frozen=True, eq=False)
class Group:
    """Words with the numbers from `first` on, and notes."""

    first: int
    words: Words
    notes: Sequence[bytes]

    @property
    def size(self) -> int:
        """Bytes of content."""
        return sum(memoryview(part).nbytes for word in self.words for part in word) + sum(map(len, self.notes))

    def numbered(self, first: int, last: int) -> Iterator[tuple[int, list[bytes]]]:
        """(number, parts) of its words in [first, last)."""
        for number, word in enumerate(self.words, self.first):
            if first <= number < last:
                yield number, [bytes(part) for part in word]


Job = Begin | Group


class Backlog:
    """Jobs from when they are added until they are settled: done, or given up."""

    def __init__(self, most: int) -> None:
        """`most`: bytes of groups that are held; one more may be on top of that."""
        self._most = most
        self._waiting: deque[tuple[Job, int]] = deque()
        self._current: tuple[Job, int] | None = None
        self.size = 0
        """Bytes of the groups held."""
        self.added = 0
        self.settled = 0
        """Jobs in all; the last one added is settled when both are equal."""

    def add(self, job: Job) -> list[Group]:
        """Returns the groups that had to go for it, the oldest first."""
        size = job.size if isinstance(job, Group) else 0
        self._waiting.append((job, size))
        self.added += 1
        self.size += size
        gone = []
        while self.size > self._most and (at := self._oldest_group()) is not None:
            job, size = self._waiting[at]
            del self._waiting[at]
            self.settled += 1
            self.size -= size
            gone.append(job)
        return [job for job in gone if isinstance(job, Group)]

    def _oldest_group(self) -> int | None:
        """The place of the oldest group that is neither at work nor the newest job."""
        newest = len(self._waiting) - 1
        return next((at for at in range(newest) if isinstance(self._waiting[at][0], Group)), None)

    def next(self) -> Job | None:
        """The job to do now: the same one until it is settled."""
        if self._current is None and self._waiting:
            self._current = self._waiting.popleft()
        return self._current[0] if self._current else None

    def settle(self) -> None:
        """The job at work is done, or given up."""
        if self._current is not None:
            self.settled += 1
            self.size -= self._current[1]
            self._current = None

    @property
    def empty(self) -> bool:
        return self.added == self.settled

    @property
    def groups(self) -> list[Group]:
        """All that wait, or are at work, in order."""
        jobs = [entry[0] for entry in (self._current, *self._waiting) if entry is not None]
        return [job for job in jobs if isinstance(job, Group)]
