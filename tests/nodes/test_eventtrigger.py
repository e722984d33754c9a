from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nodes._eventtrigger import EventTrigger
from nodes._node import Letter
from nodes.trigger import Settings, Trigger, trigger
from protocol.clock import SECOND
from protocol.messages import Fetch, Window
from tests.eventtriggers import Bench, bench, judge, place
from tests.suspicions import RATE, configuration, later, moment, number, snapshots, verdict

__all__ = ["bench"]


def test_which_trigger_settings_want(tmp_path: Path):
    assert isinstance(trigger(Settings(), place(tmp_path)), Trigger)
    assert isinstance(trigger(Settings(on="suspicion"), place(tmp_path)), EventTrigger)


def test_an_event_is_said_three_times(bench: Bench):
    bench.say(verdict(2, 19.1))
    bench.feed(20, 26)
    bench.answer()
    assert bench.told == [(1, False, "ok", "gen_trip"), (2, False, "ok", "gen_trip"), (3, True, "ok", "gen_trip")]
    assert {event.id for event in bench.events} == {"20231114T221339.100Z_suspects"}
    assert {event.node for event in bench.events} == {"suspects"}
    assert sorted(word.number for word in [*bench.events, *bench.flags]) == list(range(3 + len(bench.flags)))
    health = bench.node.health(bench.now)
    wanted = {"suspicions": 1, "opened": 1, "answered": 3, "disturbances": 1, "rejected": 0, "sweeps": 0, "dead": 0}
    assert {name: health["counters"][name] for name in wanted} == wanted
    assert (health["labels"], health["counts"][:, :2].tolist()) == (["PMU 1", "PMU 2"], [[0, 1], [1, 0]])
    assert health["queues"] == {"waiting": 0, "in_flight": 0, "behind": 0, "open": 0}


def test_the_window_of_an_answer(bench: Bench):
    bench.say(verdict(2, 19.1))
    bench.feed(20, 20.2)
    [window] = bench.windows
    assert window.device.tolist() == [number(2), number(1), number(3)]
    assert window.start == moment(9.1)
    assert window.values.shape == (3, 7, 550)
    assert window.quantities[:2] == ["frequency", "positive magnitude"]
    assert window.detail == {
        "latitude": [50 + 2**1.5, 51.0, 50 + 3**1.5], "longitude": [8.0] * 3, "nominal": 50.0, "since": 250,
        "late": 200, "event": "20231114T221339.100Z_suspects", "answer": 1,
    }  # fmt: skip


def test_what_a_report_becomes(bench: Bench):
    bench.say(verdict(2, 19.1))
    bench.feed(20, 20.2)
    bench.answer()
    [event] = bench.events
    assert (event.disturbance, event.confidence, event.onset, event.score) == (True, 0.9, moment(18.1), 3.0)
    assert event.arrival.tolist() == [moment(18.1), moment(18.2), moment(18.3)]
    np.testing.assert_array_equal(event.amplitude, [5.0, np.nan, 7.0])
    assert event.nearest == [number(1), number(2)]
    assert event.bad == [
        {"device": number(1), "kind": "spikes", "start": moment(10.1), "stop": moment(11.1), "score": 2.0, "detail": {}}
    ]
    assert (event.latitude, np.isnan(event.longitude), event.ellipse) == (50.0, True, [1.0, 2.0, 3.0])
    assert (event.size_mhz, np.isnan(event.size_mw)) == (-50.0, True)
    assert set(event.detail) == {"probabilities", "rules", "detection", "location"}
    [suspicion] = event.suspicions
    assert suspicion == {
        "device": number(2), "trigger": "windows", "start": moment(0.1), "onset": moment(19.1), "score": 3.0,
    }  # fmt: skip


def test_verdicts_that_suspect_nothing_open_nothing(bench: Bench):
    bench.say(verdict(2, 19, suspicious=False))
    bench.feed(20, 30)
    assert (bench.windows, bench.node.book.cases) == ([], {})


def test_answers_are_said_in_order(bench: Bench):
    bench.say(verdict(2, 19.1))
    bench.feed(20, 26)
    for window in reversed(bench.windows):
        bench.hear(bench.node.receive(judge(window), bench.now))
    assert [event.answer for event in bench.events] == [1, 2, 3]


def test_one_that_nobody_can_judge_is_said_with_its_error(tmp_path: Path):
    bench = Bench(tmp_path, attempts=2)
    bench.begin()
    bench.say(verdict(2, 19.1))
    bench.feed(20, 20.2)
    bench.answer(outcome="failed", error="ValueError: no")
    [event] = bench.events
    assert (event.outcome, event.error, event.kind, event.disturbance) == ("failed", "ValueError: no", "unknown", False)
    [letter] = map(json.loads, (tmp_path / "suspects.jsonl").read_text().splitlines())
    assert (letter["device"], letter["samples"]) == ([number(2), number(1), number(3)], 550)
    assert bench.node.health(bench.now)["counters"]["dead"] == 1


