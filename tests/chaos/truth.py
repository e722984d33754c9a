"""What the devices of a chaos run measure: a pure function of device and instant, so that a judge can work it out anew.

Nothing of the station is used here. A device reports 50 times a second, at k * 20 ms since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 50
PERIOD = 1_000_000_000 // RATE
"""ns"""
MAGNITUDE_SCALE = 2.0
"""V a count, in the int16 form; a power of two, so that both forms say the same."""
FLOAT, INTEGER = 0, 1
"""Forms of a DATA frame."""
GOOD, DAMAGED, REPEATED, CUT, UNHEARD = range(5)
"""What became of a frame at its device: whole; whole, with a wrong check word on purpose; whole, once more; not whole
when the connection broke; a datagram that the kernel told us nobody listens for."""

LOG = np.dtype([("device", "<u2"), ("kind", "u1"), ("form", "u1"), ("crc", "<u4"), ("time", "<i8"), ("k", "<i8")])
"""One record of a send log; `device` is the link's number of the site file, `time` ns UTC as the device told it, `k`
the instant that it measured."""


@dataclass(frozen=True)
class Device:
    """One device of a run."""

    number: int
    """Of the site file; its IDCODE too."""
    way: str = "dials_in"
    """dials_in, tcp (it is dialled) or udp."""
    port: int = 0
    phasors: int = 2
    analogs: int = 0
    digitals: int = 1
    cfg3: bool = True
    """Whether it knows CFG-3."""
    habits: dict[str, float] = field(default_factory=dict)
    """pieces: most bytes of a send; pairs: frames of a send; damaged, repeated: one in so many; changes: seconds from
    one configuration to the next; redials: seconds from one connection to the next."""
    host: str = "127.0.0.1"
    """Where it listens; where it dials to, if it dials."""
    steps: list[tuple[float, int]] = field(default_factory=list)
    """(seconds after its start, ns that its clock is ahead from then on)"""

    @property
    def name(self) -> str:
        return f"Device {self.number}"

    @property
    def key(self) -> int:
        """Its number in the archive: link * 65536 + position of the station."""
        return self.number << 16


def noise(device: int, k: NDArray[Any]) -> NDArray[np.uint32]:
    """[n] 32 bits that nobody guesses, for the k-th instants."""
    x = (k.astype(np.uint64) * np.uint64(0x9E3779B1) + np.uint64(device * 0x85EBCA6B)).astype(np.uint32)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x2C1B3C6D)
    x ^= x >> np.uint32(12)
    x *= np.uint32(0x297A2D39)
    return x ^ (x >> np.uint32(15))


@dataclass(frozen=True)
class Raw:
    """What stands in the frames, as integers or float32, before any scaling."""

    magnitude: NDArray[Any]
    """[n, p] counts of `MAGNITUDE_SCALE` (INTEGER) or V (FLOAT)"""
    angle: NDArray[Any]
    """[n, p] 1e-4 rad, or rad"""
    frequency: NDArray[Any]
    """[n] mHz beside 50 Hz, or Hz"""
    rocof: NDArray[Any]
    """[n] 0.01 Hz/s, or Hz/s"""
    analog: NDArray[Any]
    """[n, a]"""
    digital: NDArray[np.uint16]
    """[n, d]"""


def raw(device: Device, form: int, k: NDArray[np.int64]) -> Raw:
    """The k-th instants [n] in one form."""
    h = noise(device.number, k)
    phasor, analog = np.arange(device.phasors, dtype=np.uint32), np.arange(device.analogs, dtype=np.uint32)
    counts = 20_000 + 3000 * phasor + (h[:, None] >> np.uint32(4) & np.uint32(0xFFF))
    angle = (h[:, None] >> np.uint32(9) & np.uint32(0x7FFF)).astype(np.int64) - 16384 + 100 * phasor.astype(np.int64)
    slow = 0.02 * np.sin(2 * np.pi * (k % (11 * RATE)) / (11 * RATE) + device.number)
    frequency = 50.0 + slow + (h & np.uint32(0xFF)) * 4e-6
    rocof = ((h >> np.uint32(8) & np.uint32(0xFF)).astype(np.int64) - 128) / 100.0
    extra = (h[:, None] >> np.uint32(3) & np.uint32(0x3FFF)) + analog
    digital = (h[:, None] >> (np.arange(device.digitals, dtype=np.uint32) % np.uint32(16))).astype(np.uint16)
    if form == INTEGER:
        mhz = np.rint((frequency - 50.0) * 1000).astype(np.int64)
        return Raw(counts.astype(np.int64), angle, mhz, np.rint(rocof * 100).astype(np.int64), extra.astype(np.int64),
                   digital)  # fmt: skip
    return Raw(
        (counts * MAGNITUDE_SCALE).astype(np.float32),
        (angle * 1e-4).astype(np.float32),
        frequency.astype(np.float32),
        rocof.astype(np.float32),
        (extra / 7.0).astype(np.float32),
        digital,
    )


def expected(device: Device, form: int, k: NDArray[np.int64]) -> NDArray[np.float32]:
    """[n, c] what an archive holds: frequency, ROCOF, magnitude and angle [degrees] of each phasor, analogs."""
    said = raw(device, form, k)
    angle, frequency, rocof = (each.astype(np.float64) for each in (said.angle, said.frequency, said.rocof))
    magnitude = said.magnitude.astype(np.float64)
    if form == INTEGER:
        magnitude, angle = magnitude * MAGNITUDE_SCALE, angle * 1e-4
        frequency, rocof = 50.0 + frequency / 1000, rocof / 100
    both = np.stack([magnitude, np.degrees(angle)], axis=2).reshape(len(k), 2 * device.phasors)
    return np.concatenate([frequency[:, None], rocof[:, None], both, said.analog], axis=1).astype(np.float32)
