"""All components of a spectrum over time, as one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from archive.asking import Piece
from archive.folder import ArchiveError
from protocol.messages import Table


class Spectrogram(NamedTuple):
    """The components of one phasor, or of all phasors of a station."""

    time: NDArray[np.int64]
    """[n] ns UTC, ascending"""
    components: NDArray[np.float64]
    """[k] orders, or frequencies in Hz, ascending"""
    values: NDArray[np.float32]
    """[n, k], or [n, phasor, k]; NaN where there was no such component, or the device said invalid"""


def spectrogram(pieces: Sequence[Piece], phasor: str | None) -> Spectrogram:
    """Rows of one phasor's components, or of all phasors', one after the other; configurations may differ in them.

    Raises ArchiveError if all phasors are wanted and they changed.
    """
    names = {tuple(each.configuration.phasors) for each in pieces}
    if phasor is None and len(names) > 1:
        raise ArchiveError(f"its phasors changed in that time; name one: {', '.join(sorted(set().union(*names)))}")
    phasors = 1 if phasor is not None or not names else len(names.pop())
    components = np.unique([each for piece in pieces for each in piece.configuration.components])
    time = np.concatenate([np.zeros(0, np.int64), *(each.time for each in pieces)])
    values = np.full((len(time), phasors, len(components)), np.nan, np.float32)
    at = 0
    for each in pieces:
        rows = each.values.reshape(len(each.time), phasors, Table(*each.configuration.table).components)
        values[at : at + len(rows), :, components.searchsorted(each.configuration.components)] = rows
        at += len(rows)
    order = np.argsort(time, kind="stable")
    return Spectrogram(time[order], components.astype(np.float64), (values if phasor is None else values[:, 0])[order])
