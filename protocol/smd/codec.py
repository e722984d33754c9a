"""Data frames of an SMD <-> columns: the fundamental's by the codec of DATA, spectral ones by that of the table.

    codecs = compile_codecs(cfg, Kind.L, load())
    bank = codecs[Spectrum.HARMONICS].bank()              # further devices of the same layout: bank.add(codec)
    batch = bank.decode(b"".join(frames), which)          # as `c37118.codec.Bank`
    frames = bank.encode([rows], *fractions(times, cfg.time_base))

Values of a spectral row, as `messages` has them: frequency, ROCOF, magnitude and angle of the first phasor's components
one after the other, then of the second's. What is missing is NaN, see `numbers`; all of a station's values are where
a PDC filled its place (`c37118.codec`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from protocol.c37118 import conversion
from protocol.c37118.codec import Bank, Codec, Shape, StationRows, frame_dtype
from protocol.c37118.common import MAX_FRAME, SYNC, FrameError
from protocol.c37118.configuration import FLOAT_FREQUENCY
from protocol.c37118.conversion import ABSENT, INVALID, Scales
from protocol.gbt26865.codec import IDCODE, SIZE, STAMP
from protocol.gbt26865.codec import compile_codec as compile_fundamental
from protocol.gbt26865.common import CRC_START, EDITIONS, V3, identity_text
from protocol.gbt26865.configuration import ConfigurationFrame, Station
from protocol.messages import FIXED_CHANNELS, Spectrum, Table
from protocol.smd import numbers
from protocol.smd.blocks import Block, Skip
from protocol.smd.numbers import Form
from protocol.smd.table import Harmonics, Interharmonics, Kind, Layouts

MARKS = {">f4": np.nan, ">i2": INVALID}
"""What stands for a FREQ or DFREQ that the table leaves out."""


class Layer(NamedTuple):
    """One station's block, compiled."""

    form: Form
    frequency: str
    """Type of FREQ and DFREQ, as numpy names it."""
    phasors: int
    components: int
    turned: bool
    """Components stand outside, phasors inside."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SpectralCodec(Codec):
    """A compiled configuration for the frames of one spectrum."""

    spectrum: Spectrum
    layers: tuple[Layer, ...] = field(repr=False)
    """Of each station."""

    @property
    def rate(self) -> int:
        """The grid that times are put on."""
        return self.tables[0].rate

    def bank(self) -> Bank:
        """A bank for codecs of this layout, of which this is the first."""
        return SpectralBank([self])


def compile_codecs(
    cfg: ConfigurationFrame, kind: Kind, layouts: Layouts, analog_scales: Mapping[str, float] | None = None
) -> dict[Spectrum, Codec]:
    """The codec of each kind of frame that a kind of SMD sends. Raises FrameError if table and configuration don't fit.

    The fundamental's tables have the rate that PERIOD says, spectra the rate of the layouts. analog_scales as in
    `c37118.compile_codec`.
    """
    if cfg.version != V3:
        raise FrameError(f"the configuration is of {EDITIONS[cfg.version]}: SMDs speak {EDITIONS[V3]}")
    codecs: dict[Spectrum, Codec] = {Spectrum.NONE: _fundamental(cfg, layouts, analog_scales)}
    for spectrum, told in layouts.kinds[kind].spectra.items():
        codecs[spectrum] = _spectral(cfg, spectrum, told, layouts)
    return codecs


def data_sizes(cfg: ConfigurationFrame, kind: Kind, layouts: Layouts) -> dict[Spectrum, int]:
    """Bytes of each kind of data frame that a kind of SMD sends."""
    return {spectrum: codec.frame_size for spectrum, codec in compile_codecs(cfg, kind, layouts).items()}


def chosen(station: Station, told: Harmonics | Interharmonics) -> list[int]:
    """Places, from 0, of the station's phasors that have components. Raises FrameError if it lacks one of them."""
    if isinstance(told.phasors, tuple):
        if max(told.phasors) > len(station.phasors):
            raise FrameError(
                f"station {station.name} has {len(station.phasors)} phasors, the table of its SMD names "
                f"phasor {max(told.phasors)}: it is another kind of SMD, or `phasors` is to be changed"
            )
        return [place - 1 for place in told.phasors]
    unit = {"voltages": "V", "currents": "A"}.get(told.phasors)
    return [place for place, each in enumerate(station.phasors) if unit in (None, each.unit)]


