"""Data frames of SMDs to columns and back: by a direct reader of one field after the other, for any table."""

from __future__ import annotations

import struct
from binascii import crc_hqx
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.c37118 import use_kernels
from protocol.c37118.codec import Codec, StationRows
from protocol.clock import SECOND
from protocol.gbt26865 import ConfigurationFrame, FrameError, FrameType, fractions, frame_type
from protocol.gbt26865 import compile_codec as compile_plain
from protocol.messages import Spectrum, Table
from protocol.smd import Kind, Layouts, compile_codecs, data_sizes, load, spectrum_of, splitter_of
from protocol.smd.blocks import Polar
from tests.protocol.c37118 import strategies as ieee
from tests.protocol.gbt26865 import strategies as theirs
from tests.protocol.smd import byhand
from tests.protocol.smd import strategies as make

SOC = 1_700_000_000
SPECTRA = (Spectrum.HARMONICS, Spectrum.INTERHARMONICS)
TIMES = np.arange(3) * SECOND + SOC * SECOND
slow = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=40)


def rows_of(codec: Codec, k: int, count: int, seed: int) -> StationRows:
    """Values that any number format holds, some of them missing."""
    random, table = np.random.default_rng(seed), codec.tables[k]
    values = np.empty((count, table.channels), np.float32)
    values[:, 0] = 50 + random.uniform(-1, 1, count)
    values[:, 1] = random.uniform(-5, 5, count)
    values[:, 2::2] = random.uniform(0, 20_000, values[:, 2::2].shape) * np.repeat(
        codec.scales[k].phasor, table.components
    )
    values[:, 3::2] = random.uniform(-179.9, 179.9, values[:, 3::2].shape)
    hole = random.random(values[:, 2::2].shape) < 0.1
    values[:, 2::2][hole] = values[:, 3::2][hole] = np.nan
    return StationRows(random.integers(0, 4, count).astype(np.uint16), values, np.zeros((count, 0), np.uint16))


@slow
@given(make.layouts(), make.configurations(), st.binary(min_size=600, max_size=600))
def test_any_bytes_say_what_a_reader_field_by_field_reads(
    layouts: Layouts, cfg: ConfigurationFrame, noise: bytes
) -> None:
    codecs = compile_codecs(cfg, Kind.L, layouts)
    for spectrum in SPECTRA:
        codec = codecs[spectrum]
        frames = [(noise[k:] + bytes(codec.frame_size))[: codec.frame_size] for k in (0, 7)]
        batch = codec.decode(frames)
        for k, frame in enumerate(frames):
            byhand.check(frame, batch, k, cfg, (layouts, Kind.L, spectrum))


@slow
@given(make.layouts(), make.configurations(), st.integers(0, 2**32))
def test_what_is_encoded_is_decoded_to_half_a_count(layouts: Layouts, cfg: ConfigurationFrame, seed: int) -> None:
    codecs = compile_codecs(cfg, Kind.L, layouts)
    for spectrum in SPECTRA:
        codec = codecs[spectrum]
        rows = [rows_of(codec, k, 3, seed) for k in range(len(codec.tables))]
        frames = codec.bank().encode(rows, *fractions(TIMES, cfg.time_base), 0x0B)
        assert [crc_hqx(frame, 0) for frame in frames] == [0, 0, 0]
        assert [spectrum_of(frame, layouts) for frame in frames] == [spectrum] * 3
        assert splitter_of(layouts)().feed(b"".join(frames)) == frames
        batch = codec.decode(frames)
        assert batch.time.tolist() == TIMES.tolist()
        assert set(batch.quality.tolist()) == {0x0B}
        for k, (sent, got) in enumerate(zip(rows, batch.stations, strict=True)):
            np.testing.assert_array_equal(got.status, sent.status)
            near(codec, k, sent.values.astype(np.float64), got.values.astype(np.float64), layouts)


