from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.windows import GONE, NEVER, Cut, Samples, fill


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


def firsts(cuts: list[Cut], device: int = 1) -> list[int]:
    return [cut.first for cut in cuts if cut.device == device]


def test_a_silent_device_owes_its_empty_windows_until_it_is_heard_again():
    samples = Samples(10, 10, stagger=False)
    feed(samples, range(0, 10), (1, 2))
    assert firsts(feed(samples, range(10, 40), (2,))) == []
    cuts = feed(samples, range(42, 50), (1, 2))
    assert firsts(cuts) == [10, 20, 30, 40]
    assert [int(np.isnan(cut.values).sum()) for cut in cuts if cut.device == 1] == [10, 10, 10, 2]


def test_the_last_window_holds_the_last_sample():
    samples = Samples(10, 5, stagger=False)
    feed(samples, range(0, 10), (1, 2))
    cuts = feed(samples, range(10, 13), (1, 2)) + feed(samples, range(13, 200), (2,))
    assert firsts(cuts) == [5, 10]
    assert [int(np.isnan(cut.values).sum()) for cut in cuts if cut.device == 1] == [2, 7]


def test_a_device_without_any_sample_has_no_window():
    samples = Samples(10, 10, stagger=False)
    for at in range(0, 40):
        values = np.array([[at, at if at > 22 else np.nan]], dtype=np.float32)
        cuts = list(samples.push(np.array([at]), u4(1, 2), values))
        assert firsts(cuts, 2) == ([30] if at == 39 else [])


def test_a_device_that_was_gone_begins_anew():
    samples = Samples(10, 10, stagger=False)
    feed(samples, range(0, 15), (1, 2))
    away = 10 * GONE + 500
    assert firsts(feed(samples, range(15, away), (2,), chunk=50)) == [10]
    assert firsts(feed(samples, range(away + 3, away + 30), (1, 2))) == [away + 10, away + 20]


def test_a_leap_forward_cuts_what_is_left_and_goes_on():
    samples = Samples(10, 10, stagger=False)
    feed(samples, range(0, 15))
    [partial] = feed(samples, range(1_000_003, 1_000_010))
    assert (partial.first, int(np.isnan(partial.values).sum())) == (10, 5)
    assert firsts(feed(samples, range(1_000_010, 1_000_030))) == [1_000_010, 1_000_020]


@pytest.mark.parametrize("chunk", [1, 7, 500])
def test_a_leap_over_many_windows_leaves_none_out(chunk: int):
    samples, slots = Samples(20, 7), [*range(100, 160), *range(1000, 1060)]
    cuts = []
    for at in range(0, len(slots), chunk):
        slot = np.array(slots[at : at + chunk])
        cuts += list(samples.push(slot, u4(5), slot[:, None].astype(np.float32)))
    assert set(np.diff(firsts(cuts, 5)).tolist()) == {7}
    for cut in cuts:
        held = [slot if slot in slots else None for slot in range(cut.first, cut.first + 20)]
        assert [None if np.isnan(value) else value for value in cut.values.tolist()] == held


def test_windows_of_a_clock_astray_are_cut_once_when_their_time_comes():
    samples = Samples(10, 10, stagger=False)
    cuts = feed(samples, range(100, 125)) + feed(samples, range(300, 322)) + feed(samples, range(125, 400))
    first = firsts(cuts)
    assert len(first) == len(set(first))
    assert set(range(150, 391, 10)) == {each for each in first if each >= 150}


def test_slots_older_than_the_ring_take_nothing_away():
    samples = Samples(10, 10, stagger=False)
    feed(samples, range(0, 115))
    assert feed(samples, range(0, 8), (2,)) == []
    old = samples.push(np.arange(0, 8), u4(2), np.zeros((8, 1), dtype=np.float32), late=115)
    assert list(old) == []


