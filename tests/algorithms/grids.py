"""A small grid of classical machines, solved as it is: what the tests of places and sources are held against.

Machines are constant voltages behind their transient reactances, loads constant impedances, lines reactances with some
resistance ([Kundur1994], 13.3.2). Devices stand at buses; the power of a device at a machine's bus is the machine's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from algorithms.observations import Observations

RATE = 50.0
STEP = 0.01
NOMINAL = 50.0
BASE = 100.0
"""MVA"""


@dataclass
class Machines:
    """g machines on n buses."""

    lines: list[tuple[int, int, float]]
    """Buses at its ends, reactance per unit."""
    loads: dict[int, complex]
    """By bus, per unit at a voltage of 1."""
    at: list[int]
    """[g] bus of each machine"""
    inertia: list[float]
    """[g] M = 2H, s"""
    power: list[float]
    """[g] per unit; what is missing to the loads all share"""
    transient: float = 0.05
    damping: float = 3.0
    open_lines: set[int] = field(default_factory=set)

    def admittance(self) -> np.ndarray:
        """[n, n] Without machines."""
        count = 1 + max(max(a, b) for a, b, _ in self.lines)
        found = np.zeros((count, count), complex)
        for k, (a, b, x) in enumerate(self.lines):
            if k not in self.open_lines:
                y = 1.0 / (0.05 * x + 1j * x)
                found[[a, b], [a, b]] += y
                found[[a, b], [b, a]] -= y
        for bus, power in self.loads.items():
            found[bus, bus] += np.conj(power)
        return found

    def voltages(self) -> np.ndarray:
        """[n, g] of the buses, by the machines' voltages."""
        admittance = self.admittance()
        np.add.at(admittance, (self.at, self.at), 1.0 / (1j * self.transient))
        source = np.zeros((len(admittance), len(self.at)), complex)
        source[self.at, np.arange(len(self.at))] = 1.0 / (1j * self.transient)
        return np.linalg.solve(admittance, source)


def run(
    grid: Machines,
    seconds: float,
    driving: Callable[[float], np.ndarray],
    change: tuple[float, Callable[[Machines], None]] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Voltages [n, t] of all buses and powers [g, t] of all machines, per unit, at 100 samples a second.

    `driving` adds to the machines' power at a time [s]; `change` is what happens to the grid, and when.
    """
    inertia, at = np.array(grid.inertia), np.array(grid.at)
    reach = grid.voltages()
    power = np.array(grid.power)
    delta, speed = np.zeros(len(at)), np.zeros(len(at))

    def electric(angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inner = np.exp(1j * angle)
        outer = reach @ inner
        current = (inner - outer[at]) / (1j * grid.transient)
        return outer, outer[at] * current.conj()

    def pull(angle: np.ndarray) -> np.ndarray:
        missing = power - electric(angle)[1].real
        return np.asarray(missing - missing.sum() * inertia / inertia.sum())

    for _ in range(20):  # Newton's steps to rest
        slope = np.array([(pull(delta + 1e-6 * unit) - pull(delta)) / 1e-6 for unit in np.eye(len(at))]).T
        delta = delta - np.linalg.lstsq(slope, pull(delta), rcond=None)[0]
    power = electric(delta)[1].real
    outer, given = [], []
    for k in range(round(seconds / STEP)):
        time = k * STEP
        if change is not None and time >= change[0]:
            change[1](grid)
            reach, change = grid.voltages(), None
        voltage, out = electric(delta)
        outer.append(voltage)
        given.append(out)
        half = delta + 0.5 * STEP * 2 * np.pi * NOMINAL * speed
        push = power + driving(time) - electric(half)[1].real - grid.damping * speed
        speed = speed + STEP * push / inertia
        delta = half + 0.5 * STEP * 2 * np.pi * NOMINAL * speed
    return np.array(outer).T, np.array(given).T


def measured(
    voltage: np.ndarray, power: np.ndarray | None, position: np.ndarray, seed: int = 1, noise: float = 1e-5
) -> Observations:
    """What devices with a filter of 100 ms see of voltages [m, t], and powers [m, t], at positions [m, 2] degrees."""
    rng = np.random.default_rng(seed)
    smooth = np.hanning(11) / np.hanning(11).sum()
    noisy = voltage + noise * (rng.standard_normal((2, *voltage.shape)) * np.array([[[1.0]], [[1j]]])).sum(axis=0)
    clean = np.array([np.convolve(row, smooth, "same") for row in noisy])[:, 10:-10]
    angle = np.unwrap(np.angle(clean), axis=1)
    frequency = NOMINAL + np.gradient(angle, STEP, axis=1) / (2 * np.pi)
    nothing = np.full_like(frequency[:, ::2], np.nan)
    powers = [None, None] if power is None else [BASE * part[:, 10:-10:2] for part in (power.real, power.imag)]
    level = np.median(np.abs(clean), axis=1, keepdims=True)
    return Observations(
        RATE, frequency[:, ::2], (np.abs(clean) / level)[:, ::2], angle[:, ::2], nothing, nothing,
        position[:, 0], position[:, 1], NOMINAL, powers[0], powers[1],
    )  # fmt: skip
