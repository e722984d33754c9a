"""Bad data that simulated devices send: values that were never measured, under good check words and times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nodes._troubles import Fault, FaultKind
from protocol.c37118 import StationRows
from protocol.clock import SECOND
from protocol.messages import FIXED_CHANNELS

F4 = NDArray[np.float32]

OFTEN = 25
"""Every which sample is a spike."""
SIZES = {FaultKind.SPIKES: 0.1, FaultKind.NOISE_BURST: 0.01, FaultKind.STEP: 0.02, FaultKind.DRIFT: 0.1}
"""Hz, if a fault says no size."""
ANGLE_NOISE, MAGNITUDE_NOISE = 20.0, 0.1
"""Degrees, and per unit, for a Hz of noise of the frequency."""
KINDS = {FaultKind.FROZEN, FaultKind.ZERO_FILL, FaultKind.CLOCK_OFFSET, *SIZES}


class BadValues:
    """Of one device. `count` counts its reporting instants since the start; ends of spans are counted from there."""

    def __init__(
        self, faults: Sequence[Fault], interval: float, nominal: float, phasors: int, chance: np.random.Generator
    ) -> None:
        """`interval` [s] lies between two instants."""
        self._faults = [one for one in faults if one.kind in KINDS]
        self._interval, self._nominal, self._chance = interval, nominal, chance
        self._angles = FIXED_CHANNELS + 1 + 2 * np.arange(phasors)
        self._held: list[F4] | None = None
        """Values of each station when they froze."""

    def __bool__(self) -> bool:
        return bool(self._faults)

    def clock_error(self, count: int) -> int:
        """ns that its time stamps are off."""
        return sum(one.offset for one in self._on(count) if one.kind is FaultKind.CLOCK_OFFSET)

    def spoil(self, rows: Sequence[StationRows], number: int, count: int) -> None:
        """Change what the device with this number measured at this instant, in place."""
        on = self._on(count)
        if not any(one.kind is FaultKind.FROZEN for one in on):
            self._held = None
        for one in on:
            if one.kind is FaultKind.FROZEN and self._held is None:
                self._held = [each.values[number].copy() for each in rows]
            for station, each in enumerate(rows):
                self._change(each.values[number], one, station, count % self._instants(one.every))

    def _change(self, values: F4, one: Fault, station: int, since: int) -> None:
        """Values [c] of a station, `since` so many instants bad."""
        size = one.size if one.size is not None else SIZES.get(one.kind, 0.0)
        if one.kind is FaultKind.FROZEN and self._held is not None:
            values[:] = self._held[station]
        elif one.kind is FaultKind.ZERO_FILL:
            values[:] = 0.0
        elif one.kind is FaultKind.SPIKES:
            values[0] += size * (since % OFTEN == 0)
        elif one.kind is FaultKind.STEP:
            values[0] += size
        elif one.kind is FaultKind.DRIFT:
            values[0] += size * since / self._instants(one.length)
        elif one.kind is FaultKind.NOISE_BURST:
            self._shake(values, size)
        elif one.kind is FaultKind.CLOCK_OFFSET:  # a phasor is measured against the device's own clock
            turned = values[self._angles] - 360.0 * self._nominal * one.offset / SECOND
            values[self._angles] = (turned + 180.0) % 360.0 - 180.0

    def _shake(self, values: F4, size: float) -> None:
        noise = size * self._chance.standard_normal(1 + 2 * self._angles.size)
        values[0] += noise[0]
        turned = values[self._angles] + ANGLE_NOISE * noise[1::2]
        values[self._angles] = (turned + 180.0) % 360.0 - 180.0
        values[self._angles - 1] *= 1.0 + MAGNITUDE_NOISE * noise[2::2]

    def _on(self, count: int) -> list[Fault]:
        """What is bad at this instant."""
        found = []
        for one in self._faults:
            every = self._instants(one.every)
            if count >= every and count % every < self._instants(one.length):
                found.append(one)
        return found

    def _instants(self, length: int) -> int:
        return max(1, round(length / SECOND / self._interval))
