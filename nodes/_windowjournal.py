"""A trigger's journal beside its verdicts: notes of what it took, and how its windows are found again.

    took   what is kept of a word of snapshots
    named  the name of a device
    early  an early window was cut
    state  at the head of each segment: standing, names, schedules, and the windows without a verdict

A window of the schedule is due by what was taken, so no note says so; it is open until its verdict stands in the
journal. An early one also follows from what the pre-screen had learned long before, so it is noted. The samples of
the open windows and of the next ones are in the segments since `state`'s last field; those are read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgpack
import numpy as np

from algorithms.windows import NEVER, Cut
from archive.journal import Note, Record, Word
from nodes._keeper import Keeper
from nodes._screen import Watch
from nodes._windowbook import Book, Due, Shape, Took
from protocol import wire
from protocol.clock import Now
from protocol.messages import Cause, Configuration, Table, Verdict

FORMAT = 2
"""2: early windows."""
TOOK, NAMED, STATE, EARLY = 1, 2, 3, 4
SLOTS_AT_ONCE = 512
"""Notes are taken together up to so many slots: a push costs more than a slot."""


class NoteError(Exception):
    """A note that this release can't use; says why and what to do."""


class Journal(Keeper):
    """Keeps what a restart needs, also if everybody has the verdicts of then."""

    needed_since: Callable[[Now], int]
    """UTC [ns] from which on a restart needs it"""

    def trim(self, epoch: int, next: int, now: Now) -> None:
        self._least = now.utc - self.needed_since(now)
        super().trim(epoch, next, now)


def took(note: Took) -> bytes:
    """The note of a word of snapshots."""
    return pack_note(TOOK, *note.plain)


def named(word: Configuration) -> bytes:
    """The note of a configuration."""
    return pack_note(NAMED, word.node, word.epoch, word.number + 1, word.device, word.name)


def early(writer: str, due: Due) -> bytes:
    """The note of an early window."""
    return pack_note(EARLY, writer, list(due.table.key), due.cut.device, due.cut.first)


def state(book: Book, open_: Iterable[Due]) -> bytes:
    """The note that a segment begins with."""
    waiting: list[list[Any]] = [
        [due.of, list(due.table.key), due.cut.device, due.cut.first, due.cut.values.size, due.cause, due.cut.came]
        for due in open_
    ]
    schedules = [
        [writer, list(table), samples.schedule()] for (writer, table), samples in book.samples.items() if samples
    ]
    return pack_note(
        STATE,
        FORMAT,
        list(book.shape),
        {writer: list(at) for writer, at in book.standing.items()},
        book.names,
        schedules,
        waiting,
        min([book.since(), *(each[-1] for each in waiting)]),
    )


def pack_note(*parts: Any) -> bytes:
    """A note of plain values."""
    packed: bytes = msgpack.packb(parts)
    return packed


def unpack_note(note: Any) -> list[Any]:
    """What `pack_note` packed; its first value tells which note it is."""
    parts: list[Any] = msgpack.unpackb(note, strict_map_key=False)
    return parts


def _unpack(note: Any) -> list[Any]:
    parts = unpack_note(note)
    if parts[0] == STATE and parts[1] > FORMAT:
        raise NoteError(f"a journal of format {parts[1]}, this release knows up to {FORMAT}; use a newer one")
    return parts


def read(
    records: Callable[[int], Iterator[Record]], shape: Shape, watch: Watch | None = None
) -> tuple[Book, list[Due]]:
    """What the records of a journal make, and the windows without a verdict; `shape`: of a trigger without any;
    `watch`: for early ones from now on.

    Raises NoteError, JournalError.
    """
    since = _needed_since(records(0))
    fold = Fold(shape, watch)
    for record in records(since if since < NEVER else 0):
        if isinstance(record, Note):
            fold.note(record.data)
        elif isinstance(record, Word):
            fold.word(record.parts)
    open_ = fold.open()
    return fold.book, open_


