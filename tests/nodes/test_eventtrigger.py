from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from nodes._case import Case, Due
from nodes._eventtrigger import EventTrigger
from nodes._eventwords import make, said
from nodes._node import Letter, News, Place
from nodes.trigger import Settings, Trigger, trigger
from protocol import wire
from protocol.clock import SECOND, Now
from protocol.messages import Announce, Cause, Event, Fetch, Flags, Numbered, Snapshots, Verdict, Window
from tests.suspicions import FIRST, RATE, START, configuration, later, moment, number, snapshots, verdict

CHOSEN = {"on": "suspicion", "window": ["-10 s", "+6 s"], "answers": ["1 s", "3 s", "6 s"], "late": "8 s"}


def place(run: Path, journal: Path | None = None) -> Place:
    readers = {"detector": ["identify.1", "identify.2"], "archiver": ["archive"]}
    sources = {"concentrator": ["align"], "trigger": ["windows"]}
    return Place("suspects", "suspects", 1, readers, sources, str(run), {}, "p.yaml", journal)


def judge(window: Window, **more: Any) -> Verdict:
    """A detector's answer, which follows from the window: its report has the mean of each device's frequency."""
    values = np.asarray(window.values)
    count = len(window.device)
    report = {
        "disturbance": True,
        "kind": "gen_trip",
        "confidence": 0.9,
        "onset": 9.0,
        "size_mhz": -50.0,
        "size_mw": None,
        "probabilities": {"gen_trip": 0.9, "unknown": 0.1},
        "rules": ["fell everywhere"],
        "arrival": [9.0 + k / 10 for k in range(count)],
        "amplitude": [5.0, None, 7.0][:count],
        "nearest": [1, 0],
        "latitude": 50.0,
        "longitude": None,
        "ellipse": [1.0, 2.0, 3.0],
        "bad": [{"device": 1, "kind": "spikes", "start": 50, "stop": 100, "score": 2.0, "detail": {}}],
        "detection": {"means": np.nanmean(values[:, 0], axis=1).tolist()},
        "location": {},
        "score": 3.0,
    }
    return Verdict(
        **{
            "trigger": window.trigger,
            "lease": window.lease,
            "attempt": window.attempt,
            "worker": "identify.1",
            "algorithm": "disturbance",
            "version": 1,
            "device": window.device,
            "start": window.start,
            "stop": window.start + values.shape[-1] * SECOND // window.rate,
            "outcome": "ok",
            "suspicious": window.detail["event"].endswith("suspects"),
            "onset": window.start + 9 * SECOND,
            "score": 3.0,
            "detail": report,
            "completeness": window.completeness,
        }
        | more
    )


class Bench:
    """An event trigger, what it said, and the windows that it gave out."""

    def __init__(self, run: Path, journal: Path | None = None, now: Now | None = None, **settings: Any) -> None:
        chosen = CHOSEN | {"dead_letters": str(run)} | settings
        self.node = EventTrigger(Settings.model_validate(chosen), place(run, journal))
        self.events: list[Event] = []
        self.flags: list[Flags] = []
        self.windows: list[Window] = []
        self.now = now or later(0)
        self.hear(self.node.start(self.now))
        for node in ("align", "windows"):
            self.hear(self.node.receive(Announce(node, 1, 0, 0), self.now))
        self.at = {"align": 0, "windows": 0}

    def hear(self, actions: Iterable[Any]) -> None:
        for action in actions:
            if isinstance(action, News) and isinstance(action.message, Event):
                self.events.append(wire.unpack(wire.pack(action.message)))
            elif isinstance(action, News) and isinstance(action.message, Flags):
                self.flags.append(wire.unpack(wire.pack(action.message)))
            elif isinstance(action, Letter) and isinstance(action.message, Window):
                self.windows.append(wire.unpack(wire.pack(action.message)))

    def say(self, word: Numbered) -> None:
        """A word of the concentrator, or of the trigger of windows."""
        at = self.at[word.node]
        self.at[word.node] = at + 1
        self.hear(self.node.receive(replace(word, number=at), self.now))

    def answer(self, **more: Any) -> None:
        """All windows that wait."""
        while self.windows:
            self.hear(self.node.receive(judge(self.windows.pop(0), **more), self.now))

    def feed(self, first: float, stop: float, devices: list[int] | None = None) -> None:
        for at in range(round(first * 50), round(stop * 50), 10):
            self.say(snapshots(at, at + 10, devices or [1, 2, 3]))

    def begin(self) -> None:
        for link in (1, 2, 3):
            self.say(configuration(link, latitude=50.0 + link**1.5, longitude=8.0, region="north"))
        self.feed(0, 20)

    @property
    def told(self) -> list[tuple[int, bool, str, str]]:
        return [(each.answer, each.final, each.outcome, each.kind) for each in self.events]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.begin()
    return bench


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
        "event": "20231114T221339.100Z_suspects", "answer": 1,
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


