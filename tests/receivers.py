"""A receiver on a kernel and a balancer of the test's own: it can be killed at every step that leaves a trace.

What it looks at, takes, writes and says are the steps. Bytes, journal and balancer outlive it, as they do outside.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archive.journal import Journal
from nodes import _retiring
from nodes import receiver as module
from nodes._node import Place
from nodes._peek import CHUNK, DatagramEnd, Machine, StreamEnd
from nodes._rows import COLUMNS
from nodes.receiver import Receiver, Settings
from protocol import wire
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Configuration, Measurements, Tally

TICK = 20 * MILLISECOND
BALANCER = "front"
SEGMENT = 4000
"""Bytes of a file of the journal: heads are as common as groups."""


class KilledError(BaseException):
    """The process ends here; nothing in it gets to know."""


class Steps:
    """Counts what leaves a trace, and kills at some of it."""

    def __init__(self, kill_at: set[int] | None = None) -> None:
        self.count = 0
        self.kill_at = kill_at or set()
        self.where: Counter[str] = Counter()

    def step(self, what: str) -> None:
        self.count += 1
        if self.count in self.kill_at:
            self.where[what] += 1
            raise KilledError(what)


@dataclass
class Socket:
    """A device's connection, as the kernel has it."""

    queue: bytearray = field(default_factory=bytearray)
    datagrams: deque[tuple[bytes, str]] = field(default_factory=deque)
    taken: int = 0
    finished: bool = False
    hung_up: bool = False
    sent: list[bytes] = field(default_factory=list)
    """Commands to the device."""


class Stream(StreamEnd):
    """Of TCP."""

    def __init__(self, number: int, of: Socket, steps: Steps) -> None:
        self.number, self.of, self.steps = number, of, steps

    def fileno(self) -> int:
        return self.number

    def look(self, skip: int, room: int = CHUNK) -> bytes | None:
        if len(self.of.queue) > skip:
            return bytes(self.of.queue[skip : skip + room])
        return b"" if (self.of.finished or self.of.hung_up) and not skip else None

    def take(self, size: int) -> None:
        self.steps.step("take")
        half = size // 2
        for part in (half, size - half):
            del self.of.queue[:part]
            self.of.taken += part
            self.steps.step("taken")

    def queued(self) -> int:
        return len(self.of.queue)

    def position(self, expected: int) -> int:
        return self.of.taken

    def send(self, data: bytes) -> int:
        self.steps.step("send")
        self.of.sent.append(data)
        return len(data)

    def hang_up(self) -> None:
        self.steps.step("hang up")
        self.of.hung_up = True

    def copy(self) -> Any:
        return self.number

    def close(self) -> None:
        """The balancer has a duplicate."""


class Datagrams(DatagramEnd):
    """Of UDP."""

    def __init__(self, number: int, of: Socket, steps: Steps) -> None:
        self.number, self.of, self.steps, self.seen = number, of, steps, 0

    def fileno(self) -> int:
        return self.number

    def look(self) -> tuple[bytes, str] | None:
        if self.seen >= len(self.of.datagrams):
            return None
        self.seen += 1
        return self.of.datagrams[self.seen - 1]

    def again(self) -> None:
        self.seen = 0

    def take(self, count: int) -> None:
        for _ in range(count):
            self.steps.step("take datagram")
            self.of.datagrams.popleft()
            self.seen = max(0, self.seen - 1)

    def send(self, data: bytes, target: tuple[str, int]) -> None:
        self.of.sent.append(data)

    def hang_up(self) -> None:
        """Nobody is to be told."""

    def close(self) -> None:
        """The balancer has a duplicate."""


