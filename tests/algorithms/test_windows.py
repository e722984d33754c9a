from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.windows import Cut, Dead, Leases, Samples, fill

SECOND = 1_000_000_000


def u4(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.uint32)


def feed(samples: Samples, slots: range, devices: tuple[int, ...] = (1,), chunk: int = 1) -> list[Cut]:
    """Every device's value is its slot (modulo 10000, exact in float32)."""
    cuts: list[Cut] = []
    for at in range(slots.start, slots.stop, chunk):
        slot = np.arange(at, min(at + chunk, slots.stop))
        values = np.repeat((slot % 10_000)[:, None], len(devices), axis=1).astype(np.float32)
        cuts += samples.push(slot, u4(*devices), values)
    return cuts


def test_a_window_is_due_with_its_last_slot():
    samples = Samples(10, 5, stagger=False)
    assert feed(samples, range(100, 109)) == []
    [cut] = feed(samples, range(109, 110))
    assert (cut.device, cut.first) == (1, 100)
    assert cut.values.tolist() == list(range(100, 110))
    assert [cut.first for cut in feed(samples, range(110, 131))] == [105, 110, 115, 120]


def test_the_first_window_begins_after_the_first_sample():
    samples = Samples(10, 5, stagger=False)
    assert [cut.first for cut in feed(samples, range(101, 121))] == [105, 110]


def test_staggered_devices_are_not_due_together():
    samples = Samples(100, 1000)
    devices = tuple(range(65536, 65536 * 21, 65536))
    cuts = feed(samples, range(3000), devices, chunk=10)
    ends = [cut.first for cut in cuts if cut.first > 1000]
    assert len(cuts) >= 2 * len(devices)
    assert max(np.histogram(np.array(ends) % 1000, 10, (0, 1000))[0]) <= len(ends) // 10 + 3


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_chunks_change_nothing(chunks: list[int]):
    whole = [(c.device, c.first, c.values.tolist()) for c in feed(Samples(20, 7), range(50, 250), (1, 2, 3))]
    samples, at, cuts = Samples(20, 7), 50, []
    while at < 250:
        for chunk in chunks:
            end = min(at + chunk, 250)
            cuts += feed(samples, range(at, end), (1, 2, 3), chunk=max(1, end - at))
            at = end
    assert sorted((c.device, c.first, c.values.tolist()) for c in cuts) == sorted(whole)


def test_slots_that_never_came_are_missing():
    samples = Samples(10, 10, stagger=False)
    feed(samples, range(0, 4))
    [cut] = feed(samples, range(6, 10))
    assert np.flatnonzero(np.isnan(cut.values)).tolist() == [4, 5]


def test_a_window_is_due_when_its_last_slot_was_skipped():
    samples = Samples(10, 10, stagger=False)
    feed(samples, range(0, 9))
    [cut] = feed(samples, range(11, 12))
    assert np.flatnonzero(np.isnan(cut.values)).tolist() == [9]


def test_a_device_without_any_sample_has_no_window():
    samples = Samples(10, 10, stagger=False)
    feed(samples, range(0, 10), (1, 2))
    assert [(c.device, c.first) for c in feed(samples, range(10, 40), (2,))] == [(2, 10), (2, 20), (2, 30)]
    assert [(c.device, c.first) for c in feed(samples, range(40, 50), (1, 2))] == [(1, 40), (2, 40)]


def test_a_leap_forward_cuts_what_is_left_and_goes_on():
    samples = Samples(10, 10, stagger=False)
    feed(samples, range(0, 15))
    [partial] = feed(samples, range(1_000_003, 1_000_010))
    assert partial.first == 1_000_000
    assert np.isnan(partial.values).sum() == 3
    assert [cut.first for cut in feed(samples, range(1_000_010, 1_000_030))] == [1_000_010, 1_000_020]


def test_a_leap_back_goes_on_from_there():
    samples = Samples(10, 10, stagger=False)
    feed(samples, range(1_000_000, 1_000_015))
    assert [cut.first for cut in feed(samples, range(500, 520))] == [500, 510]


def test_slots_that_come_again_fill_what_was_missing_and_cut_nothing_twice():
    """Who aligns was away during slots 43..46, and then tells all from slot 0 on once more."""
    samples = Samples(10, 10, stagger=False)
    feed(samples, range(0, 43))
    again = [
        cut
        for at in range(0, 60)
        for cut in samples.push(np.array([at]), u4(1), np.array([[at]], dtype=np.float32), late=max(0, 47 - at))
    ]
    assert [(cut.first, cut.values.tolist()) for cut in again] == [
        (40, list(range(40, 50))),
        (50, list(range(50, 60))),
    ]


def test_slots_that_come_again_with_fewer_devices_take_nothing_away():
    samples = Samples(10, 10, stagger=False)
    feed(samples, range(0, 8), (1, 2))
    for at in range(3, 8):
        assert list(samples.push(np.array([at]), u4(2), np.array([[at]], dtype=np.float32), late=8 - at)) == []
    cuts = feed(samples, range(8, 10), (1, 2))
    assert [cut.values.tolist() for cut in cuts] == [list(range(10))] * 2