def test_a_schedule_goes_on_in_another_life():
    whole, first, second = (Samples(20, 7) for _ in range(3))
    expected = feed(whole, range(0, 300), (3, 4), chunk=10)
    cuts = feed(first, range(0, 150), (3, 4), chunk=10)
    second.resume(first.schedule())
    for at in range(110, 150):  # the samples that the next windows need come again
        values = np.array([[at, at]], dtype=np.float32)
        assert list(second.push(np.array([at]), u4(3, 4), values, late=150 - at)) == []
    cuts += feed(second, range(150, 300), (3, 4), chunk=10)
    assert [(c.device, c.first, c.values.tolist()) for c in cuts] == [
        (c.device, c.first, c.values.tolist()) for c in expected
    ]
    assert second.schedule() == whole.schedule()


def test_since_when_samples_are_needed():
    samples = Samples(10, 10, stagger=False)
    assert samples.since() == NEVER
    for at in range(0, 34):
        list(samples.push(np.array([at]), u4(1), np.array([[at]], dtype=np.float32), now=1000 + at))
    assert samples.since() == 1030
    [cut] = [cut for at in range(34, 40) for cut in samples.push(np.array([at]), u4(1), np.zeros((1, 1), np.float32))]
    assert cut.came == 0


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


def test_a_device_whose_samples_are_all_late_has_its_windows_too():
    samples = Samples(10, 5, stagger=False)
    assert [cut.device for cut in feed(samples, range(100, 130))] == [1] * 5
    late = np.arange(100, 126)
    cuts = list(samples.add(late, u4(2), late[:, None].astype(np.float32)))
    assert [(cut.device, cut.first) for cut in cuts] == [(2, first) for first in (100, 105, 110, 115, 120)]
    assert cuts[-1].values[:6].tolist() == list(range(120, 126))
    assert np.isnan(cuts[-1].values[6:]).all()
    assert list(samples.add(late, u4(2), late[:, None].astype(np.float32))) == []


def test_late_samples_fill_what_is_missing_and_change_nothing_else():
    samples = Samples(10, 5, stagger=False)
    values = np.arange(100, 109, dtype=np.float32)[:, None].copy()
    values[3:5] = np.nan
    assert list(samples.push(np.arange(100, 109), u4(1), values)) == []
    assert list(samples.add(np.arange(102, 105), u4(1), np.full((3, 1), 7, np.float32))) == []
    [cut] = feed(samples, range(109, 110))
    assert cut.values.tolist() == [100, 101, 102, 7, 7, 105, 106, 107, 108, 109]


def test_samples_of_a_device_too_late_for_any_window_say_that_it_is_there():
    samples = Samples(10, 5, stagger=False)
    feed(samples, range(100, 300))
    cuts = list(samples.add(np.arange(110, 131), u4(2), np.ones((21, 1), np.float32)))
    assert [cut.first for cut in cuts] == [110, 115, 120, 125, 130]
    assert all(np.isnan(cut.values).all() for cut in cuts)


some_devices = st.lists(st.integers(1, 4), min_size=1, unique=True)


@given(st.lists(st.tuples(st.integers(-1, 2), some_devices, st.integers(1, 3)), max_size=12))
def test_the_first_sample_of_a_slot_stands_there_whoever_is_told_of_in_a_push(pushes: list[tuple[int, list[int], int]]):
    samples, first = Samples(20, 1000), dict[tuple[int, int], float]()
    top = 100
    for leap, devices, count in pushes:
        slot = np.arange(top + leap, top + leap + count)
        values = np.arange(slot.size * len(devices), dtype=np.float32).reshape(slot.size, -1) + 100 * len(first)
        values[values % 3 == 0] = np.nan
        list(samples.push(slot, u4(*devices), values))
        top = max(top, int(slot[-1]) + 1)
        for at, row in zip(slot.tolist(), values.tolist(), strict=True):
            for device, value in zip(devices, row, strict=True):
                if value == value:
                    first.setdefault((device, at), value)
    for device in {device for device, _ in first}:
        held = dict(enumerate(samples.cut(device, top - 20).values.tolist(), top - 20))
        assert {at: value for at, value in held.items() if value == value} == {
            at: first[device, at] for at in held if (device, at) in first
        }
