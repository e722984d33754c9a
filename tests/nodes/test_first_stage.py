"""pipelines/first-stage.yaml by hand: three triggers and their detectors side by side, behind derived sequences."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from algorithms.polar import wrapped
from nodes import concentrator, detector, trigger
from nodes._node import Letter, News, Node
from nodes._pipeline import load
from protocol import clock, wire
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Announce, Configuration, Measurements, Table, Verdict
from tests.algorithms.firststage.windows import ambient, trip

FILE = Path(__file__).parents[2] / "pipelines" / "first-stage.yaml"
MADE = {"concentrator": concentrator.Concentrator, "trigger": trigger.Trigger, "detector": detector.Detector}
PHASORS = ["VA", "VB", "VC", "IA", "IB", "IC"]
TABLE = Table(50, 6, 0, 0)
START = Now(1_000 * SECOND, 1_700_000_010 * SECOND)
DEVICE = np.arange(1, 4, dtype=np.uint32) << 16
SAMPLES, STEP = 4500, 50
FALLEN, TURNED, FAULTY = 1900, 2500, 3100
"""Samples: all devices lose power; the angle of the second one turns; one phase of the third dips."""


class Station:
    """What stands behind the receivers, with the settings of the file."""

    def __init__(self, run: Path) -> None:
        pipeline = load(FILE)
        self.nodes: dict[str, Node] = {}
        for name, spec in pipeline.nodes.items():
            if spec.kind in MADE:
                place = replace(pipeline.place(name), run=str(run), journal=None)
                self.nodes[name] = MADE[spec.kind](spec.settings, place)
        self.verdicts: dict[str, list[Verdict]] = defaultdict(list)
        for node in self.nodes.values():
            self.act(node.start(START), START)
        self.give(Announce("receivers.1", 1, 0, 0), START)

    def act(self, actions: Any, now: Now) -> None:
        for action in actions:
            message = wire.unpack([bytes(part) for part in wire.pack(action.message)])
            if isinstance(action, Letter) and action.to in self.nodes:
                self.act(self.nodes[action.to].receive(message, now), now)
            elif isinstance(action, News) and getattr(message, "node", "") == "align":
                for node in self.nodes.values():
                    if isinstance(node, trigger.Trigger):
                        self.act(node.receive(message, now), now)
            elif isinstance(action, News) and isinstance(message, Verdict):
                self.verdicts[message.trigger].append(message)

    def give(self, message: Any, now: Now) -> None:
        self.act(self.nodes["align"].receive(message, now), now)
        for node in self.nodes.values():
            while (due := node.wake_at()) is not None and due <= now.monotonic:
                self.act(node.wake(now), now)


def configuration(device: int, number: int) -> Configuration:
    return Configuration(
        device, 1, "l", 1, 1, f"PMU {device}", "c37118", TABLE, 1_000_000, 50, 1, PHASORS,
        ["V"] * 3 + ["A"] * 3, [], [], [], [], [], node="receivers.1", epoch=1, number=number,
    )  # fmt: skip


def happened() -> np.ndarray:
    """[n, m, 14] What three devices measure."""
    rng = np.random.default_rng(1)
    n, m = SAMPLES, DEVICE.size
    values = np.zeros((n, m, 2 + 2 * len(PHASORS)))
    frequency = trip(ambient(1, n), FALLEN, 0.15)
    values[:, :, 0] = frequency[:, None] + 3e-4 * rng.standard_normal((n, m))
    angle = np.cumsum(360 * (frequency - 50) / 50)[:, None] + np.zeros(m)
    angle[TURNED:, 1] += 4.0
    for phasor in range(6):
        level = 500.0 if phasor >= 3 else 127_000.0
        values[:, :, 2 + 2 * phasor] = level * (1 + 2e-4 * rng.standard_normal((n, m)))
        values[:, :, 3 + 2 * phasor] = wrapped(angle - 120 * (phasor % 3) + 0.01 * rng.standard_normal((n, m)))
    values[FAULTY : FAULTY + 6, 2, 2] *= 0.6
    return values


def measurements(values: np.ndarray, first: int, number: int) -> Measurements:
    """[k, m, c] samples of all devices in one word."""
    slots, n = np.arange(first, first + len(values)), len(values) * DEVICE.size
    time = np.repeat(clock.slot_time(slots, 50), DEVICE.size)
    zeros = np.zeros(n, dtype=np.int64)
    return Measurements(
        TABLE, np.tile(DEVICE, slots.size), time, time + 30 * MILLISECOND, zeros.astype("i4"), zeros.astype("u1"),
        zeros.astype("u2"), zeros.astype("u1"), values.reshape(n, -1).astype(np.float32),
        np.zeros((n, 0), dtype=np.uint16), node="receivers.1", epoch=1, number=number,
    )  # fmt: skip


def test_each_algorithm_finds_what_it_is_for(tmp_path: Path):
    station, values = Station(tmp_path), happened()
    for k, number in enumerate(DEVICE.tolist()):
        station.give(configuration(number, k), START)
    first = clock.slot_of(START.utc, 50)
    for k in range(0, SAMPLES, STEP):
        later = (k + STEP) * 20 * MILLISECOND
        now = Now(START.monotonic + later, START.utc + later)
        station.give(measurements(values[k : k + STEP], first + k, DEVICE.size + k // STEP), now)

    assert {name: {v.algorithm for v in said} for name, said in station.verdicts.items()} == {
        "slopes": {"rocof"}, "jumps": {"phase_jump"}, "uneven": {"sequence"},
    }  # fmt: skip
    found = {
        name: {(int(v.device[0]) >> 16, round((v.onset - START.utc) / 20 / MILLISECOND)) for v in said if v.suspicious}
        for name, said in station.verdicts.items()
    }
    assert {device for device, _ in found["slopes"]} == {1, 2, 3}
    assert {device for device, _ in found["jumps"]} == {2}
    assert {device for device, _ in found["uneven"]} == {3}
    for name, at in {"slopes": FALLEN, "jumps": TURNED, "uneven": FAULTY}.items():
        assert all(abs(onset - at) <= 15 for _, onset in found[name])
    for said in station.verdicts.values():
        assert {v.outcome for v in said} == {"ok"}
        assert len({(int(v.device[0]), v.start) for v in said}) == len(said) >= 3 * DEVICE.size
