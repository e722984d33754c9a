"""Concentrator: puts the rows of all devices together by instant, one aligner per table, and says Snapshots.

Reads Configuration and Measurements of the receivers; says Configuration (forwarded when changed) and Snapshots,
numbered, so that a reader that missed some can fetch them. Rows that the receiver put aside, rows of a device
whose clock is steadily off, and rows further ahead than such a clock would be, never reach an aligner.

After a start it goes on where it had come to (`nodes/_mark.py`; without a mark, with the oldest that the receivers
hold): it takes what they said since, in the order and with the waits of its arrival then, so that those who read it
get the slots that they missed. A few slots may be said again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from algorithms.alignment import Aligner, Released
from algorithms.latencies import Latencies
from algorithms.slotring import Rows
from archive.journal import JournalError
from nodes._aligners import aligner_of
from nodes._alignhealth import COLUMNS, alarms, columns, table_of
from nodes._alignsettings import Settings
from nodes._catchup import CatchUp, spans, together
from nodes._clocks import Clocks
from nodes._flagging import COLUMNS as FLAGGED
from nodes._mark import Followers, Mark, MarkError, Progress, Standing
from nodes._minutes import MINUTE
from nodes._node import Action, Actions, Done, Node, Place, StartError
from nodes._observing import Observing
from nodes._stream import Reader, Writer
from nodes._treatment import Placed, Treatment
from protocol import clock
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Configuration, Durable, Fetch, Measurements, Numbered, Snapshots, Table

STANDSTILL = SECOND
"""We are called every `ANNOUNCE_EVERY` at the latest; one that was not for so long was stopped."""
LATE = 600 * SECOND
"""Rows that come later than this are for the archive alone."""
FILLED = 100 * MILLISECOND
"""A divisor of a minute, of some slots, and fewer than a ring has."""
LATENCY_SPAN, LATENCY_SPANS = 10 * SECOND, 6
"""Latencies are of the last minute, to a sixth of it."""


class Concentrator(Node):
    """See the module."""

    TAGS = (Configuration.TAG, Measurements.TAG)  # type: ignore[attr-defined]

    def __init__(self, settings: Settings, place: Place) -> None:
        self.settings, self.place = settings, place
        self.reader = Reader(place.name)
        self.writer = Writer(place.name, 0, settings.keep)
        numbers = {each["name"]: each["number"] for each in place.site.get("devices", ())}
        self.treatment = Treatment(settings, numbers) if settings.treats else None
        """None: slots are told as they are released."""
        self.aligners: dict[Table, Aligner] = {}
        """By the table that rows are told in, which is their own unless channels are derived."""
        self.known: dict[int, Configuration] = {}
        self.counters = {"rows": 0, "aside": 0, "slots": 0, "snapshots": 0, "rewinds": 0}
        limit = min(settings.clock, max(settings.wait, settings.absolute or 0))
        self.clocks = Clocks(settings.clock, limit, self.aligners, self.counters)
        self.latency = np.zeros(0, dtype=np.int64)
        """ns from the last arrival to the release, of the latest slots"""
        self.latencies = Latencies(LATENCY_SPAN, LATENCY_SPANS) if settings.latency else None
        self.observing = Observing(settings)
        self._called = 0
        self._catchup = CatchUp([], Now(0, 0))
        self._mark: Mark | None = None
        self._progress = Progress()
        self._mark_at = 0
        self._passed: Standing = {}
        """What the receivers were told: in this life, or by the mark of the one before."""
        self._followers = Followers(self.writer, ())
        self._then = Now(0, 0)
        """While catching up: the time at which the latest rows came."""

    def start(self, now: Now) -> Actions:
        """One opening of the stream of snapshots, from our predecessor's mark on."""
        try:
            self._open(now)
        except (JournalError, MarkError) as fault:
            raise StartError(str(fault)) from fault
        epoch = max(now.utc, self._mark.last_epoch + 1 if self._mark else 0)
        self.writer = Writer(self.place.name, epoch, self.settings.keep)
        self._followers = Followers(self.writer, self.place.readers_of.get("trigger", ()))
        if self._mark:
            self._mark.open(epoch, now)
        self._catchup, self._called = CatchUp(self._receivers(), now), now.monotonic
        return ()

    def _open(self, now: Now) -> None:
        """What is kept over a restart."""
        folder = self.place.journal
        if folder is not None:
            self._mark = Mark(folder)
            self._passed = self._mark.standing
            self.reader = Reader(self.place.name, self._passed, configurations=True)
        self.observing.open(self.place, now)

    def _receivers(self) -> list[str]:
        return [name for names in self.place.sources.values() for name in names]

    def _notice(self, now: Now) -> None:
        """If we stood still (SIGSTOP, a machine out of breath), what came meanwhile is worked on as it came."""
        if now.monotonic > self._called + STANDSTILL and not self._catchup.active:
            self._catchup = CatchUp(self._receivers(), now, now.utc - STANDSTILL // 2, STANDSTILL)
        self._called = now.monotonic

    def receive(self, message: Any, now: Now) -> Iterator[Action]:
        """News of the receivers, what was fetched of them, and the readers' fetches."""
        if isinstance(message, Fetch | Durable):
            mine = self.observing if self.observing.asks(message) else self.writer
            yield from mine.receive(message, now)
            return
        if self.place.leaving:
            return
        self._notice(now)
        words, actions = self.reader.receive(message, now)
        yield from self._catchup.asking(actions)
        if not self._catchup.active:
            yield from self._words(words, now)
            yield from self._release(now, now, overdue=False)
            return
        for word in words:
            self._catchup.add(word, now)
        yield from self._catch_up(now)

    def wake_at(self) -> int | None:
        work = (
            [max(self._catchup.wake_at(), self._followers.waited_for)]
            if self._catchup.active
            else [a.wake_at() for a in self.aligners.values()]
        )
        due = [self.writer.wake_at(), self.reader.wake_at(), *work, self.observing.wake_at()]
        return min((at for at in due if at is not None), default=None)

    def wake(self, now: Now) -> Iterator[Action]:
        """Waits that are over, fetches to repeat, the announcement."""
        if self.place.leaving and self.observing.drained:
            raise Done("its minutes and flags are with their readers")
        self._notice(now)
        if self._catchup.active:
            yield from self._catch_up(now)
        else:
            yield from self._release(now, now)
        yield from self._catchup.asking(self.reader.wake(now))
        yield from self.writer.wake(now)
        yield from self._pass(now)
        yield from self.observing.wake(now)

    def stop(self, now: Now) -> Iterator[Action]:
        """Hand on what is held, as it is. What the triggers don't get any more our successor says again."""
        yield from self._release(now, now, everything=True)
        yield self.writer.announce()
        self.observing.end()
        yield from self._close(now)

    def give_way(self, now: Now) -> Iterator[Action]:
        """What is held is put together again by our successor, from the mark on: none of it is told early."""
        yield from self._close(now)

    def _close(self, now: Now) -> Iterator[Action]:
        if self._mark:
            self._mark.close()
        yield from self.observing.wake(now)
        self.observing.close()

    def _pass(self, now: Now) -> Iterator[Action]:
        """Each second: how far our successor needs not go back. The receivers are told what was written."""
        if now.monotonic >= self._mark_at and not self._catchup.active:
            self._mark_at = now.monotonic + SECOND
            self._progress.add(self.reader.standing(), self.aligners)
        self._progress.released(self.aligners, self.writer.next)
        passed = self._progress.passed(self._followers.have())
        if passed is not None and (self._mark is None or self._mark.save(passed, now)):
            self._passed = passed
        yield from self.reader.durable(now, self._passed)

    def _words(self, words: Iterable[Numbered], now: Now) -> Iterator[Action]:
        for word in words:
            if isinstance(word, Configuration):
                yield from self._configure(word, now)
            elif isinstance(word, Measurements):
                self._minute(now)
                self._take(word, now)

    def _catch_up(self, now: Now) -> Iterator[Action]:
        """Rows that were fetched, many at once, at the time when they came."""
        words = [] if self._followers.behind(now) else self._catchup.take(self.reader, now, self.writer.keep // 4)
        rows = (word for word in words if isinstance(word, Measurements) and word.arrival.size)
        first = next((int(word.arrival[0]) for word in rows), None)
        if first is not None or not self._catchup.active:
            self._turn_to(now.utc if first is None else first, now)
        for part in (part for run in spans(words, self._span) for part in together(run)):
            if isinstance(part, Measurements):
                self._turn_to(int(part.arrival[-1]), now)
            yield from self._words([part], self._then)
            yield from self._release(self._then, now)

    @property
    def _span(self) -> int:
        """ns of arrival in which what was fetched is worked on as one: rows of other tables fill a device's gaps while
        its slots are open, and a minute's statistics are its own. 0: no matter.
        """
        return FILLED if self.settings.fill else MINUTE if self.settings.statistics else 0

    def _turn_to(self, arrival: int, now: Now) -> None:
        """What is worked on now came at this time (ns UTC)."""
        ago = max(0, now.utc - arrival)
        self._then = Now(max(now.monotonic - ago, self._then.monotonic), max(now.utc - ago, self._then.utc))

    def _configure(self, word: Configuration, now: Now) -> Iterator[Action]:
        before = self.known.get(word.device)
        if before is not None and (before.version, Table(*before.table)) == (word.version, Table(*word.table)):
            return
        former = self._told_in(before) if before else None
        self.known[word.device] = word
        told = list(self.treatment.configure(word)) if self.treatment else [replace(word, again=False)]
        table = self._told_in(word)
        if self.observing.inspecting:
            self.observing.inspecting.configure(word, former if former != table else None)
        if former not in (None, table):
            self._aligner(former).dismiss(word.device)
        self._aligner(table).expect(word.device, now.monotonic)
        self._aligner(table).exclude(word.device, word.device in self.clocks.marked)
        for other, shadow in self.treatment.new_shadows() if self.treatment else ():
            self._aligner(other).expect(shadow, now.monotonic)
        for each in told:
            yield self.writer.say(each)

    @property
    def _everybody(self) -> dict[int, Configuration]:
        """Who sends, and who is told of the rows of others."""
        return {**(self.treatment.told if self.treatment else {}), **self.known}

    def _told_in(self, known: Configuration) -> Table:
        return self.treatment.table(known.device) if self.treatment else Table(*known.table)

    def _aligner(self, table: Table) -> Aligner:
        if table not in self.aligners:
            self.aligners[table] = aligner_of(table, self.settings)
        return self.aligners[table]

    def _take(self, word: Measurements, now: Now) -> None:
        """Rows of one table into its ring, those with doubtful times left out."""
        table = Table(*word.table)
        self.counters["rows"] += word.device.size
        self.counters["aside"] += int(np.count_nonzero(word.aside))
        rows = Rows(
            word.device,
            clock.slot_of(word.time, table.rate),
            word.arrival,
            word.quality,
            word.status,
            word.values,
            word.digital,
        )
        delay = word.arrival - word.time
        if word.aside.any():
            rows, delay = rows.take(word.aside == 0), delay[word.aside == 0]
        if not rows.device.size:
            return
        if self.latencies:
            self.latencies.push(rows.device, delay, now.monotonic)
        self.observing.arrived(rows.device, delay, now)
        off, fit = self.clocks.fit(rows.device, delay, now)
        early = np.where(-off > self.settings.wait, -off, 0)
        rows, start = rows.take(fit), now.monotonic + early[fit]
        placed = self.treatment.place(table, rows) if self.treatment else [Placed(table, rows, slice(None))]
        for each in placed:
            self._aligner(each.table).push(each.rows, now, start[each.at])

    def _release(self, then: Now, now: Now, everything: bool = False, overdue: bool = True) -> Iterator[Action]:
        """What is due at `then`, which is now unless we are catching up.

        Without `overdue` only what is complete: after a moment in which this process had no turn, what came in it is
        taken first, and only then are slots given up (`wake`).
        """
        if not everything:  # the minute in which we end is our successor's
            self._minute(then)
        for table, aligner in self.aligners.items():
            done = aligner.release(then, everything, overdue)
            late = aligner.take_late(aligner.frontier - LATE // clock.period(table.rate))
            if late is not None:
                self.observing.inspect(table, late, self.clocks.marked, late=True)
            if late is not None and (late := self._treated(table, late, late=True)) is not None:
                yield self.writer.say(_snapshots(table, late, now, late=True))
            for part in done:
                self._count(part, now)
                self.observing.inspect(table, part, self.clocks.marked)
                if (told := self._treated(table, part)) is not None:
                    yield self.writer.say(_snapshots(table, told, now))
        self.observing.say_flags(then.utc, self.clocks.watch, self.known)

    def _treated(self, table: Table, part: Released, late: bool = False) -> Released | None:
        told = self.treatment.treat(table, part, late) if self.treatment else part
        if told is not None:
            self.observing.released(told)
        return told

    def _minute(self, then: Now) -> None:
        """Statistics of a minute that is over."""
        if self.observing.statistics and self.observing.statistics.is_due(then):
            known = self._everybody
            devices, table = columns(known, self.aligners, self.clocks.kept_away, self.clocks.watch)
            counts = {
                name: dict(zip(devices.tolist(), table[:, k].astype(np.int64).tolist(), strict=True))
                for k, name in enumerate(COLUMNS[:5])
            }
            counts["rejected"] = self.treatment.rejected if self.treatment else {}
            self.observing.say_minute(then, known, counts)

    def _count(self, part: Released, now: Now) -> None:
        if not self._catchup.active:
            self.latency = np.concatenate([self.latency, now.utc - part.arrival])[-500:]
        self.counters["slots"] += part.slot.size
        self.counters["snapshots"] += 1

    def health(self, now: Now) -> dict[str, Any]:
        known = self._everybody
        told = table_of(
            known, self.aligners, self.clocks.kept_away, self.clocks.watch, self.treatment, self.latencies, now
        )
        if self.observing.inspecting:
            told = told.beside(FLAGGED, told.devices, self.observing.inspecting.columns(told.devices), {})
        waited, longest = np.percentile(self.latency, (50, 99)) / MILLISECOND if self.latency.size else (0.0, 0.0)
        return {
            "counters": {
                **self.counters,
                **told.totals,
                "release_ms": float(waited),
                "release_p99_ms": float(longest),
                "lost": self.reader.lost,
                "fetched": self.reader.fetched,
            },
            "queues": {"slots": sum(a.waiting for a in self.aligners.values()), "behind": self.reader.behind},
            "columns": told.names,
            "devices": told.devices,
            "labels": [known[device].name for device in told.devices.tolist()],
            "counts": told.counts,
            "alarms": [
                *alarms(known, self.clocks.watch),
                *(self.treatment.alarms(now.monotonic) if self.treatment else ()),
                *filter(None, [self._mark.trouble if self._mark else ""]),
                *self.observing.alarms(self.known),
            ],
        }


def _snapshots(table: Table, part: Released, now: Now, late: bool = False) -> Snapshots:
    return Snapshots(
        table=table,
        slot=part.slot,
        device=part.device,
        present=part.present,
        quality=part.quality,
        status=part.status,
        values=part.values,
        digital=part.digital,
        latency=now.utc - part.arrival,
        late=late,
    )
