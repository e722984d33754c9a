"""Monitor: the machine that the station stands on, its clock and its disks.

It asks whoever keeps the clock (`nodes/_timesource.py`) with a program of its own, and never waits for the answer.
A clock that steps shows by itself: UTC then moves otherwise than the monotonic clock does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from pydantic import Field

from nodes import _timesource
from nodes._machine import DiskState, Steps, disk_of, folders_of
from nodes._node import Action, Node, Place, Unwatch, Watch
from nodes._settings import Duration, FilePath, Share, Size
from nodes._settings import Settings as Base
from nodes._timesource import ClockState, Witness
from protocol.clock import MILLISECOND, SECOND, Now

EVERY = 10 * SECOND
PATIENCE = SECOND
"""That a program has to answer."""
SEARCH_EVERY = 60 * SECOND
"""Where nobody answered, all are asked again so often; the kernel each time."""
LOOK_EVERY = SECOND
"""At steps of the clock."""
REMEMBER = 600 * SECOND
"""So long a step is an alarm; it stays counted."""
LONGEST = 65_536
"""Bytes read of an answer."""
PROGRAMS = "/usr/sbin:/sbin:/usr/local/sbin"
"""Where programs lie besides PATH."""


class Settings(Base):
    """Monitor: when the machine's clock and disks are an alarm."""

    offset: Duration = 20 * MILLISECOND
    """Greatest deviation of the clock, and greatest step, that is no alarm."""
    stale: Duration = 2 * 3600 * SECOND
    """The clock's reference may be silent for so long."""
    disks: list[FilePath] = Field(default_factory=list)
    """Folders whose disks are watched; by default those of the pipeline's archives and journals."""
    free: Share = 0.05
    """Share of a disk that should stay free …"""
    least: Size = 1 << 30
    """… and bytes that should."""


@dataclass
class Enquiry:
    """A program that was asked, and what it has said so far."""

    witness: Witness
    child: subprocess.Popen[bytes]
    until: int
    """Monotonic ns."""
    said: bytes = b""

    @property
    def fd(self) -> int:
        """To be watched."""
        assert self.child.stdout is not None
        return self.child.stdout.fileno()


