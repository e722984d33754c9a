"""Many quiet devices, and such that lose a power plant, each with a walk and noise of its own; a pre-screen on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from algorithms.prescreen import Alarm, Limits, Prescreen
from algorithms.simulation import FREQUENCY_NOISE, WALK_RETURN, WALK_SPREAD

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
RATE = 50


@dataclass(frozen=True)
class Kind:
    """What quiet devices are like."""

    name: str
    tails: float = 0.0
    """Degrees of freedom of the walk's steps (Student), 0: normal."""
    step: float = 0.0
    """Hz; resolution of the devices."""
    lost: float = 0.0
    """Share of samples that do not come."""
    spikes: float = 0.0
    """Share of samples that are off by 1 Hz."""
    late: float = 0.0
    """Seconds of each second that do not come in time."""


KINDS = (
    Kind("as simulated"),
    Kind("resolution 1 mHz", step=0.001),
    Kind("1 % lost, spikes of 1 Hz", lost=0.01, spikes=1e-4),
    Kind("0.3 s of each second too late", late=0.3),
    Kind("steps with heavy tails", tails=5.0),
    Kind("steps with heavier tails", tails=3.0),
)


class Devices:
    """An endless stream of their frequency; `Simulation` has one walk for all, which would be one trial for all."""

    def __init__(self, kind: Kind, count: int, seed: int = 1) -> None:
        self._kind, self._rng = kind, np.random.default_rng(seed)
        self._walk, self._count = self._rng.normal(0.0, WALK_SPREAD, count), 0
        self._keep = float(np.exp(-1.0 / RATE / WALK_RETURN))
        self._spread = WALK_SPREAD * np.sqrt(1.0 - self._keep**2)

    def slots(self, count: int) -> Iterator[F4]:
        """The next so many slots, [m] each."""
        for _ in range(count):
            self._walk = self._keep * self._walk + self._spread * self._shock()
            yield self._measured()

    def _shock(self) -> F8:
        freedom, count = self._kind.tails, self._walk.size
        if not freedom:
            return self._rng.standard_normal(count)
        return np.asarray(self._rng.standard_t(freedom, count) * np.sqrt((freedom - 2.0) / freedom))

    def _measured(self) -> F4:
        kind, rng, count = self._kind, self._rng, self._walk.size
        self._count += 1
        value = 50.0 + self._walk + FREQUENCY_NOISE * rng.standard_normal(count)
        if kind.step:
            value = np.round(value / kind.step) * kind.step
        if kind.spikes:
            value[rng.random(count) < kind.spikes] += 1.0
        if self._count % RATE < kind.late * RATE:
            value[:] = np.nan
        if kind.lost:
            value[rng.random(count) < kind.lost] = np.nan
        return value.astype(np.float32)


class Watched:
    """A pre-screen on devices; `alarms` are those since it was ready, or since `forget`."""

    def __init__(self, devices: Devices, count: int, limits: Limits | None = None) -> None:
        self._devices, self._columns, self._slot = devices, np.arange(count), 10**9
        limits = limits or Limits()
        self._screen = Prescreen(RATE, limits)
        self._screen.widen(count)
        self.alarms: list[Alarm] = []
        self.go(limits.ready + 2.0)
        self.forget()

    def forget(self) -> int:
        """Count from here on; returns how many alarms there were."""
        count = len(self.alarms)
        self.alarms.clear()
        return count

    def go(self, seconds: float, slope: float = 0.0) -> int:
        """Time passes, in which the frequency falls by `slope` Hz/s; returns the slot where it began."""
        begin = self._slot
        for values in self._devices.slots(round(seconds * RATE)):
            row = values - np.float32(slope * (self._slot - begin) / RATE)
            self.alarms += self._screen.push(np.array([self._slot]), self._columns, row[None])
            self._slot += 1
        return begin
