"""DATA: every FORMAT both ways, what is missing, scales, several devices in one call."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from protocol.c37118 import (
    Analog,
    Bank,
    Codec,
    ConfigurationFrame,
    Phasor,
    Splitter,
    StationRows,
    compile_codec,
    decode,
    encode_data,
    fractions,
    use_kernels,
)
from protocol.c37118.common import Frame, seal
from protocol.clock import SECOND, from_soc, slot_time, to_soc
from tests.protocol.c37118 import strategies as make

FORMATS = range(16)
SOC = 1_700_000_000


@pytest.fixture(autouse=True, scope="module", params=["numpy", "compiled"])
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test here holds for both."""
    use_kernels(request.param == "compiled")
    yield
    use_kernels(False)


def data(body: bytes, count: int = 0, quality: int = 0, stream: int = 60, soc: int = SOC) -> bytes:
    return seal(0, Frame(stream=stream, soc=soc, count=count, quality=quality), body)


def one(cfg: ConfigurationFrame, body: bytes) -> StationRows:
    return compile_codec(cfg).decode([data(body)]).stations[0]


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_decodes_to_what_was_encoded(form: int) -> None:
    codec = compile_codec(make.configuration(form))
    (rows,) = make.rows(codec, 50)
    frames = encode_data(codec, [rows], *fractions(np.arange(50) * 20_000_000 + SOC * SECOND, 1_000_000), 5)
    splitter = Splitter()
    assert splitter.feed(b"".join(frames)) == frames
    assert {len(frame) for frame in frames} == {codec.frame_size}
    batch = codec.decode(frames)
    assert batch.time.tolist() == [SOC * SECOND + k * 20_000_000 for k in range(50)]
    assert set(batch.quality.tolist()) == {5}
    (got,) = batch.stations
    np.testing.assert_array_equal(got.status, rows.status)
    np.testing.assert_array_equal(got.digital, rows.digital)
    frequency = 1e-5 if form & 8 else 0.51e-3
    np.testing.assert_allclose(got.values[:, 0], rows.values[:, 0], rtol=0, atol=frequency)
    np.testing.assert_allclose(got.values[:, 1], rows.values[:, 1], rtol=0, atol=1e-6 if form & 8 else 0.51e-2)
    np.testing.assert_allclose(got.values[:, 6], rows.values[:, 6], rtol=0, atol=1e-3 if form & 4 else 1.01)
    step = np.array([0.01, 0.01] if form & 2 else [9.16, 0.46])
    np.testing.assert_allclose(got.values[:, 2:6:2], rows.values[:, 2:6:2], rtol=0, atol=step.max())
    assert (np.abs(got.values[:, 2:6:2] - rows.values[:, 2:6:2]) <= step).all()
    turn = np.abs((got.values[:, 3:6:2] - rows.values[:, 3:6:2] + 180) % 360 - 180)
    assert turn.max() < (1e-4 if form & 2 else 0.006 if form & 1 else 6)


