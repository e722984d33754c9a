"""Several counts in one int. It adds up as what a link counts does, so that one `sent` of a link tells them all."""

from __future__ import annotations

WIDTH = 48
"""Bits of a count: two hundred devices that send 1000 rows a second fill it in 44 years."""
MASK = (1 << WIDTH) - 1


def tally(*counts: int) -> int:
    """The counts, each >= 0, as one int: the sum of two such ints is that of their counts."""
    return sum(count << place * WIDTH for place, count in enumerate(counts))


def told(total: int, place: int) -> int:
    """The count at a place."""
    return total >> place * WIDTH & MASK
