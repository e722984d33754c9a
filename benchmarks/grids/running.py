"""A grid runs: its machines through stages of networks, and the voltages at its devices.

A stage is the grid as it is for a time: the network between machines, devices and loads is algebraic (the stator and
the network settle at once), so that voltages follow from the machines' and from what loads draw beside their
impedances: currents that turn with the mean of the machines.
Leapfrog: angles move half a step, everything else a whole one by what holds in the middle, angles the other half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numba
import numpy as np

from benchmarks.grids.ambient import HOLD, Loads
from benchmarks.grids.machines import TURN, Grid, Machines
from benchmarks.grids.network import C16, F8, I8

STEP = 0.005
"""s; a phasor belongs to the middle of its step."""
CEILING = 6.0
"""Of the field, per unit."""


@dataclass(frozen=True)
class Stage:
    """From a step on."""

    first: int
    machines: Machines
    impedance: C16
    """[n, n] Between all buses, with machines and loads."""
    power: F8
    """[g] Of the turbines."""


@dataclass(frozen=True)
class Current:
    """What flows into a bus beside everything else."""

    bus: int
    first: int
    """Step"""
    course: C16
    """[k] Per unit"""


@dataclass(frozen=True)
class Drive:
    """Power added to turbines."""

    share: F8
    """[g]"""
    course: F8
    """[steps] Per unit"""


@dataclass(frozen=True)
class Swing:
    """Damping of one mode alone, beside that of the machines."""

    first: int
    """Step from which it holds."""
    shape: F8
    """[g] Speeds; inertia-weighted sum of squares is 1."""
    strength: float
    """1/s; twice the decay that is added."""


@dataclass(frozen=True)
class Course:
    """What is done to a grid."""

    stages: Sequence[Stage]
    loads: Loads | None = None
    currents: Sequence[Current] = ()
    drive: Drive | None = None
    swing: Swing | None = None


@dataclass
class Run:
    """What came of it."""

    voltage: C16
    """[m, steps] Of the devices"""
    middle: F8
    """[steps] Inertia-weighted mean speed"""
    state: F8 = field(repr=False)
    """[5, g] At the end"""


def stage(
    grid: Grid,
    first: int = 0,
    load: F8 | None = None,
    without: int | None = None,
    machines: Machines | None = None,
    power: F8 | None = None,
    fault: tuple[int, complex] | None = None,
) -> Stage:
    """A stage in which loads [l] have changed by a factor, a branch is out, machines are others, or a bus has a fault
    of an impedance."""
    admittance = grid.admittance(load, without, machines)
    if fault is not None:
        admittance[fault[0], fault[0]] += 1.0 / fault[1]
    return Stage(
        first, grid.machines if machines is None else machines, np.linalg.inv(admittance),
        grid.rest.power if power is None else power,
    )  # fmt: skip


def run(grid: Grid, devices: I8, course: Course, first: int, stop: int) -> Run:
    """From rest at step `first` up to step `stop`; devices [m] are buses."""
    plants, steps = grid.network.plants, stop - first
    rows = np.r_[plants, devices]
    count = len(plants)
    state = grid.rest.state.copy()
    voltage, middle = np.empty((len(devices), steps), complex), np.empty(steps)
    turned = 0.0
    starts = [max(each.first, first) for each in course.stages]
    drive = Drive(np.zeros(count), np.zeros(stop)) if course.drive is None else course.drive
    for each, begin, end in zip(course.stages, starts, [*starts[1:], stop], strict=True):
        if end <= begin:
            continue
        machines = each.machines
        reach = each.impedance[np.ix_(rows, plants)] / (1j * machines.transient)
        added = _added(grid, each, course, rows, begin, end)
        inner = np.empty((end - begin, count), complex)
        constants = np.array([
            machines.transient, machines.synchronous, machines.inertia, machines.field_lag, machines.gain,
            machines.exciter_lag, machines.droop, machines.turbine_lag, machines.damping, each.power, grid.rest.wanted,
        ])  # fmt: skip
        swing, since = np.zeros(count), stop
        if course.swing is not None:
            swing = np.sqrt(abs(course.swing.strength)) * course.swing.shape * machines.inertia
            since = course.swing.first
        sign = 1.0 if course.swing is None else np.sign(course.swing.strength)
        begun = turned
        turned = _advance(
            state, np.ascontiguousarray(reach[:count]), np.ascontiguousarray(added[:count].T), constants, drive.share,
            drive.course[begin:end], swing, sign, since - begin, turned, inner,
            middle[begin - first : end - first],
        )  # fmt: skip
        speed = middle[begin - first : end - first]
        turning = begun + STEP * TURN * (np.cumsum(speed) - speed)
        voltage[:, begin - first : end - first] = reach[count:] @ inner.T + added[count:] * np.exp(1j * turning)
    return Run(voltage, middle, state)


def _added(grid: Grid, each: Stage, course: Course, rows: I8, begin: int, end: int) -> C16:
    """[rows, steps] Voltages by what flows into buses beside machines."""
    found = np.zeros((len(rows), end - begin), complex)
    loads = course.loads
    if loads is not None:
        buses = grid.network.loads
        unit = loads.current * each.impedance[np.ix_(rows, buses)]
        low, high = begin // HOLD, (end - 1) // HOLD + 2
        part = loads.drawn[:, low:high]
        coarse = (unit.real @ part) + 1j * (unit.imag @ part)
        at = np.arange(begin, end) - low * HOLD
        whole, rest = at // HOLD, (at % HOLD) / HOLD
        found += coarse[:, whole] * (1.0 - rest) + coarse[:, whole + 1] * rest
        for at_step, load, size in loads.steps:
            if at_step < end:
                found[:, max(at_step - begin, 0) :] += size * unit[:, load, None]
    for current in course.currents:
        low, high = max(begin, current.first), min(end, current.first + len(current.course))
        if high > low:
            some = current.course[low - current.first : high - current.first]
            found[:, low - begin : high - begin] += each.impedance[rows, current.bus][:, None] * some
    return found


@numba.njit(cache=True)
def _advance(state, reach, added, constants, share, course, swing, sign, since, turned, inner, middle):  # type: ignore[no-untyped-def]
    """State [5, g] through steps [t]: `reach` [g, g] and `added` [t, g] give the machines' voltages, `turned` is the
    angle of all at first; `inner` [t, g] and `middle` [t] are filled. Returns the angle of all in the end."""
    transient, synchronous, inertia, field_lag, gain, exciter_lag, droop, turbine_lag, damping, power, wanted = (
        constants
    )
    angle, speed, internal, exciter, governor = state
    count = len(angle)
    weight = inertia / inertia.sum()
    for k in range(len(course)):
        mean = 0.0
        all_swing = 0.0
        for i in range(count):
            mean += weight[i] * speed[i]
            all_swing += swing[i] * speed[i]
        if k < since:
            all_swing = 0.0
        now = inner[k]
        for i in range(count):
            angle[i] += 0.5 * STEP * TURN * speed[i]
            now[i] = internal[i] * (np.cos(angle[i]) + 1j * np.sin(angle[i]))
        outer = np.dot(reach, now) + added[k] * (np.cos(turned) + 1j * np.sin(turned))
        middle[k] = mean
        turned += STEP * TURN * mean
        for i in range(count):
            current = (now[i] - outer[i]) / (1j * transient[i])
            electric = (now[i] * np.conj(current)).real
            along = -(current * np.conj(now[i])).imag / internal[i]
            push = (power[i] + governor[i] + share[i] * course[k] - electric
                    - damping[i] * (speed[i] - mean) - sign * swing[i] * all_swing)  # fmt: skip
            before = speed[i]
            speed[i] += STEP * push / inertia[i]
            lack = exciter[i] - internal[i] - (synchronous[i] - transient[i]) * along
            asked = min(max(gain[i] * (wanted[i] - abs(outer[i])), 0.0), CEILING)
            internal[i] += STEP * lack / field_lag[i]
            exciter[i] += STEP * (asked - exciter[i]) / exciter_lag[i]
            governor[i] += STEP * (-droop[i] * 0.5 * (before + speed[i]) - governor[i]) / turbine_lag[i]
            angle[i] += 0.5 * STEP * TURN * speed[i]
    return turned
