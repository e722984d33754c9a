"""Every stream x every cut x every kind of garbage: only damaged frames are lost, and each counts once."""

from __future__ import annotations

import random
from binascii import crc_hqx
from dataclasses import dataclass, replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.c37118 import Fragments, HeaderFrame, Splitter, encode_configuration, encode_header
from protocol.c37118.common import Frame, seal
from protocol.c37118.splitter import COSTLY, LONG_TRIES
from tests.protocol.c37118 import strategies as make

CFG = make.configuration()
DATA = make.data_frames(CFG, 8)
(CFG_2,) = encode_configuration(CFG)
SIZE = len(DATA[0])
CUTS = [1, 2, 3, 7, SIZE - 1, SIZE, SIZE + 1, 10_000_000]


def damaged(frame: bytes, at: int = 20) -> bytes:
    return frame[:at] + bytes([frame[at] ^ 0x55]) + frame[at + 1 :]


def run(stream: bytes, cut: int, splitter: Splitter | None = None) -> tuple[list[bytes], Splitter]:
    splitter = splitter or Splitter()
    frames = [frame for at in range(0, len(stream), cut) for frame in splitter.feed(stream[at : at + cut])]
    return frames + splitter.close(), splitter


@dataclass
class Case:
    parts: list[bytes | None]
    """The stream: bytes; those of `frames` are good."""
    good: list[bytes]
    corrupt: int = 0
    corrupt_data: int = 0

    @property
    def stream(self) -> bytes:
        return b"".join(part for part in self.parts if part is not None)


