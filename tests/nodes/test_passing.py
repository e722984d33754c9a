"""Frames of one device as they came: what receivers say of them, and what clients of a relay get."""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from nodes._node import News, Place
from nodes._outsettings import Settings
from nodes._passing import Passing
from nodes._relay import Relay
from nodes.publisher import publisher
from protocol import wire
from protocol.c37118 import ConfigurationFrame, FrameType, encode_configuration, frame_type, parse
from protocol.c37118.encoding import repeat_configuration
from protocol.c37118.frames import HeaderFrame, encode_header
from protocol.clock import SECOND, Now
from protocol.messages import RawFrames
from tests.crowds import damaged
from tests.nodes.test_bulk import DEVICES, alone, in_step, world_of
from tests.nodes.test_callers import Client
from tests.receivers import Steps, World, plain_keeper
from tests.scenes import command, configuration, data, told
from tests.stations import Conversation, Loop, Station

__all__ = ["plain_keeper"]
TURNS = 80
PLACE = Place("hub", "hub", 1, {}, {"receiver": ["receivers.1", "receivers.2"]}, "", {"station": "North Hub"}, "")


def cut(word: RawFrames) -> list[bytes]:
    ends = [0, *accumulate(word.sizes.tolist())]
    assert ends[-1] == word.frames.size
    return [word.frames[a:b].tobytes() for a, b in pairwise(ends)]


# ── what receivers say ──────────────────────────────────────────────────────────────────────────────────────


class Heard(World):
    """What it says of frames, as it came over the wire."""

    def __init__(self, *of_a_world: Any) -> None:
        super().__init__(*of_a_world)
        self.words: list[RawFrames] = []

    def turn(self) -> None:
        self.now = Now(self.now.monotonic + SECOND // 50, self.now.utc + SECOND // 50)
        self._alive(self._wake)

    def _wake(self, receiver: Any) -> None:
        told = [action.message for action in receiver.wake(self.now) if isinstance(action, News)]
        self.words += [wire.unpack(wire.pack(each)) for each in told if isinstance(each, RawFrames)]


def run(folder: Path, raw: tuple[str, ...], play: Callable[[int, int], bytes] = in_step) -> tuple[Heard, list[int]]:
    world, counts = world_of(folder, Steps(), Heard), []
    world.raw = raw
    for tick in range(TURNS):
        for fd, device in world.kernel.sockets.items():
            device.queue += play(fd, tick)
        world.turn()
        assert world.receiver
        counts.append(world.receiver.reading.book.bulks.count)
    return world, counts


@pytest.mark.usefixtures("plain_keeper")
@pytest.mark.parametrize("bulk", [True, False])
def test_frames_of_a_device_that_somebody_wants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bulk: bool) -> None:
    if not bulk:
        alone(monkeypatch)
    world, counts = run(tmp_path, ("device 2",))
    assert counts[-1] == (len(DEVICES) if bulk else 0)
    assert {(word.node, word.link, word.name) for word in world.words} == {("receivers.1", 2, "device 2")}
    frames = [frame for word in world.words for frame in cut(word)]
    told_of = [frame for frame in frames if frame_type(frame) == FrameType.CONFIGURATION_2]
    assert [frame for frame in frames if frame_type(frame) == FrameType.DATA] == [
        in_step(2, tick) for tick in range(TURNS) if tick not in (0, 8)
    ]
    assert set(told_of) == {told(configuration(20, name="Device 2"))}
    assert frames[0] == told_of[0]
    assert 2 <= len(told_of) <= 4, "when it came, and once a second"


@pytest.mark.usefixtures("plain_keeper")
def test_what_nobody_wants_is_not_told(tmp_path: Path) -> None:
    world, _ = run(tmp_path, ())
    assert world.words == []
    world, _ = run(tmp_path / "other", ("device 9",))
    assert world.words == []


@pytest.mark.usefixtures("plain_keeper")
def test_damaged_frames_are_left_out_and_a_new_configuration_comes_in_its_place(tmp_path: Path) -> None:
    other = configuration(20, name="Device 2", phasors=4)

    def play(fd: int, tick: int) -> bytes:
        if fd != 2 or tick < 30:
            return in_step(fd, tick)
        if tick == 30:
            return damaged(in_step(fd, tick))
        return told(other) if tick == 40 else data(other, 1, tick)[0] if tick > 40 else in_step(fd, tick)

    world, _ = run(tmp_path, ("device 2",), play)
    frames = [frame for word in world.words for frame in cut(word)]
    assert damaged(in_step(2, 30)) not in frames
    at = frames.index(told(other))
    sizes = [len(frame) for frame in frames if frame_type(frame) == FrameType.DATA]
    assert {len(frame) for frame in frames[:at] if frame_type(frame) == FrameType.DATA} == {len(in_step(2, 1))}
    assert sizes[-1] == len(data(other, 1)[0])
    assert frames[at + 1 :].count(data(other, 1, 50)[0]) == 1