class Kernel(Machine):
    """All sockets, by descriptor."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.sockets: dict[int, Socket] = {}

    def stream(self, descriptor: int) -> StreamEnd:
        return Stream(descriptor, self.sockets[descriptor], self.steps)

    def datagrams(self, descriptor: int) -> DatagramEnd:
        return Datagrams(descriptor, self.sockets[descriptor], self.steps)

    def watch(self, fd: int) -> None:
        """All of them are looked at."""

    def forget(self, fd: int) -> None:
        """All of them are looked at."""

    def ready(self, watched: Any) -> list[int]:
        return sorted(watched)

    def close(self) -> None:
        """Sockets outlive it."""


@dataclass
class Link:
    """A connection, as the balancer knows it."""

    fields: dict[str, Any]
    descriptors: list[int]
    numbers: set[int] = field(default_factory=set)
    given: bool = False


class Balancer:
    """In the place of the receiver's channels: notes in flight die with the receiver, connections do not."""

    def __init__(self, steps: Steps, known: dict[int, int], patience: int = 2) -> None:
        """`known`: stream -> link number; `patience`: ticks until an answer."""
        self.steps, self.known, self.patience = steps, known, patience
        self.links: dict[int, Link] = {}
        self.notes: list[tuple[int, dict[str, Any], list[int]]] = []
        self.more: dict[int, dict[str, Any]] = {}
        """Link number -> what else is said of it."""
        self.wanted: list[int] = []
        """Connections whose data pipes are."""
        self.turn = 0
        self.joined = self.reborn = False
        self.version = ""
        """Of the site file."""
        self.site: dict[int, dict[str, Any] | None] = {}
        """Stream -> the device that it is by a changed site file, None: nobody. Others are as they were."""
        self.passed = ""
        """The receiver that has left, and passed on what it had."""
        self.missing: list[str] = []
        self.holding: Callable[[str], list[Any]] = lambda balancer: []

    def connect(self, id_: int, how: str, peer: tuple[str, int], descriptors: list[int], **fields: Any) -> None:
        target = fields.get("target")
        note = {"connection": id_, "how": how, "peer": peer, "target": target, "cfg3": False}
        self.links[id_] = Link(note | {"stream": None} | fields, descriptors)

    def died(self) -> None:
        """The receiver did."""
        self.notes, self.joined = [], False

    def anew(self) -> None:
        """The balancer itself died, and was started anew: it was brought what the receiver holds."""
        self.notes, self.reborn = [], True

    def hear(self, now: Now, at_most: int) -> Iterator[tuple[str, dict[str, Any], list[int]]]:
        self.turn += 1
        if self.reborn:
            self.reborn = False
            yield BALANCER, {"say": "gone"}, []
            yield BALANCER, {"say": "welcome", "life": 2, "coming": [], "site": self.version}, []
        if not self.joined:
            self.joined = True
            coming = [id_ for id_, link in self.links.items() if link.given]
            yield BALANCER, {"say": "welcome", "life": 1, "coming": coming, "site": self.version}, []
            for link in list(self.links.values()):
                if link.given:
                    yield BALANCER, self._note(link), link.descriptors
        for link in list(self.links.values()):
            if not link.given:
                note = self._note(link)
                link.given = True
                yield BALANCER, note, link.descriptors
        for each in [each for each in self.notes if each[0] <= self.turn]:
            self.notes.remove(each)  # now: who stops listening hears the others next time
            yield BALANCER, each[1], each[2]

    def _note(self, link: Link) -> dict[str, Any]:
        passed = self.passed if link.given else ""
        return {"say": "link", **link.fields, "again": link.given, "numbers": sorted(link.numbers), "passed": passed}

    def say(self, balancer: str, what: str, **fields: Any) -> None:
        self.steps.step(what)
        link = self.links.get(fields["connection"])
        if link is None:
            return
        if what == "ended":
            del self.links[fields["connection"]]
        elif what == "open":
            self.wanted.append(fields["connection"])
        elif what == "identify":
            number = self.known.get(fields["stream"])
            answer: dict[str, Any] = {"say": "refused", "reason": "nobody we know"}
            if number:
                for other in self.links.values():
                    other.numbers.discard(number)
                link.numbers.add(number)
                device = {"number": number, "name": f"device {number}", **self.more.get(number, {})}
                answer = {"say": "identity", "device": device}
            if fields["stream"] in self.site:
                named = self.site[fields["stream"]]
                answer = {"say": "identity", "device": named} if named else {"say": "refused", "reason": "left out"}
            self.notes.append((self.turn + self.patience, fields | answer, []))

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""


class PlainKeeper:
    """A keeper without threads, so that a test may end it anywhere."""

    steps: Steps
    trouble = ""
    written = True
    counters: dict[str, int] = {}  # noqa: RUF012

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.journal = Journal(folder, segment=SEGMENT)

    def records(self, since: int = 0) -> Any:
        return self.journal.records(since)

    @property
    def epochs(self) -> list[tuple[int, int, int]]:
        return self.journal.epochs

    @property
    def last_epoch(self) -> int:
        return self.journal.last_epoch

    def open(self, epoch: int, now: Now, head: Callable[[], list[bytes]]) -> None:
        self.head = head
        self.steps.step("open")
        self.journal.open(epoch, now.utc, head())
        self.steps.step("opened")

    def commit(self, first: int, words: Any, notes: Any, now: Now) -> bool:
        self.steps.step("commit")
        self.journal.append(first, words, notes)
        self.steps.step("committed")
        if self.journal.full:
            self.journal.roll(now.utc, self.head())
            self.steps.step("rolled")
        return True

    def fetch(self, epoch: int, first: int, last: int) -> Any:
        return self.journal.fetch(epoch, first, last)

    def trim(self, epoch: int, next: int, now: Now) -> None:
        """Everything is kept."""

    def close(self) -> None:
        self.journal.close()