FALSE_LONG = b"\xaa\x01\xff\xff"
"""Looks like the head of a DATA frame of 65,535 bytes."""
A, B, C, D = DATA[:4]
CASES = {
    "frames": Case([A, CFG_2, B], [A, CFG_2, B]),
    "noise before": Case([b"noise", A, B], [A, B]),
    "noise between": Case([A, b"\x00\xaa\xab\x01", B], [A, B]),
    "false head of noise and frame": Case([A, b"\xaa\x01", B], [A, B], 1, 1),
    "one byte of junk": Case([A, b"\x17", B, C], [A, B, C]),
    "bad check word": Case([A, damaged(B), C], [A, C], 1, 1),
    "two bad check words": Case([A, damaged(B), damaged(C), D], [A, D], 2, 2),
    "bad at the end": Case([A, damaged(B)], [A], 1, 1),
    "bad configuration": Case([damaged(CFG_2, 40), A, B], [A, B], 1, 0),
    "length too small": Case([b"\xaa\x01\x00\x0f", A, B], [A, B]),
    "length 0": Case([b"\xaa\x01\x00\x00", A, B], [A, B]),
    "length too large": Case([A, FALSE_LONG, B, C], [A, B, C], 1, 1),
    "length too large, one frame behind": Case([A, FALSE_LONG, B], [A, B], 1, 1),
    "length too large, nothing behind": Case([A, FALSE_LONG], [A]),
    "many false heads": Case([FALSE_LONG * 5, A, B], [A, B], 1, 1),
    "a byte lost": Case([A, B[:30] + B[31:], C, D], [A, C, D], 1, 1),
    "a byte too many": Case([A, B[:30] + b"!" + B[30:], C, D], [A, C, D], 1, 1),
    "cut off at the end": Case([A, B[:-5]], [A]),
    "cut off in the middle": Case([A, B[:-5], C, D], [A, C, D], 1, 1),
    "size damaged to more": Case([A, damaged(B, 2), C, D], [A, C, D], 1, 1),
    "reserved bit": Case([A, B[:1] + b"\x81" + B[2:], C], [A, C]),
    "type 6": Case([A, b"\xaa\x61\x00\x10" + bytes(12), C], [A, C]),
    "sync in the noise": Case([b"\xaa" * 50, A, B], [A, B]),
    "empty header": Case([encode_header(HeaderFrame(stream=1))] * 3, [encode_header(HeaderFrame(stream=1))] * 3),
    "nothing": Case([], []),
    "only noise": Case([bytes(range(100)) * 10], []),
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", CASES)
def test_every_stream_at_every_cut(name: str, cut: int) -> None:
    case = CASES[name]
    frames, splitter = run(case.stream, cut)
    assert frames == case.good
    assert splitter.skipped == len(case.stream) - sum(map(len, case.good))
    assert (splitter.corrupt, splitter.corrupt_data) == (case.corrupt, case.corrupt_data)
    assert splitter.pending == 0


@given(st.data())
def test_any_garbage_at_any_cut_loses_only_what_is_damaged(data: st.DataObject) -> None:
    garbage = st.binary(max_size=80).map(lambda noise: noise.replace(b"\xaa", b"\xab"))
    parts: list[bytes] = []
    good: list[bytes] = []
    bad = 0
    for frame in DATA:
        kind = data.draw(st.sampled_from(["good", "garbage", "damaged"]))
        if kind == "garbage":
            parts.append(data.draw(garbage))
        if kind == "damaged":
            parts.append(damaged(frame, data.draw(st.integers(4, SIZE - 1))))
            bad += 1
        else:
            parts.append(frame)
            good.append(frame)
    stream = b"".join(parts)
    borders = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    splitter = Splitter()
    frames = []
    for begin, end in zip([0, *borders], [*borders, len(stream)], strict=True):
        frames += splitter.feed(stream[begin:end])
    frames += splitter.close()
    assert frames == good
    assert splitter.corrupt == splitter.corrupt_data == bad


@given(st.binary(max_size=400), st.integers(1, 50))
def test_counts_do_not_depend_on_the_cut(noise: bytes, cut: int) -> None:
    stream = noise + A + B + noise + C
    whole, at_once = run(stream, len(stream))
    parts, by_and_by = run(stream, cut)
    assert [frame in (A, B, C) for frame in whole].count(True) == 3
    assert parts == whole
    assert (at_once.skipped, at_once.corrupt) == (by_and_by.skipped, by_and_by.corrupt)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_every_byte_is_a_frames_or_skipped_or_held(chunks: list[bytes]) -> None:
    splitter = Splitter()
    total = taken = 0
    for chunk in chunks:
        taken += sum(map(len, splitter.feed(chunk)))
        total += len(chunk)
        assert taken + splitter.skipped + splitter.pending == total


def test_a_false_head_holds_up_two_frames_at_most() -> None:
    splitter = Splitter()
    assert splitter.feed(FALSE_LONG) == []
    assert splitter.feed(A) == []
    assert splitter.feed(B) == [A, B]
    assert splitter.feed(C) == [C]


def test_a_long_frame_in_small_segments_comes_whole() -> None:
    cfg = replace(CFG, stations=CFG.stations * 180)
    (frame,) = encode_configuration(cfg)
    assert len(frame) > 60_000
    for cut in (1, 100, 1448):
        frames, splitter = run(A + frame + B, cut)
        assert frames == [A, frame, B]
        assert (splitter.skipped, splitter.corrupt) == (0, 0)


def test_a_limit_on_size() -> None:
    frames, splitter = run(A + CFG_2 + B, 100, Splitter(max_frame=SIZE))
    assert frames == [A, B]
    assert splitter.skipped == len(CFG_2)


def test_memory_is_bounded() -> None:
    splitter = Splitter()
    noise = random.Random(1).randbytes(300_000).replace(b"\xaa", b"\xaa\x01\xff\xf0")
    for at in range(0, len(noise), 1000):
        splitter.feed(noise[at : at + 1000])
        assert splitter.pending <= 65535 + 1000


@pytest.mark.parametrize(
    "noise", [b"\xaa\x01\xff\xf0", b"\xaa\x01\x7f\xf0", b"\xaa\x01\x0f\xf0", b"\xaa\x01\x01\x00",
              b"\xaa\x01\x00\xff", b"\xaa\x01", b"\xaa\x01\x00\x10"]
)  # fmt: skip
def test_false_heads_one_behind_the_other_cost_no_more_than_so_much(
    noise: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = 0

    def counting(data: bytes, start: int) -> int:
        nonlocal checked
        checked += len(data)
        return crc_hqx(data, start)

    monkeypatch.setattr("protocol.c37118.splitter.crc_hqx", counting)
    stream = noise * (200_000 // len(noise))
    frames, _ = run(stream + A + B, 1448)
    assert frames == [A, B]
    assert checked < 160 * len(stream)


def test_good_frames_among_noise_are_not_tried_in_vain() -> None:
    """More of them than rule 3 allows in vain within what a false long one claims."""
    frame = make.data_frames(replace(CFG, stations=CFG.stations * 15), 1)[0]
    assert len(frame) > COSTLY
    stream = FALSE_LONG + (b"noise" + frame) * (60_000 // len(frame))
    frames, splitter = run(stream, 1448)
    assert len(frames) == 60_000 // len(frame) > LONG_TRIES
    assert splitter.corrupt == 1


def test_usable_again_after_close() -> None:
    splitter = Splitter()
    splitter.feed(A + FALSE_LONG)
    assert splitter.close() == []
    assert splitter.feed(damaged(B) + C) == [C]
    assert splitter.corrupt == 1


PIECES = encode_configuration(
    replace(make.configuration(kind=3, version=2), stations=make.configuration(kind=3).stations * 5),
    max_size=300,
    check="whole",
)


@pytest.mark.parametrize("cut", CUTS)
def test_pieces_without_check_words_of_their_own(cut: int) -> None:
    assert len(PIECES) > 3
    frames, splitter = run(A + b"".join(PIECES) + B, cut)
    assert frames == [A, *PIECES, B]
    assert (splitter.skipped, splitter.corrupt) == (0, 0)


def test_a_piece_alone_without_check_word_is_damaged() -> None:
    frames, splitter = run(A + PIECES[0] + B + PIECES[-1] + C, 50)
    assert frames == [A, B, C]
    assert splitter.corrupt == 2


def test_every_type_and_version_passes() -> None:
    frames = [seal(kind, Frame(stream=1, version=version), b"\0\0") for kind in range(6) for version in range(4)]
    assert run(b"".join(frames), 5)[0] == frames


@pytest.mark.parametrize("check", ["each", "whole"])
def test_pieces_of_a_configuration_in_datagrams(check: Literal["each", "whole"]) -> None:
    cfg = make.configuration(kind=3, version=2)
    pieces = encode_configuration(cfg, 3, 100, check)
    splitter, fragments = Splitter(), Fragments()
    found = [frame for piece in pieces for frame in splitter.datagram(piece)]
    assert found == pieces
    assert [fragments.add(piece, 0) for piece in found] == [None] * (len(pieces) - 1) + [cfg]
    assert splitter.datagram(pieces[0][:-1]) == []
    assert splitter.corrupt == 0
