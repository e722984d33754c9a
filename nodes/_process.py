"""What every process of a station has: signals seen by a poll, its limit of open files, the lock on its name."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from archive import priorities

OPEN_FILES = 65_536


class Taken(Exception):
    """Another process of this name runs."""


class Signals:
    """SIGTERM, SIGINT and SIGUSR1 as a descriptor that a poll sees."""

    def __init__(self) -> None:
        self.asked = False
        self.succeeded = False
        """By SIGUSR1: a successor follows."""
        self._reader, self._writer = socket.socketpair()
        for end in (self._reader, self._writer):
            end.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            signal.signal(number, self._note)

    def _note(self, number: int, *_: Any) -> None:
        self.asked = True
        self.succeeded = number == signal.SIGUSR1

    @property
    def fd(self) -> int:
        return self._reader.fileno()

    def drain(self) -> None:
        self._reader.recv(64)

    def close(self) -> None:
        signal.set_wakeup_fd(-1)
        self._reader.close()
        self._writer.close()


def resident() -> int:
    """Bytes of memory that this process holds."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def raise_open_files() -> None:
    """A connection is a descriptor: lift the soft limit as far as the hard one lets us."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def take_rank(nice: int) -> str:
    """Before threads begin: `nice` is added to ours, and who is not after others is in haste. Returns what the system
    refused, "" if nothing."""
    refused = ""
    try:
        os.nice(nice)
    except PermissionError:
        refused = f"nice {nice} takes root or CAP_SYS_NICE; it goes on without"
    if nice <= 0:
        priorities.hurry()
    else:
        priorities.stand_back()
    return refused


@contextmanager
def only_one(run: str, name: str) -> Iterator[None]:
    """Hold the lock on a name in the runtime folder. Raises Taken: a second process would take half the letters."""
    with open(f"{run}/{name}.lock", "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as held:
            raise Taken(f"another {name} of this pipeline is running: stop it first (syms down)") from held
        yield
