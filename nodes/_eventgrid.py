"""Who the devices of an event trigger are, and the slots of one rate that one writer tells it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from algorithms.quantities import Sources
from algorithms.recent import NO_SLOT, Recent
from nodes._eventshape import GRACE
from nodes._sources import sources_of
from protocol import clock
from protocol.messages import Configuration, Table


class Known(NamedTuple):
    """What its configuration says of a device."""

    name: str
    region: str
    latitude: float
    longitude: float
    nominal: int
    sources: Sources | None

    @classmethod
    def of(cls, word: Configuration) -> Known:
        return cls(word.name, word.region, word.latitude, word.longitude, word.nominal, sources_of(word))


NOBODY = Known("", "", float("nan"), float("nan"), 0, None)


@dataclass
class Grid:
    """The slots of one rate that one writer tells."""

    rate: int
    recent: Recent
    tops: dict[Table, int] = field(default_factory=dict)
    """Newest slot of each table."""
    swept: int = NO_SLOT
    """End of the last sweep."""
    came: int = 0
    """When it told something last [ns UTC]; 0: not known."""

    @property
    def released(self) -> int:
        """The slot after the last one that every table has; but for tables that are far behind."""
        newest = max(self.tops.values(), default=NO_SLOT)
        patience = GRACE // clock.period(self.rate)
        return 1 + min((top for top in self.tops.values() if top >= newest - patience), default=NO_SLOT)