class Monitor(Node):
    """See the module."""

    NICE = 5

    def __init__(self, settings: Settings, place: Place, witnesses: Sequence[Witness] = _timesource.WITNESSES,
                 kernel: Callable[[], ClockState | None] = _timesource.kernel) -> None:  # fmt: skip
        self.settings, self.place = settings, place
        self.log = structlog.get_logger().bind(node=place.name)
        self.clock: ClockState | None = None
        """As it was last told; None before, and where nobody tells."""
        self.steps = Steps(settings.offset)
        self.disks: list[DiskState] = []
        self.trouble: list[str] = []
        self.counters: dict[str, float] = {"clock_unanswered": 0}
        self._witnesses, self._kernel = list(witnesses), kernel
        self._ask: list[Witness] = []
        self._enquiry: Enquiry | None = None
        self._ended: list[subprocess.Popen[bytes]] = []
        self._ask_at = self._look_at = self._search_at = 0
        self._folders: list[Path] = []
        self._utc = 0

    def start(self, now: Now) -> Iterator[Action]:
        """Find out what to watch."""
        self._folders = list(self.settings.disks) or folders_of(self.place)
        yield from self.wake(now)

    def wake_at(self) -> int | None:
        due = [self._ask_at, self._look_at]
        return min(due + ([self._enquiry.until] if self._enquiry else []))

    def wake(self, now: Now) -> Iterator[Action]:
        """Look at steps; ask anew, and give up who does not answer."""
        if now.monotonic >= self._look_at:
            self._look_at = now.monotonic + LOOK_EVERY
            self._utc = now.utc
            self._ended = [child for child in self._ended if child.poll() is None]
            if self.steps.look(now):
                self.log.warning("the clock was stepped", seconds=self.steps.last / SECOND)
        if self._enquiry and now.monotonic >= self._enquiry.until:
            self.counters["clock_unanswered"] += 1
            yield from self._close(self._enquiry)
            yield from self._next(now)
        if now.monotonic >= self._ask_at:
            self._ask_at = now.monotonic + EVERY
            self._measure_disks()
            if self._enquiry is None:
                self._ask = self._to_ask(now)
                yield from self._next(now)

    def ready(self, fd: int, now: Now) -> Iterator[Action]:
        """A program says something, or has ended."""
        asked = self._enquiry
        if asked is None or fd != asked.fd:
            return
        try:
            data = os.read(fd, LONGEST)
        except BlockingIOError:
            return
        asked.said += data
        if data and len(asked.said) < LONGEST:
            return
        yield from self._close(asked)
        told = asked.witness.parse(asked.said.decode(errors="replace"))
        if told is None:
            yield from self._next(now)
            return
        self._witnesses.sort(key=lambda witness: witness is not asked.witness)
        self._settle(told)

    def stop(self, now: Now) -> Iterator[Action]:
        """No program is left behind."""
        if self._enquiry:
            yield from self._close(self._enquiry)
        for child in self._ended:
            child.kill()
            child.wait()

    # asking

    def _to_ask(self, now: Now) -> list[Witness]:
        """All, if somebody answered the last time or it is long ago; else nobody but the kernel."""
        if self._ask_nobody(now):
            return []
        self._search_at = now.monotonic + SEARCH_EVERY
        return list(self._witnesses)

    def _ask_nobody(self, now: Now) -> bool:
        only_kernel = self.clock is None or self.clock.source == "the kernel"
        return only_kernel and now.monotonic < self._search_at

    def _next(self, now: Now) -> Iterator[Action]:
        """Ask the next that there is; at the end there is the kernel."""
        path = os.pathsep.join((os.environ.get("PATH", os.defpath), PROGRAMS))
        while self._ask:
            witness = self._ask.pop(0)
            program = shutil.which(witness.command[0], path=path)
            if program is None:
                continue
            with suppress(OSError):
                child = subprocess.Popen(
                    [program, *witness.command[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C", "TZ": "UTC", "PATH": path},
                )  # fmt: skip
                self._enquiry = Enquiry(witness, child, now.monotonic + PATIENCE)
                os.set_blocking(self._enquiry.fd, False)
                yield Watch(self._enquiry.fd)
                return
        self._settle(None)

    def _settle(self, told: ClockState | None) -> None:
        self.clock = _timesource.both(told, self._kernel())

    def _close(self, asked: Enquiry) -> Iterator[Action]:
        self._enquiry = None
        yield Unwatch(asked.fd)
        if asked.child.stdout is not None:
            asked.child.stdout.close()
        if asked.child.poll() is None:
            asked.child.kill()
            self._ended.append(asked.child)

    def _measure_disks(self) -> None:
        found: dict[int, DiskState] = {}
        self.trouble = []
        for folder in self._folders:
            try:
                number, state = disk_of(folder)
                found.setdefault(number, state)
            except OSError as fault:
                self.trouble.append(f"{folder}: {fault.strerror}: its disk can't be looked at")
        self.disks = list(found.values())

    # telling

    def health(self, now: Now) -> dict[str, Any]:
        """Clock and disks."""
        counters = {**self.counters, **self._clock_counters(), "clock_steps": self.steps.count}
        for disk in self.disks:
            counters[f"{disk.folder.name or 'root'}_free_gib"] = disk.free / 2**30
        return {"counters": counters, "alarms": [*self._clock_alarms(now), *self._disk_alarms(), *self.trouble]}

    def _clock_counters(self) -> dict[str, float]:
        clock = self.clock
        if clock is None:
            return {}
        told = {
            "clock_synchronised": int(clock.synchronised),
            "clock_offset_ms": None if clock.offset is None else clock.offset / MILLISECOND,
            "clock_error_ms": None if clock.error is None else clock.error / MILLISECOND,
            "clock_stratum": clock.stratum,
            "clock_leap_pending": clock.leap or None,
        }
        return {name: value for name, value in told.items() if value is not None}

    def _clock_alarms(self, now: Now) -> Iterator[str]:
        clock = self.clock
        if clock is not None and not clock.synchronised:
            yield (f"the station's clock is not synchronised ({clock.source}): all devices may seem late or early "
                   "together; see to chrony, ntpd or ptp4l on this machine")  # fmt: skip
        if clock is not None and clock.offset is not None and abs(clock.offset) > self.settings.offset:
            yield f"the station's clock is {ahead(clock.offset)}, says {clock.source}; see to its time server"
        if clock is not None and clock.updated is not None and now.utc - clock.updated > self.settings.stale:
            hours = (now.utc - clock.updated) / (3600 * SECOND)
            yield f"{clock.source}: nothing heard of the reference for {hours:.1f} h, the station's clock drifts"
        if self.steps.at is not None and now.monotonic < self.steps.at + REMEMBER:
            way = "forward" if self.steps.last > 0 else "back"
            yield (f"the station's clock was put {way} by {abs(self.steps.last) / SECOND:.3f} s, or the machine slept: "
                   "rows of that time may be set aside")  # fmt: skip
        if clock is not None and clock.leap:
            what = "put in" if clock.leap > 0 else "taken out"
            yield f"a leap second will be {what} at the end of the day or month (UTC): nothing to do"

    def _disk_alarms(self) -> Iterator[str]:
        for disk in self.disks:
            if disk.free < max(self.settings.free * disk.size, self.settings.least):
                share = disk.free / max(disk.size, 1)
                yield f"disk of {disk.folder}: {disk.free / 2**30:.1f} GiB ({share:.1%}) free; make room"


def ahead(offset: int) -> str:
    """An offset in words."""
    return f"{abs(offset) / MILLISECOND:.1f} ms {'ahead' if offset > 0 else 'behind'}"
