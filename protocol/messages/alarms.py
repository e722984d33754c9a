"""Alarms (ANSI/ISA-18.2, IEC 62682): their changes, and what people do about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from protocol.messages.fields import Count, Number4
from protocol.messages.registry import message
from protocol.messages.streams import Numbered


class Severity(StrEnum):
    """How much an alarm matters, in ascending order."""

    NOTICE = "notice"
    WARNING = "warning"
    SERIOUS = "serious"
    CRITICAL = "critical"


class AlarmState(StrEnum):
    """Where an alarm stands (ANSI/ISA-18.2, IEC 62682)."""

    NORMAL = "normal"
    """It is over, and was acknowledged; or it never was."""
    UNACKNOWLEDGED = "unacknowledged"
    """It is active, and nobody has acknowledged it."""
    ACKNOWLEDGED = "acknowledged"
    """It is active, and was acknowledged."""
    RETURNED = "returned"
    """It is over, and nobody has acknowledged it."""
    SHELVED = "shelved"
    """Somebody does not want to be told of it for a while."""
    SUPPRESSED = "suppressed"
    """Another alarm says why it means nothing now."""


@message(b"ALM")
@dataclass(frozen=True)
class Alarm(Numbered):
    """A change of an alarm, and all that is known of it then. The last word of an id counts."""

    id: str
    """The same as long as there is such a thing to be alarmed of: it follows from `source`, `kind` and `subject`."""
    change: str
    """As `raised`, `cleared`, `acknowledged`: what this word tells (`nodes/_alarmbook.py` has them all)."""
    state: str
    """An `AlarmState`."""
    source: str
    """`limit`, `event`, `flag`, `health` or `notify`."""
    kind: str
    """Name of the limit, kind of the event or of the bad data."""
    subject: str
    """What it is of: a device's name, a pair of them, a region, an event's id, a process."""
    device: Number4
    """0 where it is of none."""
    region: str
    severity: str
    """A `Severity`."""
    text: str
    """A sentence for a person."""
    active: bool
    acknowledged: bool
    chattering: bool
    """It comes and goes; until that ends it stays active and is told no more."""
    stale: bool
    """It is active by data that do not come any more."""
    count: Count
    """How often it was raised since it was last normal."""
    value: float
    """What was worst when this was said; NaN = it has none."""
    limit: float
    """What `value` was compared with, in its unit; NaN = it has none."""
    unit: str
    raised: int
    """ns UTC, by the time of the data where they tell one."""
    cleared: int
    """ns UTC; 0 = it is active."""
    time: int
    """ns UTC of this change."""
    user: str
    """Who did it; "" = nobody."""
    comment: str
    """Of the last comment or shelving."""
    until: int
    """ns UTC up to which it is shelved; 0 = it is not."""
    by: str
    """Id of the alarm that suppresses it; "" = none."""
    detail: dict[str, Any] = field(default_factory=dict)


@message(b"ALA")
@dataclass(frozen=True)
class AlarmAction:
    """Somebody does something about an alarm, or asks which there are. Not numbered: it is answered (`AlarmAnswer`),
    and may be sent again until it is."""

    reader: str
    """The process that sends it; "" = the command line of the same host."""
    request: str
    """Names it in the answer; what is sent again has the same."""
    action: str
    """`list`, `acknowledge`, `comment`, `shelve`, `unshelve`."""
    id: str
    """Of the alarm, or how it begins; `all` to acknowledge all."""
    user: str
    time: int
    """ns UTC"""
    text: str = ""
    """The comment, or why it is shelved."""
    span: Count = 0
    """ns for which it is shelved."""


@message(b"ALR")
@dataclass(frozen=True)
class AlarmAnswer:
    """What became of an `AlarmAction`. Told as news; best effort."""

    node: str
    request: str
    done: bool
    why: str
    """Why it was not done, and what to do instead."""
    alarms: list[dict[str, Any]]
    """The fields of `Alarm`: all that are not normal if they were asked for, else those that were acted on."""
