"""What happens: trips of generation, load and lines, and faults. Oscillations are in `oscillations.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from benchmarks.grids.ambient import Level
from benchmarks.grids.damping import Modes, Swings
from benchmarks.grids.devices import Device
from benchmarks.grids.machines import Grid
from benchmarks.grids.network import BASE, C16, F8, I8
from benchmarks.grids.running import STEP, Current, Drive, Stage, Swing, stage

SMALLEST, LARGEST = -2.5, -1.6
"""Power of ten of a loss of generation or load, of the grid's load."""


@dataclass(frozen=True)
class Scene:
    """A grid with its devices, and what windows of it share."""

    grid: Grid
    devices: list[Device]
    level: Level
    modes: Modes
    swings: Swings

    @cached_property
    def buses(self) -> I8:
        """[m] Of the devices."""
        return np.array([device.bus for device in self.devices])

    @cached_property
    def rest(self) -> Stage:
        """The grid as it is."""
        return stage(self.grid)

    @cached_property
    def zero(self) -> C16:
        """[n, n] Zero-sequence impedance."""
        return self.grid.network.zero_impedance()

    @cached_property
    def distance(self) -> F8:
        """[n, n] Effective impedance between buses."""
        return self.grid.network.distances()


class Sequences(NamedTuple):
    """What a fault shows of negative and zero sequence."""

    negative: F8
    """[m] per unit"""
    zero: F8
    stop: int
    """Step at which the fault is cleared."""


@dataclass(frozen=True)
class Event:
    """What happens from a step on."""

    origins: Sequence[int] = ()
    """Buses: none, one, or both ends of a line."""
    size_mw: float | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    stages: Sequence[Stage] = ()
    currents: Sequence[Current] = ()
    drive: Drive | None = None
    swing: Swing | None = None
    sequences: Sequences | None = None
    lasts: float = 20.0
    """s in which it shows most"""


def gen_trip(scene: Scene, rng: np.random.Generator, at: int, steps: int) -> Event:
    """A unit of a plant, or nearly all of it, is lost."""
    grid = scene.grid
    power = grid.rest.power
    which = int(rng.choice(np.flatnonzero(power > 0.003 * grid.total)))
    share = min(0.97, grid.total * 10 ** rng.uniform(SMALLEST, LARGEST) / power[which])
    left = power.copy()
    left[which] *= 1.0 - share
    after = stage(grid, at, machines=grid.machines.shrunk(which, 1.0 - share), power=left)
    return Event([int(grid.network.plants[which])], BASE * share * float(power[which]),
                 {"share_of_plant": round(share, 3)}, [after])  # fmt: skip


def load_loss(scene: Scene, rng: np.random.Generator, at: int, steps: int) -> Event:
    """A part of the load of a bus is lost, or all of it."""
    network, total = scene.grid.network, scene.grid.total
    which = int(rng.choice(np.flatnonzero(network.load > 0.0015 * total)))
    lost = min(total * 10 ** rng.uniform(SMALLEST, LARGEST), float(network.load[which]))
    left = np.ones(len(network.load))
    left[which] -= lost / network.load[which]
    return Event([int(network.loads[which])], BASE * lost, {}, [stage(scene.grid, at, load=left)])


def line_trip(scene: Scene, rng: np.random.Generator, at: int, steps: int) -> Event:
    """A circuit that carries more than most goes out."""
    network, voltage = scene.grid.network, scene.grid.flow.voltage
    ends = network.ends
    current = (voltage[ends[:, 0]] - voltage[ends[:, 1]]) / (network.resistance + 1j * network.reactance)
    flow = np.abs((voltage[ends[:, 0]] * np.conj(current)).real)
    lines = np.flatnonzero(~network.transforms)
    lines = lines[flow[lines] > np.median(flow[lines])]
    which = next(int(each) for each in rng.permutation(lines) if not network.islands(int(each)))
    one, other = (int(bus) for bus in ends[which])
    note = "size_mw is the power flow on the line before the trip; position is the middle of the line"
    return Event([one, other], BASE * float(flow[which]), {"bus2": other, "note": note},
                 [stage(scene.grid, at, without=which)])  # fmt: skip


def fault_3ph(scene: Scene, rng: np.random.Generator, at: int, steps: int) -> Event:
    """Of three phases."""
    return _fault(scene, rng, at, "3ph")


def fault_2ph(scene: Scene, rng: np.random.Generator, at: int, steps: int) -> Event:
    """Between two phases."""
    return _fault(scene, rng, at, "2ph")


def fault_ground(scene: Scene, rng: np.random.Generator, at: int, steps: int) -> Event:
    """Of one or two phases to ground."""
    return _fault(scene, rng, at, str(rng.choice(["1ph-ground", "2ph-ground"])))


def _fault(scene: Scene, rng: np.random.Generator, at: int, sort: str) -> Event:
    """At a bus of the grid; half are cleared with a line out."""
    network = scene.grid.network
    bus = int(rng.choice(np.setdiff1d(np.arange(len(network.kv)), network.plants)))
    own, through = scene.rest.impedance[bus, bus], 0.15 * rng.random()
    shunt, negative, zero = shunted(sort, own, scene.zero[bus, bus], through * abs(own))
    stop = at + max(1, round(rng.uniform(0.06, 0.14) / STEP))
    touching = [int(k) for k in np.flatnonzero((network.ends == bus).any(axis=1) & ~network.transforms)]
    out = [k for k in touching if not network.islands(k)]
    tripped = bool(out) and bool(rng.random() < 0.5)
    after = stage(scene.grid, stop, without=int(rng.choice(out)) if tripped else None)
    current = scene.grid.flow.voltage[bus] / (own + shunt)
    shown = Sequences(
        np.abs(scene.rest.impedance[scene.buses, bus] * negative * current),
        np.abs(scene.zero[scene.buses, bus] * zero * current), stop,
    )  # fmt: skip
    detail = {"fault_type": sort, "duration_s": round((stop - at) * STEP, 4), "line_tripped_at_clearing": tripped}
    stages = [stage(scene.grid, at, fault=(bus, shunt)), after]
    return Event([bus], None, detail, stages, sequences=shown if sort != "3ph" else None)


def shunted(sort: str, own: complex, zero: complex, through: float) -> tuple[complex, complex, complex]:
    """(impedance beside its own that the positive-sequence network sees at a fault, negative- and zero-sequence current
    by the positive one) (Kundur 1994, 13.4.3; the negative-sequence network is the positive one)."""
    if sort == "3ph":
        return complex(through, 1e-4), 0.0, 0.0
    if sort == "2ph":
        return own + through, -1.0, 0.0
    if sort == "1ph-ground":
        return own + zero + 3 * through, 1.0, 1.0
    ground = zero + 3 * through
    return own * ground / (own + ground), -ground / (own + ground), -own / (own + ground)
