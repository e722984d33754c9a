"""One quantity of a station, picked out of the fields of its rows."""

from __future__ import annotations

from typing import NamedTuple

from archive import layout
from archive.folder import ArchiveError
from archive.nearest import known
from archive.spectra import QUANTITIES, all_components, has_components
from protocol.messages import Configuration, Table


class Pick(NamedTuple):
    """One quantity among the fields of rows."""

    field: str
    at: int | None = None
    """Channel of `values`, word of `digital`; None for the fields that have one value a row."""
    many: int | None = None
    """Of spectra: so many channels, every second one from `at` on."""

    @property
    def channels(self) -> int | slice | None:
        """The same as an index."""
        if self.at is None or self.many is None:
            return self.at
        return slice(self.at, self.at + 2 * self.many, 2)


def picked(configuration: Configuration, quantity: str, name: str | None) -> Pick:
    """Where a quantity of a station stands. Raises ArchiveError if it has none of that name."""
    table = Table(*configuration.table)
    if quantity in ("status", "quality"):
        return Pick(quantity)
    names = {
        "frequency": [""], "rocof": [""], "magnitude": configuration.phasor_channels,
        "angle": configuration.phasor_channels,
        "analog": configuration.analogs, "digital": [f"word {word + 1}" for word in range(table.digitals)],
    }.get(quantity)  # fmt: skip
    if names is None:
        raise ArchiveError(
            f"no quantity {quantity!r}: frequency, rocof, magnitude, angle, analog, digital, status, quality"
        )
    index = _index(configuration, names, name if name is not None or len(names) != 1 else names[0], quantity)
    if quantity == "digital":
        return Pick("digital", index)
    return Pick("values", layout.channel_of(table, quantity, index))


def spectrum_picked(configuration: Configuration, quantity: str, phasor: str | None) -> Pick:
    """Where all components of a phasor stand, or those of all phasors. Raises ArchiveError if there are none."""
    table = Table(*configuration.table)
    if quantity not in QUANTITIES or not has_components(table):
        what = "harmonics or inter-harmonics" if quantity in QUANTITIES else f"components of {quantity!r}"
        raise ArchiveError(f"{configuration.name} has no {what}; ask for magnitude or angle of a station with spectra")
    index = None if phasor is None else _index(configuration, configuration.phasors, phasor, "phasor")
    return Pick("values", *all_components(table, quantity, index))


def _index(configuration: Configuration, names: list[str], wanted: str | None, what: str) -> int:
    """Place of a name among those of some channels. Raises ArchiveError."""
    names = told_apart(names)
    if wanted in names:
        return names.index(wanted)
    raise ArchiveError(f"{configuration.name}: name one of its {what} channels: {known(wanted, names)}")


def told_apart(names: list[str]) -> list[str]:
    """Channels of one name get numbers from the second on."""
    count: dict[str, int] = {}
    found = []
    for name in names:
        count[name] = count.get(name, 0) + 1
        found.append(name if count[name] == 1 else f"{name} ({count[name]})")
    return found
