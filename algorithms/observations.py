"""What several devices measured of one span of time, side by side: what the second judgement works on.

All arrays are [m, n]: m devices, n samples on one grid. What is missing is NaN. Where the samples come from does not
matter: a live window of many devices, an archive, or a set of recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

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
        chosen = {spec.name: getattr(self, spec.name)[devices] for spec in fields(self) if spec.name in ARRAYS}
        return replace(self, **chosen)

    def between(self, first: int, stop: int) -> Observations:
        """The samples [first, stop)."""
        return replace(self, **{name: getattr(self, name)[:, first:stop] for name in SERIES})


SERIES = ("frequency", "magnitude", "angle", "negative", "zero")
"""Arrays [m, n]."""
ARRAYS = (*SERIES, "latitude", "longitude")
"""Arrays with an entry for each device."""
