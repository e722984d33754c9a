"""How data flow through the pipeline this second: a few figures of each node, and all counters of its processes."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from console.board import Board
from console.model import Station
from console.wiring import Unit

EVERY = 0.95
"""Seconds for which what was made holds."""
MAIN = {
    "simulator": ("sent_rows", "sent"), "replayer": ("sent_rows", "sent"), "receiver": ("received",),
    "concentrator": ("rows",), "trigger": ("windows",), "detector": ("windows",), "archiver": ("archived",),
    "publisher": ("frames", "rows"),
}  # fmt: skip
"""Kind -> the counter whose increase says how much it does, the first that it has."""
LATENCY = {"concentrator": ("latency_p99_ms", "release_p99_ms"), "detector": ("mean_ms",)}
"""Kind -> the measure of its delay, the first that it has."""
CONNECTIONS = "connections."
"""What a balancer counts for each receiver begins so."""
NO_BACKLOG = ("bytes_kept", "open")
"""Queues that are full of what was done already, or of what is as it should be."""
SELDOM, MINUTE = "windows", 60.0
OK, ALARM, SILENT, OFF = "ok", "alarm", "silent", "off"


@dataclass(frozen=True)
class Flow:
    """Of a node, all its processes together; NaN: it has none of that."""

    state: str
    main: str
    """Name of the counter whose rate this is."""
    rate: float
    """1/s"""
    waiting: float
    """In queues"""
    connections: float
    measure: str
    latency: float
    """ms, that of the slowest"""
    cpu: float
    """Cores"""
    memory: float
    """Bytes"""
    restarts: int
    alarms: int
    running: int


@dataclass(frozen=True)
class Process:
    """One of a node's."""

    name: str
    speaks: bool
    heard: bool
    """Whether it ever spoke."""
    pid: int
    uptime: float
    """s"""
    cpu: float
    memory: float
    restarts: int
    counters: Mapping[str, float]
    rates: Mapping[str, float]
    queues: Mapping[str, float]
    alarms: tuple[str, ...]


class Flows:
    """Looked at once a second for all readers."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._lock = threading.Lock()
        self._made = -math.inf
        self._processes: dict[str, Process] = {}
        self._past: deque[tuple[float, dict[str, float]]] = deque()
        """Windows of each process, as they were in the last minute."""

    def processes(self, now: float) -> dict[str, Process]:
        """By name, in the order of the pipeline; `now` is monotonic seconds."""
        with self._lock:
            if now - self._made > EVERY:
                found = self._station.ask(lambda board: processes(board, now))
                self._processes = {name: self._calmed(each, now) for name, each in found.items()}
                windows = {name: each.counters[SELDOM] for name, each in found.items() if SELDOM in each.counters}
                self._past.append((now, windows))
                while now - self._past[0][0] > MINUTE:
                    self._past.popleft()
                self._made = now
            return self._processes

    def _calmed(self, process: Process, now: float) -> Process:
        """Windows come every few seconds: their rate is that of the last minute."""
        past = [(at, told[process.name]) for at, told in self._past if process.name in told]
        if SELDOM not in process.counters or not past:
            return process
        (at, before), windows = past[0], process.counters[SELDOM]
        if windows < before:  # it began anew
            return process
        return replace(process, rates={**process.rates, SELDOM: (windows - before) / (now - at)})

    def last(self) -> dict[str, Process]:
        """As they were when somebody looked last."""
        with self._lock:
            return self._processes


def processes(board: Board, now: float) -> dict[str, Process]:
    """What the board says of each."""
    told = board.nodes(now) | {name: {"speaks": False} for name in board.voices if name not in board.processes}
    alarms = {name: tuple(voice.last.alarms) for name, voice in board.voices.items()}
    return {
        name: Process(
            name, bool(each["speaks"]), "pid" in each, int(each.get("pid", 0)), each.get("uptime_s", math.nan),
            each.get("cpu", math.nan), each.get("memory_bytes", math.nan), board.restarts.get(name, 0),
            each.get("counters", {}), each.get("rates", {}), each.get("queues", {}), alarms.get(name, ()),
        )
        for name, each in told.items()
        if name in board.processes or board.speaks(name, now)
    }  # fmt: skip


def flow(unit: Unit, found: Mapping[str, Process]) -> Flow:
    """Of a node."""
    mine = [each for name, each in found.items() if unit.has(name)]
    speaking = [each for each in mine if each.speaks]
    main = _first(MAIN.get(unit.kind, ()), speaking, lambda each: each.counters)
    measure = _first(LATENCY.get(unit.kind, ()), speaking, lambda each: each.counters)
    alarms = sum(len(each.alarms) for each in speaking)
    silent = sum(not each.speaks for each in mine)
    state = OFF if not any(each.heard for each in mine) else SILENT if silent else ALARM if alarms else OK
    return Flow(
        state, main, _sum(each.rates.get(main, math.nan) for each in speaking),
        _sum(_waiting(each) for each in speaking), _sum(_connections(each) for each in speaking), measure,
        max((each.counters[measure] for each in speaking if measure in each.counters), default=math.nan),
        _sum(each.cpu for each in speaking), _sum(each.memory for each in speaking),
        sum(each.restarts for each in mine), alarms + silent, len(speaking),
    )  # fmt: skip


def _first(names: Sequence[str], some: Sequence[Process], of: Callable[[Process], Mapping[str, float]]) -> str:
    return next((name for name in names if any(name in of(each) for each in some)), "")


def _sum(values: Any) -> float:
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) if known else math.nan


def _waiting(process: Process) -> float:
    return _sum(float(value) for name, value in process.queues.items() if name not in NO_BACKLOG)


def _connections(process: Process) -> float:
    counters = process.counters
    if "links" in counters:
        return counters["links"]
    return _sum(value for name, value in counters.items() if name.startswith(CONNECTIONS))


def short(value: float) -> str:
    """A figure for a small place: 0, 0.4, 12, 25k, 3.1M; nothing for NaN."""
    if math.isnan(value):
        return ""
    for unit, least, size in (("G", 1e9, 1e9), ("M", 1e6, 1e6), ("k", 1e4, 1e3)):
        if abs(value) >= least:
            return f"{value / size:.3g}{unit}"
    return f"{value:.0f}" if abs(value) >= 10 or value == int(value) else f"{value:.1f}"


def bytes_(value: float) -> str:
    """Bytes, in units of 1024."""
    if math.isnan(value):
        return ""
    for unit, power in (("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if value >= 1 << power:
            return f"{value / (1 << power):.3g} {unit}"
    return f"{value:.0f} B"
