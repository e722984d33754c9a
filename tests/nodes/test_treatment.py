"""Corrections, validation, held values: what a concentrator makes of rows, against what each row should become."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from nodes._windowbook import Book, Shape
from nodes.concentrator import Settings
from protocol.clock import MILLISECOND, SECOND
from protocol.messages import Table, device_number
from tests.aligning import PERIOD, START, Bench, Row, later, meaning, slot

ONE, TWO = device_number(1, 0), device_number(2, 0)
MODIFIED, ABSENT, UNSYNCHRONISED = 0x0200, 0x8000, 0x2000
NAN = math.nan
TURNED = {"angle": 1}
GOOD = [50.01, 0.1, 100.0, 170.0, 10.0, -30.0, 7.0]
"""Frequency, ROCOF, a voltage, a current, an analog."""


def device(link: int = 1, **more):
    return meaning(link, ["VA", "IA"], ["P"], **more)


def bad(channel: int, value: float) -> Row:
    values = list(GOOD)
    values[channel] = value
    return Row(values)


def without(*channels: int) -> list[float]:
    return [NAN if channel in channels else value for channel, value in enumerate(GOOD)]


# corrections


def test_phasors_are_corrected_by_device_and_channel():
    correct = {"link 1": {"VA": {"magnitude": 1.002, "angle": 20}}, "Station*": {"I*": {"angle": -180}}}
    bench = Bench(device(1), device(2), correct=correct)
    [word] = bench.send(0, {ONE: Row(GOOD), TWO: Row(GOOD)})
    one, two = word.values[0].astype(float)
    assert one.tolist() == pytest.approx([50.01, 0.1, 100.2, -170.0, 10.0, -30.0, 7.0])
    assert two.tolist() == pytest.approx([50.01, 0.1, 100.0, 170.0, 10.0, 150.0, 7.0])
    assert word.status.tolist() == [[MODIFIED, MODIFIED]]
    notes = bench.told(1).detail["phasor_channels"]
    assert [each.get("modified", 0) for each in notes] == [1 << 7 | 1 << 8, 0]
    assert bench.told(1).version != 1


def test_a_device_without_corrections_is_told_bit_by_bit():
    bench = Bench(device(1), device(2), correct={"link 1": {"VA": {"angle": 1}}})
    [word] = bench.send(0, {ONE: Row(GOOD), TWO: Row(GOOD)})
    assert word.values[0, 1].tobytes() == np.array(GOOD, "f4").tobytes()
    assert word.status[0, 1] == 0
    assert bench.told(2).version == 1


def test_missing_rows_are_not_said_to_be_modified():
    bench = Bench(device(1), device(2), correct={"*": {"*": {"magnitude": 2}}})
    bench.send(0, {ONE: Row(GOOD)})
    [word] = bench.wait(200 * MILLISECOND)
    assert word.status.tolist() == [[MODIFIED, 0]]
    assert np.isnan(word.values[0, 1]).all()


def test_what_is_derived_follows_from_corrected_phasors():
    known = meaning(1, ["VA", "VB", "VC"])
    bench = Bench(known, derive=["sequences"], correct={"*": {"VB": {"angle": 180}}})
    [word] = bench.send(0, {ONE: Row([50, 0, 100, 0, 100, 60, 100, 120])})
    assert word.values[0, 0, 10:12].tolist() == pytest.approx([100, 0], abs=1e-4)
    assert word.values[0, 0, [8, 12]].tolist() == pytest.approx([0, 0], abs=1e-4)


def test_components_are_corrected_by_their_own_names():
    table = Table(1, 1, 0, 0, orders=2)
    known = meaning(1, ["VA"], table=table.key, components=[3.0, 5.0])
    bench = Bench(known, correct={"*": {"VA h5": {"magnitude": 2}}})
    [word] = bench.send(0, {ONE: Row([50, 0, 10, 1, 20, 2])})
    assert word.values[0, 0].tolist() == [50, 0, 10, 1, 40, 2]


# validation


@pytest.mark.parametrize(
    ("settings", "channel", "value", "gone"),
    [
        ({"frequency": [45, 55]}, 0, 55.5, [0]),
        ({"frequency": [45, 55]}, 0, 55.0, []),
        ({"rocof": [-20, 20]}, 1, -20.5, [1]),
        ({"channels": {"V*": [90, 110]}}, 2, 120.0, [2, 3]),
        ({"channels": {"V*": [90, 110]}}, 4, 120.0, []),
        ({"channels": {"P": [0, 10]}}, 6, 11.0, [6]),
        ({"channels": {"VA": [0, 1000], "*": [0, 1]}}, 2, 120.0, [4, 5, 6]),
        ({"format": True}, 0, 65.536, [0]),
        ({"format": True}, 2, -1.0, [2, 3]),
        ({"format": True}, 5, 270.0, [5]),
        ({"format": True}, 6, math.inf, [6]),
    ],
)
def test_values_that_can_not_be_become_nan(settings, channel, value, gone):
    bench = Bench(device(1), device(2), validate=settings)
    if "*" in settings.get("channels", {}):
        value = GOOD[channel]
    [word] = bench.send(0, {ONE: bad(channel, value), TWO: Row(GOOD)})
    wanted = list(bad(channel, value).values)
    for each in gone:
        wanted[each] = NAN
    np.testing.assert_array_equal(word.values[0, 0], np.array(wanted, "f4"))
    assert word.status[0, 0] == (MODIFIED if gone else 0)
    assert bench.columns(1)["invalid"] == bool(gone)


def test_who_sends_them_is_named_for_a_minute():
    bench = Bench(device(1), device(2), validate={"frequency": [45, 55]})
    bench.send(0, {ONE: bad(0, 60.0), TWO: Row(GOOD)})
    health = bench.node.health(later(0))
    assert health["counters"]["invalid_range"] == health["counters"]["invalid"] == 1
    [alarm] = health["alarms"]
    assert alarm.startswith("Station 1 (device 65536): 1 rows had values out of range")
    assert bench.node.health(later(30 * SECOND))["alarms"] == [alarm]
    assert bench.node.health(later(61 * SECOND))["alarms"] == []


def test_many_that_fail_are_counted_and_ten_are_named():
    known = [device(link) for link in range(1, 16)]
    bench = Bench(*known, validate={"frequency": [45, 55]})
    bench.send(0, {each.device: bad(0, 60.0) for each in known})
    told = bench.node.health(START)["alarms"]
    assert len(told) == 11
    assert told[-1].startswith("5 more devices")


def test_a_row_of_which_nothing_is_left_is_absent():
    bench = Bench(device(1), validate={"frequency": [45, 55], "channels": {"?A": [0, 1]}})
    [word] = bench.send(0, {ONE: Row([60.0, *GOOD[1:]], status=0x0800)})
    assert word.status.tolist() == [[0x0800 | MODIFIED | ABSENT]]


def test_what_the_device_marked_itself_is_not_counted():
    bench = Bench(device(1), validate={"frequency": [45, 55], "format": True})
    [word] = bench.send(0, {ONE: Row([NAN] * 7, status=ABSENT)})
    assert word.status.tolist() == [[ABSENT]]
    assert bench.columns(1)["invalid"] == 0


def test_what_stands_still_is_taken_out_until_it_moves():
    bench = Bench(device(1), validate={"flat": "100 ms"})
    told = []
    for k in range(12):
        frequency = 50.0 if k < 10 else 50.0 + k / 100
        [word] = bench.send(k * PERIOD, {ONE: Row([frequency, 0.0, 100.0 + k / 10, 5.0, 10.0, -30.0, 7.0])})
        told.append(np.isnan(word.values[0, 0]).tolist())
    still = [False, False, False, False, True, True, False]
    assert told == [[k in range(5, 10), *still[1:4], k >= 5, k >= 5, False] for k in range(12)]


def test_a_dead_line_may_say_nought():
    bench = Bench(device(1), validate={"flat": "100 ms"})
    for k in range(12):
        [word] = bench.send(k * PERIOD, {ONE: Row([50.0 + k / 100, 0.0, 0.0, 0.0, 10.0 + k, 1.0, 7.0])})
        assert np.isfinite(word.values).all()


@pytest.mark.parametrize(("status", "quality", "unsure"), [(0, 5, False), (0, 6, True), (0x2000, 0, True),
                                                           (0x2000, 4, False), (5 << 6, 0, True)])  # fmt: skip
def test_angles_without_a_good_time_are_taken_out(status, quality, unsure):
    bench = Bench(device(1), validate={"quality": 5})
    [word] = bench.send(0, {ONE: Row(GOOD, status=status, quality=quality)})
    np.testing.assert_array_equal(word.values[0, 0], np.array(without(3, 5) if unsure else GOOD, "f4"))
    assert word.status[0, 0] == (status | UNSYNCHRONISED | MODIFIED if unsure else status)
    assert bench.node.health(START)["counters"]["invalid_quality"] == unsure


def test_late_rows_are_tested_too():
    bench = Bench(device(1), device(2), validate={"frequency": [45, 55]})
    bench.send(0, {ONE: Row(GOOD)})
    bench.wait(200 * MILLISECOND)
    [word] = bench.send(0, {TWO: bad(0, 60.0)})
    assert word.late
    assert np.isnan(word.values[0, 0, 0])


# held values


def test_the_last_row_is_held_for_as_long_as_set():
    bench = Bench(device(1), device(2, digitals=()), missing="last", hold="60 ms", wait="20 ms")
    bench.send(0, {ONE: Row(GOOD), TWO: Row(GOOD, status=0x2000, quality=3)})
    told = []
    for k in range(1, 6):
        bench.send(k * PERIOD, {ONE: Row(GOOD)})
        told += bench.wait(k * PERIOD + 40 * MILLISECOND)
    column = [word.device.tolist().index(TWO) for word in told]
    present = [int(word.present[0, at]) for word, at in zip(told, column, strict=True)]
    status = [int(word.status[0, at]) for word, at in zip(told, column, strict=True)]
    values = [word.values[0, at].tolist() for word, at in zip(told, column, strict=True)]
    assert present == [2, 2, 2, 0, 0]
    assert status == [ABSENT | MODIFIED] * 3 + [0, 0]
    assert values[:3] == [np.array(GOOD, "f4").tolist()] * 3
    assert np.isnan(values[3:]).all()
    assert bench.columns(2)["held"] == 3
    assert bench.columns(2)["missing"] == 5


def test_held_rows_are_no_samples_of_a_window():
    bench = Bench(device(1), device(2), missing="last", wait="20 ms")
    bench.send(0, {ONE: Row(GOOD), TWO: Row(GOOD)})
    bench.send(PERIOD, {ONE: Row(GOOD)})
    [word] = bench.wait(PERIOD + 40 * MILLISECOND)
    took = Book(Shape("frequency", 10 * SECOND, SECOND, False)).reduce(word, 0)
    assert np.isnan(took.values).tolist() == [[False, True]]
    assert np.isfinite(word.values).all()


# names that nobody has


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"correct": {"link 9": {"VA": TURNED}}}, "correct: no device answers to 'link 9'"),
        ({"correct": {"link 1": {"VX": TURNED, "I*": TURNED}}}, "correct: link 1: no phasor answers to 'VX'"),
        ({"correct": {"*": {"*": TURNED}, "link 1": {"VA": TURNED}}}, "correct: no device answers to 'link 1'"),
        ({"validate": {"channels": {"V*": [0, 1e9], "Q": [0, 1]}}}, "validate: no channel answers to 'Q'"),
        ({"derive": ["power"], "sets": {"*": {"V": ["VA", "VB", "IA"]}}}, "sets: *: no device has VA, VB, IA"),
        ({"derive": ["power"], "sets": {"x": {"V": ["VA", "VB", "IA"]}}}, "sets: no device answers to 'x'"),
        ({"correct": {"Station ?": {"VA": TURNED}}}, ""),
    ],
)  # fmt: skip
def test_names_that_nobody_has_are_told(settings, wanted):
    bench = Bench(**settings)
    assert bench.node.health(START)["alarms"] == []
    bench.give(device(1), START)
    assert [alarm[: len(wanted)] for alarm in bench.node.health(START)["alarms"]] == ([wanted] if wanted else [])


# latency


def test_latencies_of_the_last_minute_by_device_and_in_all():
    bench = Bench(device(1), device(2), latency=True)
    delays = [5, 10, 15, 80]
    for k, delay in enumerate(delays):
        at = k * PERIOD
        bench.send(at, {ONE: Row(GOOD)}, later(at + delay * MILLISECOND))
    bench.send(3 * PERIOD, {TWO: Row(GOOD)}, later(3 * PERIOD + 90 * MILLISECOND))
    names = [f"latency_{name}_ms" for name in ("min", "mean", "p99", "max")]
    told = [bench.columns(1)[name] for name in names]
    assert told == pytest.approx([5, 27.5, 80, 80])
    health = bench.node.health(later(SECOND))
    assert [health["counters"][name] for name in names] == pytest.approx([5, 40, 90, 90])
    assert health["columns"][-4:] == names
    gone = bench.node.health(later(120 * SECOND))
    assert np.isnan(gone["counts"][:, -4:]).all()
    assert gone["counters"]["latency_max_ms"] == 0


# without alignment


def test_rows_go_on_as_they_come():
    bench = Bench(device(1), device(2), aligned=False, correct={"*": {"VA": {"magnitude": 2}}})
    [first] = bench.send(PERIOD, {ONE: Row(GOOD)})
    [second] = bench.send(PERIOD, {TWO: Row(GOOD)})
    [third] = bench.send(0, {ONE: Row(GOOD)})
    assert bench.send(0, {ONE: Row(GOOD)}) == []
    [late] = bench.send(-3600 * SECOND, {TWO: Row(GOOD)}, later(2 * PERIOD))
    told = [(word.late, word.device.tolist(), word.slot.tolist()) for word in (first, second, third)]
    assert told == [(False, [ONE], [slot(PERIOD)]), (True, [TWO], [slot(PERIOD)]), (True, [ONE], [slot(0)])]
    assert (late.late, late.slot.tolist()) == (True, [slot(-3600 * SECOND)])
    assert [word.values[0, 0, 2] for word in (first, second, third)] == [200.0] * 3
    assert [bench.columns(link)[name] for link in (1, 2) for name in ("missing", "late")] == [0] * 4
    assert bench.columns(1)["duplicate"] == 1
    assert bench.node.health(START)["queues"]["slots"] == 0


# settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"validate": {"frequency": [55, 45]}},
        {"validate": {"flat": "0 s"}},
        {"validate": {"quality": 16}},
        {"correct": {"*": {"VA": {"magnitude": 0}}}},
        {"correct": {"*": {"VA": {"angel": 1}}}},
        {"missing": "none"},
        {"hold": "0 s"},
        {"hold": "6 s", "missing": "last"},
        {"redundant": {"Hub": ["a"]}},
        {"redundant": {"Hub": ["a", "b"], "Other": ["b", "c"]}},
        {"redundant": "auto"},
        {"fill": {"a": "a"}},
        {"aligned": False, "missing": "last"},
        {"aligned": False, "redundant": "automatic"},
        {"aligned": False, "validate": {"flat": "2 s"}},
    ],
)
def test_settings_that_make_no_sense(wrong):
    with pytest.raises(ValidationError):
        Settings.model_validate(wrong)


def test_nothing_is_treated_unless_it_is_asked_for():
    assert not Settings().treats
    assert Bench(device(1)).node.treatment is None


def test_a_device_that_the_site_file_calls_otherwise_is_still_corrected():
    bench = Bench(device(1), correct={"link 1": {"VA": {"magnitude": 2}}}, links=(1,))
    bench.give(replace(device(1), link="new", version=2), later(0))
    [word] = bench.send(0, {ONE: Row(GOOD)})
    assert word.values[0, 0, 2] == 200
    [alarm] = bench.node.health(START)["alarms"]
    assert alarm.startswith("'link 1' is called 'new' in the site file now")
