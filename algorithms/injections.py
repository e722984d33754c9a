"""What came in near each device, from its answer and the others', by how all of them move together at quiet times.

Answers to changes p of power at the devices' buses are Z·p, with transfer impedances Z that are the same both ways. A
change between devices is felt as one that is shared by those around it ([Dorfler2013], "Kron reduction of graphs with
applications to electrical networks", IEEE Trans. Circuits Syst. I 60(1)). Loads change everywhere, at random, by much
the same near each device: that makes quiet moves of the covariance Z·Zᴴ, and its root is Z, but for a factor. The
inverse of the root takes off an answer what the grid carried, its modes included, and leaves p: large around the
change, whatever impedance a device's own bus has. Of all that make quiet moves unrelated this is the one that
changes them least ([Kessy2018], "Optimal whitening and decorrelation", The American Statistician 72(4)).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from algorithms.responses import TINY, Response

Answers = NDArray[Any]
"""Real, or complex as amplitudes of a spectrum are."""
OWN = 0.03
"""Of the mean variance of quiet moves, that each device has besides: few moves do not tell the least of them."""
TOGETHER = 0.3
"""Share of the median device's moves that the others must tell: where they are noise, they say nothing of the grid."""


def injected(name: str, answer: Answers, quiet: Answers) -> Response | None:
    """Of answers [m], from quiet ones [m, k] in the same unit, against what usually comes in near each device.

    None with fewer whole quiet ones than devices, or where devices do not move together. A device of which half
    of the quiet ones are missing is left out; NaN = not known.
    """
    known = np.isfinite(answer) & (2 * np.sum(np.isfinite(quiet), axis=1) >= quiet.shape[1])
    moves = quiet[known]
    moves = moves[:, np.all(np.isfinite(moves), axis=0)]
    count, times = moves.shape
    if count < 2 or times < count:
        return None
    covariance = moves @ moves.conj().T / times
    covariance = covariance + (OWN * float(np.mean(np.diag(covariance).real)) + TINY**2) * np.eye(count)
    power, axes = np.linalg.eigh(covariance)
    left = 1.0 / (np.diag(covariance).real * (np.abs(axes) ** 2 @ (1.0 / power)))  # shares that the others do not tell
    if 1.0 - np.median(left) < TOGETHER:
        return None
    change = (axes / np.sqrt(power)) @ (axes.conj().T @ answer[known])
    signed, noise = np.full(len(answer), np.nan), np.full(len(answer), np.nan)
    signed[known] = np.abs(change) if np.iscomplexobj(change) else change
    noise[known] = 1.0
    return Response(name, np.abs(signed), noise, signed)
