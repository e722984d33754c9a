"""Numbers of spectral frames <-> magnitudes and angles: pure functions of arrays, as `c37118.conversion`.

Shapes: n frames, p phasors, c components. What is missing is NaN, and its marks are those of C37.118: int16 0x8000;
uint16 0x8000 only where STAT says that the data are absent; in a rectangular component either part makes both NaN.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from protocol.c37118.configuration import FLOAT_PHASORS, POLAR, Station
from protocol.c37118.conversion import ANGLE_STEP, HIGHEST, INVALID, wrapped
from protocol.smd.blocks import Block, Magnitude, Polar

F8 = NDArray[np.float64]
Mask = NDArray[np.bool_]

TYPES = {"int16": ">i2", "uint16": ">u2", "float32": ">f4"}
UNSIGNED_INVALID = 0x8000


class Form(NamedTuple):
    """The two parts of a component."""

    polar: bool
    first: str
    """Type, as numpy names it, of magnitudes or real parts."""
    second: str
    step: float = 1.0
    """Radians of one count of an angle."""


def form_of(block: Block, station: Station) -> Form:
    """As the table says, or the station's FORMAT."""
    numbers = block.numbers
    if numbers == "station":
        polar, floats = bool(station.format & POLAR), station.format & FLOAT_PHASORS
        if floats:
            return Form(polar, ">f4", ">f4")
        return Form(True, ">u2", ">i2", ANGLE_STEP) if polar else Form(False, ">i2", ">i2")
    if isinstance(numbers, Polar):
        return Form(True, TYPES[numbers.magnitude.type], TYPES[numbers.angle.type], numbers.angle.radians)
    return Form(False, TYPES[numbers.part.type], TYPES[numbers.part.type])


def factor_of(block: Block, station: Station, phasor: int) -> float:
    """V or A of one count of a phasor's magnitudes, or parts."""
    told = station.phasors[phasor]
    numbers = block.numbers
    if numbers == "station":
        return 1.0 if station.format & FLOAT_PHASORS else told.scale
    magnitude: Magnitude = numbers.magnitude if isinstance(numbers, Polar) else numbers.part
    own = magnitude.amperes if told.unit == "A" else magnitude.volts
    return own or (1.0 if magnitude.type == "float32" else told.scale)


def decode(first: NDArray[Any], second: NDArray[Any], form: Form, factor: F8, absent: Mask) -> tuple[F8, F8]:
    """Magnitudes [V or A] and angles [degrees, -180 < a <= 180], both [n, p, c], of raw parts [n, p, c].

    factor: [n or 1, p]. absent: [n]. Expects `np.errstate(invalid="ignore", over="ignore")`.
    """
    missing = _missing(first, form.first, absent) | _missing(second, form.second, absent)
    one, other = first.astype(np.float64), second.astype(np.float64)
    if form.polar:
        magnitude, angle = one, np.degrees(other * form.step)
    else:
        magnitude, angle = np.sqrt(one * one + other * other), np.degrees(np.arctan2(other, one))
        missing |= np.isnan(one) | np.isnan(other)
    magnitude *= factor[:, :, None]
    magnitude[missing] = np.nan
    angle[missing] = np.nan
    return magnitude, wrapped(angle)


def encode(magnitude: F8, angle: F8, form: Form, factor: F8) -> tuple[NDArray[Any], NDArray[Any]]:
    """Raw parts of magnitudes [V or A] and angles [degrees]: the inverse of `decode`."""
    scale = factor[:, :, None]
    counts = np.divide(magnitude, scale, out=np.zeros_like(magnitude), where=scale > 0)
    theta = np.radians(angle)
    if not form.polar:
        return _written(counts * np.cos(theta), form.first), _written(counts * np.sin(theta), form.second)
    if ">f4" not in (form.first, form.second):  # where one is missing, both are marked
        missing = np.isnan(counts) | np.isnan(theta)
        counts, theta = np.where(missing, np.nan, counts), np.where(missing, np.nan, theta)
    if form.second == ">u2":
        theta = np.mod(theta, 2 * math.pi)
    return _written(counts, form.first), _written(theta / form.step, form.second)


def _missing(raw: NDArray[Any], kind: str, absent: Mask) -> Mask:
    if kind == ">i2":
        return np.asarray(raw == INVALID)
    if kind == ">u2":
        return np.asarray((raw == UNSIGNED_INVALID) & absent[:, None, None])
    return np.zeros(raw.shape, np.bool_)


def _written(values: F8, kind: str) -> NDArray[Any]:
    """Rounded and held at the ends of an integer type; NaN becomes its mark."""
    if kind == ">f4":
        return values
    low, high, mark = (-HIGHEST, HIGHEST, INVALID) if kind == ">i2" else (0, 0xFFFF, UNSIGNED_INVALID)
    return np.where(np.isnan(values), mark, np.clip(np.rint(values), low, high)).astype(np.int32)
