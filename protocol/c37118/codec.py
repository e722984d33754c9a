"""DATA frames <-> columns, many frames in one call (C37.118.2-2011 §6.3, table 6).

A configuration is compiled once into a `Codec`. Codecs with the same `layout` (byte layout, rate, TIME_BASE) can go
into one `Bank`, which decodes frames of different devices in one call: scales are gathered by the frame's index.

    bank = Bank([compile_codec(cfg_a), compile_codec(cfg_b)])
    batch = bank.decode(b"".join(frames), which)      # which[k]: codec of frame k
    batch.time, batch.stations[0].values

Loops run over stations, never over frames or channels. Numbers are computed in float64 and rounded once to float32.

What becomes NaN:

- a float that is NaN; in a rectangular phasor either part makes both magnitude and angle NaN;
- int16 0x8000 in a part of a rectangular phasor, in FREQ and in DFREQ (C37.118.2-2011 §6.3 note on missing data);
- a polar int16 phasor whose *angle* is 0x8000 (outside -31416..31416, so never data). A magnitude of 0x8000 is legal;
  it and an int16 analog of 0x8000 are NaN only where STAT bits 15-14 say that the data are absent (10);
- all values of a station whose place a PDC filled without saying so: **every phasor is all zero and int16 FREQ is the
  wrapped deviation of 0 Hz** (-50000 or -60000 mHz in 16 bits, read as 65.536 Hz). Both must hold, with at least one
  phasor: no live station shows 65.536 Hz. STAT stays as received (it was seen as 0, "good").
"""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from protocol.c37118 import conversion
from protocol.c37118.common import CHECK_SIZE, COUNT_MASK, CRC_START, HEAD, SYNC, FrameType
from protocol.c37118.configuration import (
    FLOAT_ANALOGS,
    FLOAT_FREQUENCY,
    FLOAT_PHASORS,
    POLAR,
    ConfigurationFrame,
    Station,
)
from protocol.c37118.conversion import ABSENT, Scales, station_scales
from protocol.clock import SECOND, Times, from_soc, snap
from protocol.messages import FIXED_CHANNELS, Table

if TYPE_CHECKING:
    from protocol.c37118.kernels import Decoder

HEAD_FIELDS: list[tuple[Any, ...]] = [
    ("sync", "u1", (2,)), ("size", ">u2"), ("stream", ">u2"), ("soc", ">u4"), ("fracsec", ">u4"),
]  # fmt: skip
STAMP_SIZE = 8
"""Bytes of SOC and FRACSEC."""
FORMAT_BITS = POLAR | FLOAT_PHASORS | FLOAT_ANALOGS | FLOAT_FREQUENCY


@dataclass(frozen=True)
class StationRows:
    """Rows of one station, in the order of the frames: `n` rows, `c` channels as `messages.Table` says."""

    status: NDArray[np.uint16]
    """[n] STAT."""
    values: NDArray[np.float32]
    """[n, c]"""
    digital: NDArray[np.uint16]
    """[n, d]"""


@dataclass(frozen=True)
class Batch:
    """What `n` DATA frames say."""

    time: Times
    """[n] ns UTC, put on the reporting grid by `clock.snap`."""
    snapped: NDArray[np.int32]
    """[n] ns that this added to the device's own stamp."""
    quality: NDArray[np.uint8]
    """[n] time quality byte."""
    stations: list[StationRows]
    """One per station of the configuration, each with n rows."""


class Shape(NamedTuple):
    """What one station's block in a DATA frame looks like."""

    format: int
    """FORMAT bits 0-3."""
    phasors: int
    analogs: int
    digitals: int

    @property
    def end(self) -> int:
        """Value channels before the analogs."""
        return FIXED_CHANNELS + 2 * self.phasors


