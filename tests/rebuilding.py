"""A station without processes: two receivers, a concentrator, a trigger, detectors and an archive, moved by hand.

Everything is told over one queue, so that a test can kill a node at any message, also in the middle of a call, lose
what it was about to send, and start another one on its journal. Receivers and archive never die here; a receiver
keeps what a concentrator's `Durable` does not cover, as its journal would.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nodes import concentrator, trigger
from nodes._keeper import Keeper
from nodes._node import Action, Letter, News, Node, Place
from nodes._stream import Reader, Writer
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Configuration, Durable, Fetch, Measurements, Table, Verdict, Window

TABLE = Table(10, 1, 0, 0)
STEP = SECOND // 10
BEGIN = Now(9_000 * SECOND, 1_700_000_000 * SECOND)
RECEIVERS, DETECTORS = ("receivers.1", "receivers.2"), ("prejudge.1", "prejudge.2")
VICTIMS = ("align", "windows", *DETECTORS)


QUEUE = 30


class KilledError(Exception):
    """A node ended in the middle of a call."""


@dataclass
class Kill:
    """When a node is to be killed."""

    victim: str
    call: int
    """At its so many-th call."""
    sent: int | None = None
    """So many of the call's actions are still done; None: it is killed before anything of the call was written."""
    away: int = 3
    """Steps until it is started anew."""


class Detector:
    """Judges at once; the score tells which samples it saw."""

    def __init__(self, name: str) -> None:
        self.name = name

    def receive(self, window: Window, now: Now) -> list[Action]:
        weights = np.arange(1, window.values.size + 1)
        return [Letter(window.trigger, self._verdict(window, float(window.values[0, 0].astype(float) @ weights)))]

    def _verdict(self, window: Window, score: float) -> Verdict:
        return Verdict(
            trigger=window.trigger, lease=window.lease, attempt=window.attempt, worker=self.name, algorithm="sum",
            version=1, device=window.device, start=window.start, stop=window.start, outcome="ok", suspicious=False,
            onset=0, score=score, detail={}, completeness=window.completeness,
        )  # fmt: skip


class Receiver:
    """Says a row of its device each step, and forgets what the concentrator does not need any more."""

    def __init__(self, name: str, device: int) -> None:
        self.device, self.writer = device, Writer(name, BEGIN.utc)
        self.rows = 0

    def step(self, now: Now, speak: bool) -> list[Action]:
        said: list[Action] = [] if self.rows else [self.writer.say(_configuration(self.device))]
        if speak:
            said.append(self.writer.say(_row(self.device, self.rows, now)))
        self.rows += 1
        return [*said, *self.writer.wake(now)]

    def receive(self, message: Fetch | Durable, now: Now) -> list[Action]:
        actions = list(self.writer.receive(message, now))
        if isinstance(message, Durable):
            while self.writer._ring and self.writer._ring[0][0] < message.next:
                self.writer.first = self.writer._ring.popleft()[0] + 1
        return actions


class Archive:
    """Takes the verdicts."""

    def __init__(self) -> None:
        self.reader = Reader("archive")
        self.verdicts: list[Verdict] = []

    def receive(self, message: Any, now: Now) -> list[Action]:
        words, actions = self.reader.receive(message, now)
        self.verdicts += [word for word in words if isinstance(word, Verdict)]
        return actions

    def wake(self, now: Now) -> list[Action]:
        return [*self.reader.wake(now), *self.reader.durable(now)]


