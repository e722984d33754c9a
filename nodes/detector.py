"""Detector: judges windows, one after another, and keeps no state between them.

Any number of copies share the windows of a trigger. Whatever an algorithm raises is that window's verdict
(`failed`, with the error), never the end of the detector.
"""

from __future__ import annotations

import hashlib
import traceback
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from algorithms import registry
from algorithms.registry import Algorithm, Judgement, WindowData
from nodes._faults import explain
from nodes._gridwatch import GridWatch
from nodes._node import Action, Actions, Letter, Node, Place
from nodes._settings import Settings as Base
from nodes._settings import fault
from protocol import clock
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Announce, Dismissed, Outcome, Shift, Verdict, Window, Worker

RELEASED_WITHIN = SECOND
"""A trigger that does not answer for so long is not there: nothing comes from it."""


class Settings(Base):
    """Detector: which algorithm judges the windows."""

    algorithm: str = "emd"
    """Name of an algorithm (`syms algorithms` lists them), or a file that holds one: `./mine.py`."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the algorithm, where they differ from its defaults."""

    @field_validator("algorithm")
    @classmethod
    def _known(cls, value: str, info: ValidationInfo) -> str:
        base = Path((info.context or {}).get("base", Path()))
        try:
            found = registry.find(value, base)
        except registry.UnknownAlgorithmError as error:
            raise fault(str(error), "see `syms algorithms`") from None
        return str((base / value).resolve()) if value.endswith(".py") else found.name

    @model_validator(mode="after")
    def _fitting(self) -> Settings:
        try:
            self.load()
        except ValidationError as error:
            raise fault(*explain(error.errors()[0], registry.find(self.algorithm).settings, self.algorithm)) from None
        return self

    @property
    def together(self) -> bool:
        """Whether the algorithm judges several devices at a time."""
        return registry.find(self.algorithm).together

    @property
    def told(self) -> dict[str, Any]:
        """What judges, so that two judgements can be told apart: as JSON has it."""
        found, settings = self.load()
        told = {"algorithm": found.name, "version": found.version, "settings": settings.model_dump(mode="json")}
        if self.algorithm.endswith(".py"):
            told["file"] = hashlib.sha256(Path(self.algorithm).read_bytes()).hexdigest()
        return told

    @property
    def wants(self) -> tuple[str, ...]:
        """Beginnings of the quantities that the algorithm judges; none: any."""
        return registry.find(self.algorithm).of

    @property
    def shortest(self) -> float:
        """Seconds of the shortest window that the algorithm judges; 0: any."""
        found, settings = self.load()
        return found.shortest(settings) if found.shortest else 0.0

    def load(self) -> tuple[Algorithm, registry.Settings]:
        """The algorithm and its checked settings."""
        found = registry.find(self.algorithm)
        return found, found.settings.model_validate(self.settings)


