"""Words for event triggers: slots of devices with three phases, and verdicts that suspect one of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from protocol import clock
from protocol.clock import SECOND, Now
from protocol.messages import Configuration, Snapshots, Table, Verdict

RATE = 50
TABLE = Table(RATE, 6, 0, 0)
START = 1_700_000_000 * SECOND
FIRST = int(clock.slot_of(START, RATE))
PHASORS, UNITS = ["VA", "VB", "VC", "IA", "IB", "IC"], ["V"] * 3 + ["A"] * 3


def later(seconds: float) -> Now:
    span = round(seconds * SECOND)
    return Now(1_000 * SECOND + span, START + span)


def moment(seconds: float) -> int:
    """ns UTC"""
    return START + round(seconds * SECOND)


def number(link: int) -> int:
    return link << 16


def configuration(link: int, at: int = 0, table: Table = TABLE, **more: Any) -> Configuration:
    phasors, units = (PHASORS, UNITS) if table.phasors == 6 else (["V1"], ["V"])
    return Configuration(
        number(link), 1, f"l{link}", 1, 1, f"PMU {link}", "c37118", table.key, 1_000_000, 50, 1, phasors, units,
        [], [], [], [], [], node="align", epoch=1, number=at, **more,
    )  # fmt: skip


def rows(slot: np.ndarray[Any, Any], devices: list[int], table: Table = TABLE) -> np.ndarray[Any, Any]:
    """[k, m, c] The value tells slot and device: frequency 50 + slot/1e4 + link/100; 100 V, 10 A, balanced."""
    values = np.zeros((slot.size, len(devices), table.channels), np.float32)
    values[..., 0] = 50 + (slot[:, None] - FIRST) / 1e4 + np.array(devices) / 100
    for phasor in range(table.phasors):
        values[..., 2 + 2 * phasor] = 100 if phasor < 3 else 10
        values[..., 3 + 2 * phasor] = (0, -120, 120)[phasor % 3]
    return values


def snapshots(first: int, stop: int, devices: list[int], at: int = 0, table: Table = TABLE, **more: Any) -> Snapshots:
    """Slots [first, stop), counted from FIRST, of links."""
    slot = np.arange(FIRST + first, FIRST + stop)
    shape = slot.size, len(devices)
    return Snapshots(
        **{
            "table": table.key,
            "slot": slot,
            "device": np.array([number(link) for link in devices], np.uint32),
            "present": np.ones(shape, np.uint8),
            "quality": np.zeros(shape, np.uint8),
            "status": np.zeros(shape, np.uint16),
            "values": rows(slot, devices, table),
            "digital": np.zeros((*shape, 0), np.uint16),
            "latency": np.zeros(slot.size, np.int64),
            "node": "align",
            "epoch": 1,
            "number": at,
        }
        | more
    )


def verdict(link: int, onset: float, at: int = 0, stop: float | None = None, **more: Any) -> Verdict:
    """`windows` suspects a device from `onset` [s] on; the window of 20 s ends at `stop`, else 1 s after."""
    end = onset + 1 if stop is None else stop
    return Verdict(
        **{
            "trigger": "windows",
            "lease": at,
            "attempt": 1,
            "worker": "prejudge",
            "algorithm": "emd",
            "version": 1,
            "device": np.array([number(link)], np.uint32),
            "start": moment(end - 20),
            "stop": moment(end),
            "outcome": "ok",
            "suspicious": True,
            "onset": moment(onset),
            "score": 3.0,
            "detail": {},
            "completeness": 1.0,
            "node": "windows",
            "epoch": 1,
            "number": at,
        }
        | more
    )


def pieces(stop: int, cuts: list[int]) -> Iterator[tuple[int, int]]:
    """[0, stop) in pieces."""
    edges = sorted({0, stop, *(cut for cut in cuts if 0 < cut < stop)})
    yield from pairwise(edges)
