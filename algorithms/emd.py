"""Empirical mode decomposition of a window, and a judgement on its fast modes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PyEMD import EMD

from algorithms import registry
from algorithms.registry import Judgement, WindowData, algorithm

F8 = NDArray[np.float64]


class Settings(registry.Settings):
    """Energy of the fast modes against the quiet part of the window."""

    limit: float = 8.0
    """Robust standard deviations."""


def intrinsic_modes(x: F8, max_modes: int = 10, max_sifts: int = 100) -> F8:
    """Modes, fastest first, and the residue: [modes + 1, n]. Their sum is x.  [Huang 1998]"""
    scale = float(np.std(x))
    if scale == 0.0:
        return x[None].copy()
    sifter = EMD(MAX_ITERATION=max_sifts)
    sifter.emd((x - x.mean()) / scale, max_imf=max_modes)
    modes, residue = sifter.get_imfs_and_residue()
    return np.concatenate([modes * scale, residue[None] * scale + x.mean()])


@algorithm("emd", version=1)
def judge(window: WindowData, settings: Settings) -> Judgement:
    """Energy of the fast modes of an empirical mode decomposition, against the window's own quiet part."""
    x = window.values[0, 0].astype(np.float64)
    fast = intrinsic_modes(x)[:4].sum(axis=0) if x.size else x
    spread = 1.4826 * float(np.median(np.abs(fast - np.median(fast)))) + 1e-4
    score = float(np.abs(fast).max() / spread / settings.limit)
    return Judgement(score > 1, score, int(np.argmax(np.abs(fast))) if score > 1 else None, {})
