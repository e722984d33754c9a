"""Clocks that are off, by what the angle does at once, and by the frequency of the neighbours.

A device that shows at time t what was at t + τ has an angle that is 2π f τ off: it jumps, whole turns apart, when the
clock does, and what the device measures of the frequency does not. That tells τ within 1/f very well. How many periods
there are besides says the lag at which its frequency fits best to what the others say it must be, which is learnt from
the time before. (A shift of less than half a period is told as a step of the angle: nobody can know the difference.)
Nothing is said by the lag alone: modes of oscillation and travelling waves make lags, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from algorithms.observations import Observations
from algorithms.quality.flags import F8, Bools, Fault, Flag, middle, moving_mean, moving_range, spans
from algorithms.quality.frequency import odd
from algorithms.quality.physics import JUMP, TOGETHER, Physics, beside, turns

LONGEST = 1.1
"""Seconds; lags beyond are not looked for."""
FAST, SLOW = 0.1, 5.0
"""Seconds; the frequency less its mean over the second, of means over the first, is compared."""
SHORTEST = 5.0
"""Seconds that have to be compared, or learnt from."""
BETTER = 12.0
"""The share of the squares left with the best lag that are left besides without, times the independent samples (one in
twice `FAST`), has to be this: twice the logarithm of how much likelier the lag is."""
QUORUM = 3
"""Devices, for a majority to be right."""
LEVEL = 0.02
"""rad; an angle that comes back as near as this is right again."""
PLAUSIBLE = 0.1
"""Of nominal; a frequency that is off by more, or missing, is not counted with."""
CHANGE = 0.02
"""Hz; by so much the frequency may change over a shift of the clock, which makes angles inexact."""
LARGE = 0.05
"""rad; a jump that the frequency shows, too, has to be larger,"""
SEEN = 0.05
"""have less of its size in the samples beside, or within 100 ms at any neighbour,"""
STEADY = 0.02
"""and move the voltage by less than so much of it, per unit to rad. (Noise of the voltage besides.)"""


class Lag(NamedTuple):
    """How a device's frequency lies against that of the others."""

    seconds: float
    """Positive: it shows what the others show later."""
    sure: float = 0.0
    """By how much better it fits than none, in multiples of what counts (`BETTER`)."""


def sudden(seen: Observations) -> F8:
    """[m, n] rad by which the angle jumps from one sample to the next, of one device alone; else 0.

    The frequency may show it. In a grid a jump takes a filter's length to show (IEC/IEEE 60255-118-1: 40 ms in class P,
    100 ms in class M), moves the voltage, and the neighbours see some of it. Neighbours are needed.
    """
    turn = turns(seen.angle)
    if seen.devices < QUORUM or not (np.abs(np.diff(turn, axis=1)) > LARGE / 2.0).any():
        return np.zeros_like(turn)
    extra = beside(turn)
    size = np.abs(extra)
    large = size > LARGE
    around = np.pad(size, ((0, 0), (1, 1)))
    sharp = np.maximum(around[:, :-2], around[:, 2:]) < SEEN * size
    moved = moving_range(seen.magnitude, 1)
    steady = moved < STEADY * size + 3.0 * np.median(moved, axis=1, keepdims=True)
    found = np.zeros_like(extra)
    for device in np.flatnonzero((large & sharp & steady).any(axis=1)).tolist():
        for k in np.flatnonzero(large[device] & sharp[device] & steady[device]).tolist():
            near = size[:, max(k - TOGETHER, 0) : k + TOGETHER + 1].max(axis=1)
            near[device] = 0.0
            if near.max() < SEEN * size[device, k]:
                found[device, k] = extra[device, k]
    return found


def over_gaps(seen: Observations) -> F8:
    """[m, n] rad by which the angle has jumped where a device is back after a short gap, of one device alone; else 0.

    A clock that was behind leaves out the rows of the time that it makes good. The turn is what the angle moved less
    what the frequency before and after makes of the time between. Neighbours are needed, as with `sudden`.
    """
    there = ~np.isnan(seen.angle) & ~np.isnan(seen.frequency)
    found = np.zeros(there.shape)
    if seen.devices < QUORUM:
        return found
    for device, start, stop in _gaps(there, int(LONGEST * seen.rate)):
        known = there[:, start - 1] & there[:, stop]
        if np.count_nonzero(known) < QUORUM:
            continue
        beyond = seen.frequency[known][:, [start - 1, stop]].mean(axis=1) - seen.nominal
        moved = seen.angle[known, stop] - seen.angle[known, start - 1]
        turn = moved - 2.0 * np.pi * beyond * (stop - start + 1) / seen.rate
        own = int(np.count_nonzero(known[:device]))
        extra = (turn - np.median(np.delete(turn, own)) + np.pi) % (2.0 * np.pi) - np.pi
        size = abs(float(extra[own]))
        if size > LARGE and np.abs(np.delete(extra, own)).max() < SEEN * size:
            found[device, stop] = extra[own]
    return found


def _gaps(there: Bools, most: int) -> Iterator[tuple[int, int, int]]:
    """(device, first sample, sample after the last) of what is missing between samples, no more than `most`."""
    for device in np.flatnonzero(~there.all(axis=1)).tolist():
        for start, stop in spans(~there[device]):
            if start > 0 and stop < there.shape[1] and stop - start <= most:
                yield device, start, stop


