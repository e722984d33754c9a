"""receiver: reads devices on a tick, decodes all frames of one layout in one call, tells rows by table.

Sockets come from a balancer (`nodes/_handover.py`). A tick looks at what the kernel holds of every device
(`nodes/_reading.py`), cuts it into frames, and says one `Measurements` per table: what costs is a call, not a frame.
What is no data goes through the session of its link (`protocol/c37118/session.py`).

Words and notes of a tick are one group of the journal. Only when that is written is anything taken from the kernel,
told to readers, or hung up: killed at any moment, the receiver goes on where its journal and the kernel's queues meet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import structlog

from archive.journal import JournalError
from nodes import _handover, _safekeeping
from nodes._hearing import Hearing
from nodes._keeper import Keeper
from nodes._links import Links
from nodes._loading import Loading
from nodes._manners import Configurations, Rates
from nodes._node import Action, Actions, Node, Place, StartError
from nodes._notes import Notebook
from nodes._peek import Machine
from nodes._reading import Reading
from nodes._receiversettings import Settings as Settings
from nodes._retiring import Retiring
from nodes._rows import COLUMNS, CORRUPT, RECEIVED
from nodes._state import State, StateError, replay
from nodes._stream import Writer
from nodes._tongues import tongues
from protocol.c37118.session import MasterSettings
from protocol.clock import MILLISECOND, SECOND, Now, period
from protocol.messages import Durable, Fetch
from protocol.smd import LayoutError

LOOK_AROUND = 50 * MILLISECOND
"""How often sessions' own timers and unsent commands are looked at."""
TALLY_EVERY = SECOND
SEGMENT = 48 << 20
"""Bytes of one file of the journal: what a restart reads. Each begins with the state of all devices."""
MANY = 30
"""Devices read in bulk from which on the loops over them are compiled ones."""
NEEDED = ("archiver", "concentrator")
"""Kinds of readers that tell what is safe with them."""


