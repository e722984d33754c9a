"""DATA frames to columns and back, by numpy and by compiled loops."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from protocol import c37118
from protocol.c37118 import use_kernels
from protocol.clock import SECOND
from protocol.gbt26865 import Analog, Bank, ConfigurationFrame, Splitter, compile_codec, fractions, parse
from protocol.messages import Table
from tests.protocol.c37118 import strategies as theirs
from tests.protocol.gbt26865 import byhand
from tests.protocol.gbt26865 import strategies as make

SOC = 1_700_000_000
EDITIONS = pytest.mark.parametrize("version", [2, 3])


@pytest.fixture(autouse=True, scope="module", params=["numpy", "compiled"])
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test here holds for both."""
    use_kernels(request.param == "compiled")
    yield
    use_kernels(False)


@EDITIONS
@pytest.mark.parametrize("form", [*range(16), 0x10, 0x11])
def test_every_format_decodes_to_what_was_encoded(version: int, form: int) -> None:
    codec = compile_codec(make.configuration(version, form))
    (rows,) = theirs.rows(codec, 50)
    times = np.arange(50) * 20_000_000 + SOC * SECOND
    frames = Bank([codec]).encode([rows], *fractions(times, 1_000_000), 0x0C)
    assert Splitter().feed(b"".join(frames)) == frames
    assert {len(frame) for frame in frames} == {codec.frame_size}
    batch = codec.decode(frames)
    assert batch.time.tolist() == times.tolist()
    assert set(batch.quality.tolist()) == {0x0C}
    (got,) = batch.stations
    np.testing.assert_array_equal(got.status, rows.status)
    np.testing.assert_array_equal(got.digital, rows.digital)
    np.testing.assert_allclose(got.values[:, 0], rows.values[:, 0], rtol=0, atol=0.51e-3)
    np.testing.assert_allclose(got.values[:, 2:6:2], rows.values[:, 2:6:2], rtol=0, atol=9.2)
    np.testing.assert_allclose(got.values[:, 6], rows.values[:, 6], rtol=0, atol=1.26)


@EDITIONS
def test_fields_mean_what_the_description_says(version: int) -> None:
    cfg = parse(byhand.configuration(2, version, [byhand.Block()]))
    assert isinstance(cfg, ConfigurationFrame)
    stats = [0, 0x8000, 0x2000, 0x4000]
    frames = [byhand.data(version, byhand.integers(stat, k), SOC, k * 20_000) for k, stat in enumerate(stats)]
    batch = compile_codec(cfg).decode(frames)
    (got,) = batch.stations
    assert batch.time.tolist() == [SOC * SECOND + k * 20_000_000 for k in range(4)]
    assert got.status.tolist() == stats
    assert got.digital.tolist() == [[0x00F1]] * 4
    angle = np.degrees(np.arctan2([8000, 400], [6000, -300]))
    want = [50.02, -0.05, 10_000 * 9.15527, angle[0], 500 * 0.45776, angle[1], 1234 * 2.5]
    np.testing.assert_allclose(got.values[0], np.array(want), rtol=1e-6)
    np.testing.assert_allclose(got.values[3, 0], 50.023, rtol=1e-6)


