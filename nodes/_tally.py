"""What a simulated device has sent: several counts in one int, which adds up as what a link counts does."""

from __future__ import annotations

from protocol.messages import Spectrum

WIDTH = 48
"""Bits of a count: a million rows a second fill it in nine years."""
MASK = (1 << WIDTH) - 1
FRAMES, ROWS = 0, 1
"""Places of the counts: DATA frames of the fundamental, rows of stations in them. Rows of each spectrum follow."""


def tally(stations: int, spectrum: Spectrum = Spectrum.NONE) -> int:
    """One frame, with rows of so many stations. The sum of two such ints is that of their counts."""
    rows = stations << (ROWS + spectrum) * WIDTH
    return rows if spectrum else rows + 1


def frames(total: int) -> int:
    """DATA frames of the fundamental."""
    return total & MASK


def rows(total: int, spectrum: Spectrum = Spectrum.NONE) -> int:
    """Rows of stations."""
    return total >> (ROWS + spectrum) * WIDTH & MASK
