"""What a process must not forget: its words as it sent them, and notes to itself, in a folder of its own.

Words are numbered within an epoch (one life of the process) and kept for readers that missed them; notes are for
a restart. What belongs together is appended as a group: whole or not at all. Files are begun, filled and
deleted as a whole (`archive/segments.py` has their format).

Nothing here starts a thread. One thread may append, roll, trim and bound while a second one fetches and a third
one syncs: what they share is only ever added to, or replaced as a whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from archive import opening, segments
from archive.disk import Disk
from archive.opening import JournalError
from archive.segments import SUFFIX, TEMPORARY, Part, Segment

__all__ = ["Head", "Journal", "JournalError", "Note", "Record", "Word"]

INDEXED = 16
"""Closed files whose index is kept in memory."""


@dataclass(frozen=True)
class Head:
    """A file with a state begins here: the next `notes` notes say all, whatever came before."""

    epoch: int
    first: int
    """Number of the first word after it."""
    utc: int
    """When it was written [ns]."""
    notes: int


@dataclass(frozen=True)
class Note:
    data: bytes


@dataclass(frozen=True)
class Word:
    epoch: int
    number: int
    parts: list[memoryview]


Record = Head | Note | Word


class Journal:
    """One folder. Raises JournalError when it can't be used, OSError when the disk does not do what it is told."""

    def __init__(self, folder: Path, *, segment: int = 16 << 20, disk: Disk | None = None) -> None:
        """`segment`: size [bytes] from which on a file is full. Makes the folder, takes its lock, reads the heads
        of all files and the last file as a whole."""
        self.folder, self._full_at, self._disk = folder, segment, disk or Disk()
        self._fd: int | None = None
        self._epoch = self._next = -1
        self._opened = 0
        self._safe = (-1, 0)
        self._indexed: list[Segment] = []
        self._lock = opening.lock(folder)
        try:
            found = opening.load(folder, self._disk)
        except BaseException:
            os.close(self._lock)
            raise
        self._segments = found.segments
        """Oldest first; replaced, never changed."""
        self._next_index = found.next_index
        self.cut = found.cut
        """What was damaged and cut off when this was opened, "" if nothing."""

    # what is held

    @property
    def last_epoch(self) -> int:
        """The newest epoch that ever was, -1 if none: the next one to be opened must be above."""
        return max([self._epoch, *(segment.epoch for segment in self._segments[-1:])])

    @property
    def epochs(self) -> list[tuple[int, int, int]]:
        """(epoch, first, next) of the words held, oldest first; the open epoch, with or without words, last."""
        found: dict[int, tuple[int, int]] = {}
        for segment in self._segments:
            if segment.words:
                first = found[segment.epoch][0] if segment.epoch in found else segment.first
                found[segment.epoch] = (first, segment.next)
        if self._epoch >= 0:
            found.setdefault(self._epoch, (self._next, self._next))
        return [(epoch, *span) for epoch, span in found.items()]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(segment.end for segment in self._segments)

    @property
    def files(self) -> int:
        return len(self._segments)

    def records(self, since: int = 0) -> Iterator[Record]:
        """What a restart replays, in the order of writing: from the last state on, or, with `since` [UTC ns], from
        the last state that was written before that instant (the oldest one if none was)."""
        held = self._segments
        states = [at for at, segment in enumerate(held) if segment.stateful]
        begin = states[-1] if states else 0
        if since and states:
            begin = max((at for at in states if held[at].utc < since), default=states[0])
        for segment in held[begin:]:
            with segments.opened(segment.path) as fd:
                yield from _records(fd, segment)

    # writing

    def open(self, epoch: int, utc: int, head: Iterable[bytes]) -> None:
        """Begin a new epoch at `utc` [ns] with a state. Raises OSError; the epoch then begins with the next `roll`."""
        if epoch <= self.last_epoch:
            raise ValueError(f"epoch {epoch} is not above {self.last_epoch}")
        self._epoch, self._next, self._opened = epoch, 0, utc
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        self._begin(utc, head)

    @property
    def full(self) -> bool:
        """Whether it is time to `roll`; a file holds at least as much as its state takes."""
        if self._fd is None:
            return False
        last = self._segments[-1]
        return last.end - last.body >= max(self._full_at, last.body)

    @property
    def used(self) -> bool:
        """Whether the open file has more than its state."""
        return self._fd is not None and self._segments[-1].end > self._segments[-1].body

    def roll(self, utc: int, head: Iterable[bytes] | None) -> None:
        """The same epoch goes on in a new file that begins with a state; None: one that goes on from what is
        there (after a write failed). Raises OSError; the file before then stays in use."""
        if self._epoch < 0:
            raise ValueError("no epoch is open")
        self._begin(utc, head)

    def _begin(self, utc: int, head: Iterable[bytes] | None) -> None:
        before = self._segments[-1] if self._segments else None
        index = self._next_index
        path = self.folder / f"{index:08d}{SUFFIX}"
        segment = Segment(path, index, self._epoch, self._next, head is not None, utc, next=self._next)
        pieces: list[Part] = [segments.head_bytes(segment, before if before and before.index == index - 1 else None)]
        if head is not None:
            group = segments.group_pieces(segment, self._next, (), list(head))
            pieces += group
            segment.end = segment.body = segment.end + sum(memoryview(piece).nbytes for piece in group)
        fd = self._create(path, pieces)
        self._next_index += 1
        self._segments = (*self._segments, segment)
        if before is not None:
            before.starts = []
        if self._fd is not None:
            os.close(self._fd)
        self._fd = fd

    def _create(self, path: Path, pieces: Sequence[Part]) -> int:
        """A file is there as a whole or not at all. Returns its descriptor."""
        temporary = path.with_name(f"{path.stem}{TEMPORARY}")
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            self._disk.pwritev(fd, pieces, 0)
            self._disk.rename(temporary, path)
        except OSError:
            os.close(fd)
            with suppress(OSError):
                temporary.unlink()
            raise
        return fd

    def append(self, first: int, words: Sequence[Sequence[Part]], notes: Sequence[Part]) -> None:
        """One group: words with the numbers from `first` on, then notes. Numbers may jump: a hole.

        Raises OSError: nothing of it counts, and the next group goes to the same place.
        """
        if self._fd is None:
            raise ValueError("no epoch is open")
        if first < self._next:
            raise ValueError(f"word {first} after {self._next - 1}")
        segment = self._segments[-1]
        pieces = segments.group_pieces(segment, first, words, notes)
        try:
            self._disk.pwritev(self._fd, pieces, segment.end)
        except OSError:
            with suppress(OSError):  # what is left there has no valid CRC anyway
                self._disk.truncate(self._fd, segment.end)
            raise
        segment.add(first, len(words), sum(memoryview(piece).nbytes for piece in pieces))
        self._next = max(self._next, segment.next)

    def sync(self) -> None:
        """All that was written before this call is on the disk when it returns. Raises OSError."""
        dirty = [(segment, segment.end) for segment in self._segments if segment.synced < segment.end]
        for segment, _ in dirty:
            with suppress(FileNotFoundError), segments.opened(segment.path) as fd:
                self._disk.sync(fd)
        if any(not segment.synced for segment, _ in dirty):
            self._disk.sync_names(self.folder)
        for segment, end in dirty:
            segment.synced = end

    # reading

    def fetch(self, epoch: int, first: int, last: int) -> Iterator[tuple[int, list[bytes]]]:
        """(number, parts) of the words held of [first, last), in order."""
        for segment in self._segments:
            if segment.epoch == epoch and segment.words and segment.first < last and segment.next > first:
                with suppress(FileNotFoundError), segments.opened(segment.path) as fd:
                    self._index(fd, segment)
                    yield from segments.words(fd, segment, first, last)

    def _index(self, fd: int, segment: Segment) -> None:
        """Know where a file's words are. Only the last few files are remembered."""
        if segment.starts:
            return
        found = replace(segment, starts=[])
        segments.scan(fd, found, check=False)
        segment.starts, segment.body = found.starts, found.body
        self._indexed.append(segment)
        if len(self._indexed) > INDEXED:
            self._indexed.pop(0).starts = []

    # forgetting

    def trim(self, epoch: int, next: int, utc: int) -> None:
        """Delete closed files that have no word at or above (epoch, next) and ended before `utc` [ns]."""
        self._safe = max(self._safe, (epoch, next))
        self._drop(lambda segment, ended: ended < utc and not self._needed(segment), sure=True)

    def bound(self, keep: int, before: int) -> int:
        """Delete the oldest closed files while there are more than `keep` bytes, or while they ended before
        `before` [UTC ns]; what an earlier life left counts from the opening of this one: readers get their time
        after a long outage too. Returns how many words that `trim` was not told to be safe went with them."""
        dropped = self._drop(lambda segment, ended: self.size > keep or max(ended, self._opened) < before, sure=False)
        return sum(self._needed(segment) for segment in dropped)

    def _needed(self, segment: Segment) -> int:
        """How many words of a file some reader may want."""
        epoch, next = self._safe
        if segment.epoch < epoch:
            return 0
        if segment.epoch > epoch:
            return segment.words
        return min(segment.words, max(0, segment.next - max(segment.first, next)))

    def _drop(self, goes: Callable[[Segment, int], bool], sure: bool) -> list[Segment]:
        """Delete the oldest files as long as `goes` says so of (file, when it ended). What a restart needs stays;
        `sure`: also if the power fails, or OSError."""
        dropped: list[Segment] = []
        while len(self._segments) > 1 and goes(self._segments[0], self._segments[1].utc) and self._spare(sure):
            oldest = self._segments[0]
            with suppress(FileNotFoundError):
                self._disk.remove(oldest.path)
            self._segments = self._segments[1:]
            dropped.append(oldest)
        return dropped

    def _spare(self, sure: bool) -> bool:
        """Whether a younger file than the oldest has a state; if `sure`, that is on the disk."""
        state = next((segment for segment in reversed(self._segments[1:]) if segment.stateful), None)
        if state is not None and not state.synced:
            with nullcontext() if sure else suppress(OSError):
                self.sync()
        return state is not None

    def close(self) -> None:
        """Give the folder free. What was not synced still reaches the disk, unless the power fails."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        os.close(self._lock)


def _records(fd: int, segment: Segment) -> Iterator[Record]:
    for numbers, group, offset in segments.groups(fd, segment, segments.START):
        if offset >= segment.end:
            return
        if segment.stateful and offset == segments.START:
            yield Head(segment.epoch, segment.first, segment.utc, len(group.notes) if group else 0)
        if group is not None:
            for at, parts in enumerate(group.words, numbers.first):
                yield Word(segment.epoch, at, parts)
            for note in group.notes:
                yield Note(bytes(note))
