"""The power flow: Newton's method on the powers of all buses (Kundur 1994, 6.4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.grids.network import C16, F8, I8, Network

ENOUGH = 1e-9
"""Per unit of power that may be missing at a bus."""


class NoFlow(ArithmeticError):
    """It does not converge: the grid is too weak for its load."""


@dataclass(frozen=True)
class Flow:
    """A solved power flow; what loads draw is a power, what holds their voltage a susceptance."""

    voltage: C16
    """[n]"""
    generated: C16
    """[g] Power of the machines."""
    load: C16
    """[l] Power of the loads."""
    shunt: F8
    """[n] Susceptance of capacitors (> 0) and reactors."""


def solved(network: Network, rng: np.random.Generator) -> Flow:
    """With dispatch by capacity; shunts hold the voltage of loads, machines their own. Raises NoFlow."""
    count = len(network.kv)
    held = np.ones(count)
    held[network.plants] = rng.uniform(1.005, 1.035, len(network.plants))
    held[network.loads] = rng.uniform(0.985, 1.015, len(network.loads))
    load = network.load * (1 + 1j * rng.uniform(0.15, 0.4, len(network.load)))
    power = np.zeros(count)
    power[network.loads] -= load.real
    power[network.plants] += network.capacity * 1.015 * network.load.sum() / network.capacity.sum()
    slack = int(network.plants[np.argmax(network.capacity)])
    fixed = np.r_[network.plants, network.loads]
    voltage = newton(network.admittance(), power, held, slack, fixed)
    given = voltage * np.conj(network.admittance() @ voltage)
    shunt = np.zeros(count)
    shunt[network.loads] = (given[network.loads].imag + load.imag) / np.abs(voltage[network.loads]) ** 2
    return Flow(voltage, given[network.plants], load, shunt)


def newton(admittance: C16, power: F8, held: F8, slack: int, fixed: I8) -> C16:
    """[n] Voltages, for active powers into the buses, and no reactive power where the size of the voltage is not fixed.

    Raises NoFlow.
    """
    count = len(power)
    angles = np.setdiff1d(np.arange(count), [slack])
    sizes = np.setdiff1d(np.arange(count), fixed)
    voltage = held.astype(complex)
    for _ in range(20):
        current = admittance @ voltage
        missing = power - voltage * np.conj(current)
        wrong = np.r_[missing.real[angles], missing.imag[sizes]]
        if np.abs(wrong).max() < ENOUGH:
            return voltage
        turned = 1j * voltage[:, None] * np.conj(np.diag(current) - admittance * voltage[None])
        unit = voltage / np.abs(voltage)
        grown = voltage[:, None] * np.conj(admittance * unit[None]) + np.diag(np.conj(current) * unit)
        slope = np.block([[turned.real[np.ix_(angles, angles)], grown.real[np.ix_(angles, sizes)]],
                          [turned.imag[np.ix_(sizes, angles)], grown.imag[np.ix_(sizes, sizes)]]])  # fmt: skip
        step = np.linalg.solve(slope, wrong)
        angle, size = np.angle(voltage), np.abs(voltage)
        angle[angles] += step[: len(angles)]
        size[sizes] += step[len(angles) :]
        if not np.all(np.isfinite(step)) or size.min() < 0.3:
            break
        voltage = size * np.exp(1j * angle)
    raise NoFlow("the power flow does not converge")
