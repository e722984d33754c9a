"""Devices: where they stand, and what they make of the voltages of their buses.

A device averages the phasor over a window, 100 ms Hann (class M) or 40 ms triangle (class P), and tells the frequency
by the turn of the angle over 40 ms, as [IEC/IEEE 60255-118-1:2018], annex D, does it: a jump of the angle is a spike of
the frequency.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import convolve1d

from benchmarks.grids.machines import Grid
from benchmarks.grids.network import C16, F8, I8
from benchmarks.grids.running import STEP

RATE = 50
EVERY = round(1 / (RATE * STEP))
"""Steps from a sample to the next."""
TURNING = round(0.04 / STEP)
"""Steps between the angles that tell the frequency."""
MARGIN = 40
"""Steps before the first and after the last sample that filters need."""
WEST, SOUTH = 8.0, 46.0
"""Degrees of the origin of positions."""
KILOMETRES = 111.195
"""A degree of latitude"""


@dataclass(frozen=True)
class Device:
    """One, and how far it is off."""

    id: str
    bus: int
    kv: float
    latitude: float
    longitude: float
    sharp: bool
    """Class P"""
    noise: float
    """mHz of the frequency"""
    resolution: float
    """mHz"""
    negative: float
    """Sequence voltages that it always shows, per unit."""
    zero: float
    gain: float
    turn: float
    """rad"""

    @property
    def told(self) -> dict[str, Any]:
        """As devices.json has it."""
        return {
            "id": self.id, "bus": self.bus, "bus_name": f"BUS{self.bus}", "kv": self.kv,
            "lat": round(self.latitude, 4), "lon": round(self.longitude, 4), "pmu_class": "P" if self.sharp else "M",
            "freq_noise_mhz": self.noise, "freq_step_mhz": self.resolution,
            "v2_base": self.negative, "v0_base": self.zero,
        }  # fmt: skip


@dataclass
class Seen:
    """What devices tell, [m, n] each."""

    frequency: F8
    """Hz from nominal"""
    size: F8
    """Per unit"""
    angle: F8
    """rad, not wrapped"""


def degrees(position: F8) -> F8:
    """[k, 2] Latitude and longitude of positions [k, 2] km east and north."""
    latitude = SOUTH + position[:, 1] / KILOMETRES
    return np.stack([latitude, WEST + position[:, 0] / (KILOMETRES * np.cos(np.radians(SOUTH)))], axis=1)


def placed(rng: np.random.Generator, grid: Grid, prefix: str) -> list[Device]:
    """Some 8 to 15 at buses of different stations: a third at plants, each area has one at least."""
    network = grid.network
    count = int(np.clip(round(len(network.kv) / 14 + 5 + rng.uniform(-1.5, 1.5)), 8, 15))
    chosen: list[int] = []
    areas = [np.flatnonzero(network.area == each) for each in np.unique(network.area)]
    wanted = [*areas, *([network.plants] * (count // 3)), *([network.loads] * count)]
    for some in wanted:
        free = some[~np.isin(network.station[some], network.station[chosen])]
        if len(free) and len(chosen) < count:
            chosen.append(int(rng.choice(free)))
    place = degrees(network.position)
    return [
        Device(
            id=f"{prefix}{k + 1:02d}", bus=bus, kv=float(network.kv[bus]), latitude=float(place[bus, 0]),
            longitude=float(place[bus, 1]), sharp=bool(rng.random() < 0.3),
            noise=round(float(rng.uniform(0.4, 1.0)), 2), resolution=float(rng.choice([0.1, 0.5, 1.0])),
            negative=round(float(rng.uniform(0.001, 0.006)), 4),
            zero=round(float(rng.uniform(0.0005, 0.003)), 4), gain=float(rng.normal(1.0, 0.002)),
            turn=float(rng.normal(0.0, 0.002)),
        )
        for k, bus in enumerate(sorted(chosen))
    ]  # fmt: skip


def window(sharp: bool) -> F8:
    """Weights of a device's phasor, one a step; even in number, so that the middle lies where a step ends."""
    count = round((0.04 if sharp else 0.1) / STEP)
    at = (np.arange(count) + 0.5) / count
    weights = 1.0 - np.abs(2 * at - 1.0) if sharp else np.sin(np.pi * at) ** 2
    return np.asarray(weights / weights.sum())


