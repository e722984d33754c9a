"""The master's side of a session, its clock moved by hand, and both sides against each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.clock import MILLISECOND, SECOND, Now
from protocol.gbt26865 import (
    Command,
    CommandCode,
    ConfigurationFrame,
    Device,
    HeaderFrame,
    Master,
    MasterSettings,
    Pipe,
    choose,
    encode_command,
    encode_configuration,
    encode_header,
    parse,
)
from protocol.gbt26865.common import seal
from protocol.gbt26865.events import (
    Configured,
    Data,
    DeviceEvent,
    Ended,
    Event,
    Heard,
    Lost,
    OpenData,
    Refused,
    Send,
    StartData,
)
from protocol.gbt26865.states import COMMANDS, TRANSITIONS, Cue, State
from tests.protocol.gbt26865 import byhand
from tests.protocol.gbt26865 import strategies as make

C = CommandCode
UTC = 1_700_000_000 * SECOND
WHO = b"0GX00GP1"
FULL = make.configuration(kind=1)
CHOSEN = replace(FULL, kind=2, stations=(replace(FULL.stations[0], digitals=(), period=50),))
TOLD = replace(FULL, kind=2)
FULL_DATA, CHOSEN_DATA = make.data_frames(TOLD, 4), make.data_frames(CHOSEN, 4)
SETTINGS = MasterSettings(identity=WHO)
CHOOSING = MasterSettings(identity=WHO, select=lambda cfg: replace(CHOSEN, soc=0))


def at(seconds: float) -> Now:
    return Now(round(seconds * SECOND), UTC + round(seconds * SECOND))


def sent(events: list[Event] | list[DeviceEvent]) -> list[CommandCode | int]:
    """Codes of commands; 1 or 2 + 100 for a configuration of this kind."""
    said = []
    for event in events:
        if isinstance(event, Send):
            told = parse(event.data)
            said.append(C(told.command) if isinstance(told, Command) else 100 + getattr(told, "kind", 0))
    return said


def says(code: int, version: int = 3, soc: int = 1_700_000_000) -> bytes:
    return byhand.command(code, version, soc, WHO)


def cfg(which: ConfigurationFrame, kind: int) -> bytes:
    return encode_configuration(which, kind)


def asking_2(settings: MasterSettings = SETTINGS) -> Master:
    master = Master(settings)
    assert sent(master.begin(at(0))) == [C.SEND_CONFIGURATION_1]
    events = master.receive(cfg(FULL, 1), at(0.1))
    if settings.select:
        assert sent(events) == [C.DOWNLOAD_CONFIGURATION_2]
        assert sent(master.receive(says(C.ACK), at(0.2))) == [102]
        events = master.receive(says(C.ACK), at(0.3))
    assert sent(events) == [C.SEND_CONFIGURATION_2]
    return master


def running(settings: MasterSettings = SETTINGS, told: ConfigurationFrame = TOLD) -> Master:
    master = asking_2(settings)
    assert master.receive(cfg(told, 2), at(0.4)) == [Configured(told), OpenData()]
    assert sent(master.data_pipe(True, at(0.5))) == [C.DATA_ON]
    assert master.receive(says(C.ACK), at(0.6)) == []
    assert master.state is State.RUNNING
    return master


def test_the_usual_start_with_a_download() -> None:
    master = running(CHOOSING, CHOSEN)
    assert master.steady
    assert all(map(master.accepts, CHOSEN_DATA))
    assert not any(map(master.accepts, FULL_DATA))
    assert not master.accepts(make.data_frames(replace(CHOSEN, identity=b"other GP"), 1)[0])
    assert not master.accepts(says(C.ACK))


def test_data_may_have_more_behind_fracsec_than_the_configuration_tells() -> None:
    longer = [seal(0, parse(each), WHO, b"\0\1" + each[20:-2]) for each in FULL_DATA]
    master = running(replace(SETTINGS, behind_fracsec=2))
    assert all(map(master.accepts, longer))
    assert not any(map(master.accepts, FULL_DATA))
    streaming = asking_2(replace(SETTINGS, behind_fracsec=2))
    assert streaming.receive(longer[0], at(0.4)) == []
    assert streaming.receive(says(C.NACK), at(0.5)) == [Configured(FULL), Data(longer[0]), OpenData()]


def test_commands_are_addressed_and_stamped() -> None:
    (event,) = Master(SETTINGS).begin(at(7))
    assert event == Send(says(4, soc=1_700_000_007))
    (event,) = Master(MasterSettings(version=2)).begin(at(7))
    assert event == Send(byhand.command(4, 2, 1_700_000_007, bytes(8)))


@pytest.mark.parametrize("answer", [C.NACK, None])
def test_without_cfg2_it_streams_by_its_cfg1(answer: CommandCode | None) -> None:
    master = asking_2(MasterSettings(identity=WHO, attempts=2))
    if answer:
        events = master.receive(says(answer), at(0.4))
    else:
        assert sent(master.wake(at(2.1))) == [C.SEND_CONFIGURATION_2]
        events = master.wake(at(6.1))
    assert events == [Configured(FULL), OpenData()]
    assert all(map(master.accepts, FULL_DATA))


@pytest.mark.parametrize("when", ["offered", "loaded"])
@pytest.mark.parametrize("answer", [C.NACK, None])
def test_a_refused_download_is_done_without(when: str, answer: CommandCode | None) -> None:
    master = Master(replace(CHOOSING, attempts=1))
    master.begin(at(0))
    master.receive(cfg(FULL, 1), at(0.1))
    if when == "loaded":
        assert sent(master.receive(says(C.ACK), at(0.1))) == [102]
    events = master.receive(says(answer), at(0.2)) if answer else master.wake(at(2.1))
    assert sent(events) == [C.SEND_CONFIGURATION_2]
    refused = [event for event in events if isinstance(event, Refused)]
    assert bool(refused) == (when == "loaded" and answer is C.NACK)
    assert master.receive(cfg(TOLD, 2), at(2.2)) == [Configured(TOLD), OpenData()]


def test_a_choice_that_is_gone_when_it_is_to_be_sent() -> None:
    """It tells another CFG-1 between its announcement and its acknowledgement."""
    master = Master(replace(CHOOSING, select=lambda cfg: choose(cfg, lambda station, channel: station.name != "B")))
    master.begin(at(0))
    assert sent(master.receive(cfg(FULL, 1), at(0.1))) == [C.DOWNLOAD_CONFIGURATION_2]
    other = replace(FULL, stations=(replace(FULL.stations[0], name="B"),))
    assert master.receive(cfg(other, 1), at(0.2)) == []
    assert sent(master.receive(says(C.ACK), at(0.3))) == [C.SEND_CONFIGURATION_2]


def test_questions_are_repeated_more_and_more_slowly_and_end() -> None:
    master = Master(MasterSettings(identity=WHO, attempts=3))
    master.begin(at(0))
    times = []
    while (wake := master.wake_at()) is not None:
        events = master.wake(Now(wake, UTC + wake))
        times.append((wake / SECOND, sent(events)))
    assert times == [(2, [4]), (6, [4]), (14, [])]
    assert isinstance(events[-1], Ended)
    assert isinstance(master.receive(FULL_DATA[0], at(20))[0], Refused)


def test_it_never_gives_up_if_so_set() -> None:
    master = Master(MasterSettings(identity=WHO, attempts=0, misses=1000))
    master.begin(at(0))
    asked = 0
    for _ in range(60):
        wake = master.wake_at()
        assert wake is not None
        asked += sent(master.wake(Now(wake, UTC + wake))).count(C.SEND_CONFIGURATION_1)
    assert asked > 25


def test_the_data_pipe_may_be_there_first() -> None:
    master = Master(SETTINGS)
    assert master.data_pipe(True, at(0)) == []
    master.begin(at(0))
    master.receive(cfg(FULL, 1), at(0.1))
    events = master.receive(cfg(TOLD, 2), at(0.2))
    assert (events[0], sent(events), OpenData() in events) == (Configured(TOLD), [C.DATA_ON], False)


def test_without_a_data_pipe_it_asks_for_data_all_the_same() -> None:
    master = asking_2()
    master.receive(cfg(TOLD, 2), at(0.4))
    assert master.wake(at(10)) == []
    assert sent(master.wake(at(10.4))) == [C.DATA_ON]
    master.note_status(True, False, at(10.5))
    assert master.state is State.RUNNING


def test_data_counts_for_the_acknowledgement() -> None:
    master = asking_2()
    master.receive(cfg(TOLD, 2), at(0.4))
    master.data_pipe(True, at(0.5))
    assert master.note_status(True, False, at(0.6)) == []
    assert master.state is State.RUNNING


def test_a_substation_that_does_not_start_is_given_up() -> None:
    master = asking_2(MasterSettings(identity=WHO, attempts=2))
    master.receive(cfg(TOLD, 2), at(0.4))
    master.data_pipe(True, at(0.5))
    assert master.receive(says(C.NACK), at(0.6)) == []
    assert sent(master.wake(at(2.5))) == [C.DATA_ON]
    events = master.wake(at(6.5))
    assert isinstance(events[-1], Ended)
    assert master.wake_at() is None


def test_a_lost_data_pipe_is_wanted_again() -> None:
    master = running()
    assert master.data_pipe(False, at(5)) == [OpenData()]
    assert sent(master.data_pipe(True, at(6))) == [C.DATA_ON]
    assert all(map(master.accepts, FULL_DATA))


def test_data_before_the_configuration_waits_for_it() -> None:
    master = asking_2()
    for frame in FULL_DATA:
        assert master.receive(frame, at(0.15), Pipe.DATA) == []
    assert (master.held, master.held_bytes) == (4, 4 * len(FULL_DATA[0]))
    events = master.receive(cfg(TOLD, 2), at(0.2))
    assert events == [Configured(TOLD), *map(Data, FULL_DATA), OpenData()]


def test_held_data_is_bounded_and_refused_if_it_does_not_fit() -> None:
    master = Master(MasterSettings(identity=WHO, hold_frames=2))
    master.begin(at(0))
    assert [master.receive(frame, at(0.15)) for frame in FULL_DATA[:3]] == [[], [], [Lost(FULL_DATA[0])]]
    master.receive(cfg(FULL, 1), at(0.2))
    events = master.receive(cfg(CHOSEN, 2), at(0.3))
    assert [type(event) for event in events] == [Configured, Refused, Refused, OpenData]


def test_bit_10_makes_it_ask_again_when_it_rises_and_when_it_falls() -> None:
    master = running()
    assert master.note_status(True, False, at(1)) == []
    assert sent(master.note_status(True, True, at(2))) == [C.SEND_CONFIGURATION_2]
    assert master.changing
    assert master.note_status(True, False, at(2.1)) == []
    assert sent(master.receive(cfg(TOLD, 2), at(2.2))) == [C.SEND_CONFIGURATION_2], "it fell while it was asked"
    changed = replace(TOLD, stations=(replace(TOLD.stations[0], name="B"),))
    assert master.receive(cfg(changed, 2), at(2.3)) == [Configured(changed)]
    assert master.state is State.RUNNING
    assert master.accepts(FULL_DATA[0])


def test_of_one_that_refuses_cfg2_the_cfg1_is_read_again() -> None:
    master = asking_2()
    master.receive(says(C.NACK), at(0.4))
    master.data_pipe(True, at(0.5))
    master.receive(says(C.ACK), at(0.6))
    assert sent(master.note_status(True, True, at(2))) == [C.SEND_CONFIGURATION_2]
    assert sent(master.receive(says(C.NACK), at(2.1))) == [C.SEND_CONFIGURATION_1]
    changed = replace(FULL, stations=(replace(FULL.stations[0], name="B"),))
    assert master.receive(cfg(changed, 1), at(2.2)) == [Configured(changed)]
    assert master.state is State.RUNNING


def test_one_that_tells_a_cfg2_but_streams_by_its_cfg1() -> None:
    master = running(CHOOSING, CHOSEN)
    assert sent(master.receive(FULL_DATA[0], at(11))) == [C.SEND_CONFIGURATION_2]
    assert master.receive(cfg(CHOSEN, 2), at(11.1)) == [Configured(FULL), Data(FULL_DATA[0])]
    assert master.accepts(FULL_DATA[1])


def test_data_that_stays_misfit_is_refused_and_asked_for_rarely() -> None:
    master = running()
    assert sent(master.receive(CHOSEN_DATA[0], at(11))) == [C.SEND_CONFIGURATION_2]
    assert [type(event) for event in master.receive(cfg(TOLD, 2), at(11.1))] == [Refused]
    assert [type(event) for event in master.receive(CHOSEN_DATA[1], at(11.2))] == [Refused]
    assert sent(master.receive(CHOSEN_DATA[1], at(21.1))) == [C.SEND_CONFIGURATION_2]


def test_asking_again_gives_up_and_the_old_configuration_stays() -> None:
    master = running(replace(SETTINGS, attempts=1))
    master.receive(CHOSEN_DATA[0], at(11))
    assert [type(event) for event in master.wake(at(13))] == [Refused]
    assert master.state is State.RUNNING
    assert master.accepts(FULL_DATA[0])


def test_a_silent_substation_is_told_again_to_send() -> None:
    master = running()
    master.note_status(True, False, at(5))
    assert master.wake(at(10.6)) == []
    assert master.wake_at() == 15 * SECOND
    assert sent(master.wake(at(15))) == [C.DATA_ON]
    slow = running(told=replace(TOLD, stations=(replace(TOLD.stations[0], period=0xFFFF),)))
    assert slow._silence() == 39 * SECOND


def test_heartbeats_are_sent_and_lost_ones_end_the_link() -> None:
    master = running()
    seen = []
    for second in range(1, 200):
        master.note_status(True, False, at(second))
        events = master.wake(at(second))
        seen += [(second, code) for code in sent(events)]
        if second == 31:
            assert master.receive(says(C.HEARTBEAT, soc=1_700_000_030), at(second)) == []
        if any(isinstance(event, Ended) for event in events):
            break
    assert seen == [(30, C.HEARTBEAT), (60, C.HEARTBEAT), (90, C.HEARTBEAT), (120, C.HEARTBEAT)]
    assert second == 150, "three without an answer: of 60, 90 and 120 s"
    assert master.wake_at() is None


def test_heartbeats_that_come_back_keep_the_link() -> None:
    master, device = running(), Device(FULL)
    device.begin(at(0))
    for second in range(1, 600):
        master.note_status(True, False, at(second))
        for event in master.wake(at(second)):
            assert isinstance(event, Send)
            assert device.receive(event.data, at(second)) == [event]
            assert master.receive(event.data, at(second + 0.1)) == []
        assert device.wake(at(second)) == []
    assert master.state is State.RUNNING


def test_a_stranger_is_refused() -> None:
    master = running()
    stranger = make.data_frames(replace(TOLD, identity=b"stranger"), 1)[0]
    (event,) = master.receive(stranger, at(1), Pipe.DATA)
    assert isinstance(event, Refused)
    assert "stranger" in event.reason
    (event,) = master.receive(cfg(replace(TOLD, identity=b"stranger"), 2), at(1))
    assert isinstance(event, Refused)


def test_what_is_not_for_a_master_is_refused() -> None:
    master = running()
    for frame in (says(C.DATA_ON), says(0x0006), byhand.configuration(2, 3, [byhand.Block(period=0)])):
        assert [type(event) for event in master.receive(frame, at(1))] == [Refused]
    for frame in (says(C.ACK), cfg(TOLD, 2)):
        assert [type(event) for event in master.receive(frame, at(1), Pipe.DATA)] == [Refused]
    header = HeaderFrame(identity=WHO, text="你好")
    assert master.receive(encode_header(header), at(1)) == [Heard(header)]


def test_the_one_that_shows_itself_is_addressed_in_its_edition() -> None:
    master = Master()
    master.begin(at(0))
    v2 = replace(FULL, version=2, identity=b"")
    (event,) = master.receive(cfg(v2, 1), at(0.1))
    assert event == Send(byhand.command(5, 2, 1_700_000_000, b"0GX00PM1")), "V2: its block is all that is known"
    master.receive(byhand.command(C.HEARTBEAT, 2, identity=b"true one"), at(0.2))
    (event,) = master.wake(at(2.1))
    assert event == Send(byhand.command(5, 2, 1_700_000_002, b"true one"))
    assert master.identity == b"true one"


def test_the_end() -> None:
    master = asking_2()
    master.receive(FULL_DATA[0], at(0.15))
    events = master.end(at(1))
    assert [type(event) for event in events] == [Refused, Send]
    assert sent(events) == [C.DATA_OFF]
    assert master.wake_at() is None
    assert master.end(at(2)) == []


def test_a_doubted_configuration_is_asked_for() -> None:
    master = running()
    master.doubt()
    events = master.receive(FULL_DATA[0], at(11))
    assert sent(events) == [C.SEND_CONFIGURATION_2]
    assert master.receive(cfg(TOLD, 2), at(12)) == [Configured(TOLD), Data(FULL_DATA[0])]


def test_what_is_remembered_goes_on_the_same() -> None:
    first = running(CHOOSING, CHOSEN)
    first.receive(FULL_DATA[0], at(11))
    second = Master(CHOOSING)
    oldest, held = first.limbo(0)
    assert first.cfg
    second.recall(first.remember(), first.cfg, oldest, held)
    for master in (first, second):
        assert master.accepts(CHOSEN_DATA[0])
        assert (master.held, master.ever_held) == (1, 1)
    assert first.wake_at() == second.wake_at()
    answer = cfg(CHOSEN, 2)
    assert first.receive(answer, at(11.1)) == second.receive(answer, at(11.1)) == [Configured(FULL), Data(FULL_DATA[0])]
    assert first.remember() == second.remember()


def test_the_tables_lead_somewhere() -> None:
    reachable = {State.NEW}
    for _ in State:
        reachable |= {after for (before, _), after in TRANSITIONS.items() if before in reachable}
    assert reachable == set(State)
    timed = set(State) - {State.NEW, State.ENDED}
    assert all((state, Cue.TIMEOUT) in TRANSITIONS for state in timed)
    assert set(COMMANDS) < timed


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("download", [False, True])
@pytest.mark.parametrize("dials_first", [False, True])
def test_master_and_substation_understand_each_other(version: int, download: bool, dials_first: bool) -> None:
    full = make.configuration(version, kind=1)
    chosen = replace(full, kind=2, stations=(replace(full.stations[0], digitals=(), period=500),))
    device = Device(full)
    master = Master(MasterSettings(version=version, select=(lambda _: chosen) if download else None))
    said: list[CommandCode | int] = []
    now = at(0)
    device.begin(now)
    waiting: list[Event] = [*(master.data_pipe(True, now) if dials_first else []), *master.begin(now)]
    while waiting:
        event = waiting.pop(0)
        if isinstance(event, OpenData):
            waiting += master.data_pipe(True, now)
        if isinstance(event, Send):
            said += sent([event])
            for answer in device.receive(event.data, now):
                if isinstance(answer, Send):
                    waiting += master.receive(answer.data, now)
    steps: list[CommandCode | int] = [C.DOWNLOAD_CONFIGURATION_2, 102] if download else []
    assert said == [C.SEND_CONFIGURATION_1, *steps, C.SEND_CONFIGURATION_2, C.DATA_ON]
    assert (master.state, device.on) == (State.RUNNING, True)
    assert master.cfg is not None
    assert master.cfg.says_the_same(device.cfg)
    assert master.cfg.rate == (10 if download else 50)
    assert all(map(master.accepts, make.data_frames(device.cfg, 3)))
    assert StartData() in device.receive(byhand.command(2, version), now)


def test_waits_are_in_nanoseconds() -> None:
    assert MasterSettings().wait == 2000 * MILLISECOND
    assert encode_command(Command(identity=WHO, command=C.ACK)) == byhand.command(0xE000, 3, 0)
