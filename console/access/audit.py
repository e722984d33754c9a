"""The audit log: who did what, when, from where, and what came of it. Lines of JSON that are only ever added.

Each line carries the SHA-256 of the line before (`prev`, of its bytes without the line end) and its number `n` from 1,
over all files of the log: `audit-000001.jsonl` … are full, `audit.jsonl` is written to. `head` names the last line, so
that lines cut off at the end show, too. Whoever may write all of these files can make a log anew from some line on:
keep the hash that `syms users audit --verify` prints elsewhere now and then.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from archive.disk import Disk
from console.access.files import open_private, private_folder
from console.access.users import AccessFault
from protocol.clock import SECOND

CURRENT = "audit.jsonl"
FULL = "audit-[0-9][0-9][0-9][0-9][0-9][0-9].jsonl"
HEAD = "head"
MAX_FILE = 16 << 20
"""Bytes after which a new file begins."""
MAX_TEXT = 500
"""Characters of one field; more are cut."""
_TAIL = 64 << 10
"""No line is as long."""
NOTHING = "0" * 64
"""`prev` of the very first line."""


@dataclass(frozen=True)
class Done:
    """What somebody did, or tried to."""

    utc: int
    """ns UTC since 1970."""
    user: str
    role: str
    """His role at that time; "" if he was not signed in."""
    address: str
    """Where he was: an IP address, or `local` for the command line."""
    action: str
    object: str
    """What it was done to."""
    outcome: str
    """done, refused, failed, begun."""
    detail: str = ""


@dataclass(frozen=True)
class Verdict:
    """Whether a log is whole."""

    lines: int
    files: int
    last: str
    """SHA-256 of the last line."""
    faults: list[str]
    """As `file:line: what`."""


class Audit:
    """The log in a folder. Several processes may write it: each line is written with the folder locked."""

    def __init__(self, folder: Path, max_file: int = MAX_FILE) -> None:
        self.folder = folder
        self._max_file = max_file
        self._written = (0, NOTHING)
        """(number, hash) of the last line that this process wrote."""

    def write(self, done: Done) -> str:
        """Add a line, and have it on the disk before this returns: its hash. Raises AccessFault."""
        try:
            with _locked(self.folder):
                return self._add(done)
        except OSError as fault:
            raise AccessFault(
                f"the audit log in {self.folder} can't be written ({fault.strerror}), and nothing is done that does "
                "not stand in it; make room, or put its permissions right",
                "no_log",
            ) from fault

    def _add(self, done: Done) -> str:
        path = self.folder / CURRENT
        number, prev, torn = _last(path)
        if not number and (full := _full(self.folder)):
            number, prev, _ = _last(full[-1])
        elif path.exists() and path.stat().st_size >= self._max_file:
            Disk().rename(path, self.folder / f"audit-{len(_full(self.folder)) + 1:06d}.jsonl")
            torn = False
        # Where the end is missing the numbers go on from what was written, so that the gap stays to be seen.
        for known in (_head(self.folder) or (0, NOTHING), self._written):
            number, prev = known if known[0] >= max(number, 1) else (number, prev)
        line = json.dumps({"n": number + 1, **_told(done), "prev": prev}, ensure_ascii=False).encode()
        handle = open_private(path, os.O_APPEND)
        try:
            raw, before = b"\n" * torn + line + b"\n", os.fstat(handle).st_size
            if os.write(handle, raw) != len(raw):
                os.ftruncate(handle, before)  # nobody was told that this line stands there
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(handle)
        finally:
            os.close(handle)
        key = hashlib.sha256(line).hexdigest()
        self._written = (number + 1, key)
        self._keep_head(*self._written)
        return key

    def _keep_head(self, number: int, key: str) -> None:
        fresh = self.folder / f".{HEAD}"
        with open(open_private(fresh, os.O_TRUNC), "w") as file:
            file.write(f"{number} {key}\n")
        Disk().replace(fresh, self.folder / HEAD)

    def files(self) -> list[Path]:
        """Oldest first."""
        current = self.folder / CURRENT
        return [*_full(self.folder), *([current] if current.exists() else [])]

    def to_copy(self) -> list[Path]:
        """All files, in the order in which they are copied while somebody writes: what the head names is there then."""
        head = self.folder / HEAD
        return [*([head] if head.exists() else []), *self.files()]

    def lines(self, start: int | None = None, end: int | None = None) -> Iterator[dict[str, Any]]:
        """What was done in [start, end) ns UTC, as it stands there, oldest first; without lines that can't be read."""
        for path in self.files():
            with open(path, "rb") as file:
                for raw in file:
                    line = _read(raw)
                    utc = _instant(line)
                    if utc is not None and (start is None or utc >= start) and (end is None or utc < end):
                        yield line

    def verify(self) -> Verdict:
        """Go over all of it."""
        number, prev, faults, head = 0, NOTHING, list[str](), _head(self.folder)
        for path in self.files():
            with open(path, "rb") as file:
                for at, raw in enumerate(file, 1):
                    number += 1
                    faults += [f"{path.name}:{at}: {what}" for what in _wrong(_read(raw), number, prev)]
                    if (found := _read(raw).get("n")) and isinstance(found, int):
                        number = found
                    prev = hashlib.sha256(raw.rstrip(b"\n")).hexdigest()
                    if head is not None and number == head[0] and prev != head[1]:
                        faults.append(f"{path.name}:{at}: is not the line {number} that was written")
        if head is None and number:
            faults.append(
                f"{HEAD}:1: is missing or unreadable, so that nobody knows whether lines are cut off at the end"
            )
        elif head is not None and number < head[0]:
            faults.append(f"{CURRENT}:1: ends with line {number}, but {head[0]} were written: the end is cut off")
        return Verdict(number, len(self.files()), prev, faults)