# ── restarts ────────────────────────────────────────────────────────────────────────────────────────────────


def script() -> list[Numbered]:
    """What a trigger is told, in order: a disturbance, joined once, and a second one; a late row."""
    words: list[Numbered] = [configuration(link, region="north") for link in (1, 2, 3)]
    words += [snapshots(at, at + 50, [1, 2, 3]) for at in range(0, 1000, 50)]
    words.append(verdict(2, 19.1))
    words += [snapshots(at, at + 50, [1, 3]) for at in range(1000, 1100, 50)]
    words.append(verdict(3, 19.3, suspicious=False))
    words.append(verdict(3, 19.3))
    words.append(snapshots(1000, 1050, [2], late=True))
    words += [snapshots(at, at + 50, [1, 2, 3]) for at in range(1100, 3200, 50)]
    words.append(verdict(1, 62.5, cause=Cause.ALARM))
    words += [snapshots(at, at + 50, [1, 2, 3]) for at in range(3200, 3600, 50)]
    return words


def told(events: list[Event]) -> list[tuple[Any, ...]]:
    """All that must not depend on when it was said."""
    return [
        (each.id, each.answer, each.final, each.outcome, each.device.tolist(), each.start, each.stop,
         each.detail.get("detection"), [one["device"] for one in each.suspicions])
        for each in events
    ]  # fmt: skip


def run(bench: Bench, words: list[Numbered], slow: bool) -> None:
    """Windows are answered after the word that made them due, or one word later."""
    for word in words:
        waiting, bench.windows = bench.windows, []
        if not slow:
            bench.windows = waiting
        if isinstance(word, Snapshots):
            bench.now = max(bench.now, later((int(word.slot[-1]) - FIRST) / RATE))
        bench.say(word)
        bench.hear(bench.node.wake(bench.now))
        bench.windows, fresh = (waiting, bench.windows) if slow else (bench.windows, [])
        bench.answer()
        bench.windows = fresh


def uninterrupted(tmp_path: Path, slow: bool) -> list[tuple[Any, ...]]:
    bench = Bench(tmp_path, sweep="20 s")
    run(bench, script(), slow)
    bench.answer()
    return told(bench.events)


