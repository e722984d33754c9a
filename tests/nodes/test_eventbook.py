from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algorithms.lastvalues import HELD
from nodes._case import Due, Suspicion
from nodes._eventbook import SILENT, Book
from nodes._eventgrid import Known
from nodes._triggersettings import Settings
from protocol.clock import SECOND
from protocol.messages import Cause, Snapshots, Table
from tests.suspicions import FIRST, RATE, configuration, moment, number, pieces, snapshots, verdict


def book(links: list[int] | None = None, **chosen: Any) -> Book:
    told = {"on": "suspicion", "window": ["-10 s", "+6 s"], "answers": ["1 s", "3 s", "6 s"], "late": "8 s"} | chosen
    made = Book("suspects", Settings.model_validate(told).event_shape)
    for link in links or [1, 2, 3]:
        made.configure(number(link), Known.of(configuration(link)))
    return made


def push(to: Book, word: Snapshots) -> list[Due]:
    return list(to.take(to.reduce(word, utc=word.slot[0])))


def feed(
    to: Book, first: float, stop: float, devices: list[int] | None = None, step: int = 10, **more: Any
) -> list[Due]:
    """Seconds [first, stop) in words of `step` slots."""
    found = []
    for at in range(round(first * RATE), round(stop * RATE), step):
        found += push(to, snapshots(at, min(at + step, round(stop * RATE)), devices or [1, 2, 3], **more))
    return found


def suspect(to: Book, link: int, onset: float, **more: Any) -> list[Due]:
    said = verdict(link, onset, **more)
    return list(to.suspect(Suspicion.of(said, int(said.device[0]))))


def told(due: list[Due]) -> list[tuple[str, int, bool, float]]:
    """(id, answer, final, seconds to the end of the window)"""
    return [(each.event, each.answer, each.final, (each.stop - moment(0)) / SECOND) for each in due]


def test_a_suspicion_opens_an_event_whose_answers_are_due_by_the_slots():
    to = book()
    feed(to, 0, 20)
    assert suspect(to, 2, onset=19.5) == []
    name = "20231114T221339.500Z_suspects"
    assert told(feed(to, 20, 20.4)) == []
    assert told(feed(to, 20.4, 20.6)) == [(name, 1, False, 20.5)]
    assert told(feed(to, 20.6, 30)) == [(name, 2, False, 22.5), (name, 3, True, 25.5)]
    assert to.open == []
    assert to.counts == {"suspicions": 1, "opened": 1, "joined": 0}


def test_a_window_holds_what_the_devices_told():
    to = book()
    feed(to, 0, 20)
    suspect(to, 2, onset=19.1)
    [due] = feed(to, 20, 20.2)
    assert due.devices == (number(2), number(1), number(3))
    assert due.values is not None
    assert due.values.shape == (3, 7, 550)
    assert (due.first, due.samples, due.since) == (FIRST + 455, 550, 5 * RATE)
    frequency, magnitude, angle, negative, zero, active, reactive = due.values[0]
    np.testing.assert_allclose(frequency, 50.02 + np.arange(455, 1005) / 1e4, rtol=1e-6)
    np.testing.assert_allclose([magnitude, angle, negative, zero], [[100], [0], [0], [0]] * np.ones(550), atol=1e-4)
    np.testing.assert_allclose([active, reactive], [[3e-3], [0]] * np.ones(550), atol=1e-6)


def test_a_late_suspicion_gets_the_latest_answer_at_once_and_those_after_it():
    to = book()
    feed(to, 0, 20)
    assert [each[1:] for each in told(suspect(to, 1, onset=15))] == [(1, False, 18.0)]
    assert [each[1:] for each in told(feed(to, 20, 25))] == [(2, True, 21.0)]
    assert [each[1:] for each in told(suspect(to, 1, onset=12, stop=24))] == []
    assert len(to.cases) == 1, "12 s lies within `join` of 15 s"


def test_one_that_is_over_has_its_final_answer_at_once():
    to = book()
    feed(to, 0, 20)
    [due] = suspect(to, 1, onset=13)
    assert (due.answer, due.final, due.samples) == (1, True, 16 * RATE)


def test_a_window_begins_with_the_first_sample_that_is_held():
    to = book()
    feed(to, 0, 40)
    [due] = suspect(to, 1, onset=22)
    held = 10 + 8 + 2
    assert due.start >= moment(40 - held - 3)
    assert due.stop == moment(28)
    assert due.samples == (due.stop - due.start) * RATE // SECOND


