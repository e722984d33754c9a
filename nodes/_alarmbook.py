"""The alarms of a station: what each is, by the states of ANSI/ISA-18.2 and IEC 62682. Time is an argument.

    normal ──raised──> unacknowledged ──acknowledged──> acknowledged
      ▲                     │ cleared                        │ cleared
      └──acknowledged── returned                     normal <┘

Beside that an alarm may be shelved (by a person, for a while, with a reason), or suppressed (a device whose data are
known to be bad has no alarms of limits). Both go on underneath: when it ends the alarm stands where it would have
stood. One that comes and goes is chattering: it stays active until it has been calm for a while, and is told no more
meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from nodes._alarmentry import Entry, word
from nodes._conditions import RANKS, Condition
from protocol.clock import SECOND
from protocol.messages import Alarm, AlarmAction

FLOOD_SPAN = 600 * SECOND
"""In which raised alarms are counted (ANSI/ISA-18.2: ten in ten minutes are a flood for one operator)."""
REMEMBERED = 256
"""Requests that are known when they come again."""
LONGEST_TEXT = 500
SUPPRESSED = "limit"
"""Alarms of this source are suppressed …"""
SUPPRESSING = "flag"
"""… while one of this source is active for the same device."""


class Refused(Exception):
    """An action that can't be done; says why."""


@dataclass(frozen=True)
class Ways:
    """How a book treats its alarms."""

    chatter: int = 5
    """Raised so often …"""
    within: int = 120 * SECOND
    """… in so many ns, an alarm is chattering; calm for so long, it is no more."""
    flood: int = 50
    """Raised in ten minutes, more than so many alarms are a flood."""
    suppress: bool = True
    shelf: int = 7 * 24 * 3600 * SECOND
    """An alarm is shelved for so long at most [ns]."""