@pytest.mark.parametrize("slow", [False, True])
def test_a_restart_at_any_step_says_the_same_answers_once(tmp_path: Path, slow: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("nodes._leasing.SEGMENT", 20_000)
    words = script()
    wanted = uninterrupted(tmp_path, slow)
    assert [row[1:3] for row in wanted] == [(1, False), (2, False), (3, True)] * 2
    for at in [*range(0, 22, 7), *range(22, 34), *range(80, len(words), 6 if slow else 9)]:
        folder = tmp_path / f"{slow}{at}"
        first = Bench(folder, folder / "journal", sweep="20 s")
        run(first, words[:at], slow)
        assert first.node.writer.keeper is not None
        assert at < 90 or first.node.writer.keeper.counters["bytes"] < 450_000, "what nobody needs is gone"
        first.node.writer.keeper.close()
        second = Bench(folder, folder / "journal", first.now, sweep="20 s")
        second.hear(second.node.wake(second.now))
        for node in second.at:  # what it had not taken for good is told again
            _, second.at[node] = second.node.standing.get(node, (1, 0))
            said = [word for word in words[:at] if word.node == node]
            run(second, [*said[second.at[node] :]], slow)
        assert second.at == first.at
        run(second, words[at:], slow)
        second.answer()
        assert told([*first.events, *second.events]) == wanted, f"killed before word {at}"
        list(second.node.stop(second.now))


def test_a_late_answer_to_an_earlier_life_counts_once(tmp_path: Path):
    first = Bench(tmp_path, tmp_path / "journal")
    first.begin()
    first.say(verdict(2, 19.1))
    first.feed(20, 20.2)
    [window] = first.windows
    assert first.node.writer.keeper is not None
    first.node.writer.keeper.close()
    second = Bench(tmp_path, tmp_path / "journal")
    second.hear(second.node.wake(second.now))
    [again] = second.windows
    assert (again.lease != window.lease, again.values.tobytes()) == (True, window.values.tobytes())
    second.hear(second.node.receive(judge(window), second.now))
    second.answer()
    assert second.told == [(1, False, "ok", "gen_trip")]
    assert second.node.counters["twins"] == 1
    list(second.node.stop(second.now))


def restarted(bench: Bench, run: Path, **settings: Any) -> Bench:
    """Killed, and started again."""
    assert bench.node.writer.keeper is not None
    bench.node.writer.keeper.close()
    again = Bench(run, run / "journal", bench.now, **settings)
    again.at = {node: at for node, (_, at) in again.node.standing.items()}
    again.hear(again.node.wake(again.now))
    return again


def test_an_answer_that_waits_for_an_earlier_one_outlives_a_new_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("nodes._leasing.SEGMENT", 20_000)
    first = Bench(tmp_path, tmp_path / "journal")
    first.begin()
    first.say(verdict(2, 19.1))
    first.feed(20, 23)
    _, quick = first.windows
    first.windows = []
    first.hear(first.node.receive(judge(quick), first.now))
    first.feed(23, 24)  # the journal begins new segments meanwhile
    assert first.events == []
    second = restarted(first, tmp_path)
    second.answer()
    second.feed(24, 26)
    second.answer()
    assert [each.answer for each in second.events] == [1, 2, 3]
    list(second.node.stop(second.now))


def test_what_it_has_heard_of_verdicts_is_not_asked_for_again(tmp_path: Path):
    first = Bench(tmp_path, tmp_path / "journal")
    first.begin()
    first.say(verdict(2, 19.1, suspicious=False))
    second = restarted(first, tmp_path)
    assert second.at["windows"] == 1
    list(second.node.stop(second.now))


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


def test_what_was_said_at_once_is_not_said_again_after_a_restart(tmp_path: Path):
    first = Bench(tmp_path, tmp_path / "journal", samples="1 KiB")
    first.begin()
    first.feed(20, 26)
    first.say(verdict(2, 19.1))
    assert first.told == [(1, True, "incomplete", "unknown")]
    second = restarted(first, tmp_path, samples="1 KiB")
    second.feed(26, 27)
    second.answer()
    assert (second.told, second.node.health(second.now)["queues"]["in_flight"]) == ([], 0)
    list(second.node.stop(second.now))


# ── settings ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"answers": ["3 s"]}, "`answers` is not of `on: schedule`; leave it out, or write on: suspicion"),
        (
            {"on": "suspicion", "every": "10 s"},
            "`every` is not of `on: suspicion`; leave it out, or write on: schedule",
        ),
        ({"on": "suspicion", "window": "180 s"}, "`window` does not fit `on: suspicion`; write two offsets"),
        ({"window": ["-1 s", "1 s"]}, "`window` does not fit `on: schedule`; write a length"),
        ({"on": "suspicion", "window": ["1 s", "30 s"]}, "does not lie around the onset"),
        ({"on": "suspicion", "window": ["-1 s"]}, "is not two offsets"),
        ({"on": "suspicion", "answers": ["3 s", "3 s"]}, "`answers` do not ascend"),
        ({"on": "suspicion", "answers": ["3 s", "31 s"]}, "the last of `answers` is after the end of `window`"),
        ({"on": "suspicion", "age": "2 min"}, "`age` of the journal is below `window` \\+ `late`"),
        ({"on": "suspicion", "neighbours": "near"}, "says no neighbours; write region, all, or a distance as 300 km"),
        ({"on": "suspicion", "neighbours": "300 s"}, "unknown unit 's'"),
        ({"window": "10 ms"}, "is too short"),
        ({"on": "suspicion", "sweep": "20 ms"}, "`sweep` is below 1 s; write 60 s, or 0 s for none"),
    ],
)
def test_settings_that_do_not_fit(given: dict[str, Any], fault: str):
    with pytest.raises(ValidationError, match=fault):
        Settings.model_validate(given)


def test_settings_that_fit():
    chosen = Settings.model_validate({"on": "suspicion", "neighbours": "300 km", "window": ["-150 s", "+30 s"]})
    assert chosen.event_shape.neighbours == 300.0
    assert chosen.event_shape.held == (150 + 120 + 2) * SECOND
    assert chosen.model_dump(mode="json")["window"] == ["-150 s", "30 s"]
    assert chosen.model_dump(mode="json")["neighbours"] == "300 km"
    assert Settings(on="suspicion").event_shape.neighbours == "region"
    assert Now(0, START).utc == START


def test_words_of_hundreds_of_devices_are_messages():
    m, n = 300, 500
    devices = tuple(number(link) for link in range(1, m + 1))
    values = np.zeros((m, 7, n), np.float32)
    due = Due("x_suspects", 1, True, Cause.SUSPICION, RATE, devices, FIRST, 0, values, 0, n)
    window = wire.unpack(wire.pack(make(due, "suspects", {}).window))
    assert window.values.shape == (m, 7, n)
    flags = [{"device": k, "kind": "spikes", "start": 1, "stop": 9, "score": 1.0, "detail": {}} for k in range(m)] * 10
    report = {"bad": flags, "arrival": [1.5] * m, "amplitude": [1.0] * m, "nearest": list(range(m))}
    verdict = wire.unpack(wire.pack(judge(window, detail=report)))
    event = wire.unpack(wire.pack(said(due, Case("x_suspects", 0, 0, 0), verdict)))
    assert (len(event.bad), event.bad[-1]["device"], event.nearest[-1]) == (10 * m, devices[-1], devices[-1])
    assert event.arrival.tolist() == [moment(1.5)] * m