def _wrong(line: dict[str, Any], number: int, prev: str) -> Iterator[str]:
    if not line:
        yield "is no whole line of a log (a power cut in the middle of writing, or damage)"
        return
    if line.get("n") != number:
        yield f"has number {line.get('n')} where {number} should be: lines are missing or were added"
    if line.get("prev") != prev:
        yield "the line before is not the one that was there when this was written"


def _told(done: Done) -> dict[str, Any]:
    when = datetime.fromtimestamp(done.utc // SECOND, UTC)
    fields = {name: str(value)[:MAX_TEXT] for name, value in asdict(done).items() if name != "utc"}
    return {"utc": f"{when:%Y-%m-%dT%H:%M:%S}.{done.utc % SECOND:09d}Z", **fields}


def _read(raw: bytes) -> dict[str, Any]:
    try:
        line = json.loads(raw)
    except ValueError:
        return {}
    return line if isinstance(line, dict) and raw.endswith(b"\n") else {}


def _instant(line: dict[str, Any]) -> int | None:
    try:
        whole, _, rest = line["utc"].removesuffix("Z").partition(".")
        return int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp()) * SECOND + int(rest)
    except (KeyError, ValueError, AttributeError):
        return None


def _last(path: Path) -> tuple[int, str, bool]:
    """(number, hash, whether its line end is missing) of the last line of a file; 0 if there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            raw = file.read()
    except FileNotFoundError:
        raw = b""
    if not raw:
        return 0, NOTHING, False
    lines = raw.removesuffix(b"\n").split(b"\n")
    numbers = (
        _read(line + b"\n").get("n", 0) + after for after, line in enumerate(reversed(lines)) if _read(line + b"\n")
    )
    return next(numbers, len(lines)), hashlib.sha256(lines[-1]).hexdigest(), not raw.endswith(b"\n")


def _head(folder: Path) -> tuple[int, str] | None:
    try:
        number, key = (folder / HEAD).read_text().split()
        return int(number), key
    except (OSError, ValueError):
        return None


def _full(folder: Path) -> list[Path]:
    return sorted(folder.glob(FULL))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = private_folder(folder)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
