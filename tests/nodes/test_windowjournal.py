from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgpack
import numpy as np
import pytest

from algorithms.windows import NEVER
from archive.journal import Head, Note, Record, Word
from nodes._node import Place, StartError
from nodes._windowbook import ADDED, Book, Due, Shape, Took
from nodes._windowjournal import NoteError, read, state, took
from nodes.trigger import Settings, Trigger
from protocol import wire
from protocol.clock import SECOND, Now
from protocol.messages import Table, Verdict

TABLE = Table(50, 0, 0, 0)
SHAPE = Shape("frequency", 2 * SECOND, SECOND, False)


def note(first: int, slots: int = 10, next_: int = 1, late: int = 0) -> Took:
    slot = np.arange(first, first + slots)
    values = np.stack([slot % 1000, slot % 1000 + 0.5], axis=1).astype(np.float32)
    return Took("align", 1, next_, TABLE, late, first + 5_000, np.array([1, 2], np.uint32), slot, values)


def verdict(due: Due) -> Word:
    word = Verdict(
        "windows", 1, 1, "w", "emd", 1, np.array([due.cut.device], np.uint32), due.start, due.stop, "ok", False, 0, 0.5,
        {}, 1.0, node="windows", epoch=1, number=0,
    )  # fmt: skip
    return Word(1, 0, [memoryview(part) for part in wire.pack(word)])


class Told:
    """A journal in memory; segments that begin with a state."""

    def __init__(self) -> None:
        self.segments: list[list[Record]] = []
        self.book = Book(SHAPE)

    def head(self, open_: list[Due], utc: int = 0) -> None:
        self.segments.append([Head(1, 0, utc, 1), Note(state(self.book, open_))])

    def took(self, each: Took) -> list[Due]:
        self.segments[-1].append(Note(took(each)))
        return list(self.book.take(each))

    def records(self, since: int = 0) -> Iterator[Record]:
        begin = len(self.segments) - 1
        while since and begin and self.segments[begin][0].utc >= since:  # type: ignore[union-attr]
            begin -= 1
        return (record for segment in self.segments[begin:] for record in segment)


def told(words: int, judged: int) -> tuple[Told, list[Due]]:
    """`words` words of ten slots, a segment for every four of them, and verdicts of the first windows."""
    journal, due = Told(), []
    for word in range(words):
        if word % 4 == 0:
            journal.head(due, utc=5_000 + 10 * word - 1)
        due += journal.took(note(10 * word, next_=word + 1))
        while judged and due:
            judged -= 1
            journal.segments[-1].append(verdict(due.pop(0)))
    return journal, due


@pytest.mark.parametrize(("words", "judged"), [(0, 0), (1, 0), (9, 0), (10, 1), (15, 0), (27, 0), (40, 5), (61, 100)])
def test_what_a_journal_makes_is_what_its_writer_knew(words: int, judged: int) -> None:
    journal, due = told(words, judged)
    book, open_ = read(journal.records, SHAPE) if journal.segments else (Book(SHAPE), [])
    assert [each.key for each in open_] == [each.key for each in due]
    assert [each.cut.values.tolist() for each in open_] == [each.cut.values.tolist() for each in due]
    assert book.standing == journal.book.standing
    assert [samples.schedule() for samples in book.samples.values() if samples] == [
        samples.schedule() for samples in journal.book.samples.values() if samples
    ]


def test_only_what_the_open_windows_and_the_next_ones_need_is_read() -> None:
    journal, due = told(61, 100)
    since = journal.book.since()
    assert due == []
    assert 5_000 + 610 - 110 <= since < NEVER
    del journal.segments[: next(k for k, each in enumerate(journal.segments) if each[0].utc >= since) - 1]  # type: ignore[union-attr]
    book, _ = read(journal.records, SHAPE)
    again, whole = (list(each.take(note(610, 40))) for each in (book, journal.book))
    assert [(each.key, each.cut.values.tolist()) for each in again] == [
        (each.key, each.cut.values.tolist()) for each in whole
    ]


def test_a_window_whose_samples_are_gone_is_still_open() -> None:
    journal, due = told(12, 0)
    journal.head(due, utc=9_000)
    del journal.segments[:-1]
    _, open_ = read(journal.records, SHAPE)
    assert [each.key for each in open_] == [each.key for each in due]
    assert all(np.isnan(each.cut.values).all() for each in open_)


def as_format_1(record: Record) -> Record:
    """A head as a release without early windows wrote it: open windows without a cause."""
    parts = msgpack.unpackb(record.data, strict_map_key=False) if isinstance(record, Note) else [0]
    if parts[0] != 3:
        return record
    parts[1], parts[6] = 1, [[*window[:5], window[6]] for window in parts[6]]
    return Note(msgpack.packb(parts))


def test_a_journal_of_format_1_is_read() -> None:
    journal, due = told(27, 3)
    assert due
    book, open_ = read(lambda since: map(as_format_1, journal.records(since)), SHAPE)
    assert [(each.key, each.cause) for each in open_] == [(each.key, each.cause) for each in due]
    assert book.standing == journal.book.standing


def test_rows_that_came_late_are_taken_again() -> None:
    journal, due = told(20, 0)
    late = replace(note(100, 60, next_=21, late=ADDED), device=np.array([3, 4], np.uint32))
    made = journal.took(late)
    assert {each.cut.device for each in made} == {3, 4}
    book, open_ = read(journal.records, SHAPE)
    assert [each.key for each in open_] == [each.key for each in [*due, *made]]
    assert [samples.schedule() for samples in book.samples.values() if samples] == [
        samples.schedule() for samples in journal.book.samples.values() if samples
    ]


def test_a_newer_format_is_refused() -> None:
    newer = Note(msgpack.packb([3, 99, "whatever"]))
    with pytest.raises(NoteError, match="format 99, this release knows up to 2; use a newer one"):
        read(lambda since: iter([Head(1, 0, 0, 1), newer]), SHAPE)


def test_a_journal_that_another_trigger_uses_is_a_fault_at_the_start(tmp_path: Path) -> None:
    place = Place("windows", "windows", 1, {}, {}, "/run", {}, "p.yaml", tmp_path / "windows")
    first, second = (Trigger(Settings(), place) for _ in range(2))
    list(first.start(Now(0, SECOND)))
    with pytest.raises(StartError, match="uses this journal"):
        list(second.start(Now(0, SECOND)))
    list(first.stop(Now(0, SECOND)))
    list(second.start(Now(0, SECOND)))
    list(second.stop(Now(0, SECOND)))
