"""Captures played to a station by hand: every byte, in order, once; whatever happens to the connection."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from nodes._node import StartError
from nodes.replayer import Replayer, Settings
from protocol.c37118 import stream_id
from protocol.c37118.session import MasterSettings
from protocol.clock import SECOND
from tests import scenes
from tests.captures import Talk, pcap
from tests.scenes import BEGIN, Scene, configuration, data, told
from tests.stations import PLACE, Loop, Station

A = configuration(7, name="old")
B = configuration(7, name="new", phasors=3)


def write(folder: Path, frames: list[bytes]) -> Path:
    """A capture of one connection, a frame to a segment, 20 ms apart."""
    talk = Talk().opened(BEGIN * SECOND)
    for number, frame in enumerate(frames):
        talk.sends(BEGIN * SECOND + number * 20_000_000, frame)
    path = folder / "capture.pcap"
    path.write_bytes(pcap(talk.records))
    return path


def replayer(station: Station, capture: Path, **settings: Any) -> Replayer:
    options = {"speed": "max", **settings, "capture": str(capture), "to": f"127.0.0.1:{station.port}"}
    return Replayer(Settings.model_validate(options), PLACE)


def play(station: Station, capture: Path, **settings: Any) -> Replayer:
    """Play to the end."""
    node = replayer(station, capture, **settings)
    loop = Loop(node, station)
    loop.until(lambda: False)
    assert loop.done
    loop.stop()
    return node


def test_all_bytes_come_garbage_included(tmp_path: Path) -> None:
    frames = data(A, 50)
    broken = frames[20][:-1] + b"\0"
    captured = [told(A), *frames[:20], broken, b"garbage", *frames[20:], b"\xaa\x01\x00"]
    with Station() as station:
        node = play(station, write(tmp_path, captured))
        (talk,) = station.talks
        assert talk.frames == frames
        assert bytes(talk.raw).endswith(b"".join(captured))
        assert bytes(talk.raw) == told(A) + b"".join(captured)
        assert (talk.splitter.corrupt_data, node.health(station.now)["counters"]["sent"]) == (1, 51)


def test_everything_at_once(tmp_path: Path) -> None:
    records, counts = scenes.busy()
    path = tmp_path / "busy.pcap"
    path.write_bytes(pcap(records))
    with Station() as station:
        node = play(station, path)
        came = Counter({talk.peer[0]: 0 for talk in station.talks})
        for talk in station.talks:
            came[talk.peer[0]] += len(talk.frames)
        assert came == {f"127.77.{source.split('.', 2)[2]}": count for source, count in counts.items()}
        health = node.health(station.now)
        assert health["counters"]["sent"] == health["counters"]["to_send"] == sum(counts.values())
        assert health["counters"]["sent_rows"] == sum(counts.values()) + 2 * counts["10.0.0.1"]


def test_reconnects_are_played_one_after_the_other(tmp_path: Path) -> None:
    scene = Scene()
    for number in range(3):
        scene.session(A, data(A, 20, 100 * number), Talk(master_port=50_000 + number), start=2.0 * number)
    path = tmp_path / "again.pcap"
    path.write_bytes(pcap(scene.ordered()))
    with Station() as station:
        play(station, path)
        assert [talk.frames for talk in station.talks] == [data(A, 20, 100 * number) for number in range(3)]
        assert len({talk.peer[0] for talk in station.talks}) == 1


def test_streams_of_one_connection_get_their_own(tmp_path: Path) -> None:
    other = configuration(8)
    mixed = [frame for pair in zip(data(A, 10), data(other, 10), strict=True) for frame in pair]
    with Station() as station:
        play(station, write(tmp_path, [told(A), told(other), *mixed]))
        assert {stream_id(talk.frames[0]): len(talk.frames) for talk in station.talks} == {7: 10, 8: 10}


@pytest.mark.parametrize("speed", [1, 10])
def test_the_pace_of_the_capture(speed: float, tmp_path: Path) -> None:
    with Station() as station:
        loop = Loop(replayer(station, write(tmp_path, [told(A), *data(A, 101)]), speed=speed), station)
        loop.until(lambda: len(station.frames) > 0)
        begin = station.now.monotonic
        loop.until(lambda: len(station.frames) == 101)
        assert (station.now.monotonic - begin) / SECOND == pytest.approx(2 / speed, abs=0.05)
        loop.stop()


def test_a_broken_connection_loses_and_repeats_nothing_that_was_taken(tmp_path: Path) -> None:
    frames = data(A, 400)
    with Station() as station:
        node = replayer(station, write(tmp_path, [told(A), *frames]), speed=10)
        loop = Loop(node, station)
        loop.until(lambda: len(station.frames) >= 150)
        station.talks[0].end.close()
        station.talks[0].open = False
        loop.until(lambda: False)
        assert loop.done
        first, second = (talk.frames for talk in station.talks)
        assert second == frames[-len(second) :]
        assert first == frames[: len(first)]
        assert len(first) + len(second) <= len(frames)
        assert node.health(station.now)["counters"]["sent"] == len(frames)


def test_a_station_that_reads_late_gets_everything(tmp_path: Path) -> None:
    big = configuration(7, phasors=400)
    frames = data(big, 6000)  # 19 MB: more than the kernel holds
    path = tmp_path / "big.bin"
    path.write_bytes(told(big) + b"".join(frames))
    with Station() as station:
        node = replayer(station, path)
        loop = Loop(node, station)
        loop.until(lambda: len(station.frames) >= 10)
        station.reading = False
        loop.turns(1000)
        assert node.health(station.now)["counters"]["sent"] < len(frames)
        station.reading = True
        loop.until(lambda: False)
        assert station.frames == frames
        loop.stop()


def test_a_configuration_that_the_capture_has_elsewhere_is_told(tmp_path: Path) -> None:
    captured = [*data(A, 5), *data(B, 5), told(B), told(A)]
    with Station() as station:
        play(station, write(tmp_path, captured))
        (talk,) = station.talks
        assert [cfg.stations[0].name for cfg in talk.told] == ["old A", "new A", "old A"]
        assert talk.frames == [*data(A, 5), *data(B, 5)]


def test_a_capability_is_told_as_binding(tmp_path: Path) -> None:
    able = configuration(7, kind=1)
    with Station() as station:
        play(station, write(tmp_path, [told(able), *data(able, 5)]))
        assert len(station.frames) == 5


@pytest.mark.parametrize("cfg3", [True, False])
def test_a_station_may_ask_for_either_configuration(cfg3: bool, tmp_path: Path) -> None:
    long = configuration(7, kind=3, name="A name of more than sixteen letters")
    with Station(MasterSettings(pause=0, cfg3=cfg3)) as station:
        play(station, write(tmp_path, [told(long), *data(long, 5)]))
        assert station.talks[0].told[0].stations[0].name == long.stations[0].name
        assert len(station.frames) == 5


def test_data_off_pauses(tmp_path: Path) -> None:
    with Station() as station:
        loop = Loop(replayer(station, write(tmp_path, [told(A), *data(A, 200)]), speed=1), station)
        loop.until(lambda: len(station.frames) >= 20)
        station.talks[0].end.send(scenes.command(7, 1))
        loop.turns(20)
        count = len(station.frames)
        loop.turns(500)
        assert len(station.frames) == count
        station.talks[0].end.send(scenes.command(7, 2))
        loop.until(lambda: len(station.frames) == 200)
        loop.stop()


def test_it_stays_when_told_to(tmp_path: Path) -> None:
    with Station() as station:
        node = replayer(station, write(tmp_path, [told(A), *data(A, 5)]), stay=True, linger="50 ms")
        loop = Loop(node, station)
        loop.until(lambda: node.health(station.now)["counters"]["done"] == 1)
        loop.turns(100)
        assert (loop.done, node.wake_at(), len(station.frames)) == (False, None, 5)
        loop.stop()


def test_a_station_that_does_not_close_is_left(tmp_path: Path) -> None:
    with Station() as station:
        node = replayer(station, write(tmp_path, [told(A), *data(A, 5)]), linger="1 s")
        loop = Loop(node, station)
        loop.until(lambda: len(station.frames) == 5)
        station.reading = False
        loop.until(lambda: False)
        assert loop.done


def test_what_cannot_be_played_is_said(tmp_path: Path) -> None:
    unknown = configuration(9)
    path = write(tmp_path, data(unknown, 5))
    with Station() as station, pytest.raises(StartError, match="nothing to play"):
        list(replayer(station, path).start(station.now))
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with Station() as station, pytest.raises(StartError, match="PNG"):
        list(replayer(station, path).start(station.now))


def test_captures_of_the_field(shared: Path) -> None:
    with Station() as station:
        node = play(station, shared / "data" / "captures" / "nDPI_ieee_c37118.pcap")
        assert sorted(len(talk.frames) for talk in station.talks) == [252, 356]
        assert {talk.peer[0] for talk in station.talks} == {"127.77.0.241", "127.77.0.60"}
        assert node.health(station.now)["counters"]["unplayed"] == 0
