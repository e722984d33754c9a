"""Events of event triggers that wait for their final answer and for the data around them, until their file is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from archive import answers
from archive.answers import Said
from protocol.clock import SECOND

UNFINISHED = 60 * SECOND
"""An event of which no final answer comes is written when nothing was heard of it for so long [ns] beyond `settle`:
longer than a trigger pauses between two answers, or takes to be started anew."""
Entry = dict[str, Any]
"""`answer`, `final`, `onset`, `stop` [ns UTC] of the last answer; `hour` [ns UTC] of its rows."""


def entry_of(said: Said) -> Entry:
    """What is to be remembered of an answer until its event's file is made; all else is in the ledger."""
    keys = ("answer", "final", "onset", "stop")
    return {key: said[key] for key in keys} | {"hour": answers.hour_of(said["id"], said["start"])}


@dataclass
class Waiting:
    """By id, in order of coming."""

    events: dict[str, Entry] = field(default_factory=dict)
    heard: dict[str, int] = field(default_factory=dict)
    """Id -> monotonic ns of its last answer; not kept over a restart: counted from then on."""

    def add(self, name: str, entry: Entry, monotonic: int) -> None:
        """An answer came; one that another one overtook changes nothing."""
        if name not in self.events or self.events[name]["answer"] <= entry["answer"]:
            self.events[name] = entry
        self.heard[name] = monotonic

    def due(self, monotonic: int, settle: int, after: int, newest: int) -> list[str]:
        """Those of which nothing came for a while, and whose data are there, up to `newest` ns, or are late."""
        return [
            name for name, entry in self.events.items() if self._is_due(name, entry, monotonic, settle, after, newest)
        ]

    def _is_due(self, name: str, entry: Entry, monotonic: int, settle: int, after: int, newest: int) -> bool:
        quiet = monotonic - self.heard.setdefault(name, monotonic)
        if not entry["final"]:
            return quiet >= settle + UNFINISHED
        there = newest >= max(entry["stop"], entry["onset"] + after)
        return quiet >= settle + (0 if there else after)

    def forget(self, name: str) -> None:
        """It has been written."""
        self.events.pop(name, None)
        self.heard.pop(name, None)
