"""Rows of a simulated grid in ambient operation, as devices of several formats send them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from algorithms.simulation import Scenario, Simulation
from nodes._simulated import AMPERES_PER_BIT, CURRENT, LAG, VOLTAGE, VOLTS_PER_BIT
from protocol.clock import SECOND, slot_time
from protocol.messages import Configuration, Measurements, Table, device_number

RATE = 50
TABLE = Table(RATE, 6, 2, 1)
"""Six phasors, two analogs, one digital word: 16 values, an 84-byte frame in float."""
F4 = NDArray[np.float32]


def ambient(devices: int, seconds: int, seed: int = 1) -> F4:
    """[device, slot, channel] as float devices send it: six measuring points for each, all of one grid."""
    samples = Simulation(6 * devices, 1 / RATE, 50.0, seed, Scenario()).next(RATE * seconds)
    values = np.empty((devices, RATE * seconds, TABLE.channels), np.float32)
    for device, rows in enumerate(values):
        first = 6 * device
        rows[:, 0], rows[:, 1] = samples.frequency[:, first], samples.rocof[:, first]
        for phasor in range(6):
            point, current = first + phasor, phasor >= 3
            shift = samples.angle[0, first] - samples.angle[0, point] - 120.0 * (phasor % 3) - LAG * current
            rows[:, 2 + 2 * phasor] = (
                CURRENT * samples.current[:, point] if current else VOLTAGE * samples.voltage[:, point]
            )
            rows[:, 3 + 2 * phasor] = 180.0 - np.mod(180.0 - samples.angle[:, point] - shift, 360.0)
        rows[:, 14] = 100.0 * samples.voltage[:, first + 1]
        rows[:, 15] = 200.0 * samples.voltage[:, first + 2]
    return values


def integers(values: F4, rectangular: bool) -> F4:
    """The same as devices with 16-bit formats send it: 1 mHz, 0.01 Hz/s, PHUNIT, 0.0001 rad."""
    found = values.astype(np.float64)
    found[..., 0] = 50.0 + np.round((found[..., 0] - 50.0) * 1000) / 1000
    found[..., 1] = np.round(found[..., 1] * 100) / 100
    for phasor in range(6):
        unit, at = AMPERES_PER_BIT if phasor >= 3 else VOLTS_PER_BIT, 2 + 2 * phasor
        size, angle = found[..., at] / unit, np.radians(found[..., at + 1])
        if rectangular:
            both = np.round(size * np.cos(angle)) + 1j * np.round(size * np.sin(angle))
            size, angle = np.abs(both), np.angle(both)
        else:
            size, angle = np.round(size), np.round(angle * 1e4) / 1e4
        found[..., at], found[..., at + 1] = size * unit, np.degrees(angle)
    found[..., 14:] = np.round(found[..., 14:])
    return found.astype(np.float32)


def as_simulated(values: F4) -> F4:
    """The same as the project's simulator sends it: all phases of a device have one noise."""
    found = values.copy()
    for phasor in range(6):
        current, at = phasor >= 3, 2 + 2 * phasor
        found[..., at] = found[..., 8 if current else 2]
        found[..., at + 1] = 180 - np.mod(180 - (found[..., 3] - 120 * (phasor % 3) - LAG * current), 360)
    found[..., 14], found[..., 15] = found[..., 2] * (100 / VOLTAGE), found[..., 2] * (200 / VOLTAGE)
    return found


KINDS: dict[str, Callable[[F4], F4]] = {
    "float, every phase with noise of its own": lambda values: values,
    "float, as `syms simulate` sends it (phases share noise)": as_simulated,
    "16-bit rectangular": lambda values: integers(values, True),
    "16-bit polar": lambda values: integers(values, False),
}


def configuration(link: int, of: Table) -> Configuration:
    """A device."""
    names = ["VA", "VB", "VC", "IA", "IB", "IC"][: of.phasors]
    return Configuration(
        device=device_number(link, 0), version=1, link=f"link{link}", stream=link, station=link, name=f"PMU {link}",
        protocol="c37118", table=tuple(of), time_base=1_000_000, nominal=50, count=1, phasors=names,
        phasor_units=["V" if name[0] == "V" else "A" for name in names],
        analogs=[f"AN{number}" for number in range(of.analogs)], analog_units=["rms"] * of.analogs,
        digitals=[[f"bit {bit}" for bit in range(16)]] * of.digitals, digital_normal=[0] * of.digitals,
        digital_valid=[0xFFFF] * of.digitals,
    )  # fmt: skip


def measured(of: Table, values: F4, start: int, first: int = 1) -> Measurements:
    """Rows of some seconds [device, slot, channel] from `start` ns on, in order of time; link of the first device."""
    devices, slots, channels = values.shape
    n = devices * slots
    when = np.repeat(slot_time(start // SECOND * RATE + np.arange(slots), RATE), devices)
    device = np.array([device_number(link, 0) for link in range(first, first + devices)], np.uint32)
    return Measurements(
        table=tuple(of), device=np.tile(device, slots), time=when, arrival=when, snapped=np.zeros(n, np.int32),
        quality=np.zeros(n, np.uint8), status=np.zeros(n, np.uint16), aside=np.zeros(n, np.uint8),
        values=values.swapaxes(0, 1).reshape(n, channels), digital=np.zeros((n, of.digitals), np.uint16),
    )  # fmt: skip
