"""Harmonics and inter-harmonics of a grid as its devices would measure them, once a second.

Deterministic: what a point shows in a second follows from the seed, the point and the second alone.

Harmonics are those of six-pulse converters: orders 6k±1 by the 1/h law ([Arrillaga2003], "Power System Harmonics"), the
others far below. A harmonic's angle is h times that of its
phasor, so that the phases of a balanced grid show its sequence, plus one of its own that wanders slowly.

Inter-harmonics are a floor of noise and, if there is one, a sub-synchronous oscillation as wind farms show it behind
series-compensated lines ([Wang2015], "Investigation of SSR in practical DFIG-based wind farms connected to a
series-compensated power system", IEEE Trans. Power Syst. 30(5)): a component at f and its mirror at 2·f1 − f, seen
through a Hann window of one second with the time stamp in its middle ([Harris1978], Proc. IEEE 66(1)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from algorithms.polar import wrapped

F8 = NDArray[np.float64]

SHARE = 0.02
"""Of the fundamental, at order 1 by the 1/h law: some 0.4 % of the 5th."""
UNCHARACTERISTIC = 0.1
"""Orders other than 6k±1, against their neighbours."""
SPREAD = 0.3
"""Standard deviation of the logarithm of a point's own share."""
SWAY = 0.15
"""Largest change of a magnitude over minutes, against its mean."""
OWN_ANGLE = 37.0
"""Degrees from one order's own angle to the next one's."""
WANDER = 20.0
"""Degrees; largest change of an angle over minutes."""
SHORTEST, LONGEST = 120.0, 900.0
"""Seconds that a sway takes."""
MAGNITUDE_NOISE = 0.01
"""Of each measured magnitude."""
ANGLE_NOISE = 0.5
"""Degrees."""
FLOOR = 2e-5
"""Mean magnitude of an inter-harmonic where there is only noise, against the fundamental."""
MIRROR = 0.6
"""Magnitude of the super-synchronous component against the sub-synchronous one."""
_LAYOUT, _HARMONIC, _INTERHARMONIC = 11, 12, 13
"""What a stream of random numbers is for."""


@dataclass(frozen=True)
class Oscillation:
    """A sub-synchronous component and its mirror above the fundamental."""

    frequency: float
    """Hz, below nominal."""
    size: float = 0.01
    """Against the fundamental."""
    start: int = 0
    """Second of the simulation in which it begins."""


class Spectra:
    """What m points show."""

    def __init__(self, points: int, seed: int, *, oscillation: Oscillation | None = None, part: int = 0) -> None:
        """`part` numbers simulations of one grid, each with its own points."""
        self._seed, self._part, self._oscillation = seed, part, oscillation
        layout = np.random.default_rng([seed, _LAYOUT, part])
        self._share = np.exp(SPREAD * layout.standard_normal(points))
        """[m]"""
        self._swing = layout.uniform(1 / LONGEST, 1 / SHORTEST, points), layout.uniform(0.0, 1.0, points)
        """[m] Hz and turns of the sway."""
        self._turn = layout.uniform(-180.0, 180.0, points)
        """[m] degrees; own angle of the converters, and of an oscillation."""

    def harmonics(self, second: int, magnitude: F8, angle: F8, orders: F8) -> tuple[F8, F8]:
        """Magnitudes and angles [degrees, -180 < a <= 180], both [m, p, c], of orders [c] in this second.

        magnitude, angle [degrees]: [m, p], of the fundamental; c components of each of p phasors.
        """
        sway = self._sway(second, orders)
        share = SHARE / orders * np.where(np.isin(np.mod(orders, 6), (1, 5)), 1.0, UNCHARACTERISTIC)
        size = self._share[:, None] * share * (1.0 + SWAY * sway)
        own = self._turn[:, None] + OWN_ANGLE * orders + WANDER * sway
        noise = self._noise(_HARMONIC, second, (*magnitude.shape, orders.size))
        found = magnitude[:, :, None] * size[:, None, :] * (1.0 + MAGNITUDE_NOISE * noise[0])
        turned = angle[:, :, None] * orders + own[:, None, :] + ANGLE_NOISE * noise[1]
        return np.abs(found), wrapped(turned)

    def interharmonics(self, second: int, frequency: F8, magnitude: F8, angle: F8, frequencies: F8) -> tuple[F8, F8]:
        """The same of inter-harmonics at frequencies [c] Hz. frequency: [m] Hz, of the fundamental."""
        noise = self._noise(_INTERHARMONIC, second, (*magnitude.shape, frequencies.size))
        found = FLOOR * (noise[0] + 1j * noise[1]) / np.sqrt(np.pi / 2)  # the mean of a Rayleigh distribution is FLOOR
        osc = self._oscillation
        if osc is not None and second >= osc.start:
            mirror = 2.0 * frequency - osc.frequency
            found = found + self._line(second, np.full_like(frequency, osc.frequency), osc.size, angle, frequencies)
            found = found + self._line(second, mirror, osc.size * MIRROR, angle, frequencies)
        return magnitude[:, :, None] * np.abs(found), wrapped(np.degrees(np.angle(found)))

    def _line(self, second: int, at: F8, size: float, angle: F8, frequencies: F8) -> NDArray[np.complex128]:
        """[m, p, c] a component at [m] Hz as the window of one second shows it at frequencies [c]."""
        away = at[:, None] - frequencies
        seen = size * self._share[:, None] * hann(away)
        turn = np.radians(self._turn + 360.0 * np.mod(at * second, 1.0))
        phase = np.exp(1j * (turn[:, None] + np.radians(angle)))
        return np.asarray(seen[:, None, :] * phase[:, :, None])

    def _sway(self, second: int, orders: F8) -> F8:
        """[m, c] in -1..1."""
        pace, phase = self._swing
        return np.asarray(np.sin(2.0 * np.pi * (pace[:, None] * second + phase[:, None] + 0.61803 * orders)))

    def _noise(self, purpose: int, second: int, shape: tuple[int, ...]) -> F8:
        """[2, …] standard normal."""
        return np.random.default_rng([self._seed, purpose, self._part, second]).standard_normal((2, *shape))


def hann(bins: F8) -> F8:
    """Spectrum of the Hann window at so many bins from a line, 1 at the line itself: sinc(x) / (1 - x²)."""
    near = np.isclose(np.abs(bins), 1.0, rtol=0.0, atol=1e-9)
    below = np.where(near, 1.0, 1.0 - bins * bins)
    return np.where(near, 0.5, np.sinc(bins) / below)
