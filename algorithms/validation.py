"""Which values of a row can't be, and which can't be compared: format, range, flat line, time quality.

Rows are [k, m, c]: frequency, ROCOF, magnitude and angle of each phasor, then other channels. Each test answers with
the values that it rejects, and changes nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F4 = NDArray[np.float32]
Bools = NDArray[np.bool_]

WIDEST = 5.0
"""Hz from nominal: no class of C37.118.1-2011 measures further (table 3, signal frequency range of class M)."""
ROUNDING = 1e-3
"""Degrees by which an angle may be beyond ±180: what float32 and radians do to it."""
UNSYNCHRONISED = 0x2000
PMU_TIME = np.array([0, 3, 4, 5, 6, 7, 8, 15], np.uint8)
"""PMU_TQ (STAT bits 8-6: error below 100 ns, 1 us … 10 ms, more or unknown) as MSG_TQ, the time quality byte's code
(C37.118.2-2011, tables 3 and 7)."""
NO_TIME = 15


def malformed(values: F4, nominal: NDArray[np.float64], first: int, pairs: int) -> Bools:
    """[k, m, c] infinite values, negative magnitudes, angles beyond ±180°, frequencies far from `nominal` [m] Hz.

    `first` is the channel of the first of so many `pairs` of magnitude and angle.
    """
    bad = np.isinf(values)
    with np.errstate(invalid="ignore"):
        bad[..., 0] |= np.abs(values[..., 0] - nominal) > WIDEST
        bad[..., first : first + 2 * pairs : 2] |= values[..., first : first + 2 * pairs : 2] < 0
        angles = slice(first + 1, first + 2 * pairs, 2)
        bad[..., angles] |= np.abs(values[..., angles]) > 180 + ROUNDING
    return bad


def out_of_range(values: F4, low: NDArray[np.float64], high: NDArray[np.float64]) -> Bools:
    """[k, m, c] values below `low` or above `high` [m, c]; a limit that is infinite bounds nothing."""
    bad: Bools = (values < low) | (values > high)
    return bad


def time_error(status: NDArray[np.uint16], quality: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[…] the worse of what the time quality byte and STAT say of a row's time, as code of the former (0 locked,
    n: within 10^(n-10) s, 15 failed); 15 for a row that is not synchronised and does not say by how much."""
    code: NDArray[np.uint8] = np.maximum(quality & 0x0F, PMU_TIME[(status >> 6) & 7])
    return np.where((code == 0) & ((status & UNSYNCHRONISED) != 0), np.uint8(NO_TIME), code)
