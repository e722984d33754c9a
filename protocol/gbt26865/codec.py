"""DATA frames <-> columns: the `Bank` of C37.118 (there stands what becomes NaN) with our heads and check words.

    V2  SYNC 2 | SIZE 2 | SOC 4 | FRACSEC 4 | blocks | CHK 2            V3  with IDCODE 8 behind SIZE

A block is that of C37.118: STAT, phasors, FREQ, DFREQ, analogs, digital words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocol.c37118.codec import Codec, frame_dtype, station_shapes
from protocol.c37118.common import FrameType
from protocol.c37118.conversion import station_scales
from protocol.gbt26865.common import CRC_START, V2, head_size, seal
from protocol.gbt26865.configuration import ConfigurationFrame
from protocol.messages import Table

SIZE: list[tuple[Any, ...]] = [("sync", "u1", (2,)), ("size", ">u2")]
IDCODE: list[tuple[Any, ...]] = [("identity", "u1", (8,))]
STAMP: list[tuple[Any, ...]] = [("soc", ">u4"), ("fracsec", ">u4")]


def compile_codec(cfg: ConfigurationFrame, analog_scales: Mapping[str, float] | None = None) -> Codec:
    """The codec of a configuration; goes into a `Bank` with others of the same layout.

    Times are put on the grid of the fastest station; each station's table has the rate that its own PERIOD says. An
    ANUNIT of 0 is taken for "none declared": the number as it came. analog_scales as in `c37118.compile_codec`.
    """
    shapes = station_shapes(cfg.stations)
    tables = [
        Table(station.rate, shape.phasors, shape.analogs, shape.digitals)
        for station, shape in zip(cfg.stations, shapes, strict=True)
    ]
    size = head_size(cfg.version, FrameType.DATA)
    return Codec(
        cfg=cfg,
        frame_size=cfg.data_size,
        layout=("gbt26865", cfg.version, cfg.rate, cfg.time_base, tuple(tables), shapes),
        tables=tables,
        shapes=shapes,
        scales=tuple(station_scales(station, analog_scales or {}) for station in cfg.stations),
        dtype=frame_dtype([*SIZE, *([] if cfg.version == V2 else IDCODE), *STAMP], shapes),
        lead=seal(FrameType.DATA, cfg, cfg.identity, b"")[: size - 8],
        crc_start=CRC_START,
    )
