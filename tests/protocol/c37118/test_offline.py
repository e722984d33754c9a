"""Captures seen as senders, with the configuration in force for each DATA frame."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from protocol.c37118 import ConfigurationFrame, encode_configuration
from protocol.c37118.offline import Study, examine
from protocol.capture import parse
from protocol.clock import SECOND
from tests import scenes
from tests.captures import Talk, pcap
from tests.scenes import BEGIN, configuration, data, told


def played(frames: list[bytes], talk: Talk | None = None) -> list[tuple[int, bytes]]:
    """Each in a segment of its own, 20 ms apart."""
    talk = (talk or Talk()).opened(BEGIN * SECOND)
    for number, frame in enumerate(frames):
        talk.sends(BEGIN * SECOND + 1 + number * 20_000_000, frame)
    return talk.records


def study_of(*records: list[tuple[int, bytes]]) -> Study:
    return examine(parse(pcap(sorted((one for each in records for one in each), key=lambda record: record[0]))))


def names(study: Study, sender: int = 0) -> list[str]:
    """Station name by which each DATA frame is read; `-` where there is none."""
    found = study.senders[sender]
    frames = [number for number, piece in enumerate(found.pieces) if piece.frame[1] >> 4 == 0]
    used = [found.in_force.get(number) for number in frames]
    return [cfg.stations[0].name.removesuffix(" A") if cfg else "-" for cfg in used]


A = configuration(7, name="old")
B = configuration(7, name="new", phasors=3)
SAME_SIZE = configuration(7, name="new")


def test_everything_at_once() -> None:
    records, counts = scenes.busy()
    study = examine(parse(pcap(records)))
    decoded: Counter[str] = Counter()
    for part in study.decode(block=100):
        decoded[part.sender.flow.source] += len(part.batch.time)
    assert decoded == counts
    assert {flow.source for flow in study.foreign} == {"10.0.0.9"}


def test_values_are_those_that_were_sent() -> None:
    cfg = configuration(7, stations=2)
    (part,) = study_of(played([told(cfg), *data(cfg, 3)])).decode()
    assert part.batch.time.tolist() == [BEGIN * SECOND + k * 20_000_000 for k in range(3)]
    np.testing.assert_array_equal(part.batch.stations[1].values[2, :2], np.float32([51 + 2 / 64, 51 + 2 / 64 + 1 / 8]))


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([told(A), *data(A, 2)], ["old", "old"]),
        ([*data(A, 2), told(A)], ["old", "old"]),
        ([*data(A, 1), *data(B, 1), told(B)], ["-", "new"]),
        ([told(A), *data(A, 1), told(B), *data(B, 1)], ["old", "new"]),
        ([told(A), *data(B, 1), told(B), *data(B, 1)], ["new", "new"]),
        ([told(A), told(B), *data(A, 1), *data(B, 1)], ["old", "new"]),
        ([told(A), *data(A, 1), told(SAME_SIZE), *data(A, 1)], ["old", "new"]),
        ([told(configuration(8)), *data(A, 1)], ["-"]),
    ],
    ids=["before", "after", "one unknown", "changed", "changed early", "announced", "renamed", "other stream"],
)
def test_configuration_in_force(frames: list[bytes], expected: list[str]) -> None:
    assert names(study_of(played(frames))) == expected


def test_a_capability_is_used_only_for_want_of_better() -> None:
    able = replace(configuration(7, name="able"), kind=1)
    assert names(study_of(played([told(able), *data(able, 1)]))) == ["able"]
    assert names(study_of(played([told(A), told(able), *data(A, 1)]))) == ["old"]


def test_the_short_telling_of_a_known_configuration_changes_nothing() -> None:
    long = configuration(7, kind=3, name="A name of more than sixteen letters")
    short = replace(long, kind=2, version=1)
    study = study_of(played([told(long), *data(long, 1), told(short), *data(long, 1)]))
    assert names(study) == ["A name of more than sixteen letters"] * 2


def test_a_configuration_in_pieces() -> None:
    long = configuration(7, kind=3, stations=9)
    pieces = encode_configuration(long, 3, max_size=300)
    assert len(pieces) > 2
    assert names(study_of(played([*pieces, *data(long, 2)]))) == ["Station"] * 2


def test_configuration_over_tcp_and_data_over_udp() -> None:
    scene = scenes.Scene()
    scene.session(A, [], Talk("10.0.0.4"))
    scene.datagrams("10.0.0.4", data(A, 5), start=0.5)
    scene.datagrams("10.0.0.5", data(A, 5), start=0.5)
    study = examine(parse(pcap(scene.ordered())))
    read = {sender.flow.source: len(sender.in_force) for sender in study.senders if sender.flow.transport == "udp"}
    assert read == {"10.0.0.4": 5, "10.0.0.5": 0}


def test_devices_with_the_same_idcode_stay_apart() -> None:
    study = study_of(played([told(A), *data(A, 3)], Talk("10.0.0.1")), played([told(B), *data(B, 3)], Talk("10.0.0.2")))
    assert [names(study, number) for number in range(2)] == [["old"] * 3, ["new"] * 3]


def test_damage_is_counted_and_costs_only_damaged_frames() -> None:
    frames = data(A, 5)
    frames[2] = frames[2][:30] + b"\x00" + frames[2][31:]
    study = study_of(played([told(A), *frames[:3], b"junk", *frames[3:]]))
    (sender,) = study.senders
    assert (len(sender.in_force), sender.corrupt_data) == (4, 1)
    assert sender.skipped == len(frames[2]) + 4


def test_a_faulty_configuration_is_named() -> None:
    bad = replace(A, rate=0)
    (sender,) = study_of(played([told(bad), *data(A, 1)])).senders
    assert "DATA_RATE" in sender.faults[0]
    assert not sender.in_force


@pytest.mark.parametrize("where", ["lone", "twice"])
def test_a_lone_frame_in_other_bytes_is_chance(where: str) -> None:
    (frame,) = data(A, 1)
    junk = b"\x00some foreign bytes" + frame + b"and more of them"
    study = study_of(played([junk] * (2 if where == "twice" else 1)))
    assert bool(study.senders) is (where == "twice")


def test_pieces_are_the_whole_flow() -> None:
    stream = b"xx" + told(A) + b"yyy" + b"".join(data(A, 3)) + b"\xaa\x01"
    (sender,) = examine(parse(b"\xff" + stream)).senders
    assert b"".join(piece.garbage + piece.frame for piece in sender.pieces) == b"\xff" + stream


def test_a_capture_without_any_configuration() -> None:
    (sender,) = study_of(played(data(A, 3))).senders
    assert (sender.frames, sender.in_force) == (3, {})


def test_codecs_are_made_once() -> None:
    study = study_of(played([told(A), *data(A, 3)]))
    cfg: ConfigurationFrame = next(iter(study.senders[0].in_force.values()))
    assert study.codec(cfg) is study.codec(cfg)