class Receiver(Node):
    """See the module."""

    def __init__(self, settings: Settings, place: Place, machine: Machine | None = None) -> None:
        self.settings, self.place = settings, place
        self.log = structlog.get_logger().bind(node=place.name)
        self.machine = machine or Machine()
        self.loading = Loading() if machine is None else None
        """Of what works on sockets of the system alone."""
        self.balancers = _handover.Balancers(place.run, place.name, place.sources.get("balancer", []))
        self.tick_at = self.look_at = self.tally_at = 0
        self.late = 0
        """How late this tick began [ns]."""
        self.keeper: Keeper | None = None

    # ── the runtime's calls ─────────────────────────────────────────────────────────────────────────────────

    def start(self, now: Now) -> Actions:
        """A new epoch of our stream, which goes on where the last one was. Raises StartError."""
        state = self._open_journal()
        self._put_together(state)
        self.tick_at = self.look_at = self.tally_at = now.monotonic
        self._remember(state, now)

        def head() -> list[bytes]:
            state.live_on(self.writer.epoch, now.utc, now.monotonic)
            return self.notebook.head(self.reading.book.bulks.positions()) if self.notebook else []

        self.writer.open(now, head)
        self.links.book.before = state.before
        return self.writer.commit(self._begin(state, now), now)

    def _open_journal(self) -> State:
        if self.place.journal is None:
            return State()
        try:
            self.keeper = Keeper(self.place.journal, keep=self.settings.keep, age=self.settings.age, segment=SEGMENT)
            return replay(self.keeper.records())
        except (JournalError, StateError) as fault:
            raise StartError(str(fault)) from fault

    def _put_together(self, state: State) -> None:
        settings = self.settings
        needed = [name for kind in NEEDED for name in self.place.readers_of.get(kind, [])]
        self.writer = Writer(self.place.name, 0, settings.memory, self.keeper, needed)
        rates = Rates(settings.rate, settings.backlog)
        configurations = Configurations(period(settings.configurations))
        self.links = Links(self.writer, self.balancers, settings.plausible, rates, configurations, self._raw)
        self.notebook = Notebook(state, self.links) if self.keeper else None
        session = MasterSettings(cfg3=settings.cfg3, wait=settings.answer)
        table = self.place.site.get("smd_table")
        try:
            spoken = tongues(Path(table) if table else None)
        except LayoutError as fault:
            raise StartError(str(fault)) from fault
        ours = self.links, self.balancers, self.machine, self.notebook
        self.reading = Reading(*ours, session, settings.noise, spoken)
        self.balancers.holding = self.reading.book.holding
        self.hearing = Hearing(self.links, self.reading, self.balancers, self.notebook, self.place.run, self.place.name)

    @property
    def _raw(self) -> dict[str, int | None]:
        """Links whose frames somebody passes on -> their numbers, if the site file has them."""
        numbers = {each["name"]: each["number"] for each in self.place.site.get("devices", ())}
        return {name: numbers.get(name) for name in self.place.raw}

    def _remember(self, state: State, now: Now) -> None:
        """What holds for all connections."""
        offset = now.utc - now.monotonic
        self.links.book.unknown = list(state.unknown)
        self.links.remember_times(state.known, state.astray, offset)
        self.hearing.remember(state)

    def _begin(self, state: State, now: Now) -> Actions:
        """The first group: the last counts of earlier epochs, the connections that our predecessor left for us, and
        those that nobody can hand us again."""
        for tally in state.tallies():
            yield self.writer.say(tally)
        state.owed.clear()
        yield from self.hearing.go_on(_safekeeping.fetch(self.place.run, self.place.name), now)
        known = self.place.sources.get("balancer", [])
        for balancer in {way.handed.balancer for way in state.ways.values()}:
            if balancer not in known:
                yield from self.hearing.welcomed(balancer, [], now)
        yield from self._note_down(now)

    def receive(self, message: Any, now: Now) -> Actions:
        """A reader fetches, or tells what is safe."""
        return self.writer.receive(message, now) if isinstance(message, Fetch | Durable) else ()

    def wake_at(self) -> int:
        return self.tick_at

    def wake(self, now: Now) -> Actions:
        """One tick."""
        self.late = now.monotonic - self.tick_at
        self.tick_at += self.settings.tick * (1 + self.late // self.settings.tick)
        actions = self.writer.commit(self._tick(now), now)
        if self.keeper is None or self.keeper.written:  # which a disk in trouble delays
            self.hearing.tell_taken()
        self.reading.settle()
        return actions

    def _tick(self, now: Now) -> Actions:
        yield from self.hearing.hear(0 if self.late > self.settings.tick // 2 else self.settings.tick, now)
        self.hearing.confirming.step()
        yield from self.reading.read(now)
        yield from self.links.flush(now)
        yield from self.links.passing.say(now)
        if now.monotonic >= self.look_at:
            self.look_at = now.monotonic + LOOK_AROUND
            yield from self.reading.look_around(now)
            self.balancers.flush()
        if now.monotonic >= self.tally_at:
            self.tally_at = now.monotonic + TALLY_EVERY
            yield from self.reading.bound_held(now)
            yield from self._tell_tally()
            self._load_loops()
        yield from self._note_down(now)
        yield from self.writer.wake(now)

    def stop(self, now: Now) -> Actions:
        """Take what has come, tell devices to stop, hand on what is held."""
        return self._close(self._last(now), now)

    def give_way(self, now: Now) -> Actions:
        """What was read is in the journal; the connections stay open for our successor: the balancer has them."""
        return self._close(self._pause(now), now, self._leave_sockets)

    def _leave_sockets(self) -> None:
        """The balancer may be killed before our successor is there."""
        name = self.place.name
        _safekeeping.leave(self.place.run, name, (
            _safekeeping.Left(name, balancer, fields["connection"], ends)
            for balancer in self.place.sources.get("balancer", [])
            for fields, ends in self.reading.book.holding(balancer)
            if ends
        ))  # fmt: skip

    def _close(self, last: Actions, now: Now, then: Callable[[], None] = lambda: None) -> Actions:
        actions = self.writer.commit(last, now)
        self.reading.settle()
        then()
        self.balancers.close()
        self.reading.close()
        if self.keeper:
            self.keeper.close()
        return actions

    def _pause(self, now: Now) -> Actions:
        yield from self.links.flush(now)
        yield from self._tell_tally()
        yield from self._note_down(now)
        yield self.writer.announce()

    def _last(self, now: Now) -> Actions:
        yield from self.reading.read(now)
        for slot in list(self.reading.book.slots):
            yield from self.reading.end(slot, "the station stops", now)
        for gone in list(self.reading.ended.leaving):
            self.reading.ended.left(gone)
        yield from self._pause(now)

    def _load_loops(self) -> None:
        """Worth its memory for many devices."""
        if self.loading and self.reading.book.bulks.count > MANY:
            self.loading.begin()
            self.reading.loops = self.loading.take() or self.reading.loops

    def _tell_tally(self) -> Iterator[Action]:
        tally = self.links.book.books.changed()
        if tally:
            yield self.writer.say(tally)

    def _note_down(self, now: Now) -> Iterator[Action]:
        """The last act of a group: what it changed."""
        note = (
            self.notebook.take(self.reading.book.read_now, self.writer.next, now, self.reading.book.bulks.read_now())
            if self.notebook
            else None
        )
        if note:
            self.writer.note(note)
        return iter(())

    # ── how it is ───────────────────────────────────────────────────────────────────────────────────────────

    def health(self, now: Now) -> dict[str, Any]:
        """The books per device, and what was refused and why."""
        book = self.links.book
        unknown = {f"unknown_{name}": count for name, count in zip(COLUMNS, self._unknown(), strict=True) if count}
        own = {**book.counts, **self.writer.counters}
        counters = {**book.totals(), **unknown, **own, "links": len(book.carriers)}
        return {
            "counters": counters | {"stray_datagrams": book.counts["stray_datagrams"], "said": self.writer.next},
            "queues": {"bytes_kept": self.writer.held},
            **book.table(),
            "alarms": [
                *(f"balancer {each} is not there" for each in self.balancers.missing),
                *self.writer.alarms,
                *book.alarms(now),
            ],
        }

    def _unknown(self) -> list[int]:
        """Frames of nobody we know, by column of the books; `received` are all of them."""
        owed = [link.unbooked for link in self.reading.book.unknown()]
        counts = [sum(each) for each in zip(self.links.book.unknown, *owed, strict=True)]
        counts[RECEIVED] = sum(counts[CORRUPT:])
        return counts


def receiver(settings: Settings, place: Place) -> Node:
    """One that reads devices, or one that leaves."""
    needed = [name for kind in NEEDED for name in place.readers_of.get(kind, [])]
    return Retiring(settings, place, needed) if place.leaving else Receiver(settings, place)
