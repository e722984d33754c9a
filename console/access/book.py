"""The file of users, read by the console while it runs and changed by whoever has the lock."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from archive.disk import Disk
from archive.inodes import stamp
from console.access.files import open_private, private_folder
from console.access.users import AccessFault, User, Users, written
from protocol.clock import SECOND

LOOK_EVERY = SECOND // 2

Load = Callable[[Path], dict[str, User]]
"""Reads and checks a file that is there; raises what tells its faults."""


class Book:
    """The users in force. A file that has become faulty is an alarm, and those before stay in force."""

    def __init__(self, path: Path, load: Load) -> None:
        """Raises what `load` raises."""
        self.path = path
        self.alarms: list[str] = []
        self._load = load
        self._look_at = 0
        self._stamp = stamp(path)
        self.users: Users = self._read()

    def look(self, monotonic: int) -> None:
        """Take a changed file up; a look costs a system call, at most every half second [monotonic, ns]."""
        if monotonic < self._look_at:
            return
        self._look_at = monotonic + LOOK_EVERY
        if (there := stamp(self.path)) == self._stamp:
            return
        self._stamp = there
        try:
            self.users, self.alarms = self._read(), []
        except Exception as fault:  # whatever is wrong with it: who was kept out stays out, who was in stays in
            self.alarms = [f"the changed file of users is not taken up: {fault}"]
            structlog.get_logger().warning("the changed file of users is not taken up", why=str(fault))

    @property
    def has_administrator(self) -> bool:
        """Whether anybody can sign in as one."""
        return any(user.administers for user in self.users.values())

    @contextmanager
    def changing(self) -> Iterator[dict[str, User]]:
        """The users of the file as it is now, to be changed in place; written as a whole when the block ends.

        What was found there is in force from then on. Two that change it wait for each other. Raises AccessFault if no
        administrator would be left, or if somebody would be left without a region: what is left out of the file
        means all.
        """
        folder = private_folder(self.path.parent)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            self._stamp, before = stamp(self.path), self._read()
            self.users, self.alarms = before, []
            users = dict(before)
            yield users
            if any(user.administers for user in before.values()) and not any(
                user.administers for user in users.values()
            ):
                raise AccessFault("no administrator would be left; make another user one first")
            if nowhere := next((user.name for user in users.values() if user.regions == []), None):
                raise AccessFault(f"{nowhere} would see no region; name one, or say that it is all", "no_region")
            if users != before:
                self._write(users)
                self.users, self._stamp = users, stamp(self.path)
        finally:
            os.close(folder)

    def _read(self) -> dict[str, User]:
        return self._load(self.path) if self.path.exists() else {}

    def _write(self, users: Users) -> None:
        fresh = self.path.with_name(f".{self.path.name}.new")
        fresh.unlink(missing_ok=True)
        with open(open_private(fresh, os.O_EXCL), "w", encoding="utf-8") as file:
            file.write(written(users))
        Disk().replace(fresh, self.path)
