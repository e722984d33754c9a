"""Frames: what is written is read again, and what is wrong is named."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.c37118 import (
    Command,
    ConfigurationFrame,
    DataFrame,
    Fragment,
    Fragments,
    FrameError,
    HeaderFrame,
    Splitter,
    encode_command,
    encode_configuration,
    encode_header,
    parse,
    sound,
)
from protocol.c37118.common import Frame, seal
from protocol.clock import SECOND
from tests.protocol.c37118 import strategies as make


@given(make.configurations())
def test_configurations_round_trip(cfg: ConfigurationFrame) -> None:
    (frame,) = encode_configuration(cfg)
    assert parse(frame) == cfg
    assert cfg.data_size <= 0xFFFF


@given(make.commands)
def test_commands_round_trip(command: Command) -> None:
    assert parse(encode_command(command)) == command


@given(make.headers)
def test_headers_round_trip(header: HeaderFrame) -> None:
    assert parse(encode_header(header)) == header


def test_data_keeps_its_body() -> None:
    frame = make.data_frames(make.configuration(), 1)[0]
    parsed = parse(frame)
    assert isinstance(parsed, DataFrame)
    assert (parsed.stream, parsed.soc, parsed.count, parsed.body) == (60, 1_700_000_000, 0, frame[14:-2])


def test_an_empty_header_is_sixteen_bytes() -> None:
    frame = encode_header(HeaderFrame(stream=1))
    assert len(frame) == 16
    assert parse(frame) == HeaderFrame(stream=1, text="")


def test_a_header_that_is_not_utf8_is_read_as_latin_1() -> None:
    parsed = parse(seal(1, Frame(stream=1), "Umspannwerk Süd".encode("latin-1")))
    assert isinstance(parsed, HeaderFrame)
    assert parsed.text == "Umspannwerk Süd"


@given(make.configurations(st.just(3)), st.sampled_from(["each", "whole"]), st.integers(40, 300))
def test_pieces_of_either_habit_come_together(cfg: ConfigurationFrame, check: str, size: int) -> None:
    pieces = encode_configuration(cfg, max_size=size, check=check)  # type: ignore[arg-type]
    assert all(len(piece) <= size for piece in pieces)
    fragments = Fragments()
    got = [fragments.add(piece, 0) for piece in pieces]
    assert got[:-1] == [None] * (len(pieces) - 1)
    assert got[-1] == cfg


def long_cfg3() -> ConfigurationFrame:
    cfg = make.configuration(kind=3, version=2)
    return replace(cfg, stations=tuple(replace(cfg.stations[0], idcode=k) for k in range(6)))


def test_a_cut_may_leave_one_byte_to_the_last_piece() -> None:
    """The one CHK of a series is cut like everything else."""
    last = set()
    for size in range(40, 400):
        pieces = encode_configuration(long_cfg3(), max_size=size, check="whole")
        fragments, splitter = Fragments(), Splitter()
        frames = [*splitter.feed(b"".join(pieces)), *splitter.close()]
        assert [fragments.add(frame, 0) for frame in frames][-1] == long_cfg3()
        last.add(len(pieces[-1]))
    assert 17 in last


@pytest.mark.parametrize("check", ["each", "whole"])
def test_a_missing_piece_discards_the_series(check: str) -> None:
    fragments = Fragments()
    pieces = encode_configuration(long_cfg3(), max_size=300, check=check)  # type: ignore[arg-type]
    assert len(pieces) > 4
    assert [fragments.add(piece, 0) for piece in (*pieces[:2], *pieces[3:])] == [None] * (len(pieces) - 1)
    assert fragments.discarded == len(pieces) - 1


def test_a_late_piece_discards_the_series() -> None:
    fragments = Fragments(timeout=SECOND)
    *early, last = encode_configuration(long_cfg3(), max_size=300)
    for piece in early:
        assert fragments.add(piece, 0) is None
    assert fragments.add(last, SECOND) is None
    assert fragments.discarded == len(early) + 1


def test_a_series_is_bounded() -> None:
    fragments = Fragments(max_bytes=1000, max_streams=2)
    pieces = encode_configuration(long_cfg3(), max_size=300)
    assert [fragments.add(piece, 0) for piece in pieces] == [None] * len(pieces)
    for stream in range(5):
        fragments.add(encode_configuration(replace(long_cfg3(), stream=stream), max_size=300)[0], 0)
    assert len(fragments._series) == 2


def test_a_piece_is_told_as_such() -> None:
    pieces = encode_configuration(long_cfg3(), max_size=300, check="whole")
    parsed = [parse(piece) for piece in pieces]
    assert all(isinstance(each, Fragment) for each in parsed)
    assert [each.index for each in parsed if isinstance(each, Fragment)] == [*range(1, len(pieces)), 0xFFFF]
    assert not sound(pieces[1])


def test_a_damaged_series_with_one_check_word_is_refused() -> None:
    *most, last = encode_configuration(long_cfg3(), max_size=300, check="whole")
    most[1] = most[1][:100] + bytes([most[1][100] ^ 1]) + most[1][101:]
    fragments = Fragments()
    for piece in most:
        fragments.add(piece, 0)
    with pytest.raises(FrameError, match="check word"):
        fragments.add(last, 0)


def test_a_cfg3_longer_than_a_frame_can_say() -> None:
    cfg = long_cfg3()
    cfg = replace(cfg, stations=cfg.stations * 60)
    for check in ("each", "whole"):
        pieces = encode_configuration(cfg, check=check)  # type: ignore[arg-type]
        assert [len(piece) for piece in pieces[:-1]] == [65535] * (len(pieces) - 1)
        fragments = Fragments()
        assert [fragments.add(piece, 0) for piece in pieces][-1] == cfg
    with pytest.raises(ValueError, match="65535"):
        encode_configuration(cfg, kind=2)


def broken(body: bytes, kind: int = 3) -> bytes:
    return seal(kind, Frame(stream=7), body)


GOOD = encode_configuration(make.configuration())[0][14:-2]


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (broken(GOOD[:-2] + b"\0\0"), "DATA_RATE is 0"),
        (broken(GOOD[:4] + b"\0\0" + GOOD[-2:]), "NUM_PMU is 0"),
        (broken(b"\0\0\0\0" + GOOD[4:]), "TIME_BASE is 0"),
        (broken(GOOD[:4] + b"\xff\xff" + GOOD[6:]), "station 2 of 65535"),
        (broken(GOOD[:26] + b"\xff\xff" + GOOD[28:]), "its channels needs"),
        (broken(GOOD[:-1]), "DATA_RATE needs 2 bytes, 1 are left"),
        (broken(GOOD + b"x"), "1 bytes too many"),
        (broken(b""), "TIME_BASE and NUM_PMU needs 6 bytes, 0 are left"),
        (broken(b"\0", 4), "has no command"),
        (broken(b"\0", 5), "no CONT_IDX"),
        (broken(b"", 6), "frame type 6"),
        (encode_header(HeaderFrame(stream=1))[:-1] + b"\0", "check word"),
        (encode_header(HeaderFrame(stream=1)) + b"\0", "FRAMESIZE says 16 bytes, the frame has 17"),
        (b"\xab" * 20, "are no frame"),
        (b"\xaa", "are no frame"),
    ],
)
def test_what_is_wrong_is_named(frame: bytes, says: str) -> None:
    with pytest.raises(FrameError, match=says):
        parse(frame)


def test_unused_bits_of_format_are_ignored() -> None:
    cfg = make.configuration(form=0xFFF0)
    assert parse(encode_configuration(cfg)[0]) == cfg
    assert cfg.data_size == make.configuration(form=0).data_size


def test_a_cfg3_is_told_as_cfg2() -> None:
    (frame,) = encode_configuration(make.configuration(kind=3, version=2), kind=2)
    parsed = parse(frame)
    assert isinstance(parsed, ConfigurationFrame)
    assert (parsed.kind, parsed.stations[0].phasors) == (2, make.configuration().stations[0].phasors)


def test_same_but_for_its_time() -> None:
    cfg = make.configuration()
    assert cfg.says_the_same(replace(cfg, soc=5, count=9, quality=15))
    assert not cfg.says_the_same(replace(cfg, rate=25))