@dataclass
class Book:
    """All alarms that are not normal, or were lately. Methods yield the words to be said."""

    ways: Ways = field(default_factory=Ways)
    entries: dict[str, Entry] = field(default_factory=dict)
    requests: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    changed: set[str] = field(default_factory=set)
    """Ids of what changed since `settle`, also of those that are gone."""
    _raised: deque[int] = field(default_factory=deque)
    """When alarms were raised lately [ns UTC]."""

    # ── conditions ──────────────────────────────────────────────────────────────────────────────────────────

    def tell(self, told: Condition, utc: int) -> Iterator[Alarm]:
        """A source says that something holds, or no more."""
        entry = self.entries.get(told.id)
        if entry is None and not told.active:
            return
        if entry is None:
            entry = self.entries[told.id] = Entry.of(told)
        self.changed.add(entry.id)
        if told.active:
            yield from self._holds(entry, told, utc)
        else:
            yield from self._is_over(entry, told, utc)
        if not entry.matters and not entry.due and not entry.recent:
            del self.entries[entry.id]

    def _holds(self, entry: Entry, told: Condition, utc: int) -> Iterator[Alarm]:
        due = told.time + told.lasting
        if not entry.active and told.lasting and due > utc:
            entry.take(told)
            entry.due = due
            return
        rank, stale, text = RANKS[entry.severity], entry.stale, entry.text
        entry.take(told)
        entry.ends = told.ends
        if entry.active and entry.off:
            entry.off = 0
            entry.count += 1
            entry.recent = [*entry.recent, utc][-self.ways.chatter :]
        elif not entry.active:
            yield from self._raise(entry, told.time, utc)
        elif RANKS[entry.severity] != rank:
            entry.acknowledged = entry.acknowledged and RANKS[entry.severity] < rank
            yield word(entry, "escalated" if RANKS[entry.severity] > rank else "eased", utc)
        elif entry.stale != stale:
            yield word(entry, "stale" if entry.stale else "fresh", utc)
        elif entry.text != text:
            yield word(entry, "updated", utc)

    def _raise(self, entry: Entry, time: int, utc: int) -> Iterator[Alarm]:
        entry.count = 1 if entry.acknowledged else entry.count + 1
        entry.active, entry.acknowledged, entry.due = True, False, 0
        entry.raised, entry.cleared = time, 0
        entry.recent = [each for each in entry.recent if each > utc - self.ways.within]
        entry.recent = [*entry.recent, utc][-self.ways.chatter :]
        entry.chattering = len(entry.recent) >= self.ways.chatter
        entry.by = self._suppressor(entry)
        self._raised.append(utc)
        yield word(entry, "chattering" if entry.chattering else "raised", utc)
        yield from self._suppress(entry, utc)

    def _is_over(self, entry: Entry, told: Condition, utc: int) -> Iterator[Alarm]:
        entry.due = 0
        if not entry.active:
            return
        if entry.chattering:
            entry.off = entry.off or utc
            return
        entry.text, entry.stale = told.text or entry.text, False
        yield from self._clear(entry, told.time, utc)

    def _clear(self, entry: Entry, time: int, utc: int) -> Iterator[Alarm]:
        entry.active = entry.chattering = entry.stale = False
        entry.off = entry.ends = 0
        entry.cleared, entry.by = max(time, entry.raised), ""
        yield word(entry, "cleared", utc)
        yield from self._suppress(entry, utc)

    # ── suppression ─────────────────────────────────────────────────────────────────────────────────────────

    def _suppressor(self, entry: Entry) -> str:
        """Id of the alarm by which this one says nothing, "" if none does."""
        if not self.ways.suppress or entry.source != SUPPRESSED or not entry.device:
            return ""
        there = (each for each in self.entries.values() if each.source == SUPPRESSING and each.active)
        return next((each.id for each in there if each.device == entry.device), "")

    def _suppress(self, cause: Entry, utc: int) -> Iterator[Alarm]:
        """An alarm that suppresses others has come or gone."""
        if cause.source != SUPPRESSING:
            return
        for entry in self.entries.values():
            if entry.source == SUPPRESSED and entry.device == cause.device and entry.active:
                by = self._suppressor(entry)
                if bool(by) != bool(entry.by):
                    entry.by = by
                    self.changed.add(entry.id)
                    yield word(entry, "suppressed" if by else "unsuppressed", utc)

    # ── people ──────────────────────────────────────────────────────────────────────────────────────────────

    def act(self, action: AlarmAction, utc: int) -> list[Alarm]:
        """What somebody does. Raises Refused."""
        if action.action == "acknowledge" and action.id == "all":
            found = [each for each in self.entries.values() if not each.acknowledged]
        else:
            found = [self.find(action.id)]
        if action.action not in ACTIONS:
            raise Refused(f"nobody can {action.action!r} an alarm; {', '.join(ACTIONS)}")
        if not action.user:
            raise Refused("an action is somebody's; say whose")
        if len(action.text) > LONGEST_TEXT:
            raise Refused(f"a text of {len(action.text)} characters, {LONGEST_TEXT} fit; make it shorter")
        said = [said for entry in found for said in getattr(self, f"_{action.action}")(entry, action, utc)]
        self.changed |= {entry.id for entry in found}
        return said

    def find(self, begin: str) -> Entry:
        """The alarm whose id begins so. Raises Refused."""
        found = [entry for entry in self.entries.values() if begin and entry.id.startswith(begin)]
        if len(found) == 1:
            return found[0]
        if not found:
            raise Refused(f"no alarm has an id that begins with {begin!r}; `syms alarms list` shows them")
        raise Refused(f"{len(found)} alarms have an id that begins with {begin!r}; write more of it")

    def _acknowledge(self, entry: Entry, action: AlarmAction, utc: int) -> Iterator[Alarm]:
        """Twice does no harm."""
        if not entry.acknowledged:
            entry.acknowledged = True
            yield self._by(entry, "acknowledged", action, utc)

    def _comment(self, entry: Entry, action: AlarmAction, utc: int) -> Iterator[Alarm]:
        if not action.text.strip():
            raise Refused("a comment without a text; write one")
        yield self._by(entry, "commented", action, utc)

    def _shelve(self, entry: Entry, action: AlarmAction, utc: int) -> Iterator[Alarm]:
        if not action.text.strip():
            raise Refused("an alarm is shelved for a reason; write it")
        if not 0 < action.span <= self.ways.shelf:
            raise Refused(f"an alarm is shelved for some time, at most {self.ways.shelf // (3600 * SECOND)} h")
        entry.until = utc + action.span
        yield self._by(entry, "shelved", action, utc)

    def _unshelve(self, entry: Entry, action: AlarmAction, utc: int) -> Iterator[Alarm]:
        if not entry.until:
            raise Refused("it is not shelved; nothing to do")
        entry.until = 0
        yield self._by(entry, "unshelved", action, utc)

    def _by(self, entry: Entry, change: str, action: AlarmAction, utc: int) -> Alarm:
        entry.user, entry.comment = action.user, action.text.strip() or entry.comment
        return word(entry, change, utc, action.user)

    # ── time ────────────────────────────────────────────────────────────────────────────────────────────────

    def wake(self, utc: int) -> Iterator[Alarm]:
        """What time alone does."""
        for entry in list(self.entries.values()):
            before = entry.plain
            if entry.due and utc >= entry.due:
                yield from self._raise(entry, entry.time, utc)
            if entry.active and entry.ends and utc >= entry.ends:
                yield from self._clear(entry, entry.ends, utc)
            if entry.chattering:
                yield from self._calm(entry, utc)
            if entry.until and utc >= entry.until:
                entry.until = 0
                yield word(entry, "unshelved", utc)
            if not entry.matters and not entry.due and max(entry.recent, default=0) <= utc - self.ways.within:
                del self.entries[entry.id]
                self.changed.add(entry.id)
            elif entry.plain != before:
                self.changed.add(entry.id)
        while self._raised and self._raised[0] <= utc - FLOOD_SPAN:
            self._raised.popleft()

    def _calm(self, entry: Entry, utc: int) -> Iterator[Alarm]:
        if entry.off and utc >= entry.off + self.ways.within:
            yield from self._clear(entry, entry.off, utc)
        elif not entry.off and utc >= max(entry.recent, default=0) + self.ways.within:
            entry.chattering = False
            yield word(entry, "calm", utc)

    @property
    def flood(self) -> int:
        """How many alarms were raised in ten minutes, if that is a flood; else 0."""
        return len(self._raised) if len(self._raised) > self.ways.flood else 0

    # ── all of it ───────────────────────────────────────────────────────────────────────────────────────────

    @property
    def standing(self) -> list[Entry]:
        """What a person is to see, the gravest first, of equals the newest."""
        shown = (entry for entry in self.entries.values() if entry.matters)
        return sorted(shown, key=lambda each: (-RANKS[each.severity], -each.raised))

    def settle(self) -> tuple[list[dict[str, Any]], list[str]]:
        """(entries that changed, ids of those that are gone) since the last time."""
        changed, self.changed = self.changed, set()
        there = [self.entries[each].plain for each in sorted(changed) if each in self.entries]
        return there, sorted(changed - self.entries.keys())

    def resume(self, plain: list[dict[str, Any]], gone: list[str]) -> None:
        """What `settle` told, in an earlier life."""
        for each in plain:
            self.entries[each["id"]] = Entry.from_plain(each)
        for name in gone:
            self.entries.pop(name, None)
        self._raised = deque(sorted(each for entry in self.entries.values() for each in entry.recent))


ACTIONS = ("acknowledge", "comment", "shelve", "unshelve")