def test_an_event_without_data_is_closed_after_a_while(bench: Bench):
    bench.say(verdict(2, 19.5))
    bench.now = later(5)
    bench.hear(bench.node.wake(bench.now))
    assert bench.windows == []
    bench.now = later(10.1)
    bench.hear(bench.node.wake(bench.now))
    bench.answer()
    assert bench.told == [(1, True, "ok", "gen_trip")]
    bench.hear(bench.node.wake(later(30)))
    assert len(bench.events) == 1


def test_a_suspicion_whose_samples_are_gone_is_said_as_incomplete(tmp_path: Path):
    bench = Bench(tmp_path)
    bench.say(verdict(2, 19.5))
    bench.hear(bench.node.wake(later(0)))
    bench.hear(bench.node.wake(later(11)))
    assert bench.told == [(1, True, "incomplete", "unknown")]
    assert "nobody told it" in bench.events[0].error
    assert bench.events[0].onset == moment(19.5)


def test_a_sweep_that_finds_something_is_a_suspicion(tmp_path: Path):
    bench = Bench(tmp_path, sweep="5 s")
    for link in (1, 2, 3):
        bench.say(configuration(link, latitude=50.0 + link**1.5, longitude=8.0, region="north"))
    for second in (0, 5, 10):
        bench.feed(second, second + 5)
        bench.answer(suspicious=False)
    assert bench.events == []
    bench.feed(15, 20)
    [last] = bench.windows
    assert last.detail["event"] == "align 50 north 0"
    bench.windows = []
    bench.hear(bench.node.receive(judge(last, onset=moment(18.5), suspicious=True), bench.now))
    [window] = bench.windows
    assert window.device.tolist() == [number(3), number(2), number(1)], "the device that felt it most, the nearest"
    bench.answer()
    [event] = bench.events
    assert event.suspicions[0]["trigger"] == "suspects"
    assert bench.node.counters["sweeps"] == 4


def test_bad_data_of_sweeps_and_events_are_told_once(tmp_path: Path):
    """Each report tells the same second of the second device bad; windows overlap, and so do suspicion and sweep."""
    bench = Bench(tmp_path, sweep="5 s")
    bench.begin()
    bench.say(verdict(2, 18.0))
    begin, device = moment(15.0), number(2)

    def answer(window: Window) -> None:
        place, first = window.device.tolist().index(device), round((begin - window.start) * 50 / SECOND)
        inside = 0 <= first < window.values.shape[-1]
        bad = {"device": place, "kind": "frozen", "start": first, "stop": first + 50, "score": 2.0, "detail": {}}
        report = {"bad": [bad] if inside else [], "disturbance": False}
        bench.hear(bench.node.receive(judge(window, suspicious=False, detail=report), bench.now))

    for at in range(20, 34):
        bench.feed(at, at + 1)
        while bench.windows:
            answer(bench.windows.pop(0))
    spans = [(word.device.tolist(), word.kind, word.start.tolist(), word.stop.tolist()) for word in bench.flags]
    assert {word.node for word in bench.flags} == {"suspects"}
    assert spans[-1] == ([device], ["frozen"], [begin], [begin + SECOND])
    assert {(start, kind) for _, [kind], [start], _ in spans} == {(begin, "frozen")}
    assert [word.going.tolist() for word in bench.flags].count([0]) == 1
    health = bench.node.health(bench.now)
    at = health["labels"].index("PMU 2")
    assert dict(zip(health["columns"], health["counts"][at].tolist(), strict=True))["flags"] == 1


def test_what_is_bad_now_is_an_alarm(tmp_path: Path):
    bench = Bench(tmp_path, sweep="5 s")
    bench.begin()
    window = bench.windows[-1]
    count = window.values.shape[-1]
    bad = {"device": 0, "kind": "drift", "start": count - 100, "stop": count, "score": 2.0, "detail": {}}
    bench.hear(bench.node.receive(judge(window, suspicious=False, detail={"bad": [bad]}), bench.now))
    [alarm] = [each for each in bench.node.health(bench.now)["alarms"] if "bad data" in each]
    assert f"device {window.device[0]}" in alarm
    assert "drift since" in alarm


