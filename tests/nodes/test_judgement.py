"""Concentrator, trigger and detector together, by hand: rows in, verdicts out, everything through the wire format."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from algorithms.simulation import Kind, Scenario, Simulation
from nodes import concentrator, detector, trigger
from nodes._node import Letter, News, Node, Place
from protocol import clock, wire
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Announce, Configuration, Durable, Measurements, Snapshots, Table, Verdict

TABLE = Table(50, 0, 0, 0)
START = Now(1_000 * SECOND, 1_700_000_000 * SECOND)
DEVICES = 12


def place(name: str, run: Path, **more: Any) -> Place:
    return Place(name, name.partition(".")[0], 1, more.get("readers", {}), more.get("sources", {}), str(run), {}, "p")


class Station:
    """The three kinds of node, wired as a pipeline file would."""

    def __init__(self, run: Path) -> None:
        windows = trigger.Settings.model_validate({"window": "20 s", "every": "10 s"})
        workers = {"detector": ["prejudge.1", "prejudge.2"]}
        self.nodes: dict[str, Node] = {
            "align": concentrator.Concentrator(concentrator.Settings(), place("align", run)),
            "windows": trigger.Trigger(windows, place("windows", run, readers=workers)),
            "prejudge.1": detector.Detector(detector.Settings(), place("prejudge.1", run)),
            "prejudge.2": detector.Detector(detector.Settings(), place("prejudge.2", run)),
        }
        self.news: dict[type, list[Any]] = defaultdict(list)
        for node in self.nodes.values():
            self.act(node.start(START), START)
        self.give(Announce("receivers.1", 1, 0, 0), START)

    def act(self, actions: Any, now: Now) -> None:
        for action in actions:
            message = wire.unpack([bytes(part) for part in wire.pack(action.message)])
            if isinstance(action, Letter) and action.to == "receivers.1":
                assert isinstance(message, Durable)  # no gap: nothing is fetched
            elif isinstance(action, Letter):
                self.act(self.nodes[action.to].receive(message, now), now)
            elif isinstance(action, News):
                self.news[type(message)].append(message)
                if getattr(message, "node", "") == "align":
                    self.act(self.nodes["windows"].receive(message, now), now)

    def give(self, message: Any, now: Now) -> None:
        self.act(self.nodes["align"].receive(wire.unpack([bytes(p) for p in wire.pack(message)]), now), now)
        for node in self.nodes.values():
            while (due := node.wake_at()) is not None and due <= now.monotonic:
                self.act(node.wake(now), now)


def configuration(device: int, number: int) -> Configuration:
    return Configuration(
        device, 1, "l", 1, 1, f"PMU {device}", "c37118", TABLE, 1_000_000, 50, 1, [], [], [], [], [], [], [],
        node="receivers.1", epoch=1, number=number,
    )  # fmt: skip


def measurements(device: np.ndarray, first: int, frequency: np.ndarray, number: int) -> Measurements:
    """Ten samples [10, m] of all devices in one word."""
    slots, n = np.arange(first, first + frequency.shape[0]), frequency.size
    time = np.repeat(clock.slot_time(slots, 50), device.size)
    values = np.stack([frequency.ravel(), np.zeros(n)], axis=1).astype(np.float32)
    zeros = np.zeros(n, dtype=np.int64)
    return Measurements(
        TABLE, np.tile(device, slots.size), time, time + 30 * MILLISECOND, zeros.astype("i4"), zeros.astype("u1"),
        zeros.astype("u2"), zeros.astype("u1"), values, np.zeros((n, 0), dtype=np.uint16),
        node="receivers.1", epoch=1, number=number,
    )  # fmt: skip


def test_a_trip_becomes_suspicious_verdicts_and_every_window_one_verdict(tmp_path: Path):
    device = np.arange(1, DEVICES + 1, dtype=np.uint32) << 16
    frequency = (
        Simulation(DEVICES, 0.02, 50.0, 5, Scenario(Kind.GENERATION_TRIP, at=27.0, size=0.15)).next(3000).frequency
    )
    frequency[1000:1020, 3] = np.nan  # a gap of 0.4 s
    frequency[500:900, 4] = np.nan  # and one of 8 s
    station = Station(tmp_path)
    for k, number in enumerate(device.tolist()):
        station.give(configuration(number, k), START)
    first = clock.slot_of(START.utc, 50)
    for k in range(0, 3000, 10):
        now = Now(START.monotonic + (k + 10) * 20 * MILLISECOND, START.utc + (k + 10) * 20 * MILLISECOND)
        station.give(measurements(device, first + k, frequency[k : k + 10], DEVICES + k // 10), now)

    assert sum(word.slot.size for word in station.news[Snapshots]) == 3000
    verdicts: list[Verdict] = station.news[Verdict]
    keys = [(int(verdict.device[0]), verdict.start) for verdict in verdicts]
    assert len(set(keys)) == len(keys) >= 3 * DEVICES
    assert [verdict.number for verdict in verdicts] == list(range(len(verdicts)))
    assert {verdict.outcome for verdict in verdicts} == {"ok", "incomplete"}
    assert {int(v.device[0]) for v in verdicts if v.outcome == "incomplete"} == {5 << 16}
    suspicious = [verdict for verdict in verdicts if verdict.suspicious]
    assert len({int(verdict.device[0]) for verdict in suspicious}) >= DEVICES - 1
    onsets = [(verdict.onset - START.utc) / SECOND for verdict in suspicious]
    assert all(26.9 <= onset <= 30.0 for onset in onsets)
    assert {verdict.worker for verdict in verdicts if verdict.outcome == "ok"} == {"prejudge.1", "prejudge.2"}
    health = station.nodes["windows"].health(START)
    assert health["queues"]["waiting"] == health["queues"]["in_flight"] == 0