@EDITIONS
@given(seed=st.integers(0, 2**32))
def test_integers_come_back_as_they_were_sent(version: int, seed: int) -> None:
    cfg = make.configuration(version)
    station = cfg.stations[0]
    plain = replace(
        station,
        phasors=tuple(replace(each, scale=1.0) for each in station.phasors),
        analogs=(replace(station.analogs[0], scale=1.0),),
    )
    codec = compile_codec(replace(cfg, stations=(plain, plain)))
    random = np.random.default_rng(seed)
    size = codec.frame_size - codec.head - 2
    frames = [byhand.data(version, random.integers(-1000, 1000, size // 2).astype(">i2").tobytes()) for _ in "abc"]
    batch = codec.decode(frames)
    assert Bank([codec]).encode(batch.stations, [SOC] * 3, [0] * 3) == frames


@given(make.configurations(), st.binary(min_size=400, max_size=800))
def test_any_bytes_decode_without_a_warning(cfg: ConfigurationFrame, noise: bytes) -> None:
    codec = compile_codec(cfg)
    size = codec.frame_size - codec.head - 2
    assume(2 * size <= len(noise))
    batch = codec.decode([byhand.data(cfg.version, noise[k * size : (k + 1) * size]) for k in range(2)])
    for got, table in zip(batch.stations, codec.tables, strict=True):
        assert got.values.shape == (2, table.channels)


@EDITIONS
def test_analogs_count_in_hundred_thousandths(version: int) -> None:
    units = [0x01_00_00_64, 0x00_FF_FF_9C, 0x02_00_00_00, 0x41_01_86_A0]
    analogs = [(byhand.name(f"A{k}"), unit) for k, unit in enumerate(units)]
    cfg = parse(byhand.configuration(2, version, [byhand.Block(phasors=[], analogs=analogs, digitals=[])]))
    assert isinstance(cfg, ConfigurationFrame)
    assert [each.unit for each in cfg.stations[0].analogs] == ["rms", "instantaneous", "peak", "user 65"]
    frame = byhand.data(version, struct.pack(">Hhh4h", 0, 0, 0, 300, 300, 300, -7))
    (got,) = compile_codec(cfg).decode([frame]).stations
    assert got.values[0, 2:].tolist() == np.array([0.3, -0.3, 300, -7], np.float32).tolist()
    (got,) = compile_codec(cfg, {"A0": 2.0}).decode([frame]).stations
    assert got.values[0, 2] == 600
    floats = replace(cfg, stations=(replace(cfg.stations[0], format=4),))
    frame = byhand.data(version, struct.pack(">Hhh4f", 0, 0, 0, 1.5, 2.5, 3.5, 4.5))
    (got,) = compile_codec(floats).decode([frame]).stations
    assert got.values[0, 2:].tolist() == [1.5, 2.5, 3.5, 4.5]


@EDITIONS
def test_what_is_missing_is_nan(version: int) -> None:
    codec = compile_codec(make.configuration(version))
    wrapped = (-50_000) & 0xFFFF
    bodies = [
        struct.pack(">H4hhhhH", 0, -0x8000, 1, 1, 1, -0x8000, 0, 5, 0),
        struct.pack(">H4hHhhH", 0, 0, 0, 0, 0, wrapped, 0, 5, 0),
        struct.pack(">H4hhhhH", 0x8000, 1, 1, 1, 1, 0, 0, -0x8000, 0),
    ]
    (got,) = codec.decode([byhand.data(version, body) for body in bodies]).stations
    missing = [np.flatnonzero(np.isnan(row)).tolist() for row in got.values]
    assert missing == [[0, 2, 3], list(range(7)), [6]]


def test_many_devices_in_one_call() -> None:
    cfgs = [make.configuration(3, identity=b"GP%06d" % k) for k in range(5)]
    cfgs = [
        replace(cfg, stations=(replace(cfg.stations[0], analogs=(Analog("P", 1, k + 1.0),)),))
        for k, cfg in enumerate(cfgs)
    ]
    bank = Bank([compile_codec(cfg) for cfg in cfgs])
    frames = [byhand.data(3, byhand.integers(), SOC, 0, cfg.identity) for cfg in cfgs]
    batch = bank.decode(b"".join(frames[k] for k in (4, 0, 2)), [4, 0, 2])
    assert batch.stations[0].values[:, 6].tolist() == [5 * 1234, 1234, 3 * 1234]
    again = bank.encode(batch.stations, [SOC] * 3, [0] * 3, which=[4, 0, 2])
    assert [frame[4:12] for frame in again] == [b"GP000004", b"GP000000", b"GP000002"]


def test_layouts_that_may_not_share_a_bank() -> None:
    one = make.configuration(3)
    others = [make.configuration(2), make.configuration(3, 1), make.configuration(3, period=50)]
    codecs = [compile_codec(each) for each in (one, *others)]
    codecs.append(c37118.compile_codec(theirs.configuration()))
    assert len({codec.layout for codec in codecs}) == 5


@EDITIONS
def test_each_station_has_the_table_of_its_period(version: int) -> None:
    cfg = make.configuration(version)
    slow, fast = (replace(cfg.stations[0], period=period) for period in (500, 50))
    codec = compile_codec(replace(cfg, stations=(slow, fast)))
    assert codec.tables == [Table(10, 2, 1, 1), Table(100, 2, 1, 1)]
    frame = byhand.data(version, byhand.integers() * 2, SOC, 10_001)
    batch = codec.decode([frame])
    assert (batch.time.tolist(), batch.snapped.tolist()) == ([SOC * SECOND + 10_000_000], [-1000])


@EDITIONS
def test_the_top_byte_is_quality_and_no_time(version: int) -> None:
    codec = compile_codec(make.configuration(version))
    frames = [byhand.data(version, byhand.integers(), SOC, top << 24 | 20_000) for top in (0, 0x0F, 0xFF)]
    batch = codec.decode(frames)
    assert set(batch.time.tolist()) == {SOC * SECOND + 20_000_000}
    assert batch.quality.tolist() == [0, 15, 255]
