"""Spans of bad data: once each, whatever overlaps; said when they begin, go on and end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.quality import Fault
from archive.layout import FLAG_REPEAT as REPEAT
from nodes._flagging import FOR_GOOD, KEEP, NAMED, PAUSE, Flagging, Found, of_report
from protocol.clock import SECOND
from protocol.messages import Flags

T0 = 1_777_800_000 * SECOND
A, B = 65536, 2 * 65536
WINDOW, EVERY = 180 * SECOND, 60 * SECOND


def found(start: float, stop: float, kind: Fault = Fault.FROZEN, device: int = A, score: float = 2.0, **more) -> Found:
    return Found(device, kind, T0 + round(start * SECOND), T0 + round(stop * SECOND), score, **more)


Said = list[tuple[int, str, float, float, int]]


def said(word: Flags | None) -> Said:
    """(device, kind, start [s], stop [s], whether it goes on)"""
    if word is None:
        return []
    spans = zip(word.device.tolist(), word.kind, word.start, word.stop, word.going.tolist(), strict=True)
    return [(device, kind, (a - T0) / SECOND, (b - T0) / SECOND, going) for device, kind, a, b, going in spans]


def second(flagging: Flagging, at: int, *bad: Found) -> Said:
    return said(flagging.take(bad, [A, B], T0 + at * SECOND, T0 + (at + 1) * SECOND))


def test_a_span_is_said_when_it_begins_and_when_it_ends():
    flagging = Flagging()
    assert second(flagging, 0) == []
    assert second(flagging, 1, found(1.4, 2)) == [(A, "frozen", 1.4, 2.0, 1)]
    [alarm] = flagging.alarms({A: "Hub"})
    assert alarm.startswith("Hub (device 65536): bad data, frozen since 2026-05-03 09:20:01 UTC; it sends the same")
    assert flagging.columns([A, B]).tolist() == [[1, 1], [0, 0]]
    assert second(flagging, 2, found(2, 3), found(2.2, 2.3, Fault.SPIKES, B)) == [(B, "spikes", 2.2, 2.3, 1)]
    assert second(flagging, 3, found(3, 3.2, score=5.0)) == []
    assert second(flagging, 4) == []
    assert second(flagging, 5) == [(A, "frozen", 1.4, 3.2, 0)]
    assert second(flagging, 12) == [(B, "spikes", 2.2, 2.3, 0)]
    assert flagging.alarms({}) == []
    assert flagging.columns([A, B]).tolist() == [[0, 1], [0, 1]]


def test_a_device_that_came_later_than_others_had_no_gap():
    flagging, slots = Flagging(), 5
    for stop in range(20, 140, 20):  # windows that grow at first, then move
        since = max(0, stop - 100)
        bad = [found(since, slots, Fault.GAP)] if since < slots else []
        word = flagging.take([*bad, found(9, 12, Fault.GAP)], [A], T0 + since * SECOND, T0 + stop * SECOND)
        assert said(word) == ([(A, "gap", 9.0, 12.0, 0)] if stop == 20 else [])
    word = flagging.take([found(120, 130, Fault.GAP)], [A], T0 + 120 * SECOND, T0 + 140 * SECOND)
    assert said(word) == [(A, "gap", 120.0, 130.0, 0)]


def test_a_span_has_the_score_and_figures_of_where_it_is_worst():
    flagging = Flagging()
    second(flagging, 0, found(0.5, 1, score=2.0, detail={"samples": 25}))
    second(flagging, 1, found(1, 2, score=4.0, detail={"samples": 50}))
    word = flagging.take([], [A], T0, T0 + 60 * SECOND)
    assert (word.score.tolist(), word.detail) == ([4.0], [{"samples": 50}])


def test_a_pause_is_of_the_span_and_a_longer_one_is_not():
    flagging = Flagging()
    pause = PAUSE // SECOND
    assert len(second(flagging, 0, found(0, 1))) == 1
    assert second(flagging, pause, found(pause + 0.9, pause + 1)) == []
    assert second(flagging, 3 * pause) == [(A, "frozen", 0, pause + 1, 0)]
    assert len(second(flagging, 4 * pause, found(4 * pause + 0.2, 4 * pause + 1))) == 1


def test_what_goes_on_is_said_again_now_and_then():
    flagging = Flagging()
    words = [word for at in range(0, 1300) if (word := second(flagging, at, found(at, at + 1)))]
    every = REPEAT // SECOND
    assert words == [[(A, "frozen", 0.0, at, 1)] for at in (1.0, 1.0 + every, 1.0 + 2 * every)]


@given(st.floats(0, 200), st.floats(0.5, 300), st.sampled_from([Fault.NOISE_BURST, Fault.GAP]))
def test_windows_that_overlap_tell_a_span_once(start: float, length: float, kind: Fault):
    """A span cut by windows of three minutes each minute: one begin, one end, no other news."""
    start, stop = round(start, 2), round(start + length, 2)
    flagging, words = Flagging(), []
    for end in range(60, 1000, 60):
        first = end - 180
        seen = (max(start, first), min(stop, end))
        bad = [found(*seen, kind)] if seen[0] < seen[1] else []
        words += said(flagging.take(bad, [A], T0 + first * SECOND, T0 + end * SECOND))
    assert {(device, name, begin) for device, name, begin, _, _ in words} == {(A, str(kind), start)}
    assert [going for *_, going in words].count(0) == 1
    assert words[-1] == (A, str(kind), start, stop, 0)
    assert all(begin < end for _, _, begin, end, _ in words)


def test_who_is_not_in_a_window_is_not_over():
    flagging = Flagging()
    assert len(said(flagging.take([found(100, 180)], [A], T0, T0 + WINDOW))) == 1
    assert flagging.take([], [B], T0 + WINDOW, T0 + 3 * WINDOW) is None
    assert [each.device for each in flagging.going] == [A]
    assert said(flagging.take([], [A], T0 + WINDOW, T0 + 2 * WINDOW)) == [(A, "frozen", 100, 180, 0)]


def jump(start: float, end: float, size: float, kind: Fault = Fault.CLOCK_OFFSET) -> Found:
    return found(start, end, kind, detail={"channel": "angle", "size_rad": size}, lasting=end % 60 == 0)


def windows(flagging: Flagging, begin: float, back: float, until: int, kinds: tuple[Fault, Fault]) -> Said:
    """A jump and the one back, as windows show them: a device that is off all the time looks right."""
    words: Said = []
    for end in range(180, until, 60):
        first, bad = end - 180, []
        if first < begin < end:
            bad = [jump(begin, min(back, end), 1.2, kinds[0])]
        elif first < back < end:
            bad = [jump(back, end, -1.1, kinds[1])]
        words += said(flagging.take(bad, [A], T0 + first * SECOND, T0 + end * SECOND))
    return words


@pytest.mark.parametrize("back", [150.5, 220.5, 333.3, 700.1])
@pytest.mark.parametrize("second_kind", [Fault.CLOCK_OFFSET, Fault.STEP_OFFSET])
def test_what_shows_only_where_it_begins_and_ends_lasts_in_between(back: float, second_kind: Fault):
    flagging = Flagging()
    words = windows(flagging, 100.5, back, 1500, (Fault.CLOCK_OFFSET, second_kind))
    assert {word[:3] for word in words} == {(A, "clock_offset", 100.5)}
    assert words[-1] == (A, "clock_offset", 100.5, back, 0)
    assert [going for *_, going in words].count(0) == 1


@pytest.mark.parametrize("end", [68.0, 120.0])
def test_a_step_that_turns_out_to_be_a_clocks_is_over(end: float):
    flagging = Flagging()
    words = said(flagging.take([jump(55.0, 60.0, 1.2, Fault.STEP_OFFSET)], [A], T0, T0 + 60 * SECOND))
    words += said(flagging.take([jump(55.0, end, 1.2)], [A], T0, T0 + 120 * SECOND))
    assert words[0] == (A, "step_offset", 55.0, 60.0, 1)
    assert (A, "step_offset", 55.0, 60.0, 0) in words
    assert words[-1] == (A, "clock_offset", 55.0, end, int(end == 120.0))


def test_a_jump_without_one_back_is_the_devices_way_after_an_hour():
    flagging = Flagging()
    words = windows(flagging, 100.5, 1e9, 2 * FOR_GOOD // SECOND, (Fault.STEP_OFFSET, Fault.STEP_OFFSET))
    assert [going for *_, going in words].count(0) == 1
    assert words[-1][3] - words[-1][2] == pytest.approx(FOR_GOOD / SECOND, abs=61)
    assert flagging.going == []


def test_old_spans_are_forgotten():
    flagging = Flagging()
    second(flagging, 0, found(0, 1))
    second(flagging, KEEP // SECOND + 10)
    assert not flagging._spans
    assert len(second(flagging, KEEP // SECOND + 20, found(0, 1))) == 1


def test_its_end_ends_what_goes_on():
    flagging = Flagging()
    second(flagging, 0, found(0, 1))
    assert said(flagging.end()) == [(A, "frozen", 0, 1, 0)]
    assert flagging.end() is None


def test_of_many_spans_some_are_named():
    flagging = Flagging()
    flagging.take([found(0, 1, device=k) for k in range(NAMED + 3)], range(NAMED + 3), T0, T0 + SECOND)
    alarms = flagging.alarms({})
    assert len(alarms) == NAMED + 1
    assert "3 more" in alarms[-1]
    assert flagging.alarms({}, but=["frozen"]) == []


def test_a_report_tells_devices_and_times():
    report = {"bad": [
        {"device": 1, "kind": "spikes", "start": 10, "stop": 3011, "score": 2.5,
         "detail": {"samples": [10, 20, 3010], "x": 1}},
        {"device": 0, "kind": "clock_offset", "start": 100, "stop": 9000, "score": None,
         "detail": {"channel": "angle", "size_rad": 1.0, "offset_s": 0.08}},
        {"device": 0, "kind": "drift", "start": 100, "stop": 9000, "score": 3.0, "detail": {"channel": "frequency"}},
    ]}  # fmt: skip
    device = np.array([A, B], np.uint32)
    spikes, more, clock, drift = of_report(report, device.tolist(), T0, T0 + WINDOW, 50)
    assert (spikes.device, spikes.start - T0, spikes.stop - T0) == (B, SECOND // 5, SECOND * 21 // 50)
    assert (spikes.score, spikes.detail, spikes.lasting) == (2.5, {"samples": 2, "x": 1}, False)
    assert (more.start - T0, more.stop - T0, more.detail["samples"]) == (SECOND * 3010 // 50, SECOND * 3011 // 50, 1)
    assert (clock.device, clock.stop, clock.score, clock.lasting) == (A, T0 + WINDOW, 1.0, True)
    assert not drift.lasting
