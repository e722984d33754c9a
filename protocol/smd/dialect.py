"""What reading a capture of SMDs needs to know: `gbt26865.dialect`, with frames of three kinds that the table tells of.

Which kind of SMD a device is stands in none of its frames. Where nobody says it, the size of a spectral frame does.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cache
from itertools import product

from protocol.c37118 import dialect
from protocol.c37118.codec import Codec
from protocol.c37118.common import FrameError
from protocol.c37118.dialect import Dialect
from protocol.gbt26865.configuration import ConfigurationFrame, Station
from protocol.gbt26865.describe import configurations as fundamentals
from protocol.gbt26865.dialect import GBT26865
from protocol.messages import Configuration, Spectrum
from protocol.smd.codec import chosen, compile_codecs
from protocol.smd.describe import configurations
from protocol.smd.frames import spectrum_of, splitter_of
from protocol.smd.table import Kind, Layouts

Readings = dict[dialect.Kind, "Reading"]


@dataclass(frozen=True, kw_only=True)
class Reading(ConfigurationFrame):
    """What frames of one spectrum are read with; its stations have a phasor for each component."""

    smd: Kind | None
    """None: nobody said it, and it is of no matter for the fundamental."""
    spectrum: Spectrum
    codec: Codec
    told: tuple[Configuration, ...]
    """Of each station, of no link."""


def dialect_of(layouts: Layouts, kind: Kind | None = None) -> Dialect:
    """`kind`: of all SMDs in the capture; None: of each the one that its frames have the size of."""

    @cache
    def readings(cfg: ConfigurationFrame) -> Readings:
        return _readings(cfg, layouts, kind)

    def read(frame: bytes, time: int) -> ConfigurationFrame | None:
        cfg: ConfigurationFrame | None = GBT26865.reader()(frame, time)  # type: ignore[assignment]
        if cfg is not None:
            readings(cfg)  # what does not fit the table is a fault of this frame
        return cfg

    return replace(
        GBT26865,
        name="smd",
        title="GB/T 26865.2 with spectra of SMDs",
        splitter=splitter_of(layouts),
        reader=lambda: read,
        compile=lambda reading: reading.codec,
        configurations=lambda reading, link, name, version: list(reading.told),
        carries=lambda frame: spectrum_of(frame, layouts),
        readings=readings,
    )


def _readings(cfg: ConfigurationFrame, layouts: Layouts, kind: Kind | None) -> Readings:
    """Raises FrameError if the table does not fit the configuration, or two kinds of SMDs can't be told apart."""
    found: Readings = {}
    faults: list[FrameError] = []
    for each in [kind] if kind else Kind:
        try:
            codecs = compile_codecs(cfg, each, layouts)
        except FrameError as fault:
            faults.append(fault)
            continue
        for spectrum, codec in codecs.items():
            before = found.get((spectrum, codec.frame_size))
            if before is None:
                of = each if spectrum or kind else None
                found[spectrum, codec.frame_size] = _reading(cfg, spectrum, codec, layouts, of)
            elif before.smd is not None and not _alike(before.smd, each, spectrum, layouts):
                what = f"frames of {spectrum.name.lower()} of {before.smd} and {each} have {codec.frame_size} bytes"
                raise FrameError(f"{what} by the table: say which of them it is")
    if not found:
        raise faults[0]
    return found


def _alike(one: Kind, other: Kind, spectrum: Spectrum, layouts: Layouts) -> bool:
    return layouts.kinds[one].spectra[spectrum] == layouts.kinds[other].spectra[spectrum]


def _reading(cfg: ConfigurationFrame, spectrum: Spectrum, codec: Codec, layouts: Layouts, kind: Kind | None) -> Reading:
    told = _told(cfg, spectrum, layouts, kind)
    stations = cfg.stations
    if spectrum and kind:
        phasors = [chosen(station, layouts.kinds[kind].spectra[spectrum]) for station in stations]
        stations = tuple(map(_spectral, stations, phasors, told))
    same = {each.name: getattr(cfg, each.name) for each in fields(cfg) if each.init}
    return Reading(**same | {"stations": stations}, smd=kind, spectrum=spectrum, codec=codec, told=tuple(told))


def _told(cfg: ConfigurationFrame, spectrum: Spectrum, layouts: Layouts, kind: Kind | None) -> list[Configuration]:
    """Of each station, what its rows in this spectrum are."""
    if kind is None:
        return [replace(each, protocol="smd") for each in fundamentals(cfg, 0, "", 0)]
    count, order = len(cfg.stations), [Spectrum.NONE, *layouts.kinds[kind].spectra]
    first = order.index(spectrum) * count
    return configurations(cfg, kind, layouts, 0, "", 0)[first : first + count]


def _spectral(station: Station, phasors: list[int], told: Configuration) -> Station:
    """A station with a phasor for each component, called as in rows."""
    of = (station.phasors[place] for place, _ in product(phasors, told.components))
    named = [replace(each, name=name) for each, name in zip(of, told.phasor_channels, strict=True)]
    return replace(station, phasors=tuple(named), analogs=(), digitals=())