def test_suspicions_of_one_disturbance_are_one_event():
    to = book(join="5 s")
    feed(to, 0, 20)
    suspect(to, 1, onset=19.5)
    feed(to, 20, 21)
    suspect(to, 2, onset=19.8)
    feed(to, 21, 30)
    suspect(to, 3, onset=19.0, stop=29)
    assert [case.suspected for case in to.cases.values()] == [[number(1), number(2)]], (
        "the third came after the last window"
    )
    assert to.counts == {"suspicions": 3, "opened": 1, "joined": 2}
    suspect(to, 3, onset=29.5)
    assert len(to.cases) == 2


def test_an_early_window_tells_of_its_alarm_not_of_an_older_event_in_it():
    to = book(join="5 s")
    feed(to, 0, 20)
    suspect(to, 1, onset=19.5)
    feed(to, 20, 32)
    suspect(to, 1, onset=19.6, stop=32, cause=Cause.SCHEDULE)
    assert len(to.cases) == 1, "the window of the schedule still holds the first disturbance"
    suspect(to, 1, onset=19.6, stop=32, cause=Cause.ALARM)
    first, second = to.cases.values()
    assert (second.onset, second.earliest) == (moment(30), moment(30))
    assert first.id != second.id


def test_what_an_alarm_shows_before_it_is_looked_at_if_nobody_else_did():
    to = book()
    feed(to, 0, 20)
    suspect(to, 1, onset=12, stop=20, cause=Cause.ALARM)
    [case] = to.cases.values()
    assert (case.onset, case.earliest) == (moment(18), moment(12))


def test_an_oscillation_that_goes_on_is_one_event():
    to = book(join="5 s")
    feed(to, 0, 20)
    suspect(to, 1, onset=19.1)
    feed(to, 20, 26)
    [case] = to.cases.values()
    case.kind, case.latest = "osc_inter_area", moment(25)
    for onset in (24, 29, 33.5, 38):
        feed(to, onset, onset + 4.5)
        suspect(to, 2, onset=onset)
    assert len(to.cases) == 1
    feed(to, 42.5, 50)
    suspect(to, 2, onset=49)
    assert len(to.cases) == 2


def test_neighbours_are_those_of_the_region():
    to = book([1, 2, 3])
    for link, region in ((1, "north"), (2, "south"), (3, "north")):
        to.configure(number(link), Known.of(configuration(link, region=region)))
    feed(to, 0, 20)
    suspect(to, 3, onset=19.1)
    [first] = feed(to, 20, 20.2)
    assert first.devices == (number(3), number(1))
    suspect(to, 2, onset=19.1)
    [second] = feed(to, 20.2, 22.2)
    assert second.devices == (number(3), number(2), number(1)), "one disturbance, two regions: one event"


def looked_at_in_the_north() -> Book:
    """Two devices, one a region; an event of the first one has all its answers."""
    to = book([1, 2])
    for link, region in ((1, "north"), (2, "south")):
        to.configure(number(link), Known.of(configuration(link, region=region)))
    feed(to, 0, 20, [1, 2])
    suspect(to, 1, onset=19.1)
    feed(to, 20, 26, [1, 2])
    return to


def test_who_was_not_looked_at_in_time_has_an_event_of_its_own():
    to = looked_at_in_the_north()
    [due] = suspect(to, 2, onset=19.1)
    assert due.final
    assert due.event == "20231114T221339.101Z_suspects", "the millisecond of the other one is taken"
    assert due.devices == (number(2),)


def test_a_disturbance_that_was_told_is_no_event_of_who_was_not_looked_at():
    to = looked_at_in_the_north()
    [case] = to.cases.values()
    case.found = moment(18.7)
    assert suspect(to, 2, onset=19.1) == []
    assert to.counts == {"suspicions": 2, "opened": 1, "joined": 1}
    [other] = suspect(to, 2, onset=24.5)
    assert other.devices == (number(2),), "within `join`, but not that disturbance"


def test_devices_within_kilometres_nearest_first():
    to = book([1, 2, 3, 4], neighbours="300 km", most=3)
    for link, latitude in ((1, 50.0), (2, 52.0), (3, 51.0), (4, 54.0)):
        to.configure(number(link), Known.of(configuration(link, latitude=latitude, longitude=10.0)))
    feed(to, 0, 20, [1, 2, 3, 4])
    suspect(to, 1, onset=19.1)
    [due] = feed(to, 20, 20.2, [1, 2, 3, 4])
    assert due.devices == (number(1), number(3), number(2))


