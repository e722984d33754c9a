"""What of each device's answer the others do not explain, by how all of them move together at quiet times.

A change at one place is felt everywhere, as the grid carries it: answers are H·e with e at one place. Loads that change
everywhere, at random, make quiet moves of the covariance H·Hᴴ. Its inverse takes off an answer what the grid did, its
modes included, and leaves (Hᴴ)⁻¹·e: nearly at that place alone, as H⁻¹ is as sparse as the grid. Over the root of the
inverse's diagonal, this is each device's answer less the linear function of the others that usually comes nearest to
it, in terms of how large that rest usually is ([Brillinger1981], "Time Series", 8.3: partial spectra).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms.responses import TINY, Response

Answers = NDArray[Any]
"""Real, or complex as amplitudes of a spectrum are."""
OWN = 0.03
"""Share of the covariance of quiet moves that is taken for each device's own: what few moves tell is not exact."""
EXPLAINED = 0.3
"""Share of the median device's quiet moves that the others must explain: where they are noise, nothing is carried."""
QUIETEST = 0.2
"""Of what the devices usually move, that each is taken to move at least: what rests is no event of its own."""


def unexplained(name: str, answer: Answers, quiet: Answers, own: float = OWN) -> Response | None:
    """Of answers [m], from quiet ones [m, k] in the same unit.

    None with fewer whole quiet ones than devices, or where devices do not move together. A device of which half
    of the quiet ones are missing is left out; NaN = not known.
    """
    known = np.isfinite(answer) & (2 * np.sum(np.isfinite(quiet), axis=1) >= quiet.shape[1])
    moves = quiet[known]
    moves = moves[:, np.all(np.isfinite(moves), axis=0)]
    count, times = moves.shape
    if count < 2 or times < count:
        return None
    usual = np.sqrt(np.mean(np.abs(moves) ** 2, axis=1))
    usual = np.maximum(usual, max(QUIETEST * float(np.median(usual)), TINY))
    moves = moves / usual[:, None]
    together = (1.0 - own) * (moves @ moves.conj().T) / times
    np.fill_diagonal(together, 1.0)
    inverse = np.linalg.inv(together)
    precision = np.diag(inverse).real
    if 1.0 - 1.0 / np.median(precision) < EXPLAINED:
        return None
    rest = inverse @ (answer[known] / usual) / np.sqrt(precision)
    signed, noise = np.full(len(answer), np.nan), np.full(len(answer), np.nan)
    signed[known] = np.abs(rest) if np.iscomplexobj(rest) else rest
    noise[known] = 1.0
    return Response(name, np.abs(signed), noise, signed)