@dataclass(frozen=True, eq=False)
class Codec:
    """A compiled configuration."""

    cfg: ConfigurationFrame
    frame_size: int
    """Bytes of a DATA frame of this configuration; frames of another size are not of it."""
    layout: Hashable
    """Codecs of the same layout can share a `Bank`."""
    tables: list[Table]
    """Of each station."""
    shapes: tuple[Shape, ...] = field(repr=False)
    scales: tuple[Scales, ...] = field(repr=False)
    dtype: np.dtype[Any] = field(repr=False)
    """One DATA frame: `soc`, `fracsec`, and per station k `stat<k>`, `phasor<k>`, `frequency<k>` …"""
    lead: bytes = field(repr=False)
    """What stands before SOC in each of its frames."""
    crc_start: int = CRC_START
    """Initial value of the check word."""
    more: bytes = b""
    """What stands between FRACSEC and the first station, in protocols that have such a thing (field `more`)."""

    @property
    def rate(self) -> int:
        """The grid that times are put on, as DATA_RATE."""
        return self.cfg.rate

    @cached_property
    def scale_row(self) -> NDArray[np.float64]:
        """[m] the scales of all stations in a row, as the compiled loops take them."""
        raw = [np.ravel(each) for scales in self.scales for each in scales]
        return np.concatenate([np.zeros(0), *raw])

    @property
    def head(self) -> int:
        """Bytes before the first station."""
        return len(self.lead) + STAMP_SIZE + len(self.more)

    def bank(self) -> Bank:
        """A bank for codecs of this layout, of which this is the first."""
        return Bank([self])

    def decode(self, frames: bytes | Sequence[bytes]) -> Batch:
        """Frames of this configuration alone; see `Bank.decode`."""
        return self.bank().decode(frames)


def compile_codec(cfg: ConfigurationFrame, analog_scales: Mapping[str, float] | None = None) -> Codec:
    """The codec of a configuration.

    analog_scales: factor by name of an analog channel, instead of what ANUNIT says (its meaning is the user's, not
    the standard's): value = raw * factor, also for floats, which otherwise are taken as they are.
    """
    shapes = station_shapes(cfg.stations)
    return Codec(
        cfg=cfg,
        frame_size=cfg.data_size,
        layout=(cfg.rate, cfg.time_base, shapes),
        tables=[Table(cfg.rate, shape.phasors, shape.analogs, shape.digitals) for shape in shapes],
        shapes=shapes,
        scales=tuple(station_scales(station, analog_scales or {}) for station in cfg.stations),
        dtype=frame_dtype(HEAD_FIELDS, shapes),
        lead=HEAD.pack(SYNC, FrameType.DATA << 4 | cfg.version, cfg.data_size & 0xFFFF, cfg.stream, 0, 0)[:-8],
    )


def station_shapes(stations: Sequence[Station]) -> tuple[Shape, ...]:
    """What their blocks look like."""
    return tuple(
        Shape(each.format & FORMAT_BITS, len(each.phasors), len(each.analogs), len(each.digitals)) for each in stations
    )


def frame_dtype(head: Sequence[tuple[Any, ...]], shapes: Sequence[Shape]) -> np.dtype[Any]:
    """One DATA frame with these fields before its first station, `soc` and `fracsec` last."""
    blocks = [field for k, shape in enumerate(shapes) for field in block_fields(shape, k)]
    return np.dtype([*head, *blocks, ("check", ">u2")])


def block_fields(shape: Shape, k: int) -> list[tuple[Any, ...]]:
    """The fields of station k's block, as numpy names them."""
    form, phasors, analogs, digitals = shape
    return [
        (f"stat{k}", ">u2"),
        (f"phasor{k}", ">f4" if form & FLOAT_PHASORS else ">i2", (phasors, 2)),
        (f"frequency{k}", ">f4" if form & FLOAT_FREQUENCY else ">i2", (2,)),
        (f"analog{k}", ">f4" if form & FLOAT_ANALOGS else ">i2", (analogs,)),
        (f"digital{k}", ">u2", (digitals,)),
    ]


_with_kernels = False


def use_kernels(yes: bool = True) -> None:
    """Whether this process decodes with compiled loops, which take some 0.4 s to load, or with numpy.

    The results are the same, but for the last bit of the angle of one rectangular phasor in many millions.
    """
    global _with_kernels
    if yes:
        _load()
    _with_kernels = yes


@cache
def _load() -> None:
    from protocol.c37118 import kernels

    kernels.warm()


