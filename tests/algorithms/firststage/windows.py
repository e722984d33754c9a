"""Windows of which it is known what happened, for tests of the first stage."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from algorithms.registry import WindowData

RATE = 50


def window(*series: np.ndarray, of: str = "frequency", filled: np.ndarray | None = None, rate: float = RATE):
    """A window of one quantity, a device for each series."""
    values = np.array(series, dtype=np.float32)[:, None]
    mask = np.zeros((len(series), values.shape[2]), dtype=np.uint8)
    if filled is not None:
        mask[:, filled] = 1
    return WindowData(np.arange(len(series), dtype=np.uint32), 0, rate, [of], values, mask)


def ambient(seed: int, n: int = 9000, *, loud: float = 1.0, rate: float = RATE) -> np.ndarray:
    """[n] Hz: a random walk that returns (spread 12 mHz, 60 s), seen with a noise of 0.5 mHz."""
    rng = np.random.default_rng(seed)
    keep = np.exp(-1.0 / rate / 60.0)
    steps = 0.012 * np.sqrt(1.0 - keep**2) * rng.standard_normal(n)
    walk = lfilter([1.0], [1.0, -keep], steps)
    return 50.0 + loud * (walk + 5e-4 * rng.standard_normal(n))


def trip(x: np.ndarray, at: int, size: float = 0.1, seconds: float = 3.0, rate: float = RATE) -> np.ndarray:
    """The frequency falls by `size` from sample `at` on, within some seconds."""
    after = np.maximum(np.arange(x.size) - at, 0) / rate
    return x - np.minimum(after / seconds, 1.0) * size
