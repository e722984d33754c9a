"""Processes that outlived their supervisord, found by the locks they hold in the runtime folder."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

POLL = 0.05
"""Seconds between two looks."""
LEFTOVERS = (
    *("*.lock", "*.inbox", "*.news", "*.sock", "*.sock.*", "supervisord.pid", "server", "included", "programs.conf"),
    *("*.passed", "wirings/*"),
)
"""What a dead pipeline may leave in its runtime folder; logs stay."""


def lock_holders(run: str) -> dict[str, int]:
    """Process name -> pid of whoever holds its lock (flock, as /proc/locks lists them)."""
    names = {lock.stat().st_ino: lock.name.removesuffix(".lock") for lock in Path(run).glob("*.lock")}
    holders: dict[str, int] = {}
    for line in Path("/proc/locks").read_text().splitlines():
        words = line.split()  # 1: FLOCK ADVISORY WRITE 4711 08:01:123456 0 EOF; a waiter's line has -> in it
        if len(words) > 5 and words[1] == "FLOCK" and words[4].isdigit() and int(words[4]) > 0:
            inode = int(words[5].rpartition(":")[2])
            if inode in names and _ours(int(words[4])):
                holders[names[inode]] = int(words[4])
    return holders


def _ours(pid: int) -> bool:
    """Inode numbers repeat on other file systems: only a process of ours that runs a pipeline counts."""
    try:
        place = Path(f"/proc/{pid}")
        return place.stat().st_uid == os.getuid() and b"\0run\0" in (place / "cmdline").read_bytes()
    except OSError:
        return False


def wake(pids: Iterable[int]) -> None:
    """Have processes that stand still (SIGSTOP) go on: they would not hear that they are to end."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def end(holders: Iterable[int], patience: float) -> list[int]:
    """SIGTERM one after the other, SIGKILL whoever is still there after `patience` [s]; returns the killed."""
    killed = []
    for pid in holders:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        wake([pid])
        if not wait_for_end([pid], patience):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            killed.append(pid)
            wait_for_end([pid], patience)
    return killed


def parent(pid: int) -> int:
    """Process id of who started a process, or of who took it over; 0 if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def wait_for_end(pids: Iterable[int], patience: float) -> bool:
    """Whether all these processes ended within `patience` [s]."""
    deadline = time.monotonic() + patience
    left = list(pids)
    while left := [pid for pid in left if alive(pid)]:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def sweep(run: str) -> None:
    """Remove sockets, locks and the like that nobody uses any more."""
    for pattern in LEFTOVERS:
        for left in Path(run).glob(pattern):
            left.unlink(missing_ok=True)