class Bank:
    """Codecs of one layout, side by side. Add as devices come; an index stays valid."""

    has_kernels = True
    """Whether there are compiled loops for such frames."""

    def __init__(self, codecs: Sequence[Codec]) -> None:
        if not codecs:
            raise ValueError("a bank holds one codec at least")
        self.codecs: list[Codec] = [codecs[0]]
        self._stacks: list[Scales] = []
        self._decoder: Decoder | None = None
        self._scale_rows = np.zeros((0, 0))
        self._filled = 0
        """So many codecs are in `_scale_rows` [≥ codecs, m]."""
        for codec in codecs[1:]:
            self.add(codec)

    @property
    def frame_size(self) -> int:
        """Bytes of a DATA frame."""
        return self.codecs[0].frame_size

    def add(self, codec: Codec) -> int:
        """Index of a further codec of the same layout."""
        if codec.layout != self.codecs[0].layout:
            raise ValueError("codec of another layout")
        self.codecs.append(codec)
        self._stacks = []
        return len(self.codecs) - 1

    def replace(self, index: int, codec: Codec) -> None:
        """Put another codec of the same layout in the place of one that is no longer needed."""
        if codec.layout != self.codecs[0].layout:
            raise ValueError("codec of another layout")
        self.codecs[index] = codec
        self._stacks = []
        if index < self._filled:
            self._scale_rows[index] = codec.scale_row

    def _scales(self, station: int) -> Scales:
        """Scales of a station of all codecs, stacked along a first axis."""
        if not self._stacks:
            rows = zip(*(codec.scales for codec in self.codecs), strict=True)
            self._stacks = [conversion.stacked(row) for row in rows]
        return self._stacks[station]

    def _compiled(self, block: bytes | memoryview, index: NDArray[np.int64]) -> Batch:
        """`decode` by compiled loops."""
        if self._decoder is None:
            from protocol.c37118.kernels import Decoder

            first = self.codecs[0]
            stamp_end = len(first.lead) + STAMP_SIZE
            self._decoder = Decoder(
                first.frame_size, first.rate, first.cfg.time_base, first.shapes, stamp_end, len(first.more)
            )
        if self._filled < len(self.codecs):
            self._fill_rows()
        time, snapped, quality, stations = self._decoder.decode(block, self._scale_rows[: self._filled], index)
        return Batch(time, snapped, quality, [StationRows(*station) for station in stations])

    def _fill_rows(self) -> None:
        """With room to spare: in the first second of a station thousands of codecs come, a few at a time."""
        if len(self._scale_rows) < len(self.codecs):
            self._scale_rows = np.zeros((2 * len(self.codecs), self.codecs[0].scale_row.size))
            self._filled = 0
        for index in range(self._filled, len(self.codecs)):
            self._scale_rows[index] = self.codecs[index].scale_row
        self._filled = len(self.codecs)

    def decode(self, frames: bytes | Sequence[bytes], which: ArrayLike | None = None) -> Batch:
        """Columns of n frames, each of `frame_size` bytes and with a good check word (neither is looked at again).

        frames: the frames, or all of them joined. which: [n] index of each frame's codec; None = all of the first.
        """
        block = frames if isinstance(frames, bytes | bytearray | memoryview) else b"".join(frames)
        index = np.zeros(1, np.intp) if which is None else np.asarray(which, np.intp)
        if _with_kernels and self.has_kernels:
            return self._compiled(block, index)
        first = self.codecs[0]
        raw = np.frombuffer(block, first.dtype)
        fraction = raw["fracsec"].astype(np.int64)
        own = from_soc(raw["soc"].astype(np.int64), fraction & COUNT_MASK, first.cfg.time_base)
        time, snapped = snap(own, first.rate, first.cfg.time_base)
        with np.errstate(invalid="ignore", over="ignore"):
            stations = [self._station(raw, k, index) for k in range(len(first.tables))]
        return Batch(time, snapped, (fraction >> 24).astype(np.uint8), stations)

    def _station(self, raw: NDArray[Any], k: int, index: NDArray[np.intp]) -> StationRows:
        shape, scales = self.codecs[0].shapes[k], self._scales(k)
        status = raw[f"stat{k}"].astype(np.uint16)
        absent = status >> 14 == ABSENT
        values = np.empty((len(raw), shape.end + shape.analogs), np.float32)
        values[:, :FIXED_CHANNELS] = conversion.frequency(raw[f"frequency{k}"], shape.format, scales, index)
        phasors = raw[f"phasor{k}"]
        magnitude, angle = conversion.phasors(phasors, shape.format, scales, index, absent)
        values[:, FIXED_CHANNELS : shape.end : 2] = magnitude
        angles = values[:, FIXED_CHANNELS + 1 : shape.end : 2]
        angles[...] = angle
        angles[angles <= -180.0] = 180.0  # what rounding to float32 made of -179.999999999
        values[:, shape.end :] = conversion.analogs(raw[f"analog{k}"], shape.format, scales, index, absent)
        if shape.phasors and not shape.format & FLOAT_FREQUENCY:
            values[conversion.filled(phasors, raw[f"frequency{k}"], scales, index)] = np.nan
        return StationRows(status, values, raw[f"digital{k}"].astype(np.uint16))

    def encode(
        self,
        rows: Sequence[StationRows],
        soc: ArrayLike,
        count: ArrayLike,
        quality: ArrayLike = 0,
        which: ArrayLike | None = None,
    ) -> list[bytes]:
        """n DATA frames, whole, with check words: the inverse of `decode`.

        rows: of each station, n rows each; values out of the range of an integer format are held at its ends, NaN
        becomes the marker. soc [n], count [n] (FRACSEC), quality [n] as `fractions` gives them. which as in `decode`.
        """
        first = self.codecs[0]
        index = np.zeros(1, np.intp) if which is None else np.asarray(which, np.intp)
        image = np.zeros(np.broadcast_shapes(np.shape(soc), np.shape(count)), first.dtype)
        leads = np.frombuffer(b"".join(codec.lead for codec in self.codecs), np.uint8).reshape(len(self.codecs), -1)
        image.view(np.uint8).reshape(len(image), -1)[:, : leads.shape[1]] = leads[index]
        image["size"] = first.frame_size
        if first.more:
            image["more"] = np.frombuffer(first.more, np.uint8)
        image["soc"] = soc
        image["fracsec"] = np.asarray(count, np.int64) | np.asarray(quality, np.int64) << 24
        with np.errstate(invalid="ignore", over="ignore"):
            for k, station in enumerate(rows):
                self._fill(image, k, station, index)
        return sealed(image.tobytes(), image.dtype.itemsize, first.crc_start)

    def _fill(self, image: NDArray[Any], k: int, rows: StationRows, index: NDArray[np.intp]) -> None:
        """Write n rows of station k into an image [n]."""
        fill(image, k, self.codecs[0].shapes[k], rows, self._scales(k), index)


