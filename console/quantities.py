"""What can be shown of a device over time, and how it follows from the channels of its rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from algorithms.polar import phasors, wrapped
from algorithms.sequences import power
from archive import layout
from archive.picking import told_apart
from protocol.messages import Configuration, Table
from protocol.threephase import pairs, sets_of

F4 = NDArray[np.float32]

KILO, MEGA = 1e-3, 1e-6
PLAIN = ("frequency", "rocof", "magnitude", "angle", "analog")
"""Quantities that a row has as they are; the archive calls them so, too."""
DIFFERENCE = "difference"
"""Of a phasor's angle to that of the reference."""
QUANTITIES = (*PLAIN[:4], DIFFERENCE, "active", "reactive", "analog")
"""In the order in which they are offered."""
COMPUTED = ("angle", DIFFERENCE, "active", "reactive")
"""Of which the archive keeps no overview."""


class Wanted(NamedTuple):
    """One quantity of one device."""

    device: int
    quantity: str
    name: str = ""
    """Of the phasor, analog, or power; "" for those that a device has one of."""

    @property
    def id(self) -> str:
        """As it stands in a link."""
        return ".".join((str(self.device), self.quantity, *([self.name] if self.name else [])))

    @classmethod
    def of(cls, text: str) -> Wanted:
        """The inverse of `id`. Raises ValueError for what is none."""
        device, _, rest = text.partition(".")
        quantity, _, name = rest.partition(".")
        if quantity not in QUANTITIES:
            raise ValueError(f"{text!r}: no quantity {quantity!r}")
        return cls(int(device), quantity, name)


class Part(NamedTuple):
    """A channel that a quantity follows from."""

    quantity: str
    """One of PLAIN."""
    name: str
    channel: int
    """Among the values of a row."""


@dataclass(frozen=True)
class Source:
    """How a quantity follows from channels of the device."""

    parts: tuple[Part, ...]
    unit: str
    digits: int | None
    compute: Callable[[F4], F4]
    """Of the channels [c, n] the values [n]."""
    turns: bool = False
    """It is an angle: ±180 degrees are one."""

    @property
    def channels(self) -> list[int]:
        return [part.channel for part in self.parts]


def names(known: Configuration, quantity: str) -> list[str]:
    """Of a quantity of a device; [""] where it has one of it, none where it has none."""
    table = Table(*known.table)
    if quantity in ("frequency", "rocof"):
        return [""]
    if table.spectrum:
        return []
    if quantity in ("magnitude", "angle", DIFFERENCE):
        return told_apart(known.phasors)
    if quantity == "analog":
        return told_apart(known.analogs)
    return [current.name for _, current in pairs(sets_of(known))]


def source(known: Configuration, quantity: str, name: str = "") -> Source | None:
    """How it follows; None if the device has none of it (any more). `difference` is the angle itself here."""
    if name not in names(known, quantity):
        return None
    if quantity in ("active", "reactive"):
        return _power(known, quantity, name)
    table, place = Table(*known.table), names(known, quantity).index(name)
    plain = "angle" if quantity == DIFFERENCE else quantity
    part = Part(plain, name, layout.channel_of(table, plain, place))
    if quantity == "magnitude":
        volts = known.phasor_units[place] == "V"
        return Source((part,), "kV" if volts else "A", 3 if volts else 1, _kilo if volts else _first)
    unit, digits = {"frequency": ("Hz", 4), "rocof": ("Hz/s", 3), "angle": ("°", 2)}.get(plain, ("", None))
    if quantity == "analog":
        told = known.analog_units[place]
        unit = "" if told.startswith("user") or told in ("rms", "peak", "instantaneous") else told
    return Source((part,), unit, digits, _first, turns=plain == "angle")


def _first(values: F4) -> F4:
    told: F4 = values[0]
    return told


def _kilo(values: F4) -> F4:
    told: F4 = values[0] * np.float32(KILO)
    return told


def _power(known: Configuration, quantity: str, name: str) -> Source:
    """Of three voltages and three currents. The parts are magnitude, angle of each."""
    table, told = Table(*known.table), told_apart(known.phasors)
    volts, amperes = next(pair for pair in pairs(sets_of(known)) if pair[1].name == name)
    parts = tuple(
        Part(each, told[place], layout.channel_of(table, each, place))
        for place in (*volts.phasors, *amperes.phasors)
        for each in ("magnitude", "angle")
    )
    active = quantity == "active"

    def compute(values: F4) -> F4:
        both = phasors(values[0::2].astype(np.float64), values[1::2]).T
        told = power(both[:, :3], both[:, 3:]) * MEGA
        return (told.real if active else told.imag).astype(np.float32)

    return Source(parts, "MW" if active else "Mvar", 2, compute)


def difference(angle: F4, reference: F4) -> F4:
    """[n] Degrees that an angle is ahead of the reference, above -180 to 180."""
    told: F4 = wrapped(angle.astype(np.float64) - reference).astype(np.float32)
    return told
