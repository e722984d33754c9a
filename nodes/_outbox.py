"""What is to be sent to the receivers of notifications: a bounded queue for each, patience with those that are away.

Nothing here sends, and time is an argument. A queue outlives the process: what was put in and not sent is in the
journal (`nodes/_alarmjournal.py`); so what was being sent when the process was killed is sent once more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nodes._conditions import RANKS
from nodes._notifysettings import Notify
from nodes._patterns import matches
from protocol.clock import SECOND, Now
from protocol.messages import Alarm, AlarmState, Severity

AT_ONCE = 100
"""Notifications of one mail, one request."""
GATHER = SECOND
"""The first notification waits so long for others."""
AGAIN = (5 * SECOND, 600 * SECOND)
"""After a failure it is tried again, after twice as long each time, at most …"""
HIDDEN = (AlarmState.SHELVED, AlarmState.SUPPRESSED)
TOLD = {"raised": "raised", "chattering": "raised", "unsuppressed": "raised", "unshelved": "raised",
        "escalated": "escalated", "cleared": "cleared"}  # fmt: skip
"""Change of an alarm -> as what it is notified, if at all."""
FLOODED = Severity.SERIOUS
"""In a flood less grave alarms are not notified."""
ERROR = 200

Item = dict[str, Any]
"""The fields of an `Alarm`, and `told`: as what it is notified."""


class Job(NamedTuple):
    """To be sent."""

    lane: int
    serials: list[int]
    items: list[Item]


@dataclass
class Lane:
    """One receiver."""

    notify: Notify
    waiting: deque[tuple[int, Item]] = field(default_factory=deque)
    """(serial, what), the oldest first"""
    sending: list[int] = field(default_factory=list)
    at: int = 0
    """Not before [monotonic ns]."""
    failures: int = 0
    """In a row."""
    error: str = ""
    sent: int = 0
    failed: int = 0
    given_up: int = 0


class Outbox:
    """See the module."""

    def __init__(self, ways: Sequence[Notify]) -> None:
        self.lanes = [Lane(way) for way in ways]
        self._serial = 0
        self.withheld = 0
        """Notifications that a flood kept back."""

    def resume(self, lanes: dict[str, list[tuple[int, Item]]]) -> None:
        """What waited in an earlier life; of receivers that are no more nothing is sent."""
        for lane in self.lanes:
            lane.waiting = deque((serial, item) for serial, item in lanes.get(lane.notify.name, ()))
        self._serial = max((serial for each in lanes.values() for serial, _ in each), default=0)

    @property
    def plain(self) -> dict[str, list[tuple[int, Item]]]:
        """What waits, by name of the receiver."""
        return {lane.notify.name: list(lane.waiting) for lane in self.lanes}

    def put(self, word: Alarm, flood: bool, now: Now) -> dict[str, list[tuple[int, Item]]]:
        """An alarm has changed; returns what that adds, by name of the receiver."""
        told = self._told(word)
        added: dict[str, list[tuple[int, Item]]] = {}
        if not told:
            return added
        for lane in self.lanes:
            if not _wants(lane.notify, word, told):
                continue
            if flood and RANKS[Severity(word.severity)] < RANKS[FLOODED]:
                self.withheld += 1
                continue
            self._serial += 1
            item = {name: value for name, value in vars(word).items() if name != "detail"} | {"told": told}
            if not lane.waiting:
                lane.at = max(lane.at, now.monotonic + GATHER)
            lane.waiting.append((self._serial, item))
            added.setdefault(lane.notify.name, []).append((self._serial, item))
            while len(lane.waiting) > lane.notify.queue:
                lane.waiting.popleft()
                lane.given_up += 1
        return added

    def _told(self, word: Alarm) -> str:
        """As what a change is notified; "" if it is not."""
        if word.state in HIDDEN or (word.change == "unshelved" and word.state != AlarmState.UNACKNOWLEDGED):
            return ""
        return TOLD.get(word.change, "")

    def due(self, now: Now) -> list[Job]:
        """What is to be sent now."""
        jobs = []
        for number, lane in enumerate(self.lanes):
            if lane.waiting and not lane.sending and now.monotonic >= lane.at:
                some = list(lane.waiting)[:AT_ONCE]
                lane.sending = [serial for serial, _ in some]
                jobs.append(Job(number, lane.sending, [item for _, item in some]))
        return jobs

    def done(self, number: int, error: str, now: Now) -> list[int]:
        """A job has ended; returns the serials that are done with."""
        lane = self.lanes[number]
        sent, lane.sending = lane.sending, []
        lane.error = error[:ERROR]
        if error:
            lane.failed += 1
            lane.failures += 1
            lane.at = now.monotonic + min(AGAIN[0] << min(lane.failures - 1, 20), AGAIN[1])
            return []
        lane.failures, lane.sent = 0, lane.sent + len(sent)
        lane.at = now.monotonic + lane.notify.way.every
        lane.waiting = deque(each for each in lane.waiting if each[0] not in set(sent))
        return sent

    def wake_at(self) -> int | None:
        """When something is due [monotonic ns]."""
        return min((lane.at for lane in self.lanes if lane.waiting and not lane.sending), default=None)

    @property
    def counters(self) -> dict[str, int]:
        """For health."""
        names = ("sent", "failed", "given_up")
        told = {f"notifications_{name}": sum(getattr(lane, name) for lane in self.lanes) for name in names}
        return {**told, "notifications_withheld": self.withheld}

    def troubles(self) -> Iterable[tuple[str, str]]:
        """(receiver, what is wrong) of those that take nothing, or lost something."""
        for lane in self.lanes:
            lost = f"; {lane.given_up} were given up" if lane.given_up else ""
            if lane.failures:
                waits = f"{len(lane.waiting)} notifications wait for it{lost}"
                yield lane.notify.name, f"{lane.notify.name} takes no notifications: {lane.error}; {waits}"


def _wants(notify: Notify, word: Alarm, told: str) -> bool:
    """Whether an alarm goes this way."""
    return (
        told in notify.changes
        and RANKS[Severity(word.severity)] >= RANKS[notify.severity]
        and (notify.sources is None or word.source in notify.sources)
        and matches([word.region], notify.regions)
        and matches([word.kind], notify.kinds)
        and not (word.source == "notify" and word.subject == notify.name)
    )
