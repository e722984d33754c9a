"""Leases: work that waits, work that is at the workers, and who gets what next.

Every piece ends in one answer or is given up after its last attempt; a worker that fails or falls silent loses it
to another.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
TURNS = 4
"""After so many urgent pieces in a row one that is not has its turn."""


@dataclass
class _Lease(Generic[T]):
    work: T
    number: int
    attempt: int = 0
    worker: str = ""
    urgent: bool = False
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
        self._urgent: deque[_Lease[T]] = deque()
        """Goes before what is in `_waiting`, but for one in `TURNS`."""
        self._row = 0
        """Urgent pieces that went before others in a row."""
        self._out: dict[int, _Lease[T]] = {}
        self._load: OrderedDict[str, int] = OrderedDict((worker, 0) for worker in workers)
        """Worker -> pieces it has; in order of their last turn."""
        self._silent: set[str] = set()
        """Workers that let a lease run out and have not answered since: asked last."""
        self._next = first
        self.resent = 0

    @property
    def workers(self) -> list[str]:
        """Who is given work."""
        return list(self._load)

    def join(self, worker: str) -> None:
        """One more is given work; one that is there already stays as it is."""
        self._load.setdefault(worker, sum(lease.worker == worker for lease in self._out.values()))

    def leave(self, worker: str) -> None:
        """It is given nothing more; what it has it may still answer."""
        self._load.pop(worker, None)

    def forget(self, worker: str) -> None:
        """It is gone: what it had waits again, before all else, and that was no attempt."""
        self.leave(worker)
        for lease in [lease for lease in self._out.values() if lease.worker == worker]:
            lease.attempt -= 1
            self._back(lease)

    @property
    def waiting(self) -> int:
        return len(self._waiting) + len(self._urgent)

    @property
    def urgent(self) -> int:
        """Urgent pieces that have no answer yet."""
        return len(self._urgent) + sum(lease.urgent for lease in self._out.values())

    @property
    def out(self) -> int:
        return len(self._out)

    def add(self, work: T, urgent: bool = False) -> int:
        """Put work at the end of the queue, or before all that is not urgent; returns its lease number."""
        (self._urgent if urgent else self._waiting).append(_Lease(work, self._next, urgent=urgent))
        self._next += 1
        return self._next - 1

    def pending(self) -> list[tuple[int, T]]:
        """(lease number, work) of all that has no answer yet, oldest first."""
        every = [*self._out.values(), *self._urgent, *self._waiting]
        return sorted(((lease.number, lease.work) for lease in every), key=lambda one: one[0])

    def send(self, mono: int) -> Iterator[Sent[T]]:
        """Give out what may be given out now."""
        while self.waiting and len(self._out) < self._in_flight:
            urgent = bool(self._urgent) and (self._row < TURNS or not self._waiting)
            queue = self._urgent if urgent else self._waiting
            lease = queue[0]
            worker = self._freest(lease.worker)
            if worker is None:
                return
            queue.popleft()
            self._row = self._row + 1 if urgent and self._waiting else 0
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
            self._unload(lease.worker)
            return lease.work
        for queue in (self._urgent, self._waiting):
            for waiting in queue:
                if waiting.number == number:
                    queue.remove(waiting)
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
        if lease.attempt >= self._attempts:
            del self._out[lease.number]
            self._unload(lease.worker)
            return Dead(lease.work, lease.number, lease.attempt, lease.error)
        self._back(lease)
        return None

    def _back(self, lease: _Lease[T]) -> None:
        """To the head of its queue."""
        del self._out[lease.number]
        self._unload(lease.worker)
        (self._urgent if lease.urgent else self._waiting).appendleft(lease)

    def _unload(self, worker: str) -> None:
        """It has one piece less; one that has left is not counted any more."""
        if worker in self._load:
            self._load[worker] -= 1

    def _freest(self, last: str) -> str | None:
        """The worker with the fewest pieces; those silent, and the one that had this piece before, come last."""
        free = [name for name, load in self._load.items() if load < self._each]
        return min(free, key=lambda name: (name in self._silent, name == last, self._load[name]), default=None)