class Detector(Node):
    """See the module."""

    TAGS = (Announce.TAG,)  # type: ignore[attr-defined]
    NICE = 10

    def __init__(self, settings: Settings, place: Place) -> None:
        self.place = place
        self.algorithm, self.settings = settings.load()
        self.grid = GridWatch(place) if self.algorithm.together else None
        self.waiting: deque[Window] = deque()
        self.judged: list[tuple[Window, Judgement, str, int]] = []
        """The one window that was judged and not told: (window, judgement, error, begun [monotonic ns])."""
        self.joined: set[str] = set()
        """Triggers that give us windows."""
        self.known: dict[str, int] = {}
        """Trigger -> epoch of the life of it that was told of us."""
        self.released_at: int | None = None
        """Monotonic time [ns] until which triggers are asked to let us go; None: we stay."""
        self.counters = {"windows": 0, "ok": 0, "failed": 0, "suspicious": 0}
        self.took = 0
        self.slowest = 0
        self.last_error = ""

    def start(self, now: Now) -> Actions:
        """Load what the algorithm needs now, not when the first window waits for it."""
        if self.grid:
            self.grid.start(now)
        try:
            if self.algorithm.warm:
                self.algorithm.warm(self.settings)
        except Exception as raised:
            self._note(raised, "the algorithm can't warm up")
        return ()

    def receive(self, message: Any, now: Now) -> Actions:
        """Windows wait their turn. A trigger that begins a life is told that we are there."""
        if isinstance(message, Window):
            self.waiting.append(message)
        elif isinstance(message, Dismissed):
            self.joined.discard(message.trigger)
        elif isinstance(message, Announce):
            new = self.known.get(message.node) != message.epoch
            if new and self.released_at is None:
                self.known[message.node] = message.epoch
                self.joined.add(message.node)
                return [self._shift(message.node, Shift.JOINS)]
        return ()

    def _shift(self, trigger: str, what: Shift) -> Letter:
        return Letter(trigger, Worker(self.place.name, trigger, what))

    def leave(self, now: Now) -> Actions:
        """What we have is judged; nothing more is to come."""
        self.released_at = now.monotonic + RELEASED_WITHIN
        return [self._shift(trigger, Shift.LEAVES) for trigger in sorted(self.joined)]

    @property
    def left(self) -> bool:
        return not (self.joined or self.waiting or self.judged)

    def wake_at(self) -> int | None:
        """At once, while there is something to do."""
        if self.waiting or self.judged:
            return 0
        looks = self.grid.watch.look_at if self.grid else None
        return min((at for at in (looks, self.released_at) if at is not None), default=None)

    def wake(self, now: Now) -> Iterator[Action]:
        """Judge one window; tell its verdict at the next wake, when it is known how long it took."""
        if self.grid:
            self.grid.look(now)
        if self.released_at is not None and now.monotonic >= self.released_at:
            self.joined.clear()
        if self.judged:
            window, judgement, error, begun = self.judged.pop()
            self._count(error, judgement, now.monotonic - begun)
            yield Letter(window.trigger, self._verdict(window, judgement, error, now.monotonic - begun))
        elif self.waiting:
            window = self.waiting.popleft()
            self.judged.append((window, *self._judge(window), now.monotonic))

    def _judge(self, window: Window) -> tuple[Judgement, str]:
        """(judgement, error text)"""
        try:
            return self.algorithm.run(_data(window, self.grid), self.settings), ""
        except Exception as raised:
            self._note(raised, "the algorithm failed", lease=window.lease)
            return Judgement(False, 0.0), self.last_error

    def _note(self, raised: Exception, event: str, **more: Any) -> None:
        """Log it whole; its words stand in Health until the next one."""
        self.last_error = f"{type(raised).__name__}: {raised}"
        structlog.get_logger().error(event, node=self.place.name, trace=traceback.format_exc(), **more)

    def _count(self, error: str, judgement: Judgement, took: int) -> None:
        self.counters["windows"] += 1
        self.counters["failed" if error else "ok"] += 1
        self.counters["suspicious"] += judgement.suspicious
        self.took += took
        self.slowest = max(self.slowest, took)

    def _verdict(self, window: Window, judgement: Judgement, error: str, took: int) -> Verdict:
        first, samples = clock.slot_of(window.start, window.rate), window.values.shape[-1]
        onset = clock.slot_time(first + judgement.onset, window.rate) if judgement.onset is not None else 0
        return Verdict(
            trigger=window.trigger,
            lease=window.lease,
            attempt=window.attempt,
            worker=self.place.name,
            algorithm=self.algorithm.name,
            version=self.algorithm.version,
            device=window.device,
            start=window.start,
            stop=clock.slot_time(first + samples, window.rate),
            outcome=Outcome.FAILED if error else Outcome.OK,
            suspicious=judgement.suspicious,
            onset=onset,
            score=judgement.score,
            detail=judgement.detail,
            completeness=window.completeness,
            error=error,
            took=took,
        )

    def health(self, now: Now) -> dict[str, Any]:
        windows = max(1, self.counters["windows"])
        last = f"the last fault of the algorithm: {self.last_error}"
        return {
            "counters": {
                **self.counters,
                "mean_ms": self.took / windows / MILLISECOND,
                "slowest_ms": self.slowest / MILLISECOND,
            },
            "queues": {"waiting": len(self.waiting)},
            "alarms": [*([last] if self.last_error else []), *(self.grid.alarms if self.grid else [])],
            **(self.grid.watch.health() if self.grid else {}),
        }


def _data(window: Window, grid: GridWatch | None) -> WindowData:
    rate = float(window.rate) if window.rate > 0 else -1.0 / window.rate
    data = WindowData(
        window.device,
        window.start,
        rate,
        window.quantities,
        np.asarray(window.values),
        np.asarray(window.filled),
        dict(window.detail),
    )
    if grid is None:
        return data
    return replace(data, network=grid.network(window.device), response=grid.response, inertia=grid.inertia)
