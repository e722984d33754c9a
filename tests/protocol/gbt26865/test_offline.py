"""Captures with two pipes of a substation, and which configuration their DATA is read with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.c37118.offline import Study, examine
from protocol.capture import parse as parse_capture
from protocol.clock import SECOND
from protocol.gbt26865 import ConfigurationFrame, encode_configuration
from protocol.gbt26865.dialect import either
from tests import scenes
from tests.captures import Talk, pcap
from tests.protocol.gbt26865 import byhand
from tests.protocol.gbt26865 import strategies as make

BEGIN = 1_700_000_000 * SECOND


def study_of(*talks: Talk) -> Study:
    records = sorted((record for talk in talks for record in talk.records), key=lambda record: record[0])
    return examine(parse_capture(pcap(records)), either)


def names(study: Study) -> list[str]:
    """Station by which each DATA frame is read."""
    return [cfg.stations[0].name for sender in study.senders for cfg in sender.in_force.values()]


def pipe(frames: list[bytes], at: int = 0, address: str = "10.0.0.1", port: int = 8001) -> Talk:
    """The substation sends these, each in a segment of its own."""
    talk = Talk(address, device_port=port).opened(BEGIN + at * SECOND)
    for number, frame in enumerate(frames):
        talk.sends(BEGIN + at * SECOND + 1 + number * 20_000_000, frame)
    return talk


def named(version: int, name: str, **changed: object) -> ConfigurationFrame:
    cfg = make.configuration(version, **changed)  # type: ignore[arg-type]
    return replace(cfg, stations=(replace(cfg.stations[0], name=name),))


@pytest.mark.parametrize("version", [2, 3])
def test_configuration_on_one_pipe_and_data_on_the_other(version: int) -> None:
    cfg = named(version, "told")
    study = study_of(pipe([encode_configuration(cfg)], port=8000), pipe(make.data_frames(cfg, 5), 1))
    assert names(study) == ["told"] * 5
    assert [sender.dialect.name for sender in study.senders] == ["gbt26865"] * 2
    (part,) = study.decode()
    assert part.batch.stations[0].values.shape == (5, 7)


@pytest.mark.parametrize("version", [2, 3])
def test_the_data_pipe_may_be_dialled_by_the_substation(version: int) -> None:
    cfg = named(version, "told")
    talk = Talk("10.0.0.9", "10.0.0.1", 7001, 40_000).opened(BEGIN + SECOND)
    talk.says(BEGIN + SECOND + 1, b"".join(make.data_frames(cfg, 5)))
    assert names(study_of(pipe([encode_configuration(cfg)], port=7000), talk)) == ["told"] * 5


def test_a_downloaded_configuration_counts_for_the_one_it_was_sent_to() -> None:
    chosen, full = named(3, "chosen"), named(3, "full", kind=1)
    management = pipe([encode_configuration(full)], port=8000)
    management.says(BEGIN + SECOND, byhand.command(0x8000, 3)).says(BEGIN + SECOND + 1, encode_configuration(chosen))
    assert names(study_of(management, pipe(make.data_frames(chosen, 3), 2))) == ["chosen"] * 3


def test_one_that_streams_by_its_cfg1_although_it_tells_a_cfg2() -> None:
    full = named(3, "full", kind=1)
    other = replace(full, kind=2, stations=(replace(full.stations[0], name="less", digitals=()),))
    management = pipe([encode_configuration(full), encode_configuration(other)], port=8000)
    assert names(study_of(management, pipe(make.data_frames(full, 3), 2))) == ["full"] * 3


def test_v3_is_told_apart_by_identity_and_v2_by_address() -> None:
    mine, theirs = named(3, "mine"), named(3, "theirs", identity=b"0GX00GP2")
    both = pipe([encode_configuration(mine), encode_configuration(theirs), *make.data_frames(theirs, 2)])
    assert names(study_of(both)) == ["theirs"] * 2
    stranger = pipe(make.data_frames(named(3, "", identity=b"0GX00GP3"), 2))
    assert names(study_of(both, stranger)) == ["theirs"] * 2
    told = pipe([encode_configuration(named(2, "told"))], port=7000)
    data = make.data_frames(named(2, "told"), 2)
    assert names(study_of(told, pipe(data, 1), pipe(data, 1, "10.0.0.2"))) == ["told"] * 2


def test_garbage_and_damage_are_counted() -> None:
    cfg = named(2, "told")
    frames = make.data_frames(cfg, 5)
    frames[2] = frames[2][:15] + b"\x00" + frames[2][16:]
    study = study_of(pipe([encode_configuration(cfg), *frames[:3], b"junk", *frames[3:]]))
    (sender,) = study.senders
    assert (len(sender.in_force), sender.corrupt_data, sender.skipped) == (4, 1, len(frames[2]) + 4)


def test_a_faulty_configuration_is_named() -> None:
    (sender,) = study_of(pipe([byhand.configuration(2, 3, [byhand.Block(period=0)]), byhand.command(2, 3)])).senders
    assert "PERIOD is 0" in sender.faults[0]


@pytest.mark.parametrize("where", ["lone", "twice"])
def test_a_lone_frame_in_other_bytes_is_chance(where: str) -> None:
    (frame,) = make.data_frames(named(2, ""), 1)
    junk = b"\x00some foreign bytes" + frame + b"and more of them"
    assert bool(study_of(pipe([junk] * (2 if where == "twice" else 1))).senders) is (where == "twice")


def test_captures_of_the_other_protocol_are_read_as_before() -> None:
    records, counts = scenes.busy()
    capture = parse_capture(pcap(records))
    study, before = examine(capture, either), examine(capture)
    assert {sender.dialect.name for sender in study.senders} == {"c37118"}
    assert [sender.pieces for sender in study.senders] == [sender.pieces for sender in before.senders]
    assert [len(part.batch.time) for part in study.decode()] == [len(part.batch.time) for part in before.decode()]
    assert counts
