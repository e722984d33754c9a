"""What a node is: a state machine that is told what came and what time it is, and answers with what to say.

    check (pure, settings) -> start -> receive | ready | wake … -> stop

A node never sleeps, never reads a clock and never opens a ZeroMQ socket: `nodes/_runtime.py` does these for
it, and a test can do them by hand. Sockets of its own (devices, clients) it opens itself and hands to the
runtime to watch. Every method yields what is to be done: `News`, `Letter`, `Watch`, `Unwatch`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nodes._network import Network
from protocol.clock import Now


@dataclass(frozen=True)
class News:
    """Tell everybody who reads us (PUB)."""

    message: Any
    parts: list[Any] | None = None
    """The message as `wire.pack` made it, if that was done already."""


@dataclass(frozen=True)
class Letter:
    """Put into one process's inbox (PUSH -> PULL). Best effort: a full or dead inbox drops it, counted."""

    to: str
    """Process name, as `prejudge.2`, or name of a stream of it."""
    message: Any
    parts: list[Any] | None = None


@dataclass(frozen=True)
class Watch:
    """Call `ready` when this file descriptor can be read (or, if so asked, written)."""

    fd: int
    write: bool = False


@dataclass(frozen=True)
class Unwatch:
    """Stop watching; say it before closing the descriptor."""

    fd: int


Action = News | Letter | Watch | Unwatch
Actions = Iterable[Action]


def node_of(process: str) -> str:
    """The node that a process is of: `prejudge` of `prejudge.2`."""
    return process.partition(".")[0]


def process_of(writer: str) -> str:
    """The process that a stream is of: a second one of `align` is called `align/minutes`."""
    return writer.partition("/")[0]


class StartError(Exception):
    """A node can't start now (port taken, disk away): exit 1, supervisord tries again."""


class Done(Exception):
    """Raised by a node whose work is over (a replayed capture has ended): the runtime stops it, exit 0."""


@dataclass(frozen=True)
class Place:
    """Where a node stands in its pipeline: all it knows of the others."""

    name: str
    """Own process name: `receivers.1` if the node has copies, else the node's name."""
    node: str
    """Name in the YAML: `receivers`."""
    copy: int
    """1, 2, …"""
    readers_of: dict[str, list[str]]
    """Kind -> process names of the nodes that name ours in their `from`."""
    sources: dict[str, list[str]]
    """Kind -> process names of those in our `from`."""
    run: str
    """Runtime folder (0700) for ipc and unix sockets and lock files, without trailing slash."""
    site: dict[str, Any]
    """The checked site file (`nodes._site.Site`, dumped)."""
    pipeline: str
    """Path of the pipeline file."""
    journal: Path | None = None
    """Own folder for what must outlive the process; None: it keeps no journal (a node run alone, tests)."""
    network: Network | None = None
    """Where the others are, if the pipeline has several hosts."""
    raw: tuple[str, ...] = ()
    """Names of the links whose frames a reader wants as they come."""
    site_file: Path | None = None
    """Where the site file lies, to be read again when it changes; None: it stays as it is."""
    triggers_of: dict[str, list[str]] = field(default_factory=dict)
    """Process of a trigger in our `from` -> processes of the triggers in its own: it is an event trigger."""
    watched: tuple[str, ...] = ()
    """Processes whose Health we hear: all of the pipeline, if our kind watches it."""
    leaving: bool = False
    """It takes nothing new: what it holds goes to others, what it said to its readers, and then it ends."""
    nice: int | None = None
    """Added to its process's nice value; None: what its kind has."""


class Node:
    """Base of all kinds. A kind overrides what it needs; every method may yield actions."""

    TAGS: tuple[bytes, ...] = ()
    """Tags of the news it reads from its sources."""
    NICE: int = 0
    """Added to its process's nice value. What may wait a moment gives way to what has to be in time: on a machine that
    is full, slots are released on time and verdicts come a little later. Who has 0 or less runs as soon as it wakes;
    others don't interrupt anybody (`archive/priorities.py`)."""

    def start(self, now: Now) -> Actions:
        """Open what it needs. May raise StartError."""
        return ()

    def receive(self, message: Any, now: Now) -> Actions:
        """A message from a source's news or from the inbox."""
        return ()

    def ready(self, fd: int, now: Now) -> Actions:
        """A watched descriptor can be read or written."""
        return ()

    def wake_at(self) -> int | None:
        """Monotonic time [ns] of the next `wake`, None for never. Asked after every call."""
        return None

    def wake(self, now: Now) -> Actions:
        """The time that `wake_at` named has come."""
        return ()

    def leave(self, now: Now) -> Actions:
        """It is to end: say so to those who still give it work. Called once; the rest goes on until `left`."""
        return ()

    @property
    def left(self) -> bool:
        """Whether nothing keeps it from being stopped, after `leave`."""
        return True

    def stop(self, now: Now) -> Actions:
        """SIGTERM: hand on what is held, close what is open. Nothing is called afterwards."""
        return ()

    def give_way(self, now: Now) -> Actions:
        """SIGUSR1, in the place of `stop`: a successor follows at once and goes on with what is held and open."""
        return self.stop(now)

    def health(self, now: Now) -> dict[str, Any]:
        """Own part of a Health message: any of counters, queues, columns, devices, labels, counts, alarms."""
        return {}
