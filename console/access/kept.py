"""Who is signed in and who has to wait, on disk: a console that is started again goes on with them.

One file that nobody else may read, written as a whole. Of a session it has the hash of its token and a hash of what its
user was then, never the token or a password. Times there are UTC, since the other clock begins anew with the machine.
What can't be read is nobody's: everybody signs in again.
"""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from typing import Annotated, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from archive.disk import Disk
from console.access.files import open_private
from console.access.lockout import LONGEST_WAIT, Failures, Lockout
from console.access.sessions import Session, Sessions
from protocol.clock import SECOND, Now

EVERY = 60 * SECOND
"""Between two writes only because somebody did something: for so long at most a session seems unused."""
AHEAD = 60 * SECOND
"""A session that begins later than that from now is of a clock that was set back: it does not count."""
MAX_FILE = 16 << 20
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Session(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    key: Digest
    name: str
    address: str
    credentials: Digest
    begun: int
    """ns UTC, as all times of the file."""
    used: int


class _Failures(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    who: str
    count: int = Field(ge=0)
    last: int
    until: int


class _File(BaseModel):
    """What stands in it; new fields go last, with a default."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: Literal[1] = 1
    sessions: list[_Session]
    names: list[_Failures]
    addresses: list[_Failures]


class Kept:
    """The file of one console."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._saved: tuple[int, ...] = ()
        self._saved_at = 0
        self._failed = False

    def load(self, sessions: Sessions, names: Lockout, addresses: Lockout, now: Now) -> None:
        """Take up what there is, without what is over."""
        log = structlog.get_logger()
        try:
            found = _File.model_validate_json(self._read())
        except FileNotFoundError:
            return
        except (OSError, ValueError) as fault:
            why = fault.errors()[0]["msg"] if isinstance(fault, ValidationError) else str(fault)
            log.warning("sessions are not taken up: everybody signs in again", file=str(self.path), why=why)
            return
        since = now.utc - now.monotonic
        for each in found.sessions:
            if each.begun <= now.utc + AHEAD:
                begun, used = (min(time - since, now.monotonic) for time in (each.begun, each.used))
                sessions.resume(
                    Session(each.key, each.name, each.address, each.credentials, begun, used), now.monotonic
                )
        for told, known in ((found.names, names), (found.addresses, addresses)):
            for failed in told:
                until = min(failed.until - since, now.monotonic + LONGEST_WAIT)
                known.resume(failed.who, Failures(failed.count, min(failed.last - since, now.monotonic), until))
        log.info("sessions are taken up", sessions=len(sessions.open()))

    def _read(self) -> bytes:
        handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(handle, "rb") as file:
            info = os.fstat(handle)
            if not stat.S_ISREG(info.st_mode):
                raise ValueError("it is no file")
            if stat.S_IMODE(info.st_mode) & 0o077 or info.st_uid not in (os.geteuid(), 0):
                raise ValueError("others may read or write it")
            if info.st_size > MAX_FILE:
                raise ValueError("it is too large")
            return file.read()

    def save(self, sessions: Sessions, names: Lockout, addresses: Lockout, now: Now, last: bool = False) -> None:
        """Write what changed. That somebody did something is written once in a while; `last`: at once."""
        with self._lock:
            state = (sessions.revision, names.revision, addresses.revision)
            idle = state == self._saved and not (sessions.touched and (last or now.monotonic >= self._saved_at + EVERY))
            if idle:
                return
            self._saved, self._saved_at, sessions.touched = state, now.monotonic, False
            try:
                self._write(_told(sessions, names, addresses, now))
                self._failed = False
            except OSError as fault:
                self._give_up(fault)

    def _write(self, told: _File) -> None:
        fresh = self.path.with_name(f".{self.path.name}.new")
        fresh.unlink(missing_ok=True)
        with open(open_private(fresh, os.O_EXCL), "wb") as file:
            file.write(told.model_dump_json().encode())
        Disk().replace(fresh, self.path)

    def _give_up(self, fault: OSError) -> None:
        """Without the file no session comes back that has ended since it was written."""
        if not self._failed:
            why = fault.strerror or str(fault)
            structlog.get_logger().error("sessions can't be kept over a restart", file=str(self.path), why=why)
        self._failed = True
        try:
            self.path.unlink(missing_ok=True)
        except OSError as trouble:
            structlog.get_logger().error("an old file of sessions stays", file=str(self.path), why=trouble.strerror)


def _told(sessions: Sessions, names: Lockout, addresses: Lockout, now: Now) -> _File:
    since = now.utc - now.monotonic

    def failures(known: Lockout) -> list[_Failures]:
        return [
            _Failures(who=who, count=each.count, last=each.last + since, until=each.until + since)
            for who, each in known.known(now.monotonic)
        ]

    kept = [
        _Session(
            key=each.key, name=each.name, address=each.address, credentials=each.credentials,
            begun=each.begun + since, used=each.used + since,
        )
        for each in sessions.open()
    ]  # fmt: skip
    return _File(sessions=kept, names=failures(names), addresses=failures(addresses))
