"""The journal of an event trigger beside its events: notes of what it took, and how its events are found again.

    took       what is kept of a word of snapshots
    known      what a configuration says of a device
    heard      a verdict that suspects nothing
    suspected  a suspicious verdict, or a sweep that found something
    closed     an event's last answer was cut because no data came
    swept      a sweep was judged
    state      at the head of each segment: standing, devices, events, and the windows without an answer

Answers are due by what was taken, so no note says so; a window is open until its `Event` stands in the journal. The
samples are in the segments since `state`'s last field; those are read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from algorithms.quantities import QUANTITIES, Sources
from algorithms.recent import NEVER
from archive.journal import Note, Record, Word
from nodes._case import Case, Due, Suspicion
from nodes._eventbook import Book
from nodes._eventgrid import Known
from nodes._eventshape import EventShape
from nodes._windowbook import Took
from nodes._windowjournal import NoteError, pack_note, unpack_note
from protocol import wire
from protocol.messages import Cause, Event, Table

FORMAT = 1
TOOK, KNOWN, SUSPECTED, CLOSED, SWEPT, STATE, HEARD = 17, 18, 19, 20, 21, 22, 23
"""None of a window trigger's (`nodes/_windowjournal.py`)."""


def took(note: Took) -> bytes:
    """The note of a word of snapshots."""
    return pack_note(TOOK, *note.plain)


def known(writer: str, epoch: int, next_: int, device: int, what: Known) -> bytes:
    """The note of a configuration."""
    return pack_note(KNOWN, writer, epoch, next_, device, _plain(what))


def heard(writer: str, epoch: int, next_: int) -> bytes:
    """The note of a verdict that suspects nothing: who said it need not keep it any more."""
    return pack_note(HEARD, writer, epoch, next_)


def suspected(suspicion: Suspicion) -> bytes:
    """The note of a suspicion."""
    return pack_note(SUSPECTED, *suspicion)


def closed(event: str) -> bytes:
    """The note of an event that is closed early."""
    return pack_note(CLOSED, event)


def swept(due: Due) -> bytes:
    """The note of a sweep that needs no answer any more."""
    return pack_note(SWEPT, *due.key)


def state(book: Book, open_: Iterable[Due]) -> bytes:
    """The note that a segment begins with."""
    waiting = [due._replace(values=None) for due in open_]
    grids = [
        [writer, rate, [[list(table.key), top] for table, top in grid.tops.items()], grid.swept]
        for (writer, rate), grid in book.grids.items()
    ]
    return pack_note(
        STATE,
        FORMAT,
        {writer: list(at) for writer, at in book.standing.items()},
        {device: _plain(what) for device, what in book.known.items()},
        grids,
        [case.plain for case in book.cases.values()],
        book.counts,
        [list(due) for due in waiting],
        min([book.since(), *(due.came for due in waiting)]),
    )


def _plain(what: Known) -> list[Any]:
    sources = what.sources and [getattr(what.sources, name) for name in Sources.__dataclass_fields__]
    return [*what[:-1], sources]


def _known(plain: list[Any]) -> Known:
    name, region, latitude, longitude, nominal, sources = plain
    if sources is not None:
        phasor, negative, zero, phases, (volts, amperes) = sources
        sources = Sources(phasor, negative, zero, tuple(phases), (tuple(volts), tuple(amperes)))
    return Known(name, region, latitude, longitude, nominal, sources)


def _due(plain: list[Any]) -> Due:
    event, answer, final, cause, rate, devices, *rest = plain
    return Due(event, answer, final, Cause(cause), rate, tuple(devices), *rest)


def read(records: Callable[[int], Iterator[Record]], trigger: str, shape: EventShape) -> tuple[Book, list[Due]]:
    """What the records of a journal make, and the windows without an answer.

    Raises NoteError, JournalError.
    """
    since = _needed_since(records(0))
    fold = Fold(Book(trigger, shape))
    for record in records(since if since < NEVER else 0):
        if isinstance(record, Note):
            fold.note(record.data)
        elif isinstance(record, Word):
            fold.word(record.parts)
    return fold.book, fold.open


def _needed_since(records: Iterable[Record]) -> int:
    """From where a journal must be read, by what stands at the head of its last segment; NEVER: from that one."""
    for record in records:
        if isinstance(record, Note):
            kind, *parts = unpack_note(record.data)
            return int(parts[-1]) if kind == STATE else NEVER
    return NEVER


@dataclass
class Fold:
    """A trigger's state out of its journal: give it all records, then ask."""

    book: Book
    _due: dict[tuple[str, int], Due] = field(default_factory=dict)
    """Windows that fell due and have no answer; those of a state whose samples were not found have no values."""
    _early: dict[tuple[str, int], Event] = field(default_factory=dict)
    """Answers that stand before the note which made their window due: in a group the words come first."""

    @property
    def open(self) -> list[Due]:
        """Windows that fell due and have no answer, in their order."""
        return list(self._due.values())

    def note(self, data: Any) -> None:
        """A note, in the order of writing."""
        kind, *parts = unpack_note(data)
        if kind == TOOK:
            self._keep(self.book.take(Took.unpacked(parts, len(QUANTITIES))))
        elif kind == KNOWN:
            writer, epoch, next_, device, what = parts
            self.book.standing[writer] = (epoch, next_)
            self.book.configure(device, _known(what))
        elif kind == SUSPECTED:
            self._keep(self.book.suspect(Suspicion(*parts)))
        elif kind == HEARD:
            writer, epoch, next_ = parts
            self.book.standing[writer] = (epoch, next_)
        elif kind == CLOSED:
            self._keep(self.book.close(*parts))
        elif kind == SWEPT:
            self._due.pop((parts[0], parts[1]), None)
        elif kind == STATE:
            self._state(*parts)

    def word(self, parts: Sequence[Any]) -> None:
        """A word of the trigger's own stream."""
        if bytes(parts[0]) == Event.TAG:  # type: ignore[attr-defined]
            event: Event = wire.unpack(parts)
            case = self.book.cases.get(event.id)
            if case is None or case.cut < event.answer:
                self._early[event.id, event.answer] = event
                return
            self.book.learn(event)
            self._due.pop((event.id, event.answer), None)

    def _keep(self, cut: Iterator[Due]) -> None:
        for due in cut:
            event = self._early.pop(due.key, None)
            if event is None:
                self._due[due.key] = due
            else:
                self.book.learn(event)

    def _state(self, format_: int, standing: Any, devices: Any, grids: Any, cases: Any, counts: Any, waiting: Any,
               _: int) -> None:  # fmt: skip
        """What the trigger knew then is right, whatever can be made of the notes that are still there."""
        if format_ > FORMAT:
            raise NoteError(f"a journal of format {format_}, this release knows up to {FORMAT}; use a newer one")
        book = self.book
        book.standing = {writer: (epoch, next_) for writer, (epoch, next_) in standing.items()}
        for device, what in devices.items():
            book.configure(device, _known(what))
        for writer, rate, tops, last in grids:
            book.resume(writer, rate, {Table(*table): top for table, top in tops}, last)
        book.cases = {each["id"]: Case(**each) for each in cases}
        book.counts.update(counts)
        self._early.clear()
        found, self._due = self._due, {}
        for each in waiting:
            due = _due(each)
            self._due[due.key] = found.get(due.key, due)
