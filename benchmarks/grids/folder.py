"""Windows on disk, in the format of `archive/scenarios.py`: the same bytes for the same windows."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archive.scenarios import ANGLE, FREQUENCY, VOLTAGE
from benchmarks.grids.network import F8
from benchmarks.grids.windows import Window

MOST = 32767


def packed(series: F8, unit: float) -> NDArray[np.uint8]:
    """[2, m, n] Low and high bytes of the differences of samples [m, n] in a unit."""
    whole = np.clip(np.round(series / unit), -MOST, MOST).astype(np.int16).view(np.uint16)
    steps = np.diff(whole, axis=1, prepend=np.zeros((len(series), 1), np.uint16))
    return np.stack([steps & 255, steps >> 8]).astype(np.uint8)


def arrays(window: Window) -> dict[str, NDArray[Any]]:
    """What the npz holds of a window."""
    name = window.label["id"]
    turned = np.mod(window.angle + np.pi, 2 * np.pi) - np.pi
    found: dict[str, NDArray[Any]] = {
        f"{name}/f": packed(window.frequency, FREQUENCY),
        f"{name}/v": packed(window.size, VOLTAGE),
        f"{name}/a": packed(turned, ANGLE),
        f"{name}/gaps": np.array(window.gaps, np.int32).reshape(-1, 3),
    }
    if window.sequences is not None:
        first, negative, zero = window.sequences
        found[f"{name}/sq0"] = np.array([first])
        for key, series in (("v2", negative), ("v0", zero)):
            found[f"{name}/{key}"] = np.round(series / VOLTAGE).astype(np.uint16)
    return found


def written(
    path: Path, system: str, windows: Iterable[Window], devices: list[dict[str, Any]], about: dict[str, Any]
) -> None:
    """A set of one grid: labels, devices, samples, and `grid.json`, which nothing but people read."""
    path.mkdir(parents=True, exist_ok=True)
    labels: list[dict[str, Any]] = []
    content: dict[str, NDArray[Any]] = {}
    for window in windows:
        labels.append(window.label)
        content |= arrays(window)
    np.savez_compressed(path / f"{system}.npz", allow_pickle=False, **content)
    for name, told in (("labels", labels), ("devices", {system: devices}), ("grid", about)):
        (path / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