@pytest.mark.usefixtures("plain_keeper")
def test_a_link_that_ended_is_repeated_no_more(tmp_path: Path) -> None:
    world, _ = run(tmp_path, ("device 2",))
    world.kernel.sockets[2].finished = True
    for _ in range(10):
        world.turn()
    world.words.clear()
    for _ in range(120):
        world.turn()
    assert world.words == []


def frames_of(words: list[News]) -> dict[tuple[int, str], list[bytes]]:
    return {(each.message.link, each.message.name): cut(each.message) for each in words}


def test_a_link_that_the_site_file_calls_otherwise_is_passed_on_under_the_name_that_it_is_wanted_by() -> None:
    passing, now = Passing("receivers.1", {"Hub A": 1}), Now(SECOND, SECOND)
    cfg, other = configuration(20), configuration(20, phasors=4)
    passing.configure(2, "Hub B", other)
    assert list(passing.say(now)) == []
    passing.configure(1, "Hub North", cfg)
    list(passing.say(now))
    passing.configure(1, "Hub North", other)
    passing.add(1, [told(other)])
    assert frames_of(list(passing.say(now))) == {(1, "Hub A"): [told(other), told(other)]}


def test_a_name_that_goes_to_another_link_is_that_link() -> None:
    passing, now = Passing("receivers.1", {"Hub A": 1}), Now(SECOND, SECOND)
    cfg, other = configuration(20), configuration(20, phasors=4)
    passing.configure(1, "Hub A", cfg)
    list(passing.say(now))
    passing.configure(2, "Hub A", other)
    assert frames_of(list(passing.say(now))) == {(2, "Hub A"): [told(other)]}
    passing.configure(1, "Hub North", cfg)
    passing.add(1, [told(cfg)])
    assert list(passing.say(now)) == []


# ── what clients get ────────────────────────────────────────────────────────────────────────────────────────


class Bench:
    """A relay, and the receivers that it reads."""

    def __init__(self, station: Station, **settings: Any) -> None:
        options = {"raw": "Hub A", "listen": "127.0.0.1:0", "calls": "100/s", **settings}
        node = publisher(Settings.model_validate(options), PLACE)
        assert isinstance(node, Relay)
        self.node, self.station = node, station
        self.loop = Loop(self.node, station)

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.stop()

    def say(self, *frames: bytes, name: str = "Hub A", node: str = "receivers.1") -> None:
        sizes = np.array([len(frame) for frame in frames], np.uint32)
        word = RawFrames(node, 3, name, sizes, np.frombuffer(b"".join(frames), np.uint8))
        self.loop.act(self.node.receive(word, self.station.now))

    def dial(self) -> Conversation:
        (fd,) = self.node.outlet.clients.doors.fds
        talk = self.station.dial(self.node.outlet.clients.doors[fd].address()[1])
        self.loop.until(lambda: bool(talk.told) and self.node.outlet.clients.all[-1].device.on)
        return talk

    def count(self, name: str) -> Any:
        return self.node.health(self.station.now)["counters"][name]

    def alarms(self) -> str:
        return "\n".join(self.node.health(self.station.now)["alarms"])


CFG = configuration(20, name="Hub A")


def test_several_clients_get_the_very_frames() -> None:
    frames = data(CFG, 10)
    with Station() as station, Bench(station) as bench:
        bench.say(told(CFG), *data(CFG, 3))
        talks = [bench.dial() for _ in range(3)]
        bench.say(*frames)
        bench.say(*data(CFG, 5), name="another")
        bench.loop.until(lambda: all(len(talk.frames) == 10 for talk in talks))
        assert all(talk.frames == frames for talk in talks)
        assert (bench.count("frames"), bench.count("client_frames")) == (13, 30)


def test_it_answers_as_the_device_told() -> None:
    """A name as no other would write it goes on byte for byte."""
    named = told(CFG)[:-2].replace(b"Hub A A         ", b"Hub\xff A".ljust(16, b"\0"))
    named += crc_hqx(named, 0xFFFF).to_bytes(2, "big")
    assert named != told(CFG)
    header = encode_header(HeaderFrame(stream=20, text="Hub A, made by nobody"))
    with Station() as station, Bench(station) as bench:
        bench.say(named)
        talk = bench.dial()
        own = bytes(talk.raw)
        assert named[14:-2] in own, "CFG-2"
        assert talk.told[-1].stations[0].idcode == CFG.stations[0].idcode
        bench.say(header)
        talk.raw.clear()
        talk.end.sendall(command(20, 3) + command(20, 6))
        bench.loop.until(lambda: len(talk.raw) >= len(header))
        bench.loop.turns(5)
        assert bytes(talk.raw) == header, "it told no CFG-3"