def test_bad_data_that_nobody_looks_at_any_more_do_not_go_on_for_ever(bench: Bench):
    bench.say(verdict(2, 19.1))
    bench.feed(20, 20.2)
    [window] = bench.windows
    count = window.values.shape[-1]
    bad = {"device": 1, "kind": "frozen", "start": count - 100, "stop": count, "score": 2.0, "detail": {}}
    said = judge(window)
    bench.hear(bench.node.receive(replace(said, detail=said.detail | {"bad": [bad]}), bench.now))
    assert bench.flags[-1].going.tolist() == [1]
    for seconds, going in ((900, [1]), (930, [0])):
        bench.say(snapshots(seconds * RATE, seconds * RATE + 10, [1, 2, 3]))
        bench.hear(bench.node.wake(bench.now))
        assert bench.flags[-1].going.tolist() == going
    assert (len(bench.flags), bench.flags[-1].stop.tolist()) == (2, bench.flags[0].stop.tolist())
    assert not [each for each in bench.node.health(bench.now)["alarms"] if "bad data" in each]


def test_a_sweep_is_skipped_while_the_last_one_waits(tmp_path: Path):
    bench = Bench(tmp_path, sweep="5 s")
    bench.begin()
    bench.windows = bench.windows[:1]
    bench.answer()
    counters = bench.node.health(bench.now)["counters"]
    assert (counters["sweeps"], counters["sweeps_skipped"]) == (1, 3)
    bench.feed(20, 25)
    bench.answer()
    assert bench.node.counters["sweeps"] == 2


def test_events_may_be_fetched(bench: Bench):
    bench.say(verdict(2, 19.1))
    bench.feed(20, 20.2)
    bench.answer()
    epoch = bench.events[0].epoch
    [letter] = [
        each for each in bench.node.receive(Fetch("archive", epoch, 0, 1), bench.now) if isinstance(each, Letter)
    ]
    assert letter.message.id == bench.events[0].id


def test_too_many_bytes_waiting_are_given_up_and_said(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("nodes._eventtrigger.WAITING", 60_000)
    bench.say(verdict(2, 19.1))
    bench.feed(20, 24)
    assert len(bench.windows) == 1
    bench.answer()
    assert bench.told[:2] == [(1, False, "ok", "gen_trip"), (2, False, "failed", "unknown")]
    assert "too many windows wait" in bench.events[1].error


@pytest.mark.parametrize(
    "wrong",
    [{"nearest": None}, {"nearest": [7]}, {"onset": "soon"}, {"onset": float("inf")}, {"arrival": None},
     {"bad": [{"device": 9}]}, {"bad": [{"device": 0, "kind": "spikes", "start": 1, "stop": 2, "score": None}]}],
)  # fmt: skip
def test_a_report_that_cannot_be_read_is_none(bench: Bench, wrong: dict[str, Any]):
    bench.say(verdict(2, 19.1))
    bench.feed(20, 20.2)
    [window] = bench.windows
    said = judge(window)
    bench.hear(bench.node.receive(replace(said, detail=said.detail | wrong), bench.now))
    [event] = bench.events
    assert (event.outcome, event.disturbance, bench.flags) == ("failed", False, [])
    assert "reports can't be read" in event.error


@pytest.mark.parametrize("amplitude", [None, ["much"], [1.0, 2.0, 3.0, 4.0]])
def test_a_sweep_whose_report_cannot_be_read_is_no_suspicion(tmp_path: Path, amplitude: Any):
    bench = Bench(tmp_path, sweep="10 s")
    bench.begin()
    bench.feed(20, 31)
    for window in bench.windows:
        said = judge(window, suspicious=True)
        bench.hear(bench.node.receive(replace(said, detail=said.detail | {"amplitude": amplitude}), bench.now))
    assert bench.node.counters["sweeps"] == bench.node.counters["failed"] > 0
    assert bench.node.book.counts["suspicions"] == 0


def test_sweeps_leave_room_for_what_is_suspected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("nodes._eventtrigger.WAITING", 150_000)  # four windows of three devices, of 16 s
    bench = Bench(tmp_path, sweep="5 s")
    for link in range(1, 13):
        bench.say(configuration(link, region=f"region {link // 3}"))
    bench.feed(0, 30, list(range(1, 13)))
    assert bench.node.counters["sweeps_skipped"] > 0
    bench.say(verdict(4, 29.1, stop=29.2))
    bench.feed(30, 30.2, list(range(1, 13)))
    assert bench.node.counters["dead"] == 0
    assert bench.events == []


def test_what_waited_for_an_event_without_data_is_forgotten(tmp_path: Path):
    bench = Bench(tmp_path)
    bench.say(verdict(2, 19.1))
    bench.hear(bench.node.wake(bench.now))
    bench.begin()
    bench.feed(20, 26)
    bench.answer()
    assert bench.events[-1].final
    assert list(bench.node.heard) == [("align", 50)]
