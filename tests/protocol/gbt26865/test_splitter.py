"""The splitter with our check words: only damaged frames are lost; those of C37.118 are not ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import c37118
from protocol.gbt26865 import Splitter, encode_configuration, probe, protocol_of
from tests.protocol.c37118 import strategies as theirs
from tests.protocol.gbt26865 import byhand
from tests.protocol.gbt26865 import strategies as make

FRAMES = [
    encode_configuration(make.configuration(2), 1),
    byhand.command(4, 2),
    *make.data_frames(make.configuration(2), 3),
    encode_configuration(make.configuration(3)),
    byhand.command(0xE000, 3),
    *make.data_frames(make.configuration(3), 3),
]
IEEE = [
    *c37118.encode_configuration(theirs.configuration(version=2)),
    *theirs.data_frames(theirs.configuration(version=3), 3),
    c37118.encode_command(c37118.Command(stream=1, command=2, version=2)),
]


def run(stream: bytes, cut: int) -> tuple[list[bytes], Splitter]:
    splitter = Splitter()
    frames = [frame for at in range(0, len(stream), cut) for frame in splitter.feed(stream[at : at + cut])]
    return frames + splitter.close(), splitter


@pytest.mark.parametrize("cut", [1, 3, 20, 21, 100_000])
def test_frames_at_any_cut(cut: int) -> None:
    frames, splitter = run(b"".join(FRAMES), cut)
    assert frames == FRAMES
    assert (splitter.skipped, splitter.corrupt) == (0, 0)


@given(st.data())
def test_garbage_and_damage_cost_only_what_is_damaged(data: st.DataObject) -> None:
    garbage = st.binary(max_size=60).map(lambda noise: noise.replace(b"\xaa", b"\xab"))
    parts, good, bad = [], [], 0
    for frame in FRAMES:
        parts.append(data.draw(garbage))
        if data.draw(st.booleans()):
            at = data.draw(st.integers(4, len(frame) - 1))
            frame, bad = frame[:at] + bytes([frame[at] ^ 0x55]) + frame[at + 1 :], bad + 1
        else:
            good.append(frame)
        parts.append(frame)
    stream = b"".join(parts)
    frames, splitter = run(stream, data.draw(st.integers(1, 300)))
    assert frames == good
    assert splitter.corrupt == bad
    assert splitter.skipped == len(stream) - sum(map(len, good))


def test_it_goes_on_where_another_one_was() -> None:
    stream = b"".join(FRAMES)
    first = Splitter()
    frames = first.feed(stream[:777])
    second = Splitter.restored(first.tail(0), first.state())
    assert isinstance(second, Splitter)
    assert frames + second.feed(stream[777:]) == FRAMES


def test_a_datagram_is_one_frame() -> None:
    assert Splitter().datagram(FRAMES[0]) == [FRAMES[0]]
    assert Splitter().datagram(b"\xaa\x53\x00\x14" + bytes(16)) == []


def test_the_check_word_tells_the_protocol() -> None:
    assert {protocol_of(frame) for frame in FRAMES} == {"gbt26865"}
    assert {protocol_of(frame) for frame in IEEE} == {"c37118"}
    assert protocol_of(FRAMES[0][:-1]) is None
    assert protocol_of(b"") is None
    assert run(b"".join(IEEE), 10_000)[0] == []
    assert c37118.Splitter().feed(b"".join(FRAMES)) == []


@pytest.mark.parametrize("noise", [b"", b"noise \xaa\x03\xff\xf0 and more"])
def test_the_beginning_of_a_stream_tells_it_too(noise: bytes) -> None:
    assert probe(noise + b"".join(FRAMES)) == "gbt26865"
    assert probe(noise + b"".join(IEEE)) == "c37118"
    assert probe(noise) is None
    assert probe(noise + b"".join(IEEE) + FRAMES[1]) == "c37118"


@given(st.binary(max_size=200))
def test_no_frame_has_both_check_words(body: bytes) -> None:
    ours = byhand.frame(1, 3, bytes(16) + body)
    assert protocol_of(ours) == "gbt26865"
    assert not c37118.sound(ours)