def near(codec: Codec, k: int, sent: np.ndarray, got: np.ndarray, layouts: Layouts) -> None:
    """Within half a count of what the numbers can say."""
    table, station = codec.tables[k], codec.cfg.stations[k]
    fields = layouts.block(table.spectrum).fields
    for column, (name, half) in enumerate((("FREQ", 0.51e-3), ("DFREQ", 0.51e-2))):
        want = sent[:, column] if name in fields else np.full(len(sent), np.nan)
        np.testing.assert_allclose(got[:, column], want, rtol=0, atol=half)
    if not any(each.scale for each in station.phasors):
        return
    factor = np.repeat(codec.scales[k].phasor, table.components)
    one, other = (each[:, 2::2] * np.exp(1j * np.radians(each[:, 3::2])) for each in (sent, got))
    numbers = layouts.block(table.spectrum).numbers
    if isinstance(numbers, Polar) and numbers.magnitude.type == numbers.angle.type == "uint16":
        other[np.isnan(one)] = np.nan  # what is missing has no mark there, but for STAT
    np.testing.assert_array_equal(np.isnan(one), np.isnan(other))
    away = np.nan_to_num(np.abs(one - other))
    assert (away <= 0.72 * factor + np.nan_to_num(np.abs(one)) * 0.6e-3 + 1e-6).all()


def test_the_shipped_table_by_hand() -> None:
    """SMD-L, int16 rectangular: STAT, FREQ, DFREQ, then of each phasor order 2 to 50, real and imaginary part."""
    cfg, layouts = make.configuration(), load()
    codec = compile_codecs(cfg, Kind.L, layouts)[Spectrum.HARMONICS]
    parts = [[(100 * p + h, -h) for h in range(2, 51)] for p in range(4)]
    body = struct.pack(">Hhh", 0x2000, 20, -5) + b"".join(struct.pack(">hh", *each) for row in parts for each in row)
    head = struct.pack(">BBH8sII", 0xAA, 0x63, 20 + len(body) + 2, theirs.WHO, SOC, 0x0C << 24)
    frame = head + body
    frame += crc_hqx(frame, 0).to_bytes(2, "big")
    assert len(frame) == codec.frame_size == 812
    batch = codec.decode([frame])
    (got,) = batch.stations
    assert codec.tables == [Table(1, 4, 0, 0, orders=49)]
    assert (batch.time.tolist(), batch.quality.tolist()) == ([SOC * SECOND], [0x0C])
    np.testing.assert_allclose(got.values[0, :2], [50.02, -0.05], rtol=1e-6)
    for p, factor in enumerate((2.0, 2.0, 2.0, 0.01)):
        for c, (real, imaginary) in enumerate(parts[p]):
            magnitude, angle = got.values[0, 2 + 2 * (49 * p + c) : 4 + 2 * (49 * p + c)].tolist()
            assert magnitude == pytest.approx(factor * np.hypot(real, imaginary), rel=1e-6)
            assert angle == pytest.approx(np.degrees(np.arctan2(imaginary, real)), rel=1e-6)
    assert codec.bank().encode([got], [SOC], [0], 0x0C) == [frame]


@pytest.mark.parametrize(
    ("kind", "rates", "components"),
    [
        (Kind.R, [50, 1], {Spectrum.INTERHARMONICS: 42}),
        (Kind.C, [50], {}),
        (Kind.L, [50, 1, 1], {Spectrum.HARMONICS: 49, Spectrum.INTERHARMONICS: 92}),
    ],
)
@pytest.mark.parametrize("form", range(16))
def test_what_each_kind_sends(kind: Kind, rates: list[int], components: dict[Spectrum, int], form: int) -> None:
    cfg, layouts = make.configuration(form), load()
    codecs = compile_codecs(cfg, kind, layouts)
    assert [codec.rate for codec in codecs.values()] == rates
    number, wide = (8 if form & 2 else 4), (8 if form & 8 else 4)
    for spectrum, count in components.items():
        assert codecs[spectrum].frame_size == 20 + 2 + wide + 4 * count * number + 2
        assert codecs[spectrum].tables[0].spectrum is spectrum
        assert codecs[spectrum].tables[0].components == count
    assert set(codecs) == {Spectrum.NONE, *components}
    assert data_sizes(cfg, kind, layouts) == {spectrum: codec.frame_size for spectrum, codec in codecs.items()}


