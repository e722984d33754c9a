"""One alarm of the book, and the word that tells of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from nodes._conditions import Condition
from protocol.messages import Alarm, AlarmState, Severity


@dataclass
class Entry:
    """See `protocol.messages.Alarm` for what has its name there."""

    id: str
    key: str
    """As in `Condition`."""
    source: str
    kind: str
    subject: str
    device: int = 0
    region: str = ""
    severity: Severity = Severity.WARNING
    text: str = ""
    value: float = float("nan")
    limit: float = float("nan")
    unit: str = ""
    active: bool = False
    acknowledged: bool = True
    chattering: bool = False
    stale: bool = False
    count: int = 0
    raised: int = 0
    cleared: int = 0
    user: str = ""
    comment: str = ""
    until: int = 0
    by: str = ""
    time: int = 0
    """ns UTC since when the condition holds"""
    due: int = 0
    """ns UTC at which it is raised if its condition goes on; 0: it does not wait"""
    off: int = 0
    """ns UTC since when the condition of a chattering one does not hold; 0: it does"""
    ends: int = 0
    """ns UTC at which it is over by itself; 0: when that is told"""
    recent: list[int] = field(default_factory=list)
    """ns UTC of the last times it was raised"""
    detail: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, told: Condition) -> Entry:
        """Normal, as yet."""
        entry = cls(told.id, told.key, told.source, told.kind, told.subject)
        entry.take(told)
        return entry

    def take(self, told: Condition) -> None:
        """What a condition says of itself."""
        for name in (
            "kind",
            "subject",
            "device",
            "region",
            "severity",
            "text",
            "value",
            "limit",
            "unit",
            "stale",
            "time",
        ):
            setattr(self, name, getattr(told, name))
        self.detail = dict(told.detail)

    @property
    def state(self) -> AlarmState:
        """Where it stands."""
        if self.until:
            return AlarmState.SHELVED
        if self.active and self.by:
            return AlarmState.SUPPRESSED
        if self.active:
            return AlarmState.ACKNOWLEDGED if self.acknowledged else AlarmState.UNACKNOWLEDGED
        return AlarmState.NORMAL if self.acknowledged else AlarmState.RETURNED

    @property
    def matters(self) -> bool:
        """Whether it is any more than normal."""
        return self.state != AlarmState.NORMAL

    @property
    def plain(self) -> dict[str, Any]:
        """As plain values."""
        return {**asdict(self), "severity": str(self.severity)}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Entry:
        """Inverse of `plain`; what a newer release wrote besides is left out."""
        known = {each.name for each in fields(cls)}
        entry = cls(**{name: value for name, value in plain.items() if name in known})
        entry.severity = Severity(entry.severity)
        return entry


SAID = [each.name for each in fields(Alarm) if each.name in {own.name for own in fields(Entry)} - {"time", "user"}]


def word(entry: Entry, change: str, utc: int, user: str = "") -> Alarm:
    """What is said of a change."""
    said = {name: getattr(entry, name) for name in SAID}
    said |= {"severity": str(entry.severity), "detail": dict(entry.detail)}
    return Alarm(change=change, state=str(entry.state), time=utc, user=user, **said)
