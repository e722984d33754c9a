"""Alarms that stand, and what people do about them: pages ask, the node sends it to who keeps them and hears answers.

Every method may be called from any thread. What is asked is sent again until it is answered, which does no harm: who
keeps the alarms does it once.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import Any

from protocol.clock import SECOND, Now
from protocol.messages import Alarm, AlarmAction, AlarmAnswer, AlarmState, Severity

AGAIN = SECOND
"""ns until what was not answered is sent again."""
PATIENCE = 5 * SECOND
"""ns until nobody is thought to be there."""
LIST_EVERY = 30 * SECOND
"""ns between two questions which alarms there are: words may have been missed."""
GRAVEST = {severity: -rank for rank, severity in enumerate(Severity)}
UNSEEN = (AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED)
"""States that somebody has to look after."""
_FIELDS = {each.name for each in fields(Alarm)}


class Unanswered(Exception):
    """Nobody who keeps alarms answered."""


class Refused(Exception):
    """It was not done; the text says why."""


@dataclass
class _Asked:
    action: AlarmAction
    answer: Future[AlarmAnswer]
    until: int = 0
    """Monotonic ns."""
    next: int = 0


class Desk:
    """See the module."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._standing: dict[str, Alarm] = {}
        self._asked: dict[str, _Asked] = {}
        self._listed, self._list = 0, ""
        self._revision = 0
        self.fd, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        """Can be read when somebody asked for something."""
        self.there = False
        """Whether the station has who keeps alarms."""

    # ── pages ───────────────────────────────────────────────────────────────────────────────────────────────

    def standing(self) -> tuple[int, list[Alarm]]:
        """(another number if anything changed, the alarms that are not normal: what is to be acknowledged first, the
        gravest, the newest)."""
        with self._lock:
            return self._revision, sorted(self._standing.values(), key=_rank)

    def of_event(self, name: str) -> Alarm | None:
        """The alarm of an event, as long as it stands."""
        with self._lock:
            return next((each for each in self._standing.values() if each.source == "event" and each.subject == name),
                        None)  # fmt: skip

    def find(self, id_: str) -> Alarm | None:
        """The alarm that has this id."""
        with self._lock:
            return self._standing.get(id_)

    def ask(self, action: str, id_: str, user: str, utc: int, text: str = "", span: int = 0) -> Future[AlarmAnswer]:
        """Have something done; the answer raises Refused or Unanswered."""
        told = AlarmAction("", secrets.token_hex(8), action, id_, user, utc, text, span)
        asked = _Asked(told, Future())
        if not self.there:
            asked.answer.set_exception(Unanswered())
            return asked.answer
        with self._lock:
            self._asked[told.request] = asked
        with suppress(BlockingIOError):
            os.write(self._wake, b"!")
        return asked.answer

    # ── the node ────────────────────────────────────────────────────────────────────────────────────────────

    def take(self, told: Alarm) -> None:
        """A change of an alarm."""
        with self._lock:
            self._put(told)
            self._revision += 1

    def _put(self, told: Alarm) -> None:
        if told.state == AlarmState.NORMAL:
            self._standing.pop(told.id, None)
        else:
            self._standing[told.id] = told

    def due(self, reader: str, now: Now) -> list[AlarmAction]:
        """What is to be sent by a process now."""
        with suppress(BlockingIOError):
            while os.read(self.fd, 4096):
                pass
        failed = []
        with self._lock:
            self.there = True
            if now.monotonic >= self._listed:
                self._listed, self._list = now.monotonic + LIST_EVERY, secrets.token_hex(8)
                listing = [AlarmAction(reader, self._list, "list", "", "", now.utc)]
            else:
                listing = []
            for asked in self._asked.values():
                asked.until = asked.until or now.monotonic + PATIENCE
                if now.monotonic >= asked.until:
                    failed.append(asked)
            for asked in failed:
                del self._asked[asked.action.request]
            ready = [asked for asked in self._asked.values() if now.monotonic >= asked.next]
            for asked in ready:
                asked.next = now.monotonic + AGAIN
        for asked in failed:
            asked.answer.set_exception(Unanswered())
        return [*listing, *(replace(asked.action, reader=reader) for asked in ready)]

    def hear(self, answer: AlarmAnswer) -> None:
        """What became of what was asked, also by others."""
        with self._lock:
            asked = self._asked.pop(answer.request, None)
            if answer.request == self._list:
                self._standing = {}
                for each in answer.alarms:
                    self._put(_alarm(each))
                self._revision += 1
        if asked is None:
            return
        if answer.done:
            asked.answer.set_result(answer)
        else:
            asked.answer.set_exception(Refused(answer.why))


def _alarm(told: dict[str, Any]) -> Alarm:
    """Of the fields that this release knows."""
    return Alarm(**{name: value for name, value in told.items() if name in _FIELDS})


def _rank(alarm: Alarm) -> tuple[bool, int, int]:
    return alarm.state not in UNSEEN, GRAVEST.get(Severity(alarm.severity), 1), -alarm.raised


def unseen(alarms: Iterable[Alarm]) -> list[Alarm]:
    """Those that somebody has to acknowledge."""
    return [each for each in alarms if each.state in UNSEEN]
