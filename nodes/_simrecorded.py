"""A recording as what simulated devices measure: a window of a folder of scenarios (`archive/scenarios.py`).

A recording tells the sizes of the sequence voltages, and the angle of the positive one only. Phases are made from them
with the negative and the zero sequence opposite to the positive one, as where phase A has a fault to ground: the sizes
come out as they were, and no phase angle of theirs is told that anybody had measured. What is missing is not sent; bad
samples are sent as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from algorithms.polar import polar
from archive.scenarios import RATE, Folder, Scenario
from nodes._simulated import EAST, NORTH, VOLTAGE
from protocol.c37118 import StationRows
from protocol.clock import SECOND

F8 = NDArray[np.float64]
TURN = np.exp(2j * np.pi / 3)
PHASES = np.array([[1, 1, 1], [1, TURN**2, TURN], [1, TURN, TURN**2]])
"""VA, VB, VC of V0, V1, V2 (Fortescue 1918)."""


@dataclass(frozen=True)
class Instant:
    """What the devices measure at one instant."""

    values: NDArray[np.float32]
    """[m, 8] as the value channels of three phasors"""
    there: NDArray[np.bool_]
    """[m] whether a device measured anything"""

    def rows(self, status: NDArray[np.uint16], digitals: int) -> list[StationRows]:
        """Of the one station that each device has."""
        return [StationRows(status, self.values.copy(), np.zeros((len(status), digitals), np.uint16))]


class Recorded:
    """See the module."""

    def __init__(self, folder: Folder, scenario: Scenario, loops: int) -> None:
        """Plays it so many times; 0: without end. Raises ScenarioError."""
        seen = folder.observations(scenario)
        self.names = scenario.devices
        self.position: F8 = np.column_stack(
            [(seen.longitude - EAST[0]) * EAST[1], (seen.latitude - NORTH[0]) * NORTH[1]]
        )
        """[m, 2] km east and north, as those of simulated devices"""
        self._end = seen.samples * loops
        """Instants until it is over; 0: never."""
        self._at = 0
        self._there = np.isfinite(seen.frequency) & np.isfinite(seen.magnitude) & np.isfinite(seen.angle)
        self._values = _channels(seen.frequency, _phases(seen.magnitude, seen.angle, seen.negative, seen.zero))

    @property
    def duration(self) -> int:
        """ns until it is over; 0: never"""
        return round(self._end * SECOND / RATE)

    def next(self, count: int) -> Instant:
        """The last of the next so many instants; nothing is there when it is over."""
        self._at += count
        at = (self._at - 1) % self._values.shape[0]
        over = self._end and self._at > self._end
        return Instant(self._values[at], np.zeros_like(self._there[:, at]) if over else self._there[:, at])


def _phases(magnitude: F8, angle: F8, negative: F8, zero: F8) -> NDArray[np.complex128]:
    """[3, m, n] V of the phases; magnitudes [m, n] per unit, angle in rad. Sizes that are unknown are none, and so are
    all where there is no voltage: a device that fills with zeros does so in each channel."""
    zero, negative = (np.where(magnitude == 0.0, 0.0, np.nan_to_num(each)) for each in (zero, negative))
    sequences = np.stack([-zero, magnitude, -negative]) * np.exp(1j * angle)
    phases: NDArray[np.complex128] = VOLTAGE * np.einsum("ps,smn->pmn", PHASES, sequences)
    return phases


def _channels(frequency: F8, phases: NDArray[np.complex128]) -> NDArray[np.float32]:
    """[n, m, 8] Frequency, ROCOF, and magnitude and angle [degrees] of each phase."""
    rocof = np.nan_to_num(np.diff(frequency, axis=1, prepend=frequency[:, :1]) * RATE)
    told = [part for phase in polar(phases) for part in np.moveaxis(phase, -1, 0)]
    return np.stack([part.T for part in (frequency, rocof, *told)], axis=-1).astype(np.float32)
