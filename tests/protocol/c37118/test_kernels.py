"""Compiled loops against their plain twins."""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.c37118 import Bank, Batch, ConfigurationFrame, compile_codec, kernels, use_kernels
from protocol.c37118.common import CRC_START, Frame, seal
from tests.protocol.c37118 import strategies as make

WORDS = (0, 1, 0x8000, 0x7FFF, 0xFFFF, 0x3CB0, 0x15A0, 0x7AB8, 0x8548, 0x7F80, 0x7FA0, 0xFF80)
"""Halves of fields where rules begin: markers, half turns, wrapped deviations, infinities and signalling NaNs."""


@pytest.fixture(autouse=True, scope="module")
def compiled_ahead() -> Iterator[None]:
    kernels.warm()
    yield
    use_kernels(False)


def both(bank: Bank, block: bytes, which: list[int] | None = None) -> tuple[Batch, Batch]:
    """(by numpy, compiled)"""
    batches = []
    for compiled in (False, True):
        use_kernels(compiled)
        batches.append(bank.decode(block, which))
    return batches[0], batches[1]


def assert_same(plain: Batch, compiled: Batch, cfg: ConfigurationFrame) -> None:
    """Bit by bit; angles of rectangular phasors to the last bit, as two kinds of arctan2 may differ there."""
    for name in ("time", "snapped", "quality"):
        mine, other = getattr(compiled, name), getattr(plain, name)
        assert mine.dtype == other.dtype
        np.testing.assert_array_equal(mine, other)
    assert len(plain.stations) == len(compiled.stations)
    for want, got, station in zip(plain.stations, compiled.stations, cfg.stations, strict=True):
        np.testing.assert_array_equal(got.status, want.status)
        np.testing.assert_array_equal(got.digital, want.digital)
        assert got.values.shape == want.values.shape
        assert got.values.dtype == want.values.dtype == np.float32
        loose = np.zeros(got.values.shape[1], bool)
        if not station.format & 1:
            loose[3 : 2 + 2 * len(station.phasors) : 2] = True
        mine, other = got.values.view(np.uint32), want.values.view(np.uint32)
        np.testing.assert_array_equal(mine[:, ~loose], other[:, ~loose])
        np.testing.assert_array_max_ulp(got.values[:, loose], want.values[:, loose], 1)


def frames(cfg: ConfigurationFrame, count: int, seed: int) -> bytes:
    """Any bytes in the places of values, every second word one where a rule begins."""
    random = np.random.default_rng(seed)
    words = (cfg.data_size - 16) // 2
    bodies = random.integers(0, 0x10000, (count, words))
    bodies = np.where(random.random((count, words)) < 0.5, random.choice(WORDS, (count, words)), bodies)
    bodies[::7] = 0
    fractions = random.integers(0, 2**24, count)
    return b"".join(
        seal(
            0,
            Frame(stream=cfg.stream, soc=int(soc), quality=k % 256, count=int(fraction)),
            body.astype(">u2").tobytes(),
        )
        for k, (soc, fraction, body) in enumerate(zip(random.integers(0, 2**32, count), fractions, bodies, strict=True))
    )


@settings(max_examples=50)
@given(make.configurations(), st.integers(0, 2**32))
def test_any_bytes_of_any_configuration_decode_to_the_same(cfg: ConfigurationFrame, seed: int) -> None:
    plain, compiled = both(Bank([compile_codec(cfg)]), frames(cfg, 8, seed))
    assert_same(plain, compiled, cfg)


@pytest.mark.parametrize("form", range(16))
def test_every_format_decodes_to_the_same(form: int) -> None:
    cfg = make.configuration(form)
    codec = compile_codec(cfg)
    assert_same(*both(Bank([codec]), frames(cfg, 3000, form)), cfg)
    assert_same(*both(Bank([codec]), b"".join(make.data_frames(cfg, 3000))), cfg)


def test_arctan2_is_that_of_the_library() -> None:
    random = np.random.default_rng(1)
    size = 10.0 ** random.uniform(-12, 12, (2, 100_000))
    y, x = np.concatenate([random.normal(size=(2, 100_000)), size * random.choice([-1, 1], size.shape)], axis=1)
    want, real, got = np.arctan2(y, x), x.copy(), y.copy()
    kernels._to_polar(real, got)
    np.testing.assert_array_max_ulp(got, np.degrees(want), 6)
    assert (got.astype(np.float32) != np.degrees(want).astype(np.float32)).sum() <= 1


