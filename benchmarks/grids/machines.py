"""Machines of a solved grid, at rest: rotor, field, voltage regulator and governor of each.

A machine is a voltage behind its transient reactance (no transient saliency), whose size follows the field (one-axis
model: Sauer and Pai 1998, 6.3, with x'q = x'd); a static exciter with one lag; a governor with droop and one lag of its
turbine. Per unit of BASE, speeds per unit of nominal. Loads are constant impedances.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from benchmarks.grids.flow import Flow
from benchmarks.grids.network import C16, F8, I8, Network

NOMINAL = 50.0
TURN = 2 * np.pi * NOMINAL
"""rad/s at a speed of 1"""


@dataclass(frozen=True)
class Machines:
    """g machines, [g] each."""

    transient: F8
    """Transient reactance x'd"""
    synchronous: F8
    """xd"""
    inertia: F8
    """M = 2H of the rating, s"""
    field_lag: F8
    """T'd0, s"""
    gain: F8
    """Of the exciter, on its own voltage"""
    exciter_lag: F8
    """s"""
    droop: F8
    """Power for a speed of 1; 0: no governor."""
    turbine_lag: F8
    """s"""
    damping: F8
    """Power for a speed of 1 against the middle of all: what damper windings and stabilisers do against a swing."""

    def shrunk(self, which: int, left: float) -> Machines:
        """A share of one machine is left; its constants stay those of its rating."""
        scale = np.ones(len(self.inertia))
        scale[which] = left
        return replace(
            self, transient=self.transient / scale, synchronous=self.synchronous / scale,
            inertia=self.inertia * scale, droop=self.droop * scale, damping=self.damping * scale,
        )  # fmt: skip


@dataclass(frozen=True)
class Rest:
    """The state before anything happens, [g] each."""

    angle: F8
    internal: F8
    """Size of the voltage behind the transient reactance."""
    field: F8
    """Of the exciter."""
    power: F8
    """Of the turbine."""
    wanted: F8
    """Voltage that the exciter is set to."""

    @property
    def state(self) -> F8:
        """[5, g] Angle, speed, internal voltage, field, governor's power beside what it was set to."""
        nothing = np.zeros_like(self.angle)
        return np.array([self.angle, nothing, self.internal, self.field, nothing])


@dataclass(frozen=True)
class Grid:
    """Network, power flow and machines."""

    network: Network
    flow: Flow
    machines: Machines
    rest: Rest

    @property
    def total(self) -> float:
        """Power of all machines, per unit."""
        return float(self.rest.power.sum())

    def admittance(self, load: F8 | None = None, without: int | None = None, machines: Machines | None = None) -> C16:
        """[n, n] With loads, each by a factor [l], shunts and machines."""
        found = self.network.admittance(without)
        size = np.abs(self.flow.voltage)
        loads = np.conj(self.flow.load) / size[self.network.loads] ** 2
        np.add.at(found, (self.network.loads, self.network.loads), loads if load is None else loads * load)
        found[np.diag_indices(len(found))] += 1j * self.flow.shunt
        own = 1.0 / (1j * (self.machines if machines is None else machines).transient)
        np.add.at(found, (self.network.plants, self.network.plants), own)
        return found


def drawn(rng: np.random.Generator, network: Network, flow: Flow) -> Grid:
    """Machines for a solved flow, not damped yet."""
    count = len(network.plants)
    rating = network.capacity / 0.9
    transient = rng.uniform(0.2, 0.35, count) / rating
    governs = rng.random(count) < 0.9
    governs[np.argmax(rating)] = True
    machines = Machines(
        transient=transient,
        synchronous=rng.uniform(1.5, 2.1, count) / rating,
        inertia=2 * rng.uniform(3.0, 5.5, count) * rating,
        field_lag=rng.uniform(5.0, 8.0, count),
        gain=rng.uniform(15.0, 40.0, count),
        exciter_lag=rng.uniform(0.05, 0.2, count),
        droop=np.where(governs, rating / rng.uniform(0.035, 0.05, count), 0.0),
        turbine_lag=rng.uniform(0.4, 1.6, count),
        damping=np.zeros(count),
    )
    return Grid(network, flow, machines, at_rest(machines, network.plants, flow))


def at_rest(machines: Machines, plants: I8, flow: Flow) -> Rest:
    """Where nothing changes."""
    voltage = flow.voltage[plants]
    current = np.conj(flow.generated / voltage)
    internal = voltage + 1j * machines.transient * current
    angle = np.angle(internal)
    along = -np.imag(current * np.exp(-1j * angle))
    field = np.abs(internal) + (machines.synchronous - machines.transient) * along
    return Rest(
        angle, np.abs(internal), field, np.asarray(flow.generated.real), np.abs(voltage) + field / machines.gain
    )


def slope(grid: Grid) -> F8:
    """[5g, 5g] The linear system at rest (state as in Rest, machine after machine), by central differences."""
    machines, rest = grid.machines, grid.rest
    plants = grid.network.plants
    reach = np.linalg.inv(grid.admittance())[np.ix_(plants, plants)] / (1j * machines.transient)
    state, step = rest.state.ravel(), 1e-6
    ways = step * np.eye(len(state))
    found = (rates(machines, rest, reach, (state + ways).T) - rates(machines, rest, reach, (state - ways).T)) / (
        2 * step
    )
    return np.asarray(found)


def rates(machines: Machines, rest: Rest, reach: C16, states: F8) -> F8:
    """[5g, k] How fast states [5g, k] change; `reach` [g, g] are the voltages at machines by those behind them."""
    column = {name: value[:, None] for name, value in vars(machines).items()}
    angle, speed, internal, field, governor = states.reshape(5, len(machines.inertia), -1)
    inner = internal * np.exp(1j * angle)
    outer = reach @ inner
    current = (inner - outer) / (1j * column["transient"])
    power = (inner * np.conj(current)).real
    along = -np.imag(current * np.exp(-1j * angle))
    middle = machines.inertia @ speed / machines.inertia.sum()
    push = rest.power[:, None] + governor - power - column["damping"] * (speed - middle)
    wanted = column["gain"] * (rest.wanted[:, None] - np.abs(outer))
    return np.concatenate([
        TURN * speed,
        push / column["inertia"],
        (field - internal - (column["synchronous"] - column["transient"]) * along) / column["field_lag"],
        (wanted - field) / column["exciter_lag"],
        (-column["droop"] * speed - governor) / column["turbine_lag"],
    ])  # fmt: skip
