"""Our side of a session, its clock moved by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.c37118 import (
    Command,
    CommandCode,
    ConfigurationFrame,
    Configured,
    Data,
    Device,
    Ended,
    HeaderFrame,
    Heard,
    Lost,
    Master,
    MasterSettings,
    Refused,
    Send,
    StartData,
    StopData,
    compile_codec,
    encode_command,
    encode_configuration,
    encode_header,
    parse,
)
from protocol.c37118.events import Event
from protocol.c37118.states import COMMANDS, TRANSITIONS, Cue, State
from protocol.clock import MILLISECOND, SECOND, Now
from tests.protocol.c37118 import strategies as make

CFG = make.configuration()
CFG_3 = make.configuration(kind=3, version=2)
OTHER = replace(CFG, stations=(replace(CFG.stations[0], digitals=(), changes=4),))
DATA = make.data_frames(CFG, 4)
OTHER_DATA = make.data_frames(OTHER, 4)
(FRAME,) = encode_configuration(CFG)
(FRAME_3,) = encode_configuration(CFG_3)
(OTHER_FRAME,) = encode_configuration(OTHER)
UTC = 1_700_000_000 * SECOND
OFF, ON, HEADER, CFG_2_PLEASE, CFG_3_PLEASE = 1, 2, 3, 5, 6


def at(seconds: float) -> Now:
    return Now(round(seconds * SECOND), UTC + round(seconds * SECOND))


def sent(events: list[Event]) -> list[int]:
    commands = [parse(event.data) for event in events if isinstance(event, Send)]
    return [command.command for command in commands if isinstance(command, Command)]


def asking(settings: MasterSettings | None = None) -> Master:
    """A master that has asked for its first configuration, at 0.1 s."""
    master = Master(settings or MasterSettings(stream=60))
    assert sent(master.begin(at(0))) == [OFF]
    assert master.wake_at() == 100 * MILLISECOND
    assert sent(master.wake(at(0.1))) == [CFG_2_PLEASE if settings and not settings.cfg3 else CFG_3_PLEASE]
    return master


def running(cfg: ConfigurationFrame = CFG_3, settings: MasterSettings | None = None) -> Master:
    master = asking(settings)
    events = master.receive(encode_configuration(cfg)[0], at(0.2))
    assert events[0] == Configured(cfg)
    assert sent(events) == [ON]
    return master


def test_the_usual_start() -> None:
    master = running()
    assert master.state is State.RUNNING
    assert master.data_size == compile_codec(CFG_3).frame_size
    assert all(map(master.accepts, DATA))
    assert not master.accepts(OTHER_DATA[0])
    assert not master.accepts(FRAME)


def test_commands_are_addressed_and_stamped() -> None:
    (event,) = Master(MasterSettings(stream=60)).begin(at(7))
    assert isinstance(event, Send)
    assert parse(event.data) == Command(stream=60, soc=1_700_000_007, version=1, command=CommandCode.DATA_OFF)


def test_without_an_answer_to_cfg3_it_asks_for_cfg2() -> None:
    master = asking()
    assert master.wake(at(2)) == []
    assert sent(master.wake(at(2.1))) == [CFG_2_PLEASE]
    assert master.unanswered_3
    events = master.receive(FRAME, at(2.2))
    assert (events[0], sent(events)) == (Configured(CFG), [ON])
    master.note_status(True, True, at(3))
    assert master.state is State.CHECKING_2


def test_questions_are_repeated_more_and_more_slowly_and_end() -> None:
    master = asking(MasterSettings(stream=60, attempts=3))
    times = []
    while (wake := master.wake_at()) is not None:
        events = master.wake(Now(wake, UTC + wake))
        times.append((wake / SECOND, sent(events)))
    assert times == [(2.1, [5]), (4.1, [5]), (8.1, [5]), (16.1, [])]
    assert isinstance(events[-1], Ended)
    assert isinstance(master.receive(DATA[0], at(20))[0], Refused)


def test_it_never_gives_up_if_so_set() -> None:
    master = asking(MasterSettings(stream=60, attempts=0))
    last = 0
    for _ in range(50):
        wake = master.wake_at()
        assert wake is not None
        assert sent(master.wake(Now(wake, UTC + wake))) == [CFG_2_PLEASE]
        assert wake - last <= 30 * SECOND
        last = wake


def test_only_cfg2_if_so_set() -> None:
    master = running(CFG, MasterSettings(stream=60, cfg3=False))
    assert not master.unanswered_3


def test_data_before_the_configuration_waits_for_it() -> None:
    master = asking()
    for frame in DATA:
        assert master.receive(frame, at(0.15)) == []
    assert master.held == 4
    events = master.receive(FRAME, at(0.2))
    assert events[:5] == [Configured(CFG), *map(Data, DATA)]
    assert master.held == 0


def test_held_data_that_does_not_fit_is_refused() -> None:
    master = asking()
    master.receive(OTHER_DATA[0], at(0.15))
    events = master.receive(FRAME, at(0.2))
    assert [type(event) for event in events] == [Configured, Refused, Send]


def test_holding_is_bounded() -> None:
    master = asking(MasterSettings(stream=60, hold_frames=2))
    assert [master.receive(frame, at(0.15)) for frame in DATA] == [[], [], [Lost(DATA[0])], [Lost(DATA[1])]]
    master = asking(MasterSettings(stream=60, hold_bytes=len(DATA[0])))
    assert [master.receive(frame, at(0.15)) for frame in DATA[:2]] == [[], [Lost(DATA[0])]]


def test_bit_10_makes_it_ask_again_when_it_rises_and_when_it_falls() -> None:
    master = running()
    assert master.note_status(True, False, at(1)) == []
    assert sent(master.note_status(True, True, at(2))) == [CFG_3_PLEASE]
    assert master.note_status(True, True, at(2.02)) == []
    assert master.accepts(DATA[0])
    assert master.receive(FRAME_3, at(2.1)) == []
    assert master.state is State.RUNNING
    assert sent(master.note_status(True, False, at(60))) == [CFG_3_PLEASE]
    changed = replace(CFG_3, stations=(replace(CFG_3.stations[0], name="B"),))
    assert master.receive(encode_configuration(changed)[0], at(60.1)) == [Configured(changed)]


def test_bit_10_that_falls_while_it_asks_is_not_forgotten() -> None:
    master = running()
    master.note_status(True, True, at(2))
    assert master.note_status(True, False, at(2.1)) == []
    assert sent(master.receive(FRAME_3, at(2.2))) == [CFG_3_PLEASE]
    assert master.receive(FRAME_3, at(2.3)) == []
    assert master.state is State.RUNNING


def test_a_tick_without_data_says_nothing_of_bit_10() -> None:
    master = running()
    master.note_status(True, True, at(2))
    master.receive(FRAME_3, at(2.1))
    assert master.note_status(False, False, at(3)) == []


def test_data_of_another_size_makes_it_ask_and_wait() -> None:
    master = running(CFG)
    events = master.receive(OTHER_DATA[0], at(11))
    assert sent(events) == [CFG_3_PLEASE]
    assert master.receive(OTHER_DATA[1], at(11.02)) == []
    assert master.receive(OTHER_FRAME, at(11.1)) == [Configured(OTHER), Data(OTHER_DATA[0]), Data(OTHER_DATA[1])]


def test_data_that_stays_misfit_is_refused_and_asked_for_rarely() -> None:
    master = running(CFG_3)
    assert sent(master.receive(OTHER_DATA[0], at(11))) == [CFG_3_PLEASE]
    events = master.receive(FRAME_3, at(11.1))
    assert [type(event) for event in events] == [Refused]
    events = master.receive(OTHER_DATA[1], at(11.2))
    assert [type(event) for event in events] == [Refused]
    assert sent(master.receive(OTHER_DATA[1], at(21.1))) == [CFG_3_PLEASE]


def test_asking_again_gives_up_and_the_old_configuration_stays() -> None:
    master = running(CFG_3, MasterSettings(stream=60, attempts=1))
    master.receive(OTHER_DATA[0], at(11))
    assert sent(master.wake(at(13))) == [CFG_2_PLEASE]
    events = master.wake(at(15))
    assert [type(event) for event in events] == [Refused]
    assert master.state is State.RUNNING
    assert master.accepts(DATA[0])


def test_a_configuration_told_unasked_takes_effect() -> None:
    master = running(CFG)
    assert master.receive(FRAME, at(1)) == []
    assert master.receive(OTHER_FRAME, at(2)) == [Configured(OTHER)]
    assert master.accepts(OTHER_DATA[0])


def test_the_shorter_form_of_a_known_cfg3_changes_nothing() -> None:
    master = running(CFG_3)
    assert master.receive(FRAME, at(1)) == []
    assert master.cfg == CFG_3
    assert master.receive(OTHER_FRAME, at(2)) == [Configured(OTHER)]


def test_a_capability_frame_is_not_a_configuration_of_data() -> None:
    master = asking()
    assert master.receive(encode_configuration(CFG, kind=1)[0], at(0.2)) == []
    assert master.cfg is None


def test_a_cfg3_in_pieces() -> None:
    master = asking()
    pieces = encode_configuration(CFG_3, max_size=100, check="whole")
    assert len(pieces) > 2
    events = [event for piece in pieces for event in master.receive(piece, at(0.2))]
    assert (events[0], sent(events)) == (Configured(CFG_3), [ON])


def test_another_stream_is_refused() -> None:
    master = running()
    stranger = make.data_frames(replace(CFG, stream=7), 1)[0]
    assert not master.accepts(stranger)
    (event,) = master.receive(stranger, at(1))
    assert isinstance(event, Refused)
    assert "stream 7" in event.reason
    (event,) = master.receive(encode_configuration(replace(CFG, stream=7))[0], at(1))
    assert isinstance(event, Refused)


def test_a_damaged_configuration_is_refused_and_waited_for() -> None:
    master = asking()
    (event,) = master.receive(encode_header(HeaderFrame(stream=60))[:1] + b"\x31" + DATA[0][2:], at(0.2))
    assert isinstance(event, Refused)
    assert master.state is State.ASKING_3


def test_a_header_is_heard_and_a_command_refused() -> None:
    master = running()
    header = HeaderFrame(stream=60, text="hello")
    assert master.receive(encode_header(header), at(1)) == [Heard(header)]
    (event,) = master.receive(encode_command(Command(stream=60, command=2)), at(1))
    assert isinstance(event, Refused)


def test_the_stream_that_shows_itself_is_addressed() -> None:
    master = Master()
    master.begin(at(0))
    master.receive(DATA[0], at(0.05))
    (event,) = master.wake(at(0.1))
    assert isinstance(event, Send)
    assert parse(event.data).stream == master.stream == 60


def test_a_silent_device_is_told_again_to_send() -> None:
    master = running()
    assert master.note_status(True, False, at(5)) == []
    assert sent(master.wake(at(10.2))) == []
    assert master.wake_at() == 15 * SECOND
    assert sent(master.wake(at(15))) == [ON]
    assert master.wake_at() == 35 * SECOND
    master.note_status(True, False, at(34))
    assert master.wake(at(35)) == []
    assert master.wake_at() == 44 * SECOND


def test_a_slow_reporter_is_not_silent() -> None:
    master = running(replace(CFG_3, rate=-20))
    assert master.wake_at() == round(60.2 * SECOND)


def test_spontaneous_never_sends() -> None:
    master = Master(MasterSettings(spontaneous=True))
    assert master.begin(at(0)) == []
    assert master.wake_at() is None
    assert master.receive(DATA[0], at(1)) == []
    assert master.receive(FRAME, at(60)) == [Configured(CFG), Data(DATA[0])]
    assert master.note_status(True, True, at(61)) == []
    assert master.receive(OTHER_DATA[0], at(62)) == []
    assert master.receive(OTHER_FRAME, at(120)) == [Configured(OTHER), Data(OTHER_DATA[0])]
    assert master.end(at(130)) == []


def test_the_end() -> None:
    master = asking()
    master.receive(DATA[0], at(0.15))
    events = master.end(at(1))
    assert isinstance(events[0], Refused)
    assert sent(events) == [OFF]
    assert master.wake_at() is None
    assert master.end(at(2)) == []


def test_the_tables_lead_somewhere() -> None:
    reachable = {State.NEW, State.LISTENING}
    for _ in State:
        reachable |= {after for (before, _), after in TRANSITIONS.items() if before in reachable}
    assert reachable == set(State)
    assert {state for state in State if state not in (State.NEW, State.LISTENING, State.ENDED)} == set(COMMANDS)
    assert all((state, Cue.TIMEOUT) in TRANSITIONS for state in COMMANDS)


def answers(device: Device, code: int, **fields: object) -> list[object]:
    command = Command(**({"stream": 60, "command": code} | fields))  # type: ignore[arg-type]
    return list(device.receive(encode_command(command), UTC))


def test_the_device_answers() -> None:
    device = Device(CFG, "a header")
    assert answers(device, ON) == [StartData()]
    assert device.on
    assert answers(device, OFF) == [StopData()]
    assert not device.on
    (header,) = answers(device, HEADER)
    assert isinstance(header, Send)
    assert parse(header.data) == HeaderFrame(stream=60, soc=UTC // SECOND, text="a header")
    for code, kind in ((4, 1), (5, 2), (6, 3)):
        (answer,) = answers(device, code)
        assert isinstance(answer, Send)
        told = parse(answer.data)
        assert isinstance(told, ConfigurationFrame)
        assert (told.kind, told.time, told.stations[0].name) == (kind, UTC, "Station A")


def test_the_device_is_silent_where_it_does_not_know() -> None:
    device = Device(CFG, cfg3=False)
    assert answers(device, CFG_3_PLEASE) == []
    assert answers(device, 7) == []
    assert device.receive(DATA[0], UTC) == []
    assert device.receive(b"\xaa\x41\x00\x10" + bytes(12), UTC) == []
    assert device.unknown == 4


@pytest.mark.parametrize(("strict", "obeyed"), [(True, False), (False, True)])
def test_commands_to_another_stream(strict: bool, obeyed: bool) -> None:
    device = Device(CFG, strict=strict)
    answers(device, ON, stream=7)
    assert device.on == obeyed


def test_extended_and_user_commands_are_handed_on() -> None:
    device = Device(CFG)
    (extended,) = answers(device, 8, extended=b"abcd")
    assert extended.command.extended == b"abcd"  # type: ignore[attr-defined]
    (user,) = answers(device, 0x1234)
    assert user.command.command == 0x1234  # type: ignore[attr-defined]


def test_the_device_says_what_it_was_given_to_say() -> None:
    device = Device(CFG, spoken={5: [FRAME, DATA[0]]})
    assert answers(device, 5) == [Send(FRAME), Send(DATA[0])]


@pytest.mark.parametrize("cfg3", [True, False])
def test_master_and_device_understand_each_other(cfg3: bool) -> None:
    master, device = Master(), Device(CFG, cfg3=cfg3)
    events, now = master.begin(at(0)), at(0)
    while not device.on:
        for event in events:
            if isinstance(event, Send):
                replies = [each for each in device.receive(event.data, now.utc) if isinstance(each, Send)]
                events = [more for reply in replies for more in master.receive(reply.data, now)]
        if not any(isinstance(event, Send) for event in events):
            wake = master.wake_at()
            assert wake is not None
            now = Now(wake, UTC + wake)
            events = master.wake(now)
    assert master.state is State.RUNNING
    assert master.accepts(DATA[0])


def test_a_further_stream_is_asked_but_not_told_to_stop() -> None:
    beside = running(CFG, MasterSettings(stream=60)).beside(61)
    further = replace(CFG, stream=61)
    frames = make.data_frames(further, 2)
    assert [event for frame in frames for event in beside.receive(frame, at(5))] == []
    assert beside.held == 2
    asked = beside.join(at(5))
    assert sent(asked) == [CFG_2_PLEASE], "its neighbour answered for CFG-2"
    assert [command.stream for command in map(parse, (event.data for event in asked if isinstance(event, Send)))] == [
        61
    ]
    assert beside.join(at(5.1)) == []
    events = beside.receive(encode_configuration(further)[0], at(5.2))
    assert [type(event) for event in events] == [Configured, Data, Data, Send]
    assert sent(events) == [ON]


def test_a_stream_that_sends_unasked_is_asked_nothing_beside_another() -> None:
    master = Master(MasterSettings(spontaneous=True))
    master.begin(at(0))
    assert master.beside(61).join(at(1)) == []


def test_a_configuration_told_unasked_holds_for_a_device_that_answers_nothing() -> None:
    master = Master(MasterSettings(stream=60, cfg3=False, attempts=2))
    master.begin(at(0))
    assert [type(event) for event in master.receive(FRAME, at(0.01))] == [Configured]
    said = [event for second in range(1, 20) for event in master.wake(at(second))]
    assert not [event for event in said if isinstance(event, Ended)]
    assert master.state is State.RUNNING
