from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from algorithms.observations import Observations
from algorithms.quality import Fault, assess

Grid = Callable[..., Observations]
DEVICE, FIRST, STOP = 3, 2000, 4500


def late(seen: Observations, seconds: float, stop: int = STOP, told: bool = False) -> Observations:
    """From FIRST on the clock of DEVICE is off: what it shows is what was so many seconds later.

    `told`: the frequency shows the jump of the angle, as one does that is computed from the angle after the clock.
    """
    shown = {}
    at = np.arange(seen.samples)
    for name in ("frequency", "magnitude", "angle"):
        x = getattr(seen, name).copy()
        whole = np.unwrap(x[DEVICE]) if name == "angle" else x[DEVICE]
        turned = 2.0 * np.pi * seen.nominal * seconds if name == "angle" else 0.0
        x[DEVICE, FIRST:stop] = (np.interp(at + seconds * seen.rate, at, whole) + turned)[FIRST:stop]
        shown[name] = x
    shown["angle"] = (shown["angle"] + np.pi) % (2.0 * np.pi) - np.pi
    if told:
        part = (seen.nominal * seconds + 0.5) % 1.0 - 0.5
        for edge, way in ((FIRST, 1.0), (stop, -1.0)):
            shown["frequency"][DEVICE, edge - 1 : edge + 1] += way * part * seen.rate / 2.0
    return replace(seen, **shown)


@pytest.mark.parametrize("seconds", [0.0425, -0.13, 0.317, -0.4814, 0.9])
def test_a_clock_that_is_off_is_told_to_the_millisecond_and_set_right(grid: Grid, seconds: float):
    seen = grid(seconds=120.0)
    found = assess(late(seen, seconds))
    assert [(flag.device, flag.kind) for flag in found.flags] == [(DEVICE, Fault.CLOCK_OFFSET)]
    flag = found.flags[0]
    assert (abs(flag.start - FIRST), abs(flag.stop - STOP)) <= (1, 1)
    assert flag.detail["offset_s"] == pytest.approx(seconds, abs=5e-4)
    there = np.flatnonzero(~found.bad[DEVICE])
    assert there.size > 0.95 * seen.samples
    off = found.repaired.frequency[DEVICE, there] - seen.frequency[DEVICE, there]
    assert np.abs(off).max() < 3e-3
    turned = found.repaired.angle[DEVICE, there] - seen.angle[DEVICE, there]
    changing = 2.0 * np.pi * 0.02 * abs(seconds)  # a frequency that changes by 20 mHz meanwhile
    assert np.abs((turned + np.pi) % (2.0 * np.pi) - np.pi).max() < 0.02 + changing


@pytest.mark.parametrize("lost", [4, 5, 40])
def test_a_clock_that_makes_good_its_time_leaves_rows_out(grid: Grid, lost: int):
    seen = late(grid(seconds=120.0), -0.0875)
    gone = np.zeros((seen.devices, seen.samples), dtype=bool)
    gone[DEVICE, STOP - lost : STOP] = True
    shown = {name: np.where(gone, np.nan, getattr(seen, name)) for name in ("frequency", "magnitude", "angle")}
    found = assess(replace(seen, **shown)).flags
    assert {flag.device for flag in found} == {DEVICE}
    [clock] = [flag for flag in found if flag.kind == Fault.CLOCK_OFFSET]
    assert Fault.STEP_OFFSET not in {flag.kind for flag in found}
    assert (abs(clock.start - FIRST), abs(clock.stop - STOP)) <= (1, 1)
    assert clock.detail["offset_s"] == pytest.approx(-0.0875, abs=1e-3)


def test_a_gap_is_no_jump(grid: Grid):
    seen = grid(seconds=120.0)
    gone = np.zeros((seen.devices, seen.samples), dtype=bool)
    for device, first, lost in ((1, 1000, 3), (2, 2500, 12), (3, 4000, 45)):
        gone[device, first : first + lost] = True
    shown = {name: np.where(gone, np.nan, getattr(seen, name)) for name in ("frequency", "magnitude", "angle")}
    assert {flag.kind for flag in assess(replace(seen, **shown)).flags} <= {Fault.GAP, Fault.PACKET_LOSS}


def test_a_frequency_that_shows_the_jump_is_found_by_the_neighbours(grid: Grid):
    found = assess(late(grid(seconds=120.0), 0.2421, told=True))
    assert {flag.device for flag in found.flags} == {DEVICE}
    assert Fault.CLOCK_OFFSET in {flag.kind for flag in found.flags}


def test_a_step_of_the_angle_is_no_clock(grid: Grid):
    seen = grid(seconds=120.0)
    angle = seen.angle.copy()
    angle[DEVICE, FIRST:] += 0.4
    found = assess(replace(seen, angle=angle))
    assert [(flag.device, flag.kind, flag.stop) for flag in found.flags] == [(DEVICE, Fault.STEP_OFFSET, seen.samples)]
    assert found.flags[0].detail["size_rad"] == pytest.approx(0.4, abs=2e-3)


@pytest.mark.parametrize("seed", range(4))
def test_a_true_jump_of_the_angle_is_no_clock(grid: Grid, seed: int):
    """A fault that only class P devices and their neighbours see well."""
    assert assess(grid(devices=5, fault=20.0 + 0.0037 * seed, seed=seed)).flags == []
