"""What a simulated device has sent: several counts in one int, which adds up as what a link counts does."""

from __future__ import annotations

from protocol.messages import Spectrum

WIDTH = 48
"""Bits of a count: a million rows a second fill it in nine years."""
MASK = (1 << WIDTH) - 1
ROWS = len(Spectrum)
"""Place of the count of rows, of all frames; before it stand the counts of frames of each spectrum."""


def tally(stations: int, spectrum: Spectrum = Spectrum.NONE) -> int:
    """One frame, with a row of each of so many stations. The sum of two such ints is that of their counts."""
    return 1 << spectrum * WIDTH | stations << ROWS * WIDTH


def frames(total: int, spectrum: Spectrum = Spectrum.NONE) -> int:
    """DATA frames of a spectrum."""
    return total >> spectrum * WIDTH & MASK


def rows(total: int) -> int:
    """Rows of stations, in frames of all spectra."""
    return total >> ROWS * WIDTH
