"""Which devices are looked at together with those that were suspected."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
Places = NDArray[np.intp]

EARTH = 6371.0
"""km, mean radius"""


def distances(latitude: F8, longitude: F8, place: int) -> F8:
    """[m] km along great circles from one of the devices [m, degrees]; NaN where a position is not known (haversine,
    [Sinnott1984], "Virtues of the haversine", Sky and Telescope 68)."""
    north, east = np.radians(latitude), np.radians(longitude)
    chord = np.sin((north - north[place]) / 2) ** 2
    chord += np.cos(north) * np.cos(north[place]) * np.sin((east - east[place]) / 2) ** 2
    found: F8 = 2 * EARTH * np.arcsin(np.sqrt(np.minimum(chord, 1.0)))
    return found


def chosen(
    suspected: Sequence[int], region: NDArray[np.str_], latitude: F8, longitude: F8, reach: str | float, most: int
) -> Places:
    """Places among devices [m] of those that were suspected, then of their neighbours, the nearest first.

    `reach`: those of the same `region`, `all`, or those within km. A device without a position has, where km are
    asked for, its region. Neighbours whose distance is not known come last, in their order. At most `most`.
    """
    near = np.full(region.size, np.inf)
    wanted = np.zeros(region.size, np.bool_)
    for place in suspected:
        distance = distances(latitude, longitude, place)
        if reach == "all":
            wanted[:] = True
        elif isinstance(reach, str) or np.isnan(distance[place]):
            wanted |= region == region[place]
        else:
            wanted |= distance <= reach
        near = np.fmin(near, distance)
    first = np.array(list(suspected), np.intp)
    wanted[first] = False
    others = np.flatnonzero(wanted)
    return np.concatenate([first, others[np.argsort(near[others], kind="stable")]])[:most]


def parts(members: Places, most: int) -> list[Places]:
    """Devices [m] in as few groups of at most `most` as can be, each spread over all of them."""
    count = -(-members.size // most)
    return [members[k::count] for k in range(count)]