def filtered(voltage: F8 | C16, sharp: bool) -> Any:
    """[t] Averages that belong to the end of each step; ends are not to be used (MARGIN)."""
    # The middle of an even window is half a step behind the sample that convolve1d gives it to.
    return convolve1d(voltage, window(sharp), mode="nearest")


def turning(angle: F8) -> F8:
    """[t] Hz by the turn of an angle over TURNING steps."""
    half = TURNING // 2
    found = np.zeros_like(angle)
    found[half:-half] = (angle[2 * half :] - angle[: -2 * half]) / (2 * half * STEP * 2 * np.pi)
    return found


def noise_of(device: Device) -> float:
    """Of a phasor of size 1, in each of its parts and steps, that makes the device's noise of the frequency."""
    weights = window(device.sharp)
    both = np.zeros(len(weights) + TURNING)
    both[: len(weights)] -= weights
    both[TURNING:] += weights
    return float(1e-3 * device.noise * 2 * np.pi * TURNING * STEP / np.sqrt(np.sum(both**2)))


def measured(voltage: C16, devices: list[Device], rng: np.random.Generator, offset: float) -> Seen:
    """Of voltages [m, t], with MARGIN steps before and after; `offset` [Hz] is added to the frequency of all."""
    steps = voltage.shape[1]
    some = slice(MARGIN - 1, steps - MARGIN - 1, EVERY)
    turned = 2 * np.pi * offset * STEP * (np.arange(steps) + 0.5)
    frequency, size, angle = [], [], []
    for row, device in zip(voltage * np.exp(1j * turned), devices, strict=True):
        noise = noise_of(device) * np.abs(row).mean() * (rng.standard_normal(steps) + 1j * rng.standard_normal(steps))
        phasor = filtered(row + noise, device.sharp)
        course = np.unwrap(np.angle(phasor))
        step = 1e-3 * device.resolution
        frequency.append(np.round(turning(course)[some] / step) * step)
        size.append(device.gain * np.abs(phasor)[some])
        angle.append(course[some] + device.turn)
    return Seen(np.array(frequency), np.array(size), np.array(angle))


def clean(voltage: C16, devices: list[Device]) -> Seen:
    """The same without noise and errors, at every step."""
    phasors = np.array([filtered(row, device.sharp) for row, device in zip(voltage, devices, strict=True)])
    angle = np.unwrap(np.angle(phasors), axis=1)
    frequency = np.array([turning(row) for row in angle])
    some = slice(MARGIN, -MARGIN)
    return Seen(frequency[:, some], np.abs(phasors)[:, some], angle[:, some])


def nearest(grid: Grid, devices: list[Device], distance: F8, place: F8, origins: I8) -> tuple[I8, I8, float]:
    """(order of devices by km to a place [2] degrees, by impedance to the nearest of buses, km to the first)."""
    there = np.array([[device.latitude, device.longitude] for device in devices])
    away = kilometres(there, place)
    buses = np.array([device.bus for device in devices])
    electrical = distance[np.ix_(buses, origins)].min(axis=1)
    order = np.argsort(away, kind="stable")
    return order, np.argsort(electrical, kind="stable"), float(away[order[0]])


def kilometres(one: F8, other: F8) -> F8:
    """[…] Along the earth, of latitudes and longitudes […, 2] in degrees."""
    a, b = np.radians(one), np.radians(other)
    half = np.sin((b - a) / 2) ** 2
    return np.asarray(
        2 * 6371.0 * np.arcsin(np.sqrt(half[..., 0] + np.cos(a[..., 0]) * np.cos(b[..., 0]) * half[..., 1]))
    )
