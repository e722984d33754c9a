"""The chain of a pipeline over recorded rows: its concentrators and triggers in one process, its detectors in others.

Time is that of the data. The head (concentrators, and triggers that cut windows by schedule) goes on as fast as rows
are read, a step at a time. What it says waits by the time at which it would have been said live, slots by their own and
what is said of windows by the windows' end; each verdict comes `LATENCY` after its window, however long it took. The
tail (event triggers, and whoever keeps what is found) takes all that in order. So it makes no difference how many
workers there are, or which of them is the first.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from archive.playback import Step
from commands._answers import Answers, Asked, Question
from commands._studied import detector_of, follows
from nodes._kinds import node_of
from nodes._node import Action, Letter, News, Node
from nodes._pipeline import Pipeline
from nodes._wiring import NodeSpec
from protocol import clock
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Announce, Configuration, Event, Fetch, Flags, Numbered, Snapshots, Verdict, Window

STEP = SECOND
"""Rows are taken in steps of so much time."""
LATENCY = 200 * MILLISECOND
"""From a window to its verdict, as if it had been live."""
GRACE = 120 * SECOND
"""So much time goes by after the last row."""
EPOCH = 1
"""Of the streams of the archive's rows."""
ARCHIVE = "archive"
"""Writer of these."""
ENDLESS = 1 << 62
LANES = 1024
"""Workers that a trigger believes to have: its windows never wait for one."""
QUEUE = 256 << 20
"""Bytes that the head may be ahead of the tail."""
AHEAD = 8
"""Windows asked for that are not judged yet, for each worker."""
Keep = Callable[[Numbered, int], None]
"""Takes a word that would be archived, and when it was said [ns]."""


@dataclass(order=True)
class _Entry:
    """What is to happen at a moment."""

    at: int
    rank: int
    """Of what happens at one moment: what is said, then answers."""
    serial: int
    what: Any = field(compare=False)


@dataclass
class _Stage:
    """A trigger, and who judges its windows."""

    name: str
    node: Node
    detector: str
    answers: Answers
    sources: tuple[str, ...]


class _Awaited(NamedTuple):
    """A verdict that is to come."""

    stage: _Stage
    question: Question

    @property
    def ready(self) -> bool:
        """Whether it is there."""
        return self.stage.answers.ready(self.question)


