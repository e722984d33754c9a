"""What an archive's HDF5 files hold, counted with plain h5py."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from protocol.messages import STATIONS_PER_LINK

BLOCK = 2048
"""Slots read from a file at a time."""


class Files:
    """Rows and verdicts of an archive."""

    def __init__(self, root: Path, rate: int) -> None:
        """`rate`: frames a second of every device."""
        self.rate = rate
        self.rows: dict[int, int] = defaultdict(int)
        """Device of the site -> rows at their place."""
        self.windows: dict[int, list[int]] = defaultdict(list)
        """Device -> ends of its windows [ns UTC]."""
        self.judged = 0
        self.last: dict[int, int] = {}
        """Device -> time of its last slot [ns UTC]."""
        merged = ""
        for path in sorted(root.glob("[0-9]*/*/*/*.h5")):
            with h5py.File(path, "r", locking=False) as file:
                merged += file["merged"].asstr()[()]
                self._finished(file)
        for path in sorted(root.glob("live/*/*.h5")):
            if path.name not in merged:
                with h5py.File(path, "r", locking=False) as file:
                    self._part(file)

    def _finished(self, file: Any) -> None:
        """An hour that ended long enough ago while we ran."""
        for name, group in file.items():
            if name == "verdicts":
                self._verdicts(group, np.ones(group["device"].shape, bool))
            elif isinstance(group, h5py.Group) and "present" in group:
                first = int(group["time"][0]) * self.rate // 10**9
                for row, text in enumerate(group["configuration"].asstr()[:]):
                    self._block(group["present"][row][:, None] == 1, first, [(0, _device(text))])

    def _part(self, file: Any) -> None:
        if "outcome" in file:
            self._verdicts(file, file["present"][...] == 1)
        elif not file.attrs.get("aside", False):
            self._table(file)

    def _table(self, file: Any) -> None:
        labels = [bytes(text).rstrip(b"\0") for text in file["configuration"][:]]
        used = [(k, _device(label)) for k, label in enumerate(labels) if label]
        present, first = file["present"], int(file.attrs["first_slot"])
        for low in range(0, present.shape[0], BLOCK):
            some = present[low : low + BLOCK] == 1
            if some.any():
                self._block(some, first + low, used)

    def _block(self, some: Any, first: int, used: Iterable[tuple[int, int]]) -> None:
        counts = some.sum(axis=0)
        last = first + some.shape[0] - 1 - np.argmax(some[::-1], axis=0)
        for column, device in used:
            if counts[column]:
                self.rows[device] += int(counts[column])
                self.last[device] = max(self.last.get(device, 0), int(last[column]) * 10**9 // self.rate)

    def _verdicts(self, file: Any, taken: Any) -> None:
        devices, stops = file["device"][...][taken] // STATIONS_PER_LINK, file["stop"][...][taken]
        for device, stop in zip(devices.tolist(), stops.tolist(), strict=True):
            self.windows[device].append(stop)
        self.judged += sum(bytes(text).rstrip(b"\0") == b"ok" for text in file["outcome"][...][taken])

    def missing(self, every: int) -> int:
        """Windows that should be between a device's first and its last sample, and are not."""
        gone = 0
        for device, last in self.last.items():
            stops = sorted(self.windows.get(device, ()))
            if stops:
                due = (last + 10**9 // self.rate - stops[0]) // every + 1
                gone += max(0, due - len(set(stops)))
        return gone


def _device(configuration: bytes | str) -> int:
    """Number in the site file of a column's device."""
    return int(json.loads(configuration)["device"]) // STATIONS_PER_LINK