def test_devices_of_another_rate_are_left_out():
    other = Table(25, 6, 0, 0)
    to = book([1, 2])
    to.configure(number(4), Known.of(configuration(4, table=other)))
    feed(to, 0, 20, [1, 2])
    word = snapshots(0, 500, [4], table=other)
    push(to, word)
    suspect(to, 1, onset=19.1)
    suspect(to, 4, onset=19.1)
    [due] = feed(to, 20, 20.2, [1, 2])
    assert due.devices == (number(1), number(2))
    assert [each["device"] for each in to.cases[due.event].suspicions] == [number(1), number(4)]


def test_tables_of_one_rate_are_one_grid_and_wait_for_each_other():
    small = Table(RATE, 1, 0, 0)
    to = book([1])
    to.configure(number(5), Known.of(configuration(5, table=small)))
    for second in range(20):
        feed(to, second, second + 1, [1])
        feed(to, second, second + 1, [5], table=small)
    suspect(to, 1, onset=19.1)
    assert feed(to, 20, 20.6, [1]) == []
    [due] = feed(to, 20, 20.6, [5], table=small)
    assert due.devices == (number(1), number(5))
    assert due.values is not None
    assert np.isfinite(due.values[:, :3]).all()
    assert np.isnan(due.values[1, 3:]).all(), "a device with one phasor tells no negative sequence and no power"
    assert len(feed(to, 20.6, 23.2, [1])) == 1, "the other table is a second behind: it has stopped"


def test_rows_that_came_late_are_filled_in():
    to = book()
    feed(to, 0, 15, [1, 2, 3])
    feed(to, 15, 16, [1, 3])
    feed(to, 16, 20)
    push(to, snapshots(15 * RATE, 16 * RATE, [2], late=True))
    suspect(to, 2, onset=19.1)
    [due] = feed(to, 20, 20.2)
    assert due.values is not None
    assert np.isfinite(due.values).all()


def test_what_only_stands_for_a_missing_row_is_missing():
    to = book()
    feed(to, 0, 19)
    present = np.full((RATE, 3), HELD, np.uint8)
    push(to, snapshots(19 * RATE, 20 * RATE, [1, 2, 3], present=present))
    suspect(to, 2, onset=19.1)
    [due] = feed(to, 20, 20.2)
    assert due.values is not None
    held = slice(495, 545)
    assert np.isnan(due.values[:, :, held]).all()
    assert np.isfinite(np.delete(due.values, held, axis=2)).all()


def test_a_suspicion_of_somebody_who_is_not_known_waits_for_its_slots():
    to = book()
    assert suspect(to, 2, onset=19.1) == []
    assert [each.answer for each in feed(to, 0, 20.2)] == [1]
    [due] = to.close(to.open[0].id)
    assert (due.answer, due.final) == (2, True)


def test_one_that_is_closed_has_what_there_is():
    to = book()
    feed(to, 0, 20)
    suspect(to, 2, onset=19.5)
    [case] = to.open
    [due] = to.close(case.id)
    assert (due.answer, due.final, due.stop) == (1, True, moment(20))
    assert list(to.close(case.id)) == []
    suspect(to, 9, onset=70)
    [due] = to.close(to.open[0].id)
    assert (due.devices, due.samples, due.final) == ((), 0, True)


def test_slots_that_go_back_end_what_was_open():
    to = book()
    feed(to, 3600, 3620)
    suspect(to, 2, onset=3619.5)
    [due] = push(to, snapshots(0, 10, [1, 2, 3]))
    assert (due.final, due.stop) == (True, moment(3620))
    feed(to, 0.2, 20)
    suspect(to, 2, onset=19.1)
    assert len(feed(to, 20, 20.2)) == 1


def test_a_leap_of_the_slots_loses_no_window():
    to = book()
    feed(to, 0, 20)
    suspect(to, 2, onset=19.1)
    due = feed(to, 100, 101)
    assert [each.answer for each in due] == [1, 2, 3]
    assert [each.samples for each in due] == [11 * RATE, 13 * RATE, 16 * RATE]
    assert due[0].values is not None
    assert np.isnan(due[0].values[..., 545:]).all(), "these slots were never told"
    assert np.isfinite(due[0].values[..., :545]).all()


