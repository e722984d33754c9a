"""Small folders of scenarios in the documented format, and archives of what their devices, or simulated ones, sent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from algorithms.observations import Observations
from algorithms.simulation import Scenario, Simulation
from archive.writer import Archive
from nodes import _simulated
from nodes._simulated import Shape
from protocol.clock import SECOND
from protocol.messages import Measurements, Table, device_number
from tests.archives import NONE, T0, configuration, grid

SHAPE = Shape(50, 1_000_000, 50, 15, 2, 1, 3, 0, 1)
TABLE = Table(50, 3, 0, 1)


def packed(x: np.ndarray[Any, Any], unit: float) -> np.ndarray[Any, Any]:
    """[2, m, n] bytes of the differences."""
    whole = np.round(x / unit).astype(np.int64).astype(np.int16).view(np.uint16)
    steps = np.diff(whole, axis=1, prepend=np.zeros((len(x), 1), np.uint16))
    return np.stack([steps & 255, steps >> 8]).astype(np.uint8)


def write_folder(
    path: Path, windows: Mapping[str, Observations], devices: Sequence[str], more: Mapping[str, Any]
) -> Path:
    """Windows of one system `A` in the documented format; `more` are further arrays by `id/name`."""
    content: dict[str, Any] = {}
    for name, seen in windows.items():
        content |= {
            f"{name}/f": packed(seen.frequency - 50.0, 1e-4),
            f"{name}/v": packed(seen.magnitude, 1e-4),
            f"{name}/a": packed(seen.angle, 2 * np.pi / 65536),
            f"{name}/gaps": np.zeros((0, 3), np.int64),
        }
    np.savez(path / "A.npz", **content | dict(more))
    labels = [{"id": name, "file": "A.npz", "system": "A", "seed": 7, "devices": list(devices)} for name in windows]
    (path / "labels.json").write_text(json.dumps(labels))
    told = [{"id": name, "lat": 50.0, "lon": float(k), "v0_base": 0.001} for k, name in enumerate(devices)]
    (path / "devices.json").write_text(json.dumps({"A": told}))
    return path


def simulated_archive(
    path: Path, devices: int, seconds: int, scenario: Scenario, gaps: bool = False, apart: bool = False
) -> Path:
    """An archive of what simulated devices sent from T0 on; with gaps each of them lacks a second now and then.

    `apart`: they stand where the simulation has them, not all at one place.
    """
    simulation = Simulation(devices, 0.02, 50.0, 3, scenario)
    archive = Archive(path)
    for link, (east, north) in enumerate(simulation.position.tolist(), 1):
        place = {"latitude": 31.5 + north / 111, "longitude": 120.25 + east / 94.6} if apart else {}
        archive.configure(configuration(link, TABLE, name=f"D{link}", phasors=["VA", "VB", "VC"], **place))
    for second in range(seconds):
        words = [_rows(simulation, 50 * second + k, devices, gaps) for k in range(50)]
        for word in words:
            archive.add(word)
        archive.commit(NONE)
    archive.close()
    return path


def _rows(simulation: Simulation, slot: int, devices: int, gaps: bool) -> Measurements:
    """What came of one slot."""
    [rows] = _simulated.rows(SHAPE, simulation.next(1), 0, slot, np.zeros(devices, np.uint16))
    second = slot // 50
    there = np.array([not gaps or second % 20 != k for k in range(devices)])
    number = np.array([device_number(link, 0) for link in range(1, devices + 1)], np.uint32)[there]
    n = len(number)
    time = np.full(n, int(grid(slot, 1)[0]), np.int64)
    assert T0 % SECOND == 0
    return Measurements(
        table=TABLE.key, device=number, time=time, arrival=time, snapped=np.zeros(n, np.int32),
        quality=np.zeros(n, np.uint8), status=rows.status[there], aside=np.zeros(n, np.uint8),
        values=rows.values[there], digital=rows.digital[there],
    )  # fmt: skip
