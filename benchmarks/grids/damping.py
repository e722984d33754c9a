"""Modes of a grid, and machines' damping so that the modes are damped as asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment, nnls

from benchmarks.grids.machines import TURN, Grid, slope
from benchmarks.grids.network import C16, F8

RANGES = {"good": (0.05, 0.20), "medium": (0.03, 0.08), "bad": (0.005, 0.03)}
"""Damping ratios that modes are given; each of these grids differs from the others by nothing else."""
ROUNDS = 6
LEAST = 0.25
"""Of the damping that the median mode needs, which all machines have by their inertia."""


class Unstable(ArithmeticError):
    """The grid does not stay at rest."""


@dataclass(frozen=True)
class Modes:
    """k electromechanical modes by frequency."""

    hertz: F8
    """[k]"""
    damping: F8
    """[k] Ratio"""
    shape: C16
    """[k, g] Speeds of the machines; the largest is 1."""


class Swings(NamedTuple):
    """Modes of the rotors alone, without damping."""

    omega: F8
    """[k] rad/s"""
    shape: F8
    """[k, g] Speeds; inertia-weighted sum of squares is 1."""


def swings(system: F8, inertia: F8) -> Swings:
    """Of a linear system [5g, 5g] (`machines.slope`)."""
    count = len(inertia)
    pull = -system[count : 2 * count, :count] * TURN
    root = np.sqrt(inertia)
    symmetric = root[:, None] * pull / root[None]
    values, vectors = np.linalg.eigh(0.5 * (symmetric + symmetric.T))
    return Swings(np.sqrt(np.maximum(values[1:], 1e-6)), (vectors[:, 1:] / root[:, None]).T)


def modes(system: F8, inertia: F8) -> Modes:
    """The modes of a linear system that go with the swings of its rotors. Raises Unstable."""
    count = len(inertia)
    alone = swings(system, inertia)
    values, vectors = np.linalg.eig(system)
    # Nothing pulls all angles together back, so that one value is nought.
    if np.sort(values.real)[-2] > 1e-6 or np.abs(values).min() > 1e-3:
        raise Unstable(f"a mode grows by {values.real.max():.2g} a second")
    turning = values.imag > 0.5
    values, speeds = values[turning], vectors[count : 2 * count, turning].T
    like = np.abs((speeds * inertia) @ alone.shape.T) / np.sqrt((np.abs(speeds) ** 2) @ inertia)[:, None]
    # Exciters and turbines swing, too, but with little of the rotors and at other frequencies.
    off = np.abs(np.log(np.abs(values)[:, None] / alone.omega[None]))
    some, order = linear_sum_assignment(off - 2.0 * like)
    some = some[np.argsort(order)]
    largest = np.take_along_axis(speeds, np.abs(speeds).argmax(axis=1)[:, None], axis=1)
    return Modes(
        np.abs(values[some].imag) / (2 * np.pi),
        -values[some].real / np.abs(values[some]),
        (speeds / largest)[some],
    )


def wanted(rng: np.random.Generator, hertz: F8, lowest: float, highest: float) -> F8:
    """[k] Damping ratios to aim at within a range: they change with the frequency, and a little from mode to mode."""
    over = np.log(hertz / np.exp(np.log(hertz).mean()))
    place = rng.uniform(0.35, 0.65) + rng.uniform(-0.45, 0.05) * over + 0.12 * rng.standard_normal(len(hertz))
    return np.asarray(lowest * (highest / lowest) ** np.clip(place, 0.1, 0.9))


def damped(grid: Grid, aim: F8) -> Grid:
    """The grid with damping of each machine that gives its modes about the damping ratios [k] aimed at.

    To first order a mode of unit inertia is damped by half the sum of the machines' damping times its squared shape:
    non-negative least squares in relative errors, on what all have by their inertia alike, repeated with what exciters
    and governors do beside.
    """
    inertia = grid.machines.inertia
    bare = replace(grid, machines=replace(grid.machines, damping=np.zeros_like(inertia)))
    alone = swings(slope(bare), inertia)
    share = alone.shape**2 / (2 * alone.omega[:, None])
    needed, found = aim.copy(), bare
    for _ in range(ROUNDS):
        least = LEAST * np.median(2 * needed * alone.omega) * inertia
        more, _ = nnls(share / aim[:, None], (needed - share @ least) / aim)
        found = replace(grid, machines=replace(grid.machines, damping=least + more))
        needed = np.clip(needed + aim - ratios(found), 0.0, needed + aim)
    return found


def ratios(grid: Grid) -> F8:
    """[k] Damping ratios in the order of the swings, also of an unstable grid."""
    system, inertia = slope(grid), grid.machines.inertia
    try:
        return modes(system, inertia).damping
    except Unstable:
        # What grows is damped less than nothing by as much as its swing alone says.
        alone = swings(system, inertia)
        full = np.linalg.eigvals(system)
        near = np.abs(np.log(np.abs(full)[None] / alone.omega[:, None]) + 1j * (full.imag[None] <= 0)).argmin(axis=1)
        return np.asarray(-full.real[near] / np.abs(full[near]))