def table_of(station: Station, spectrum: Spectrum, told: Harmonics | Interharmonics) -> Table:
    """Of a station's rows in a spectrum."""
    count, phasors = len(told.components), len(chosen(station, told))
    if spectrum is Spectrum.HARMONICS:
        return Table(told.rate, phasors, 0, 0, orders=count)
    return Table(told.rate, phasors, 0, 0, frequencies=count)


def _fundamental(cfg: ConfigurationFrame, layouts: Layouts, analog_scales: Mapping[str, float] | None) -> Codec:
    """The codec of DATA, with the table's head."""
    plain, more = compile_fundamental(cfg, analog_scales), layouts.behind(Spectrum.NONE)
    if not more:
        return plain
    dtype = frame_dtype(_head(more), plain.shapes)
    lead = _lead(cfg, Spectrum.NONE, dtype.itemsize, layouts)
    layout = ("smd", Spectrum.NONE, more, plain.layout)
    return replace(plain, frame_size=dtype.itemsize, dtype=dtype, lead=lead, more=more, layout=layout)


def _head(more: bytes) -> list[tuple[Any, ...]]:
    return [*SIZE, *IDCODE, *STAMP, *([("more", "u1", (len(more),))] if more else [])]


def _lead(cfg: ConfigurationFrame, spectrum: Spectrum, size: int, layouts: Layouts) -> bytes:
    if size > MAX_FRAME:
        raise FrameError(
            f"{identity_text(cfg.identity)}: a frame of {spectrum.name.lower()} would have {size} bytes, SIZE ends at "
            f"{MAX_FRAME}: choose fewer phasors or components in the table"
        )
    return bytes([SYNC, layouts.second(spectrum)]) + size.to_bytes(2, "big") + cfg.identity.ljust(8, b"\0")


def _spectral(
    cfg: ConfigurationFrame, spectrum: Spectrum, told: Harmonics | Interharmonics, layouts: Layouts
) -> SpectralCodec:
    block, more = layouts.block(spectrum), layouts.behind(spectrum)
    tables = tuple(table_of(station, spectrum, told) for station in cfg.stations)
    layers = tuple(_layer(block, station, table) for station, table in zip(cfg.stations, tables, strict=True))
    blocks = [each for k, layer in enumerate(layers) for each in _block_fields(block, layer, k)]
    dtype = np.dtype([*_head(more), *blocks, ("check", ">u2")])
    lead = _lead(cfg, spectrum, dtype.itemsize, layouts)
    return SpectralCodec(
        cfg=cfg,
        frame_size=dtype.itemsize,
        layout=("smd", spectrum, lead[1], more, cfg.time_base, tables, layers, str(dtype)),
        tables=list(tables),
        shapes=tuple(Shape(each.format, layer.phasors, 0, 0) for each, layer in zip(cfg.stations, layers, strict=True)),
        scales=tuple(
            _scales(block, station, layer, chosen(station, told))
            for station, layer in zip(cfg.stations, layers, strict=True)
        ),
        dtype=dtype,
        lead=lead,
        crc_start=CRC_START,
        more=more,
        spectrum=spectrum,
        layers=layers,
    )


def _layer(block: Block, station: Station, table: Table) -> Layer:
    told = "float32" if station.format & FLOAT_FREQUENCY else "int16"
    return Layer(
        form=numbers.form_of(block, station),
        frequency=numbers.TYPES[told if block.frequency == "station" else block.frequency],
        phasors=table.phasors,
        components=table.components,
        turned=block.nesting.index("component") < block.nesting.index("phasor"),
    )


def _block_fields(block: Block, layer: Layer, k: int) -> list[tuple[Any, ...]]:
    """The fields of station k's block, as numpy names them."""
    fields: list[tuple[Any, ...]] = []
    for place, each in enumerate(block.fields):
        if isinstance(each, Skip):
            fields.append((f"skip{k}_{place}", "u1", (each.skip,)))
        elif each == "COMPONENTS":
            fields.append((f"COMPONENTS{k}", *_component_type(block, layer)))
        else:
            fields.append((f"{each}{k}", ">u2" if each == "STAT" else layer.frequency))
    return fields


