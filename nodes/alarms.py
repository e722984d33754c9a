"""Alarms: what a person on duty should know of, until it is over and acknowledged.

Reads slots (limits of the site), events and bad data of triggers, bad data of concentrators, and the Health of every
process; what comes of them goes to the book (`nodes/_alarmbook.py`). Every change is a word of the node's stream, and
is in its journal before it is sent (`nodes/_alarmjournal.py`): a kill loses none and repeats none. Who looks after
alarms acknowledges, comments and shelves them with an `AlarmAction`; who is away is told by mail, webhook or syslog, in
threads of their own (`nodes/_notify.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import structlog

from archive.journal import JournalError
from nodes import _alarmjournal, _alarmwords
from nodes._alarmbook import Book, Refused
from nodes._alarmentry import Entry, word
from nodes._alarmsettings import Settings as Settings
from nodes._archivestream import reader_of
from nodes._conditions import Condition, keyed
from nodes._keeper import Keeper
from nodes._limitwatch import LimitWatch
from nodes._node import Action, News, Node, Place, StartError, Unwatch, Watch, process_of
from nodes._notify import Threads
from nodes._notifyways import Sender
from nodes._outbox import Outbox
from nodes._processwatch import ProcessWatch
from nodes._site import Site
from nodes._sitewatch import SiteWatch
from nodes._stream import Reader, Writer
from nodes._windowjournal import NoteError
from protocol.clock import SECOND, Now
from protocol.messages import (
    Alarm,
    AlarmAction,
    AlarmAnswer,
    Announce,
    Configuration,
    Durable,
    Event,
    Fetch,
    Flags,
    Gone,
    Health,
    Numbered,
    Severity,
    Snapshots,
)

SEGMENT = 4 << 20
MARK_EVERY = SECOND
SETTLING = 30 * SECOND
"""After a start, until everybody has spoken and limits know their devices."""
TOLD_AT_MOST = 2000
"""Alarms in one answer, the gravest."""
WORD = ("node", "epoch", "number")


class Alarms(Node):
    """See the module."""

    TAGS = (Configuration.TAG, Snapshots.TAG, Event.TAG, Flags.TAG)  # type: ignore[attr-defined]
    NICE = 2

    def __init__(self, settings: Settings, place: Place) -> None:
        self.settings, self.place = settings, place
        self.log = structlog.get_logger().bind(node=place.name)
        self.watch = SiteWatch(place, Site.model_validate({"station": "", **place.site}))
        self.book = Book(settings.ways)
        self.limits = LimitWatch(self.watch.site.limits)
        self.outbox = Outbox(settings.notify)
        self.threads: Threads | None = None
        self.reader, self.aside = Reader(place.name), Reader(reader_of(place.name))
        self.writer = Writer(place.name, 0, settings.memory)
        self.counters = dict.fromkeys(("raised", "events", "flags", "actions", "actions_refused"), 0)
        self._marked: dict[str, tuple[int, int]] = {}
        """Standing that is in the journal."""
        self._mark_at = self._settled_at = 0
        self._requests: list[str] = []
        self._added: _alarmjournal.Waiting = {}
        self.processes = ProcessWatch(place.name, settings.health)

    # ── start and stop ──────────────────────────────────────────────────────────────────────────────────────

    def start(self, now: Now) -> Iterator[Action]:
        """Go on where the journal ends. Raises StartError."""
        keeper, fold = self._open()
        self.book, self._marked = fold.book, fold.standing
        self.limits = LimitWatch(self.watch.site.limits, fold.limits)
        self.outbox.resume({receiver: list(items) for receiver, items in fold.waiting.items()})
        asides = {name: at for name, at in fold.standing.items() if name != process_of(name)}
        mine = {name: at for name, at in fold.standing.items() if name not in asides}
        self.reader = Reader(self.place.name, mine, configurations=True)
        self.aside = Reader(reader_of(self.place.name), asides)
        needed = self.place.readers_of.get("archiver", [])
        self.writer = Writer(self.place.name, now.utc, self.settings.memory, keeper, needed)
        self.writer.open(now, self._head)
        self._settled_at = now.monotonic + SETTLING
        self.processes.begin(self.place.watched, now.monotonic + SETTLING)
        self.watch.start(now)
        if self.settings.notify:
            sender = Sender(self.watch.site.station, self.settings.secrets)
            self.threads = Threads(self.settings.notify, sender.send)
            yield Watch(self.threads.fd)

    def _open(self) -> tuple[Keeper | None, _alarmjournal.Fold]:
        fold = _alarmjournal.Fold(Book(self.settings.ways))
        if self.place.journal is None:
            return None, fold
        try:
            keeper = Keeper(self.place.journal, keep=self.settings.keep, age=self.settings.age, segment=SEGMENT)
            return keeper, fold.take(keeper.records())
        except (JournalError, NoteError) as fault:
            raise StartError(str(fault)) from fault

    def _head(self) -> list[bytes]:
        return [_alarmjournal.state(self._standing, self.limits.states(), self.book, self.outbox.plain)]

    @property
    def _standing(self) -> dict[str, tuple[int, int]]:
        return {**self._marked, **self.reader.standing(), **self.aside.standing()}

    def stop(self, now: Now) -> Iterator[Action]:
        self._mark()
        yield from self.writer.commit([self.writer.announce()], now)
        if self.threads:
            yield Unwatch(self.threads.fd)
            self.threads.close()
        if self.writer.keeper is not None:
            self.writer.keeper.close()

    # ── what comes ──────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, message: Any, now: Now) -> list[Action]:
        """Words of those we read, Health of all, actions of people, fetches of our readers."""
        return self.writer.commit(self._marking(self._receive(message, now)), now)

    def _marking(self, actions: Iterable[Action]) -> Iterator[Action]:
        """What an alarm's words follow from stands in the journal with them."""
        yield from actions
        if self.book.changed or self._added or self._requests:
            self._mark()

    def _mark(self) -> None:
        standing = self._standing
        self.writer.note(_alarmjournal.mark(standing, self.limits.states(), self.book, self._requests, self._added))
        self._marked, self._requests, self._added = standing, [], {}

    def _receive(self, message: Any, now: Now) -> Iterator[Action]:
        if isinstance(message, Fetch | Durable):
            yield from self.writer.receive(message, now)
        elif isinstance(message, AlarmAction):
            yield from self._act(message, now)
        elif isinstance(message, Health):
            yield from self._tell(self.processes.hear(message, self.book.entries, now), now)
        elif isinstance(message, Numbered | Announce | Gone):
            reader = self.reader if message.node == process_of(message.node) else self.aside
            words, actions = reader.receive(message, now)
            yield from actions
            for each in words:
                yield from self._take(each, now)

    def _take(self, message: Numbered, now: Now) -> Iterator[Action]:
        if isinstance(message, Configuration):
            self.limits.configure(message)
        elif isinstance(message, Snapshots):
            yield from self._tell(self.limits.take(message, now.monotonic), now)
        elif isinstance(message, Event):
            self.counters["events"] += 1
            told = _alarmwords.of_event(message, self.settings.events, self.limits.known, self.settings.hold, now.utc)
            yield from self._tell([told] if told else [], now)
        elif isinstance(message, Flags):
            self.counters["flags"] += len(message.kind)
            spans = _alarmwords.of_flags(message, self.settings.flags, self.limits.known, self.settings.lasting)
            yield from self._tell(map(self._merged, spans), now)

    def _merged(self, told: Condition) -> Condition:
        """Several may tell the same of a device: it is over when none of them does."""
        entry = self.book.entries.get(told.id)
        by = dict(entry.detail.get("by", {})) if entry else {}
        for writer, (epoch, start) in told.detail["by"].items():
            if told.active:
                by[writer] = [epoch, start]
            else:
                by.pop(writer, None)
        start = min((start for _, start in by.values()), default=told.time)
        return told._replace(active=bool(by), time=start if by else told.time, detail={"by": by})

    def _tell(self, conditions: Iterable[Condition], now: Now) -> Iterator[Action]:
        for told in conditions:
            yield from self._say(self.book.tell(told, now.utc), now)

    def _say(self, words: Iterable[Alarm], now: Now) -> Iterator[Action]:
        for each in words:
            self.counters["raised"] += each.change in ("raised", "chattering")
            for receiver, items in self.outbox.put(each, self.book.flood > 0, now).items():
                self._added.setdefault(receiver, []).extend(items)
            yield self.writer.say(each)

    # ── people ──────────────────────────────────────────────────────────────────────────────────────────────

    def _act(self, action: AlarmAction, now: Now) -> Iterator[Action]:
        """Done once, answered as often as it is asked."""
        done, why, said = True, "", []
        if action.action != "list" and action.request not in self.book.requests:
            try:
                said = self.book.act(action, now.utc)
                self.counters["actions"] += 1
                self.book.requests.append(action.request)
                self._requests.append(action.request)
            except Refused as fault:
                done, why = False, str(fault)
                self.counters["actions_refused"] += 1
        yield from self._say(said, now)
        standing = (word(entry, "standing", now.utc) for entry in self.book.standing[:TOLD_AT_MOST])
        told = standing if action.action == "list" else said
        plain = [{name: value for name, value in vars(each).items() if name not in WORD} for each in told]
        yield News(AlarmAnswer(self.place.name, action.request, done, why, plain))

    # ── time ────────────────────────────────────────────────────────────────────────────────────────────────

    def _ours(self, now: Now) -> Iterator[Condition]:
        """What this node finds of processes, of its receivers, and of itself."""
        yield from self.processes.silent(now)
        troubles = dict(self.outbox.troubles())
        for lane in self.outbox.lanes:
            name = lane.notify.name
            yield Condition("notify", name, "notifications", name, name in troubles, now.utc,
                            troubles.get(name, "takes notifications again"))  # fmt: skip
        many = self.book.flood
        text = f"a flood of alarms: {many} in ten minutes; only serious ones are notified" if many else "it is over"
        key, severity = keyed("flood", self.place.name), Severity.SERIOUS
        yield Condition("health", key, "flood", self.place.name, many > 0, now.utc, text, severity)

    def ready(self, fd: int, now: Now) -> list[Action]:
        """Notifications were sent, or could not be."""
        self._sent(now)
        return self.writer.commit((), now)

    def _sent(self, now: Now) -> None:
        for number, error in self.threads.take() if self.threads else ():
            name = self.outbox.lanes[number].notify.name
            if error:
                self.log.warning("notifications were not sent", to=name, why=error)
            serials = self.outbox.done(number, error, now)
            if serials:
                self.writer.note(_alarmjournal.sent(name, serials))

    def wake_at(self) -> int | None:
        due = [self._mark_at, self.writer.wake_at(), self.reader.wake_at(), self.aside.wake_at(), self.outbox.wake_at()]
        return min(at for at in due if at is not None)

    def wake(self, now: Now) -> list[Action]:
        """Each second: what time alone does. Notifications whose time has come go to their threads."""
        actions = self.writer.commit(self._marking(self._wake(now)), now)
        for job in self.outbox.due(now) if self.threads else ():
            assert self.threads
            self.threads.put(job)
        return actions

    def _wake(self, now: Now) -> Iterator[Action]:
        yield from self.reader.wake(now)
        yield from self.aside.wake(now)
        yield from self.writer.wake(now)
        if now.monotonic < self._mark_at:
            return
        self._mark_at = now.monotonic + MARK_EVERY
        self._keep_site(now)
        yield from self._tell(self.limits.age(now.monotonic), now)
        yield from self._tell(self._unwatched(now), now)
        yield from self._tell(self._steady(self._ours(now)), now)
        yield from self._say(self.book.wake(now.utc), now)
        self._mark()
        yield from self._durable(now)

    def _steady(self, conditions: Iterable[Condition]) -> Iterator[Condition]:
        """Those that hold now and did not, or the other way round."""
        for told in conditions:
            entry = self.book.entries.get(told.id)
            if (entry is not None and entry.active and not entry.off) != told.active:
                yield told

    def _unwatched(self, now: Now) -> Iterator[Condition]:
        """Alarms whose end nobody would tell: their limit is gone, or who said so has begun anew."""
        standing, limits = self._standing, {limit.name for limit in self.watch.site.limits}
        for entry in list(self.book.entries.values()):
            if entry.source == "limit" and entry.active and not entry.off:
                settled = now.monotonic >= self._settled_at and not self.limits.watches(entry.kind, entry.device)
                if entry.kind not in limits or settled:
                    yield _over(entry, now, "nobody watches it any more")
            elif entry.source == "flag" and (entry.active or entry.due):
                by = {writer: at for writer, at in entry.detail.get("by", {}).items()
                      if at[0] >= standing.get(writer, (0, 0))[0]}  # fmt: skip
                if by != entry.detail.get("by", {}):
                    entry.detail = {**entry.detail, "by": by}
                    self.book.changed.add(entry.id)
                if not by:
                    yield _over(entry, now, "who found them was started anew")

    def _keep_site(self, now: Now) -> None:
        """Limits of a changed site file are in force at once."""
        changed = self.watch.look(now)
        if changed is not None:
            self.limits = self.limits.changed(changed.limits)
            self.watch.take(changed, now)
            self._settled_at = now.monotonic + SETTLING
            self.log.info("limits are those of the changed site file", limits=len(changed.limits))

    def _durable(self, now: Now) -> Iterator[Action]:
        """Who said what is in the journal may forget it."""
        keeper = self.writer.keeper
        if keeper is None or not keeper.trouble:
            for reader in (self.reader, self.aside):
                yield from reader.durable(now, self._marked)

    def health(self, now: Now) -> dict[str, Any]:
        """How it is, and how many alarms there are."""
        standing = self.book.standing
        states = [entry.state for entry in standing]
        return {
            "counters": {**self.counters, **self.outbox.counters, **self.writer.counters,
                         "lost": self.reader.lost + self.aside.lost,
                         "fetched": self.reader.fetched + self.aside.fetched},
            "queues": {**{f"alarms_{state}": states.count(state) for state in sorted(set(states))},
                       "notifications": sum(len(lane.waiting) for lane in self.outbox.lanes),
                       "behind": self.reader.behind + self.aside.behind},
            "alarms": [*(text for _, text in self.outbox.troubles()), *self.watch.alarms, *self.writer.alarms],
            **self.watch.health(),
        }  # fmt: skip


def _over(entry: Entry, now: Now, why: str) -> Condition:
    """The end of an alarm that nobody tells."""
    return Condition(entry.source, entry.key, entry.kind, entry.subject, False, now.utc, why)
