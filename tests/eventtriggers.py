"""An event trigger driven by hand: slots and verdicts in, windows and events out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nodes._eventtrigger import EventTrigger
from nodes._node import Letter, News, Place
from nodes.trigger import Settings
from protocol import wire
from protocol.clock import SECOND, Now
from protocol.messages import Announce, Event, Flags, Numbered, Verdict, Window
from tests.suspicions import configuration, later, snapshots

CHOSEN = {"on": "suspicion", "window": ["-10 s", "+6 s"], "answers": ["1 s", "3 s", "6 s"], "late": "8 s"}


def place(run: Path, journal: Path | None = None) -> Place:
    readers = {"detector": ["identify.1", "identify.2"], "archiver": ["archive"]}
    sources = {"concentrator": ["align"], "trigger": ["windows"]}
    return Place("suspects", "suspects", 1, readers, sources, str(run), {}, "p.yaml", journal)


def judge(window: Window, **more: Any) -> Verdict:
    """A detector's answer, which follows from the window: its report has the mean of each device's frequency."""
    values = np.asarray(window.values)
    count = len(window.device)
    report = {
        "disturbance": True,
        "kind": "gen_trip",
        "confidence": 0.9,
        "onset": 9.0,
        "size_mhz": -50.0,
        "size_mw": None,
        "probabilities": {"gen_trip": 0.9, "unknown": 0.1},
        "rules": ["fell everywhere"],
        "arrival": [9.0 + k / 10 for k in range(count)],
        "amplitude": [5.0, None, 7.0][:count],
        "nearest": [1, 0],
        "latitude": 50.0,
        "longitude": None,
        "ellipse": [1.0, 2.0, 3.0],
        "bad": [{"device": 1, "kind": "spikes", "start": 50, "stop": 100, "score": 2.0, "detail": {}}],
        "detection": {"means": np.nanmean(values[:, 0], axis=1).tolist()},
        "location": {},
        "score": 3.0,
    }
    return Verdict(
        **{
            "trigger": window.trigger,
            "lease": window.lease,
            "attempt": window.attempt,
            "worker": "identify.1",
            "algorithm": "disturbance",
            "version": 1,
            "device": window.device,
            "start": window.start,
            "stop": window.start + values.shape[-1] * SECOND // window.rate,
            "outcome": "ok",
            "suspicious": window.detail["event"].endswith("suspects"),
            "onset": window.start + 9 * SECOND,
            "score": 3.0,
            "detail": report,
            "completeness": window.completeness,
        }
        | more
    )


class Bench:
    """An event trigger, what it said, and the windows that it gave out."""

    def __init__(self, run: Path, journal: Path | None = None, now: Now | None = None, **settings: Any) -> None:
        chosen = CHOSEN | {"dead_letters": str(run)} | settings
        self.node = EventTrigger(Settings.model_validate(chosen), place(run, journal))
        self.events: list[Event] = []
        self.flags: list[Flags] = []
        self.windows: list[Window] = []
        self.now = now or later(0)
        self.hear(self.node.start(self.now))
        for node in ("align", "windows"):
            self.hear(self.node.receive(Announce(node, 1, 0, 0), self.now))
        self.at = {"align": 0, "windows": 0}

    def hear(self, actions: Iterable[Any]) -> None:
        for action in actions:
            if isinstance(action, News) and isinstance(action.message, Event):
                self.events.append(wire.unpack(wire.pack(action.message)))
            elif isinstance(action, News) and isinstance(action.message, Flags):
                self.flags.append(wire.unpack(wire.pack(action.message)))
            elif isinstance(action, Letter) and isinstance(action.message, Window):
                self.windows.append(wire.unpack(wire.pack(action.message)))

    def say(self, word: Numbered) -> None:
        """A word of the concentrator, or of the trigger of windows."""
        at = self.at[word.node]
        self.at[word.node] = at + 1
        self.hear(self.node.receive(replace(word, number=at), self.now))

    def answer(self, **more: Any) -> None:
        """All windows that wait."""
        while self.windows:
            self.hear(self.node.receive(judge(self.windows.pop(0), **more), self.now))

    def feed(self, first: float, stop: float, devices: list[int] | None = None) -> None:
        for at in range(round(first * 50), round(stop * 50), 10):
            self.say(snapshots(at, at + 10, devices or [1, 2, 3]))

    def begin(self) -> None:
        for link in (1, 2, 3):
            self.say(configuration(link, latitude=50.0 + link**1.5, longitude=8.0, region="north"))
        self.feed(0, 20)

    @property
    def told(self) -> list[tuple[int, bool, str, str]]:
        return [(each.answer, each.final, each.outcome, each.kind) for each in self.events]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.begin()
    return bench


def told(events: list[Event]) -> list[tuple[Any, ...]]:
    """All that must not depend on when it was said."""
    return [
        (each.id, each.answer, each.final, each.outcome, each.device.tolist(), each.start, each.stop,
         each.detail.get("detection"), [one["device"] for one in each.suspicions])
        for each in events
    ]  # fmt: skip


def restarted(bench: Bench, run: Path, **settings: Any) -> Bench:
    """Killed, and started again."""
    assert bench.node.writer.keeper is not None
    bench.node.writer.keeper.close()
    again = Bench(run, run / "journal", bench.now, **settings)
    again.at = {node: at for node, (_, at) in again.node.standing.items()}
    again.hear(again.node.wake(again.now))
    return again
