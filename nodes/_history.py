"""The last rows of some devices of one table, one for each slot, that are to be converted to another rate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms.decimation import to_rectangular
from protocol.messages import FIXED_CHANNELS, Snapshots, Table

SPARE = 64
"""Slots beyond those that are needed, so that rows are moved seldom."""
DO_NOT_USE = np.uint16(0x8000)
"""STAT bit 15: of a row that has it nothing is reckoned."""


class History:
    """See the module. `first` is the slot of row 0."""

    def __init__(
        self, table: Table, devices: NDArray[np.uint32], channels: NDArray[np.intp], span: int, rectangular: bool
    ) -> None:
        """devices [m], channels [c] of the table's, ascending; `span`: rows that are needed with the newest;
        `rectangular`: phasors are kept as real and imaginary part."""
        self.table, self.devices, self.channels, self.span = table, devices, channels, span
        self.rectangular = rectangular
        self.paired = (channels >= FIXED_CHANNELS) & (channels < FIXED_CHANNELS + 2 * table.phasors)
        """[c] which of them are of phasors."""
        self.first = self.newest = -1
        rows, m = span + SPARE, devices.size
        self.values = np.full((rows, m, channels.size), np.nan)
        """[row, m, c]"""
        self.present = np.zeros((rows, m), np.bool_)
        self.status = np.zeros((rows, m), np.uint16)
        self.quality = np.zeros((rows, m), np.uint8)
        self.digital = np.zeros((rows, m, table.digitals), np.uint16)
        self._found: tuple[bytes, Any] = (b"", None)

    @property
    def phasors(self) -> int:
        """How many."""
        return int(self.paired.sum()) // 2

    @property
    def angles(self) -> NDArray[np.bool_]:
        """[c] which of the channels are angles."""
        return np.asarray(self.paired & ((self.channels - FIXED_CHANNELS) % 2 == 1))

    @property
    def usable(self) -> NDArray[np.bool_]:
        """[row, m] what may be reckoned with."""
        return np.asarray(self.present & (self.status & DO_NOT_USE == 0))

    def begin(self, slot: int) -> None:
        """Nothing is known before this slot."""
        self.present[:] = False
        self.first, self.newest = slot, slot - 1

    def reach(self, slot: int) -> None:
        """There is a row for the next slot now, empty as yet; the oldest make room."""
        if slot - self.first >= len(self.present):
            kept = slice(slot - self.span - self.first, None)
            for array in (self.values, self.present, self.status, self.quality, self.digital):
                moved = array[kept].copy()
                array[: len(moved)] = moved
            self.present[len(self.present) - kept.start :] = False
            self.first += kept.start
        self.newest = slot

    def put(self, slot: int, word: Snapshots, row: int) -> None:
        """Rows of one slot, which there is room for."""
        here, there = self._present(word, row)
        at, values = slot - self.first, word.values[row][there][:, self.channels].astype(np.float64)
        if self.rectangular:
            to_rectangular(values, self.phasors)
        self.values[at, here] = values
        self.present[at, here] = True
        self.status[at, here], self.quality[at, here] = word.status[row, there], word.quality[row, there]
        self.digital[at, here] = word.digital[row, there]

    def count(self, word: Snapshots, row: int) -> int:
        """How many of the rows of a slot are of our devices."""
        return int(self._present(word, row)[0].size)

    def _present(self, word: Snapshots, row: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """(our columns, those of the snapshots) of devices that are there."""
        here, there = self._find(word)
        now = word.present[row, there] != 0
        return here[now], there[now]

    def _find(self, word: Snapshots) -> Any:
        """(our columns, those of the snapshots); the same devices come again and again."""
        key = word.device.tobytes()
        if key != self._found[0]:
            _, here, there = np.intersect1d(self.devices, word.device, return_indices=True)
            self._found = key, (here, there)
        return self._found[1]

    def forget(self, device: int) -> None:
        """What is known of a device means something else."""
        self.present[:, self.devices == device] = False

    def of(self, devices: NDArray[np.uint32], channels: NDArray[np.intp]) -> History:
        """The same of other devices and channels; new ones have no past."""
        if np.array_equal(devices, self.devices) and np.array_equal(channels, self.channels):
            return self
        other = History(self.table, devices, channels, self.span, self.rectangular)
        other.first, other.newest = self.first, self.newest
        _, new, old = np.intersect1d(devices, self.devices, return_indices=True)
        _, into, out_of = np.intersect1d(channels, self.channels, return_indices=True)
        rows = np.arange(len(self.present))
        other.values[np.ix_(rows, new, into)] = self.values[np.ix_(rows, old, out_of)]
        for name in ("present", "status", "quality", "digital"):
            getattr(other, name)[:, new] = getattr(self, name)[:, old]
        return other