def test_sweeps_judge_every_region_by_the_time_of_the_data():
    to = book([1, 2, 3, 4, 5], sweep="5 s", most=2)
    for link, region in ((1, "north"), (2, "north"), (3, "north"), (4, "south"), (5, "south")):
        to.configure(number(link), Known.of(configuration(link, region=region)))
    due = feed(to, 0, 12, [1, 2, 3, 4, 5])
    assert {each.cause for each in due} == {Cause.SWEEP}
    north, south = (number(1), number(3)), (number(4), number(5))
    swept = [(each.devices, (each.stop - moment(0)) / SECOND) for each in due]
    assert sorted(swept) == [(north, 5.0), (north, 10.0), (south, 5.0), (south, 10.0)]
    assert swept[0][0] != swept[2][0], "the first in turn is another one each time"
    assert due[2].since == 0
    assert len({each.key for each in due}) == 4
    [*_, last] = feed(to, 12, 40, [1, 2, 3, 4, 5])
    assert last.since == last.samples - (5 + 6) * RATE, "each moment is looked at once with what followed it"


def test_slow_tables_and_spectra_are_left_out():
    to = book()
    slow = Table(1, 6, 0, 0)
    assert to.reduce(snapshots(0, 5, [1], table=slow), 0).slot.size == 0
    spectra = Table(RATE, 1, 0, 0, 49)
    word = snapshots(0, 5, [1])
    wide = np.zeros((5, 1, spectra.channels), np.float32)
    assert to.reduce(snapshots(0, 5, [1], table=spectra, values=wide), 0).slot.size == 0
    assert to.reduce(word, 0).slot.size == 5


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.integers(1, 1499), max_size=12),
    st.lists(st.tuples(st.integers(700, 1400), st.integers(1, 3), st.floats(-6, 2)), max_size=4),
)
def test_the_same_words_in_other_pieces_make_the_same_windows(
    cuts: list[int], suspicions: list[tuple[int, int, float]]
) -> None:
    """Suspicions come when a certain slot has; all else may come in any pieces."""
    at = sorted(slot for slot, *_ in suspicions)

    def run(edges: list[int]) -> list[Due]:
        to, found, left = book(join="2 s", sweep="4 s"), list[Due](), sorted(suspicions)
        for first, stop in pieces(1500, edges + at):
            found += push(to, snapshots(first, stop, [1, 2, 3]))
            while left and left[0][0] <= stop:
                slot, link, after = left.pop(0)
                found += suspect(to, link, onset=slot / RATE + after)
        return found

    one, other = ({each.key: each for each in run(edges)} for edges in (cuts, list(range(0, 1500, 15))))
    assert one.keys() == other.keys()
    for key, each in one.items():
        assert each._replace(values=None, came=0) == other[key]._replace(values=None, came=0)
        np.testing.assert_array_equal(each.values, other[key].values)


def test_a_verdict_without_an_onset_is_of_its_window():
    said = replace(verdict(1, 5), onset=0)
    assert Suspicion.of(said, 1).onset == said.start


def test_memory_for_samples_is_bounded():
    to = book(samples="64 KiB")
    feed(to, 0, 20)
    [grid] = to.grids.values()
    assert grid.recent.size == 65536 // (4 * 7 * 3)
    [due] = suspect(to, 1, onset=13)
    assert due.samples == 16 * RATE - (20 * RATE - grid.recent.size - 3 * RATE)


def test_who_has_fallen_silent_is_forgotten_but_for_its_open_events():
    to = book()
    feed(to, 0, 20)
    suspect(to, 2, onset=19.5)
    other = snapshots(1000, 1010, [9], table=Table(25, 6, 0, 0))
    utc = int(other.slot[0]) + SILENT + 100
    list(to.take(to.reduce(other, utc)))
    assert len(to.grids) == 2, "an event of it is open"
    list(to.close(to.open[0].id))
    list(to.take(to.reduce(other, utc)))
    assert list(to.grids) == [("align", 25)]
    assert to.since() == utc


def test_a_window_is_never_larger_than_a_message(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("nodes._eventbook.LARGEST", 4 * 7 * 3 * 200)
    to = book(neighbours="all")
    feed(to, 0, 20)
    suspect(to, 2, onset=19.5)
    [due] = feed(to, 20, 20.6)
    assert due.values is not None
    assert due.values.nbytes <= 4 * 7 * 3 * 200
    assert told([due])[0][3] == 20.5
