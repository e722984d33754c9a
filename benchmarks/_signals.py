"""Windows of frequency of several kinds, made up: what a decomposition meets in a station."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
RATE = 50
SAMPLES = 9000
"""Of a window of 180 s."""


def _ambient(rng: np.random.Generator, n: int) -> F8:
    return np.asarray(50 + 1e-4 * np.cumsum(rng.standard_normal(n)) + 5e-4 * rng.standard_normal(n))


def signal(kind: str, n: int, seed: int) -> F8:
    """A window of frequency [n], Hz, 50 samples a second."""
    rng = np.random.default_rng([KINDS.index(kind), seed])
    t, x = np.arange(n) / RATE, _ambient(rng, n)
    at = rng.uniform(0.2, 0.8) * n / RATE
    after = np.maximum(t - at, 0)
    match kind:
        case "trip":
            return np.asarray(x - 0.1 * (1 - np.exp(-after / 3)))
        case "steps":
            return x + 0.01 * np.cumsum(rng.random(n) < 5 / n)
        case "oscillation":
            return np.asarray(x + 0.01 * np.sin(2 * np.pi * 0.7 * after) * np.exp(-after / 20))
        case "rounded":
            return np.round(x, 3)
        case "plateaus":
            return np.repeat(x, 5)[:n]
        case "spikes":
            return np.where(rng.random(n) < 0.002, x + rng.uniform(-1, 1, n), x)
        case "dithered":
            return np.asarray(50 + 1e-4 * rng.standard_normal(n))
        case "gaps":
            return np.interp(t, *_without_gaps(t, x, rng))
        case "float32":
            return x.astype(np.float32).astype(np.float64)
    return x


def _without_gaps(t: F8, x: F8, rng: np.random.Generator) -> tuple[F8, F8]:
    """Five stretches of up to a second are missing."""
    kept = np.ones(t.size, dtype=bool)
    for first in rng.integers(1, t.size - RATE, 5):
        kept[first : first + rng.integers(2, RATE)] = False
    kept[[0, -1]] = True
    return t[kept], x[kept]


KINDS = (
    "walk",
    "trip",
    "steps",
    "oscillation",
    "rounded",
    "plateaus",
    "spikes",
    "dithered",
    "gaps",
    "float32",
)
"""`walk` is the ambient frequency alone, the others are it and something; `dithered` is a constant."""
