"""Second stage: what an event trigger costs, how long a window of several devices takes to judge, and a real station's
time from a disturbance to its answers.

    python -m benchmarks.answers [--quick] [--devices 100]

Costs are CPU seconds of one process: slots as a concentrator says them are taken, with the journal. At the end a
station with the load of `load.c` runs until the pre-screen has learned its devices; then all see 0.1 Hz fall within
3 s, and suspicions and answers are waited for as a reader of the triggers hears them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from algorithms import registry
from algorithms.quantities import QUANTITIES
from algorithms.registry import WindowData
from algorithms.simulation import Kind, Scenario, Simulation
from benchmarks._programs import Program
from benchmarks._report import goal, goals, progress, section, table
from benchmarks._stations import site, wiring
from commands._station import PrivateStation, free_port
from nodes._eventtrigger import EventTrigger
from nodes._node import Place
from nodes.trigger import Settings
from protocol import clock
from protocol.clock import SECOND, Now
from protocol.messages import Announce, Configuration, Event, Snapshots, Table, Verdict

RATE = 50
TABLE = Table(RATE, 6, 2, 1)
PHASORS, UNITS = ["VA", "VB", "VC", "IA", "IB", "IC"], ["V"] * 3 + ["A"] * 3
COUNTS = (100, 500, 1000)
NOW = Now(SECOND, 1_700_000_000 * SECOND)
LEARNING, STARTING, WAITING = 75.0, 120.0, 45.0
MOST_COST, MOST_JUDGING = 0.05, 0.5
MOST_SUSPICION, MOST_FIRST, MOST_FINAL = 1.5, 5.0, 35.0
SHAPES = ((5, 9.6), (13, 180.0), (20, 180.0), (50, 180.0))
"""Devices and seconds of windows; the first is that of the paper's cluster, which took 4 s and more for three sides."""


@dataclass
class Cost:
    """Of the intake."""

    devices: int
    cpu: float
    """share of a core"""
    journal: float
    """bytes a second"""
    samples: float
    """bytes that are held when the ring is full"""


def intake(devices: int, seconds: int) -> Cost:
    """An event trigger that takes the slots of so many devices one by one, as they are released."""
    with tempfile.TemporaryDirectory() as folder:
        place = Place(
            "suspects", "suspects", 1, {"detector": ["identify"]}, {}, folder, {}, "", Path(folder, "journal")
        )
        node = EventTrigger(Settings(on="suspicion"), place)
        list(node.start(NOW))
        node.receive(Announce("align", 1, 0, 0), NOW)
        for number, word in enumerate(_words(devices, seconds)):
            if number == devices + RATE:  # the first second makes room for all
                begun = time.process_time()
                keeper = node.writer.keeper
                bytes_ = keeper.counters["bytes"] if keeper else 0
            node.receive(word, NOW)
        spent = time.process_time() - begun
        [grid] = node.book.grids.values()
        written = (node.writer.keeper.counters["bytes"] if node.writer.keeper else 0) - bytes_
        list(node.stop(NOW))
    span = seconds - 1
    return Cost(devices, spent / span, written / span, grid.recent.size * devices * len(QUANTITIES) * 4)


def _words(devices: int, seconds: int) -> Iterator[Configuration | Snapshots]:
    links = np.arange(1, devices + 1)
    for at, link in enumerate(links.tolist()):
        yield Configuration(
            link << 16, 1, f"PMU {link}", 1, 1, f"PMU {link}", "c37118", TABLE.key, 1_000_000, 50, 1, PHASORS, UNITS,
            ["a", "b"], ["rms"] * 2, [[""] * 16], [0], [0], node="align", epoch=1, number=at,
        )  # fmt: skip
    chance, first, shape = np.random.default_rng(1), int(clock.slot_of(NOW.utc, RATE)), (1, devices)
    values = chance.uniform(1, 100, (RATE, devices, TABLE.channels)).astype(np.float32)
    for k in range(seconds * RATE):
        yield Snapshots(
            table=TABLE.key, slot=np.array([first + k]), device=(links << 16).astype(np.uint32),
            present=np.ones(shape, np.uint8), quality=np.zeros(shape, np.uint8), status=np.zeros(shape, np.uint16),
            values=values[k % RATE][None], digital=np.zeros((*shape, 1), np.uint16), latency=np.zeros(1, np.int64),
            node="align", epoch=1, number=devices + k,
        )  # fmt: skip


def judging(devices: int, seconds: float, times: int) -> float:
    """Seconds that `disturbance` takes for a window in which a generator trips; median."""
    algorithm = registry.find("disturbance")
    count = round(seconds * RATE)
    simulation = Simulation(devices, 1 / RATE, 50.0, 1, Scenario(Kind.GENERATION_TRIP, at=seconds * 2 / 3))
    seen, angles = simulation.next(count), np.zeros(devices)
    series = [seen.frequency, 1e5 * seen.voltage, seen.angle + angles, 0 * seen.voltage + 200, 0 * seen.voltage + 100]
    series += [100 * seen.current, 10 * seen.current]
    values = np.stack([each.T for each in series], axis=1).astype(np.float32)
    degrees = simulation.position / 111.2
    context = {
        "latitude": (30 + degrees[:, 1]).tolist(), "longitude": (110 + degrees[:, 0]).tolist(), "nominal": 50.0,
        "since": round(count * 0.6),
    }  # fmt: skip
    device, filled = np.arange(devices, dtype=np.uint32), np.zeros((devices, count), np.uint8)
    window = WindowData(device, NOW.utc, float(RATE), list(QUANTITIES), values, filled, context)
    spent = []
    for _ in range(times + 1):
        begun = time.process_time()
        algorithm.run(window, algorithm.settings())
        spent.append(time.process_time() - begun)
    return median(spent[1:])


