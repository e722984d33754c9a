"""Raw fields of DATA <-> numbers: pure functions of arrays, first axis the frame (see `codec` for what is NaN).

`scales` come stacked by codec, `index` [n] (or [1]) says which applies to each frame. Decoding gives float64.
Decoders expect `np.errstate(invalid="ignore", over="ignore")` around them: signalling NaNs come over the wire.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from protocol.c37118.configuration import FLOAT_ANALOGS, FLOAT_FREQUENCY, FLOAT_PHASORS, POLAR, Station

F8 = NDArray[np.float64]
Raw = NDArray[Any]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

INVALID = -0x8000
"""int16 marker of what is not there."""
ABSENT = 0b10
"""STAT bits 15-14: absent data or test mode."""
HIGHEST = 0x7FFF
ANGLE_STEP = 1e-4
"""Radians per bit of an int16 angle."""
HALF_TURN = 31416
FREQUENCY_STEP = 1e-3
"""Hz per bit of int16 FREQ."""
ROCOF_STEP = 1e-2
"""Hz/s per bit of int16 DFREQ."""


class Scales(NamedTuple):
    """How the integers of one station become numbers; of several codecs when stacked along a first axis."""

    nominal: F8
    """[] Hz; 0 where FREQ is a float, which is the frequency itself."""
    phasor: F8
    """[p] V or A per bit, >= 0; 1 for floats."""
    offset: F8
    """[p] degrees to subtract."""
    analog: F8
    """[a] per bit."""
    analog_offset: F8
    """[a]"""


def station_scales(station: Station, analog_scales: Mapping[str, float]) -> Scales:
    """Factors for this station's formats: 1 and 0 for what comes as float.

    A negative factor (CFG-3 can say it) is a turn by 180 degrees: X' = Y * X * e^(-j theta).
    """
    factor = np.array([phasor.scale for phasor in station.phasors], np.float64)
    theta = np.degrees(np.array([phasor.offset for phasor in station.phasors], np.float64))
    if station.format & FLOAT_PHASORS:
        factor, theta = np.ones_like(factor), np.zeros_like(theta)
    analog = np.ones(len(station.analogs))
    shift = np.zeros(len(station.analogs))
    for place, each in enumerate(station.analogs):
        if each.name in analog_scales:
            analog[place] = analog_scales[each.name]
        elif not station.format & FLOAT_ANALOGS:
            analog[place] = each.scale or 1.0
            shift[place] = each.offset
    return Scales(
        nominal=np.array(0.0 if station.format & FLOAT_FREQUENCY else float(station.nominal)),
        phasor=np.abs(factor),
        offset=theta + np.where(factor < 0, 180.0, 0.0),
        analog=analog,
        analog_offset=shift,
    )


def stacked(scales: Iterable[Scales]) -> Scales:
    """Scales of stations of one shape, along a first axis."""
    return Scales(*(np.stack(column) for column in zip(*scales, strict=True)))


def frequency(raw: Raw, form: int, scales: Scales, index: Index) -> F8:
    """[n, 2] frequency [Hz] and ROCOF [Hz/s] of FREQ and DFREQ."""
    values = raw.astype(np.float64)
    if form & FLOAT_FREQUENCY:
        return values
    values[:, 0] = scales.nominal[index] + values[:, 0] / 1000.0
    values[:, 1] /= 100.0
    values[raw == INVALID] = np.nan
    return values


def to_frequency(values: F8, form: int, scales: Scales, index: Index) -> Raw:
    """FREQ and DFREQ of [n, 2] frequency and ROCOF."""
    if form & FLOAT_FREQUENCY:
        return values
    deviation = (values[:, 0] - scales.nominal[index]) / FREQUENCY_STEP
    return _to_int16(np.stack([deviation, values[:, 1] / ROCOF_STEP], axis=-1))


def phasors(raw: Raw, form: int, scales: Scales, index: Index, absent: Mask) -> tuple[F8, F8]:
    """Magnitudes [V or A] and angles [degrees, -180 < a <= 180], both [n, p], of raw [n, p, 2]."""
    polar, floats = form & POLAR, form & FLOAT_PHASORS
    missing: Mask | None = None
    if polar and not floats:
        magnitude = raw[..., 0].astype(np.int16).view(np.uint16).astype(np.float64)
        angle = np.degrees(raw[..., 1] * ANGLE_STEP)
        missing = (raw[..., 1] == INVALID) | ((raw[..., 0] == INVALID) & absent[:, None])
    elif polar:
        magnitude, angle = raw[..., 0].astype(np.float64), np.degrees(raw[..., 1].astype(np.float64))
    else:
        real, imaginary = raw[..., 0].astype(np.float64), raw[..., 1].astype(np.float64)
        # Squares of a float32 can't overflow here, and no library's hypot has to be rounded as another's.
        magnitude, angle = np.sqrt(real * real + imaginary * imaginary), np.degrees(np.arctan2(imaginary, real))
        missing = np.isnan(real) | np.isnan(imaginary) if floats else (raw == INVALID).any(axis=-1)
    if not floats:
        magnitude *= scales.phasor[index]
        angle = angle - scales.offset[index]
    if missing is not None:
        magnitude[missing] = np.nan
        angle[missing] = np.nan
    return magnitude, wrapped(angle)


def to_phasors(magnitude: F8, angle: F8, form: int, scales: Scales, index: Index) -> Raw:
    """Raw [n, p, 2] of magnitudes [V or A] and angles [degrees]."""
    polar, floats = form & POLAR, form & FLOAT_PHASORS
    if not floats:
        factor = scales.phasor[index]
        magnitude = np.divide(magnitude, factor, out=np.zeros_like(magnitude), where=factor > 0)
        angle = wrapped(angle + scales.offset[index])
    theta = np.radians(angle)
    if not polar:
        both = np.stack([magnitude * np.cos(theta), magnitude * np.sin(theta)], axis=-1)
        return both if floats else _to_int16(both)
    if floats:
        return np.stack([magnitude, theta], axis=-1)
    missing = np.isnan(magnitude) | np.isnan(angle)
    counts = np.where(missing, 0x8000, np.clip(np.rint(magnitude), 0, 0xFFFF)).astype(np.uint16).view(np.int16)
    steps = np.where(missing, INVALID, np.clip(np.rint(theta / ANGLE_STEP), -HALF_TURN, HALF_TURN)).astype(np.int16)
    return np.stack([counts, steps], axis=-1)


def analogs(raw: Raw, form: int, scales: Scales, index: Index, absent: Mask) -> F8:
    """[n, a]"""
    values = raw.astype(np.float64) * scales.analog[index] + scales.analog_offset[index]
    if not form & FLOAT_ANALOGS:
        values[(raw == INVALID) & absent[:, None]] = np.nan
    return values


def to_analogs(values: F8, form: int, scales: Scales, index: Index) -> Raw:
    """Raw [n, a] of analog values."""
    raw = (values - scales.analog_offset[index]) / scales.analog[index]
    return raw if form & FLOAT_ANALOGS else _to_int16(raw)


def filled(raw_phasors: Raw, raw_frequency: Raw, scales: Scales, index: Index) -> Mask:
    """[n] whether a PDC filled the station's place without saying so (int16 FREQ, at least one phasor)."""
    wrap = (-1000 * scales.nominal.astype(np.int64)).astype(np.int16)[index]
    hit: Mask = raw_frequency[:, 0] == wrap
    if hit.any():
        hit = hit & ~raw_phasors.any(axis=(1, 2))
    return hit


def wrapped(degrees: F8) -> F8:
    """Angles in (-180, 180]; those in it are not touched."""
    outside = (degrees <= -180.0) | (degrees > 180.0)
    if outside.any():
        degrees = np.where(outside, 180.0 - np.mod(180.0 - degrees, 360.0), degrees)
    return degrees


def _to_int16(values: F8) -> NDArray[np.int16]:
    """Rounded and bounded; NaN becomes the marker."""
    bounded = np.clip(np.rint(values), -HIGHEST, HIGHEST)
    return np.where(np.isnan(values), INVALID, bounded).astype(np.int16)
