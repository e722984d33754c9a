"""One protocol tried on one device, with the device's side of each session and a clock moved by hand."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from commands._asking import ANSWER, FIRST_DATA, TONGUES, Asked, Attempt
from commands._findings import faults, report
from commands._prober import Found, Way
from commands._probetext import entry, picture
from nodes._settings import Address
from nodes._sitedevice import Device
from protocol import c37118, gbt26865
from protocol.c37118 import StartData
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.gbt26865 import Pipe
from tests import scenes
from tests.protocol.gbt26865 import strategies as chinese

BEGIN = Now(1000 * SECOND, scenes.BEGIN * SECOND)
STEP = 20 * MILLISECOND
PLACE = Address("10.0.0.8", 4712)
Frames = Callable[[int], list[bytes]]
"""Tick since DATA was asked for -> DATA frames."""


class Play:
    """A device and an attempt, with nothing between them."""

    def __init__(self, attempt: Attempt, device: Any, frames: Frames) -> None:
        self.attempt, self.device, self.frames = attempt, device, frames
        self.now = BEGIN
        self.said: list[bytes] = []
        """To the device."""
        self.ticks = -1
        """Since DATA was asked for."""
        self.pipe = Pipe.MANAGEMENT

    def run(self, seconds: float = 60.0) -> Found:
        """Until the attempt is over."""
        end = self.now.monotonic + int(seconds * SECOND)
        self._answer(self.attempt.begin(self.now))
        while not self.attempt.over and self.now.monotonic < end:
            self.now = Now(self.now.monotonic + STEP, self.now.utc + STEP)
            if self.attempt.wants_data_pipe:
                self.pipe = Pipe.DATA
                self._answer(self.attempt.data_pipe(self.now))
            self._answer(self.attempt.wake(self.now))
            if self.ticks >= 0:
                for frame in self.frames(self.ticks):
                    self._answer(self.attempt.take(frame, self.now, self.pipe))
                self.ticks += 1
        self.said += self.attempt.end(self.now)
        return Found(PLACE, heard=[self.attempt.heard])

    def _answer(self, commands: list[bytes]) -> None:
        self.said += commands
        splitter = self.attempt.tongue.splitter()
        for command in commands:
            for frame in splitter.feed(command):
                chinese = isinstance(self.device, gbt26865.Device)
                for event in self.device.receive(frame, self.now if chinese else self.now.utc):
                    if isinstance(event, StartData):
                        self.ticks = 0
                    elif isinstance(event, c37118.Send):
                        self._answer(self.attempt.take(event.data, self.now))


def sends(cfg: c37118.ConfigurationFrame, status: int = 0, every: int = 1) -> Frames:
    """A frame each `every` ticks, stamped 20 ms before."""

    def frames(tick: int) -> list[bytes]:
        return [] if tick % every else scenes.data(cfg, 1, tick, status)

    return frames


def asked(device: Any, frames: Frames, tongue: str = "c37118", **more: Any) -> tuple[Play, Found]:
    play = Play(Attempt(TONGUES[tongue], Asked(**{"listen": 2 * SECOND} | more)), device, frames)
    return play, play.run()


def told(found: Found) -> str:
    return "\n".join(f"{fault['what']}; {fault['remedy']}" for fault in report(found)["faults"])


CFG = scenes.configuration(8, form=0)
DELAY_MS = 100
"""From the first question to the first DATA: the pause after the stop, as the device answers at once."""


def test_a_sound_device_has_no_faults_and_is_told_to_stop() -> None:
    play, found = asked(c37118.Device(CFG), sends(CFG))
    says = report(found)
    assert says["faults"] == []
    assert (says["protocol"], says["edition"], says["stream"]) == ("c37118", "IEEE C37.118.2-2011", 8)
    assert (says["configuration"]["frame"], says["configuration"]["rate"]) == ("CFG-3", 50)
    [station] = says["configuration"]["stations"]
    assert (station["name"], station["id"], station["nominal"]) == ("Station A", 8, 50)
    assert [(each["name"], each["unit"], each["scale"]) for each in station["phasors"]] == [
        ("P0", "V", 0.5),
        ("P1", "A", 0.5),
    ]
    data = says["data"]
    assert 100 <= data["frames"] <= 102
    assert data["rate"] == pytest.approx(50, abs=0.01)
    assert data["status"]["good"] == data["frames"]
    last = c37118.parse(play.said[-1])
    assert isinstance(last, c37118.Command)
    assert last.command == c37118.CommandCode.DATA_OFF


def test_a_device_of_2005_is_asked_for_cfg_2_after_silence() -> None:
    play, found = asked(c37118.Device(replace(CFG, version=1), cfg3=False), sends(CFG))
    assert report(found)["edition"] == "IEEE C37.118-2005"
    codes = [each.command for frame in play.said if isinstance(each := c37118.parse(frame), c37118.Command)]
    assert codes == [1, 6, 5, 2, 1]  # never two questions at once


def test_one_that_wants_its_own_idcode() -> None:
    _, found = asked(c37118.Device(CFG, strict=True), sends(CFG))
    assert "many devices answer commands to their own IDCODE only" in told(found)
    _, found = asked(c37118.Device(CFG, strict=True), sends(CFG), stream=8)
    assert report(found)["answers"]


def test_another_idcode_than_told_is_named() -> None:
    _, found = asked(c37118.Device(CFG), sends(CFG), stream=9)
    assert not report(found)["answers"]
    assert "it says it is stream 8, asked for was stream 9: one is wrong; another IDCODE: try --stream 8" in told(found)


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (0x8000, "say that they are not to be used (STAT bits 15-14)"),
        (0x2000, "say that it is not synchronised (STAT bit 13)"),
        (0x0000, ""),
    ],
)
def test_stat_is_told_in_words(status: int, fault: str) -> None:
    _, found = asked(c37118.Device(CFG), sends(CFG, status))
    assert fault in told(found)
    assert bool(fault) == bool(told(found))


@pytest.mark.parametrize(
    ("off", "fault"),
    [
        (-5 * 86400, "its clock is 5.0 d behind this machine's"),
        (60, "its clock is 60 s ahead of this machine's"),
        (0.5, "its clock is 400 ms ahead of this machine's"),
        (0, ""),
    ],
)
def test_a_wrong_clock_is_told(off: float, fault: str) -> None:
    shift = round(off * 50)

    def frames(tick: int) -> list[bytes]:
        return scenes.data(CFG, 1, tick + shift)

    play = Play(Attempt(TONGUES["c37118"], Asked(listen=SECOND)), c37118.Device(CFG), frames)
    found = play.run()
    lag = report(found)["data"]["clock_offset_ms"]
    assert lag == DELAY_MS - off * 1000
    assert fault in told(found)
    assert bool(fault) == bool(told(found))


def test_a_slow_sender_and_one_that_sends_less_than_it_says() -> None:
    _, found = asked(c37118.Device(CFG), sends(CFG, every=2))
    assert "it sends 25 frames a second, its configuration says 50/s" in told(found)
    slow = scenes.configuration(8, rate=1)
    _, found = asked(c37118.Device(slow), lambda tick: scenes.data(slow, 1, tick // 50) if tick % 50 == 0 else [])
    assert told(found) == ""
    assert report(found)["data"]["frames"] == 4


def test_one_that_sends_no_data() -> None:
    play, found = asked(c37118.Device(CFG), lambda tick: [])
    assert "it tells its configuration, and sends no DATA" in told(found)
    assert play.now.monotonic - BEGIN.monotonic < FIRST_DATA + ANSWER + SECOND


def test_data_that_do_not_fit_the_configuration() -> None:
    other = scenes.configuration(8, form=0, phasors=5)
    _, found = asked(c37118.Device(CFG), sends(other))
    assert "configuration and DATA don't fit; restart its server" in told(found)


def test_damaged_frames_are_counted() -> None:
    def frames(tick: int) -> list[bytes]:
        [frame] = scenes.data(CFG, 1, tick)
        return [frame[:-1] + bytes([frame[-1] ^ 1]) if tick % 10 == 5 else frame]

    _, found = asked(c37118.Device(CFG), frames)
    assert "10 frames had bad check words" in told(found)


def test_a_configuration_that_changes_meanwhile() -> None:
    other = scenes.configuration(8, form=0, phasors=5)

    def frames(tick: int) -> list[bytes]:
        if tick == 40:
            return [scenes.told(other)]
        return scenes.data(CFG if tick < 40 else other, 1, tick)

    _, found = asked(c37118.Device(CFG, cfg3=False), frames)
    assert "it told another configuration 1x while we listened" in told(found)
    assert len(report(found)["configuration"]["stations"][0]["phasors"]) == 5


# ── the Chinese protocols ───────────────────────────────────────────────────────────────────────────────────


def chinese_frames(cfg: gbt26865.ConfigurationFrame) -> Frames:
    made = chinese.data_frames(cfg, 400, scenes.BEGIN)
    return lambda tick: [made[tick]]


@pytest.mark.parametrize(("tongue", "version"), [("gbt26865", 3), ("qgdw131", 2)])
def test_a_substation_tells_its_configuration_on_the_management_pipe(tongue: str, version: int) -> None:
    cfg = chinese.configuration(version)
    play, found = asked(gbt26865.Device(cfg), lambda tick: [], tongue)
    says = report(found)
    assert (says["answers"], says["protocol"]) == (True, tongue)
    assert says["identity"] == ("0GX00GP1" if version == 3 else "0GX00PM1")
    assert says["configuration"]["periods"] == [100]
    assert says["data"]["frames"] == 0
    assert "DATA come on a connection of their own, which was not dialled" in told(found)
    last = gbt26865.parse(play.said[-1])
    assert isinstance(last, gbt26865.Command)
    assert last.command == gbt26865.CommandCode.DATA_OFF


@pytest.mark.parametrize(("tongue", "version"), [("gbt26865", 3), ("qgdw131", 2)])
def test_one_connection_for_all_needs_no_data_pipe(tongue: str, version: int) -> None:
    cfg = chinese.configuration(version)
    play, found = asked(gbt26865.Device(cfg), chinese_frames(cfg), tongue)
    assert play.pipe is Pipe.MANAGEMENT
    assert report(found)["data"]["rate"] == pytest.approx(50, abs=0.01)
    assert entry(report(found), Way(PLACE), 4)["link"] == {"tcp": "10.0.0.8:4712"}
    assert "connection of their own" not in told(found)


def test_with_a_data_pipe_its_data_are_measured() -> None:
    cfg = chinese.configuration(3)
    _, found = asked(gbt26865.Device(cfg), chinese_frames(cfg), "gbt26865", data_pipe=True)
    data = report(found)["data"]
    assert data["rate"] == pytest.approx(50, abs=0.01)
    assert data["frames"] >= 100


def test_one_that_refuses_cfg_2_streams_by_its_cfg_1() -> None:
    cfg = chinese.configuration(3)
    _, found = asked(gbt26865.Device(cfg, tells_2=False), lambda tick: [], "gbt26865")
    assert report(found)["configuration"]["frame"] == "CFG-1"


@pytest.mark.parametrize("tongue", TONGUES)
def test_silence_ends_after_some_seconds(tongue: str) -> None:
    class Mute:
        def receive(self, frame: bytes, now: Any) -> list[Any]:
            return []

    play, found = asked(Mute(), lambda tick: [], tongue)
    assert play.now.monotonic - BEGIN.monotonic < 5 * SECOND
    assert [fault.what for fault in faults(found, None)] == ["it takes the connection and is silent"]


# ── what people read ────────────────────────────────────────────────────────────────────────────────────────


def shown(found: Found) -> str:
    says = report(found)
    if says["answers"]:
        says["entry"] = entry(says, Way(PLACE), 4)
    out = io.StringIO()
    Console(file=out, width=200).print(picture(says))
    return out.getvalue()


def test_people_read_what_it_is_and_what_to_write() -> None:
    _, found = asked(c37118.Device(CFG), sends(CFG))
    text = shown(found)
    assert "10.0.0.8:4712: IEEE C37.118.2-2011, IDCODE 8" in text
    assert "CFG-3: 50/s, TIME_BASE 1000000" in text
    assert "P1  A  x 0.5" in text
    assert "STAT: 0x0000" in text
    assert "no faults" in text
    assert "  - {name: Station A, number: 4, stream: 8, link: {tcp: '10.0.0.8:4712'}}" in text
    assert Device.model_validate(entry(report(found), Way(PLACE), 4)).link.how == "tcp"


@pytest.mark.parametrize(
    ("tongue", "version", "data", "link"),
    [
        ("gbt26865", 3, 4713, {"tcp": "10.0.0.8:4712", "data": "10.0.0.8:4713"}),
        ("gbt26865", 3, None, {"tcp": "10.0.0.8:4712"}),
        ("qgdw131", 2, None, {"tcp": "10.0.0.8:4712", "data": "dials_in"}),
    ],
)
def test_the_entry_of_a_substation(tongue: str, version: int, data: int | None, link: dict[str, str]) -> None:
    _, found = asked(gbt26865.Device(chinese.configuration(version)), lambda tick: [], tongue)
    made = entry(report(found), Way(PLACE, data=data), 4)
    assert made == {
        "name": "场站一 PMU", "number": 4, "protocol": tongue,
        "identity": "0GX00GP1" if version == 3 else "0GX00PM1", "link": link,
    }  # fmt: skip
    assert "有功功率" in shown(found)


def test_an_idcode_that_is_no_text_is_told_in_hex() -> None:
    cfg = chinese.configuration(3, identity=b"\x00\x01AB\xff\x02\x03\x04")
    _, found = asked(gbt26865.Device(cfg), lambda tick: [], "gbt26865")
    assert entry(report(found), Way(PLACE), 4)["identity"] == "00014142ff020304"


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "nothing listens at 10.0.0.8:4712"),
        (TimeoutError("timed out"), "10.0.0.8:4712 can't be reached: nothing comes back"),
        (socket.gaierror(-2, "Name or service not known"), "there is no host '10.0.0.8'"),
        (OSError(113, "No route to host"), "10.0.0.8:4712 can't be reached: No route to host"),
    ],
)
def test_who_can_not_be_reached(fault: OSError, what: str) -> None:
    found = Found(PLACE, unreached=fault)
    assert [each.what for each in faults(found, None)] == [what]
    assert what in shown(found)


def test_a_data_pipe_that_nobody_answers() -> None:
    _, found = asked(gbt26865.Device(chinese.configuration(3)), lambda tick: [], "gbt26865")
    found.no_data_pipe = "Connection refused"
    assert "its connection for DATA: Connection refused; correct --data PORT" in told(found)