@dataclass
class World:
    """See the module."""

    folder: Path
    kills: list[Kill] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    wait: str = "200 ms"
    """Of the concentrator."""
    silent: Callable[[int, int], bool] = lambda device, step: False
    """Whether a device brings no row in a step."""
    stopped: dict[str, range] = field(default_factory=dict)
    """Steps in which a node stands still (SIGSTOP): what comes for it waits, sorted by who sent it, so far as a queue
    of `QUEUE` messages goes."""
    shuffle: Callable[[list[tuple[str, Any]]], list[tuple[str, Any]]] = lambda mail: mail
    """What the network makes of the letters and news of a step: another order, duplicates, losses."""

    def __post_init__(self) -> None:
        self.now = BEGIN
        self.mail: deque[tuple[str, Any]] = deque()
        self.archive = Archive()
        self.receivers = {name: Receiver(name, device) for device, name in enumerate(RECEIVERS, 1)}
        self.nodes: dict[str, Any] = {}
        self.calls: Counter[str] = Counter()
        self.back: dict[str, int] = {}
        self.starts: Counter[str] = Counter()
        self.steps = 0
        self.queued: dict[str, list[Any]] = {name: [] for name in self.stopped}
        for name in VICTIMS:
            self.start(name)

    def run(self, steps: int, after: int = 80) -> World:
        """Rows in `steps` steps, and some time in which all is judged."""
        for step in range(steps + after):
            self.step(step < steps)
        return self

    def step(self, speak: bool) -> None:
        self.steps += 1
        self.now = Now(BEGIN.monotonic + self.steps * STEP, BEGIN.utc + self.steps * STEP)
        for name in [name for name, at in self.back.items() if at <= self.steps]:
            del self.back[name]
            self.start(name)
        for name, steps in self.stopped.items():
            if self.steps == steps.stop:
                waiting = sorted(self.queued[name], key=lambda message: str(getattr(message, "node", "")))
                self.mail.extend((name, message) for message in waiting if self._fits(message, waiting))
        for name, receiver in self.receivers.items():
            spoken = speak and not self.silent(receiver.device, self.steps)
            self.do(name, receiver.step(self.now, spoken))
        self.deliver()
        for name, node in list(self.nodes.items()):
            if isinstance(node, Node) and self.steps not in self.stopped.get(name, ()):
                self.wake(name, node)
        self.do("archive", self.archive.wake(self.now))
        self.deliver()

    @staticmethod
    def _fits(message: Any, waiting: list[Any]) -> bool:
        same = [each for each in waiting if getattr(each, "node", "") == getattr(message, "node", "")]
        return any(message is each for each in same[:QUEUE])

    def wake(self, name: str, node: Node) -> None:
        due = node.wake_at()
        if due is not None and due <= self.now.monotonic:
            self.call(name, lambda: node.wake(self.now))

    def deliver(self) -> None:
        while self.mail:
            batch = self.shuffle(list(self.mail))
            self.mail.clear()
            for to, message in batch:
                self.hand(to, message)

    def hand(self, to: str, message: Any) -> None:
        if to == "archive":
            self.do(to, self.archive.receive(message, self.now))
        elif to in self.receivers:
            self.do(to, self.receivers[to].receive(message, self.now))
        elif self.steps in self.stopped.get(to, ()):
            self.queued[to].append(message)
        elif to in self.nodes:
            self.call(to, lambda: self.nodes[to].receive(message, self.now))

    def call(self, name: str, work: Callable[[], Iterable[Action]]) -> None:
        """One call of a node, in which it may be killed."""
        self.calls[name] += 1
        kill = next((each for each in self.kills if (each.victim, each.call) == (name, self.calls[name])), None)
        if kill is None:
            self.do(name, work())
            return
        try:
            if kill.sent is None:
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(Keeper, "commit", _killed)
                    list(work())
            else:
                self.do(name, list(work())[: kill.sent])
        except KilledError:
            pass
        finally:
            self.end(name)
            self.back[name] = self.steps + kill.away

    def do(self, name: str, actions: Iterable[Action]) -> None:
        readers = {"align": ["windows"], "windows": ["archive"]}.get(name, ["align"])
        for action in actions:
            if isinstance(action, News):
                self.mail.extend((reader, action.message) for reader in readers)
            elif isinstance(action, Letter):
                self.mail.append((action.to, action.message))

    def start(self, name: str) -> None:
        self.starts[name] += 1
        if name in DETECTORS:
            self.nodes[name] = Detector(name)
            return
        node = self._concentrator() if name == "align" else self._trigger()
        self.nodes[name] = node
        self.do(name, node.start(self.now))

    def end(self, name: str) -> None:
        """A node is gone; its locks with it."""
        node = self.nodes.pop(name)
        if isinstance(node, concentrator.Concentrator) and node._mark:
            node._mark.close()
        elif isinstance(node, trigger.Trigger) and node.writer.keeper:
            node.writer.keeper.close()

    def close(self) -> None:
        for name in list(self.nodes):
            self.end(name)

    def _concentrator(self) -> concentrator.Concentrator:
        journal = self.folder / "align"
        place = Place(
            "align", "align", 1, {"trigger": ["windows"]}, {"receiver": list(RECEIVERS)}, "/run", {}, "p", journal
        )
        return concentrator.Concentrator(concentrator.Settings.model_validate({"wait": self.wait}), place)

    def _trigger(self) -> trigger.Trigger:
        readers = {"detector": list(DETECTORS), "archiver": ["archive"]}
        place = Place("windows", "windows", 1, readers, {"concentrator": ["align"]}, "/run", {}, "p", self.folder / "w")
        chosen = {"window": "2 s", "every": "1 s", "timeout": "1 s", "gap": "500 ms", "completeness": "50 %"}
        chosen |= {"attempts": 9, "dead_letters": str(self.folder)} | self.settings
        return trigger.Trigger(trigger.Settings.model_validate(chosen), place)

    @property
    def judged(self) -> dict[tuple[int, int], tuple[str, float]]:
        """(device, start) -> (outcome, score); no two verdicts of one window."""
        keys = [(int(verdict.device[0]), verdict.start) for verdict in self.archive.verdicts]
        assert [key for key, count in Counter(keys).items() if count > 1] == []
        told = [(str(verdict.outcome), verdict.score) for verdict in self.archive.verdicts]
        return dict(zip(keys, told, strict=True))


@pytest.fixture
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process loses nothing that it wrote: no test here needs the disk itself."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    monkeypatch.setattr(os, "fdatasync", lambda fd: None)


def _killed(*_: Any) -> bool:
    raise KilledError


def _row(device: int, k: int, now: Now) -> Measurements:
    return Measurements(
        table=TABLE,
        device=np.array([device], np.uint32),
        time=np.array([BEGIN.utc + k * STEP], np.int64),
        arrival=np.array([now.utc + device * MILLISECOND], np.int64),
        snapped=np.zeros(1, np.int32),
        quality=np.zeros(1, np.uint8),
        status=np.zeros(1, np.uint16),
        aside=np.zeros(1, np.uint8),
        values=np.full((1, TABLE.channels), 50 + device + k / 64, np.float32),
        digital=np.zeros((1, TABLE.digitals), np.uint16),
    )


def _configuration(device: int) -> Configuration:
    return Configuration(
        device, 1, f"link{device}", device, device, f"PMU {device}", "c37118", TABLE, 1_000_000, 50, 1, ["VA"], ["V"],
        [], [], [], [], [],
    )  # fmt: skip