@pytest.mark.parametrize("kind", [1, 2, 3])
@pytest.mark.parametrize("largest", [65535, 200])
def test_a_configuration_repeated_is_the_same_byte_for_byte(kind: int, largest: int) -> None:
    frames = encode_configuration(CFG, kind)
    read = parse(frames[0])
    assert isinstance(read, ConfigurationFrame)
    assert repeat_configuration(read) == frames
    for other in (1, 2, 3):
        made = encode_configuration(replace(CFG, version=read.version), other, largest)
        assert repeat_configuration(read, other, largest) == made


def test_a_device_that_changes_is_told_again_to_those_who_never_ask() -> None:
    other = configuration(20, name="Hub A", phasors=5)
    with Station() as station, Bench(station, spontaneous=True) as bench:
        bench.say(told(CFG))
        talk = bench.dial()
        bench.say(told(CFG), *data(CFG, 2), told(other), *data(other, 3), *data(CFG, 1))
        bench.loop.until(lambda: len(talk.told) == 2 and len(talk.frames) == 5)
        assert talk.frames == [*data(CFG, 2), *data(other, 3)]
        assert (bench.count("changes"), bench.count("misfits")) == (1, 1)


def test_whichever_receiver_carries_it() -> None:
    with Station() as station, Bench(station) as bench:
        bench.say(told(CFG))
        talk = bench.dial()
        bench.say(*data(CFG, 2))
        bench.say(told(CFG), *data(CFG, 2, 2), node="receivers.2")
        bench.loop.until(lambda: len(talk.frames) == 4)
        assert talk.frames == [*data(CFG, 2), *data(CFG, 2, 2)]
        assert bench.count("changes") == 0


def test_over_udp() -> None:
    with Station() as station, Bench(station, listen=None, listen_udp="127.0.0.1:0") as bench:
        client = Client(bench)  # type: ignore[arg-type]
        with client.end:
            bench.say(told(CFG))
            client.ask(5, 2)
            bench.loop.until(lambda: any(each.device.on for each in bench.node.outlet.callers.all))
            bench.say(*data(CFG, 4))
            bench.loop.until(lambda: len(client.read()) == 5)
            assert client.came[0][14:-2] == told(CFG)[14:-2]
            assert client.came[1:] == data(CFG, 4)


def test_nobody_is_let_in_before_the_device_is_known_and_that_is_an_alarm() -> None:
    with Station() as station, Bench(station) as bench:
        (fd,) = bench.node.outlet.clients.doors.fds
        talk = station.dial(bench.node.outlet.clients.doors[fd].address()[1])
        bench.loop.until(lambda: not talk.open)
        assert bench.alarms() == ""
        station.now = Now(station.now.monotonic + 11 * SECOND, station.now.utc + 11 * SECOND)
        assert "no receiver brings frames of 'Hub A'" in bench.alarms()
        bench.say(told(CFG), *data(CFG, 1))
        assert bench.alarms() == ""


def test_a_device_of_another_protocol_is_an_alarm_from_the_start() -> None:
    """The site file may have been changed since the pipeline was checked."""
    devices = [{"name": "Hub A", "protocol": "smd"}, {"name": "Hub B", "protocol": "c37118"}]
    place = replace(PLACE, site=PLACE.site | {"devices": devices})
    said = {
        name: publisher(Settings(raw=name, listen="127.0.0.1:0"), place).health(Now(0, 0))["alarms"]  # type: ignore[arg-type]
        for name in ("Hub A", "Hub B", "Hub C")
    }
    assert said["Hub A"] == [
        "'Hub A' speaks smd by the site file, and only C37.118 is passed on: name another device, or leave raw out"
    ]
    assert said["Hub B"] == said["Hub C"] == []


def test_a_configuration_that_cannot_be_read_harms_nobody() -> None:
    broken = replace(CFG, rate=0)
    with Station() as station, Bench(station) as bench:
        bench.say(told(CFG))
        talk = bench.dial()
        bench.say(told(broken), *data(CFG, 1))
        bench.loop.until(lambda: len(talk.frames) == 1)
        assert "DATA_RATE is 0" in bench.alarms()


@pytest.mark.parametrize(("settings", "words"), [
    ({"raw": "Hub A", "rate": "10/s", "idcode": 5}, "idcode, rate with raw: frames pass as they are"),
    ({}, "the stream has no IDCODE; add idcode: 700"),
])  # fmt: skip
def test_settings_that_cannot_be(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Settings.model_validate({"listen": "127.0.0.1:0", **settings})