def test_late_devices_join():
    samples = Samples(10, 10, stagger=False)
    feed(samples, range(0, 25))
    cuts = feed(samples, range(25, 40), (1, 7))
    assert [(c.device, c.first) for c in cuts] == [(1, 20), (1, 30), (7, 30)]


@pytest.mark.parametrize(("length", "every"), [(0, 5), (5, 0)])
def test_no_window_of_nothing(length: int, every: int):
    with pytest.raises(ValueError, match="at least one sample"):
        Samples(length, every)


def nan(text: str) -> np.ndarray:
    return np.array([np.nan if c == "." else float(c) for c in text], dtype=np.float32)


@pytest.mark.parametrize(
    ("given", "filled", "mask"),
    [
        ("12345", "12345", "00000"),
        ("1.345", "12345", "01000"),
        ("1..45", "12345", "01100"),
        ("..345", "33345", "11000"),
        ("123..", "12333", "00011"),
    ],
)
def test_short_gaps_are_interpolated(given: str, filled: str, mask: str):
    result = fill(nan(given), 2)
    assert result is not None
    assert result[0].tolist() == nan(filled).tolist()
    assert result[0].dtype == np.float32
    assert "".join(map(str, result[1].tolist())) == mask


@pytest.mark.parametrize("values", ["1...5", "...45", "12...", "....."])
def test_long_gaps_are_not(values: str):
    assert fill(nan(values), 2) is None


def leases(workers: int = 2, **more: int) -> Leases[str]:
    settings = {"in_flight": 16, "timeout": 30 * SECOND, "attempts": 3} | more
    return Leases([f"w{n + 1}" for n in range(workers)], **settings)


def sent(table: Leases[str], mono: int = 0) -> list[tuple[str, int, str]]:
    return [(one.work, one.attempt, one.worker) for one in table.send(mono)]


def test_work_goes_to_the_freest_two_at_most_each():
    table = leases()
    for name in "abcdef":
        table.add(name)
    assert sent(table) == [("a", 1, "w1"), ("b", 1, "w2"), ("c", 1, "w1"), ("d", 1, "w2")]
    assert (table.waiting, table.out) == (2, 4)
    assert table.done(1, "w2") == "b"
    assert sent(table) == [("e", 1, "w2")]


def test_no_more_in_flight_than_told():
    table = leases(workers=9, in_flight=3)
    for name in "abcdef":
        table.add(name)
    assert len(sent(table)) == 3


def test_without_workers_everything_waits():
    table = leases(workers=0)
    table.add("a")
    assert sent(table) == []
    assert table.waiting == 1


def test_a_failure_goes_to_another_worker_and_dies_after_the_last_attempt():
    table = leases(attempts=2)
    lease = table.add("a")
    assert sent(table) == [("a", 1, "w1")]
    assert table.failed(lease, 1, "w1", "boom") is None
    assert sent(table) == [("a", 2, "w2")]
    assert table.failed(lease, 1, "w1", "boom again") is None  # the twin of a lost attempt
    assert table.failed(lease, 2, "w2", "bang") == Dead("a", lease, 2, "bang")
    assert (table.waiting, table.out, table.resent) == (0, 0, 1)


def test_a_silent_worker_loses_its_work_and_is_asked_last():
    table = leases()
    table.add("a")
    sent(table)
    assert table.wake_at() == 30 * SECOND
    assert table.expire(30 * SECOND - 1) == []
    assert table.expire(30 * SECOND) == []
    table.add("b")
    table.add("c")
    assert sent(table, 30 * SECOND) == [("a", 2, "w2"), ("b", 1, "w2"), ("c", 1, "w1")]


def test_silence_to_the_end_is_death():
    table = leases(workers=1, attempts=2)
    lease = table.add("a")
    sent(table, 0)
    assert table.expire(30 * SECOND) == []
    sent(table, 30 * SECOND)
    [dead] = table.expire(60 * SECOND)
    assert dead == Dead("a", lease, 2, "no answer from w1 within 30 s")


def test_a_late_answer_counts_once():
    table = leases()
    lease = table.add("a")
    sent(table)
    table.expire(30 * SECOND)
    assert table.done(lease, "w1") == "a"  # it waited to be sent again
    assert (table.waiting, table.out) == (0, 0)
    assert table.done(lease, "w2") is None
    assert table.done(12345, "w2") is None


@given(st.lists(st.sampled_from(["add", "send", "ok", "fail", "tick"]), max_size=200), st.integers(1, 4))
def test_every_piece_ends_exactly_once(steps: list[str], workers: int):
    table, out, ended, made = leases(workers, timeout=10, in_flight=5), [], [], 0
    for now, step in enumerate([*steps, *["send", "ok"] * (steps.count("add") * 3)]):
        if step == "add":
            table.add(str(made))
            made += 1
        elif step == "send":
            out += list(table.send(now))
        elif step == "ok" and out:
            one = out.pop(0)
            ended += [work for work in [table.done(one.lease, one.worker)] if work is not None]
        elif step == "fail" and out:
            one = out.pop(0)
            dead = table.failed(one.lease, one.attempt, one.worker, "x")
            ended += [dead.work] if dead else []
        elif step == "tick":
            ended += [dead.work for dead in table.expire(now)]
        assert table.out <= 5
    assert len(ended) == len(set(ended))
    assert made == len(ended) + table.waiting + table.out
    assert table.waiting == 0
