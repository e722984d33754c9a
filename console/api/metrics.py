"""`/metrics`: every node of the station for Prometheus, through one door.

Counters of nodes are told as they are, `syms_<kind>_<counter>`; some are counts since the start, some say how much
there is now, so that they have no type. Of devices only a fixed list is told: a station has hundreds of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, UnknownMetricFamily
from prometheus_client.registry import Collector

from console.board import Board
from console.counts import foremost
from console.model import Station
from protocol.clock import SECOND, Clock

NAME = re.compile(r"[^a-zA-Z0-9_]")
ROWS = ("received", "archived", "late", "missing", "aside", "duplicate", "corrupt", "refused", "lost")
"""What may become of rows, by device."""
OF_DEVICES = {
    "connected": "1 = its connection stands",
    "latency_ms": "from measurement to arrival, ms",
    "clock_offset_ms": "how far its clock is ahead of the median device's, ms",
    "bad_now": "kinds of bad data that it has now",
}
"""Other columns that are told of each device."""
NODE = ["node", "kind"]
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class OfStation(Collector):
    """Collects from the model at each scrape."""

    def __init__(self, station: Station, clock: Clock) -> None:
        self._station, self._clock = station, clock

    def collect(self) -> Iterable[Metric]:
        """All of it, as it is now."""
        now = self._clock()
        at = now.monotonic / SECOND
        yield from self._station.ask(lambda board: [*_nodes(board, at), *_counters(board), *_devices(board)])
        age = GaugeMetricFamily("syms_newest_slot_age_seconds", "Since the newest aligned slot was measured")
        newest = self._station.newest()
        if newest:
            age.add_metric([], (now.utc - newest) / SECOND)
        yield age
        events = GaugeMetricFamily("syms_events_known", "Events that the console has heard of", labels=["kind"])
        kinds = [event.kind for event in self._station.events()]
        for kind in sorted(set(kinds)):
            events.add_metric([kind], kinds.count(kind))
        yield events


def _nodes(board: Board, now: float) -> Iterator[Metric]:
    up = GaugeMetricFamily("syms_node_up", "1 = the process speaks", labels=NODE)
    uptime = GaugeMetricFamily("syms_node_uptime_seconds", "Since its start", labels=NODE)
    cpu = CounterMetricFamily("syms_node_cpu_seconds", "CPU time since its start", labels=NODE)
    memory = GaugeMetricFamily("syms_node_memory_bytes", "Resident memory", labels=NODE)
    restarts = CounterMetricFamily("syms_node_restarts", "Since the console started", labels=NODE)
    alarms = GaugeMetricFamily("syms_node_alarms", "Sentences that a person should read now", labels=NODE)
    queue = GaugeMetricFamily("syms_node_queue", "What waits now", labels=[*NODE, "queue"])
    silent = set(board.silent(now))
    for process in board.processes:
        voice = board.voices.get(process)
        labels = [process, voice.last.kind if voice else ""]
        up.add_metric(labels, process not in silent)
        if voice is None:
            continue
        uptime.add_metric(labels, voice.last.uptime)
        cpu.add_metric(labels, voice.last.cpu)
        memory.add_metric(labels, voice.last.memory)
        restarts.add_metric(labels, board.restarts.get(process, 0))
        alarms.add_metric(labels, len(voice.last.alarms))
        for name, count in sorted(voice.last.queues.items()):
            queue.add_metric([*labels, name], count)
    yield from (up, uptime, cpu, memory, restarts, alarms, queue)


def _counters(board: Board) -> Iterator[Metric]:
    found: dict[str, UnknownMetricFamily] = {}
    for process, voice in sorted(board.voices.items()):
        for counter, value in sorted(voice.last.counters.items()):
            counter, _, of = counter.partition(".")
            name = NAME.sub("_", f"syms_{voice.last.kind}_{counter}")
            about = f"Counter {counter} of {voice.last.kind}s"
            family = found.setdefault(name, UnknownMetricFamily(name, about, labels=["node", "of"]))
            family.add_metric([process, of], value)
    yield from found.values()


def _devices(board: Board) -> Iterator[Metric]:
    labels = ["device", "name"]
    rows = CounterMetricFamily("syms_device_rows", "What became of a device's rows", labels=[*labels, "fate"])
    others = {
        name: GaugeMetricFamily(f"syms_device_{name}", about, labels=labels) for name, about in OF_DEVICES.items()
    }
    for each in board.devices():
        who = [str(each["device"]), each["name"] or each["site_name"]]
        for name, value in foremost(each["counts"]).items():
            if name in others:
                others[name].add_metric(who, value)
            elif name in ROWS:
                rows.add_metric([*who, name], value)
    yield rows
    yield from others.values()


def exposition(station: Station, clock: Clock) -> bytes:
    """The text that a scrape gets."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(OfStation(station, clock))
    return generate_latest(registry)
