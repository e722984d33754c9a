"""Stations as their users call them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from archive.folder import ArchiveError
from archive.groups import labels
from archive.nearest import known
from protocol.messages import SPECTRUM_NAMES, Configuration, Spectrum, Table, spectrum_number


class Key(NamedTuple):
    """A station, or its harmonics or inter-harmonics, under one of its names."""

    device: int
    link: str
    name: str
    spectrum: Spectrum

    @property
    def station(self) -> int:
        """Device number of the station itself."""
        return self.device - spectrum_number(0, self.spectrum)

    @property
    def station_name(self) -> str:
        """Name of the station itself."""
        return self.name.removesuffix(SPECTRUM_NAMES[self.spectrum]).removesuffix(" ") if self.spectrum else self.name


def key_of(each: Configuration) -> Key:
    """Whose configuration it is."""
    return Key(each.device, each.link, each.name, _spectrum(tuple(each.table)))


@lru_cache
def _spectrum(table: tuple[int, ...]) -> Spectrum:
    return Table(*table).spectrum


def is_called(key: Key, device: str) -> bool:
    """By its name, link and name, or number; spectra also by those of their station."""
    if device in (key.name, f"{key.link}/{key.name}", str(key.device)):
        return True
    name = key.station_name
    return key.spectrum is not Spectrum.NONE and device in (name, f"{key.link}/{name}", str(key.station))


def chosen(configurations: Sequence[Configuration], wanted: Collection[Key] | None) -> list[int]:
    """Columns of some stations; None: of all."""
    return [column for column, each in enumerate(configurations) if wanted is None or key_of(each) in wanted]


class Stations:
    """The stations of some configurations. A station and its spectra are one."""

    def __init__(self, configurations: Sequence[Configuration]) -> None:
        self.known = [(key_of(each), each) for each in configurations]
        self.keys = {key for key, _ in self.known}
        held = {key.station: each for key, each in self.known if key.spectrum is Spectrum.NONE}
        for key, each in self.known:
            if key.station not in held:
                held[key.station] = replace(each, name=key.station_name)
        self.names = dict(zip(labels(list(held.values())), held, strict=True))
        """Name of each station, no two the same, to its device number."""

    def called(self, device: str) -> set[Key]:
        """What is called so: as in `names`, or by name, `link/name` or number. A station may change its name.

        Raises ArchiveError if there is none.
        """
        keys = self.keys
        if device in self.names:
            keys = {key for key in keys if key.station == self.names[device]}
        found = {key for key in keys if is_called(key, device)}
        if not found and device not in self.names:
            raise ArchiveError(f"no station {device!r} in that time; there are: {known(device, list(self.names))}")
        return found or keys

    def only(self, device: str) -> set[Key]:
        """What is called so. Raises ArchiveError if that is more than one station."""
        found = self.called(device)
        numbers = {key.station for key in found}
        if len(numbers) > 1:
            which = ", ".join(name for name, number in self.names.items() if number in numbers)
            raise ArchiveError(f"{len(numbers)} stations are called {device!r}; name one of: {which}")
        return found
