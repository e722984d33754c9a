"""The substation's side of a session."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.clock import SECOND, Now
from protocol.gbt26865 import Command, CommandCode, ConfigurationFrame, Device, HeaderFrame, encode_configuration, parse
from protocol.gbt26865.device import ANSWERS
from protocol.gbt26865.events import Configured, DeviceEvent, Ended, Extended, Send, StartData, StopData
from tests.protocol.gbt26865 import byhand
from tests.protocol.gbt26865 import strategies as make

C = CommandCode
UTC = 1_700_000_000 * SECOND + 500_000_000
NOW = Now(0, UTC)
EDITIONS = pytest.mark.parametrize("version", [2, 3])


def device(version: int = 3, **settings: bool) -> Device:
    return Device(make.configuration(version, kind=1), "厂站说明", **settings)


def said(events: list[DeviceEvent]) -> list[int]:
    told = [parse(event.data) for event in events if isinstance(event, Send)]
    return [each.command for each in told if isinstance(each, Command)]


def download(version: int = 3, **changed: object) -> bytes:
    block = byhand.Block(**{"period": 50, "digitals": []} | changed)  # type: ignore[arg-type]
    return byhand.configuration(2, version, [block])


@EDITIONS
def test_it_answers(version: int) -> None:
    one = device(version)
    for word, kind in ((4, 1), (5, 2)):
        (answer,) = one.receive(byhand.command(word, version), NOW)
        assert isinstance(answer, Send)
        told = parse(answer.data)
        assert isinstance(told, ConfigurationFrame)
        assert (told.kind, told.stations) == (kind, one.capability.stations)
        assert told.time == (UTC if version == 3 else 1_700_000_000 * SECOND)
    (answer,) = one.receive(byhand.command(3, version), NOW)
    assert isinstance(answer, Send)
    header = parse(answer.data)
    assert isinstance(header, HeaderFrame)
    assert header.text == "厂站说明"


@EDITIONS
def test_data_is_opened_and_closed_with_an_acknowledgement(version: int) -> None:
    one = device(version)
    identity = b"0GX00GP1" if version == 3 else b"0GX00PM1"
    ack = Send(byhand.command(C.ACK, version, 1_700_000_000, identity))
    assert one.receive(byhand.command(2, version), NOW) == [ack, StartData()]
    assert one.on
    assert one.receive(byhand.command(1, version), NOW) == [ack, StopData()]
    assert not one.on


@EDITIONS
def test_a_download_is_taken(version: int) -> None:
    one = device(version)
    assert said(one.receive(byhand.command(C.DOWNLOAD_CONFIGURATION_2, version), NOW)) == [C.ACK]
    events = one.receive(download(version), NOW)
    assert said(events) == [C.ACK]
    assert events[1] == Configured(one.cfg)
    assert one.cfg.rate == 100
    assert one.capability.rate == 50
    (answer,) = one.receive(byhand.command(5, version), NOW)
    assert isinstance(answer, Send)
    told = parse(answer.data)
    assert isinstance(told, ConfigurationFrame)
    assert told.says_the_same(one.cfg)


@EDITIONS
@pytest.mark.parametrize(
    "frame",
    [
        lambda v: download(v, period=0),
        lambda v: download(v, identity=b"another!"),
        lambda v: download(v, analogs=[(byhand.name("not there"), 1)]),
        lambda v: encode_configuration(make.configuration(5 - v)),
    ],
    ids=["period 0", "another station", "another channel", "another edition"],
)
def test_a_download_is_refused(frame, version: int) -> None:  # type: ignore[no-untyped-def]
    one = device(version)
    before = one.cfg
    one.receive(byhand.command(C.DOWNLOAD_CONFIGURATION_2, version), NOW)
    assert said(one.receive(frame(version), NOW)) == ([C.NACK] if version == 3 else [])
    assert one.cfg is before


def test_a_download_must_be_announced_each_time() -> None:
    one = device()
    assert said(one.receive(download(), NOW)) == [C.NACK]
    one.receive(byhand.command(C.DOWNLOAD_CONFIGURATION_2, 3), NOW)
    assert said(one.receive(download(), NOW)) == [C.ACK]
    assert said(one.receive(download(), NOW)) == [C.NACK]


def test_one_without_a_cfg2_refuses_until_it_has_one() -> None:
    one = device(tells_2=False)
    assert said(one.receive(byhand.command(5, 3), NOW)) == [C.NACK]
    assert said(device(2, tells_2=False).receive(byhand.command(5, 2), NOW)) == []
    one.receive(byhand.command(C.DOWNLOAD_CONFIGURATION_2, 3), NOW)
    one.receive(download(), NOW)
    assert said(one.receive(byhand.command(5, 3), NOW)) == []


def test_some_commands_are_handed_on_and_unknown_ones_refused() -> None:
    one = device()
    for code in (C.RESET, C.NETWORK_TRIGGER, C.RECEIVE_REFERENCE):
        (event,) = one.receive(byhand.command(code, 3), NOW)
        assert isinstance(event, Extended)
        assert event.command.command == code
    assert said(one.receive(byhand.command(0x0006, 3), NOW)) == [C.NACK]
    assert one.receive(byhand.command(0xC000, 2), NOW) != [], "answered in its own edition"
    assert one.receive(byhand.command(C.ACK, 3), NOW) == []
    assert one.receive(byhand.data(3, byhand.integers()), NOW) == []
    assert one.receive(b"\xaa\x43" + bytes(22), NOW) == []
    assert one.unknown == 4


@pytest.mark.parametrize(("strict", "obeyed"), [(True, False), (False, True)])
def test_commands_to_another(strict: bool, obeyed: bool) -> None:
    one = device(strict=strict)
    one.receive(byhand.command(2, 3, identity=b"another!"), NOW)
    assert one.on == obeyed


@EDITIONS
def test_heartbeats_are_repeated_with_their_soc(version: int) -> None:
    one = device(version)
    one.begin(NOW)
    identity = one.identity
    beat = byhand.command(C.HEARTBEAT, version, 1_234_567_890, identity)
    assert one.receive(beat, Now(SECOND, UTC)) == [Send(beat)]


def test_without_the_masters_heartbeats_it_beats_itself_and_then_ends() -> None:
    one = device()
    assert one.wake_at() is None
    one.begin(NOW)
    one.receive(byhand.command(2, 3), NOW)
    one.receive(byhand.command(C.HEARTBEAT, 3), Now(10 * SECOND, UTC))
    told = []
    while (due := one.wake_at()) is not None:
        events = one.wake(Now(due, UTC + due))
        told.append((due // SECOND, said(events)))
    assert told == [(30, []), (60, [C.HEARTBEAT]), (90, [C.HEARTBEAT]), (120, [])]
    assert [type(event) for event in events] == [StopData, Ended]
    assert not one.on
    assert one.wake(Now(999 * SECOND, UTC)) == []


def test_the_capability_is_kept_beside_the_choice() -> None:
    cfg = make.configuration(kind=1)
    one = Device(cfg)
    assert (one.capability, one.cfg) == (cfg, replace(cfg, kind=2))


def test_every_command_has_its_answer() -> None:
    assert set(ANSWERS) == set(CommandCode)