def test_the_fundamental_is_data_of_the_standard() -> None:
    cfg = theirs.configuration(3)
    codec, plain = compile_codecs(cfg, Kind.R, load())[Spectrum.NONE], compile_plain(cfg)
    assert (codec.layout, codec.frame_size) == (plain.layout, plain.frame_size)
    assert compile_codecs(cfg, Kind.R, load(), {"有功功率": 3.0})[Spectrum.NONE].scales[0].analog.tolist() == [3.0]


@pytest.fixture(params=["numpy", "compiled"])
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    use_kernels(request.param == "compiled")
    yield
    use_kernels(False)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("form", [0, 1, 15])
def test_a_flag_behind_fracsec_makes_all_heads_longer(form: int) -> None:
    flag = {"byte": 21, "mask": 0x0F, "fundamental": 1, "harmonics": 2, "interharmonics": 3}
    layouts = Layouts.model_validate(make.shipped(head={"behind_fracsec": 2}, flag=flag))
    cfg = theirs.configuration(3, form)
    codecs, plain = compile_codecs(cfg, Kind.L, layouts), compile_plain(cfg)
    rows = ieee.rows(plain, 3)
    frames = codecs[Spectrum.NONE].bank().encode(rows, *fractions(TIMES, cfg.time_base))
    usual = plain.bank().encode(rows, *fractions(TIMES, cfg.time_base))
    for mine, other in zip(frames, usual, strict=True):
        assert (mine[:2], mine[20:22]) == (other[:2], b"\x00\x01")
        assert mine[4:20] + mine[22:-2] == other[4:-2]
    got, want = codecs[Spectrum.NONE].decode(frames), plain.decode(usual)
    np.testing.assert_array_equal(got.time, want.time)
    np.testing.assert_array_equal(got.stations[0].values, want.stations[0].values)
    for spectrum in SPECTRA:
        rows = [rows_of(codecs[spectrum], 0, 1, 5)]
        (frame,) = codecs[spectrum].bank().encode(rows, [SOC], [0])
        assert (frame[1], frame[20:22]) == (0x03, bytes([0, 1 + spectrum]))
        assert spectrum_of(frame, layouts) is spectrum
        assert spectrum_of(frame, load()) is Spectrum.NONE


def test_a_changed_table_by_hand() -> None:
    """Two orders, all magnitudes of a component before its angles, factors of its own, uint16 angles, bytes skipped."""
    numbers = {
        "form": "polar",
        "magnitude": {"type": "uint16", "volts": 0.5, "amperes": 0.01},
        "angle": {"type": "uint16", "step": 2 * np.pi / 65536},
    }
    fields = [{"skip": 1}, "COMPONENTS", "FREQ", "STAT"]
    block = {"fields": fields, "frequency": "float32", "nesting": ["component", "part", "phasor"], "numbers": numbers}
    flag = {"byte": 20, "mask": 0xC0, "fundamental": 0x40, "harmonics": 0x80, "interharmonics": 0xC0}
    changed = make.shipped(head={"behind_fracsec": 1}, flag=flag, blocks={"harmonics": block, "interharmonics": block})
    changed["kinds"]["SMD-L"]["harmonics"]["orders"] = [[5, 5], [7, 7]]
    codec = compile_codecs(make.configuration(), Kind.L, Layouts.model_validate(changed))[Spectrum.HARMONICS]
    words = [100, 200, 300, 400, 0x0000, 0x4000, 0x8000, 0xC000, 10, 20, 30, 0xFFFF, 0x2000, 0x6000, 0xA000, 0xE000]
    body = struct.pack(">B16HfH", 0, *words, 49.5, 0x0800)
    frame = struct.pack(">BBH8sIIB", 0xAA, 0x03, 62, theirs.WHO, SOC, 0, 0x80) + body
    frame += crc_hqx(frame, 0).to_bytes(2, "big")
    (got,) = codec.decode([frame]).stations
    assert np.isnan(got.values[0, 1])
    assert got.status.tolist() == [0x0800]
    want = [49.5, 50, 0, 5, 45, 100, 90, 10, 135, 150, 180, 15, -135, 4, -90, 655.35, -45]
    np.testing.assert_allclose(np.delete(got.values[0], 1), np.array(want), rtol=1e-6, atol=1e-9)
    assert codec.bank().encode([got], [SOC], [0]) == [frame]