class Chain:
    """See the module."""

    def __init__(self, pipeline: Pipeline, folder: Path, answers: tuple[Answers, Answers], workers: int, keep: Keep):
        """`folder` takes dead letters; `answers` are those of the head and of the tail; `keep` is told what is said."""
        self._pipeline, self._folder, self._workers, self._keep = pipeline, folder, workers, keep
        specs = pipeline.nodes.values()
        triggers = {spec.name: spec for spec in specs if spec.kind == "trigger" and detector_of(pipeline, spec.name)}
        sources = {source for spec in triggers.values() for source in spec.sources}
        self._concentrators = {
            spec.name: self._made(spec, {"statistics": False, "flags": False})
            for spec in specs if spec.kind == "concentrator" and spec.name in sources
        }  # fmt: skip
        self._head = {name: self._stage(spec, answers[0]) for name, spec in triggers.items() if not follows(spec)}
        self._tail = {name: self._stage(spec, answers[1]) for name, spec in triggers.items() if follows(spec)}
        self._queue: list[_Entry] = []
        """What triggers said, and verdicts to come."""
        self._rows: deque[tuple[int, Configuration | Snapshots]] = deque()
        """What concentrators said, with the time of the step."""
        self._held = 0
        """Bytes of these."""
        self._asked = 0
        """Windows of the head without a verdict."""
        self._serial = itertools.count()
        self._number = 0
        self._said: dict[str, int] = {}
        """Words of each writer that the tail was given."""
        self._heard: set[tuple[str, str]] = set()
        """(reader, writer) that know of each other."""
        self._begun = False
        self.now = 0
        """How far the tail is, ns."""

    def _made(self, spec: NodeSpec, changes: dict[str, Any]) -> Node:
        place = replace(self._pipeline.place(spec.name), journal=None, site_file=None, sources={}, readers_of={})
        if spec.kind == "trigger":
            detector = detector_of(self._pipeline, spec.name)
            assert detector is not None
            place = replace(place, readers_of={"detector": [f"{detector.name}.{k}" for k in range(LANES)]})
        assert spec.settings is not None
        return node_of(spec.kind)(spec.settings.model_copy(update=changes), place)

    def _stage(self, spec: NodeSpec, answers: Answers) -> _Stage:
        changes = {
            "in_flight": ENDLESS, "waiting": ENDLESS, "alarm_waiting": ENDLESS, "timeout": ENDLESS,
            "dead_letters": self._folder,
        }  # fmt: skip
        detector = detector_of(self._pipeline, spec.name)
        assert detector is not None
        return _Stage(spec.name, self._made(spec, changes), detector.name, answers, spec.sources)

    # ── the head ────────────────────────────────────────────────────────────────────────────────────────────

    def take(self, step: Step) -> None:
        """The next rows."""
        now = Now(step.stop, step.stop)
        if not self._begun:
            self._begin(Now(step.stop - STEP, step.stop - STEP))
        for word in step.words:
            if isinstance(word, Configuration):
                self._keep(word, now.utc)
            told = replace(word, node=ARCHIVE, epoch=EPOCH, number=self._number)
            self._number += 1
            for name, node in self._concentrators.items():
                self._tell_head(name, self._receive(name, node, told, now), now)
        for name, node in self._concentrators.items():
            self._tell_head(name, node.wake(now), now)
        self._go_on(now.utc)

    def _begin(self, now: Now) -> None:
        self._begun, self.now = True, now.utc
        for node in self._concentrators.values():
            list(node.start(now))
        for stage in [*self._head.values(), *self._tail.values()]:
            list(stage.node.start(now))

    def _tell_head(self, name: str, actions: Iterable[Action], now: Now) -> None:
        """What a concentrator says, to the triggers that read it."""
        for word in _news(actions):
            if not isinstance(word, Snapshots | Configuration):
                continue
            for stage in self._readers(self._head, name):
                self._heed(stage, self._receive(stage.name, stage.node, word, now), now.utc - STEP + 1, now.utc)
            if any(self._readers(self._tail, name)):
                self._rows.append((now.utc, word))
                self._held += _size(word)

    def _readers(self, stages: dict[str, _Stage], name: str) -> Iterator[_Stage]:
        return (stage for stage in stages.values() if name in stage.sources)

    def _receive(self, name: str, node: Node, word: Numbered, now: Now) -> list[Action]:
        """Hand a word to a node, which is told first that its writer has said nothing before."""
        found: list[Action] = []
        if (name, word.node) not in self._heard:
            self._heard.add((name, word.node))
            found += node.receive(Announce(word.node, word.epoch, 0, 0), now)
        return [*found, *node.receive(word, now)]

    def _heed(self, stage: _Stage, actions: Iterable[Action], since: int, now: int) -> None:
        """What a trigger wants: windows are asked for, what it says waits for its time, between two moments."""
        for action in actions:
            message = action.message if isinstance(action, Letter | News) else None
            if isinstance(message, Window):
                self._asked += stage.name in self._head
                awaited = _Awaited(stage, stage.answers.ask(Asked(stage.detector, message)))
                self._push(min(max(_stop(message), since), now) + LATENCY, 2, awaited)
            elif isinstance(message, Verdict):
                self._push(min(max(message.stop, since), now), 1, message)
            elif isinstance(message, Event | Flags):
                self._push(now, 1, message)
            elif isinstance(message, Fetch):
                raise RuntimeError(f"{stage.name} misses words: {message}")

    def _push(self, at: int, rank: int, what: Any) -> None:
        heapq.heappush(self._queue, _Entry(at, rank, next(self._serial), what))

    # ── the tail ────────────────────────────────────────────────────────────────────────────────────────────

    def _go_on(self, until: int) -> None:
        """All that was to happen by then, as far as it is known; nothing of the head comes before it any more."""
        while True:
            entry = self._queue[0] if self._queue and self._queue[0].at <= until else None
            if entry and isinstance(entry.what, _Awaited) and not self._may_wait(until) and not entry.what.ready:
                return
            known = len(self._queue)
            self._wait(entry.at if entry else min(until, self._rows[-1][0] if self._rows else self.now))
            if entry and self._queue[0] is entry:  # else something is to happen before
                heapq.heappop(self._queue)
                self._happen(entry)
            elif entry is None and len(self._queue) == known:
                return

    def _may_wait(self, until: int) -> bool:
        """Whether the head has gone far enough, so that a verdict is to be waited for."""
        return until == ENDLESS or self._asked > AHEAD * self._workers or self._held > QUEUE

    def _happen(self, entry: _Entry) -> None:
        at = max(entry.at, self.now)
        if isinstance(entry.what, _Awaited):
            stage = entry.what.stage
            self._asked -= stage.name in self._head
            verdict = stage.answers.take(entry.what.question)
            since = entry.at if stage.name in self._head else at
            self._heed(stage, stage.node.receive(verdict, Now(at, at)), since, since)
        else:
            word = self._numbered(entry.what)
            self._keep(word, at)
            self._pass(word, at)

    def _numbered(self, word: Any) -> Any:
        """In the order of their time, which is not that of the head."""
        number = self._said.get(word.node, 0)
        self._said[word.node] = number + 1
        return replace(word, number=number)

    def _wait(self, until: int) -> None:
        """Time goes on for the tail: rows until then, and what is due meanwhile."""
        while self._rows:
            at, word = self._rows[0]
            part, rest = (word, None) if at <= until else _split(word, until)
            if part is None:
                break
            self._rows.popleft()
            if rest is not None:
                self._rows.appendleft((at, rest))
            self._held -= _size(part)
            at = max(min(at, until), self.now)
            self._wake(at)
            self._pass(self._numbered(part), at)
        self._wake(until)

    def _wake(self, until: int) -> None:
        for stage in self._tail.values():
            while (due := stage.node.wake_at()) is not None and due <= until:
                at = max(due, self.now)
                self._heed(stage, stage.node.wake(Now(at, at)), at, at)
        self.now = max(self.now, until)

    def _pass(self, word: Any, at: int) -> None:
        """A word to those of the tail that read its writer."""
        for stage in self._readers(self._tail, word.node):
            self._heed(stage, self._receive(stage.name, stage.node, word, Now(at, at)), at - STEP, at)

    def finish(self, at: int) -> None:
        """There are no more rows: all verdicts, and what event triggers say when nothing more comes."""
        if not self._begun:
            return
        now = Now(at, at)
        for name, node in self._concentrators.items():
            self._tell_head(name, node.stop(now), now)
        self._go_on(ENDLESS)
        self._wait(max(self.now, at) + GRACE)
        self._go_on(ENDLESS)


def _split(word: Configuration | Snapshots, until: int) -> tuple[Any, Any]:
    """A word's slots up to a moment [ns], and the others; None where there are none."""
    if isinstance(word, Configuration) or word.late:
        return None, word
    count = int(np.searchsorted(clock.slot_time(word.slot, word.table[0]), until, "right"))
    if count in (0, word.slot.size):
        return (word, None) if count else (None, word)
    return _slots(word, slice(0, count)), _slots(word, slice(count, None))


def _slots(word: Snapshots, which: slice) -> Snapshots:
    fields = ("slot", "present", "quality", "status", "values", "digital", "latency")
    return replace(word, **{name: getattr(word, name)[which] for name in fields})


def _size(word: Configuration | Snapshots) -> int:
    return word.values.nbytes if isinstance(word, Snapshots) else 0


def _stop(window: Window) -> int:
    """ns after its last sample"""
    first = clock.slot_of(window.start, window.rate)
    return int(clock.slot_time(first + window.values.shape[-1], window.rate))


def _news(actions: Iterable[Action]) -> Iterator[Any]:
    return (action.message for action in actions if isinstance(action, News))
