"""Data taken home from pages: `syms export` as a child process, its files in a folder of the station for a while.

Few at a time, each bounded in size; what came of one is its owner's alone and is gone some minutes later.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from protocol.clock import SECOND, Clock

BINARY = "comtrade_binary32"
FORMS = {"xlsx": ".xlsx", "comtrade": "", BINARY: "", "hdf5": ".h5", "csv": "", "mat": ".mat"} | (
    {"parquet": ""} if find_spec("pyarrow") else {}
)
"""Format -> how its file ends; "": a folder of files, which is packed into one."""
WORDS = {BINARY: ["--format", "comtrade", "--comtrade", "binary32"]}
"""How `syms export` is told of a format, where its name alone does not do."""
AT_ONCE = 1
"""Exports that run at a time; others wait."""
EACH, ALL = 2, 12
"""Exports of one user, and of all, that are waiting, running or ready."""
BYTES = 1 << 30
"""Most that one may write."""
RATE = 400_000
"""Rows a second: acquisition goes first."""
KEPT = 900.0
"""Seconds that a file waits to be fetched."""
LOOK_EVERY = 0.5


@dataclass(frozen=True)
class Order:
    """What is to be in it."""

    name: str
    """Of the file, without its end."""
    event: str = ""
    """Of an event: its time and devices, where nothing else is said."""
    devices: Sequence[int] | None = None
    """None: all."""
    quantities: Sequence[str] = ()
    """As `syms export --quantity` takes them; none: all."""
    span: tuple[str, str] | None = None
    """First instant, and the one after the last."""

    def words(self) -> list[str]:
        """For `syms export`."""
        told = ["--event", self.event] if self.event else []
        told += [word for device in self.devices or () for word in ("--device", str(device))]
        told += [word for quantity in self.quantities for word in ("--quantity", quantity)]
        return told + (["--from", self.span[0], "--to", self.span[1]] if self.span else [])


class Busy(Exception):
    """There are too many exports; the text is a key of the catalogue."""


@dataclass
class Job:
    """One export."""

    id: str
    owner: str
    order: Order
    form: str
    state: str = "waiting"
    """`waiting`, `running`, `ready`, `failed`, `cancelled`"""
    share: float = 0.0
    """Of its rows, 0 to 1."""
    error: str = ""
    path: Path | None = None
    """The file, when it is ready."""
    ended: int = 0
    """Monotonic, ns."""
    child: subprocess.Popen[str] | None = field(default=None, repr=False)

    @property
    def going(self) -> bool:
        return self.state in ("waiting", "running")


class Exports:
    """Of one console."""

    def __init__(self, folder: Path, archive: Path | None, clock: Clock) -> None:
        """`folder` is its own: what an earlier console left there is removed."""
        self._folder, self._archive, self._clock = folder, archive, clock
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._turns = threading.Semaphore(AT_ONCE)
        shutil.rmtree(folder, ignore_errors=True)

    def begin(self, owner: str, order: Order, form: str) -> Job:
        """Export something. Raises Busy, KeyError for a form that there is not."""
        FORMS[form]
        with self._lock:
            self._sweep()
            if sum(job.owner == owner for job in self._jobs.values() if job.going) >= EACH:
                raise Busy("export.busy_you")
            if len(self._jobs) >= ALL:
                raise Busy("export.busy_all")
            job = Job(secrets.token_urlsafe(12), owner, order, form)
            self._jobs[job.id] = job
        threading.Thread(target=self._run, args=(job,), name="export", daemon=True).start()
        return job

    def find(self, id_: str, owner: str) -> Job | None:
        """A job of its owner; nobody else's."""
        with self._lock:
            self._sweep()
            job = self._jobs.get(id_)
        return job if job is not None and job.owner == owner else None

    def cancel(self, job: Job) -> None:
        """It ends, and leaves nothing."""
        if job.going:
            job.state = "cancelled"
            if job.child is not None:
                job.child.terminate()

    def close(self) -> None:
        """The console ends: all of it is gone."""
        for job in list(self._jobs.values()):
            self.cancel(job)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _sweep(self) -> None:
        """What waited for too long."""
        now = self._clock().monotonic
        for job in [job for job in self._jobs.values() if not job.going and now - job.ended > KEPT * SECOND]:
            del self._jobs[job.id]
            shutil.rmtree(self._folder / job.id, ignore_errors=True)

    def _run(self, job: Job) -> None:
        """In a thread, which goes last."""
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        room = self._folder / job.id
        with self._turns:
            try:
                room.mkdir(parents=True, mode=0o700)
                if job.going:
                    job.state = "running"
                    job.path = self._written(job, room)
                    job.state = "ready" if job.going else job.state
            except (OSError, ValueError) as fault:
                if job.going:
                    job.state, job.error = "failed", str(fault)
            job.ended = self._clock().monotonic
        if job.state != "ready":
            shutil.rmtree(room, ignore_errors=True)
        else:
            timer = threading.Timer(KEPT + 1, self._sweep_locked)
            timer.daemon = True
            timer.start()

    def _sweep_locked(self) -> None:
        with self._lock:
            self._sweep()

    def _written(self, job: Job, room: Path) -> Path:
        """Raises OSError with what the verb says, ValueError."""
        out = room / f"{_plain(job.order.name)}{FORMS[job.form] or f'_{job.form}'}"
        command = [sys.executable, "-m", "commands", "export", str(self._archive), *job.order.words(), "--out",
                   str(out), *WORDS.get(job.form, ["--format", job.form]), "--rate-limit", str(RATE), "--json",
                   "--progress"]  # fmt: skip
        said: list[str] = []
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True) as child:  # fmt: skip
            job.child = child
            threading.Thread(target=_watch, args=(job, child, room), daemon=True).start()
            assert child.stderr is not None
            for line in child.stderr:
                told = _progress(line)
                if told is None:
                    said = [*said, line.strip()][-20:]
                else:
                    job.share = told
        if child.returncode != 0:
            raise OSError(job.error or " ".join(filter(None, said)) or f"it ended with {child.returncode}")
        return _packed(out, room) if out.is_dir() else out


def _watch(job: Job, child: subprocess.Popen[str], room: Path) -> None:
    """End it if it writes too much, or if somebody took it back before it began."""
    while child.poll() is None:
        if not job.going:
            child.terminate()
        elif _size(room) > BYTES:
            job.error = f"more than {BYTES >> 20} MB; use syms export on the station"
            child.terminate()
        time.sleep(LOOK_EVERY)


def _size(room: Path) -> int:
    found = 0
    for path in room.rglob("*"):
        with suppress(OSError):
            found += path.stat().st_size
    return found


def _progress(line: str) -> float | None:
    """0 to 1, of a line `{"rows": 10, "of": 200}`; None: it is no such line."""
    try:
        told = json.loads(line)
        return min(1.0, int(told["rows"]) / max(int(told["of"]), 1))
    except (ValueError, TypeError, KeyError):
        return None


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)[:100]


def _packed(folder: Path, room: Path) -> Path:
    """All files of a folder in one."""
    path = room / f"{folder.name}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out:
        for each in sorted(folder.rglob("*")):
            if each.is_file():
                out.write(each, each.relative_to(folder))
    shutil.rmtree(folder, ignore_errors=True)
    return path
