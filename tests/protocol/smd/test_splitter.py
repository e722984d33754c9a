"""An SMD's link is cut into frames of all kinds; only damaged ones are lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import gbt26865
from protocol.gbt26865 import encode_configuration
from protocol.messages import Spectrum
from protocol.smd import Kind, compile_codecs, load, spectrum_of, splitter_of
from tests.protocol.gbt26865 import byhand as theirs
from tests.protocol.smd import strategies as make
from tests.protocol.smd.test_codec import rows_of

CFG = make.configuration()
CODECS = compile_codecs(CFG, Kind.L, load())
SPECTRAL = {
    spectrum: CODECS[spectrum].bank().encode([rows_of(CODECS[spectrum], 0, 2, 1)], [1_700_000_000] * 2, [0, 1])
    for spectrum in (Spectrum.HARMONICS, Spectrum.INTERHARMONICS)
}
FUNDAMENTAL = (
    CODECS[Spectrum.NONE].bank().encode([rows_of(CODECS[Spectrum.NONE], 0, 2, 1)], [1_700_000_000] * 2, [0, 1])
)
FRAMES = [
    encode_configuration(CFG),
    FUNDAMENTAL[0],
    *SPECTRAL[Spectrum.HARMONICS],
    theirs.command(0xE000, 3),
    *SPECTRAL[Spectrum.INTERHARMONICS],
    FUNDAMENTAL[1],
]


def run(stream: bytes, cut: int) -> tuple[list[bytes], gbt26865.Splitter]:
    splitter = splitter_of(load())()
    frames = [frame for at in range(0, len(stream), cut) for frame in splitter.feed(stream[at : at + cut])]
    return frames + splitter.close(), splitter


@pytest.mark.parametrize("cut", [1, 3, 21, 700, 100_000])
def test_frames_at_any_cut(cut: int) -> None:
    frames, splitter = run(b"".join(FRAMES), cut)
    assert frames == FRAMES
    assert (splitter.skipped, splitter.corrupt) == (0, 0)
    kinds = [spectrum_of(frame, load()) for frame in frames]
    assert kinds == [None, 0, 1, 1, None, 2, 2, 0]


@given(st.data())
def test_garbage_and_damage_cost_only_what_is_damaged(data: st.DataObject) -> None:
    garbage = st.binary(max_size=60).map(lambda noise: noise.replace(b"\xaa", b"\xab"))
    parts, good, bad = [], [], 0
    for frame in FRAMES:
        parts.append(data.draw(garbage))
        if data.draw(st.booleans()):
            at = data.draw(st.integers(4, len(frame) - 1))
            bad += spectrum_of(frame, load()) is not None
            frame = frame[:at] + bytes([frame[at] ^ 0x55]) + frame[at + 1 :]
        else:
            good.append(frame)
        parts.append(frame)
    stream = b"".join(parts)
    frames, splitter = run(stream, data.draw(st.integers(1, 300)))
    assert frames == good
    assert splitter.corrupt_data == bad
    assert splitter.skipped == len(stream) - sum(map(len, good))


def test_it_goes_on_where_another_one_was() -> None:
    stream, kind = b"".join(FRAMES), splitter_of(load())
    first = kind()
    frames = first.feed(stream[:1777])
    second = kind.restored(first.tail(0), first.state())
    assert type(second) is kind is splitter_of(load())
    assert frames + second.feed(stream[1777:]) == FRAMES


def test_others_do_not_take_spectral_frames() -> None:
    assert gbt26865.Splitter().feed(b"".join(SPECTRAL[Spectrum.HARMONICS])) == []
