"""The threads around a journal, so that a node never waits for a disk longer than it chose to.

One thread writes, one syncs. `commit` hands a group to the writing one and waits for it at most `patience`; after
that, and while the disk refuses to write, groups wait in memory and the node goes on without waiting at all. The
writing thread tries again every second; what does not fit in memory meanwhile is dropped and counted.
When all is written the next commit begins a file with the state of that moment: a restart finds it right again.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import structlog

from archive.disk import Disk
from archive.journal import Journal, Record
from nodes._backlog import Backlog, Begin, Group, Job, Words
from nodes._journaltroubles import FULL, JournalTroubles
from protocol.clock import MILLISECOND, SECOND, Now

WAITING = 64 << 20
"""Bytes of groups that wait in memory while the disk is in trouble."""
DRAIN = 2 * SECOND
"""How long `close` waits for the disk."""
CALM = 5
"""Quick writes in a row after which a slow disk counts as healed: the node does not wait for it again and again."""
TURNS = 4
"""So many times the patience a commit waits for a writing thread that had no turn on the processor."""
MOMENT = 20
"""What part of the patience a disk that was slow gets."""
State = Callable[[], list[bytes]]


class Keeper:
    """A journal that can be slow, full or broken without holding up its node. All methods are for one thread."""

    def __init__(self, folder: Path, *, keep: int, age: int, least: int = 0, segment: int = 16 << 20,
                 patience: int = 200 * MILLISECOND, sync_every: int = 50 * MILLISECOND, retry: int = SECOND,
                 waiting: int = WAITING, disk: Disk | None = None,
                 clock: Callable[[], int] = time.monotonic_ns) -> None:  # fmt: skip
        """`keep` [bytes] and `age` [ns] bound the journal, whoever still wants it; `least` [ns] is how long words
        stay that nobody wants any more; a file is full with `segment` bytes, or an eighth of `keep`. `waiting`
        [bytes] bounds what waits for a disk in trouble, which is tried every `retry` [ns]. Raises JournalError."""
        self._journal = Journal(folder, segment=min(segment, keep // 8), disk=disk)
        self._keep, self._age, self._least = keep, age, least
        self._patience, self._sync_every, self._retry = patience, sync_every, retry
        self._clock = clock
        self.unjournalled_words = 0
        """Words that the node sent before they were written."""
        self.dropped_words = 0
        """Words that were never written, or deleted before their readers had them."""
        self._slowest = 0
        self._troubles = JournalTroubles(folder, self._journal.cut, clock())
        if self._journal.cut:
            structlog.get_logger().warning("journal damaged", folder=str(folder), what=self._journal.cut)
        self._head: State = list
        self._changed = threading.Lock()
        """Guards what follows."""
        self._work, self._settled, self._soiled, self._over = (threading.Condition(self._changed) for _ in range(4))
        """What each thread waits for, that nobody is woken for nothing: the writing one, the node, the syncing one; and
        the syncing one between two syncs."""
        self._backlog = Backlog(waiting)
        self._busy_since: int | None = None
        self._trim: tuple[int, int, int] | None = None
        self._utc = 0
        self._failing = self._slow = False
        self._calm = 0
        self._want_head = self._beginning = self._fresh = False
        self._dirty = self._closing = self._drained = self._ended = False
        self._threads = [
            threading.Thread(target=self._guard, args=(part,), daemon=True, name=f"journal-{name}")
            for name, part in (("write", self._write), ("sync", self._sync))
        ]

    # what the node asks

    def records(self, since: int = 0) -> Iterator[Record]:
        """What a restart replays; see `Journal.records`. Before `open`."""
        return self._journal.records(since)

    @property
    def epochs(self) -> list[tuple[int, int, int]]:
        """(epoch, first, next) of the words held, oldest first, the open epoch last."""
        return self._journal.epochs

    @property
    def last_epoch(self) -> int:
        """The newest epoch that ever was, -1 if none: the next one must be above."""
        return self._journal.last_epoch

    @property
    def written(self) -> bool:
        """Whether nothing waits to be written."""
        with self._changed:
            return self._backlog.empty

    @property
    def trouble(self) -> str:
        """What is wrong and what to do, "" if nothing."""
        with self._changed:
            return self._troubles.told(self._clock())

    @property
    def counters(self) -> dict[str, int]:
        return {
            "unjournalled_words": self.unjournalled_words, "dropped_words": self.dropped_words,
            "bytes": self._journal.size, "segments": self._journal.files,
            "waiting_bytes": self._backlog.size, "slowest_ms": self._slowest // MILLISECOND,
        }  # fmt: skip

    def open(self, epoch: int, now: Now, head: State) -> bool:
        """Begin an epoch. `head` says the state as notes; it is asked now and whenever a file is begun, after a
        `commit`. Returns whether it was written; if not, it will be (see `trouble`)."""
        if epoch <= self.last_epoch:
            raise ValueError(f"epoch {epoch} is not above {self.last_epoch}")
        self._head = head
        for thread in self._threads:
            thread.start()
        return self._hand(Begin(epoch, now.utc, head()), now)

    def commit(self, first: int, words: Words, notes: Sequence[bytes], now: Now) -> bool:
        """One group: words with the numbers from `first` on, and notes; whole or not at all. The caller leaves
        the buffers as they are. Returns whether it was written."""
        if not words and not notes:
            return True
        written = self._hand(Group(first, list(words), list(notes)), now)
        if not written:
            self.unjournalled_words += len(words)
        if (self._want_head or self._journal.full) and not self._failing and not self._beginning:
            self._want_head, self._beginning = False, True
            self._enqueue(Begin(None, now.utc, self._head()))
        return written

    def _hand(self, job: Job, now: Now) -> bool:
        """Let the writing thread do it, and wait for that unless there is trouble already."""
        self._utc = now.utc
        mine = self._enqueue(job)
        with self._changed:
            for _ in range(TURNS):
                patience = self._wait(mine) / SECOND
                ended = self._settled.wait_for(lambda: self._backlog.settled >= mine or self._failing, patience)
                if ended or self._slow or self._at_it:
                    break
            written = self._backlog.settled >= mine
            if not written and not self._failing and not self._slow:
                self._slow, self._calm = True, 0
                self._troubles.slow(self._patience)
            return written

    @property
    def _at_it(self) -> bool:
        """Whether it is the disk that takes so long: on a busy machine the writing thread may not have had its turn."""
        return self._busy_since is not None and self._clock() - self._busy_since >= self._patience // 2

    def _wait(self, mine: int) -> int:
        """How long to wait for a job [ns]: for a slow disk a moment, if that has nothing else to do."""
        if self._slow:
            return self._patience // MOMENT if self._backlog.settled == mine - 1 else 0
        return self._patience

    def _enqueue(self, job: Job) -> int:
        """Returns how many jobs are settled when this one is."""
        with self._changed:
            for group in self._backlog.add(job):
                self._lost(group)
            self._work.notify()
            return self._backlog.added

    def _lost(self, group: Group) -> None:
        self.dropped_words += len(group.words)
        self._want_head = True

    def fetch(self, epoch: int, first: int, last: int) -> Iterator[tuple[int, list[bytes]]]:
        """(number, parts) of the words of [first, last) that are held, on disk or in memory, in order.

        While a write hangs the disk is not asked: whoever fetches asks again.
        """
        with self._changed:
            waiting = self._backlog.groups
        if not self.hangs:
            for number, parts in self._journal.fetch(epoch, first, last):
                yield number, parts
                first = number + 1
        if epoch == self._journal.last_epoch:
            for group in waiting:
                yield from group.numbered(first, last)

    @property
    def hangs(self) -> bool:
        """Whether a write takes so long that the disk is asked for nothing else."""
        with self._changed:
            return self._busy_since is not None and self._clock() - self._busy_since > self._patience

    def trim(self, epoch: int, next: int, now: Now) -> None:
        """Nobody wants words below (epoch, next) any more; they are deleted when they are older than `least`."""
        with self._changed:
            self._utc = now.utc
            self._trim = epoch, next, now.utc - self._least
            self._work.notify()

    def close(self) -> bool:
        """Write what waits, sync, end the threads; at most 2 s. Returns whether all is on the disk."""
        until = self._clock() + DRAIN
        with self._changed:
            self._closing = True
            self._work.notify()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0, until - self._clock()) / SECOND)
        if any(thread.is_alive() for thread in self._threads):
            return False  # the disk hangs: the descriptors belong to the threads, which end with the process
        self._journal.close()
        return (self._drained or not self._backlog.added) and "sync" not in self._troubles

    # the writing thread

    def _guard(self, part: Callable[[], None]) -> None:
        """A thread does not end unheard."""
        try:
            part()
        except BaseException as fault:
            with self._changed:
                self._failing = self._failing or part == self._write
                self._troubles.stopped(fault)
            traceback.print_exc(file=sys.stderr)
        finally:
            with self._changed:
                self._ended = self._ended or part == self._write
                for waiting in (self._settled, self._soiled, self._over):
                    waiting.notify()

    def _write(self) -> None:
        while True:
            with self._changed:
                self._busy_since = None
                self._work.wait_for(lambda: not self._backlog.empty or self._trim or self._closing)
                job, trim, self._trim = self._backlog.next(), self._trim, None
                if job is None and trim is None:
                    self._drained = True
                    return
                self._busy_since = begun = self._clock()
            fault = self._do(job) if job else None
            took = self._clock() - begun
            if trim:
                self._tidy(*trim)
            with self._changed:
                self._settle(job, fault, took)
                if fault and self._closing:
                    return
                if fault:
                    self._busy_since = None
                    self._work.wait_for(lambda: self._closing, self._retry / SECOND)

    def _do(self, job: Job) -> Exception | None:
        """One attempt; the fault if it failed."""
        try:
            if isinstance(job, Begin):
                self._begin(job)
                return None
            if self._fresh:
                self._journal.roll(self._utc, None)
                self._fresh = False
            self._journal.append(job.first, job.words, job.notes)
        except Exception as fault:
            return fault
        return None

    def _begin(self, job: Begin) -> None:
        if job.epoch is not None and job.epoch > self._journal.last_epoch:
            self._journal.open(job.epoch, job.utc, job.head)
        else:
            self._journal.roll(job.utc, job.head)
        self._fresh = False
        self._tidy(None, 0, 0)

    def _settle(self, job: Job | None, fault: Exception | None, took: int) -> None:
        """Note how an attempt went."""
        self._slowest = max(self._slowest, took)
        if job is not None:
            self._calm = self._calm + 1 if took < self._patience // 4 else 0
        if fault is None:
            self._done(job)
        else:
            self._failed(job, fault)
        self._settled.notify()

    def _done(self, job: Job | None) -> None:
        if job is not None:
            self._backlog.settle()
            if not self._dirty:
                self._dirty = True
                self._soiled.notify()
        if isinstance(job, Begin):
            self._beginning = False
        if not self._backlog.empty:
            return
        if self._failing:
            self._failing, self._want_head = False, True
            self._troubles.over("write")
        if self._slow and self._calm >= CALM:
            self._slow = False
            self._troubles.over("slow")

    def _failed(self, job: Job | None, fault: Exception) -> None:
        self._failing = True
        if isinstance(fault, OSError):
            self._fresh = self._fresh or (self._journal.used and fault.errno not in FULL)
            self._troubles.write(fault)
            return
        traceback.print_exception(fault, file=sys.stderr)
        self._troubles.ours(fault)
        self._backlog.settle()
        self._want_head = True
        if isinstance(job, Group):
            self._lost(job)
        else:
            self._beginning = False

    def _tidy(self, epoch: int | None, next: int, utc: int) -> None:
        """Delete what nobody wants any more, and what there is no room for."""
        try:
            if epoch is not None:
                self._journal.trim(epoch, next, utc)
            dropped = self._journal.bound(self._keep, self._utc - self._age)
        except OSError as fault:
            with self._changed:
                self._troubles.trim(fault)
            return
        with self._changed:
            self._troubles.over("trim")
            self._troubles.bound(dropped, self._clock())
            self.dropped_words += dropped

    # the syncing thread

    def _sync(self) -> None:
        while True:
            with self._changed:
                self._soiled.wait_for(lambda: self._dirty or self._ended)
                last, self._dirty = self._ended, False
            pause = self._sync_once()
            if last:
                return
            with self._changed:
                self._over.wait_for(lambda: self._ended, pause / SECOND)

    def _sync_once(self) -> int:
        """Returns how long to wait until the next time [ns]."""
        try:
            self._journal.sync()
        except OSError as fault:
            with self._changed:
                # What the kernel could not write it may have thrown away: the state goes to another file.
                self._want_head = self._want_head or "sync" not in self._troubles
                self._dirty = True
                self._troubles.sync(fault)
            return self._retry
        with self._changed:
            self._troubles.over("sync")
        return self._sync_every