def test_many_devices_in_one_call_each_with_its_own_scale() -> None:
    cfgs = [make.configuration(identity=b"SMD%05d" % k, scale=k + 1.0) for k in range(4)]
    codecs = [compile_codecs(cfg, Kind.L, load())[Spectrum.INTERHARMONICS] for cfg in cfgs]
    bank = codecs[0].bank()
    assert [bank.add(codec) for codec in codecs[1:3]] == [1, 2]
    bank.replace(1, codecs[3])
    which = [2, 1, 0]
    counts = np.zeros((3, codecs[0].tables[0].channels), np.float32)
    counts[:, 2] = [3000.0, 4000.0, 1000.0]
    rows = StationRows(np.zeros(3, np.uint16), counts, np.zeros((3, 0), np.uint16))
    frames = bank.encode([rows], [SOC] * 3, [0] * 3, which=which)
    assert [frame[4:12] for frame in frames] == [b"SMD00002", b"SMD00003", b"SMD00000"]
    assert [frame[26:28] for frame in frames] == [(1000).to_bytes(2, "big")] * 3
    batch = bank.decode(b"".join(frames), which)
    assert batch.stations[0].values[:, 2].tolist() == [3000.0, 4000.0, 1000.0]
    other = compile_codecs(cfgs[0], Kind.R, load())[Spectrum.INTERHARMONICS]
    with pytest.raises(ValueError, match="another layout"):
        bank.add(other)


def test_a_station_that_a_pdc_filled_is_missing() -> None:
    codec = compile_codecs(make.configuration(), Kind.L, load())[Spectrum.HARMONICS]
    frame = bytearray(codec.frame_size)
    frame[22:24] = (-50_000 & 0xFFFF).to_bytes(2, "big")
    assert np.isnan(codec.decode([bytes(frame)]).stations[0].values).all()
    frame[-3] = 1
    assert not np.isnan(codec.decode([bytes(frame)]).stations[0].values).any()


def test_phasors_may_be_chosen() -> None:
    kinds = make.shipped()["kinds"]
    for which, names in (([4, 1], 2), ("currents", 1), ("voltages", 3)):
        kinds["SMD-L"]["harmonics"]["phasors"] = which
        layouts = Layouts.model_validate(make.shipped(kinds=kinds))
        codec = compile_codecs(make.configuration(), Kind.L, layouts)[Spectrum.HARMONICS]
        assert codec.tables == [Table(1, names, 0, 0, orders=49)]
    kinds["SMD-L"]["harmonics"]["phasors"] = [5]
    with pytest.raises(FrameError, match="station 负荷一 has 4 phasors, the table of its SMD names phasor 5"):
        compile_codecs(make.configuration(), Kind.L, Layouts.model_validate(make.shipped(kinds=kinds)))


def test_what_no_frame_can_be() -> None:
    with pytest.raises(FrameError, match=r"Q/GDW 131-2006: SMDs speak GB/T 26865\.2-2011"):
        compile_codecs(theirs.configuration(2), Kind.L, load())
    cfg = make.configuration(form=2)
    many = replace(cfg, stations=cfg.stations * 30)
    with pytest.raises(FrameError, match=r"frame of interharmonics would have 88522 bytes, SIZE ends at 65535"):
        compile_codecs(many, Kind.L, load())


def test_other_frames_are_no_data() -> None:
    for layouts in (load(), Layouts.model_validate(make.shipped())):
        assert spectrum_of(bytes([0xAA, 0x43]) + bytes(22), layouts) is None
        assert spectrum_of(bytes([0xAA, 0x73]) + bytes(22), layouts) is Spectrum.INTERHARMONICS
    assert frame_type(bytes([0xAA, 0x03])) == FrameType.DATA
