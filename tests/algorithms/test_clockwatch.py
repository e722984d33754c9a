from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithms.clockwatch import SECOND, ClockWatch

MS = 1_000_000


def feed(watch: ClockWatch, delays: dict[int, int], start: int = 0, rows: int = 30, step: int = 200 * MS) -> list[int]:
    """One row of each device each `step`, judged each time; returns the devices that turned."""
    device = np.array(list(delays), dtype=np.uint32)
    delay = np.array(list(delays.values()), dtype=np.int64)
    turned = []
    for k in range(rows):
        now = start + k * step
        watch.push(device, delay, now)
        turned += watch.judge(now).tolist()
    return turned


def marked(watch: ClockWatch) -> list[int]:
    return watch.devices[watch.marked].tolist()


def test_nobody_is_marked_for_ordinary_delays():
    watch = ClockWatch(2 * SECOND)
    assert feed(watch, {1: 20 * MS, 2: 80 * MS, 3: 900 * MS}) == []


@pytest.mark.parametrize("wrong", [-3600 * SECOND, 19 * SECOND, 5 * 86400 * SECOND])
def test_a_steadily_wrong_clock_is_marked_once(wrong: int):
    watch = ClockWatch(2 * SECOND)
    assert feed(watch, {1: 20 * MS, 2: 30 * MS, 3: wrong}) == [3]
    assert marked(watch) == [3]


def test_captures_of_any_year_agree_with_each_other():
    years = 17 * 365 * 86400 * SECOND
    assert feed(ClockWatch(2 * SECOND), {1: years, 2: years + 30 * MS}) == []


def test_of_two_that_disagree_the_one_nearer_to_the_station_counts():
    watch = ClockWatch(2 * SECOND)
    assert feed(watch, {1: 3600 * SECOND, 2: 20 * MS}) == [1]
    watch = ClockWatch(2 * SECOND)
    assert feed(watch, {1: -3600 * SECOND, 2: 20 * MS}) == [1]


def test_how_far_clocks_are_ahead_of_the_median_devices():
    watch = ClockWatch(2 * SECOND)
    feed(watch, {1: 20 * MS, 2: 30 * MS, 3: -40 * MS})
    assert watch.ahead().tolist() == [0, -10 * MS, 60 * MS]
    alone = ClockWatch(2 * SECOND)
    feed(alone, {1: 20 * MS})
    assert np.isnan(alone.ahead()).all()


def test_one_alone_is_never_marked():
    watch = ClockWatch(2 * SECOND)
    assert feed(watch, {1: 3600 * SECOND}) == []
    assert watch.middle is None
    assert watch.off(np.array([0]), np.array([5])).tolist() == [0]


def test_a_short_stall_marks_nobody():
    watch = ClockWatch(2 * SECOND)
    feed(watch, {1: 0, 2: 0, 3: 0})
    assert feed(watch, {1: 0, 2: 0, 3: 10 * SECOND}, 6 * SECOND, rows=13) == []
    assert feed(watch, {1: 0, 2: 0, 3: 0}, 9 * SECOND) == []


def test_a_clock_that_came_back_is_unmarked():
    watch = ClockWatch(2 * SECOND)
    feed(watch, {1: 0, 2: 0, 3: 60 * SECOND})
    assert feed(watch, {1: 0, 2: 0, 3: int(1.5 * SECOND)}, 6 * SECOND) == []
    assert feed(watch, {1: 0, 2: 0, 3: int(0.9 * SECOND)}, 12 * SECOND, rows=60) == [3]
    assert marked(watch) == []


def test_a_wrong_clock_among_many_moves_nobody_else():
    delays = {device: device * MS for device in range(1, 40)} | {99: -10 * SECOND}
    watch = ClockWatch(2 * SECOND)
    assert feed(watch, delays) == [99]
    assert watch.middle == 20 * MS or watch.middle == 19 * MS


def test_the_silent_have_no_say():
    watch = ClockWatch(2 * SECOND)
    feed(watch, {1: 0, 2: 0, 3: 0})
    assert feed(watch, {4: 60 * SECOND, 5: 60 * SECOND}, start=60 * SECOND) == []


def test_off_tells_early_from_behind_row_by_row():
    watch = ClockWatch(2 * SECOND)
    feed(watch, {1: 20 * MS, 2: 20 * MS, 3: 20 * MS})
    column = watch.push(np.array([2, 1], dtype=np.uint32), np.array([0, 50 * MS]), 0)
    assert watch.off(column, np.array([0, 50 * MS])).tolist() == [-20 * MS, 30 * MS]


def test_a_batch_longer_than_its_memory_keeps_the_last_rows():
    watch = ClockWatch(2 * SECOND, rows=4)
    watch.push(np.full(10, 7, dtype=np.uint32), np.arange(10), 0)
    watch.push(np.full(1, 8, dtype=np.uint32), np.zeros(1, dtype=np.int64), 0)
    watch.judge(0)
    assert watch.delay.tolist() == [7, 0]


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(-50, 50)), min_size=1, max_size=60), st.integers(1, 60))
def test_the_delay_is_the_lower_median_of_the_last_rows(rows: list[tuple[int, int]], chunk: int):
    watch, heard = ClockWatch(SECOND, rows=5), dict[int, list[int]]()
    for at in range(0, len(rows), chunk):
        device, delay = zip(*rows[at : at + chunk], strict=True)
        watch.push(np.array(device, np.uint32), np.array(delay, np.int64), 0)
        for one, each in rows[at : at + chunk]:
            heard.setdefault(one, []).append(each)
        watch.judge(0)
        lower = {one: sorted(all_[-5:])[(len(all_[-5:]) - 1) // 2] for one, all_ in heard.items()}
        assert dict(zip(watch.devices.tolist(), watch.delay.tolist(), strict=True)) == lower


def test_devices_are_compared_within_their_group():
    """Rows of a whole second come later by nature; among them, a wrong clock is marked all the same."""
    watch = ClockWatch(200 * MS, group=lambda device: (device >= 100).astype(np.int64))
    slow = {100: 900 * MS, 101: 950 * MS, 102: 2500 * MS}
    assert feed(watch, {1: 20 * MS, 2: 30 * MS, 3: 1000 * MS, **slow}) == [3, 102]
    assert watch.middle == 30 * MS


def test_a_group_of_one_is_compared_with_nobody():
    watch = ClockWatch(200 * MS, group=lambda device: (device >= 100).astype(np.int64))
    assert feed(watch, {1: 20 * MS, 2: 30 * MS, 100: 3600 * SECOND}) == []
