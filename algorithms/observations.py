"""What several devices measured of one span of time, side by side: what the second judgement works on.

All arrays are [m, n]: m devices, n samples on one grid. What is missing is NaN. Where the samples come from does not
matter: a live window of many devices, an archive, or a set of recordings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]

GAUSSIAN_MAD = 1.4826
"""Standard deviation of Gaussian noise over its median absolute deviation."""


@dataclass(frozen=True)
class Observations:
    """See the module."""

    rate: float
    """Samples per second."""
    frequency: F8
    """Hz"""
    magnitude: F8
    """Positive sequence voltage, per unit of each device's own quiet level or of nominal."""
    angle: F8
    """Its angle [rad], unwrapped or not, against a reference that turns with `nominal`."""
    negative: F8
    """Size of the negative sequence voltage, per unit; all NaN where it is not measured."""
    zero: F8
    """Size of the zero sequence voltage, per unit; all NaN where it is not measured."""
    latitude: F8
    """[m] degrees north; NaN = unknown"""
    longitude: F8
    """[m] degrees east"""
    nominal: float = 50.0
    """Hz"""
    active: F8 | None = None
    """Active power [MW] into the grid where the device stands, by voltage and current; None or NaN: not measured."""
    reactive: F8 | None = None
    """Reactive power [Mvar]"""

    @property
    def devices(self) -> int:
        """m"""
        return int(self.frequency.shape[0])

    @property
    def samples(self) -> int:
        """n"""
        return int(self.frequency.shape[1])

    def of(self, devices: Sequence[int] | NDArray[np.intp]) -> Observations:
        """Some of the devices, by place."""
        return replace(self, **{name: array[devices] for name, array in self._arrays(ARRAYS)})

    def between(self, first: int, stop: int) -> Observations:
        """The samples [first, stop)."""
        return replace(self, **{name: array[:, first:stop] for name, array in self._arrays((*SERIES, *POWERS))})

    def _arrays(self, names: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """Those that there are."""
        return ((name, array) for name in names if (array := getattr(self, name)) is not None)


SERIES = ("frequency", "magnitude", "angle", "negative", "zero")
"""Arrays [m, n]."""
POWERS = ("active", "reactive")
"""Arrays [m, n] that there need not be."""
ARRAYS = (*SERIES, *POWERS, "latitude", "longitude")
"""Arrays with an entry for each device."""
