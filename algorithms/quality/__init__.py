"""Which samples of which device are bad data, of what kind, and what they most probably were.

1. What is missing, filled with zeros or frozen is told by itself (`samples`).
2. What the frequency says must be what the angle says (`physics`, `frequency`): spikes, noise, steps, drifts.
3. An angle that jumps while the frequency knows nothing is a clock, or an angle, that was set (`clock`).
4. A voltage that jumps while nothing else does, here or at neighbours, is the voltmeter's own (`voltage`).

A disturbance moves all quantities of a device together, so it is none of these, however large. Limits are multiples
of what each device usually does. What can be wrong with such data: NASPI-2017-TR-002, "PMU Data Quality".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from algorithms.observations import SERIES, Observations
from algorithms.quality.clock import clocks, over_gaps, sudden
from algorithms.quality.flags import Bools, Fault, Flag, spans, widened
from algorithms.quality.frequency import noise, offsets, spiky
from algorithms.quality.physics import compare, jumps, lone
from algorithms.quality.repair import repair
from algorithms.quality.samples import frozen, missing, spikes, zero_filled
from algorithms.quality.voltage import steps

__all__ = ["Assessed", "Fault", "Flag", "assess", "frozen", "missing", "spikes", "zero_filled"]

HOLD = 0.5
"""Seconds; values that stay the same for longer are frozen, samples missing for longer a gap."""
ENOUGH = 0.5
"""Share of its samples that a device needs to take part."""
REACH = 3
"""Samples around a hole in which a device's filter may show it."""


@dataclass(frozen=True)
class Assessed:
    """Observations, and what is bad about them; m devices, n samples."""

    flags: list[Flag]
    """By device, then by first sample."""
    bad: Bools
    """[m, n] Nothing measured stands behind the repaired sample (bridged, or NaN): not to be judged by."""
    repaired: Observations
    """The same with bad samples put right where they can be, else NaN. What is not flagged is as it was measured."""
    usable: Bools
    """[m] The device may take part in a judgement: most of its samples are there."""


def assess(seen: Observations, late: float = 0.0) -> Assessed:
    """Find bad data in a window, and repair it. Samples that only its last `late` [s] lack may still come."""
    seen = _numbers(seen)
    flags, hole = holes(seen, late)
    frequency, magnitude, angle = (np.where(hole, np.nan, x) for x in (seen.frequency, seen.magnitude, seen.angle))
    sound = replace(seen, frequency=frequency, magnitude=magnitude, angle=angle)
    physics = compare(sound)
    noisy, known = noise(physics, seen.rate)
    slow, off = offsets(physics, sound.frequency, known, seen.rate)
    stray = lone(physics) & ~(known | widened(off, REACH, REACH))
    flags += noisy + slow + spiky(physics, stray)
    frequency, magnitude = np.where(known | off | stray, np.nan, frequency), np.where(known, np.nan, magnitude)
    sound = replace(sound, frequency=frequency, magnitude=magnitude)
    turned = jumps(physics, seen.rate)
    turned = np.where(turned == 0.0, sudden(sound), turned)
    turned = np.where(turned == 0.0, over_gaps(sound), turned)
    jumped = clocks(sound, physics, np.where(widened(known, REACH, REACH), 0.0, turned))
    flags += jumped
    flags += [each for each in steps(sound) if not _beside(each, jumped)]
    flags.sort(key=lambda flag: (flag.device, flag.start))
    repaired, bad = repair(seen, flags, physics.turning, hole)
    usable = np.mean(~bad, axis=1) >= ENOUGH
    return Assessed(flags, bad, repaired, np.asarray(usable))


def _numbers(seen: Observations) -> Observations:
    """The same, with what is infinite missing."""
    changed: dict[str, Any] = {name: getattr(seen, name) for name in SERIES}
    changed = {name: np.where(np.isinf(x), np.nan, x) for name, x in changed.items() if np.isinf(x).any()}
    return replace(seen, **changed) if changed else seen


def holes(seen: Observations, late: float = 0.0) -> tuple[list[Flag], Bools]:
    """Gaps, lost packets, zeros and frozen values, and [m, n] the samples in them. See `assess`."""
    hold = max(int(HOLD * seen.rate), 2)
    settled = max(seen.samples - round(late * seen.rate), 0)
    angle = np.where(np.isnan(seen.angle).all(axis=1, keepdims=True), 0.0, seen.angle)  # a device without angles
    magnitude = np.where(np.isnan(seen.magnitude).all(axis=1, keepdims=True), 1.0, seen.magnitude)
    gone = missing(seen.frequency, magnitude, angle)
    zero = zero_filled(seen.frequency, magnitude, angle, seen.nominal)
    still = frozen(seen.frequency, magnitude, angle, hold) & ~zero
    still = widened(still, hold, 0) & ~zero & ~gone
    flags = []
    for device in np.flatnonzero((gone | zero | still).any(axis=1)).tolist():
        flags += _missing(device, gone[device], hold, settled)
        for kind, mask in ((Fault.ZERO_FILL, zero[device]), (Fault.FROZEN, still[device])):
            for start, stop in spans(mask, hold):
                count = int(np.count_nonzero(mask[start:stop]))
                limit = 1 if kind is Fault.ZERO_FILL else hold
                flags.append(Flag(device, kind, start, stop, count / limit, {"samples": count}))
    return flags, gone | zero | still


def _missing(device: int, gone: Bools, hold: int, settled: int) -> list[Flag]:
    """Gaps that begin before the sample `settled`, and one flag for all samples lost here and there before it."""
    long = [(start, stop) for start, stop in spans(gone) if stop - start > hold]
    flags = [Flag(device, Fault.GAP, start, stop, (stop - start) / hold) for start, stop in long if start < settled]
    rest = gone.copy()
    rest[settled:] = False
    for start, stop in long:
        rest[start:stop] = False
    rest[: np.argmin(gone)] = False  # it may have begun then: nothing says that it was sent
    at = np.flatnonzero(rest)
    if at.size:
        start, stop = int(at[0]), int(at[-1]) + 1
        detail = {"samples": int(at.size), "share": at.size / (stop - start)}
        flags.append(Flag(device, Fault.PACKET_LOSS, start, stop, float(at.size), detail))
    return flags


def _beside(flag: Flag, others: list[Flag]) -> bool:
    """Whether it begins where another of its device begins or ends: a clock that jumps shows another voltage, too."""
    return any(
        flag.device == other.device and min(abs(flag.start - other.start), abs(flag.start - other.stop)) <= REACH
        for other in others
    )
