"""What loads do all the time: together, each on its own, and in everyday steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from benchmarks.grids.machines import Grid
from benchmarks.grids.network import C16, F8

HOLD = 4
"""Steps between two random values; what is between lies on a line."""
COMMON = ((0.35, 2.0), (0.7, 12.0), (1.0, 120.0))
"""(weight, time constant in s) of Ornstein-Uhlenbeck walks that all loads share."""
OWN = ((0.5, 0.3), (0.6, 2.5), (1.0, 110.0))
"""Of those that each load has."""
EVERYDAY = 4.0
"""Steps of single loads in three minutes."""
LARGEST = 0.0015
"""Of the grid's load that an everyday step has at most."""
REACTIVE = 0.3
"""Of the active power."""
RISE = 8.0
"""s in which the first value of a walk comes in: a grid that is at rest is not jolted."""


@dataclass(frozen=True)
class Level:
    """How much loads do, per unit of the grid's load; `level` finds it."""

    common: float
    own: float


@dataclass(frozen=True)
class Loads:
    """What l loads draw beside their impedances."""

    drawn: F8
    """[l, k] Active power, every HOLD steps"""
    current: C16
    """[l] Current into the bus for a power of 1"""
    steps: list[tuple[int, int, float]]
    """(step, load, power)"""


def unit_current(grid: Grid) -> C16:
    """[l] Current into the buses of loads that draw a power of 1, and reactive power with it."""
    return np.asarray(-np.conj((1 + 1j * REACTIVE) / grid.flow.voltage[grid.network.loads]))


def drawn(grid: Grid, level: Level, rng: np.random.Generator, steps: int, step: float, everyday: bool = True) -> Loads:
    """A random course of so many steps of so many seconds."""
    count, wide = steps // HOLD + 3, len(grid.network.load)
    size = grid.network.load / grid.network.load.sum()
    each = HOLD * step
    together = common(rng, count, each)
    own = sum(weight * walk(rng, wide, count, lag, each) for weight, lag in OWN)
    power = grid.total * (level.common * size[:, None] * together + level.own * np.sqrt(size / wide)[:, None] * own)
    jumps = []
    for _ in range(rng.poisson(EVERYDAY * steps * step / 180.0)) if everyday else ():
        load = int(rng.integers(wide))
        jump = min(LARGEST * rng.uniform(0.1, 1.0) ** 2 * grid.total, 0.3 * grid.network.load[load])
        jumps.append((int(rng.integers(steps)), load, float(jump * rng.choice([-1.0, 1.0]))))
    return Loads(power, unit_current(grid), sorted(jumps))


def common(rng: np.random.Generator, count: int, step: float) -> F8:
    """[count] What all loads share."""
    return np.asarray(sum(weight * walk(rng, 1, count, lag, step)[0] for weight, lag in COMMON))


def walk(rng: np.random.Generator, rows: int, count: int, lag: float, step: float) -> F8:
    """[rows, count] Ornstein-Uhlenbeck walks of a standard deviation of 1, whose first values come in slowly."""
    keep = np.exp(-step / lag)
    shocks = rng.standard_normal((rows, count)) * np.sqrt(1.0 - keep * keep)
    shocks[:, 0] /= np.sqrt(1.0 - keep * keep)
    found = lfilter([1.0], [1.0, -keep], shocks, axis=1)
    return np.asarray(found - found[:, :1] * np.exp(-step / RISE * np.arange(count)))
