"""Event trigger (`kind: trigger`, `on: suspicion`): a suspected device and its neighbours are judged together.

A suspicious verdict of a trigger that it reads opens an event, or joins one (`nodes/_case.py`). The same span of the
suspected device and its neighbours is cut (`nodes/_eventbook.py`) when so much of the data after the onset was released
as `answers` say, leased to a detector, and what that says of it is said as an `Event`: the same id, answer 1, 2, …, the
last one final. With `sweep` all devices of each region are judged together now and then as well; a sweep that finds a
disturbance is a suspicion.

Bad data that a report tells are said as `Flags` (`nodes/_flagging.py`), whatever the window was cut for.

Each answer of each event is said once, in order, whatever becomes of its window: one that nobody could judge is said
with its outcome and error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from algorithms.leases import Dead
from nodes._case import Case, Due, Suspicion
from nodes._eventbook import Book
from nodes._eventgrid import Known
from nodes._eventjournal import closed, heard, known, read, state, suspected, swept, took
from nodes._eventwords import UNREADABLE, EventTask, Key, bad_data, key, make, most_felt, said, unjudged
from nodes._flagging import COLUMNS as FLAGGED
from nodes._flagging import KEEP, Flagging
from nodes._leasing import Leasing
from nodes._node import Action, Place
from nodes._triggersettings import Settings
from nodes._windowjournal import Journal
from protocol.clock import SECOND, Now
from protocol.messages import Cause, Configuration, Event, Numbered, Outcome, Snapshots, Verdict

COUNTS = ("answered", "disturbances", "rejected", "sweeps", "sweeps_skipped", "closed")
WAITING = 256 << 20
"""Bytes of windows without an answer; what is beyond is given up at once (dead letter)."""

SWEPT = 0.75
"""So much of the room for waiting windows is for sweeps as well."""


class EventTrigger(Leasing[EventTask]):
    """See the module."""

    TAGS = (Configuration.TAG, Snapshots.TAG, Verdict.TAG)  # type: ignore[attr-defined]
    NICE = 2

    def __init__(self, settings: Settings, place: Place) -> None:
        super().__init__(settings, place, COUNTS)
        self.book = Book(place.name, settings.event_shape)
        self.held: dict[tuple[str, int], tuple[Event, Due]] = {}
        """Answers that came before an earlier one of their event, and their windows: who comes after us asks again."""
        self.heard: dict[tuple[str, int], int] = {}
        """(writer, rate), or (event, 0) -> when data of it came, or were waited for first [monotonic ns]."""
        self.flagging = Flagging()
        self.tallies: dict[int, list[int]] = {}
        """Device -> [suspicions, final answers that call it bad]"""
        self._inherited: list[Due] = []

    @property
    def standing(self) -> dict[str, tuple[int, int]]:
        return self.book.standing

    def _resume(self, keeper: Journal) -> None:
        self.book, self._inherited = read(keeper.records, self.place.name, self.settings.event_shape)

    def _reopen(self, now: Now) -> Iterator[Action]:
        self.letters.expect(make(due, self.place.name, self.book.known).letter for due in self._inherited)
        inherited = self._inherited
        self.counters["reopened"] += len(inherited)
        while inherited:
            yield from self._due(inherited[0], now)
            inherited.pop(0)

    def _head(self) -> list[bytes]:
        return [state(self.book, [*self._inherited, *self._unsaid])]

    def _since(self, now: Now) -> int:
        return min([now.utc, self.book.since(), *(due.came for due in self._unsaid)])

    @property
    def _unsaid(self) -> list[Due]:
        """Windows whose answer has not been said."""
        return [*(due for _, due in self.held.values()), *(task.due for _, task in self.leases.pending())]

    # ── words ───────────────────────────────────────────────────────────────────────────────────────────────

    def _take(self, word: Numbered, now: Now) -> Iterator[Action]:
        """Snapshots and configurations of the concentrators, verdicts of the triggers."""
        if isinstance(word, Configuration):
            self._configure(word)
        elif isinstance(word, Snapshots):
            note = self.book.reduce(word, now.utc)
            self.writer.note(took(note))
            if note.slot.size:
                self.heard[note.writer, note.table.rate] = now.monotonic
            yield from self._cut(self.book.take(note), now)
        elif isinstance(word, Verdict):
            self.book.standing[word.node] = (word.epoch, word.number + 1)
            if word.suspicious and word.device.size:
                yield from self._suspect(Suspicion.of(word, int(word.device[0])), now)
            else:
                self.writer.note(heard(word.node, word.epoch, word.number + 1))

    def _configure(self, word: Configuration) -> None:
        what = Known.of(word)
        self.book.configure(word.device, what)
        at = word.epoch, word.number + 1
        if word.again:
            at = self.standing.get(word.node, (0, 0))
        self.book.standing[word.node] = at
        self.writer.note(known(word.node, *at, word.device, what))

    def _suspect(self, suspicion: Suspicion, now: Now) -> Iterator[Action]:
        self.writer.note(suspected(suspicion))
        self._tally(suspicion.device, 0)
        yield from self._cut(self.book.suspect(suspicion), now)

    def _tally(self, device: int, column: int) -> None:
        self.tallies.setdefault(device, [0, 0])[column] += 1

    # ── windows ─────────────────────────────────────────────────────────────────────────────────────────────

    def _cut(self, due: Iterator[Due], now: Now) -> Iterator[Action]:
        for each in due:
            yield from self._due(each, now)

    def _due(self, due: Due, now: Now) -> Iterator[Action]:
        """A window goes to the queue, or what there is to say of it is said now."""
        pending = [task for _, task in self.leases.pending()]
        waiting = sum(other.window.values.nbytes for other in pending)
        if due.cause == Cause.SWEEP and self._behind(due, pending, waiting):
            self.counters["sweeps_skipped"] += 1
            self.writer.note(swept(due))
            return
        self.counters["windows"] += 1
        task = make(due, self.place.name, self.book.known)
        if due.samples < due.rate or not due.rate or not due.devices or due.values is None:
            yield from self._answered(task, unjudged(task, Outcome.INCOMPLETE, self._lacking(due)), now)
        elif waiting + task.window.values.nbytes > WAITING or self.leases.waiting >= self.settings.waiting:
            yield from self._bury(Dead(task, 0, 0, "too many windows wait for a detector"), now)
        else:
            self.leases.add(task, urgent=due.cause == Cause.SUSPICION)

    def _behind(self, due: Due, pending: list[EventTask], waiting: int) -> bool:
        """Whether the detectors lag so far that a sweep is left out: the last one of these devices still waits, or
        only the room that is kept for what is suspected is left."""
        size = due.values.nbytes if due.values is not None else 0
        full = waiting + size > SWEPT * WAITING or self.leases.waiting >= SWEPT * self.settings.waiting
        return full or any(task.due.event == due.event for task in pending)

    def _lacking(self, due: Due) -> str:
        if due.values is None and due.devices:
            return "its samples were gone after a restart"
        return "no second of samples of it is held: nobody told it, or the suspicion came too late"

    def _wake(self, now: Now) -> Iterator[Action]:
        yield from self._close(now)
        unseen = self.flagging.lapse(self.book.newest - max(KEEP, 2 * self.settings.sweep))
        if unseen is not None:
            yield self.writer.say(unseen)
        yield from super()._wake(now)

    def _close(self, now: Now) -> Iterator[Action]:
        """Events that wait for data which do not come."""
        for case in self.book.open:
            waits = (case.writer, case.rate) if case.rate else (case.id, 0)
            if now.monotonic >= self.heard.setdefault(waits, now.monotonic) + self.settings.patience:
                self.counters["closed"] += 1
                self.writer.note(closed(case.id))
                yield from self._cut(self.book.close(case.id), now)
                self.heard.pop((case.id, 0), None)

    # ── answers ─────────────────────────────────────────────────────────────────────────────────────────────

    def _key(self, verdict: Verdict) -> Key:
        return key(verdict)

    def _failed(self, dead: Dead[EventTask], now: Now) -> Iterator[Action]:
        verdict = unjudged(dead.work, Outcome.FAILED, dead.error)
        yield from self._answered(dead.work, verdict, now)

    def _answered(self, work: EventTask, verdict: Verdict, now: Now) -> Iterator[Action]:
        """A report that can't be read, as an algorithm of one's own may give it, is as good as none."""
        read = self._swept if work.due.cause == Cause.SWEEP else self._concluded
        try:
            bad, actions = bad_data(work.due, verdict), read(work.due, verdict, now)
        except UNREADABLE as fault:
            error = f"what {verdict.algorithm} reports can't be read: {fault!r}"
            verdict = unjudged(work, Outcome.FAILED, error)
            bad, actions = [], read(work.due, verdict, now)
        self.counters[verdict.outcome] += 1
        yield from actions
        if verdict.outcome == Outcome.OK:
            word = self.flagging.take(bad, verdict.device.tolist(), verdict.start, verdict.stop)
            if word is not None:
                yield self.writer.say(word)

    def _concluded(self, due: Due, verdict: Verdict, now: Now) -> Iterable[Action]:
        """An answer of an event, and those that waited for it. Raises UNREADABLE."""
        case = self.book.cases[due.event]
        self.held[due.key] = said(due, case, verdict), due._replace(values=None)
        return self._in_order(case)

    def _in_order(self, case: Case) -> Iterator[Action]:
        while (held := self.held.pop((case.id, case.said + 1), None)) is not None:
            yield self._say(held[0])

    def _say(self, event: Event) -> Action:
        """An answer, after all before it."""
        self.book.learn(event)
        self.counters["answered"] += 1
        if event.final:
            self.counters["disturbances"] += event.disturbance
            self.counters["rejected"] += event.outcome == Outcome.OK and not event.disturbance
            self.heard.pop((event.id, 0), None)
            for device in {flag["device"] for flag in event.bad}:
                self._tally(device, 1)
        return self.writer.say(event)

    def _swept(self, due: Due, verdict: Verdict, now: Now) -> Iterable[Action]:
        """A sweep that found a disturbance is a suspicion of the device that felt it most; else nothing is said. Raises
        UNREADABLE."""
        device = most_felt(verdict) if verdict.suspicious else 0
        self.counters["sweeps"] += 1
        self.writer.note(swept(due))
        if not verdict.suspicious:
            return ()
        return self._suspect(Suspicion.of(verdict, device)._replace(cause=Cause.SWEEP), now)

    # ── health ──────────────────────────────────────────────────────────────────────────────────────────────

    def health(self, now: Now) -> dict[str, Any]:
        told = super().health(now)
        told["counters"] |= self.book.counts
        told["queues"]["open"] = len(self.book.open)
        names = self.book.known
        devices = sorted(self.tallies.keys() | self.flagging.told.keys())
        tallies = np.array([self.tallies.get(device, [0, 0]) for device in devices], np.float64).reshape(-1, 2)
        return told | {
            "columns": ["suspicions", "bad", *FLAGGED],
            "devices": np.array(devices, dtype=np.uint32),
            "labels": [names[device].name if device in names else "" for device in devices],
            "counts": np.concatenate([tallies, self.flagging.columns(devices)], axis=1),
        }

    def _alarms(self) -> Iterator[str]:
        yield from super()._alarms()
        yield from self.flagging.alarms({device: each.name for device, each in self.book.known.items()})
        for (writer, rate), grid in self.book.grids.items():
            if grid.recent.size < grid.recent.wanted:
                yield (
                    f"`samples` hold {grid.recent.size / rate:.0f} s of {grid.recent.devices.size} devices of {writer} "
                    f"at {rate}/s, {self.settings.event_shape.held / SECOND:.0f} s are wanted; raise it"
                )
