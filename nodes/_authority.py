"""Who may say what to a process: one rule for everything that comes in.

A word of a stream, and work, come from those whom we read; a request, and what is safe, from those who read us; a
verdict without a number from a detector that we gave work; how a process is, from all that we watch. Each may speak
only from its own host. Anything else is not acted on, and counted: a name is easily claimed.
"""

from __future__ import annotations

from typing import Any

from nodes._node import Place, process_of
from protocol.messages import Announce, Durable, Fetch, Gone, Health, Numbered, RawFrames, Verdict, Window


def speaker(message: Any) -> str:
    """The process that a message says it comes from; "" if it does not say."""
    for name in ("node", "worker", "reader", "archive", "trigger"):
        if said := getattr(message, name, ""):
            return process_of(str(said))
    return ""


class Authority:
    """The rule of one process."""

    def __init__(self, place: Place) -> None:
        self._sources = {name for names in place.sources.values() for name in names}
        self._readers = {name for names in place.readers_of.values() for name in names}
        self._watched = set(place.watched)
        self._workers = set(place.readers_of.get("detector", ()))
        self._host_of = dict(place.network.host_of) if place.network else {}

    def permits(self, message: Any, host: str) -> bool:
        """Whether to act on it. `host` is where it came from; "" where a pipeline has but one."""
        who = speaker(message)
        return who in self._entitled(message) and self._host_of.get(who, "") == host

    def _entitled(self, message: Any) -> set[str]:
        if isinstance(message, Verdict) and not message.node:
            return self._workers
        if isinstance(message, Numbered | Announce | Gone | Window | RawFrames):
            return self._sources
        if isinstance(message, Fetch | Durable):
            return self._readers
        if isinstance(message, Health):
            return self._watched
        return set()
