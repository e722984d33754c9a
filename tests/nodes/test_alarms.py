"""The node that raises alarms: of limits, events, bad data and processes; what people do; restarts at every step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nodes._authority import Authority
from nodes._node import Place
from protocol.clock import SECOND
from protocol.messages import Alarm, Announce, Fetch, Numbered
from tests.alarming import LIMITS, Bench, action, event, flags, health, hertz, in_order, place
from tests.suspicions import configuration, later, moment, number, snapshots

GOOD = {1: 50.0, 2: 50.0}
LOW = {1: 49.7, 2: 50.0}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(place(tmp_path, watched=("align", "archive", "alarms"))).begin(0)
    bench.hear(configuration(1), configuration(2, 1, region="north"), seconds=0)
    return bench


def test_a_limit_is_raised_and_cleared(bench: Bench):
    assert bench.hear(hertz(0, 50, 2, GOOD), seconds=1) == []
    assert bench.hear(hertz(50, 54, 3, LOW), seconds=2) == []
    assert bench.hear(hertz(54, 60, 4, LOW), seconds=2) == [("Frequency", "raised", "unacknowledged")]
    word = bench.words[-1]
    assert (word.subject, word.device, word.source, word.severity) == ("PMU 1", number(1), "limit", "warning")
    assert word.text == "frequency 49.7 Hz, below 49.8 Hz"
    assert (word.value, word.limit, word.unit) == (pytest.approx(49.7, abs=1e-4), 49.8, "Hz")
    assert word.raised == moment(1 + 5 / 50)
    assert bench.hear(hertz(60, 70, 5, GOOD), seconds=3) == [("Frequency", "cleared", "returned")]


def test_late_and_repeated_slots_say_nothing(bench: Bench):
    bench.hear(hertz(0, 50, 2, GOOD), seconds=1)
    assert bench.hear(hertz(0, 40, 3, LOW, late=True), hertz(10, 50, 4, LOW), seconds=1) == []
    assert bench.hear(hertz(40, 56, 5, LOW), seconds=1) == [("Frequency", "raised", "unacknowledged")]


def test_what_is_marked_invalid_or_held_says_nothing(bench: Bench):
    low = hertz(0, 50, 2, LOW)
    assert bench.hear(replace(low, status=np.full((50, 2), 0x8000, np.uint16)), seconds=1) == []
    held = hertz(50, 100, 3, LOW)
    assert bench.hear(replace(held, present=np.full((50, 2), 2, np.uint8)), seconds=2) == []


def test_the_phases_of_a_device_are_one_alarm(bench: Bench):
    word = snapshots(0, 3, [1, 2], 2)
    values = word.values.copy()
    values[..., 0] = 50
    values[1:, 0, 2] = 80
    values[2:, 0, 4] = 70
    assert bench.hear(replace(word, values=values), seconds=1) == [("Voltage", "raised", "unacknowledged")]
    assert bench.words[-1].text == "voltage 80 V at VA, below 90 V"


def test_one_alarm_for_a_region_or_the_site(tmp_path: Path):
    limits = [{**LIMITS[0], "each": "site"}, {**LIMITS[0], "name": "Region", "each": "region", "regions": ["north"]}]
    bench = Bench(place(tmp_path, limits=limits)).begin(0)
    bench.hear(configuration(1, region="north"), configuration(2, 1), seconds=0)
    told = bench.hear(hertz(0, 50, 2, {1: 49.7, 2: 49.6}), seconds=1)
    assert sorted(told) == [("Frequency", "raised", "unacknowledged"), ("Region", "raised", "unacknowledged")]
    by_kind = {word.kind: word for word in bench.words}
    assert (by_kind["Frequency"].subject, by_kind["Frequency"].device) == ("site", 0)
    assert (by_kind["Region"].subject, by_kind["Region"].region) == ("north", "north")
    assert bench.hear(hertz(50, 60, 3, {1: 50, 2: 49.6}), seconds=2) == [("Region", "cleared", "returned")]
    assert bench.hear(hertz(60, 70, 4, GOOD), seconds=2) == [("Frequency", "cleared", "returned")]


def test_a_limit_without_data_goes_stale(bench: Bench):
    bench.hear(hertz(0, 50, 2, LOW), seconds=1)
    assert [each for each in bench.wake(50) if each[0] == "Frequency"] == []
    assert ("Frequency", "stale", "unacknowledged") in bench.wake(70)


def test_an_event_is_raised_updated_and_over(bench: Bench):
    assert bench.hear(event(1, 0), seconds=5) == [("gen_trip", "raised", "unacknowledged")]
    word = bench.words[-1]
    assert (word.severity, word.device, word.region) == ("serious", number(2), "north")
    assert word.text == ("gen trip, -80 mHz, -500 MW, near PMU 2, at 31.50 120.50 ± 70 km, at 22:13:20 UTC, 90% sure, "
                         "2 devices looked at; more is to come")  # fmt: skip
    assert bench.hear(event(2, 1, size_mhz=-210.0), seconds=10) == [("gen_trip", "escalated", "unacknowledged")]
    assert bench.hear(event(3, 2, size_mhz=-210.0), seconds=20) == [("gen_trip", "updated", "unacknowledged")]
    bench.hear(action("acknowledge", bench.words[-1].id), seconds=30)
    assert ("gen_trip", "cleared", "normal") in bench.wake(621)


def test_what_turns_out_to_be_no_event_is_over_at_once(bench: Bench):
    bad = [{"device": number(1), "kind": "clock_offset", "start": 0, "stop": 1, "score": 3.0}]
    assert bench.hear(event(1, 0, disturbance=False, kind="none"), seconds=5) == []
    bench.hear(event(2, 1), seconds=10)
    assert bench.hear(event(3, 2, disturbance=False, kind="none", bad=bad), seconds=20) == [
        ("gen_trip", "cleared", "returned")
    ]
    assert bench.words[-1].text == "no disturbance: bad data, clock offset"


def test_how_grave_events_are_is_a_setting(tmp_path: Path):
    grades = [{"kinds": ["gen_*"], "above": "100 mHz", "severity": "critical"}, {"kinds": ["osc*"], "severity": "none"},
              {"severity": "notice"}]  # fmt: skip
    bench = Bench(place(tmp_path), events=grades).begin(0)
    told = [event(1, 0, size_mhz=-120.0), event(1, 1, id="2"), event(1, 2, id="3", kind="oscillation")]
    assert len(bench.hear(*told, seconds=1)) == 2
    assert [word.severity for word in bench.words] == ["critical", "notice"]


def test_bad_data_that_last_are_an_alarm_and_suppress_limits(bench: Bench):
    assert bench.hear(flags("frozen", 1, 0, 1, 1, 0), seconds=1) == []
    bench.hear(hertz(0, 50, 2, LOW), seconds=1)
    told = [each for each in bench.wake(11) if each[0] != "monitor"]
    assert ("frozen", "raised", "unacknowledged") in told
    assert ("Frequency", "suppressed", "suppressed") in told
    told = bench.hear(flags("frozen", 1, 0, 20, 0, 1), seconds=21)
    assert told == [("frozen", "cleared", "returned"), ("Frequency", "unsuppressed", "unacknowledged")]
    assert bench.hear(flags("spikes", 1, 22, 23, 1, 2), flags("spikes", 1, 22, 24, 0, 3), seconds=25) == []
    assert [each for each in bench.wake(40) if each[0] == "spikes"] == []


def test_bad_data_told_by_two_are_over_when_neither_tells_it(bench: Bench):
    own = "align/minutes"
    bench.hear(flags("gap", 1, 0, 1, 1, 0), flags("gap", 1, 2, 3, 1, 0, own), seconds=3)
    assert ("gap", "raised", "unacknowledged") in bench.wake(20)
    assert bench.hear(flags("gap", 1, 0, 21, 0, 1), seconds=22) == []
    assert bench.hear(flags("gap", 1, 2, 30, 0, 1, own), seconds=31) == [("gap", "cleared", "returned")]


def test_bad_data_of_a_life_that_is_over_are_over(bench: Bench):
    bench.hear(flags("gap", 1, 0, 1, 1, 0), seconds=3)
    bench.wake(20)
    bench.hear(Announce("suspects", 7, 0, 0, [(1, 0, 1)]), seconds=21)
    assert ("gap", "cleared", "returned") in bench.wake(22)


def test_what_processes_say_is_an_alarm_whatever_the_numbers(bench: Bench):
    say = "archive takes nothing: disk full; 12 MiB free"
    assert bench.hear(health("archive", say, "PMU 1 (device 65536): bad data, gap since x", seconds=1), seconds=1) == []
    bench.hear(health("archive", say.replace("12", "11"), seconds=7), seconds=7)
    assert ("archive", "raised", "unacknowledged") in bench.wake(7)
    assert bench.hear(health("archive", say.replace("12", "10"), seconds=8), seconds=8) == []
    assert bench.hear(health("archive", seconds=9), seconds=9) == [("archive", "cleared", "returned")]


def test_a_process_that_falls_silent_is_an_alarm(bench: Bench):
    for second in range(30, 40):
        bench.hear(health("align", seconds=second), health("archive", seconds=second), seconds=second)
    assert bench.wake(40) == []
    bench.hear(health("align", seconds=46), seconds=46)
    assert bench.wake(46) == [("archive", "raised", "unacknowledged")]
    assert bench.words[-1].text.startswith("archive is silent")
    bench.hear(health("archive", seconds=47), seconds=47)
    assert bench.wake(47) == [("archive", "cleared", "returned")]


def test_people_act_and_are_answered_once_each_time_they_ask(bench: Bench):
    bench.hear(hertz(0, 50, 2, LOW), seconds=1)
    id_ = bench.words[-1].id
    assert bench.hear(action("comment", id_[:5], text="seen"), seconds=2) == [
        ("Frequency", "commented", "unacknowledged")
    ]
    assert bench.hear(action("comment", id_[:5], text="seen"), seconds=3) == [], "sent again, done once"
    assert [(each.request, each.done) for each in bench.answers] == [("r1", True)] * 2
    assert bench.hear(action("shelve", id_, "r2", span=SECOND), seconds=4) == []
    assert (bench.answers[-1].done, "reason" in bench.answers[-1].why) == (False, True)
    bench.hear(action("list", request="r3"), seconds=5)
    [told] = bench.answers[-1].alarms
    assert (told["id"], told["comment"], told["state"]) == (id_, "seen", "unacknowledged")
    assert "epoch" not in told


def test_who_may_act(tmp_path: Path):
    where = replace(place(tmp_path), readers_of={"console": ["console"], "archiver": ["archive"]})
    permits = Authority(where).permits
    assert permits(action("list"), "")
    assert permits(action("list", reader="console"), "")
    assert not permits(action("list", reader="suspects"), "")
    assert not Authority(Place("x", "x", 1, {}, {}, "", {}, "")).permits(action("list", reader="console"), "")


def test_changes_may_be_fetched_and_health_counts_them(bench: Bench):
    bench.hear(hertz(0, 50, 2, LOW), seconds=1)
    bench.letters.clear()
    bench.hear(Fetch("archive", bench.node.writer.epoch, 0, 1), seconds=2)
    assert [each.message.change for each in bench.letters] == ["raised"]
    told = bench.node.health(later(2))
    assert told["counters"]["raised"] == 1
    assert told["queues"]["alarms_unacknowledged"] == 1


def test_a_changed_site_file_brings_other_limits(tmp_path: Path):
    file, run = tmp_path / "site.yaml", tmp_path / "run"
    run.mkdir()
    file.write_text("station: test\n")
    bench = Bench(replace(place(run), site_file=file)).begin(0)
    bench.hear(configuration(1), configuration(2, 1), hertz(0, 50, 2, LOW), seconds=1)
    bench.wake(2)
    assert ("Frequency", "cleared", "returned") in bench.wake(4)
    assert bench.hear(hertz(50, 100, 3, LOW), seconds=5) == []
    file.write_text("station: test\nlimits: [{name: F, quantity: frequency, low: 49.9 Hz, delay: 0 s}]\n")
    bench.wake(7)
    bench.wake(9)
    assert bench.hear(hertz(100, 101, 4, LOW), seconds=10) == [("F", "raised", "unacknowledged")]


# ── restarts ────────────────────────────────────────────────────────────────────────────────────────────────────


def script() -> list[Any]:
    """Words of a bad minute, in the order in which they come; with a wake after each."""
    words: list[Numbered] = [configuration(1), configuration(2)]
    low, good = {1: 49.7, 2: 49.6}, GOOD
    for piece, values in enumerate([good, low, low, LOW, {1: 51.2, 2: 50.0}, good, good, LOW, good, good]):
        words += [hertz(7 * piece, 7 * piece + 7, 0, values)]
        if piece == 2:
            words += [event(1), flags("gap", 1, 0, 1, 1)]
        if piece == 5:
            words += [event(2, size_mhz=-300.0), flags("drift", 2, 0, 1, 1, node="align/minutes")]
        if piece == 7:
            words += [event(3, disturbance=False), flags("gap", 1, 0, 11, 0)]
    return in_order(words)


def lived(bench: Bench, words: list[Any], first: int) -> None:
    for place_, word in enumerate(words):
        bench.hear(word, seconds=first + place_)
        bench.wake(first + place_ + 0.5)


def told(words: list[Alarm]) -> list[tuple[Any, ...]]:
    return [(word.id, word.change, word.state, word.raised, word.text) for word in words]


@pytest.mark.parametrize("before_wake", [False, True])
def test_killed_at_any_step_it_says_each_change_once(tmp_path: Path, before_wake: bool):
    words = script()
    whole = Bench(place(tmp_path)).begin(0)
    lived(whole, words, 1)
    wanted = told(whole.words)
    assert len(wanted) > 10
    for at in range(1, len(words)):
        first = Bench(place(tmp_path, tmp_path / f"{before_wake}{at}")).begin(0)
        lived(first, words[: at - 1], 1)
        first.hear(words[at - 1], seconds=at)
        if not before_wake:
            first.wake(at + 0.5)
        first.die()
        second = Bench(first.node.place).begin(at + 0.4, words[: min(at, 2)])
        for place_, word in enumerate(words[at - 1 :], at):  # whoever said them says them again, from before we stood
            second.hear(word, seconds=max(place_, at + 0.4))
            second.wake(place_ + 0.5)
        assert told([*first.words, *second.words]) == wanted, f"killed after word {at}"
        epochs = {word.epoch for word in second.words}
        assert not epochs or min(epochs) > first.node.writer.epoch
        second.die()


def test_actions_outlive_a_kill_and_are_known_when_they_come_again(tmp_path: Path):
    where = place(tmp_path, tmp_path / "journal")
    first = Bench(where).begin(0)
    first.hear(configuration(1), configuration(2, 1), hertz(0, 50, 2, LOW), seconds=1)
    asked = action("shelve", first.words[0].id, text="works", span=100 * SECOND)
    first.hear(asked, seconds=2)
    first.die()
    second = Bench(where).begin(3, [configuration(1), configuration(2, 1)])
    assert second.hear(asked, seconds=4) == []
    assert second.answers[-1].done
    assert second.wake(101) == []
    assert [each for each in second.wake(102.5) if each[0] == "Frequency"] == [
        ("Frequency", "unshelved", "unacknowledged")
    ]
    second.die()


def test_who_said_what_is_told_only_of_what_is_in_the_journal(tmp_path: Path):
    bench = Bench(place(tmp_path, tmp_path / "journal")).begin(0)
    bench.hear(configuration(1), configuration(2, 1), seconds=0.1)
    bench.wake(1)
    bench.letters.clear()
    bench.hear(hertz(0, 50, 2, GOOD), seconds=1.2)
    assert bench.letters == []
    bench.wake(2.1)
    assert [(each.to, each.message.next) for each in bench.letters] == [("align", 3)]
    bench.die()


def test_slots_that_go_far_back_begin_anew(bench: Bench):
    bench.hear(hertz(10_000, 10_050, 2, GOOD), seconds=1)
    assert bench.hear(hertz(0, 50, 3, LOW), seconds=2) == [("Frequency", "raised", "unacknowledged")]
