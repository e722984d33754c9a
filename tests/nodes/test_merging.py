"""Redundant streams and gap filling: which row a concentrator tells of a device, and under which number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.alignment import Released
from algorithms.columns import Counters
from nodes._merging import REMEMBERED, Merger, plan
from protocol.clock import MILLISECOND, SECOND
from protocol.messages import Announce, Configuration, Snapshots, Table, device_number
from tests.aligning import PERIOD, START, VOLTS, Bench, Row, later, meaning, row_word, slot

MAIN, BACKUP, OTHER = (device_number(link, 0) for link in (1, 2, 3))
PAIR = {"redundant": {"Hub": ["link 1", "link 2"]}, "links": (1, 2, 3)}
MODIFIED = 0x0200


def row(frequency: float, **more) -> Row:
    return Row([frequency, 0.0, 1.0, 2.0], **more)


def hub(link: int, **more):
    return meaning(link, ["VA"], **{"name": "Hub", "station": 0, **more})


def frequencies(words: list[Snapshots], device: int = MAIN) -> list[float]:
    """Of a device, slot by slot."""
    return [
        float(word.values[k, word.device.tolist().index(device), 0]) for word in words for k in range(word.slot.size)
    ]


def test_two_streams_are_one_device_under_the_name_of_the_group():
    bench = Bench(hub(1), hub(2), hub(3), **PAIR)
    assert {word.device: (word.link, word.name) for word in bench.said} == {
        MAIN: ("Hub", "Hub"),
        OTHER: ("link 3", "Hub"),
    }
    [word] = bench.send(0, {MAIN: row(50.1), BACKUP: row(50.2), OTHER: row(50.3)})
    assert word.device.tolist() == [MAIN, OTHER]
    assert word.values[0, :, 0].tolist() == pytest.approx([50.1, 50.3])
    assert word.status.tolist() == [[0, 0]]
    assert bench.columns(1)["redundant"] == 1
    assert bench.node.health(START)["counters"]["redundant"] == 1


@pytest.mark.parametrize(
    ("main", "backup", "best"),
    [
        ({}, {}, 1),
        ({"came": 5}, {}, 2),
        ({"status": 0x8000}, {"came": 5}, 2),
        ({"status": 0x2000}, {"came": 5, "quality": 9}, 2),
        ({"status": 0x2000}, {"status": 0x4000}, 1),
        ({"quality": 4}, {"quality": 3, "came": 5}, 2),
        ({"quality": 0x23}, {"quality": 3, "came": 5}, 1),
    ],
)
def test_the_best_row_is_told(main, backup, best):
    bench = Bench(hub(1), hub(2), **PAIR)
    [word] = bench.send(0, {MAIN: row(50.1, **main), BACKUP: row(50.2, **backup)})
    assert frequencies([word]) == pytest.approx([50.0 + best / 10])
    assert word.device.tolist() == [MAIN]


@pytest.mark.parametrize("silent", [MAIN, BACKUP])
def test_when_one_fails_the_other_carries_on_without_a_gap(silent: int):
    bench = Bench(hub(1), hub(2), **PAIR)
    both = {MAIN: row(50.1), BACKUP: row(50.2, came=5)}
    words = []
    for k in range(400):
        at = k * PERIOD
        one = {device: each for device, each in both.items() if k < 50 or device != silent}
        words += bench.wait(at) + bench.send(at, one)
    words += bench.wait(400 * PERIOD + SECOND)
    slots = [int(each) for word in words for each in word.slot]
    assert slots == list(range(slot(0), slot(0) + 400))
    assert all(word.device.tolist() == [MAIN] and word.present.all() for word in words)
    carried = 50.2 if silent == MAIN else 50.1
    assert frequencies(words) == pytest.approx([50.1] * 50 + [carried] * 350)
    assert bench.columns(1)["redundant"] == 50


def test_the_backup_alone_is_told_as_the_device_from_the_start():
    bench = Bench(hub(2), **PAIR)
    [said] = bench.said
    assert (said.device, said.link) == (MAIN, "Hub")
    [word] = bench.send(0, {BACKUP: row(50.2)})
    assert word.device.tolist() == [MAIN]
    assert [bench.columns(link)["received"] for link in (1, 2)] == [0, 1]
    bench.give(hub(1), later(SECOND))
    [word] = bench.send(PERIOD, {MAIN: row(50.1), BACKUP: row(50.2)})
    assert frequencies([word]) == pytest.approx([50.1])


def test_stations_of_a_hub_are_merged_one_by_one():
    known = [meaning(link, ["VA"], station=station, name=f"S{station}") for link in (1, 2) for station in (0, 1)]
    bench = Bench(*known, **PAIR)
    rows = {device_number(link, station): row(50 + link / 10 + station) for link in (1, 2) for station in (0, 1)}
    rows[device_number(1, 1)].status = 0x8000
    [word] = bench.send(0, rows)
    assert word.device.tolist() == [device_number(1, 0), device_number(1, 1)]
    assert word.values[0, :, 0].tolist() == pytest.approx([50.1, 51.2])


def test_a_stream_with_other_channels_stays_apart_and_is_named():
    bench = Bench(hub(1), meaning(2, VOLTS, name="Hub"), **PAIR)
    [alarm] = bench.node.health(START)["alarms"]
    assert "link 2 has other channels than link 1" in alarm
    words = bench.send(0, {MAIN: row(50.1), BACKUP: Row([50.2] * 8)})
    assert [word.device.tolist() for word in words] == [[MAIN], [BACKUP]]
    bench.give(hub(2, version=2), later(SECOND))
    assert bench.node.health(START)["alarms"] == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"detail": {"global_id": "0a" * 16}}, {"detail": {"global_id": "0a" * 16}, "name": "else"}, True),
        ({"detail": {"global_id": "0a" * 16}}, {"detail": {"global_id": "0b" * 16}}, False),
        ({"detail": {"global_id": "00" * 16}, "station": 7}, {"station": 7}, True),
        ({"station": 7}, {"station": 8}, False),
        ({"station": 7}, {"station": 7, "name": "else"}, False),
        ({"station": 7}, {"station": 7, "phasors": ["VB"]}, False),
    ],
)
def test_streams_of_one_device_are_found(one, other, same):
    def known(link, fields):
        told = hub(link)
        return told.__class__(**{**told.__dict__, **fields})

    bench = Bench(known(1, one), known(2, other), redundant="automatic")
    words = bench.send(0, {MAIN: row(50.1), BACKUP: row(50.2)})
    assert [word.device.tolist() for word in words] == ([[MAIN]] if same else [[MAIN, BACKUP]])


def test_two_stations_of_one_link_are_never_one_device():
    known = [meaning(1, ["VA"], station=station, name="Hub", detail={}) for station in (0, 1)]
    bench = Bench(*known, redundant="automatic")
    rows = {device_number(1, station): row(50.0) for station in (0, 1)}
    [word] = bench.send(0, rows)
    assert word.device.tolist() == sorted(rows)


def test_a_copy_that_comes_late_is_a_duplicate_and_the_only_row_is_told():
    bench = Bench(hub(1), hub(2), **PAIR)
    bench.send(0, {MAIN: row(50.1)})
    bench.send(PERIOD, {BACKUP: row(50.2)})
    bench.wait(300 * MILLISECOND)
    assert bench.send(0, {BACKUP: row(50.2)}) == []
    assert bench.columns(1)["redundant"] == 1
    bench = Bench(hub(1), hub(2), hub(3), **PAIR)
    bench.send(0, {OTHER: row(50.3)})
    bench.wait(300 * MILLISECOND)
    [word] = bench.send(0, {BACKUP: row(50.2)})
    assert (word.late, word.device.tolist()) == (True, [MAIN])


# filling

FILL = {"fill": {"link 1": "link 3"}, "links": (1, 2, 3)}


def source(**more):
    """Of more channels, in another order, one of them called as that of the hub."""
    return meaning(3, ["X", "VA"], ["P"], digitals=["breaker"], **more)


def other(frequency: float) -> Row:
    return Row([frequency, 0.5, 8.0, 9.0, 3.0, 4.0, 5.0], digital=[6], status=0x0800, quality=2)


def test_a_missing_row_is_taken_from_the_channels_of_the_same_name():
    bench = Bench(hub(1, digitals=["breaker"], analogs=["T"]), source(), **FILL)
    mine = Row([50.1, 0.0, 1.0, 2.0, 7.0], digital=[1])
    words = []
    for k, rows in enumerate(({MAIN: mine, OTHER: other(50.3)}, {OTHER: other(50.3)}, {MAIN: mine})):
        words += bench.send(k * PERIOD, rows)
        words += bench.wait(k * PERIOD + 200 * MILLISECOND)
    told = [word for word in words if word.device.tolist() == [MAIN] and not word.late]
    assert [int(each) for word in told for each in word.slot] == [slot(k * PERIOD) for k in range(3)]
    assert frequencies(told) == pytest.approx([50.1, 50.3, 50.1])
    filled = told[1]
    np.testing.assert_array_equal(filled.values[0, 0], np.array([50.3, 0.5, 3.0, 4.0, np.nan], "f4"))
    assert (filled.present.tolist(), filled.digital.tolist()) == ([[1]], [[[6]]])
    assert (filled.status.tolist(), filled.quality.tolist()) == ([[0x0800 | MODIFIED]], [[2]])
    assert (bench.columns(1)["filled"], bench.columns(1)["missing"]) == (1, 1)
    assert {word.device for word in bench.said if isinstance(word, Configuration)} == {MAIN, OTHER}
    assert all(set(word.device.tolist()) <= {MAIN, OTHER} for word in words)


def test_it_goes_on_when_the_device_is_silent_for_long():
    bench = Bench(hub(1), source(), **FILL)
    words = []
    for k in range(500):
        rows = {OTHER: other(50.3)} | ({MAIN: row(50.1)} if k < 50 else {})
        words += bench.wait(k * PERIOD) + bench.send(k * PERIOD, rows)
    words += bench.wait(500 * PERIOD + SECOND)
    told = [word for word in words if MAIN in word.device.tolist()]
    assert [int(each) for word in told for each in word.slot] == list(range(slot(0), slot(0) + 500))
    assert frequencies(told) == pytest.approx([50.1] * 50 + [50.3] * 450)
    assert max(int(word.latency.max()) for word in told[-10:]) == 0


def test_a_device_that_never_came_is_filled_when_it_is_known():
    bench = Bench(source(), **FILL)
    assert {word.device.tolist()[0] for word in bench.send(0, {OTHER: other(50.3)})} == {OTHER}
    bench.give(hub(1), later(PERIOD))
    bench.send(PERIOD, {OTHER: other(50.3)})
    words = bench.wait(300 * MILLISECOND)
    assert frequencies([word for word in words if MAIN in word.device.tolist()]) == pytest.approx([50.3])


def test_a_group_is_filled_where_none_of_its_streams_has_the_row():
    bench = Bench(hub(1), hub(2), source(), redundant=PAIR["redundant"], **FILL)
    words = bench.send(0, {BACKUP: row(50.2), OTHER: other(50.3)})
    words += bench.send(PERIOD, {OTHER: other(50.3)}) + bench.wait(300 * MILLISECOND)
    told = [word for word in words if MAIN in word.device.tolist()]
    assert frequencies(told) == pytest.approx([50.2, 50.3])
    assert [int(each) & MODIFIED for word in told for each in word.status[:, 0]] == [0, MODIFIED]


def test_a_source_that_comes_later_than_the_next_row_of_the_device_fills_too():
    bench = Bench(hub(1), source(), **FILL)
    words = []
    for k in range(20):
        at = k * PERIOD
        if k % 5:
            words += bench.send(at, {MAIN: row(50.1)}, later(at + MILLISECOND))
        if k >= 3:
            words += bench.send(at - 3 * PERIOD, {OTHER: other(50.3)}, later(at + 2 * MILLISECOND))
    words += bench.wait(20 * PERIOD + SECOND // 2)
    told = [word for word in words if MAIN in word.device.tolist() and not word.late]
    present = [(int(word.slot[k]) - slot(0)) for word in told for k in np.flatnonzero(word.present[:, 0])]
    assert present == [k for k in range(20) if k % 5 or k < 17]
    assert bench.columns(1)["filled"] == 4


def test_a_source_with_another_rate_is_named():
    bench = Bench(hub(1), source(rate=25), **FILL)
    [alarm] = bench.node.health(START)["alarms"]
    assert "link 3 has another rate than link 1" in alarm


def test_what_is_filled_is_completed_as_its_own():
    bench = Bench(meaning(1, VOLTS), meaning(3, [*VOLTS, "X"]), derive=["sequences"], **FILL)
    bench.send(0, {OTHER: Row([50, 0, 100, 0, 100, -120, 100, 120, 1, 1])})
    [word] = [word for word in bench.wait(200 * MILLISECOND) if MAIN in word.device.tolist()]
    assert word.table == Table(50, 6, 0, 0)
    assert word.values[0, 0, [8, 10, 12]].tolist() == pytest.approx([0, 100, 0], abs=1e-4)


def test_what_is_merged_is_tested_corrected_and_completed():
    settings = {"validate": {"frequency": [45, 55]}, "correct": {"Hub": {"VB": {"angle": 180}}}}
    bench = Bench(meaning(1, VOLTS), meaning(2, VOLTS), derive=["sequences"], **settings, **PAIR)
    turned = [100, 0, 100, 60, 100, 120]
    words = bench.send(0, {MAIN: Row([60.0, 0, *turned]), BACKUP: Row([50.0, 0, *turned], came=5)})
    words += bench.send(PERIOD, {MAIN: Row([50.0, 0, *turned], status=0x8000), BACKUP: Row([60.0, 0, *turned])})
    assert np.isnan(frequencies(words)).all()
    assert [word.values[0, 0, 10] for word in words] == pytest.approx([100, 100], abs=1e-4)
    assert bench.columns(1)["invalid"] == 2
    assert bench.columns(2)["invalid"] == 0


# the plan


@given(st.lists(st.integers(1, 8), min_size=1, max_size=8, unique=True))
def test_every_column_is_of_one_device(numbers):
    target, members, shadows = {1: 1, 2: 1, 5: 4}, {1: [1, 2], 4: [4, 5]}, {7: 1, 8: 6}
    device = np.array(sorted(numbers), np.uint32)
    how = plan(device, target, members, shadows)
    if not set(numbers) & (target.keys() | shadows.keys()):
        assert how is None
        return
    used = sorted([int(at) for at in how.members.ravel() if at >= 0] + [int(at) for at in how.shadow if at >= 0])
    assert used == list(range(len(device)))
    for told, streams, shadow in zip(how.device.tolist(), how.members, how.shadow.tolist(), strict=True):
        assert {target.get(int(device[at]), int(device[at])) for at in streams if at >= 0} <= {told}
        assert shadow < 0 or shadows[int(device[shadow])] == told


# after a restart


def test_a_successor_tells_the_same_of_what_it_fetches():
    """Everything at once, an hour later, as it came then."""
    settings = {
        "redundant": PAIR["redundant"], "fill": {"link 1": "link 3"}, "links": (1, 2, 3), "derive": ["unbalance"],
        "validate": {"format": True, "flat": "200 ms"}, "correct": {"*": {"VB": {"angle": 30}}},
    }  # fmt: skip
    known = [meaning(1, VOLTS, name="Hub"), meaning(2, VOLTS, name="Hub"), meaning(3, [*VOLTS, "X"])]
    draw = np.random.default_rng(5)
    live = Bench(*known, **settings)
    words: list[Any] = list(known)
    for k in range(300):
        at = k * PERIOD
        for device in (MAIN, BACKUP, OTHER):
            if draw.random() < 0.7:
                values = [50 + draw.random(), 0.0, *draw.uniform(1, 100, 6 if device != OTHER else 8)]
                each = Row(values, status=int(draw.choice([0, 0x2000, 0x8000])), came=int(draw.integers(9)))
                now = later(at + int(draw.integers(1, 15)) * MILLISECOND)
                words.append(row_word(live.known[device], each, START.utc + at, now.utc))
                live.give(words[-1], now)
        live.wait(at + 19 * MILLISECOND)
    live.wait(300 * PERIOD + SECOND // 2)
    again = Bench(**settings)
    start = later(3600 * SECOND)
    list(again.node.start(start))
    again.note(again.node.receive(Announce("receivers.1", 1, len(words), 0), start))
    for number, word in enumerate(words):
        told = word.__class__(**{**word.__dict__, "node": "receivers.1", "epoch": 1, "number": number})
        again.note(again.node.receive(told, start))
    again.note(again.node.wake(later(3601 * SECOND)))
    assert told_rows(again) == told_rows(live)
    assert {device for device, _ in told_rows(live)} == {MAIN, OTHER}


def told_rows(bench: Bench) -> dict[tuple[int, int], bytes]:
    """(device, slot) -> all that was told of it."""
    return {
        (int(device), int(number)): b"".join(
            part[k, m].tobytes() for part in (word.present, word.status, word.quality, word.values)
        )
        for word in bench.said
        if isinstance(word, Snapshots)
        for k, number in enumerate(word.slot)
        for m, device in enumerate(word.device)
        if word.present[k, m]
    }


def test_a_link_that_the_site_file_calls_otherwise_stays_in_its_group():
    """Settings mean the names of the site file that was in force when the concentrator began."""
    bench = Bench(hub(1), hub(2), hub(3), **PAIR)
    bench.send(0, {MAIN: row(50.1), BACKUP: row(50.2), OTHER: row(50.3)})
    assert bench.node.health(START)["alarms"] == []
    bench.give(replace(hub(1), link="main", version=2), later(PERIOD))
    [word] = bench.send(PERIOD, {MAIN: row(50.1), BACKUP: row(50.2), OTHER: row(50.3)})
    assert word.device.tolist() == [MAIN, OTHER]
    assert word.values[0, :, 0].tolist() == pytest.approx([50.1, 50.3])
    [word] = bench.send(2 * PERIOD, {MAIN: row(50.1, status=0x8000), BACKUP: row(50.2), OTHER: row(50.3)})
    assert word.values[0, :, 0].tolist() == pytest.approx([50.2, 50.3])
    assert bench.told(1).link == "Hub"
    [alarm] = bench.node.health(START)["alarms"]
    assert alarm == "'link 1' is called 'main' in the site file now: call it so in this concentrator's settings, too"


def test_a_link_that_the_site_file_calls_otherwise_still_fills_gaps():
    bench = Bench(hub(1), hub(2), fill={"link 1": "link 2"}, links=(1, 2))
    for link in (1, 2):
        bench.give(replace(hub(link), link=f"new {link}", version=2), later(0))
    bench.send(0, {MAIN: row(50.1), BACKUP: row(50.2)})
    bench.send(PERIOD, {BACKUP: row(50.2)})
    [word] = bench.wait(PERIOD + 200 * MILLISECOND)
    assert word.device.tolist() == [MAIN, BACKUP]
    assert word.values[0, :, 0].tolist() == pytest.approx([50.2, 50.2])
    assert bench.columns(1)["filled"] == 1


def test_links_that_the_site_file_has_not_are_named():
    bench = Bench(hub(1), redundant={"Hub": ["link 1", "spare"]}, fill={"link 1": "link 7"}, links=(1, 7))
    assert bench.node.health(START)["alarms"] == ["redundant: no device of the site file is called 'spare'"]


def test_a_row_of_long_ago_does_not_make_forget_what_was_told_since():
    counters = Counters(["redundant", "filled"])
    merger, how = (
        Merger(counters),
        plan(np.array([MAIN, BACKUP]), {MAIN: MAIN, BACKUP: MAIN}, {MAIN: [MAIN, BACKUP]}, {}),
    )
    assert how is not None

    def merged(slot: int, *there: int, late: bool = False) -> bool:
        present, zeros = np.array([there], np.uint8), np.zeros((1, 2), np.uint16)
        values, digital = np.zeros((1, 2, 2), np.float32), np.zeros((1, 2, 0), np.uint16)
        slots = np.array([slot])
        rows = Released(slots, how.device, present, zeros.astype(np.uint8), zeros, values, digital, slots)
        return bool(merger.merge(rows, how, late).present[0, 0])

    assert merged(5 + REMEMBERED, 1, 0)
    assert not merged(5 + REMEMBERED, 0, 1, late=True)
    assert merged(5, 0, 1, late=True), "whether it was told is not known any more"
    assert not merged(5 + REMEMBERED, 0, 1, late=True)
    assert counters.of("redundant").tolist() == [2]
