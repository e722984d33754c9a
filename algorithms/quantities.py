"""What several devices are judged by together, out of their rows: frequency, sequences of the voltage, power.

A device tells the positive sequence itself, or the three phases that it follows from (`sequences.symmetrical`); of one
that tells a single phasor only its size and angle are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from algorithms.derived import At, taken
from algorithms.sequences import power, symmetrical

F4 = NDArray[np.float32]

QUANTITIES = (
    *("frequency", "positive magnitude", "positive angle", "negative magnitude", "zero magnitude"),
    *("active power", "reactive power"),
)
"""Of a window of several devices, in this order: Hz; voltage [V, degrees]; of the sequences [V]; MW, Mvar."""
FREQUENCY, MAGNITUDE, ANGLE, NEGATIVE, ZERO, ACTIVE, REACTIVE = range(len(QUANTITIES))
MEGA = 1e6


@dataclass(frozen=True)
class Sources:
    """Where the quantities of one device are among its channels. A phasor is given by the channel of its magnitude, the
    angle is the one behind it."""

    phasor: int | None = None
    """That is the positive sequence, or a single phase."""
    negative: int | None = None
    """That tells this sequence itself."""
    zero: int | None = None
    phases: tuple[int, ...] = ()
    """Voltages of A, B and C."""
    power: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    """Voltages and currents: of three phases each, or one of the positive sequence each."""


@dataclass(frozen=True)
class Plan:
    """Sources of m devices in one list each: place [q] and channels [q] or [q, p]."""

    devices: int
    copied: tuple[At, At, At]
    """Device, channel, quantity."""
    phases: tuple[At, At]
    power: list[tuple[At, At, At]] = field(default_factory=list)
    """Device, voltages, currents: of three phases; of the positive sequence."""

    @classmethod
    def of(cls, sources: Sequence[Sources]) -> Plan:
        """In the order of the devices."""
        rows = [row for place, each in enumerate(sources) for row in _copied(place, each)]
        device, channel, quantity = np.array(rows, np.intp).reshape(-1, 3).T
        phased = [(place, each.phases) for place, each in enumerate(sources) if each.phases]
        powers = []
        for count in (3, 1):
            some = [(place, *each.power) for place, each in enumerate(sources) if len(each.power[0]) == count]
            if some:
                powers.append(tuple(np.array(column, np.intp) for column in zip(*some, strict=True)))
        places = np.array([place for place, _ in phased], np.intp)
        channels = np.array([phases for _, phases in phased], np.intp).reshape(-1, 3)
        return cls(len(sources), (device, channel, quantity), (places, channels), powers)  # type: ignore[arg-type]


def _copied(place: int, each: Sources) -> list[tuple[int, int, int]]:
    """(device, channel, quantity) of what is told as it is wanted."""
    rows = [(place, 0, FREQUENCY)]
    if each.phasor is not None:
        rows += [(place, each.phasor, MAGNITUDE), (place, each.phasor + 1, ANGLE)]
    sequences = ((each.negative, NEGATIVE), (each.zero, ZERO))
    return rows + [(place, channel, quantity) for channel, quantity in sequences if channel is not None]


def reduce(values: F4, plan: Plan) -> F4:
    """[k, m, 7] QUANTITIES of the rows [k, m, c] of the plan's devices; NaN where a device does not tell one."""
    found = np.full((*values.shape[:2], len(QUANTITIES)), np.nan, np.float32)
    device, phases = plan.phases
    if device.size:
        zero, positive, negative = np.moveaxis(symmetrical(taken(values, device, phases)), -1, 0)
        found[:, device, MAGNITUDE], found[:, device, ANGLE] = np.abs(positive), np.degrees(np.angle(positive))
        found[:, device, NEGATIVE], found[:, device, ZERO] = np.abs(negative), np.abs(zero)
    for device, volts, amperes in plan.power:
        told = power(taken(values, device, volts), taken(values, device, amperes)) / MEGA
        told *= 3 // volts.shape[1]  # one of the positive sequence stands for three
        found[:, device, ACTIVE], found[:, device, REACTIVE] = told.real, told.imag
    device, channel, quantity = plan.copied
    found[:, device, quantity] = values[:, device, channel]
    return found
