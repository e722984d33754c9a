"""Rates of an output stream: how rows of another rate come to its instants."""

from __future__ import annotations

from typing import NamedTuple

LONGEST = 100
"""Ratio of two rates up to which there is a filter: so many times eighteen rows are held for it."""


class Way(NamedTuple):
    """One of the ways."""

    name: str
    flags: int
    """What PHSCALE of a CFG-3 says of it (C37.118.2-2011, table 10)."""

    @property
    def converts(self) -> bool:
        """Whether rows are reckoned that no device sent."""
        return self.name in ("filter", "interpolate")


AS_IT_IS = Way("as it is", 0)
RESELECT = Way("reselect", 1 << 3)
"""Rows between the instants are left out."""
FILTER = Way("filter", 1 << 4)
"""Down-sampled by an FIR filter."""
UP = Way("interpolate", 1 << 1)
"""Up-sampled with interpolation."""
ACROSS = Way("interpolate", 1 << 5)
"""Down-sampled otherwise, where the ratio of the rates is no whole number."""


def way_of(rate: int, told: int, convert: tuple[str, ...] = ()) -> Way:
    """How rows of a rate come to a stream of the rate `told`; DATA_RATEs."""
    faster = _pace(rate) > _pace(told)
    if ratio_of(rate, told) > 1:
        return FILTER if "filter" in convert and ratio_of(rate, told) <= LONGEST else RESELECT
    if rate != told and "interpolate" in convert:
        return ACROSS if faster else UP
    return RESELECT if faster else AS_IT_IS


def ratio_of(rate: int, told: int) -> int:
    """How many rows of a rate there are to one of another; 0 if that is no whole number."""
    if rate > 0:
        rows, instants = (rate, told) if told > 0 else (rate * -told, 1)
    else:
        rows, instants = (-told, -rate) if told < 0 else (0, 1)
    return rows // instants if rows % instants == 0 else 0


def fits_grid(rate: int, told: int) -> bool:
    """Whether the instants of one rate are all instants of the other, or the other way round."""
    return bool(ratio_of(rate, told) or ratio_of(told, rate))


def _pace(rate: int) -> float:
    """Frames a second."""
    return float(rate) if rate > 0 else -1.0 / rate