def fill(image: NDArray[Any], k: int, shape: Shape, rows: StationRows, scales: Scales, index: NDArray[np.intp]) -> None:
    """Write n rows of one station into the fields of block k of an image [n]; `scales` stacked, `index` [n] or [1]."""
    form, values = shape.format, np.asarray(rows.values, np.float64)
    image[f"stat{k}"] = rows.status
    image[f"frequency{k}"] = conversion.to_frequency(values[:, :FIXED_CHANNELS], form, scales, index)
    magnitude, angle = values[:, FIXED_CHANNELS : shape.end : 2], values[:, FIXED_CHANNELS + 1 : shape.end : 2]
    image[f"phasor{k}"] = conversion.to_phasors(magnitude, angle, form, scales, index)
    image[f"analog{k}"] = conversion.to_analogs(values[:, shape.end :], form, scales, index)
    image[f"digital{k}"] = rows.digital


def decode(frames: bytes | Sequence[bytes], which: ArrayLike | None, codecs: Sequence[Codec]) -> Batch:
    """Frames of several codecs of one layout; who does it again and again keeps a `Bank`."""
    return Bank(codecs).decode(frames, which)


def encode_data(
    codec: Codec, rows: Sequence[StationRows], soc: ArrayLike, count: ArrayLike, quality: ArrayLike = 0
) -> list[bytes]:
    """DATA frames of one device; see `Bank.encode`."""
    return Bank([codec]).encode(rows, soc, count, quality)


def fractions(time: Times, time_base: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(SOC, FRACSEC count) nearest to instants [n] ns: `clock.to_soc` for arrays."""
    soc, rest = time // SECOND, time % SECOND
    count = (rest * time_base + SECOND // 2) // SECOND
    carry = count >= time_base
    return soc + carry, np.where(carry, 0, count)


def sealed(block: bytes, size: int, crc_start: int = CRC_START) -> list[bytes]:
    """Frames of `size` bytes each, joined, with room for their check words: apart, with good ones."""
    bodies = [block[at : at + size - CHECK_SIZE] for at in range(0, len(block), size)]
    return [body + crc_hqx(body, crc_start).to_bytes(2, "big") for body in bodies]