@dataclass
class EndToEnd:
    """What a station showed: seconds after the disturbance's first frame."""

    devices: int
    suspicions: list[float] = field(default_factory=list)
    answers: dict[int, float] = field(default_factory=dict)
    kinds: list[str] = field(default_factory=list)
    events: set[str] = field(default_factory=set)
    final: float = float("inf")
    cpu: float = 0.0
    """Of the event trigger, share of a core."""


def end_to_end(devices: int) -> EndToEnd:
    """A disturbance in a real station. Raises SystemExit if the devices can't be connected."""
    port, heard = free_port(), list[tuple[float, Verdict | Event]]()
    nodes = wiring(port, detectors=1, window=60, every=40)
    nodes["archive"]["from"].append("suspects")
    nodes["windows"] |= {"alarm": True}
    nodes["suspects"] = {
        "kind": "trigger", "from": ["align", "windows"], "on": "suspicion", "window": ["-60 s", "+30 s"],
        "neighbours": "all",
    }  # fmt: skip
    nodes["identify"] = {"kind": "detector", "from": "suspects", "algorithm": "disturbance"}
    tags = Verdict.TAG, Event.TAG  # type: ignore[attr-defined]

    def hear(word: Any) -> None:
        if isinstance(word, Event) or (isinstance(word, Verdict) and word.suspicious):
            heard.append((time.time(), word))

    with (
        PrivateStation(nodes, site(devices), tags, hear) as station,
        Program("load", "--to", f"127.0.0.1:{port}", "--devices", devices, "--trip", LEARNING) as load,
    ):
        if not station.wait(lambda _: load.said.get("running") == devices, STARTING):
            raise SystemExit(f"only {load.said.get('running', 0)} of {devices} devices were told to send")
        progress(f"{devices} devices send; the disturbance comes in {LEARNING:g} s")
        station.wait(lambda _: bool(load.said["trip_at"]), LEARNING + 30)
        cpu = station.board.voices["suspects"].cpu
        station.listen(WAITING)
        trip = load.end()["trip_at"] / 1e9
    found = EndToEnd(devices, cpu=cpu)
    for at, word in heard:
        if isinstance(word, Verdict) and word.stop / 1e9 > trip:
            found.suspicions.append(at - trip)
        elif isinstance(word, Event) and word.onset / 1e9 > trip - 1:
            found.events.add(word.id)
            found.answers.setdefault(word.answer, at - trip)
            found.kinds.append(f"{word.kind} ({word.confidence:.0%})")
            found.final = min(found.final, at - trip) if word.final else found.final
    return found


def end_to_end_text(found: EndToEnd) -> str:
    """Its paragraph."""
    first = f"{found.suspicions[0]:.2f} s" if found.suspicions else "never"
    answers = ", ".join(f"{number} after {at:.2f} s" for number, at in sorted(found.answers.items()))
    events = f"{len(found.events)} event{'s' * (len(found.events) != 1)}"
    return (
        f"End to end, {found.devices} devices, 0.1 Hz lost within 3 s: first suspicion after {first}; answers of "
        f"{events}: {answers or 'none'}; kinds {', '.join(found.kinds)}; the event trigger takes "
        f"{found.cpu:.1%} of a core."
    )


def main() -> None:
    """All three."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few devices, short")
    parser.add_argument("--devices", type=int, help="of the station (100)")
    asked = parser.parse_args()
    costs = [intake(devices, 3 if asked.quick else 20) for devices in (COUNTS[:1] if asked.quick else COUNTS)]
    shapes = SHAPES[:1] if asked.quick else SHAPES
    judged = {shape: judging(*shape, 2 if asked.quick else 5) for shape in shapes}
    station = end_to_end(asked.devices or (20 if asked.quick else 100))
    section(
        "From suspicion to an answer",
        "benchmarks.answers",
        table(
            ["devices at 50/s", "CPU of a core", "journal MB/s", "samples held MiB"],
            [[f"{c.devices}", f"{c.cpu:.1%}", f"{c.journal / 1e6:.2f}", f"{c.samples / 2**20:.0f}"] for c in costs],
        ),
        table(
            ["window", "judged in CPU s"],
            [[f"{m} devices x {seconds:g} s", f"{spent:.2f}"] for (m, seconds), spent in judged.items()],
        ),
        end_to_end_text(station),
        told(costs, judged, station),
    )


def told(costs: list[Cost], judged: dict[tuple[int, float], float], station: EndToEnd) -> str:
    """The goals."""
    cost = next((each for each in costs if each.devices == 500), costs[0])
    paper = judged[SHAPES[0]]
    suspicion = min(station.suspicions, default=float("inf"))
    first = station.answers.get(1, float("inf"))
    return goals(
        goal(f"{cost.devices} devices cost at most {MOST_COST:.0%} of a core ({cost.cpu:.1%})", cost.cpu <= MOST_COST),
        goal(f"5 devices x 9.6 s judged within {MOST_JUDGING:g} s ({paper:.2f} s)", paper <= MOST_JUDGING),
        goal(f"disturbance to suspicion at most {MOST_SUSPICION:g} s ({suspicion:.2f} s)", suspicion <= MOST_SUSPICION),
        goal(f"to a first kind and place at most {MOST_FIRST:g} s ({first:.2f} s)", first <= MOST_FIRST),
        goal(f"one disturbance, one event ({len(station.events)})", len(station.events) == 1),
        goal(f"to the final verdict at most {MOST_FINAL:g} s ({station.final:.2f} s)", station.final <= MOST_FINAL),
    )


if __name__ == "__main__":
    main()