@dataclass
class Outcome:
    """What readers of all epochs see."""

    rows: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    """(device, time, snapped, quality, status, aside, values, digital, version of the configuration) -> how often"""
    books: dict[int, list[int]] = field(default_factory=dict)
    """Device -> counts of all epochs together, by the last word of each."""
    unknown: list[int] = field(default_factory=list)
    epochs: int = 0


class World:
    """Devices, kernel, balancer, journal; and a receiver as long as it lives."""

    def __init__(self, folder: Path, steps: Steps, known: dict[int, int]) -> None:
        self.folder, self.steps = folder, steps
        self.kernel, self.balancer = Kernel(steps), Balancer(steps, known)
        self.now = Now(10**12, 1_600_000_000 * SECOND)
        self.receiver: Receiver | None = None
        self.raw: tuple[str, ...] = ()
        """Links whose frames are wanted as they come."""
        self.run = ""
        self.deaths = 0
        PlainKeeper.steps = steps

    def turn(self) -> None:
        """One tick of time; a receiver that is killed is started anew in it."""
        self.now = Now(self.now.monotonic + TICK, self.now.utc + TICK)
        self._alive(lambda receiver: receiver.wake(self.now))

    def kill(self) -> None:
        """The receiver, between two of its steps."""
        assert self.receiver
        self._died()

    def _died(self) -> None:
        self.deaths += 1
        self.balancer.died()
        if self.receiver and self.receiver.keeper:
            self.receiver.keeper.close()
        self.receiver = None

    def stop(self) -> None:
        """The station stops, in earnest."""
        while self.receiver is None or not self._alive(lambda receiver: receiver.stop(self.now)):
            self.turn()

    def _alive(self, work: Callable[[Receiver], Any]) -> bool:
        """Whether it lived through it."""
        try:
            if self.receiver is None:
                self._start()
            assert self.receiver
            work(self.receiver)
        except KilledError:
            self._died()
            return False
        return True

    @property
    def place(self) -> Place:
        return Place(name="receivers.1", node="receivers", copy=1, readers_of={}, sources={"balancer": [BALANCER]},
                     run=self.run, site={}, pipeline="", journal=self.folder, raw=self.raw)  # fmt: skip

    def _start(self) -> None:
        self.receiver = Receiver(Settings(), self.place, self.kernel)
        self.receiver.balancers = self.balancer  # type: ignore[assignment]
        self.receiver.start(self.now)

    def outcome(self, unknown: list[int]) -> Outcome:
        """From the journal alone."""
        seen = Outcome(unknown=unknown)
        journal = Journal(self.folder, segment=SEGMENT)
        last: dict[tuple[int, int], list[int]] = {}
        for epoch, first, next in journal.epochs:
            seen.epochs += 1
            meant: dict[int, int] = {}
            numbers = []
            for number, parts in journal.fetch(epoch, first, next):
                numbers.append(number)
                _read(wire.unpack(parts), seen.rows, meant, last)
            assert numbers == list(range(next))
        journal.close()
        for (_, device), counts in last.items():
            total = seen.books.setdefault(device, [0] * len(COLUMNS))
            total[:] = [a + b for a, b in zip(total, counts, strict=True)]
        return seen


def _read(word: Any, rows: Counter[tuple[Any, ...]], meant: dict[int, int], last: dict[Any, list[int]]) -> None:
    if isinstance(word, Configuration):
        meant[word.device] = word.version
    elif isinstance(word, Measurements):
        for k, device in enumerate(word.device.tolist()):
            values = word.values[k].tobytes(), word.digital[k].tobytes()
            at = int(word.time[k]), int(word.snapped[k]), int(word.quality[k]), int(word.status[k]), int(word.aside[k])
            rows[device, *at, *values, meant[device]] += 1
    elif isinstance(word, Tally):
        table = np.column_stack([word.received, word.corrupt, word.refused, word.lost]).tolist()
        for device, counts in zip(word.device.tolist(), table, strict=True):
            last[word.of or word.epoch, device] = counts


def pieces(stream: bytes, seed: int, most: int = 400) -> list[bytes]:
    """A stream cut anywhere."""
    chosen, found, at = random.Random(seed), [], 0
    while at < len(stream):
        size = chosen.randint(1, most)
        found.append(stream[at : at + size])
        at += size
    return found


@pytest.fixture
def plain_keeper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Receivers keep their journals without threads."""
    monkeypatch.setattr(module, "Keeper", PlainKeeper)
    monkeypatch.setattr(_retiring, "Keeper", PlainKeeper)
