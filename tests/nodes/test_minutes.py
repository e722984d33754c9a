"""Statistics of a minute: against counts made row by row; once each, over restarts and to the archive."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.reading import open_archive
from nodes._catchup import spans
from nodes._minutes import MINUTE, slots_between
from nodes._node import Place, StartError
from nodes.archiver import Archiver
from nodes.archiver import Settings as ArchiverSettings
from protocol import clock, wire
from protocol.clock import MILLISECOND, SECOND, Now
from protocol.messages import Announce, Configuration, Durable, Fetch, Measurements, Minutes, Snapshots, device_number
from tests.aligning import PERIOD, START, Bench, Row, later, meaning

ONE, TWO = device_number(1, 0), device_number(2, 0)
READERS = {"archiver": ["archive"], "trigger": ["windows"]}
FIRST = (START.utc // MINUTE + 1) * MINUTE - START.utc
"""ns from the start to the first whole minute."""


def bench(**more) -> Bench:
    return Bench(meaning(1, ["VA"]), meaning(2, ["VA"]), statistics=True, readers=READERS, **more)


def minutes(made: Bench) -> list[Minutes]:
    return [letter.message for letter in made.letters if isinstance(letter.message, Minutes)]


def of(word: Minutes, device: int) -> dict[str, float]:
    at = word.device.tolist().index(device)
    names = [each.name for each in fields(word) if isinstance(getattr(word, each.name), np.ndarray)]
    return {name: getattr(word, name)[at].item() for name in names if name != "device"}


def test_a_minute_is_what_its_rows_add_up_to():
    made = bench(validate={"frequency": [49, 51]})
    draw = np.random.default_rng(3)
    rows: list[tuple[int, Row, int]] = []
    missing = {ONE: 0, TWO: 0}
    steps = (FIRST + MINUTE) // (10 * PERIOD)
    for k in range(steps):  # a tenth of the rate that they promise
        at = k * 10 * PERIOD
        sent = {}
        for device in (ONE, TWO):
            status = int(draw.choice([0, 0, 0, 0x2000, 0x8000, 0x0200]))
            frequency = float(draw.choice([50.0, 49.5, 50.5, 60.0], p=[0.5, 0.2, 0.2, 0.1]))
            if device == ONE or draw.random() < 0.8:
                sent[device] = Row([frequency, 0.0, 1.0, 2.0], status=status)
                rows.append((device, sent[device], at))
            elif at >= FIRST:
                missing[device] += 1
        made.send(at, sent, later(at + 10 * MILLISECOND))
        made.wait(at + 150 * MILLISECOND)
    made.wait(FIRST + MINUTE + MILLISECOND)
    first, word = minutes(made)
    assert (first.start, first.covered) == (START.utc // MINUTE * MINUTE, FIRST / SECOND)
    assert (word.start, word.covered) == (START.utc + FIRST, 60.0)
    assert word.device.tolist() == [ONE, TWO]
    for device in (ONE, TWO):
        mine = [row for number, row, at in rows if number == device and at >= FIRST]
        good = [row.values[0] for row in mine if 49 <= row.values[0] <= 51]
        told = of(word, device)
        rejected = len(mine) - len(good)
        assert told == pytest.approx(
            {
                "expected": 3000,
                "received": len(mine),
                "missing": missing[device],
                "late": 0,
                "duplicate": 0,
                "clock_off": 0,
                "invalid": sum(row.status & 0xC000 != 0 for row in mine),
                "rejected": rejected,
                "unsynchronised": sum(row.status & 0x2000 != 0 for row in mine),
                "modified": sum(row.status & 0x0200 != 0 or not 49 <= row.values[0] <= 51 for row in mine),
                "latency_min": 10.0,
                "latency_mean": 10.0,
                "latency_p99": 10.0,
                "latency_max": 10.0,
                "frequency_min": min(good),
                "frequency_mean": sum(good) / len(good),
                "frequency_max": max(good),
            }
        )


def test_who_sent_nothing_has_a_row_too():
    made = bench()
    for k in range(0, (FIRST + MINUTE) // SECOND + 1):
        made.wait(k * SECOND)
    made.wait(FIRST + MINUTE)
    told = of(minutes(made)[-1], TWO)
    assert (told["expected"], told["received"]) == (3000, 0)
    assert all(math.isnan(told[name]) for name in ("latency_p99", "frequency_min", "frequency_mean", "frequency_max"))


def test_late_and_repeated_rows_count_in_the_minute_in_which_they_came():
    made = bench()
    at = FIRST - 2 * PERIOD
    for k in range(0, FIRST // SECOND):
        made.wait(k * SECOND)
    made.send(at, {ONE: Row([50, 0, 1, 2])})
    made.wait(FIRST + 100 * MILLISECOND)
    made.send(at, {TWO: Row([50, 0, 1, 2])}, later(FIRST + 110 * MILLISECOND))
    made.send(at, {ONE: Row([50, 0, 1, 2])}, later(FIRST + 120 * MILLISECOND))
    for k in range(1, 61):
        made.wait(FIRST + k * SECOND)
    first, second = minutes(made)
    assert (of(first, ONE)["received"], of(first, TWO)["received"]) == (1, 0)
    assert (of(second, TWO)["late"], of(second, ONE)["duplicate"]) == (1, 1)


@given(st.integers(-(10**12), 10**12), st.integers(0, 10**11), st.sampled_from([50, 60, 100, 1, -1, -10]))
def test_slots_are_counted_as_they_are_numbered(start, length, rate):
    start += START.utc
    first = int(clock.slot_of(start, rate)) - 2
    span = int(length // clock.period(rate)) + 5
    direct = 0
    for number in range(first, first + span + 2):
        exact = number * SECOND if rate > 0 else number * -rate * SECOND
        if rate > 0:
            direct += start * rate <= exact < (start + length) * rate
        else:
            direct += start <= exact < start + length
    assert slots_between(start, start + length, rate) == direct


def test_it_goes_to_archivers_alone_as_a_stream_of_its_own():
    made = bench()
    made.wait(400 * MILLISECOND)
    assert {letter.to for letter in made.letters} == {"archive"}
    told = [letter.message for letter in made.letters if isinstance(letter.message, Announce)]
    assert {each.node for each in told} == {"align/minutes"}
    assert all(each.node == "align" for each in made.said)
    for k in range(1, FIRST // SECOND + 2):
        made.wait(k * SECOND)
    [word] = minutes(made)
    assert wire.unpack(wire.pack(word)).device.tolist() == [ONE, TWO]
    made.letters.clear()
    made.note(made.node.receive(Fetch("archive", word.epoch, 0, 1), later(100 * SECOND)))
    assert [(letter.to, type(letter.message)) for letter in made.letters] == [("archive", Minutes)]
    made.letters.clear()
    made.note(made.node.receive(Fetch("windows", made.said[0].epoch, 0, 1), later(101 * SECOND)))
    assert [type(letter.message) for letter in made.letters] == [Configuration]


def test_a_minute_that_is_over_waits_for_nobody(tmp_path: Path):
    """Rows of the next one end it; until it is said it would be lost with the process."""
    made = bench(journal=tmp_path / "align")
    for k in range(FIRST // SECOND):
        made.wait(k * SECOND)
    made.send(FIRST, {ONE: Row([50.0, 0.0, 1.0, 2.0])})
    assert not minutes(made)
    assert made.node.wake_at() == 0
    made.note(made.node.stop(later(FIRST + 11 * MILLISECOND)))
    [word] = minutes(made)
    assert word.start == START.utc // MINUTE * MINUTE
    again = bench(journal=tmp_path / "align", start=later(FIRST + SECOND))
    again.note(again.node.receive(Fetch("archive", word.epoch, 0, 1), later(FIRST + SECOND)))
    assert [each.start for each in minutes(again)] == [word.start]


def test_a_minute_that_was_said_outlives_its_process(tmp_path: Path):
    made = bench(journal=tmp_path / "align")
    for k in range(0, FIRST // SECOND + 2):
        made.wait(k * SECOND)
    [word] = minutes(made)
    list(made.node.stop(later(FIRST + 2 * SECOND)))
    again = bench(journal=tmp_path / "align", start=later(FIRST + 5 * SECOND))
    again.letters.clear()
    again.note(again.node.receive(Fetch("archive", word.epoch, 0, 1), later(FIRST + 6 * SECOND)))
    [letter] = again.letters
    assert of(letter.message, ONE) == pytest.approx(of(word, ONE), nan_ok=True)
    again.note(again.node.receive(Durable("archive", word.epoch, 1), later(FIRST + 6 * SECOND)))
    for k in range(6, 62):
        again.wait(FIRST + k * SECOND)
    [after] = minutes(again)[1:]
    assert (after.start, after.covered) == (START.utc + FIRST, 55.0)
    assert after.epoch > word.epoch
    list(again.node.stop(later(FIRST + 70 * SECOND)))


def test_another_process_has_the_journal(tmp_path: Path):
    made = bench(journal=tmp_path / "align")
    with pytest.raises(StartError, match="uses this journal"):
        bench(journal=tmp_path / "align")
    list(made.node.stop(START))


def test_rows_that_were_fetched_count_for_their_own_minutes():
    made = Bench(statistics=True, readers=READERS)
    made.node.start(START)
    words = []
    for k in range(0, 150):
        at = START.utc + k * SECOND
        words.append(
            Measurements(
                table=(1, 1, 0, 0),
                device=np.array([ONE], "u4"),
                time=np.array([at], "i8"),
                arrival=np.array([at + 5 * MILLISECOND], "i8"),
                snapped=np.zeros(1, "i4"),
                quality=np.zeros(1, "u1"),
                status=np.zeros(1, "u2"),
                aside=np.zeros(1, "u1"),
                values=np.array([[50, 0, 1, 2]], "f4"),
                digital=np.zeros((1, 0), "u2"),
            )
        )
    runs = list(spans([meaning(1, ["VA"], rate=1), *words], MINUTE))
    direct = [[w for w in words if int(w.arrival[0]) // MINUTE == m] for m in sorted({w.arrival[0] // MINUTE
                                                                                      for w in words})]  # fmt: skip
    assert [[w for w in run if isinstance(w, Measurements)] for run in runs] == direct
    node = Bench(statistics=True, readers=READERS, start=later(0))
    node.node.start(later(150 * SECOND))  # it has to hear the receiver first, and what it holds
    stream = [meaning(1, ["VA"], rate=1), *words]
    node.note(node.node.receive(Announce("receivers.1", 1, len(stream), 0), later(150 * SECOND)))
    for number, word in enumerate(stream):
        told = word.__class__(**{**word.__dict__, "node": "receivers.1", "epoch": 1, "number": number})
        node.note(node.node.receive(told, later(150 * SECOND)))
    node.wait(150 * SECOND + MILLISECOND)
    counted = {word.start: of(word, ONE)["received"] for word in minutes(node)}
    starts = {START.utc + k * SECOND + 5 * MILLISECOND for k in range(150)}
    wanted = {start: sum(start <= at < start + MINUTE for at in starts) for start in counted}
    assert counted == wanted
    assert len(counted) == 2
    assert any(isinstance(word, Snapshots) for word in node.said)


def test_the_archive_keeps_each_once_over_restarts(tmp_path: Path):
    made = bench()
    for k in range(0, (FIRST + MINUTE) // SECOND + 2):
        made.send(k * SECOND, {ONE: Row([50.0 + k / 100, 0, 1, 2])})
        made.wait(k * SECOND + 200 * MILLISECOND)
    words = minutes(made)
    assert len(words) == 2
    place = Place("archive", "archive", 1, {}, {"receiver": ["r"], "concentrator": ["align"]}, "/run", {}, "p.yaml")
    for life in range(3):
        node = Archiver(ArchiverSettings(path=tmp_path / "data"), place)
        now = Now((life + 1) * 100 * SECOND, later(200 * SECOND).utc)
        list(node.start(now))
        again = [word.__class__(**{**word.__dict__, "epoch": word.epoch + life}) for word in words]
        told = [*made.said, Announce("align/minutes", again[0].epoch, 2, 0), *again]
        done = [action for word in told for action in node.receive(word, now)]
        assert {a.to for a in done} <= {"align/minutes"}
        done = list(node.wake(Now(now.monotonic + 2 * SECOND, now.utc)))
        assert [(a.to, a.message.next) for a in done if isinstance(a.message, Durable)] == [("align/minutes", 2)]
        counters = node.health(now)["counters"]
        assert (counters["statistics"], counters["statistic_twins"]) == ((4, 0) if life == 0 else (0, 4))
        list(node.stop(now))
    with open_archive(tmp_path / "data") as found:
        rows = found.statistics()
        assert found.statistics([str(ONE)])["start"].tolist() == [word.start for word in words]
    assert rows["start"].tolist() == [word.start for word in words for _ in range(2)]
    assert rows["device"].tolist() == [ONE, TWO] * 2
    assert rows["concentrator"].tolist() == ["align"] * 4
    assert rows["covered"].tolist() == [FIRST / SECOND] * 2 + [60.0] * 2
    for k, (word, device) in enumerate((word, device) for word in words for device in (ONE, TWO)):
        assert {name: rows[name][k] for name in of(word, device)} == pytest.approx(of(word, device), nan_ok=True)
