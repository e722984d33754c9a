"""How strongly each device feels an oscillation: amplitudes at its own frequency, against the spectrum beside it.

The voltage is disturbed most where the oscillating source is; angles and frequencies near a mode of the grid swing
together wherever the mode swings ([Maslennikov2017], "Dissipating energy flow method for locating the source of
sustained oscillations", Int. J. Electr. Power Energy Syst. 88: amplitudes of swing mislead when a mode resonates).

So of slow oscillations the voltage is asked, and how much of each device's swing the others do not explain
(`unexplained`), by how all swung together before, at the frequencies around.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from algorithms.observations import Observations
from algorithms.responses import CLEAR, TINY, Response
from algorithms.unexplained import unexplained

F8 = NDArray[np.float64]
C16 = NDArray[np.complex128]

SLOW = (0.1, 3.0)
"""Hz; oscillations of rotors and controls."""
FAST = (3.0, 20.0)
"""Hz; of inverters against the grid, as phasors show them."""
LONGEST = {SLOW: 60.0, FAST: 20.0}
"""s after the onset that are looked at, or what there is of them."""
SHORTEST = 6.0
"""s; with less nothing is told."""
BUILD_UP = 1.0
"""s after the onset that are left out."""
LOBE = 2
"""Lines of a Hann window's main lobe on each side."""
BESIDE = {SLOW: 6, FAST: 12}
"""Lines on each side beyond it that are the spectrum beside; fewer among modes of the grid."""
HARMONIC = 0.5
"""Share of a line's prominence that one at half its frequency must have to be the fundamental of both."""
AROUND = 2.0
"""Times the line's frequency, up and down, that the swings around it are taken from."""
NAMES = {"magnitude": "voltage", "frequency": "swing"}
SHOWN = tuple(NAMES)
"""Series that show an oscillation; of a slow one's place the first alone tells."""
LOOKED_AT = (*SHOWN, "active", "reactive")


@dataclass(frozen=True)
class Line:
    """The line that stands out, in the spectra [m, b] of m devices' series."""

    band: tuple[float, float]
    """Hz"""
    bin: int
    """Where it is."""
    step: float
    """Hz from bin to bin."""
    spectra: dict[str, C16]
    """By series of `Observations`, with a Hann window; NaN where a sample is missing."""
    noise: dict[str, F8]
    """[m] amplitude of the spectrum beside"""
    around: C16
    """[m, k] swings [Hz·√s] before the onset, at frequencies around that of the line; none of a fast one"""

    @property
    def hertz(self) -> float:
        """Its frequency: middle of the line's power, of all devices that show it."""
        lobe = np.arange(self.bin - 1, self.bin + 2)
        power = np.nansum(np.abs(self.spectra["frequency"][:, lobe]) ** 2, axis=0)
        power = power + np.nansum(np.abs(self.spectra["magnitude"][:, lobe]) ** 2, axis=0)
        return float(lobe @ power / power.sum()) * self.step

    def amplitude(self, series: str) -> F8:
        """[m] In the unit of the series."""
        return np.abs(self.spectra[series][:, self.bin])

    def clear(self, series: str) -> bool:
        """Whether a device shows it clearly."""
        ratio = self.amplitude(series) / np.maximum(self.noise[series], TINY)
        return bool(np.nanmax(ratio, initial=0.0) >= CLEAR)


