"""The frequency of the grid and of its regions, second by second: the median of the devices there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from algorithms.frequencyquality import medians
from archive.glances import Chosen, Glances
from archive.overviews import Overview
from archive.picking import Pick
from archive.reports.asked import Asked
from archive.stations import key_of
from protocol.clock import SECOND
from protocol.messages import Configuration

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
WHOLE = ""
"""Name of all regions together."""
FREQUENCY = Pick("values", 0)


@dataclass
class Frequencies:
    """n seconds of one region."""

    nominal: float
    """Hz"""
    devices: int
    mean: F8
    """[n] Hz; NaN = no device told it"""
    lowest: F8
    """[n] median of what was lowest at each device in that second"""
    highest: F8


def frequencies(asked: Asked, known: Sequence[Configuration]) -> dict[str, Frequencies]:
    """Name of a region -> its seconds; of all together first, and alone where there are no regions.

    `known` are the devices. Those of another nominal frequency than most of a region have are left out.
    """
    devices = sorted(_own(known), key=lambda each: each.device)
    row = {each.device: at for at, each in enumerate(devices)}
    regions = _regions(devices)
    start, count = asked.start, (asked.end - asked.start) // SECOND
    found = {name: Frequencies(nominal, len(rows), *(np.full(count, np.nan) for _ in range(3)))
             for name, (nominal, rows) in regions.items()}  # fmt: skip
    glances = Glances()
    for hour, (low, stop) in asked.parts():
        hourly = _hour(glances, asked.root, hour, row, low, stop)
        place = slice((low - start) // SECOND, (stop - start) // SECOND)
        for name, (_, rows) in regions.items():
            for series, values in zip(("mean", "lowest", "highest"), hourly, strict=True):
                getattr(found[name], series)[place] = medians(values[rows])
    return found


def _own(known: Sequence[Configuration]) -> list[Configuration]:
    """Without spectra, which tell the frequency of their station."""
    stations = {key_of(each).station for each in known if not key_of(each).spectrum}
    return [each for each in known if not key_of(each).spectrum or key_of(each).station not in stations]


def _regions(devices: Sequence[Configuration]) -> dict[str, tuple[float, list[int]]]:
    """Name -> (nominal frequency, rows of the devices)."""
    names = sorted({each.region for each in devices if each.region})
    found = {}
    for name in [WHOLE, *(names if len(names) > 1 else [])]:
        mine = [(at, each.nominal) for at, each in enumerate(devices) if name in (WHOLE, each.region)]
        nominal = Counter(each for _, each in mine).most_common(1)[0][0] if mine else 0
        found[name] = float(nominal or 50), [at for at, each in mine if each == nominal]
    return found


def _hour(glances: Glances, root: Path, hour: int, row: dict[int, int], start: int, stop: int
          ) -> tuple[F4, F4, F4]:  # fmt: skip
    """Mean, lowest and highest [devices, seconds] of the part [start, stop) ns of an hour."""
    found = np.full((3, len(row), (stop - start) // SECOND), np.nan, np.float32)
    told: list[int] = []

    def choose(configurations: Sequence[Configuration]) -> Chosen:
        columns = [column for column, each in enumerate(configurations) if each.device in row]
        told.extend(configurations[column].device for column in columns)
        return [(column, FREQUENCY) for column in columns]

    pieces = list(glances.seconds(root, hour, choose))
    for device, piece in zip(told[len(told) - len(pieces) :], pieces, strict=True):
        _fill(found, row[device], piece, start)
    return found[0], found[1], found[2]


def _fill(found: F4, row: int, piece: Overview, start: int) -> None:
    second = (piece.time - start) // SECOND
    here = (second >= 0) & (second < found.shape[2])
    for at, values in enumerate((piece.mean, piece.minimum, piece.maximum)):
        found[at, row, second[here]] = values[here]
