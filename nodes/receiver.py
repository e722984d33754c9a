"""receiver: reads devices on a tick, decodes all frames of one layout in one call, tells rows by table.

Sockets come from a balancer (`nodes/_handover.py`). A tick looks at what the kernel holds of every device
(`nodes/_reading.py`), cuts it into frames, and says one `Measurements` per table: what costs is a call, not a frame.
What is no data goes through the session of its link (`protocol/c37118/session.py`).

Words and notes of a tick are one group of the journal. Only when that is written is anything taken from the kernel,
told to readers, or hung up: killed at any moment, the receiver goes on where its journal and the kernel's queues meet.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import structlog
from pydantic import Field

from archive.journal import JournalError
from nodes import _handover, _settings
from nodes._confirming import Confirming, readmit
from nodes._ended import Leaving
from nodes._keeper import Keeper
from nodes._link import Link
from nodes._links import Links
from nodes._loading import Loading
from nodes._manners import Configurations, Rates
from nodes._node import Action, Actions, Node, Place, StartError
from nodes._notes import Notebook
from nodes._peek import Machine
from nodes._reading import Reading
from nodes._retiring import Retiring, passed_file, take_state
from nodes._rows import COLUMNS, CORRUPT, RECEIVED
from nodes._settings import Duration, Rate, Size
from nodes._state import Handed, State, StateError, replay
from nodes._stream import Writer
from nodes._tongues import tongues
from nodes._ways import StreamWay
from protocol.c37118.session import MasterSettings
from protocol.clock import MICROSECOND, MILLISECOND, SECOND, Now, period
from protocol.messages import Durable, Fetch
from protocol.smd import LayoutError

LOOK_AROUND = 50 * MILLISECOND
"""How often sessions' own timers and unsent commands are looked at."""
TALLY_EVERY = SECOND
NOTES_AT_MOST = 100
"""Notes heard from one balancer in a tick; so many connections, too, while those of a predecessor are awaited, whose
data wait."""
LINK_EVERY, IDENTITY_EVERY = 2500 * MICROSECOND, 6500 * MICROSECOND
"""Otherwise one connection in so much of a tick, and one device that begins to send; one of them alone in a tick that
began late. Thousands may call at once: those that send already are not to wait for them."""
SEGMENT = 48 << 20
"""Bytes of one file of the journal: what a restart reads. Each begins with the state of all devices."""
MANY = 30
"""Devices read in bulk from which on the loops over them are compiled ones."""
NEEDED = ("archiver", "concentrator")
"""Kinds of readers that tell what is safe with them."""


