"""Captures cut into tapes: lanes, addresses, and what each item needs and tells."""

from __future__ import annotations

from typing import Literal

import pytest

from nodes._tape import Lane, lanes
from protocol.c37118 import FrameType, Splitter, encode_configuration, frame_type
from protocol.c37118.offline import examine
from protocol.capture import parse
from protocol.clock import SECOND
from tests import scenes
from tests.captures import Talk, pcap
from tests.scenes import BEGIN, Scene, configuration, data, told

A = configuration(7, name="old")


def cut(scene: Scene) -> tuple[list[Lane], int]:
    return lanes(examine(parse(pcap(scene.ordered()))))


def test_lanes_of_everything_at_once() -> None:
    records, counts = scenes.busy()
    found, unplayed = lanes(examine(parse(pcap(records))))
    assert {lane.source: lane.frames for lane in found} == counts
    assert unplayed == 0
    assert {lane.source: len(lane.tapes) for lane in found if len(lane.tapes) > 1} == {"10.0.0.5": 3}
    assert len({lane.address for lane in found}) == len(found)


@pytest.mark.parametrize(
    ("sources", "addresses"),
    [
        (["10.0.3.4"], ["127.77.3.4"]),
        (["10.0.3.4", "192.168.3.4"], ["127.77.3.4", "127.77.3.5"]),
        (["10.0.0.0"], ["127.77.0.1"]),
    ],
)
def test_addresses_keep_their_last_octets(sources: list[str], addresses: list[str]) -> None:
    scene = Scene()
    for source in sources:
        scene.datagrams(source, [told(A), *data(A, 2)])
    found, _ = cut(scene)
    assert [lane.address for lane in found] == addresses


def test_two_masters_of_one_device_are_two_lanes() -> None:
    scene = Scene()
    for port in (50_001, 50_002):
        scene.session(A, data(A, 10), Talk(master_port=port))
    found, _ = cut(scene)
    assert [len(lane.tapes) for lane in found] == [1, 1]
    assert found[0].address != found[1].address


def test_data_that_nothing_explains_are_counted() -> None:
    scene = Scene()
    scene.session(A, data(A, 10), Talk())
    scene.datagrams("10.0.0.8", data(configuration(8), 4))
    found, unplayed = cut(scene)
    assert ([lane.frames for lane in found], unplayed) == ([10], 4)


def test_items_say_what_they_need_and_tell() -> None:
    scene = Scene()
    scene.session(A, data(A, 2), Talk())
    ((lane,), _) = cut(scene)
    (tape,) = lane.tapes
    assert [item.frames for item in tape.items] == [0, 1, 1]
    first = tape.items[0].tells
    assert first is not None
    assert first.stations[0].name == "old A"
    assert [item.needs for item in tape.items] == [None, first, first]
    assert tape.ahead == [first, first, first, None]
    assert (tape.frames, tape.rows) == ([0, 0, 1, 2], [0, 0, 1, 2])
    assert lane.spoken[id(first)] == [told(A)]


def test_damaged_frames_count_as_sent() -> None:
    frames = data(A, 3)
    frames[1] = frames[1][:-1] + b"\0"
    ((lane,), _) = lanes(examine(parse(told(A) + b"".join(frames))))
    assert [item.frames for item in lane.tapes[0].items] == [0, 1, 2]


def test_a_file_without_times_is_paced_by_its_rate() -> None:
    ((lane,), _) = lanes(examine(parse(told(A) + b"".join(data(A, 4)))))
    times = [item.time for item in lane.tapes[0].items]
    assert times == [0, 0, 20_000_000, 40_000_000, 60_000_000]


def test_commands_in_a_file_are_not_the_devices() -> None:
    mixed = scenes.command(7, 5) + told(A) + scenes.command(7, 2) + b"".join(data(A, 2))
    ((lane,), _) = lanes(examine(parse(mixed)))
    splitter = Splitter()
    frames = splitter.feed(b"".join(item.data for item in lane.tapes[0].items))
    assert [frame_type(frame) for frame in frames] == [FrameType.CONFIGURATION_2, FrameType.DATA, FrameType.DATA]


def test_a_capability_is_spoken_as_binding() -> None:
    able = configuration(7, kind=1)
    ((lane,), _) = lanes(examine(parse(told(able) + b"".join(data(able, 2)))))
    ((frame,),) = lane.spoken.values()
    assert frame_type(frame) == FrameType.CONFIGURATION_2
    assert frame[2:-2] == told(able)[2:-2]
    assert Splitter().feed(frame) == [frame]


def test_overlapping_connections_do_not_follow_each_other() -> None:
    scene = Scene()
    for number, start in enumerate((0.0, 0.1, 5.0)):
        scene.session(A, data(A, 10, 100 * number), Talk(master_port=50_001 + number), start=start)
    found, _ = cut(scene)
    assert sorted(len(lane.tapes) for lane in found) == [1, 2]
    assert all(tape.items[0].time >= BEGIN * SECOND for lane in found for tape in lane.tapes)


def test_datagrams_from_changing_ports_are_played_on_one_connection() -> None:
    scene = Scene()
    for number, frame in enumerate([told(A), *data(A, 5)]):
        scene.datagrams("10.0.0.8", [frame], start=0.02 * number, port=30_000 + number)
    ((lane,), _) = cut(scene)
    (tape,) = lane.tapes
    assert tape.frames == [0, 1, 2, 3, 4, 5] == tape.rows
    assert all(tape.ahead[:-1])


@pytest.mark.parametrize("check", ["each", "whole"])
def test_pieces_of_a_configuration_stay_together(check: Literal["each", "whole"]) -> None:
    long = configuration(7, kind=3, stations=9)
    pieces = encode_configuration(long, 3, 300, check)
    ((lane,), _) = lanes(examine(parse(b"".join([*pieces, *data(long, 2)]))))
    first = lane.tapes[0].items[0]
    assert first.data == b"".join(pieces)
    assert first.tells is not None
    assert [each.name for each in first.tells.stations] == [each.name for each in long.stations]


def test_damage_counts_where_a_station_finds_it() -> None:
    """The head of a cut frame claims bytes of the good one behind it, and at the end of all, of nothing."""
    frames = data(A, 4)
    cut_short = [frames[0], frames[1][:20], frames[2], frames[3][:20]]
    ((lane,), _) = lanes(examine(parse(told(A) + b"".join(cut_short))))
    splitter = Splitter()
    splitter.feed(b"".join(item.data for item in lane.tapes[0].items))
    splitter.close()
    assert lane.frames == 2 + splitter.corrupt_data == 3