def test_arctan2_of_what_is_special() -> None:
    special = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, 1e-45, -1e-45, 3e38]
    y, x = (each.ravel() for each in np.meshgrid(special, special))
    want, real, got = np.arctan2(y, x), x.copy(), y.copy()
    kernels._to_polar(real, got)
    np.testing.assert_allclose(got, np.degrees(want), rtol=1e-15)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(want))


@pytest.mark.parametrize("kind", [2, 3])
def test_devices_with_their_own_scales_in_one_call(kind: int) -> None:
    random = np.random.default_rng(kind)
    plain = make.configuration(0, kind=kind).stations[0]
    codecs = []
    for k in range(50):
        phasors = tuple(
            replace(each, scale=float(scale), offset=float(scale) / 9 if kind == 3 else 0.0)
            for each, scale in zip(plain.phasors, random.normal(0, 10, 2), strict=True)
        )
        analogs = tuple(replace(each, scale=float(k), offset=k / 3) for each in plain.analogs)
        stations = (replace(plain, phasors=phasors, analogs=analogs, nominal=50 + 10 * (k % 2)),) * 3
        codecs.append(compile_codec(make.configuration(0, kind=kind, stations=stations)))
    bank = Bank(codecs)
    which = random.integers(0, 50, 500).tolist()
    assert_same(*both(bank, frames(codecs[0].cfg, 500, kind), which), codecs[0].cfg)
    bank.replace(which[0], codecs[which[1]])
    assert_same(*both(bank, frames(codecs[0].cfg, 500, kind), which), codecs[0].cfg)


def test_the_block_may_be_writable_and_is_not_written_to() -> None:
    cfg = make.configuration(15)
    block = bytearray(b"".join(make.data_frames(cfg, 3)))
    before = bytes(block)
    use_kernels()
    batch = compile_codec(cfg).decode(memoryview(block))  # type: ignore[arg-type]
    assert batch.time.size == 3
    assert block == before


@pytest.mark.parametrize("compiled", [False, True])
def test_what_cannot_be_decoded_is_an_error(compiled: bool) -> None:
    use_kernels(compiled)
    cfg = make.configuration(15)
    bank, block = Bank([compile_codec(cfg)] * 2), b"".join(make.data_frames(cfg, 3))
    with pytest.raises(IndexError):
        bank.decode(block, [0, 1, 2])
    with pytest.raises(ValueError, match=r"3 frames|shapes \(3,"):
        bank.decode(block, [0, 1])
    with pytest.raises(ValueError, match="size"):
        bank.decode(block[:-1])


@given(st.binary(max_size=300), st.integers(0, 20))
def test_check_words_are_those_of_the_library(data: bytes, skipped: int) -> None:
    block = np.frombuffer(bytes(skipped) + data, np.uint8)
    assert kernels.check_word(block, skipped, len(data)) == crc_hqx(data, CRC_START)


def test_frames_are_good_only_where_they_are() -> None:
    first, second = seal(0, Frame(stream=1), b"abc"), seal(5, Frame(stream=2), bytes(1000))
    stream = np.frombuffer(b"\xaa" + first + second, np.uint8)
    sizes = np.array([19, 19, 19, 1016, 1017, 19, 1016, 15, 19], np.int64)
    at = np.array([0, 1, 2, 20, 20, 20, 21, 1, -1], np.int64)
    assert kernels.check_words(stream, at, sizes).tolist() == [False, True, False, True] + [False] * 5
    assert [kernels.frame_is_good(stream, k, size) for k, size in zip(at, sizes, strict=True)] == [
        k in (1, 3) for k in range(9)
    ]
    for bit in range(8 * stream.size):
        damaged = stream.copy()
        damaged[bit // 8] ^= 1 << bit % 8
        good = kernels.check_words(damaged, at[[1, 3]], sizes[[1, 3]])
        assert good.tolist() == [not 1 <= bit // 8 < 20, bit // 8 < 20]
