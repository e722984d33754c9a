"""What processes say of themselves, and those that say nothing any more, as conditions for the book of alarms."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from nodes import _alarmwords
from nodes._alarmentry import Entry
from nodes._conditions import Condition
from protocol.clock import Now
from protocol.messages import Health, Severity


class ProcessWatch:
    """Of all processes but the one that is `name`, which watches them."""

    def __init__(self, name: str, severity: str) -> None:
        """`severity` of what they say; `none`: they are not watched."""
        self._name, self._severity = name, severity
        self._spoke: dict[str, int] = {}
        """Process -> when it was heard last [monotonic ns]."""

    def begin(self, processes: Collection[str], at: int) -> None:
        """They are taken to have spoken `at` a moment [monotonic ns]."""
        self._spoke = dict.fromkeys(processes, at)

    def hear(self, health: Health, entries: Mapping[str, Entry], now: Now) -> list[Condition]:
        """Of what a process says only that counts which is new, or gone."""
        self._spoke[health.node] = now.monotonic
        if self._severity == "none" or health.node == self._name:
            return []
        told = {each.id: each for each in _alarmwords.of_health(health, Severity(self._severity))}
        there = [entry for entry in entries.values() if entry.source == "health"
                 and entry.subject == health.node and entry.key.startswith(_alarmwords.SAYS)]  # fmt: skip
        known = {entry.id for entry in there if (entry.active and not entry.off) or entry.due}
        gone = [Condition("health", entry.key, entry.kind, entry.subject, False, health.time)
                for entry in there if entry.id in known and entry.id not in told]  # fmt: skip
        return [each for key, each in told.items() if key not in known] + gone

    def silent(self, now: Now) -> Iterator[Condition]:
        """Of each whether it says nothing."""
        for process, spoke in self._spoke.items() if self._severity != "none" else ():
            if process != self._name:
                kind = process.partition(".")[0]
                yield _alarmwords.silent(process, kind, now.monotonic > spoke + _alarmwords.SILENT, now.utc)