def clocks(seen: Observations, physics: Physics, turned: F8) -> list[Flag]:
    """Clock offsets and steps of the angle, from the jumps of the angle [m, n] rad, 0 where there is none.

    `seen` has NaN where samples are bad otherwise.
    """
    devices = np.flatnonzero((turned != 0.0).any(axis=1)).tolist()
    if not devices:
        return []
    shown = banded(seen.frequency, seen.rate)
    return [flag for device in devices for flag in _of_device(seen, physics, turned[device], device, shown)]


def _of_device(seen: Observations, physics: Physics, turned: F8, device: int, shown: F8) -> list[Flag]:
    """The spans between jumps in which the device is off."""
    at = np.flatnonzero(turned)
    edges = [0, *at.tolist(), seen.samples]
    wanted = expected(shown, device, edges[1], seen.rate)
    limit = JUMP * 4.0 * np.pi * float(physics.usual[device]) / seen.rate
    flags: list[Flag] = []
    clock, angle = 0.0, 0.0
    for start, stop in pairwise(edges[1:]):
        jump = float(turned[start])
        hertz = float(seen.frequency[device, start])
        hertz = hertz if abs(hertz - seen.nominal) < PLAUSIBLE * seen.nominal else seen.nominal
        found = lag(np.stack([shown[device, start:stop], wanted[start:stop]]), seen.rate)
        clock, angle = _after(clock, angle, jump, hertz, found)
        if not clock and abs(angle) < LEVEL and flags:
            continue
        kind = Fault.CLOCK_OFFSET if clock else Fault.STEP_OFFSET
        detail = {"channel": "angle", "size_rad": angle}
        if clock:
            detail |= {"offset_s": clock, "sure": found.sure}
        flags.append(Flag(device, kind, start, stop, max(abs(jump) / limit, 1.0), detail))
    return flags


def _after(clock: float, angle: float, jump: float, hertz: float, found: Lag) -> tuple[float, float]:
    """Seconds that the clock is off after a jump, 0 = it is not, and rad that the angle is."""
    angle = (angle + jump + np.pi) % (2.0 * np.pi) - np.pi
    part = jump / (2.0 * np.pi)
    back = clock + (part - round(part + clock * hertz)) / hertz
    if clock and abs(back) * 2.0 * np.pi * hertz < LEVEL + 2.0 * np.pi * CHANGE * abs(clock):
        return 0.0, 0.0
    if found.sure < 1.0:
        return 0.0, angle
    periods = round((found.seconds - clock) * hertz - part)
    shift = clock + (periods + part) / hertz
    return (shift, angle) if abs(shift) * hertz >= 0.5 else (0.0, angle)


def banded(frequency: F8, rate: float) -> F8:
    """[m, n] What moves within seconds."""
    fast = moving_mean(frequency, odd(FAST * rate))
    return fast - moving_mean(frequency, odd(SLOW * rate))


def expected(shown: F8, device: int, until: int, rate: float) -> F8:
    """[n] What the device should show, by the others; NaN where nobody knows.

    A mix of the others, least squares over the samples before `until`, when the device was right (a little ridge keeps
    it from chasing noise); the median of all devices if that is too short a time.
    """
    if shown.shape[0] < QUORUM:
        return np.full(shown.shape[1], np.nan)
    common = middle(shown)
    if until < SHORTEST * rate:
        return common
    others = np.delete(shown, device, axis=0)
    others = np.where(np.isnan(others), common, others)
    learn = ~np.isnan(shown[device, :until]) & ~np.isnan(others[:, :until]).any(axis=0)
    if np.count_nonzero(learn) < SHORTEST * rate:
        return common
    x, y = others[:, :until][:, learn], shown[device, :until][learn]
    square = x @ x.T
    ridge = 1e-3 * np.trace(square) / len(square) * np.eye(len(square))
    return np.asarray(np.linalg.solve(square + ridge, x @ y) @ others)


def lag(shown: F8, rate: float) -> Lag:
    """The lag at which the first row of [2, n] fits best to the second; a parabola tells it between samples."""
    most = int(LONGEST * rate)
    count = shown.shape[1] - 2 * most
    if count < SHORTEST * rate:
        return Lag(0.0)
    own = shown[0, most : most + count]
    others = np.lib.stride_tricks.sliding_window_view(shown[1], count)
    there = ~np.isnan(own) & ~np.isnan(others)
    number = np.count_nonzero(there, axis=1)
    if number.min() < SHORTEST * rate:
        return Lag(0.0)
    left = np.where(there, np.nan_to_num(own) - np.nan_to_num(others), 0.0)
    left = np.square(left).sum(axis=1) / number
    best = int(np.argmin(left))
    if best in (0, left.size - 1) or left[best] <= 0.0:
        return Lag((best - most) / rate)
    before, here, after = left[best - 1 : best + 2]
    between = 0.5 * (before - after) / (before - 2.0 * here + after)
    gain = (left[most] / here - 1.0) * number[best] / (2.0 * FAST * rate)
    return Lag(float(best - most + between) / rate, float(gain / BETTER))
