"""Frames of many stations in one stream: byte for byte what the encoder of single stations makes."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest

from protocol.c37118 import (
    Analog,
    Bank,
    ConfigurationFrame,
    Digital,
    Phasor,
    Station,
    StationRows,
    compile_codec,
    sound,
)
from protocol.c37118.concentrated import Concentrated


def station(number: int, form: int, phasors: int, analogs: int = 0, digitals: int = 1) -> Station:
    return Station(
        name=f"S{number}",
        idcode=number,
        format=form,
        phasors=tuple(Phasor(f"P{k}", kind=k % 2, scale=0.5 + number + k) for k in range(phasors)),
        analogs=tuple(Analog(f"A{k}", scale=2.0 + number) for k in range(analogs)),
        digitals=(Digital(),) * digitals,
        nominal=50 if number % 3 else 60,
    )


def configuration(form: int) -> ConfigurationFrame:
    """Three alike, two of another shape, one of the first again."""
    shapes = [(3, 0, 1), (3, 0, 1), (3, 0, 1), (1, 2, 0), (1, 2, 0), (3, 0, 1)]
    stations = tuple(station(k, form, *shape) for k, shape in enumerate(shapes, 1))
    return ConfigurationFrame(stream=9, version=2, kind=2, time_base=1_000_000, rate=50, stations=stations)


def rows_of(cfg: ConfigurationFrame, n: int) -> list[StationRows]:
    chance = np.random.default_rng(5)
    made = []
    for shape in compile_codec(cfg).shapes:
        values = chance.uniform(-170, 170, (n, shape.end + shape.analogs)).astype(np.float32)
        values[:, 0] = 50 + chance.uniform(-1, 1, n)
        values[:, 2 : shape.end : 2] = np.abs(values[:, 2 : shape.end : 2])
        values[0, :3] = np.nan
        digital = chance.integers(0, 65536, (n, shape.digitals)).astype(np.uint16)
        made.append(StationRows(chance.integers(0, 65536, n).astype(np.uint16), values, digital))
    return made


@pytest.mark.parametrize("form", range(16))
def test_frames_are_those_of_the_encoder_of_single_stations(form: int) -> None:
    cfg, n = configuration(form), 4
    rows = rows_of(cfg, n)
    soc, count, quality = np.full(n, 1_700_000_000), np.arange(n) * 20_000, np.array([0, 1, 2, 0x2F])
    output = Concentrated(cfg)
    grouped, at = [], 0
    for _, alike in groupby(compile_codec(cfg).shapes):
        m = len(list(alike))
        part = rows[at : at + m]
        at += m
        columns = [np.stack([getattr(each, name) for each in part], axis=1) for name in ("status", "values", "digital")]
        grouped.append(StationRows(*columns))
    frames = output.encode(grouped, soc, count, quality)
    assert [group.count for group in output.groups] == [3, 2, 1]
    assert all(sound(frame) and len(frame) == output.frame_size for frame in frames)
    assert frames == Bank([compile_codec(cfg)]).encode(rows, soc, count, quality)
