"""TCP streams from captured segments: disorder, loss, repetition, reconnects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.capture.packets import ACK, RST, SYN, Segment
from protocol.capture.records import Flow, Notes
from protocol.capture.tcp import Assembler

STREAM = bytes(range(256)) * 4


def segment(sequence: int, data: bytes, time: int = 0, flags: int = ACK, back: bool = False, ack: int = 0) -> Segment:
    ends = ("b", 2, "a", 1) if back else ("a", 1, "b", 2)
    return Segment(time, "tcp", *ends, data, sequence % 2**32, ack % 2**32, flags)


def assembled(segments: list[Segment]) -> tuple[list[Flow], list[str]]:
    notes = Notes()
    assembler = Assembler(notes)
    for one in segments:
        assembler.add(one)
    return assembler.flows(), notes.texts


@given(
    start=st.sampled_from([5, 2**32 - 100]),
    pieces=st.lists(st.tuples(st.integers(0, 900), st.integers(1, 200)), max_size=12),
    shuffle=st.randoms(use_true_random=False),
)
def test_any_order_overlap_and_repetition_gives_the_stream(start: int, pieces: list[tuple[int, int]], shuffle) -> None:  # type: ignore[no-untyped-def]
    cover = [(at, 128) for at in range(0, len(STREAM), 128)] + pieces
    shuffle.shuffle(cover)
    segments = [segment(start + at, STREAM[at : at + size], time) for time, (at, size) in enumerate(cover)]
    (flow,), notes = assembled([segment(start - 1, b"", flags=SYN), *segments])
    assert flow.data() == STREAM
    assert flow.lost == 0
    assert not notes


@given(shuffle=st.randoms(use_true_random=False))
def test_a_capture_that_starts_in_mid_stream_may_be_out_of_order_too(shuffle) -> None:  # type: ignore[no-untyped-def]
    segments = [segment(9 + at, STREAM[at : at + 64]) for at in range(0, len(STREAM), 64)]
    shuffle.shuffle(segments)
    (flow,), _ = assembled(segments)
    assert flow.data() == STREAM


def test_a_lost_segment_is_a_gap_with_its_place() -> None:
    (flow,), notes = assembled([segment(100, b"abcd"), segment(110, b"klm"), segment(120, b"u")])
    assert flow.data() == b"abcdklmu"
    assert flow.lost == 13
    assert notes == ["tcp a:1 > b:2: the capture lacks 6 bytes after byte 4 of the stream and 1 more gaps"]


def test_lost_bytes_after_the_handshake_are_a_gap() -> None:
    (flow,), _ = assembled([segment(99, b"", flags=SYN), segment(105, b"x")])
    assert flow.lost == 5


def test_the_first_to_come_counts_where_contents_differ() -> None:
    (flow,), _ = assembled([segment(4, b"ABCD"), segment(0, b"abcdefghijkl"), segment(2, b"......")])
    assert flow.data() == b"abcdABCDijkl"


def test_bytes_behind_a_hole_are_there_when_it_is_filled() -> None:
    (flow,), _ = assembled([segment(0, b"ab", 1), segment(4, b"ef", 2), segment(6, b"gh", 3), segment(2, b"cd", 9)])
    assert [(chunk.time, chunk.data) for chunk in flow.chunks] == [(1, b"ab"), (9, b"cd"), (9, b"ef"), (9, b"gh")]


def test_a_syn_with_another_number_opens_a_new_connection() -> None:
    flows, _ = assembled(
        [
            segment(99, b"", flags=SYN),
            segment(499, b"", flags=SYN | ACK, back=True, ack=100),
            segment(500, b"old", back=True),
            segment(100, b"one"),
            segment(99, b"", flags=SYN),
            segment(0, b"bye", flags=RST),
            segment(299, b"", flags=SYN),
            segment(799, b"", flags=SYN | ACK, back=True, ack=300),
            segment(300, b"two"),
            segment(800, b"new", back=True),
        ]
    )
    assert [(flow.source, flow.ordinal, flow.data()) for flow in flows] == [
        ("a", 0, b"one"),
        ("b", 0, b"old"),
        ("a", 1, b"two"),
        ("b", 1, b"new"),
    ]


def test_a_syn_captured_after_its_answer_is_of_the_same_connection() -> None:
    flows, _ = assembled(
        [
            segment(499, b"", flags=SYN | ACK, back=True, ack=100),
            segment(99, b"", flags=SYN),
            segment(100, b"one"),
        ]
    )
    assert [(flow.ordinal, flow.data(), flow.lost) for flow in flows] == [(0, b"one", 0)]


def test_a_stray_segment_is_left_out_and_a_new_stream_without_syn_is_believed() -> None:
    far = 2**30
    flows, notes = assembled(
        [
            segment(0, b"ab"),
            segment(far * 3, b"rogue"),
            segment(2, b"cd"),
            segment(far, b"ef"),
            segment(far + 2, b"gh"),
            segment(far + 4, b"ij"),
        ]
    )
    assert [flow.data() for flow in flows] == [b"abcd", b"efghij"]
    assert "far outside" in notes[0]


@pytest.mark.parametrize("probe", [b"", b"\0"])
def test_a_keep_alive_probe_adds_nothing(probe: bytes) -> None:
    (flow,), _ = assembled([segment(99, b"", flags=SYN), segment(99, probe), segment(100, b"ab"), segment(101, probe)])
    assert flow.data() == b"ab"
