"""The journal of a node that raises alarms, beside its words: how it goes on after a kill.

    state  at the head of each segment: standing, limits, alarms, requests, notifications that wait
    mark   standing and limits, and what has changed of the others since the last note; in the group of the words that
           tell of it
    sent   notifications that were sent

What came after the last mark is read again, and makes the same words: none of them was said. So each change is said
once; notifications that were being sent are sent once more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from archive.journal import Note, Record
from nodes._alarmbook import Book
from nodes._limitwatch import Kept
from nodes._outbox import Item
from nodes._windowjournal import NoteError, pack_note, unpack_note

FORMAT = 1
MARK, STATE, SENT = 41, 42, 43
"""None of a trigger's."""
Standing = dict[str, tuple[int, int]]
"""Writer -> (epoch, number of the next word)"""
Waiting = dict[str, list[tuple[int, Item]]]
"""Receiver of notifications -> (serial, what)"""


def mark(standing: Standing, limits: list[Kept], book: Book, requests: list[str], added: Waiting) -> bytes:
    """What has changed; the book settles."""
    entries, gone = book.settle()
    return pack_note(MARK, _plain(standing), limits, entries, gone, requests, added)


def state(standing: Standing, limits: list[Kept], book: Book, waiting: Waiting) -> bytes:
    """The note that a segment begins with."""
    entries = [entry.plain for entry in book.entries.values()]
    return pack_note(STATE, FORMAT, _plain(standing), limits, entries, list(book.requests), waiting)


def sent(receiver: str, serials: list[int]) -> bytes:
    """Notifications that need not be sent any more."""
    return pack_note(SENT, receiver, serials)


def _plain(standing: Standing) -> dict[str, list[int]]:
    return {writer: list(at) for writer, at in standing.items()}


@dataclass
class Fold:
    """What the records of a journal make. Raises NoteError."""

    book: Book
    standing: Standing = field(default_factory=dict)
    limits: list[Kept] = field(default_factory=list)
    waiting: dict[str, deque[tuple[int, Item]]] = field(default_factory=dict)

    def take(self, records: Iterable[Record]) -> Fold:
        """All of them, in order."""
        for record in records:
            if isinstance(record, Note):
                kind, *parts = unpack_note(record.data)
                if kind == STATE:
                    self._state(*parts)
                elif kind == MARK:
                    self._mark(*parts)
                elif kind == SENT:
                    self._sent(*parts)
        return self

    def _state(self, format_: int, standing: Any, limits: Any, entries: Any, requests: Any, waiting: Any) -> None:
        if format_ > FORMAT:
            raise NoteError(f"a journal of format {format_}, this release knows up to {FORMAT}; use a newer one")
        self.book.entries.clear()
        self.book.requests.clear()
        self.waiting = {}
        self._mark(standing, limits, entries, [], requests, waiting)

    def _mark(self, standing: Any, limits: Any, entries: Any, gone: Any, requests: Any, added: Any) -> None:
        self.standing = {writer: (epoch, next_) for writer, (epoch, next_) in standing.items()}
        self.limits = limits
        self.book.resume(entries, gone)
        self.book.requests.extend(requests)
        for receiver, items in added.items():
            self.waiting.setdefault(receiver, deque()).extend((serial, item) for serial, item in items)

    def _sent(self, receiver: str, serials: list[int]) -> None:
        done = set(serials)
        self.waiting[receiver] = deque(each for each in self.waiting.get(receiver, ()) if each[0] not in done)
