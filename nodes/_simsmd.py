"""What simulated SMDs send beside the fundamental: harmonics and inter-harmonics, once a second at most."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from algorithms.spectra import Oscillation, Spectra
from nodes import _simgbt
from nodes._simstreams import Pick, Stream
from protocol.c37118 import FrameError, StationRows
from protocol.clock import period, slot_of
from protocol.gbt26865 import ConfigurationFrame, Device
from protocol.messages import FIXED_CHANNELS, Spectrum
from protocol.smd import Kind, Layouts, compile_codecs
from protocol.smd.codec import chosen
from protocol.smd.table import Harmonics, Interharmonics


def fits(kind: Kind, layouts: Layouts) -> Callable[[ConfigurationFrame], bool]:
    """Whether an SMD of this kind can stream by a configuration."""

    def fit(cfg: ConfigurationFrame) -> bool:
        try:
            compile_codecs(cfg, kind, layouts)
        except FrameError:
            return False
        return True

    return fit


def streams(device: Device, kind: Kind, layouts: Layouts) -> dict[Spectrum, Stream]:
    """What an SMD sends by the CFG-2 in force."""
    codecs = compile_codecs(device.cfg, kind, layouts)
    found = {Spectrum.NONE: replace(_simgbt.stream(device), codec=codecs[Spectrum.NONE])}
    for spectrum, told in layouts.kinds[kind].spectra.items():
        found[spectrum] = Stream(codecs[spectrum], _picks(device, told))
    return found


def _picks(device: Device, told: Harmonics | Interharmonics) -> tuple[Pick, ...]:
    """Of all components of all phasors of the CFG-1's stations, those that are sent."""
    known = {station.identity: place for place, station in enumerate(device.capability.stations)}
    width = 2 * len(told.components)
    picks = []
    for station in device.cfg.stations:
        place = known[station.identity]
        names = [phasor.name for phasor in device.capability.stations[place].phasors]
        firsts = [names.index(station.phasors[each].name) * width for each in chosen(station, told)]
        columns = [FIXED_CHANNELS + first + k for first in firsts for k in range(width)]
        picks.append(Pick(place, (*range(FIXED_CHANNELS), *columns), ()))
    return tuple(picks)


class Spectral:
    """The spectra of all devices."""

    def __init__(
        self, kind: Kind, layouts: Layouts, points: int, seed: int, part: int, line: Oscillation | None
    ) -> None:
        """points: stations of all devices; part: as of `algorithms.spectra.Spectra`."""
        self._told = layouts.kinds[kind].spectra
        self._spectra = Spectra(points, seed, oscillation=line, part=part)

    @property
    def rates(self) -> dict[Spectrum, int]:
        """DATA_RATE of each spectrum."""
        return {spectrum: told.rate for spectrum, told in self._told.items()}

    def due(self, time: int) -> Iterator[tuple[Spectrum, int]]:
        """(spectrum, slot at its rate) of those that have their instant at this time [ns]."""
        for spectrum, rate in self.rates.items():
            if time % period(rate) == 0:
                yield spectrum, int(slot_of(time, rate))

    def rows(self, spectrum: Spectrum, plain: Sequence[StationRows], phasors: int, second: int) -> list[StationRows]:
        """Rows of each station with all components of all its phasors.

        plain: the fundamental's rows, of so many phasors, in this second of the simulation.
        """
        told = self._told[spectrum]
        values = np.stack([each.values for each in plain], axis=1).astype(np.float64)
        devices, stations, _ = values.shape
        points = values.reshape(devices * stations, -1)
        end = FIXED_CHANNELS + 2 * phasors
        magnitude, angle = points[:, FIXED_CHANNELS:end:2], points[:, FIXED_CHANNELS + 1 : end : 2]
        components = np.array(told.components)
        if isinstance(told, Harmonics):
            found = self._spectra.harmonics(second, magnitude, angle, components)
        else:
            found = self._spectra.interharmonics(second, points[:, 0], magnitude, angle, components)
        flat = np.stack(found, axis=-1).reshape(devices, stations, -1)
        wide = np.concatenate([values[:, :, :FIXED_CHANNELS], flat], axis=2).astype(np.float32)
        return [
            StationRows(each.status, wide[:, place], np.zeros((devices, 0), np.uint16))
            for place, each in enumerate(plain)
        ]