def _component_type(block: Block, layer: Layer) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """(type, shape) of all components of a station, as they are nested: `first` and `second` are their parts."""
    sizes = {"phasor": layer.phasors, "component": layer.components}
    at = block.nesting.index("part")
    outer, inner = (tuple(sizes[level] for level in some) for some in (block.nesting[:at], block.nesting[at + 1 :]))
    return np.dtype([("first", layer.form.first, inner), ("second", layer.form.second, inner)]), outer


def _scales(block: Block, station: Station, layer: Layer, phasors: list[int]) -> Scales:
    return Scales(
        nominal=np.array(0.0 if layer.frequency == ">f4" else float(station.nominal)),
        phasor=np.array([numbers.factor_of(block, station, each) for each in phasors], np.float64),
        offset=np.zeros(len(phasors)),
        analog=np.zeros(0),
        analog_offset=np.zeros(0),
    )


class SpectralBank(Bank):
    """Codecs of one layout for frames of one spectrum, side by side."""

    has_kernels = False
    codecs: list[SpectralCodec]  # type: ignore[assignment]

    def _station(self, raw: NDArray[Any], k: int, index: NDArray[np.intp]) -> StationRows:
        layer, scales = self.codecs[0].layers[k], self._scales(k)
        status = raw[f"STAT{k}"].astype(np.uint16)
        first, second = _parts(raw, k, layer)
        absent = status >> 14 == ABSENT
        magnitude, angle = numbers.decode(first, second, layer.form, scales.phasor[index], absent)
        values = np.empty((len(raw), self.codecs[0].tables[k].channels), np.float32)
        frequency = _frequency(raw, k, layer)
        form = FLOAT_FREQUENCY if layer.frequency == ">f4" else 0
        values[:, :FIXED_CHANNELS] = conversion.frequency(frequency, form, scales, index)
        values[:, FIXED_CHANNELS::2] = magnitude.reshape(len(raw), -1)
        angles = values[:, FIXED_CHANNELS + 1 :: 2]
        angles[...] = angle.reshape(len(raw), -1)
        angles[angles <= -180.0] = 180.0  # what rounding to float32 made of -179.999999999
        if layer.phasors and not form:
            both = np.stack([first, second], axis=-1).reshape(len(raw), -1, 2)
            values[conversion.filled(both, frequency, scales, index)] = np.nan
        return StationRows(status, values, np.zeros((len(raw), 0), np.uint16))

    def _fill(self, image: NDArray[Any], k: int, rows: StationRows, index: NDArray[np.intp]) -> None:
        layer, scales, values = self.codecs[0].layers[k], self._scales(k), np.asarray(rows.values, np.float64)
        form = FLOAT_FREQUENCY if layer.frequency == ">f4" else 0
        image[f"STAT{k}"] = rows.status
        frequency = conversion.to_frequency(values[:, :FIXED_CHANNELS], form, scales, index)
        for column, name in enumerate(("FREQ", "DFREQ")):
            if f"{name}{k}" in (image.dtype.names or ()):
                image[f"{name}{k}"] = frequency[:, column]
        components = values[:, FIXED_CHANNELS:].reshape(len(values), layer.phasors, layer.components, 2)
        written = numbers.encode(components[..., 0], components[..., 1], layer.form, scales.phasor[index])
        for part, mine in zip(_parts(image, k, layer), written, strict=True):
            part[...] = mine


def _parts(raw: NDArray[Any], k: int, layer: Layer) -> tuple[NDArray[Any], NDArray[Any]]:
    """Views [n, p, c] of the parts of a station's components."""
    both = raw[f"COMPONENTS{k}"]
    first, second = both["first"], both["second"]
    return (first.swapaxes(1, 2), second.swapaxes(1, 2)) if layer.turned else (first, second)


def _frequency(raw: NDArray[Any], k: int, layer: Layer) -> NDArray[Any]:
    """[n, 2] FREQ and DFREQ; their mark where the table leaves them out."""
    both = np.full((len(raw), FIXED_CHANNELS), MARKS[layer.frequency], layer.frequency)
    for column, name in enumerate((f"FREQ{k}", f"DFREQ{k}")):
        if name in (raw.dtype.names or ()):
            both[:, column] = raw[name]
    return both
