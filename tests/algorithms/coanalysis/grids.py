"""A grid of eight devices on a line, measured through a class M filter, and what may happen to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from algorithms.observations import Observations
from algorithms.quality import Assessed

RATE = 50.0
M = 8
NEAR = 0.5 ** np.arange(M)[:, None]
"""[m, 1] What each device feels of what happens at the first."""
FILTER = np.hanning(7)[1:-1] / np.hanning(7)[1:-1].sum()


class Grid:
    """Walks and noise; what happens is added to the phase, the common frequency [mHz] and the voltages."""

    def __init__(self, seed: int = 1, seconds: float = 120.0) -> None:
        draw = np.random.default_rng(seed)
        n = int(seconds * RATE)
        self.time = np.arange(n) / RATE
        self.draw = draw
        self.frequency = np.tile(self.walk(1, 20.0, 15.0), (M, 1)) + self.walk(M, 0.6, 0.5)
        self.angle = np.zeros((M, n))
        self.voltage = 1.0 + self.walk(M, 0.0005, 2.0)
        self.negative, self.zero = np.zeros((M, n)), np.zeros((M, n))

    def walk(self, rows: int, spread: float, constant: float) -> np.ndarray:
        """[rows, n] Ornstein-Uhlenbeck."""
        keep = np.exp(-1.0 / RATE / constant)
        shocks = spread * np.sqrt(1.0 - keep**2) * self.draw.standard_normal((rows, self.time.size))
        made, now = np.empty_like(shocks), spread * self.draw.standard_normal(rows)
        for k in range(shocks.shape[1]):
            now = keep * now + shocks[:, k]
            made[:, k] = now
        return made

    def since(self, at: float) -> np.ndarray:
        """Seconds since, 0 before."""
        return np.maximum(self.time - at, 0.0)

    def trip(self, at: float, mhz: float) -> Grid:
        """A lost generator, or with mhz > 0 a lost load, at the first device."""
        sign, after = np.sign(mhz), self.time >= at
        self.frequency += mhz * (1.0 - np.exp(-self.since(at) / 2.0)) * np.exp(-self.since(at) / 30.0)
        self.angle += sign * 0.02 * NEAR * after
        self.voltage += sign * 0.01 * NEAR * after
        return self

    def line(self, at: float) -> Grid:
        """A lost line between the first two devices: one goes ahead, the other back."""
        shape = np.where(np.arange(M) == 0, 1.0, -0.7 * 0.6 ** np.arange(M))[:, None] * (self.time >= at)
        swing = np.exp(-self.since(at)) * np.sin(2 * np.pi * self.since(at)) * shape
        self.angle += 0.03 * shape + 0.03 * swing
        self.voltage += 0.01 * shape
        return self

    def fault(self, at: float, negative: float = 0.0, zero: float = 0.0) -> Grid:
        """A dip of 100 ms, with its share of negative and zero sequence."""
        on = (self.time >= at) & (self.time < at + 0.1)
        self.voltage -= 0.4 * NEAR * on
        self.negative += 0.4 * negative * NEAR * on
        self.zero += 0.4 * zero * NEAR * on
        self.angle -= 0.2 * NEAR * on
        return self

    def oscillation(self, at: float, hertz: float, mhz: float, decay: float = 0.0, harmonic: float = 0.0) -> Grid:
        """From `at` on; the shape is a slope over the devices."""
        t = self.since(at)
        wave = np.sin(2 * np.pi * hertz * t) + harmonic * np.sin(4 * np.pi * hertz * t)
        self.frequency += mhz * np.linspace(1.0, -0.8, M)[:, None] * wave * np.exp(-decay * t) * (t > 0)
        self.voltage += 1e-3 * mhz * np.linspace(0.2, -0.1, M)[:, None] * wave * np.exp(-decay * t) * (t > 0)
        return self

    def seen(self) -> Assessed:
        """As measured, nothing bad found."""
        angle = self.angle + 2e-3 * np.pi * np.cumsum(self.frequency, axis=1) / RATE
        angle = filtered(angle) + 1e-4 * self.draw.standard_normal(angle.shape)
        turning = np.zeros_like(angle)
        turning[:, 1:-1] = (angle[:, 2:] - angle[:, :-2]) * RATE / (4 * np.pi)
        voltage = filtered(self.voltage) + 1e-4 * self.draw.standard_normal(angle.shape)
        sequences = [np.hypot(0.002, filtered(x)) + 2e-4 * self.draw.standard_normal(x.shape)
                     for x in (self.negative, self.zero)]  # fmt: skip
        wrapped = np.mod(angle + np.pi, 2 * np.pi) - np.pi
        place = np.arange(M, dtype=float)
        made = Observations(RATE, 50.0 + turning, voltage, wrapped, *sequences, 50 + 0 * place, place)
        return assessed(made)


def filtered(x: np.ndarray) -> np.ndarray:
    """[m, n] Through the device's filter."""
    padded = np.pad(x, ((0, 0), (2, 2)), mode="edge")
    return np.array([np.convolve(row, FILTER, mode="valid") for row in padded])


def assessed(seen: Observations, **more: Any) -> Assessed:
    """All of it good."""
    nothing = np.zeros(seen.frequency.shape, dtype=bool)
    return Assessed([], more.get("bad", nothing), seen, np.ones(seen.devices, dtype=bool))
