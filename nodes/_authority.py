"""Who may say what to a process: one rule for everything that comes in.

A word of a stream, and work, come from those whom we read; a request, and what is safe, from those who read us; a
verdict without a number from a detector that we gave work; how a process is, from all that we watch. Each may speak
only from its own host. What is to be done about alarms comes from those who read us, or, without a name, from the
command line of this host, which only our own user can speak through. Anything else is not acted on, and counted: a name
is easily claimed.
"""

from __future__ import annotations

from typing import Any

from nodes._node import Place, node_of, process_of
from protocol.messages import (
    AlarmAction,
    AlarmAnswer,
    Announce,
    Dismissed,
    Durable,
    Fetch,
    Gone,
    Health,
    Numbered,
    RawFrames,
    Verdict,
    Window,
    Worker,
)

COMMAND_LINE = ""
"""Who a message comes from that names no process."""


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
        self._pools = {node_of(worker) for worker in place.readers_of.get("detector", ())}
        self._host_of = {**place.network.host_of, COMMAND_LINE: place.network.here} if place.network else {}

    def permits(self, message: Any, host: str) -> bool:
        """Whether to act on it. `host` is where it came from; "" where a pipeline has but one."""
        who = speaker(message)
        if isinstance(message, Worker) or (isinstance(message, Verdict) and not message.node):
            # Detectors come and go while we run: any copy of a node that reads us may work for us.
            return node_of(who) in self._pools and self._host(who) == host
        return who in self._entitled(message) and self._host(who) == host

    def _host(self, who: str) -> str:
        """Where it runs: a copy that is new to us, where the others of its node do."""
        kin = (host for name, host in self._host_of.items() if node_of(name) == node_of(who))
        return self._host_of.get(who) or next(kin, "")

    def _entitled(self, message: Any) -> set[str]:
        if isinstance(message, Numbered | Announce | Gone | Window | RawFrames | Dismissed | AlarmAnswer):
            return self._sources
        if isinstance(message, Fetch | Durable):
            return self._readers
        if isinstance(message, AlarmAction):
            return self._readers | {COMMAND_LINE}
        if isinstance(message, Health):
            return self._watched
        return set()
