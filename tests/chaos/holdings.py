"""What an archive holds, read with plain h5py as docs/open-an-archive.md says; nothing of the station is used."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tests.chaos.truth import PERIOD

I8 = NDArray[np.int64]


@dataclass
class Found:
    """What the files hold of one device."""

    time: list[I8] = field(default_factory=list)
    values: list[NDArray[np.float32]] = field(default_factory=list)
    tops: dict[str, int] = field(default_factory=dict)
    """Table -> time of the last row in it."""
    aside: int = 0
    """Rows of `time` that stand in aside tables."""

    def joined(self) -> tuple[I8, NDArray[np.float32]]:
        """([n] times in ascending order, [n, c] values)"""
        if not self.time:
            return np.zeros(0, np.int64), np.zeros((0, 2), np.float32)
        time, values = np.concatenate(self.time), np.concatenate(self.values)
        order = np.argsort(time, kind="stable")
        return time[order], values[order]


class Archive:
    """All rows and verdicts in the HDF5 files of an archive folder."""

    def __init__(self, root: Path) -> None:
        self.devices: dict[int, Found] = {}
        self.verdicts: list[tuple[int, int, int, str]] = []
        """(device, start, stop, outcome)"""
        self.judged: Counter[tuple[str, int, int]] = Counter()
        """(trigger, device, start) -> rows"""
        self.unreadable: list[str] = []
        merged: set[str] = set()
        for path in sorted(root.glob("[0-9]*/[0-9][0-9]/[0-9][0-9]/*.h5")):
            self._guarded(path, self._finished, merged)
        for path in sorted(root.glob("live/*/*.h5")):
            if not any(line.endswith(path.name) for line in merged):
                self._guarded(path, self._part, merged)
        for path in sorted(root.glob("events/*.h5")):
            self._guarded(path, lambda file, merged: list(file), merged)

    def _guarded(self, path: Path, read: Any, merged: set[str]) -> None:
        try:
            with h5py.File(path, "r", locking=False) as file:
                read(file, merged)
        except (OSError, KeyError, ValueError) as problem:
            self.unreadable.append(f"{path}: {problem!r}")

    def _part(self, file: Any, merged: set[str]) -> None:
        rows = np.flatnonzero(file["present"][...].any(axis=tuple(range(1, file["present"].ndim))))
        if not rows.size:
            return
        some = slice(int(rows[0]), int(rows[-1]) + 1)
        if "outcome" in file:
            self._judgements(file, some, file["present"][some] == 1)
            return
        labels = [json.loads(bytes(text).rstrip(b"\0") or b"{}") for text in file["configuration"][:]]
        present, values = file["present"][some], file["values"][some]
        if file.attrs.get("aside", False):
            column, time = file["column"][some], file["time"][some]
            for at in np.flatnonzero(present == 1).tolist():
                self._aside(labels[int(column[at])], time[at : at + 1], values[at : at + 1])
            return
        slots = np.arange(some.start, some.stop, dtype=np.int64) + int(file.attrs["first_slot"])
        offset = file["offset"][some].astype(np.int64)
        for column, label in enumerate(labels):
            here = present[:, column] == 1
            if here.any():
                time = slots[here] * PERIOD + offset[here, column]
                self._rows(label, str(file.attrs["table"]), time, values[here, column])

    def _finished(self, file: Any, merged: set[str]) -> None:
        merged.update(file["merged"].asstr()[()].splitlines())
        for name, group in file.items():
            if name == "aside":
                for table in group.values():
                    self._finished_aside(table)
            elif name == "verdicts":
                self._judgements(group, slice(None), np.ones(group["device"].shape[0], bool))
            elif isinstance(group, h5py.Group):
                time = group["time"][:]
                for row, text in enumerate(group["configuration"].asstr()[:]):
                    here = group["present"][row] == 1
                    own = time[here] + group["offset"][row][here]
                    self._rows(json.loads(text), name, own, _channels(group, row)[:, here].T)

    def _finished_aside(self, table: Any) -> None:
        labels = [json.loads(text) for text in table["configuration"].asstr()[:]]
        for column, time, values in zip(table["column"][:], table["time"][:], table["values"][:], strict=True):
            self._aside(labels[int(column)], np.array([time]), values[None])

    def _aside(self, label: dict[str, Any], time: I8, values: NDArray[np.float32]) -> None:
        self._rows(label, "", time, values)
        self.devices[int(label["device"])].aside += len(time)

    def _rows(self, label: dict[str, Any], table: str, time: I8, values: NDArray[np.float32]) -> None:
        found = self.devices.setdefault(int(label["device"]), Found())
        found.time.append(time.astype(np.int64))
        found.values.append(values.astype(np.float32))
        if table and len(time):
            found.tops[table] = max(found.tops.get(table, 0), int(time.max()))

    def _judgements(self, group: Any, some: slice, taken: NDArray[np.bool_]) -> None:
        columns = [group[name][some][taken].tolist() for name in ("trigger", "device", "start", "stop", "outcome")]
        for trigger, device, start, stop, outcome in zip(*columns, strict=True):
            self.verdicts.append((device, start, stop, _text(outcome)))
            self.judged[_text(trigger), device, start] += 1


def _channels(group: Any, row: int) -> NDArray[np.float32]:
    """[channel, time] of a device, in the order of a row; of spectra, components stand beside the other channels."""
    values: NDArray[np.float32] = group["values"][row]
    if "magnitude" not in group:
        return values
    pairs = np.stack([group["magnitude"][row], group["angle"][row]], axis=2)
    return np.concatenate([values[:2], pairs.reshape(-1, values.shape[-1]), values[2:]])


def _text(value: Any) -> str:
    return value.decode().rstrip("\0") if isinstance(value, bytes) else str(value)
