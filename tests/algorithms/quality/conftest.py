"""A small grid measured as synchrophasors are: phasors through a window filter, frequency from the angle."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from algorithms.observations import Observations

RATE = 50.0
FINE = 4
"""Phasors per sample."""
CLASS_M = np.hanning(22)[1:-1] / np.hanning(22)[1:-1].sum()
"""100 ms of 200 phasors a second."""
CLASS_P = np.bartlett(10)[1:-1] / np.bartlett(10)[1:-1].sum()
"""40 ms"""

Grid = Callable[..., Observations]


def measured(devices: int = 6, seconds: float = 60.0, seed: int = 1, fault: float | None = None) -> Observations:
    """A common walk of the frequency, small walks of each device, noise; with a fault of 100 ms, a swing after it.

    The fault is near device 0; each further device sees 0.6 of what the one before it does.
    """
    draw = np.random.default_rng(seed)
    samples = int(seconds * RATE)
    count = FINE * (samples + 20)
    time = np.arange(count) / (FINE * RATE) - 10 / RATE
    near = 0.6 ** np.arange(devices)[:, None]
    frequency = walk(draw, 1, count, 0.02, 8.0) + walk(draw, devices, count, 0.001, 0.5)
    voltage = 1.0 + 0.05 * draw.standard_normal((devices, 1)) + walk(draw, devices, count, 0.002, 2.0)
    jump = np.zeros((devices, count))
    if fault is not None:
        since = time - fault
        on = (since >= 0.0) & (since < 0.1)
        voltage = voltage * (1.0 - 0.7 * near * on)
        jump = jump - 0.5 * near * on - 0.1 * near * (since >= 0.1)
        swing = np.where(since >= 0.0, np.exp(-np.maximum(since, 0.0)) * np.sin(2.0 * np.pi * 1.1 * since), 0.0)
        frequency = frequency + 0.1 * near * swing
    angle = 2.0 * np.pi * np.cumsum(frequency, axis=1) / (FINE * RATE) + jump + draw.uniform(-3.0, 3.0, (devices, 1))
    noise = 1e-4 * (draw.standard_normal((2, devices, count)))
    phasor = voltage * np.exp(1j * angle) + noise[0] + 1j * noise[1]
    for k in range(devices):
        phasor[k] = np.convolve(phasor[k], CLASS_P if k % 3 == 2 else CLASS_M, mode="same")
    phasor = phasor[:, 9 * FINE : (samples + 11) * FINE : FINE]
    return as_observations(phasor)


def as_observations(phasor: np.ndarray) -> Observations:
    """What devices tell of their phasors [m, n + 2]: the frequency from the angle over two samples, to 1 mHz."""
    turned = np.angle(phasor[:, 2:] * phasor[:, :-2].conj()) * RATE / (4.0 * np.pi)
    inner = phasor[:, 1:-1]
    none = np.full(inner.shape, np.nan)
    place = np.full(len(inner), np.nan)
    frequency = 50.0 + np.round(turned, 3)
    return Observations(RATE, frequency, np.abs(inner), np.angle(inner), none, none, place, place)


def walk(draw: np.random.Generator, devices: int, count: int, size: float, seconds: float) -> np.ndarray:
    """[devices, count] Random walks that return to nought in `seconds`, of standard deviation `size`."""
    keep = np.exp(-1.0 / (FINE * RATE * seconds))
    shocks = draw.standard_normal((devices, count)) * size * np.sqrt(1.0 - keep * keep)
    # The sum of what is left of every shock, as a convolution.
    left = keep ** np.arange(min(count, int(8.0 * FINE * RATE * seconds)))
    size_of = 1 << (count + left.size - 1).bit_length()
    return np.fft.irfft(np.fft.rfft(shocks, size_of) * np.fft.rfft(left, size_of), size_of)[:, :count]


@pytest.fixture
def grid() -> Grid:
    return measured
