"""Windows: the recent samples of all devices of a table, cut into windows when they are due, and leased to workers.

A window of a device ends at a multiple of `every`, shifted by the device's own phase if staggered; it is due when
its last slot (or a later one) was released, never by the clock. A device's first window begins after its first
sample. Gaps up to a limit are interpolated and marked; a window with a longer gap, or with too few samples, can't
be judged.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

F4 = NDArray[np.float32]
I8 = NDArray[np.int64]
U1 = NDArray[np.uint8]

NO_SLOT = -(1 << 62)
GOLDEN = 0.6180339887498949
"""Fractional part of the golden ratio: its multiples modulo 1 are spread as evenly as can be (Weyl 1916)."""


@dataclass(frozen=True)
class Cut:
    """A window of one device."""

    device: int
    first: int
    """slot of the first sample"""
    values: F4
    """[n], NaN where nothing was measured"""


class Samples:
    """The last `length` samples of one quantity of every device of a table, and which windows of them are due."""

    def __init__(self, length: int, every: int, stagger: bool = True) -> None:
        """`length` of a window and `every` in slots."""
        if length < 1 or every < 1:
            raise ValueError(f"window of {length} samples every {every}: both must be at least one sample")
        self.length, self.every, self._stagger = length, every, stagger
        self._size = length + max(64, length // 4)
        self._slot = np.full(self._size, NO_SLOT, dtype=np.int64)
        self._values = np.zeros((0, self._size), dtype=np.float32)
        self._column: dict[int, int] = {}
        self._device: list[int] = []
        self._end = np.zeros(0, dtype=np.int64)
        """[m] slot after the next window's last one"""
        self._last = (np.zeros(0, dtype=np.uint32), np.zeros(0, dtype=np.int64))
        """The devices of the last push and their columns: they seldom change."""

    def push(self, slot: I8, device: NDArray[np.uint32], values: F4, late: int = 0) -> Iterator[Cut]:
        """Take released slots [k] (ascending) of devices [m], values [k, m] (NaN = missing); yields due windows.

        `late`: how long ago they should have been released, in slots. Slots may come again (whoever aligns them
        was started anew and fetched what it could): what was missing is filled in, no window is cut twice.
        """
        column = self._columns(device, values, slot)
        room = self._size - self.length
        for at in range(0, slot.size, room):
            part = slot[at : at + room]
            yield from self._push(part, column, values[at : at + room], late)

    def _push(self, slot: I8, column: I8, values: F4, late: int) -> Iterator[Cut]:
        at = slot % self._size
        self._values[:, at[self._slot[at] != slot]] = np.nan
        cells = np.ix_(column, at)
        self._values[cells] = np.where(np.isnan(values.T), self._values[cells], values.T)
        self._slot[at] = slot
        top = int(slot[-1])
        self._rewind(int(slot[0]), max(late, 0))
        for one in np.flatnonzero(self._end <= top + 1).tolist():
            yield from self._cut(one, top)

    def _cut(self, column: int, top: int) -> Iterator[Cut]:
        """All windows of a device that are due, those without a single sample left out."""
        end = int(self._end[column])
        oldest = top + 1 - self._size + self.length
        if end < oldest:
            end += -(-(oldest - end) // self.every) * self.every
        while end <= top + 1:
            slots = np.arange(end - self.length, end)
            at = slots % self._size
            values = np.where(self._slot[at] == slots, self._values[column, at], np.float32(np.nan))
            if not np.isnan(values).all():
                yield Cut(self._device[column], end - self.length, values)
            end += self.every
        self._end[column] = end

    def _rewind(self, slot: int, late: int) -> None:
        """If slots went back (a wrong clock had led the way), windows begin anew there.

        A slot that comes late is no sign of that: time went on meanwhile.
        """
        astray = np.flatnonzero(self._end > slot + late + self.length + 2 * self.every)
        for one in astray.tolist():
            self._end[one] = self._first_end(self._device[one], slot)

    def _first_end(self, device: int, first: int) -> int:
        """End of the first window that begins at slot `first` or later."""
        phase = int(device * GOLDEN % 1.0 * self.every) if self._stagger else 0
        return first + self.length + (phase - first - self.length) % self.every

    def _columns(self, device: NDArray[np.uint32], values: F4, slot: I8) -> I8:
        if np.array_equal(device, self._last[0]):
            return self._last[1]
        for at, number in enumerate(device.tolist()):
            if number not in self._column:
                self._column[number] = len(self._device)
                self._device.append(number)
                there = np.flatnonzero(~np.isnan(values[:, at]))
                first = int(slot[there[0]]) if there.size else int(slot[-1]) + 1
                self._end = np.append(self._end, self._first_end(number, first))
        self._widen()
        columns = np.array([self._column[number] for number in device.tolist()], dtype=np.int64)
        self._last = (device.copy(), columns)
        return columns

    def _widen(self) -> None:
        have, want = self._values.shape[0], len(self._device)
        if want > have:
            more = max(want, 2 * have) - have
            self._values = np.concatenate([self._values, np.full((more, self._size), np.nan, dtype=np.float32)])


def fill(values: F4, longest: int) -> tuple[F4, U1] | None:
    """Values [n] with gaps up to `longest` samples interpolated (held at the ends), and where: (values, filled).

    None if a gap is longer or nothing was measured.
    """
    missing = np.isnan(values)
    if not missing.any():
        return values, np.zeros(values.size, dtype=np.uint8)
    edges = np.flatnonzero(np.diff(missing.astype(np.int8), prepend=0, append=0))
    if missing.all() or int((edges[1::2] - edges[::2]).max()) > longest:
        return None
    at = np.arange(values.size)
    filled = np.interp(at, at[~missing], values[~missing].astype(np.float64)).astype(np.float32)
    return filled, missing.astype(np.uint8)


T = TypeVar("T")


@dataclass
class _Lease(Generic[T]):
    work: T
    number: int
    attempt: int = 0
    worker: str = ""
    until: int = 0
    """monotonic ns"""
    error: str = ""


@dataclass(frozen=True)
class Sent(Generic[T]):
    """Work to be sent to a worker."""

    work: T
    lease: int
    attempt: int
    worker: str


@dataclass(frozen=True)
class Dead(Generic[T]):
    """Work given up after its last attempt."""

    work: T
    lease: int
    attempt: int
    error: str


class Leases(Generic[T]):
    """Work waiting, work at the workers, and who gets what next. Every piece ends in one answer or one `Dead`."""

    def __init__(
        self, workers: Sequence[str], in_flight: int, timeout: int, attempts: int, each: int = 2, first: int = 0
    ) -> None:
        """At most `in_flight` pieces out, `each` per worker; `timeout` [ns]; numbers begin at `first`."""
        self._in_flight, self._timeout, self._attempts, self._each = in_flight, timeout, attempts, each
        self._waiting: deque[_Lease[T]] = deque()
        self._out: dict[int, _Lease[T]] = {}
        self._load: OrderedDict[str, int] = OrderedDict((worker, 0) for worker in workers)
        """Worker -> pieces it has; in order of their last turn."""
        self._silent: set[str] = set()
        """Workers that let a lease run out and have not answered since: asked last."""
        self._next = first
        self.resent = 0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def out(self) -> int:
        return len(self._out)

    def add(self, work: T) -> int:
        """Put work at the end of the queue; returns its lease number."""
        self._waiting.append(_Lease(work, self._next))
        self._next += 1
        return self._next - 1

    def send(self, mono: int) -> Iterator[Sent[T]]:
        """Give out what may be given out now."""
        while self._waiting and len(self._out) < self._in_flight:
            lease = self._waiting[0]
            worker = self._freest(lease.worker)
            if worker is None:
                return
            self._waiting.popleft()
            lease.attempt, lease.worker, lease.until = lease.attempt + 1, worker, mono + self._timeout
            self._load[worker] += 1
            self._load.move_to_end(worker)
            self._out[lease.number] = lease
            self.resent += lease.attempt > 1
            yield Sent(lease.work, lease.number, lease.attempt, worker)

    def done(self, number: int, worker: str) -> T | None:
        """A worker answered: its work, or None if it was answered before (or is not ours)."""
        self._silent.discard(worker)
        lease = self._out.pop(number, None)
        if lease is not None:
            self._load[lease.worker] -= 1
            return lease.work
        for waiting in self._waiting:
            if waiting.number == number and waiting.attempt:
                self._waiting.remove(waiting)
                return waiting.work
        return None

    def failed(self, number: int, attempt: int, worker: str, error: str) -> Dead[T] | None:
        """A worker could not do it: again, by another if there is one; or dead, after the last attempt."""
        self._silent.discard(worker)
        lease = self._out.get(number)
        if lease is None or lease.attempt != attempt:
            return None
        lease.error = error
        return self._again(lease)

    def expire(self, mono: int) -> list[Dead[T]]:
        """Leases whose worker fell silent: again by another, or dead."""
        dead = []
        for lease in [lease for lease in self._out.values() if lease.until <= mono]:
            self._silent.add(lease.worker)
            lease.error = f"no answer from {lease.worker} within {self._timeout / 1e9:g} s"
            dead.append(self._again(lease))
        return [one for one in dead if one is not None]

    def wake_at(self) -> int | None:
        """Monotonic ns when the next lease runs out."""
        return min((lease.until for lease in self._out.values()), default=None)

    def _again(self, lease: _Lease[T]) -> Dead[T] | None:
        del self._out[lease.number]
        self._load[lease.worker] -= 1
        if lease.attempt >= self._attempts:
            return Dead(lease.work, lease.number, lease.attempt, lease.error)
        self._waiting.appendleft(lease)
        return None

    def _freest(self, last: str) -> str | None:
        """The worker with the fewest pieces; those silent, and the one that had this piece before, come last."""
        free = [name for name, load in self._load.items() if load < self._each]
        return min(free, key=lambda name: (name in self._silent, name == last, self._load[name]), default=None)
