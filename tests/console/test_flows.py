"""Figures of nodes from what their processes say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from console.board import Board
from console.flows import ALARM, OFF, OK, SILENT, Flows, bytes_, flow, processes, short
from console.model import Station
from console.wiring import Unit
from protocol.clock import SECOND
from protocol.messages import Health

UNIT = Unit("receivers", "receiver", 2)


def health(name: str, second: int, **more: Any) -> Health:
    """Of a receiver."""
    told: dict[str, Any] = {
        "node": name, "kind": "receiver", "pid": 7, "time": second * SECOND, "uptime": 1.0, "cpu": 0.25 * second,
        "memory": 1 << 20, "counters": {"received": 100.0 * second, "links": 3.0}, "queues": {}, "columns": [],
        "devices": np.zeros(0, np.uint32), "labels": [], "counts": np.zeros((0, 0)), "alarms": [],
    }  # fmt: skip
    return Health(**{**told, **more})


def board(*names: str, **more: Any) -> Board:
    """Who spoke at 1 s and 2 s."""
    found = Board(["receivers.1", "receivers.2"])
    for name in names:
        for second in (1, 2):
            found.hear(health(name, second, **more), float(second))
    return found


def test_copies_add_up() -> None:
    found = flow(UNIT, processes(board("receivers.1", "receivers.2"), 2.5))
    assert (found.state, found.main, found.running, found.alarms) == (OK, "received", 2, 0)
    assert (found.rate, found.connections, found.cpu, found.memory) == (200.0, 6.0, 0.5, 2 << 20)
    assert math.isnan(found.waiting)
    assert math.isnan(found.latency)


def test_backlog_is_what_waits_and_not_what_is_kept() -> None:
    told = board("receivers.1", "receivers.2", queues={"bytes_kept": 9_000_000, "behind": 4})
    assert flow(UNIT, processes(told, 2.5)).waiting == 8


@pytest.mark.parametrize(("names", "more", "now", "state", "alarms"), [
    ((), {}, 2.5, OFF, 2),
    (("receivers.1",), {}, 2.5, SILENT, 1),
    (("receivers.1", "receivers.2"), {"alarms": ["late"]}, 2.5, ALARM, 2),
    (("receivers.1", "receivers.2"), {}, 9.0, SILENT, 2),
])  # fmt: skip
def test_states(names: tuple[str, ...], more: dict[str, Any], now: float, state: str, alarms: int) -> None:
    found = flow(UNIT, processes(board(*names, **more), now))
    assert (found.state, found.alarms) == (state, alarms)


def test_the_slowest_counts() -> None:
    unit = Unit("receivers", "detector", 2)
    told = board("receivers.1", counters={"windows": 4.0, "mean_ms": 3.0})
    told.hear(health("receivers.2", 2, counters={"windows": 4.0, "mean_ms": 8.0}), 2.0)
    assert flow(unit, processes(told, 2.5)).latency == 8.0


def test_windows_are_counted_over_a_minute() -> None:
    station = Station("", Board(["receivers.1"]), SECOND, 1 << 20)
    flows = Flows(station)
    for second in range(1, 41):
        station.take(health("receivers.1", second, counters={"windows": float(second // 10)}), float(second))
        found = flows.processes(float(second))
    assert found["receivers.1"].rates["windows"] == pytest.approx(4 / 39)
    assert flows.last() is found


@pytest.mark.parametrize(("value", "text"), [
    (0.0, "0"), (0.42, "0.4"), (12.3, "12"), (9999.0, "9999"), (25_000.0, "25k"), (3.14e6, "3.14M"), (math.nan, ""),
])  # fmt: skip
def test_short_figures(value: float, text: str) -> None:
    assert short(value) == text


@pytest.mark.parametrize(("value", "text"), [(12.0, "12 B"), (2048.0, "2 KiB"), (70 << 20, "70 MiB"), (math.nan, "")])
def test_bytes(value: float, text: str) -> None:
    assert bytes_(value) == text
