"""What is asked of an archive: one quantity of one station, found among configurations that come and go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from archive.folder import ArchiveError
from archive.groups import channel_units
from archive.picking import Pick, picked
from archive.stations import Key, Stations, key_of
from protocol.messages import Configuration, Table

Picker = Callable[[Configuration, str, str | None], Pick]


class Asked(NamedTuple):
    """A quantity of a station."""

    keys: set[Key]
    """Whose rows tell of it: the station's own if they do, else those of its spectra."""
    quantity: str
    name: str | None
    unit: str
    """Empty for words and bytes."""
    rates: set[int]
    """Of the tables that have it."""
    pick: Picker = picked

    def picks(self, configurations: Sequence[Configuration]) -> list[tuple[int, Pick]]:
        """(column, where it stands) of those configurations that have it."""
        return picks(configurations, self.keys.__contains__, self.quantity, self.name, self.pick)


class Piece(NamedTuple):
    """Some rows of what was asked."""

    configuration: Configuration
    time: NDArray[np.int64]
    """[n] own times, ns UTC"""
    values: NDArray[np.generic]
    """[n], or [n, k] of components"""

    @property
    def rate(self) -> int:
        """Of its table, see `protocol.clock`."""
        return Table(*self.configuration.table).rate


def picks(configurations: Sequence[Configuration], wanted: Callable[[Key], bool], quantity: str, name: str | None,
          pick: Picker = picked) -> list[tuple[int, Pick]]:  # fmt: skip
    """(column, where it stands) of those configurations of some stations that have a quantity."""
    found = []
    for column, each in enumerate(configurations):
        if wanted(key_of(each)):
            try:
                found.append((column, pick(each, quantity, name)))
            except ArchiveError:  # it may have had that channel before, or after
                continue
    return found


def asked(stations: Stations, device: str, quantity: str, name: str | None = None,
          pick: Picker = picked) -> Asked:  # fmt: skip
    """What of these stations is asked. Raises ArchiveError: no such station, more than one, no such channel."""
    called = stations.only(device)
    mine = sorted(((key, each) for key, each in stations.known if key in called), key=lambda known: known[0].spectrum)
    telling, faults = [], []
    for key, each in mine:
        try:
            telling.append((key, each, pick(each, quantity, name)))
        except ArchiveError as fault:
            faults.append(fault)
    if not telling:
        raise faults[0]
    first, *_ = telling
    own = [(key, each) for key, each, _ in telling if bool(key.spectrum) == bool(first[0].spectrum)]
    rates = {Table(*each.table).rate for _, each in own}
    return Asked({key for key, _ in own}, quantity, name, _unit(*first[1:]), rates, pick)


def _unit(configuration: Configuration, where: Pick) -> str:
    if where.field != "values" or where.at is None:
        return ""
    return channel_units(configuration)[where.at]