class Settings(_settings.Settings):
    """How devices are read."""

    tick: Annotated[Duration, Field(ge=MILLISECOND, le=SECOND)] = 20 * MILLISECOND
    """Devices are read this often."""
    keep: Size = 4 << 30
    """Journal on disk: rows that readers have not got yet. What is over it is lost to them, counted and alarmed."""
    age: Duration = 24 * 3600 * SECOND
    """Rows older than this leave the journal, whoever still wants them."""
    memory: Size = 16 << 20
    """Recent rows kept in memory for readers that missed them."""
    plausible: Duration = 60 * SECOND
    """A time this far off its stream's own recent times is implausible: archived in `aside`."""
    cfg3: bool = True
    """Ask devices for CFG-3 first, CFG-2 if it does not come."""
    answer: Duration = 2 * SECOND
    """How long a device may take to tell its configuration before it is asked again."""
    rate: Annotated[Rate, Field(ge=1)] = 1000
    """DATA frames a second of one stream, in the long run; and four times its own DATA_RATE, if that is less. More
    are refused."""
    backlog: Annotated[Duration, Field(ge=SECOND)] = 3600 * SECOND
    """So much time of a stream's data may come at once, when the device or we were away."""
    configurations: Annotated[Rate, Field(le=-1)] = -10
    """A device may tell another configuration so often, beyond a first ten; else it is hung up on."""
    noise: Annotated[Size, Field(ge=128 << 10)] = 1 << 20
    """Bytes of a connection that are no DATA (noise, damaged frames, headers, configurations), beyond as many as are
    and 10 kB a second; then it is hung up on."""


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
        self.awaited: dict[int, int] = {}
        """Connection of our predecessor that its balancer may hand us again -> slot."""
        self.taken: list[tuple[str, int]] = []
        """(balancer, connection) that were passed on to us, and may not be in our journal yet."""
        self.hung_up: dict[int, list[Any]] = {}
        """Connections that our predecessor had ended last, and may not have hung up."""

    # ── the runtime's calls ─────────────────────────────────────────────────────────────────────────────────

    def start(self, now: Now) -> Actions:
        """A new epoch of our stream, which goes on where the last one was. Raises StartError."""
        state = self._open_journal()
        self._put_together(state)
        self.tick_at = self.look_at = self.tally_at = now.monotonic
        self._remember(state, now)

        def head() -> list[bytes]:
            state.live_on(self.writer.epoch, now.utc, now.monotonic)
            return self.notebook.head(self.reading.bulks.positions()) if self.notebook else []

        self.writer.open(now, head)
        self.links.before = state.before
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
        self.balancers.holding = self.reading.holding
        self.confirming = Confirming(self.links, self.reading)

    @property
    def _raw(self) -> dict[str, int | None]:
        """Links whose frames somebody passes on -> their numbers, if the site file has them."""
        numbers = {each["name"]: each["number"] for each in self.place.site.get("devices", ())}
        return {name: numbers.get(name) for name in self.place.raw}

    def _remember(self, state: State, now: Now) -> None:
        """What holds for all connections."""
        offset = now.utc - now.monotonic
        self.links.unknown = list(state.unknown)
        self.links.remember_times(state.known, state.astray, offset)
        self.awaited = {way.handed.connection: slot for slot, way in state.ways.items()}
        self.hung_up = {ended[0]: ended for ended in state.ended}

    def _begin(self, state: State, now: Now) -> Actions:
        """The first group: the last counts of earlier epochs, and the connections that nobody can hand us again."""
        for tally in state.tallies():
            yield self.writer.say(tally)
        state.owed.clear()
        known = self.place.sources.get("balancer", [])
        for balancer in {way.handed.balancer for way in state.ways.values()}:
            if balancer not in known:
                yield from self._welcomed(balancer, [], now)
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
        self._tell_taken()
        self.reading.settle()
        return actions

    def _tell_taken(self) -> None:
        """Who passed them on may forget them when they are in our journal, which a disk in trouble delays."""
        if self.keeper is None or self.keeper.written:
            for balancer, connection in self.taken:
                self.balancers.say(balancer, "took", connection=connection)
            self.taken.clear()

    def _tick(self, now: Now) -> Actions:
        yield from self._hear_balancers(now)
        self.confirming.step()
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
        return self._close(self._pause(now), now)

    def _close(self, last: Actions, now: Now) -> Actions:
        actions = self.writer.commit(last, now)
        self.reading.settle()
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
        for slot in list(self.reading.slots):
            yield from self.reading.end(slot, "the station stops", now)
        for gone in list(self.reading.ended.leaving):
            self.reading.ended.left(gone)
        yield from self._pause(now)

    def _load_loops(self) -> None:
        """Worth its memory for many devices."""
        if self.loading and self.reading.bulks.count > MANY:
            self.loading.begin()
            self.reading.loops = self.loading.take() or self.reading.loops

    def _tell_tally(self) -> Iterator[Action]:
        tally = self.links.books.changed()
        if tally:
            yield self.writer.say(tally)

    def _note_down(self, now: Now) -> Iterator[Action]:
        """The last act of a group: what it changed."""
        note = (
            self.notebook.take(self.reading.read_now, self.writer.next, now, self.reading.bulks.read_now())
            if self.notebook
            else None
        )
        if note:
            self.writer.note(note)
        return iter(())

    # ── balancers ───────────────────────────────────────────────────────────────────────────────────────────

    def _hear_balancers(self, now: Now) -> Actions:
        links, identities = self._patience()
        for balancer, note, descriptors in self.balancers.hear(now, NOTES_AT_MOST):
            if note["say"] == "link":
                yield from self._linked(balancer, note, descriptors, now)
                links -= 1
            else:
                for stray in descriptors:
                    os.close(stray)
                confirmed = self.confirming.answers(balancer, note)
                yield from self._note(balancer, note, now)
                identities -= note["say"] == "identity" and not confirmed
            if not links or not identities:
                break  # the others stay queued

    def _patience(self) -> tuple[int, int]:
        """How many connections and identities are heard of in this tick."""
        if self.awaited:
            return NOTES_AT_MOST, NOTES_AT_MOST
        tick = 0 if self.late > self.settings.tick // 2 else self.settings.tick
        return max(1, tick // LINK_EVERY), max(1, tick // IDENTITY_EVERY)

    def _note(self, balancer: str, note: dict[str, Any], now: Now) -> Actions:
        if note["say"] == "welcome":
            self.log.info("joined", balancer=balancer)
            yield from self._welcomed(balancer, note.get("coming", []), now)
            self.confirming.begin(balancer, note.get("site", ""))
        elif note["say"] == "site":
            self.confirming.begin(balancer, note["version"])
        elif note["say"] == "end":
            yield from self.reading.end_of(balancer, note["connection"], note["reason"], now)
        elif note["say"] == "gone":
            for gone in [each for each in self.reading.ended.leaving if each.handed.balancer == balancer]:
                self.reading.ended.left(gone)
        elif note["say"] in ("identity", "refused", "drop"):
            yield from self._answered(balancer, note, now)
            for gone in [each for each in self.reading.ended.leaving if _of(each.handed, balancer, note)]:
                yield from self._answered_late(gone, note, now)

    def _welcomed(self, balancer: str, coming: list[int], now: Now) -> Actions:
        """What it will not hand us again is over; what it was asked and did not answer is asked again."""
        for ways in self.reading.slots.values():
            for link in ways[0].links if ways[0].handed.balancer == balancer else ():
                self.links.ask_again(link)
                self.links.want_data_again(link)
        for connection, slot in list(self.awaited.items()):
            state = self.notebook.state.ways[slot] if self.notebook else None
            if state and state.handed.balancer == balancer and connection not in coming:
                del self.awaited[connection]
                yield from self.reading.abandon(slot, state, now)

    def _linked(self, balancer: str, note: dict[str, Any], descriptors: list[int], now: Now) -> Actions:
        connection = note["connection"]
        if len(descriptors) != (2 if note["how"] == "tcp_udp" else 1):
            self._incomplete(balancer, connection, descriptors)
            return
        slot = self.awaited.pop(connection, None)
        if former := note.get("passed"):
            self.taken.append((balancer, connection))
            left = take_state(passed_file(self.place.run, former, connection)) if slot is None else None
            slot = self.notebook.adopt(left) if left and self.notebook else slot
        unsaid = {"cfg3": True, "stream": None, "target": None, **Handed._field_defaults}
        note = {**unsaid, **note, "balancer": balancer}
        handed = Handed.of([note[name] for name in Handed._fields])
        if slot is not None and self.notebook:
            way = self.notebook.state.ways[slot]
            yield from self.reading.resume(slot, way, descriptors, note.get("numbers"), now)
            self.confirming.review(slot)
        elif connection in self.hung_up:
            self.reading.hang_up(handed, descriptors, self.hung_up[connection])
        else:
            yield from self.reading.open(handed, descriptors, now)

    def _incomplete(self, balancer: str, connection: int, descriptors: list[int]) -> None:
        """A connection that came without its sockets (no descriptor was left here): the balancer is to end it."""
        self.log.warning("a connection came without its sockets", balancer=balancer, sockets=len(descriptors))
        self.links.counts["incomplete"] += 1
        for each in descriptors:
            os.close(each)
        self.balancers.say(balancer, "ended", connection=connection, reason="its sockets did not arrive", cfg3=True)

    def _answered(self, balancer: str, note: dict[str, Any], now: Now) -> Actions:
        for link in self.reading.links_of(balancer, note["connection"]):
            if note["say"] == "drop":
                if link.number == note["number"]:
                    yield from self.reading.end_link(link, note["reason"], now)
                    return
            elif link.slot in self.reading.slots and (link.address, link.asked) == (note["address"], note["stream"]):
                yield from self._identified(link, note, now)

    def _identified(self, link: Link, note: dict[str, Any], now: Now) -> Actions:
        """The balancer's answer: who the link is, or that it is refused."""
        ways = self.reading.slots[link.slot]
        if link.number:
            yield from self.confirming.answered(link, note, now)
            return
        if note["say"] == "refused":
            self.links.refuse(link)
            if isinstance(ways[0], StreamWay) and not link.secondary:
                yield from self.reading.end(link.slot, note["reason"], now)
            return
        if link.refused:
            readmit(link)
        if link.unasked:
            link.asked = -1  # it may send; who it is, is asked again when it tells its configuration
            return
        number = note["device"]["number"]
        former = self.links.carriers.get(number)
        if former is not None and former in ways[0].links and former is not link:
            yield from self.links.drop(
                former, f"it sends stream {note['stream']} now, stream {former.stream} before", now
            )
        elif former is not None and former is not link:
            yield from self.reading.end_link(former, "the device has connected anew", now)
        self.links.carriers[number] = link
        yield from self.links.introduce(link, note, now)
        link.unmute()

    def _answered_late(self, gone: Leaving, note: dict[str, Any], now: Now) -> Actions:
        """Whose frames of an ended connection are, after all."""
        if note["say"] == "drop":
            return
        for link in [each for each in gone.links if (each.address, each.asked) == (note["address"], note["stream"])]:
            gone.links.remove(link)
            if note["say"] == "identity":
                yield from self._bequeath(link, note, now)
            self.links.settle(link)
        if not gone.links:
            self.reading.ended.left(gone)

    def _bequeath(self, link: Link, note: dict[str, Any], now: Now) -> Actions:
        """Rows of a link that has ended; a newer one of the same device goes on undisturbed."""
        newer = self.links.carriers.get(note["device"]["number"])
        yield from self.links.introduce(link, note, now)
        yield from self.links.flush(now)
        self.links.forget_rows(link)
        if newer:
            yield from self.links.say_configuration(newer, now)

    # ── how it is ───────────────────────────────────────────────────────────────────────────────────────────

    def health(self, now: Now) -> dict[str, Any]:
        """The books per device, and what was refused and why."""
        unknown = {f"unknown_{name}": count for name, count in zip(COLUMNS, self._unknown(), strict=True) if count}
        own = {**self.links.counts, **self.writer.counters}
        counters = {**self.links.totals(), **unknown, **own, "links": len(self.links.carriers)}
        return {
            "counters": counters | {"stray_datagrams": self.links.counts["stray_datagrams"], "said": self.writer.next},
            "queues": {"bytes_kept": self.writer.held},
            **self.links.table(),
            "alarms": [
                *(f"balancer {each} is not there" for each in self.balancers.missing),
                *self.writer.alarms,
                *self.links.alarms(now),
            ],
        }

    def _unknown(self) -> list[int]:
        """Frames of nobody we know, by column of the books; `received` are all of them."""
        alone = {way.slot for way in self.reading.ways.values()}  # who is read with others is known
        unknown = [link for slot in alone for link in self.reading.slots[slot][0].links if not link.number]
        counts = [sum(owed) for owed in zip(self.links.unknown, *(link.unbooked for link in unknown), strict=True)]
        counts[RECEIVED] = sum(counts[CORRUPT:])
        return counts


def receiver(settings: Settings, place: Place) -> Node:
    """One that reads devices, or one that leaves."""
    needed = [name for kind in NEEDED for name in place.readers_of.get(kind, [])]
    return Retiring(settings, place, needed) if place.leaving else Receiver(settings, place)


def _of(handed: Handed, balancer: str, note: dict[str, Any]) -> bool:
    return (handed.balancer, handed.connection) == (balancer, note["connection"])
