"""Grids from seeds: drawn until one is plausible, damped as asked for, with devices and the level of its ambient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.signal import fftconvolve

from benchmarks.grids import ambient, damping, devices, flow, machines, network
from benchmarks.grids.ambient import HOLD
from benchmarks.grids.damping import RANGES, Modes, Unstable
from benchmarks.grids.devices import Device
from benchmarks.grids.events import Scene
from benchmarks.grids.flow import NoFlow
from benchmarks.grids.machines import NOMINAL, Grid
from benchmarks.grids.network import BASE, I8
from benchmarks.grids.running import STEP, Course, run, stage

BUSES = (40, 250)
COMMON, OWN = 12.0, 0.6
"""mHz rms of the mean speed, and of the devices' differences from their mean, by loads: in the well damped grid."""
LEAST, MOST = 0.65, 1.6
"""How far outside of its range a mode may be damped, of the range's ends."""
SLOWEST = 0.5
"""Hz; below that governors damp modes more than the range says."""
NADIR = (10.0, 60.0)
"""mHz that the frequency falls at most for a loss of 1 % of generation."""
LOOK = 180.0
"""s"""
TRIES = 40


class Implausible(ArithmeticError):
    """Such a grid would not be built."""


@dataclass(frozen=True)
class Made:
    """A scene, and what is worth knowing about its grid."""

    scene: Scene
    about: dict[str, Any]


def scene(seed: int, how: str, prefix: str) -> Made:
    """The grid of a seed. Grids of one seed differ in damping alone, not in network, machines and devices."""
    for number in range(TRIES):
        rng = np.random.default_rng([seed, number])
        try:
            bare = _bare(rng)
            # The badly damped one first: it is the likeliest to be none.
            grids = {each: _damped(bare, each, np.random.default_rng([seed, number, 1])) for each in reversed(RANGES)}
            fall = _nadir(grids[how][0])
        except (NoFlow, Unstable, Implausible):
            continue
        some = devices.placed(rng, bare, prefix)
        grid, modes = grids[how]
        level = _level(grids["good"][0], some, seed)
        made = Scene(grid, some, level, modes, damping.swings(machines.slope(grid), grid.machines.inertia))
        return Made(made, _about(made, seed, how, fall))
    raise RuntimeError(f"seed {seed}: no grid in {TRIES} tries is plausible")


def _bare(rng: np.random.Generator) -> Grid:
    """A solved grid without damping. Raises NoFlow, Implausible."""
    drawn = network.drawn(rng, int(rng.integers(*BUSES)))
    solved = flow.solved(drawn, rng)
    angle = np.angle(solved.voltage[drawn.ends[:, 0]] / solved.voltage[drawn.ends[:, 1]])
    if np.abs(angle).max() > np.radians(35.0) or np.abs(np.abs(solved.voltage) - 1.0).max() > 0.08:
        raise Implausible("lines carry too much")
    if np.max(np.abs(solved.generated.imag) / drawn.capacity) > 0.75:
        raise Implausible("machines give too much reactive power")
    return machines.drawn(rng, drawn, solved)


def _damped(bare: Grid, how: str, rng: np.random.Generator) -> tuple[Grid, Modes]:
    """With its modes. Raises Unstable, Implausible."""
    lowest, highest = RANGES[how]
    alone = damping.swings(machines.slope(bare), bare.machines.inertia)
    grid = damping.damped(bare, damping.wanted(rng, alone.omega / (2 * np.pi), lowest, highest))
    modes = damping.modes(machines.slope(grid), grid.machines.inertia)
    above = modes.damping[modes.hertz > SLOWEST]
    if modes.damping.min() < LEAST * lowest or above.max() > MOST * highest:
        raise Implausible("modes are not damped as asked for")
    return grid, modes


def _nadir(grid: Grid) -> float:
    """mHz that the frequency falls for a loss of 1 % of generation, at the largest plant. Raises Implausible."""
    which = int(np.argmax(grid.rest.power))
    power = grid.rest.power.copy()
    power[which] -= 0.01 * grid.total
    ran = run(grid, grid.network.plants[:1], Course([stage(grid), stage(grid, 1, power=power)]), 0, round(20.0 / STEP))
    fall = -1e3 * NOMINAL * float(ran.middle.min())
    if not NADIR[0] < fall < NADIR[1]:
        raise Implausible(f"the frequency falls by {fall:.0f} mHz for 1 %")
    return fall


def _level(grid: Grid, some: list[Device], seed: int) -> ambient.Level:
    """Of the ambient, as the swings of frequencies by each part alone say."""
    rng = np.random.default_rng([seed, 2])
    steps, settled, small = round(LOOK / STEP), round(30.0 / STEP), 0.001
    buses: I8 = np.array([device.bus for device in some])
    loads = ambient.drawn(grid, ambient.Level(0.0, small), rng, steps, STEP, everyday=False)
    turning = devices.clean(run(grid, buses, Course([stage(grid)], loads), 0, steps).voltage, some).frequency[
        :, settled:
    ]
    apart = float(np.std(turning - turning.mean(axis=0)))
    # The common part is slow, so that one window says little of it: its answer to a step tells that of an hour.
    load = np.full(len(grid.network.load), 1.0 + small)
    answer = NOMINAL * run(grid, buses[:1], Course([stage(grid), stage(grid, 1, load=load)]), 0, steps).middle[::HOLD]
    common = ambient.common(rng, round(3600.0 / (HOLD * STEP)), HOLD * STEP)
    together = fftconvolve(common, np.diff(answer))[len(answer) : len(common)] / small
    whole = len(together) // len(answer) * len(answer)
    spread = float(np.median(np.std(together[:whole].reshape(-1, len(answer)), axis=1)))
    return ambient.Level(1e-3 * COMMON / spread, 1e-3 * OWN * small / apart)


def _about(made: Scene, seed: int, how: str, fall: float) -> dict[str, Any]:
    drawn, modes = made.grid.network, made.modes
    return {
        "seed": seed, "damping": how, "buses": len(drawn.kv), "branches": len(drawn.ends),
        "areas": int(drawn.area.max()) + 1, "machines": len(drawn.plants), "devices": len(made.devices),
        "load_mw": round(BASE * float(drawn.load.sum())), "nadir_mhz_for_1_percent": round(fall, 1),
        "modes": [[round(float(hertz), 3), round(float(ratio), 4)]
                  for hertz, ratio in zip(modes.hertz, modes.damping, strict=True)],
        "ambient": {"common": round(made.level.common, 6), "own": round(made.level.own, 6)},
    }  # fmt: skip