def _needed_since(records: Iterable[Record]) -> int:
    """From where a journal must be read, by what stands at the head of its last segment; NEVER: from that one."""
    for record in records:
        if isinstance(record, Note):
            parts = _unpack(record.data)
            return int(parts[-1]) if parts[0] == STATE else NEVER
    return NEVER


@dataclass
class Fold:
    """A trigger's state out of its journal: give it all records, then ask."""

    shape: Shape
    watch: Watch | None = None
    book: Book = field(init=False)
    _due: dict[tuple[int, int], Due] = field(default_factory=dict)
    """Windows that fell due; those of a state whose samples were not found yet have no values."""
    _judged: set[tuple[int, int]] = field(default_factory=set)
    _run: list[Took] = field(default_factory=list)
    """Words that are taken together."""
    _slots: int = 0
    """Of these."""

    def __post_init__(self) -> None:
        self.book = Book(self.shape, watch=self.watch)

    def note(self, data: Any) -> None:
        """A note, in the order of writing."""
        kind, *parts = _unpack(data)
        if kind == TOOK:
            self._take(Took.unpacked(parts))
        elif kind == NAMED:
            writer, epoch, next_, device, name = parts
            self._flush()
            self.book.names[device] = name
            self.book.standing[writer] = (epoch, next_)
        elif kind == EARLY:
            writer, table, device, first = parts
            self._flush()
            due = self.book.early(writer, Table(*table), device, first)
            if due is not None:
                self._due[due.key] = due
        elif kind == STATE:
            self._flush()
            self._state(*parts[1:])

    def word(self, parts: Sequence[Any]) -> None:
        """A word of the trigger's own stream."""
        if bytes(parts[0]) == Verdict.TAG:  # type: ignore[attr-defined]
            verdict: Verdict = wire.unpack(parts)
            self._judged.update((device, verdict.start) for device in verdict.device.tolist())

    def open(self) -> list[Due]:
        """Windows that fell due and have no verdict, in their order."""
        self._flush()
        return [due for key, due in self._due.items() if key not in self._judged]

    def _take(self, note: Took) -> None:
        if self._run and not _follows(self._run[-1], note):
            self._flush()
        self._run.append(note)
        self._slots += note.slot.size
        if self._slots >= SLOTS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        """Take what is together."""
        if not self._run:
            return
        slot, values = (np.concatenate([getattr(each, name) for each in self._run]) for name in ("slot", "values"))
        whole = replace(self._run[-1], utc=self._run[0].utc, slot=slot, values=values)
        self._run, self._slots = [], 0
        for due in self.book.take(whole):
            self._due[due.key] = due

    def _state(
        self, shape: list[Any], standing: dict[str, Any], names: dict[int, str], schedules: Any, waiting: Any, _: int
    ) -> None:
        """What the trigger knew then is right, whatever can be made of the notes that are still there."""
        if self.book.shape != Shape(*shape):
            self.book = Book(Shape(*shape), watch=self.watch)
        self.book.standing = {writer: (epoch, next_) for writer, (epoch, next_) in standing.items()}
        self.book.names = dict(names)
        for writer, table, schedule in schedules:
            self.book.resume(writer, Table(*table), schedule)
        found, self._due = self._due, {}
        for of, table, device, first, length, *cause, came in waiting:
            cut = Cut(device, first, np.full(length, np.nan, np.float32), came)
            due = Due(of, Table(*table), cut, *map(Cause, cause))
            self._due[due.key] = found.get(due.key, due)


def _follows(before: Took, note: Took) -> bool:
    """Whether two words can be taken as one."""
    return (
        (before.writer, before.epoch, before.table, before.late) == (note.writer, note.epoch, note.table, note.late)
        and (not note.slot.size or not before.slot.size or before.slot[-1] < note.slot[0])
        and np.array_equal(before.device, note.device)
    )
