"""Oscillations of a disturbance that several devices saw: how fast, how well damped, how much in which band."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from algorithms.coanalysis.transients import bridged
from algorithms.observations import Observations
from algorithms.ringdown import Mode, ringdown

F8 = NDArray[np.float64]

BANDS = {"inter_area": (0.1, 1.0), "local": (1.0, 3.0), "subsynchronous": (3.0, 20.0)}
"""Hz: areas against each other; a machine against its neighbours ([Kundur1994] Power System Stability and Control,
12.1); torsion and converters as phasors show them."""
ORDER = 2
SETTLED = 0.5
"""Seconds after the onset: what made it swing is over."""
PERIODS = 12.0
"""That are fitted, if the window has them …"""
SHORTEST = 4.0
"""… and no fewer seconds."""
FEWEST = 2.0
"""Periods that tell anything."""
AROUND = (0.6, 1.6)
"""Of the frequency: modes looked for."""
SAME = 0.15
"""Of the frequency: how far the mode may be from it."""
PRESENT = 0.9
"""Of the samples that a device needs."""


def band(low: float, high: float, rate: float) -> F8:
    """Sections [s, 6] of a Butterworth band-pass. Raises ValueError if the rate is too low for it."""
    if 2.2 * low >= rate:
        raise ValueError(f"{low:g} Hz can't be seen in {rate:g} samples a second")
    from scipy.signal import butter  # see `disturbance.warm`

    return np.asarray(butter(ORDER, [low, min(high, 0.45 * rate)], "bandpass", fs=rate, output="sos"))


def damping(seen: Observations, hertz: float, since: float) -> Mode | None:
    """The mode nearest to `hertz` in what the devices' frequencies [Hz] do from `since` [s] on.

    Amplitudes and phases are [m], NaN of devices that were not there. None if there is no such mode, or too little
    of the window is left. An oscillation that is forced, or growing, has a damping of 0, or less.
    """
    first = round((since + SETTLED) * seen.rate)
    stop = min(seen.samples, first + round(max(PERIODS / hertz, SHORTEST) * seen.rate))
    if stop - first < FEWEST / hertz * seen.rate:
        return None
    part = seen.frequency[:, first:stop]
    there = np.isfinite(part).mean(axis=1) >= PRESENT
    if not there.any():
        return None
    found = ringdown(bridged(part[there])[0], seen.rate, AROUND[0] * hertz, AROUND[1] * hertz)
    near = [mode for mode in found if abs(mode.hertz / hertz - 1.0) <= SAME]
    if not near:
        return None
    best = max(near, key=lambda mode: mode.energy)
    amplitude, phase = (np.full(seen.devices, np.nan) for _ in range(2))
    amplitude[there], phase[there] = best.amplitude, best.phase
    return Mode(best.hertz, best.damping, best.error, amplitude, phase, best.energy)


@dataclass(frozen=True)
class Oscillation:
    """Of a disturbance."""

    mode: Mode | None
    """None: the disturbance is no oscillation, or its damping can't be told."""
    energy: dict[str, Energy]
    """By band."""


@dataclass(frozen=True)
class Energy:
    """Of a band, at the device where it is largest."""

    mhz: float
    """Root of the mean square from the onset on."""
    times: float
    """The same before it; NaN if nothing is before."""


def energies(seen: Observations, since: float) -> dict[str, Energy]:
    """By band, of the frequencies before and after `since` [s]; bands that the window is too short for are left out."""
    from scipy.signal import sosfiltfilt

    first = int(np.clip(round(since * seen.rate), 0, seen.samples))
    there = np.isfinite(seen.frequency).mean(axis=1) >= PRESENT
    found: dict[str, Energy] = {}
    for name, (low, high) in BANDS.items():
        room = round(2.0 / low * seen.rate)
        if 2.2 * low >= seen.rate or not there.any() or seen.samples - first < room:
            continue
        x = 1e3 * (bridged(seen.frequency[there])[0] - seen.nominal)
        swing = sosfiltfilt(band(low, high, seen.rate), x, axis=1, padlen=min(room, seen.samples - 1))
        after = np.sqrt(np.mean(swing[:, first:] ** 2, axis=1))
        one = int(np.argmax(after))
        before = float(np.sqrt(np.mean(swing[one, : first - room] ** 2))) if first > 2 * room else np.nan
        found[name] = Energy(float(after[one]), float(after[one] / max(before, 1e-6)))
    return found


def oscillation(seen: Observations, since: float, hertz: float | None) -> Oscillation:
    """What swings from `since` [s] on; `hertz`: of the line, if the disturbance is one."""
    mode = damping(seen, hertz, since) if hertz is not None else None
    return Oscillation(mode, energies(seen, since))