def find(seen: Observations, onset: int, band: tuple[float, float]) -> Line | None:
    """The oscillation's line after sample `onset`. None where none stands out or the time is short."""
    start = onset + round(BUILD_UP * seen.rate)
    stop = min(seen.samples, start + round(LONGEST[band] * seen.rate))
    if stop - start < SHORTEST * seen.rate:
        return None
    series = [name for name in LOOKED_AT if getattr(seen, name) is not None]
    spectra = {name: _spectrum(getattr(seen, name)[:, start:stop]) for name in series}
    steps = seen.rate / (stop - start)
    highest = min(int(band[1] / steps), (stop - start) // 2) - LOBE - BESIDE[band]
    lines = np.arange(max(LOBE + 1, round(band[0] / steps)), highest + 1)
    if not lines.size:
        return None
    beside = {name: _beside(np.abs(spectrum), lines, BESIDE[band]) for name, spectrum in spectra.items()}
    clear = [np.abs(spectra[name][:, lines]) / np.maximum(beside[name], TINY) for name in SHOWN]
    best = _fundamental(lines, np.sum([_prominence(ratio) for ratio in clear], axis=0))
    place = int(lines[best])
    around = _around(seen.frequency[:, : max(onset, 0)], seen.rate, place * steps if band == SLOW else np.inf)
    found = Line(band, place, steps, spectra, {name: noise[:, best] for name, noise in beside.items()}, around)
    return found if any(found.clear(name) for name in SHOWN) else None


def oscillate(line: Line | None) -> list[Response]:
    """Amplitudes of voltage and, in the fast band, of frequency, where a device shows them clearly."""
    if line is None:
        return []
    asked = SHOWN if line.band == FAST else SHOWN[:1]
    return [
        Response(NAMES[series], line.amplitude(series), line.noise[series], line.amplitude(series))
        for series in asked
        if line.clear(series)
    ]


def alone(line: Line | None) -> Response | None:
    """How much of each device's swing at a slow line the others do not explain. None where too little tells it."""
    if line is None or line.band != SLOW or not line.clear("frequency"):
        return None
    swing = line.spectra["frequency"][:, line.bin] / np.sqrt(line.step)
    return unexplained("swing alone", swing, line.around)


def _around(past: F8, rate: float, hertz: float) -> C16:
    """[m, k] swings of the time before at frequencies around; not at the line's own and twice it: an onset may be late.

    What swings there afterwards is the event's as well, and explains it away.
    """
    if past.shape[1] < SHORTEST * rate or not np.isfinite(hertz):
        return np.zeros((len(past), 0), np.complex128)
    step = rate / past.shape[1]
    spectrum = _spectrum(past)
    lines = np.arange(spectrum.shape[1]) * step
    away = np.minimum(np.abs(lines - hertz), np.abs(lines - 2.0 * hertz)) > 2 * LOBE * step
    return np.asarray(spectrum[:, away & (lines > hertz / AROUND) & (lines < hertz * AROUND)] / np.sqrt(step))


def _prominence(clear: F8) -> F8:
    """[l] How much each line stands out at the devices [m, l] where it does."""
    return np.asarray(np.sum(np.where(clear >= CLEAR, np.log1p(clear**2), 0.0), axis=0))  # not at NaN


def _fundamental(lines: NDArray[np.intp], prominence: F8) -> int:
    """Place among `lines` of the one that stands out most, or of that at half its frequency if both do."""
    best = int(np.argmax(prominence))
    half = np.flatnonzero(np.abs(lines - lines[best] / 2) <= 1)
    if not half.size:
        return best
    below = half[int(np.argmax(prominence[half]))]
    return int(below) if prominence[below] > HARMONIC * prominence[best] else best


def _spectrum(series: F8) -> C16:
    """[m, b] complex amplitudes of [m, n] with a Hann window, a parabola taken off; NaN where a sample is missing."""
    count = series.shape[1]
    basis = np.polynomial.legendre.legvander(np.linspace(-1.0, 1.0, count), 2)
    rest = series - (series @ np.linalg.pinv(basis).T) @ basis.T
    window = np.hanning(count)
    return np.asarray(2.0 * np.fft.rfft(rest * window, axis=1) / window.sum())


def _beside(spectrum: F8, lines: NDArray[np.intp], width: int) -> F8:
    """[m, l] Median amplitude of so many lines on each side of each line, outside of the window's main lobe."""
    away = np.arange(LOBE + 1, LOBE + width + 1)
    places = np.maximum(lines[:, None] + np.concatenate([-away, away]), 1)
    return np.asarray(np.median(spectrum[:, places], axis=2))
