"""An SMD's configuration told to the other nodes: of each station the fundamental and its spectra."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from protocol import gbt26865
from protocol.gbt26865.configuration import ConfigurationFrame, Station
from protocol.messages import SPECTRUM_NAMES, Configuration, Spectrum, spectrum_number
from protocol.smd.blocks import Block
from protocol.smd.codec import chosen, table_of
from protocol.smd.table import Harmonics, Interharmonics, Kind, Layouts


def configurations(
    cfg: ConfigurationFrame,
    kind: Kind,
    layouts: Layouts,
    link: int,
    link_name: str,
    version: int,
    **place: Any,
) -> list[Configuration]:
    """All stations' fundamentals in order, then all their harmonics, then inter-harmonics, with protocol `smd`.

    As `gbt26865.configurations`; `detail` has also `kind`, `provisional`, and `band_hz` or what the spectrum covers.
    """
    told = gbt26865.configurations(
        cfg,
        link,
        link_name,
        version,
        **place,
    )
    device = layouts.kinds[kind]
    common = {"kind": str(kind), "provisional": layouts.provisional}
    band = {"spectrum": "fundamental", "band_hz": [list(device.fundamental.band)]}
    plain = [replace(each, protocol="smd", detail=each.detail | common | band) for each in told]
    spectra = [
        _spectral(each, station, spectrum, said, layouts.block(spectrum))
        for spectrum, said in device.spectra.items()
        for each, station in zip(plain, cfg.stations, strict=True)
    ]
    return plain + spectra


def _spectral(
    plain: Configuration, station: Station, spectrum: Spectrum, told: Harmonics | Interharmonics, block: Block
) -> Configuration:
    phasors = chosen(station, told)
    detail: dict[str, Any] = {
        name: each for name, each in plain.detail.items() if name not in ("analog_scales", "band_hz")
    }
    detail |= {"spectrum": SPECTRUM_NAMES[spectrum], "phasor_scales": [station.phasors[each].scale for each in phasors]}
    if not isinstance(block.numbers, str):
        detail["numbers"] = block.numbers.model_dump()
    if isinstance(told, Interharmonics):
        detail["band_hz"] = [list(band) for band in told.frequencies]
    return replace(
        plain,
        device=spectrum_number(plain.device, spectrum),
        name=f"{plain.name} {SPECTRUM_NAMES[spectrum]}",
        table=table_of(station, spectrum, told).key,
        phasors=[plain.phasors[each] for each in phasors],
        phasor_units=[plain.phasor_units[each] for each in phasors],
        analogs=[],
        analog_units=[],
        digitals=[],
        digital_normal=[],
        digital_valid=[],
        components=list(told.components),
        detail=detail,
    )
