"""Harmonics and inter-harmonics against their fundamental."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocol.messages import FIXED_CHANNELS, Configuration, Table

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]


@dataclass(frozen=True)
class Spectrogram:
    """Of p phasors and k components."""

    values: F8
    """[p, k] in % of the fundamental, or in V or A where that is not known."""
    total: F8
    """[p] root of the sum of squares of all components: of harmonics the total harmonic distortion (THD, IEC
    61000-4-30); NaN where nothing is told."""
    relative: bool


def shares(spectrum: Configuration, row: F4, known: Configuration | None, fundamental: F4 | None) -> Spectrogram:
    """Of the newest rows of both; phasors are told apart by name."""
    table = Table(*spectrum.table)
    there = row[FIXED_CHANNELS : FIXED_CHANNELS + 2 * table.phasors * table.components]
    sizes = there.reshape(table.phasors, table.components, 2)[..., 0].astype(np.float64)
    base = np.array([_size(name, known, fundamental) for name in spectrum.phasors])
    relative = bool(base.size) and bool((base > 0).all())
    values = 100 * sizes / base[:, None] if relative else sizes
    squares = np.where(np.isnan(values), 0.0, values) ** 2
    total = np.where(np.isnan(values).all(axis=1), np.nan, np.sqrt(squares.sum(axis=1)))
    return Spectrogram(values, total, relative)


def _size(name: str, known: Configuration | None, row: F4 | None) -> float:
    if known is None or row is None or name not in known.phasors:
        return float("nan")
    return float(row[FIXED_CHANNELS + 2 * known.phasors.index(name)])
