"""Oscillations, and slow ramps of the frequency, which are no event."""

from __future__ import annotations

import numpy as np

from benchmarks.grids.events import Event, Scene
from benchmarks.grids.machines import NOMINAL
from benchmarks.grids.network import BASE, F8
from benchmarks.grids.running import STEP, Current, Drive, Swing

INTER_AREA = (0.15, 0.95)
"""Hz"""
NEAR = 0.25
"""Log of the ratio of frequencies of a mode and of the swing of rotors alone that it is."""
RATIOS = (-0.004, 0.0, 0.005, 0.01, 0.02, 0.03)
"""Damping that a mode is left with: it grows, stays, or dies out slowly."""
PULSE = 0.4
"""s of the push that starts it"""


def osc_inter_area(scene: Scene, rng: np.random.Generator, at: int, steps: int) -> Event:
    """A mode loses its damping and is pushed; all other modes keep theirs."""
    hertz = scene.modes.hertz
    # A mode far from its swing's own frequency is a turbine's or an exciter's: it cannot be undamped by the rotors.
    swings = np.abs(np.log(2 * np.pi * hertz / scene.swings.omega)) < NEAR
    some = np.flatnonzero(swings & (hertz > INTER_AREA[0]) & (hertz < INTER_AREA[1]))
    which = int(rng.choice(some)) if len(some) else int(np.where(swings, hertz, np.inf).argmin())
    ratio, omega = float(rng.choice(RATIOS)), 2 * np.pi * hertz[which]
    shape = scene.swings.shape[which]
    amplitude = 10 ** rng.uniform(0.5, 1.5) / (1e3 * NOMINAL)
    lessened = np.sin(0.5 * omega * PULSE) / (0.5 * omega)
    course = np.zeros(steps)
    course[at : at + round(PULSE / STEP)] = amplitude / (2 * lessened * np.abs(shape).max())
    largest = int(scene.grid.network.plants[np.abs(shape).argmax()])
    detail = {"freq_hz": round(float(hertz[which]), 3), "damping_ratio": ratio, "largest_swing_bus": largest,
              "note": "whole-system mode: no single source, not scored for location"}  # fmt: skip
    return Event(
        (), None, detail,
        drive=Drive(2 * scene.grid.machines.inertia * shape, course),
        swing=Swing(at, shape, 2 * omega * (ratio - float(scene.modes.damping[which]))),
        lasts=180.0,
    )  # fmt: skip


def osc_forced(scene: Scene, rng: np.random.Generator, at: int, steps: int) -> Event:
    """A turbine, or the power at a plant's terminal, is driven at a frequency and twice that."""
    grid = scene.grid
    which = int(rng.choice(np.flatnonzero(grid.rest.power > 0.003 * grid.total)))
    hertz, size = rng.uniform(0.2, 1.3), grid.total * 10 ** rng.uniform(-3.1, -2.2)
    ramp, lasts = rng.uniform(1.0, 8.0), rng.uniform(40.0, 140.0)
    since = np.maximum(np.arange(steps) - at, 0) * STEP
    course = np.sin(2 * np.pi * hertz * since) + rng.uniform(0.1, 0.4) * np.sin(4 * np.pi * hertz * since + 1.0)
    course *= size * envelope(since, ramp, lasts)
    bus, mechanical = int(grid.network.plants[which]), bool(rng.random() < 0.5)
    detail = {"freq_hz": round(hertz, 3), "ramp_up_s": round(ramp, 2), "duration_s": round(lasts, 1),
              "via": "mechanical power" if mechanical else "electrical power at the terminal"}  # fmt: skip
    share = np.zeros(len(grid.network.plants))
    share[which] = 1.0
    current = Current(bus, 0, np.conj(course / grid.flow.voltage[bus]))
    return Event([bus], BASE * size, detail, currents=() if mechanical else (current,),
                 drive=Drive(share, course) if mechanical else None, lasts=40.0)  # fmt: skip


def osc_subsync(scene: Scene, rng: np.random.Generator, at: int, steps: int) -> Event:
    """Active and reactive power of a plant behind converters at a load's bus swing fast, as phasors show it."""
    grid = scene.grid
    bus, hertz = int(rng.choice(grid.network.loads)), rng.uniform(3.5, 13.0)
    size = grid.total * 10 ** rng.uniform(-3.3, -2.3)
    ramp, lasts = rng.uniform(1.0, 6.0), rng.uniform(15.0, 100.0)
    since = np.maximum(np.arange(steps) - at, 0) * STEP
    turn = 2 * np.pi * hertz * since
    power = size * envelope(since, ramp, lasts) * (np.sin(turn) + 0.7j * np.sin(turn - rng.uniform(0.3, 1.2)))
    detail = {"freq_hz": round(hertz, 3), "ramp_up_s": round(ramp, 2), "duration_s": round(lasts, 1)}
    return Event([bus], BASE * size, detail,
                 currents=(Current(bus, 0, np.conj(power / grid.flow.voltage[bus])),), lasts=15.0)  # fmt: skip


def envelope(since: F8, ramp: float, lasts: float) -> F8:
    """[t] 0 to 1 within a ramp, and 0 when it is over."""
    return np.asarray(np.clip(since / ramp, 0.0, 1.0) * (since < lasts))


def slow_ramp(scene: Scene, rng: np.random.Generator, steps: int, begin: int) -> Event:
    """What governors are set to changes slowly, as a schedule does: no event, but `slow_ramp_mhz` in its detail."""
    droop = scene.grid.machines.droop
    size = float(rng.choice([-1.0, 1.0]) * rng.uniform(20.0, 100.0))
    first, lasts = begin + round(rng.uniform(5.0, 80.0) / STEP), rng.uniform(30.0, 100.0)
    course = np.clip((np.arange(steps) - first) * STEP / lasts, 0.0, 1.0) * size / (1e3 * NOMINAL)
    return Event(detail={"slow_ramp_mhz": round(size, 1)}, drive=Drive(droop, course))