@given(make.configurations(), st.integers(0, 2**32))
def test_integers_come_back_as_they_were_sent(cfg: ConfigurationFrame, seed: int) -> None:
    """Decoding and encoding again gives the same bytes wherever that is possible: float32 holds an int16 exactly."""
    stations = tuple(
        replace(
            each,
            format=0,
            phasors=tuple(replace(phasor, scale=1.0, offset=0.0) for phasor in each.phasors),
            analogs=tuple(replace(analog, scale=1.0, offset=0.0) for analog in each.analogs),
        )
        for each in cfg.stations
    )
    codec = compile_codec(replace(cfg, stations=stations))
    random = np.random.default_rng(seed)
    frames = [data(random.integers(-1000, 1000, (codec.frame_size - 16) // 2).astype(">i2").tobytes()) for _ in "abc"]
    batch = codec.decode(frames)
    bank = Bank([compile_codec(replace(codec.cfg, stream=60, version=1))])
    assert bank.encode(batch.stations, [SOC] * 3, [0] * 3) == frames


@given(make.configurations(st.integers(2, 3)), st.binary(min_size=400, max_size=800))
def test_any_bytes_decode_without_a_warning(cfg: ConfigurationFrame, noise: bytes) -> None:
    codec = compile_codec(cfg)
    body = codec.frame_size - 16
    assume(2 * body <= len(noise))
    batch = codec.decode([data(noise[:body]), data(noise[body : 2 * body], 2**24 - 1, 255)])
    for rows, table in zip(batch.stations, codec.tables, strict=True):
        assert rows.values.shape == (2, table.channels)
        assert rows.values.dtype == np.float32
        angles = rows.values[:, 3 : 2 + 2 * table.phasors : 2]
        inside = (angles > -180) & (angles <= 180)
        assert (inside | np.isnan(angles)).all()


def plain(form: int, phasors: int = 1, analogs: int = 0, **changed: object) -> ConfigurationFrame:
    cfg = make.configuration(form)
    station = replace(
        cfg.stations[0],
        phasors=tuple(Phasor(f"V{k}", scale=2.0) for k in range(phasors)),
        analogs=tuple(Analog(f"A{k}", scale=0.0) for k in range(analogs)),
        digitals=(),
        **changed,  # type: ignore[arg-type]
    )
    return replace(cfg, stations=(station,))


@pytest.mark.parametrize(
    ("form", "fields", "pack", "values"),
    [
        (0, (0, 3, 4, 10, -25), ">H2h2h", (50.010, -0.25, 10.0, math.degrees(math.atan2(4, 3)))),
        (0, (0, 0, -5, 0, 0), ">H2h2h", (50.0, 0.0, 10.0, -90.0)),
        (0, (0, -5, 0, 0, 0), ">H2h2h", (50.0, 0.0, 10.0, 180.0)),
        (1, (0, 40_000, -15_708, 0, 0), ">HHh2h", (50.0, 0.0, 80_000.0, math.degrees(-1.5708))),
        (1, (0, 0x8000, 0, 0, 0), ">HHh2h", (50.0, 0.0, 65_536.0, 0.0)),
        (1, (0, 1, 31_416, 0, 0), ">HHh2h", (50.0, 0.0, 2.0, math.degrees(3.1416) - 360)),
        (2, (0, 3.0, 4.0, 0, 0), ">H2f2h", (50.0, 0.0, 5.0, math.degrees(math.atan2(4, 3)))),
        (3, (0, 7.5, -1.0, 0, 0), ">H2f2h", (50.0, 0.0, 7.5, math.degrees(-1.0))),
        (3, (0, 7.5, 4.0, 0, 0), ">H2f2h", (50.0, 0.0, 7.5, math.degrees(4.0) - 360)),
        (8, (0, 3, 4, 49.98, 0.5), ">H2h2f", (49.98, 0.5, 10.0, math.degrees(math.atan2(4, 3)))),
    ],
)
def test_fields_mean_what_the_standard_says(
    form: int, fields: tuple[float, ...], pack: str, values: tuple[float, ...]
) -> None:
    got = one(plain(form), struct.pack(pack, *fields)).values
    assert got.tolist() == np.array([values], np.float32).tolist()


NAN = math.nan


@pytest.mark.parametrize(
    ("form", "fields", "pack", "missing"),
    [
        (0, (0, -0x8000, 4, 0, 0), ">H2h2h", [2, 3]),
        (0, (0, 4, -0x8000, 0, 0), ">H2h2h", [2, 3]),
        (0, (0, 4, 4, -0x8000, 0), ">H2h2h", [0]),
        (0, (0, 4, 4, 0, -0x8000), ">H2h2h", [1]),
        (1, (0, 4, -0x8000, 0, 0), ">HHh2h", [2, 3]),
        (1, (0, 0x8000, 0, 0, 0), ">HHh2h", []),
        (1, (0x8000, 0x8000, 0, 0, 0), ">HHh2h", [2, 3]),
        (2, (0, NAN, 4.0, 0, 0), ">H2f2h", [2, 3]),
        (2, (0, 4.0, NAN, 0, 0), ">H2f2h", [2, 3]),
        (3, (0, NAN, 4.0, 0, 0), ">H2f2h", [2]),
        (8, (0, 4, 4, NAN, NAN), ">H2h2f", [0, 1]),
        (0, (0, 0, 0, 0x3CB0, 0), ">H2h2h", [0, 1, 2, 3]),
        (0, (0, 0, 1, 0x3CB0, 0), ">H2h2h", []),
        (0, (0, 0, 0, 0x3CB1, 0), ">H2h2h", []),
        (2, (0, 0.0, 0.0, 0x3CB0, 0), ">H2f2h", [0, 1, 2, 3]),
    ],
)
def test_what_is_missing_is_nan(form: int, fields: tuple[float, ...], pack: str, missing: list[int]) -> None:
    rows = one(plain(form), struct.pack(pack, *fields))
    assert np.flatnonzero(np.isnan(rows.values[0])).tolist() == missing
    assert rows.status.tolist() == [fields[0]]


def test_a_signalling_nan_is_nan() -> None:
    body = struct.pack(">HIIhh", 0, 0x7FA00000, 0x7F800001, 0, 0)
    assert np.isnan(one(plain(2), body).values[0, 2:]).all()


def test_a_filled_station_at_60_hz() -> None:
    cfg = plain(0, phasors=2, analogs=1, nominal=60)
    wrapped = (-60_000) & 0xFFFF
    assert np.isnan(one(cfg, struct.pack(">H4h2Hh", 0, 0, 0, 0, 0, wrapped, 0, 0)).values).all()
    assert not np.isnan(one(cfg, struct.pack(">H4h2Hh", 0, 0, 0, 0, 0, 0x3CB0, 0, 0)).values).any()


def test_without_phasors_the_filler_rule_does_not_hold() -> None:
    assert one(plain(0, phasors=0), struct.pack(">Hhh", 0, 0x3CB0, 0)).values[0, 0] == np.float32(65.536 - 0.0)


def test_analog_scales() -> None:
    cfg = plain(0, phasors=0, analogs=3)
    analogs = (Analog("none declared", 0, 0.0), Analog("user", 70, -3.0), Analog("linear", None, 2.5, -1.25))
    cfg = replace(cfg, stations=(replace(cfg.stations[0], analogs=analogs),))
    body = struct.pack(">H2h3h", 0, 0, 0, 7, 7, -7)
    assert one(cfg, body).values[0, 2:].tolist() == [7.0, -21.0, -18.75]
    codec = compile_codec(cfg, {"user": 0.5, "linear": 10.0})
    assert codec.decode([data(body)]).stations[0].values[0, 2:].tolist() == [7.0, 3.5, -70.0]
    floats = replace(cfg, stations=(replace(cfg.stations[0], format=4),))
    assert one(floats, struct.pack(">H2h3f", 0, 0, 0, 7, 7, -7)).values[0, 2:].tolist() == [7.0, 7.0, -7.0]


@pytest.mark.parametrize(("status", "missing"), [(0x8000, True), (0x4000, False), (0, False)])
def test_an_absent_analog(status: int, missing: bool) -> None:
    rows = one(plain(0, phasors=0, analogs=1), struct.pack(">H2hh", status, 0, 0, -0x8000))
    assert np.isnan(rows.values[0, 2]) == missing


@pytest.mark.parametrize("form", [0, 1])
def test_angle_offset_and_negative_factor_of_cfg3(form: int) -> None:
    cfg = plain(form)
    phasors = (Phasor("a", scale=2.0, offset=0.5), Phasor("b", scale=-2.0, offset=0.5))
    cfg = replace(cfg, stations=(replace(cfg.stations[0], phasors=phasors),))
    field = (100, 10_000) if form else (0, 100)
    angle = 1.0 if form else math.pi / 2
    got = one(cfg, struct.pack(">H4h2h", 0, *field, *field, 0, 0)).values[0]
    assert got[2:].tolist() == pytest.approx(
        [200.0, math.degrees(angle - 0.5), 200.0, math.degrees(angle - 0.5) - 180], rel=1e-6
    )


def test_times_on_their_grid_and_off_it() -> None:
    cfg = replace(plain(0), rate=60, time_base=1_000_000)
    body = struct.pack(">H2h2h", 0, 1, 1, 0, 0)
    counts = [0, 16_666, 33_333, 50_000, 66_700, 999_999, 1_000_000, 0xFFFFFF]
    batch = compile_codec(cfg).decode([data(body, count) for count in counts])
    base = SOC * SECOND
    grid = [base + slot_time(k, 60) for k in (0, 1, 2, 3)]
    assert batch.time[:4].tolist() == grid
    assert batch.snapped[:4].tolist() == [0, 667, 333, 0]
    assert batch.time[4:].tolist() == [base + 66_700_000, base + SECOND, base + SECOND, base + 16_777_215_000]
    assert batch.snapped[4:].tolist() == [0, 1000, 0, 0]


def test_a_time_base_of_24_bits() -> None:
    cfg = replace(plain(0), time_base=0xFFFFFF)
    body = struct.pack(">H2h2h", 0, 1, 1, 0, 0)
    frames = [data(body, int(k * 0xFFFFFF / 50)) for k in range(50)]
    batch = compile_codec(cfg).decode(frames)
    assert batch.time.tolist() == [SOC * SECOND + k * 20_000_000 for k in range(50)]


@pytest.mark.parametrize("soc", [0, 2**31, 2**32 - 1])
def test_times_from_1970_to_2106(soc: int) -> None:
    batch = compile_codec(plain(0)).decode([data(bytes(10), soc=soc)])
    assert batch.time.tolist() == [soc * SECOND]


def test_several_devices_in_one_call() -> None:
    other = replace(plain(0), stream=99, stations=(replace(plain(0).stations[0], phasors=(Phasor("V", scale=10.0),)),))
    bank = Bank([compile_codec(plain(0))])
    assert bank.add(compile_codec(other)) == 1
    body = struct.pack(">H2h2h", 0, 3, 4, 0, 0)
    frames = [data(body), data(body, stream=99), data(body, stream=99)]
    batch = bank.decode(frames, [0, 1, 1])
    assert batch.stations[0].values[:, 2].tolist() == [10.0, 50.0, 50.0]
    assert decode(b"".join(frames), [1, 0, 0], bank.codecs).stations[0].values[:, 2].tolist() == [50.0, 10.0, 10.0]
    assert bank.encode(batch.stations, [SOC] * 3, [0] * 3, which=[0, 1, 1]) == frames


def test_codecs_of_another_layout_are_kept_apart() -> None:
    codecs: list[Codec] = [compile_codec(plain(0)), compile_codec(plain(1)), compile_codec(replace(plain(0), rate=25))]
    assert len({codec.layout for codec in codecs}) == 3
    with pytest.raises(ValueError, match="layout"):
        Bank(codecs)
    with pytest.raises(ValueError, match="layout"):
        Bank(codecs[:1]).add(codecs[1])
    with pytest.raises(ValueError, match="layout"):
        Bank(codecs[:1]).replace(0, codecs[1])


def test_replacing_a_codec_takes_effect() -> None:
    bank = Bank([compile_codec(plain(0))])
    frames = [data(struct.pack(">H2h2h", 0, 3, 4, 0, 0))]
    assert bank.decode(frames).stations[0].values[0, 2] == 10.0
    station = replace(plain(0).stations[0], phasors=(Phasor("V", scale=1.0),))
    bank.replace(0, compile_codec(replace(plain(0), stations=(station,))))
    assert bank.decode(frames).stations[0].values[0, 2] == 5.0


def test_no_frames_and_no_stations() -> None:
    codec = compile_codec(plain(0))
    assert codec.decode([]).stations[0].values.shape == (0, 4)
    empty = compile_codec(replace(plain(0), stations=()))
    assert empty.frame_size == 16
    assert empty.decode([data(b"")]).stations == []


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_nan_is_sent_as_its_marker(form: int) -> None:
    codec = compile_codec(make.configuration(form))
    (rows,) = make.rows(codec, 1)
    rows.values[:] = np.nan
    rows.status[:] = 0x8000
    (got,) = codec.decode(encode_data(codec, [rows], [SOC], [0])).stations
    assert np.isnan(got.values).all()


def test_values_out_of_range_are_held_at_its_ends() -> None:
    codec = compile_codec(plain(0))
    rows = StationRows(
        np.zeros(2, np.uint16),
        np.array([[500, 1e9, 1e9, 0], [-500, -1e9, 1e9, 180]], np.float32),
        np.zeros((2, 0), np.uint16),
    )
    (got,) = codec.decode(encode_data(codec, [rows], [SOC, SOC], [0, 0])).stations
    low, high = 50 - 32.767, 50 + 32.767
    assert got.values[:, :3].tolist() == np.array([[high, 327.67, 65534], [low, -327.67, 65534]], np.float32).tolist()


@given(st.integers(0, 2**62), st.integers(1, 0xFFFFFF))
def test_fractions_are_those_of_the_clock(time: int, time_base: int) -> None:
    soc, count = fractions(np.array([time]), time_base)
    assert (int(soc[0]), int(count[0])) == to_soc(time, time_base)
    assert abs(from_soc(int(soc[0]), int(count[0]), time_base) - time) <= SECOND // time_base // 2 + 1
